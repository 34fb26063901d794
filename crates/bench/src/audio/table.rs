//! The table and the plots, for people.

use std::fmt::Write as _;
use std::path::Path;

use super::command::Extent;
use super::judge::{Cause, Verdict};
use super::pictures;
use super::quality::Quality;
use super::result::{Row, headline, worst};
use super::run::Point;
use crate::spread::Spread;

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
    /// What other seeds gave, in words; empty if there were none.
    pub spread: String,
}

/// The worst values of each seed, from the least to the largest.
#[must_use]
pub fn spread(seeds: &[(u64, Vec<Row>)]) -> String {
    let range = |value: fn(&Verdict) -> f64| {
        let worst = |(_, rows): &(u64, Vec<Row>)| worst(rows.iter().map(|row| value(&row.ours)));
        let values: Vec<f64> = seeds.iter().map(worst).collect();
        Spread::of(&values)
    };
    let values = (
        range(|v| v.worst_error_ms),
        range(|v| v.ratio_error_ppm),
        range(|v| v.recovery(Cause::Start).worst_s),
        range(|v| (v.underruns + v.overruns) as f64),
    );
    let (Some(error), Some(ratio), Some(start), Some(lost)) = values else {
        return String::new();
    };
    format!(
        "{} more seeds, 1 h each: worst latency error {:.2} to {:.2} ms, ratio error {:.1} to {:.1} ppm, \
         convergence {:.1} to {:.1} s, underruns and overruns {} to {}\n",
        seeds.len(),
        error.min,
        error.max,
        ratio.min,
        ratio.max,
        start.min,
        start.max,
        lost.min,
        lost.max
    )
}

impl Facts {
    fn lines(&self) -> String {
        format!(
            "machine: {}\nsimulated: {:.1} h of each scenario over positions, {:.0} min with sound; seed {}; took {:.0} s\n\
             resampler, 1 kHz: THD+N {:.1} dB at fixed ratios, {:.1} dB while the ratio moves\n\
             cost of 48 kHz stereo: {:.2} % of a core\n{}",
            self.machine,
            self.extent.long.as_secs_f64() / 3_600.0,
            self.extent.sound.as_secs_f64() / 60.0,
            self.extent.seed,
            self.took_s,
            self.quality.fixed_db,
            self.quality.moving_db,
            self.cpu * 100.0,
            self.spread,
        )
    }
}

/// What stands above the columns.
const COLUMNS: [&str; 14] = [
    "scenario",
    "target ms",
    "conv. s",
    "error ms",
    "ratio ppm",
    "speed %",
    "recovery s",
    "offset s",
    "under",
    "over",
    "sound",
    "seed: conv. s",
    "mean error ms",
    "under",
];

/// One line of the table.
fn cells(row: &Row) -> [String; 14] {
    let ours = &row.ours;
    let [sound, seed_start, seed_error, seed_under] = beside(row);
    [
        row.name.clone(),
        format!("{:.1}", ours.mean_target_ms),
        took(ours, Cause::Start),
        format!("{:.2}", ours.worst_error_ms),
        format!("{:.2}", ours.ratio_error_ppm),
        format!("{:.3}", ours.speed_change * 100.0),
        took(ours, Cause::Stall),
        took(ours, Cause::Offset),
        ours.underruns.to_string(),
        ours.overruns.to_string(),
        sound,
        seed_start,
        seed_error,
        seed_under,
    ]
}

/// The cells of the runs beside the main one; dashes for those that were left out.
fn beside(row: &Row) -> [String; 4] {
    let sound = row.heard.as_ref().map(|heard| {
        let phase = heard.phase_error;
        format!("{} breaks, {phase:.2}", heard.faults)
    });
    let seed = row.seed.as_ref();
    let underruns = seed.map(|seed| seed.underruns + seed.underruns_in_episodes);
    let cells = [
        sound,
        seed.map(|seed| took(seed, Cause::Start)),
        seed.map(|seed| format!("{:.1}", seed.mean_error_ms)),
        underruns.map(|count| count.to_string()),
    ];
    cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned()))
}

/// The table for a terminal.
#[must_use]
pub fn text(rows: &[Row], facts: &Facts) -> String {
    let lines: Vec<[String; 14]> = rows.iter().map(cells).collect();
    let header = COLUMNS.map(str::to_owned);
    let width = |column: usize| {
        let cells = lines.iter().chain([&header]);
        cells.map(|line| line[column].len()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut text = facts.lines();
    text.push('\n');
    for line in [&header].into_iter().chain(&lines) {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = if column == 0 {
                write!(text, "{cell:<width$}")
            } else {
                write!(text, "  {cell:>width$}")
            };
        }
        text.push('\n');
    }
    text
}

/// The table for the documentation.
fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "| {} |\n|---{}\n",
        COLUMNS.join(" | "),
        "|---:".repeat(13) + "|"
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", cells(row).join(" | "));
    }
    text
}

/// How long episodes took; a dash if there were none.
fn took(verdict: &Verdict, cause: Cause) -> String {
    let recovery = verdict.recovery(cause);
    match (recovery.count, recovery.unended) {
        (0, _) => "-".to_owned(),
        (_, 0) => format!("{:.2}", recovery.worst_s),
        (1, _) => "never".to_owned(),
        (count, unended) => format!("{unended} of {count} never"),
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
/// If a file cannot be written, or a plot's scenario cannot be run.
pub fn publish(folder: &Path, rows: &[Row], facts: &Facts) -> anyhow::Result<()> {
    let images = folder.join("images");
    std::fs::create_dir_all(&images)?;
    for (name, plot) in pictures::all_plots(facts.extent.seed)? {
        std::fs::write(images.join(name), plot.svg())?;
    }
    let text = include_str!("explained.md")
        .replace("{facts}", facts.lines().trim_end())
        .replace("{table}", markdown(rows).trim_end())
        .replace("{headline}", &headline(rows, facts.quality.fixed_db));
    std::fs::write(folder.join("audio-simulation.md"), text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_scenario_and_dashes_for_what_was_left_out() {
        let row = Row {
            name: "a scenario".to_owned(),
            ..Row::default()
        };
        let table = markdown(&[row.clone(), row]);
        assert_eq!(table.lines().count(), 4);
        let last = table.lines().last().unwrap();
        assert_eq!(last.matches(" | ").count(), 13);
        assert!(last.ends_with("| - | - | - | - |"));
    }

    #[test]
    fn the_spread_is_that_of_the_worst_of_each_seed() {
        let row = |error| Row {
            ours: Verdict {
                worst_error_ms: error,
                ..Verdict::default()
            },
            ..Row::default()
        };
        let seeds = [
            (2, vec![row(0.5), row(1.25)]),
            (3, vec![row(0.75), row(0.5)]),
        ];
        let text = spread(&seeds);
        assert!(text.starts_with("2 more seeds, 1 h each: worst latency error 0.75 to 1.25 ms"));
        assert_eq!(spread(&[]), "");
    }

    #[test]
    fn an_episode_that_never_ended_is_told() {
        let mut verdict = Verdict::default();
        assert_eq!(took(&verdict, Cause::Start), "-");
        verdict.recoveries[0].count = 1;
        assert_eq!(took(&verdict, Cause::Start), "0.00");
        verdict.recoveries[0].unended = 1;
        assert_eq!(took(&verdict, Cause::Start), "never");
    }
}
