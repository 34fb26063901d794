//! The demo: a live picture relayed by the real programs.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use crate::pipewire;
use crate::run::{cargo, step};
use crate::test::target_dir;

#[derive(Args)]
pub(crate) struct Options {
    /// Ends after so many seconds (default: when the window is closed or on Ctrl-C; 5 without a display).
    #[arg(long)]
    seconds: Option<u64>,
    /// Relays this X display, another than the one the window is on, instead of the test pattern.
    #[arg(long)]
    capture: Option<String>,
    /// Size of the test pattern.
    #[arg(long, default_value = "1920x1080")]
    size: String,
    /// Renderer of the client: auto, EGL or software.
    #[arg(long, default_value = "auto")]
    renderer: String,
    /// Does without a window even if there is a display.
    #[arg(long)]
    headless: bool,
    /// Where the picture goes when there is no window.
    #[arg(long, default_value = "demo.png")]
    output: PathBuf,
}

/// Children and files that must not outlive the demo.
struct Cleanup {
    children: Vec<Child>,
    files: Vec<PathBuf>,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        for child in &mut self.children {
            // SIGTERM first: the programs end cleanly on it.
            let _ = Command::new("kill")
                .arg(child.id().to_string())
                .stderr(Stdio::null())
                .status();
            let deadline = Instant::now() + Duration::from_secs(3);
            while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut build = cargo();
    build.args(["build", "--release", "-p", "client", "-p", "host"]);
    pipewire::enable(&mut build, &[]);
    step("build", &mut build)?;
    pipewire::warn();
    let (width, height) = parse_size(&options.size)?;
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_over))?;
    }
    let folder = std::env::temp_dir().join(format!("looking-glass-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let memory = PathBuf::from(format!(
        "/dev/shm/looking-glass-demo-{}",
        std::process::id()
    ));
    let stats = folder.join("client.json");
    let mut cleanup = Cleanup {
        children: Vec::new(),
        files: vec![memory.clone(), stats.clone()],
    };
    // Room for two 4-byte-pixel frames and 10 MiB, rounded up to a power of two as a PCI BAR needs.
    let mib = (u64::from(width) * u64::from(height) * 8 / 1_048_576 + 10).next_power_of_two();
    File::create(&memory)?
        .set_len(mib.max(64) << 20)
        .context("making the shared memory")?;
    let shm = format!("app:shmFile={}", memory.display());

    let mut host = Command::new(program("looking-glass-host"));
    host.arg(&shm);
    match &options.capture {
        Some(display) => host.arg("app:capture=XCB").env("DISPLAY", display),
        None => host.args([
            "app:capture=test".into(),
            format!("test:width={width}"),
            format!("test:height={height}"),
        ]),
    };
    cleanup
        .children
        .push(host.spawn().context("starting the host")?);

    let has_display = !options.headless
        && ["WAYLAND_DISPLAY", "DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let seconds = options.seconds.or((!has_display).then_some(5));
    let client = || {
        let mut command = Command::new(program("looking-glass-client"));
        command.args([shm.as_str(), "spice:enable=no", "--allow-root"]);
        command
    };
    let mut shown = client();
    shown
        .arg("--stats")
        .arg(&stats)
        .arg(format!("app:renderer={}", options.renderer));
    if !has_display {
        println!(
            "No display: the picture goes to {}.",
            options.output.display()
        );
        shown.arg("--headless");
    }
    cleanup
        .children
        .push(shown.spawn().context("starting the client")?);
    follow(&stats, &mut cleanup.children, seconds, &is_over)?;
    if !has_display {
        step(
            "picture",
            client()
                .args(["--headless", "--screenshot"])
                .arg(&options.output),
        )?;
        let picture = std::fs::canonicalize(&options.output)?;
        println!("The composed picture is in {}", picture.display());
    }
    drop(cleanup);
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}

/// Prints the client's figures each second until the time is over or a program ends.
fn follow(
    stats: &Path,
    children: &mut [Child],
    seconds: Option<u64>,
    is_over: &AtomicBool,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut reader: Option<BufReader<File>> = None;
    let mut line = String::new();
    loop {
        for child in children.iter_mut() {
            if let Some(status) = child.try_wait()? {
                if status.success() || status.code().is_none() {
                    return Ok(());
                }
                bail!("a program of the demo ended: {status}");
            }
        }
        let is_late = seconds.is_some_and(|limit| start.elapsed().as_secs() >= limit);
        if is_late || is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        if reader.is_none() {
            reader = File::open(stats).ok().map(BufReader::new);
        }
        // A line may be half written; it is kept until the rest has come.
        while reader
            .as_mut()
            .is_some_and(|file| file.read_line(&mut line).unwrap_or(0) > 0)
        {
            if line.ends_with('\n') {
                if let Ok(figures) = serde_json::from_str::<Value>(&line) {
                    print_figures(&figures);
                }
                line.clear();
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn print_figures(figures: &Value) {
    let number = |name: &str| figures[name].as_f64();
    let Some(rate) = number("frames_per_second") else {
        return;
    };
    match (number("latency_p50_ms"), number("latency_p99_ms")) {
        (Some(p50), Some(p99)) => {
            println!("{rate:6.1} frames/s   latency p50 {p50:6.2} ms  p99 {p99:6.2} ms");
        }
        _ => println!("{rate:6.1} frames/s   (no time stamp in the picture: latency not measured)"),
    }
}

fn parse_size(text: &str) -> anyhow::Result<(u32, u32)> {
    let (width, height) = text.split_once('x').context("a size is WIDTHxHEIGHT")?;
    Ok((width.parse()?, height.parse()?))
}

fn program(name: &str) -> PathBuf {
    target_dir().join("release").join(name)
}
