//! Watches over a client: it must live, keep talking, stay small and leave the processor alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::Viewer;

/// How often the figures are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What a client may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time between two lines of figures, which come each second.
    pub silence: Duration,
    /// Share of one processor, over a group of attacks.
    pub cpu: f64,
    /// MiB of memory at any time (VmHWM), the mapping included.
    pub resident_mib: u64,
}

/// The observed longest silence, kept by a thread of its own.
struct Silence {
    longest_ms: AtomicU64,
    is_over: AtomicBool,
}

/// A watch over one client.
pub struct Watch {
    limits: Limits,
    silence: Arc<Silence>,
    thread: Option<JoinHandle<()>>,
    since: Instant,
    cpu: f64,
}

impl Watch {
    /// Begins to watch.
    #[must_use]
    pub fn begin(viewer: &Viewer, limits: Limits) -> Self {
        let silence = Arc::new(Silence {
            longest_ms: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let (shared, file) = (Arc::clone(&silence), viewer.stats_file().to_owned());
        Self {
            limits,
            silence,
            thread: Some(std::thread::spawn(move || listen(&shared, &file))),
            since: Instant::now(),
            cpu: viewer.process.cpu_seconds().unwrap_or(0.0),
        }
    }

    /// Judges the time since the last call.
    ///
    /// # Errors
    /// Names what was wrong and shows what the client printed.
    pub fn check(&mut self, viewer: &mut Viewer, what: &str) -> anyhow::Result<()> {
        let verdict = self.judge(viewer).with_context(|| format!("after {what}"));
        verdict.with_context(|| format!("client:\n{}", tail(&viewer.process.output())))
    }

    fn judge(&mut self, viewer: &mut Viewer) -> anyhow::Result<()> {
        if viewer.process.has_ended() {
            bail!(
                "the client has ended: {:?}",
                viewer.process.wait(Duration::ZERO)
            );
        }
        let wall = self.since.elapsed().as_secs_f64();
        let cpu = viewer.process.cpu_seconds().unwrap_or(0.0);
        let share = (cpu - self.cpu) / wall;
        (self.since, self.cpu) = (Instant::now(), cpu);
        let silence = Duration::from_millis(self.silence.longest_ms.swap(0, Ordering::Relaxed));
        let peak = peak_mib(viewer.process.id()).context("reading VmHWM")?;
        println!(
            "  {wall:.1} s, {:.0} % of a processor, {peak} MiB, silent for {silence:?}",
            share * 100.0
        );
        ensure!(
            silence <= self.limits.silence,
            "the client was silent for {silence:?}"
        );
        ensure!(
            share <= self.limits.cpu,
            "the client used {:.0} % of a processor",
            share * 100.0
        );
        ensure!(
            peak <= self.limits.resident_mib,
            "the client grew to {peak} MiB"
        );
        ensure!(
            !viewer.process.output().contains("panicked"),
            "the client panicked"
        );
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.silence.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Notes the longest time in which the file of figures did not grow.
fn listen(silence: &Silence, file: &PathBuf) {
    let length = || std::fs::metadata(file).map_or(0, |data| data.len());
    let (mut known, mut since) = (length(), Instant::now());
    while !silence.is_over.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        let silent_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        silence.longest_ms.fetch_max(silent_ms, Ordering::Relaxed);
        let now = length();
        if now != known {
            (known, since) = (now, Instant::now());
        }
    }
}

/// The most memory that a process ever had in use.
fn peak_mib(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? >> 10)
}

/// The last lines of a long text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
