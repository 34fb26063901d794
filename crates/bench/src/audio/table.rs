//! The table and the plots, for people.

use std::fmt::Write as _;
use std::path::Path;

use super::command::Extent;
use super::judge::{Cause, Verdict};
use super::quality::Quality;
use super::result::{Row, headline};
use super::run::Point;

/// What is not about one scenario.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What it ran on.
    pub machine: String,
    /// How much was simulated.
    pub extent: Extent,
    /// Seconds that it took.
    pub took_s: f64,
    /// The resampler's.
    pub quality: Quality,
    /// Share of a core for 48 kHz stereo.
    pub cpu: f64,
}

impl Facts {
    fn lines(&self) -> String {
        format!(
            "machine: {}\nsimulated: {:.1} h of each scenario over positions, {:.0} min with sound; seed {}; took {:.0} s\n\
             resampler, 1 kHz: THD+N {:.1} dB at fixed ratios, {:.1} dB while the ratio moves\n\
             cost of 48 kHz stereo: {:.2} % of a core\n",
            self.machine,
            self.extent.long.as_secs_f64() / 3_600.0,
            self.extent.sound.as_secs_f64() / 60.0,
            self.extent.seed,
            self.took_s,
            self.quality.fixed_db,
            self.quality.moving_db,
            self.cpu * 100.0,
        )
    }
}

/// The table for a terminal.
#[must_use]
pub fn text(rows: &[Row], facts: &Facts) -> String {
    let mut text = facts.lines();
    let _ = writeln!(
        text,
        "\n{:<36} {:>7} {:>7} {:>6} {:>6} {:>7} {:>8} {:>8} {:>8} {:>6} {:>6}   seed: {:>7} {:>8} {:>6}",
        "scenario",
        "target",
        "conv s",
        "err ms",
        "ppm",
        "speed %",
        "slew %/s",
        "recov s",
        "offset s",
        "under",
        "over",
        "conv s",
        "err ms",
        "under"
    );
    for row in rows {
        let ours = &row.ours;
        let _ = write!(
            text,
            "{:<36} {:>7.1} {:>7} {:>6.2} {:>6.2} {:>7.3} {:>8.3} {:>8} {:>8} {:>6} {:>6}",
            row.name,
            ours.mean_target_ms,
            took(ours, Cause::Start),
            ours.worst_error_ms,
            ours.ratio_error_ppm,
            ours.speed_change * 100.0,
            ours.slew * 100.0,
            took(ours, Cause::Stall),
            took(ours, Cause::Offset),
            ours.underruns,
            ours.overruns,
        );
        if let Some(seed) = &row.seed {
            let _ = write!(
                text,
                "         {:>7} {:>8.1} {:>6}",
                took(seed, Cause::Start),
                seed.worst_error_ms,
                seed.underruns + seed.underruns_in_episodes
            );
        }
        if let Some(heard) = &row.heard {
            let _ = write!(
                text,
                "  clicks {} ({}) phase {:.2}",
                heard.faults, heard.all_faults, heard.phase_error
            );
        }
        text.push('\n');
    }
    text
}

/// How long episodes took; a dash if there were none.
fn took(verdict: &Verdict, cause: Cause) -> String {
    let recovery = verdict.recovery(cause);
    match (recovery.count, recovery.unended) {
        (0, _) => "-".to_owned(),
        (_, 0) => format!("{:.2}", recovery.worst_s),
        (count, unended) => format!("{unended}/{count}!"),
    }
}

/// The course of a run, one line for each packet.
#[must_use]
pub fn course(points: &[Point]) -> String {
    let mut text =
        "seconds,error_ms,believed_ms,ratio_ppm,target_ms,source_ppm,device_ppm\n".to_owned();
    for point in points {
        let beliefs = point.beliefs;
        let _ = writeln!(
            text,
            "{:.3},{:.4},{:.4},{:.3},{:.3},{:.2},{:.2}",
            point.at_s,
            point.error_ms,
            beliefs.error_ms,
            point.ratio_ppm,
            point.target_ms,
            beliefs.source_ppm,
            beliefs.device_ppm,
        );
    }
    text
}

/// Writes table and plots.
///
/// # Errors
/// If a file cannot be written.
pub fn publish(folder: &Path, rows: &[Row], facts: &Facts) -> std::io::Result<()> {
    let text = format!(
        "{}\n{}\n",
        facts.lines(),
        headline(rows, facts.quality.fixed_db)
    );
    std::fs::write(folder.join("audio-simulation.md"), text)
}
