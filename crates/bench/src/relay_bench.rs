//! `bench relay`: repeats the measurements and reports.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::report::{Report, word};
use crate::{copy, growth, machine, path, programs, wake, zero_copy};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The relay against a plain memcpy.
    Copy,
    /// Waiting for messages.
    Wake,
    /// From one screen to another.
    Path,
    /// Cost against share, resolution and readers.
    Growth,
    /// Processor, memory and start of the programs.
    Programs,
    /// Frames that the GPU reads in place against copied ones, in a virtual machine.
    ZeroCopy,
}

impl Part {
    const ALL: [Self; 6] = [
        Self::Copy,
        Self::Wake,
        Self::Path,
        Self::Growth,
        Self::Programs,
        Self::ZeroCopy,
    ];
}

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct RelayOptions {
    /// Also writes everything to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Runs of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Measures only this; may be given several times.
    #[arg(long)]
    only: Vec<Part>,
    /// Seed of the random lateness of posts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Measures, prints, and writes the file if one is wanted.
///
/// # Errors
/// If a measurement cannot be made.
pub fn run(options: &RelayOptions) -> anyhow::Result<()> {
    let mut report = Report::new(machine::describe(), headline);
    report.note(format!("seed {}", options.seed));
    report.load(machine::load());
    for part in Part::ALL {
        if !options.only.is_empty() && !options.only.contains(&part) {
            continue;
        }
        for number in 0..options.runs {
            eprintln!("{part:?}, run {} of {}", number + 1, options.runs);
            let seed = options.seed + u64::from(number);
            run_part(part, &mut report, seed).with_context(|| format!("measuring {part:?}"))?;
            report.load(machine::load());
        }
    }
    report.publish(options.json.as_deref())
}

fn headline(report: &Report) -> String {
    format!(
        "relay: 4K ratio {}, wake p50 {} us p99 {} us, waiting CPU {} %, idle CPU {} %",
        word(report.median("copy", "4K ratio"), 2),
        word(report.worst("wake", "Hz p50"), 0),
        word(report.worst("wake", "Hz p99"), 0),
        word(report.median("wake", "60 Hz waiting CPU"), 2),
        word(report.median("wake", "idle CPU"), 2),
    )
}

fn run_part(part: Part, report: &mut Report, seed: u64) -> anyhow::Result<()> {
    match part {
        Part::Copy => copy::run(report),
        Part::Wake => wake::run(report, seed),
        Part::Path => path::run(report),
        Part::Growth => growth::run(report),
        Part::Programs => programs::run(report),
        Part::ZeroCopy => zero_copy::run(report),
    }
}
