//! What the programs themselves cost: processor, memory, and the time to the first picture.

use std::time::Duration;

use clock::{Clock as _, MonotonicClock, Nanos};
use picture::Size;
use testkit::process::Process;

use crate::copy::ms;
use crate::machine::process_cpu;
use crate::path::{RATE, Stage, end};
use crate::report::{Report, Sample};

/// Until the programs run evenly.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// How long processor time is counted.
const COUNTED: Duration = Duration::from_secs(5);

/// Measures each program once.
///
/// # Errors
/// If a program fails, or nothing is seen.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let sizes = [
        ("1080p", Size::new(1920, 1080)),
        ("4K", Size::new(3840, 2160)),
    ];
    for (name, size) in sizes {
        let Some(stage) = Stage::build(size)? else {
            report.note("programs not measured: there is no Xvfb".into());
            return Ok(());
        };
        let painter = stage.paint(100)?;
        for renderer in ["software", "EGL"] {
            let client = stage.client(renderer)?;
            busy(report, &stage, client, &format!("{name}{RATE} {renderer}"))?;
        }
        // The last picture stays: the painter's window has to.
        painter.signal(rustix::process::Signal::STOP);
        if name == "1080p" {
            start(report, &stage)?;
            still(report, &stage)?;
        }
    }
    Ok(())
}

/// Processor and memory while everything changes all the time.
fn busy(report: &mut Report, stage: &Stage, mut client: Process, name: &str) -> anyhow::Result<()> {
    let mut watcher = stage.watcher()?;
    stage.expect_picture(&mut watcher, &mut client)?;
    drop(watcher);
    std::thread::sleep(WARM_UP);
    for (program, share) in counted(&[("host", &stage.host), ("client", &client)])? {
        report.add(Sample::new(
            "programs",
            format!("{name}: {program} CPU"),
            "%",
            share,
        ));
    }
    for (program, process) in [("host", &stage.host), ("client", &client)] {
        let mib = process
            .resident_kib()
            .map_or(f64::NAN, |kib| kib as f64 / 1024.0);
        report.add(Sample::new(
            "programs",
            format!("{name}: {program} RSS"),
            "MiB",
            mib,
        ));
    }
    end(client)
}

/// From the start of the client to its first picture.
fn start(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    for renderer in ["software", "EGL"] {
        let mut watcher = stage.watcher()?;
        // The window of the client before must have gone.
        while watcher.first(Nanos::ZERO)?.is_some() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let start = MonotonicClock.now();
        let mut client = stage.client(renderer)?;
        let seen = stage.expect_picture(&mut watcher, &mut client)?;
        let name = format!("{renderer}: client start to first picture");
        report.add(Sample::new("programs", name, "ms", ms(seen - start)).at_most(500.0));
        end(client)?;
    }
    Ok(())
}

/// The host while nothing changes, with a client attached.
fn still(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    let mut client = stage.client("software")?;
    stage.expect_picture(&mut stage.watcher()?, &mut client)?;
    std::thread::sleep(WARM_UP);
    for (program, share) in counted(&[("host", &stage.host), ("client", &client)])? {
        let sample = Sample::new(
            "programs",
            format!("still desktop: {program} CPU"),
            "%",
            share,
        );
        report.add(if program == "host" {
            sample.at_most(0.5)
        } else {
            sample
        });
    }
    end(client)
}

/// The processor time of programs over a while, in percent of one core.
fn counted<'a>(programs: &[(&'a str, &Process)]) -> anyhow::Result<Vec<(&'a str, f64)>> {
    let mut before = Vec::new();
    for (_, process) in programs {
        before.push((process_cpu(process.id())?, MonotonicClock.now()));
    }
    std::thread::sleep(COUNTED);
    let mut shares = Vec::new();
    for ((name, process), (cpu, at)) in programs.iter().zip(before) {
        let used = process_cpu(process.id())? - cpu;
        let wall = MonotonicClock.now() - at;
        shares.push((*name, used.as_secs_f64() / wall.as_secs_f64() * 100.0));
    }
    Ok(shares)
}
