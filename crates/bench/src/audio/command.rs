//! `bench audio`: runs every scenario, prints the table, writes it and the plots, and says what broke.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, bail};
use audio::playback::PlaybackSettings;
use audio::{Format, FormatError};
use clock::Nanos;

use super::judge::{Verdict, excused};
use super::ours::{Ours, Positions};
use super::result::{Heard, Row, headline};
use super::run::{Point, START, run};
use super::scenario::{Scenario, all};
use super::seed::SeedPlayer;
use super::sound::Sound;
use super::{quality, table};
use crate::machine;

/// dB that the resampler must stay under at fixed and at moving ratios.
const LIMITS_DB: (f64, f64) = (-100.0, -90.0);
/// Share of a core that playing may take.
const LIMIT_CPU: f64 = 0.01;
/// Seeds of a full run besides its own, and how long each scenario is simulated with them.
const MORE_SEEDS: std::ops::Range<u64> = 1..5;
const MORE_SEEDS_LENGTH: Nanos = Nanos::from_millis(3_600_000);

/// How long to simulate.
#[derive(Clone, Debug, clap::Args)]
pub struct AudioOptions {
    /// One simulated hour of each scenario instead of 48.
    #[arg(long)]
    quick: bool,
    /// Simulates so many hours.
    #[arg(long)]
    hours: Option<f64>,
    /// Simulates only scenarios with this in their name.
    #[arg(long, default_value = "")]
    only: String,
    /// Minutes of the runs with sound; none of them with 0.
    #[arg(long, default_value_t = 10.0)]
    sound: f64,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the course of the first scenario to this file, as comma-separated values of every packet.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Where the table and the plots go; `docs` after a full run, nowhere after another.
    #[arg(long)]
    docs: Option<PathBuf>,
}

/// What was asked for, and how long it is.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Of the runs over positions.
    pub long: Nanos,
    /// Of those with sound.
    pub sound: Nanos,
    /// The seed.
    pub seed: u64,
}

impl AudioOptions {
    fn extent(&self) -> Extent {
        let hours = self.hours.unwrap_or(if self.quick { 1.0 } else { 48.0 });
        Extent {
            long: Nanos::from_secs_f64(hours * 3_600.0),
            sound: Nanos::from_secs_f64(self.sound * 60.0),
            seed: self.seed,
        }
    }

    fn is_full(&self) -> bool {
        !self.quick && self.hours.is_none() && self.only.is_empty()
    }

    fn docs(&self) -> Option<PathBuf> {
        let usual = self.is_full().then(|| PathBuf::from("docs"));
        self.docs.clone().or(usual)
    }
}

/// Simulates, prints, writes.
///
/// # Errors
/// If a limit is broken, or something cannot be written.
pub fn run_all(options: &AudioOptions) -> anyhow::Result<()> {
    let begun = Instant::now();
    let extent = options.extent();
    let mut scenarios = all(options.seed);
    scenarios.retain(|scenario| scenario.name.contains(&options.only));
    if let (Some(file), Some(scenario)) = (&options.trace, scenarios.first()) {
        let text = table::course(&traced(scenario, extent.long)?);
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    let rows = rows(&scenarios, extent)?;
    let seeds = if options.is_full() {
        more_seeds(options.seed)?
    } else {
        Vec::new()
    };
    let quality = quality::measure()?;
    let cpu = quality::cost()?;
    let facts = table::Facts {
        machine: machine::describe(),
        extent,
        took_s: begun.elapsed().as_secs_f64(),
        quality,
        cpu,
        spread: table::spread(&seeds),
    };
    if let Some(folder) = options.docs() {
        table::publish(&folder, &rows, &facts)
            .with_context(|| format!("writing to {}", folder.display()))?;
    }
    print!("{}", table::text(&rows, &facts));
    let mut broken: Vec<String> = rows.iter().flat_map(Row::broken).collect();
    for (seed, rows) in &seeds {
        let faults = rows.iter().flat_map(Row::broken);
        broken.extend(faults.map(|fault| format!("seed {seed}: {fault}")));
    }
    if quality.fixed_db > LIMITS_DB.0 {
        broken.push(format!("resampler: THD+N {:.1} dB", quality.fixed_db));
    }
    if quality.moving_db > LIMITS_DB.1 {
        broken.push(format!("resampler: moving {:.1} dB", quality.moving_db));
    }
    if cpu > LIMIT_CPU {
        broken.push(format!("cost: {:.2} % of a core", cpu * 100.0));
    }
    for fault in &broken {
        println!("BROKEN {fault}");
    }
    println!("{}", headline(&rows, quality.fixed_db));
    if !broken.is_empty() {
        bail!("{} limits broken", broken.len());
    }
    Ok(())
}

/// Runs the scenarios with other seeds, without sound.
fn more_seeds(first: u64) -> anyhow::Result<Vec<(u64, Vec<Row>)>> {
    let seeds = MORE_SEEDS.map(|more| {
        let seed = first.wrapping_add(more);
        let extent = Extent {
            long: MORE_SEEDS_LENGTH,
            sound: Nanos::ZERO,
            seed,
        };
        anyhow::Ok((seed, rows(&all(seed), extent)?))
    });
    seeds.collect()
}

/// Runs the scenarios on all cores.
fn rows(scenarios: &[Scenario], extent: Extent) -> anyhow::Result<Vec<Row>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Row)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || -> anyhow::Result<()> {
            loop {
                // Relaxed: only the number itself is shared.
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(scenario) = scenarios.get(number) else {
                    return Ok(());
                };
                let row = row(scenario, extent)?;
                eprintln!("{number:>3} {}", row.name);
                let mut done = done.lock().unwrap_or_else(|broken| broken.into_inner());
                done.push((number, row));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        anyhow::Ok(())
    })?;
    let mut done = done
        .into_inner()
        .unwrap_or_else(|broken| broken.into_inner());
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, row)| row).collect())
}

/// Runs one scenario in every way.
///
/// # Errors
/// If its format is none.
pub fn row(scenario: &Scenario, extent: Extent) -> Result<Row, FormatError> {
    let sound = (extent.sound > Nanos::ZERO).then_some(extent.sound);
    Ok(Row {
        name: scenario.name.clone(),
        ours: ours(scenario, extent.long)?,
        seed: Some(seed(scenario, extent.long)?),
        heard: sound.map(|length| heard(scenario, length)).transpose()?,
    })
}

/// Runs the shipped algorithm over positions.
///
/// # Errors
/// If the scenario's format is none.
pub fn ours(scenario: &Scenario, length: Nanos) -> Result<Verdict, FormatError> {
    let format = Format::new(2, scenario.rate_hz)?;
    let player = Ours::new(format, PlaybackSettings::default(), Positions::default());
    Ok(run(scenario, player, length, false).verdict)
}

/// Runs the seed's algorithm.
///
/// # Errors
/// If the scenario's format is none.
pub fn seed(scenario: &Scenario, length: Nanos) -> Result<Verdict, FormatError> {
    let player = SeedPlayer::new(Format::new(2, scenario.rate_hz)?);
    Ok(run(scenario, player, length, false).verdict)
}

/// Runs the seed's algorithm and notes its course.
///
/// # Errors
/// If the scenario's format is none.
pub fn traced_seed(scenario: &Scenario, length: Nanos) -> Result<Vec<Point>, FormatError> {
    let player = SeedPlayer::new(Format::new(2, scenario.rate_hz)?);
    Ok(run(scenario, player, length, true).trace)
}

/// Runs the shipped algorithm over positions and notes its course.
///
/// # Errors
/// If the scenario's format is none.
pub fn traced(scenario: &Scenario, length: Nanos) -> Result<Vec<Point>, FormatError> {
    let format = Format::new(2, scenario.rate_hz)?;
    let player = Ours::new(format, PlaybackSettings::default(), Positions::default());
    Ok(run(scenario, player, length, true).trace)
}

/// Runs the shipped algorithm with sound.
///
/// # Errors
/// If the scenario's format is none.
pub fn heard(scenario: &Scenario, length: Nanos) -> Result<Heard, FormatError> {
    let format = Format::new(1, scenario.rate_hz)?;
    let player = Ours::new(format, PlaybackSettings::default(), Sound::new(format));
    let outcome = run(scenario, player, length, false);
    let packet_ns = scenario.source.packet_ns();
    let excused = excused(START, packet_ns, &scenario.schedule(START, length));
    // What was buffered before is heard later.
    let late = Nanos::from_millis(500);
    let is_excused = |at: Nanos| {
        excused
            .iter()
            .any(|&(from, to)| from <= at && at <= to + late)
    };
    let sound = outcome.player.plant();
    let faults = sound.faults();
    let (phase_error, phase_error_at) = sound.phase_error();
    Ok(Heard {
        verdict: outcome.verdict,
        faults: faults.iter().filter(|f| !is_excused(f.at)).count(),
        all_faults: faults.len(),
        phase_error,
        phase_error_at_s: phase_error_at.as_secs_f64(),
        compared: sound.compared(),
    })
}
