//! Collects what was measured, and puts it into words and JSON.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::spread::Spread;

/// One measured value of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The measurement it belongs to, as given to `--only`.
    pub group: &'static str,
    /// What it is.
    pub name: String,
    /// Its unit; empty for a ratio.
    pub unit: &'static str,
    /// How much.
    pub value: f64,
    /// What is demanded of it.
    pub target: Option<Target>,
}

/// What is demanded of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// It may be this or less.
    AtMost(f64),
    /// It must be this or more.
    AtLeast(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtMost(limit) => format!("at most {limit}"),
            Self::AtLeast(limit) => format!("at least {limit}"),
        }
    }
}

impl Sample {
    /// Makes a value without a target.
    #[must_use]
    pub fn new(
        group: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        value: f64,
    ) -> Self {
        Self {
            group,
            name: name.into(),
            unit,
            value,
            target: None,
        }
    }

    /// Demands that the value is at most `limit`.
    #[must_use]
    pub const fn at_most(mut self, limit: f64) -> Self {
        self.target = Some(Target::AtMost(limit));
        self
    }

    /// Demands that the value is at least `limit`.
    #[must_use]
    pub const fn at_least(mut self, limit: f64) -> Self {
        self.target = Some(Target::AtLeast(limit));
        self
    }
}

/// The values of one name over all runs.
#[derive(Clone, Debug)]
struct Series {
    group: &'static str,
    name: String,
    unit: &'static str,
    target: Option<Target>,
    values: Vec<f64>,
}

/// Everything that was measured, in the order of its first appearance.
#[derive(Clone, Debug)]
pub struct Report {
    machine: String,
    headline: fn(&Self) -> String,
    loads: Vec<f64>,
    notes: Vec<String>,
    series: Vec<Series>,
}

impl Report {
    /// Begins a report about a machine; `headline` puts it into one line.
    #[must_use]
    pub const fn new(machine: String, headline: fn(&Self) -> String) -> Self {
        Self {
            machine,
            headline,
            loads: Vec::new(),
            notes: Vec::new(),
            series: Vec::new(),
        }
    }

    /// Notes the machine's load.
    pub fn load(&mut self, load: f64) {
        self.loads.push(load);
    }

    /// Adds a remark, once.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds a value of one run.
    pub fn add(&mut self, sample: Sample) {
        let is_same = |s: &&mut Series| s.group == sample.group && s.name == sample.name;
        match self.series.iter_mut().find(is_same) {
            Some(series) => series.values.push(sample.value),
            None => self.series.push(Series {
                group: sample.group,
                name: sample.name,
                unit: sample.unit,
                target: sample.target,
                values: vec![sample.value],
            }),
        }
    }

    /// The median over the runs.
    #[must_use]
    pub fn median(&self, group: &str, name: &str) -> Option<f64> {
        let series = self
            .series
            .iter()
            .find(|s| s.group == group && s.name == name)?;
        Spread::of(&series.values).map(|spread| spread.median)
    }

    /// The largest median of those whose name ends so.
    #[must_use]
    pub fn worst(&self, group: &str, ending: &str) -> Option<f64> {
        let medians = self.series.iter().filter_map(|series| {
            let is_it = series.group == group && series.name.ends_with(ending);
            let spread = Spread::of(&series.values).filter(|_| is_it)?;
            Some(spread.median)
        });
        medians.reduce(f64::max)
    }

    /// The table for people, with the machine above and the one-line result below.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("machine: {}\n", self.machine);
        if let Some(load) = Spread::of(&self.loads) {
            let _ = writeln!(
                text,
                "load: {:.2} ({:.2} to {:.2})",
                load.median, load.min, load.max
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        let mut group = "";
        for series in &self.series {
            if series.group != group {
                group = series.group;
                let _ = writeln!(text, "\n{group}");
            }
            text.push_str(&series.line());
        }
        let _ = writeln!(text, "\n{}", (self.headline)(self));
        text
    }

    /// Prints the table, and writes everything to `file` if one is wanted.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn publish(&self, file: Option<&Path>) -> anyhow::Result<()> {
        if let Some(file) = file {
            let text = serde_json::to_string_pretty(&self.json())?;
            std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
        }
        print!("{}", self.text());
        Ok(())
    }

    /// Everything, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let series: Vec<Value> = self.series.iter().map(Series::json).collect();
        json!({
            "machine": self.machine,
            "load": self.loads,
            "notes": self.notes,
            "results": series,
            "headline": (self.headline)(self),
        })
    }
}

impl Series {
    fn line(&self) -> String {
        let Some(spread) = Spread::of(&self.values) else {
            return format!("  {:<44} nothing measured\n", self.name);
        };
        let digits = digits(spread.median);
        let target = self.target.map_or_else(String::new, |target| {
            let verdict = if target.is_met(spread.median) {
                "met"
            } else {
                "MISSED"
            };
            format!("  {} {}: {verdict}", target.words(), self.unit)
        });
        format!(
            "  {:<44} {:>9.digits$} {:<4} ({:.digits$} to {:.digits$}, {} runs){target}\n",
            self.name, spread.median, self.unit, spread.min, spread.max, spread.count
        )
    }

    fn json(&self) -> Value {
        let spread = Spread::of(&self.values);
        json!({
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "median": spread.map(|s| s.median),
            "min": spread.map(|s| s.min),
            "max": spread.map(|s| s.max),
            "values": self.values,
            "target": self.target.map(Target::words),
            "met": self.target.zip(spread).map(|(target, s)| target.is_met(s.median)),
        })
    }
}

/// A value for a headline; `-` stands for what was not measured.
#[must_use]
pub fn word(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"))
}

/// Enough decimal places for three figures.
const fn digits(value: f64) -> usize {
    match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headline(report: &Report) -> String {
        let ratio = word(report.median("copy", "4K ratio"), 2);
        let p50 = word(report.worst("wake", "Hz p50"), 0);
        format!(
            "ratio {ratio}, p50 {p50}, p99 {}",
            word(report.worst("wake", "Hz p99"), 0)
        )
    }

    fn report() -> Report {
        let mut report = Report::new("a machine".into(), headline);
        report.load(0.5);
        for value in [1.2, 1.5, 1.3] {
            report.add(Sample::new("copy", "4K ratio", "", value).at_most(1.35));
        }
        for (rate, p50) in [(60, 40.0), (144, 55.0), (240, 50.0)] {
            report.add(Sample::new("wake", format!("{rate} Hz p50"), "us", p50).at_most(45.0));
        }
        report.add(Sample::new("wake", "60 Hz waiting CPU", "%", 1.234));
        report
    }

    #[test]
    fn the_last_line_has_medians_the_worst_rate_and_dashes() {
        let text = report().text();
        assert_eq!(text.lines().last(), Some("ratio 1.30, p50 55, p99 -"));
    }

    #[test]
    fn a_missed_target_is_seen_by_its_median() {
        let text = report().text();
        let line = |name: &str| text.lines().find(|l| l.contains(name)).unwrap().to_owned();
        assert!(line("4K ratio").ends_with("at most 1.35 : met"));
        assert!(line("60 Hz p50").ends_with("met"));
        assert!(line("144 Hz p50").ends_with("at most 45 us: MISSED"));
        assert!(line("load:").contains("0.50"));
    }

    #[test]
    fn json_holds_every_value() {
        let json = report().json();
        let first = &json["results"][0];
        assert_eq!(first["values"], json!([1.2, 1.5, 1.3]));
        assert_eq!(first["median"], 1.3);
        assert_eq!(first["met"], true);
        assert_eq!(json["results"][2]["met"], false);
        assert_eq!(json["machine"], "a machine");
    }

    #[test]
    fn a_note_is_kept_once() {
        let mut report = report();
        report.note("seed 1".into());
        report.note("seed 1".into());
        assert_eq!(report.text().matches("seed 1").count(), 1);
    }
}
