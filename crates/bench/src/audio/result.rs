//! What a scenario gave, and the limits that are set for it.

use super::judge::{Cause, TOLERANCE_MS, Verdict};

/// Millionths that the ratio's mean may be off by.
const RATIO_PPM: f64 = 5.0;
/// Largest |ratio - 1|.
const SPEED: f64 = 0.005;
/// Fastest change of the ratio, a second: nobody hears a pitch glide so slowly.
const SLEW: f64 = 0.01;
/// Source frames by which the sound may lie beside the place where the positions say it is: one by the resampler's
/// rounding when it begins, the rest by its going evenly from ratio to ratio. A lost packet would be 1.4.
const PHASE_FRAMES: f64 = 1.25;

/// What the run with real sound gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// By the same judge.
    pub verdict: Verdict,
    /// Gaps and clicks outside of what happened.
    pub faults: usize,
    /// Gaps and clicks together.
    pub all_faults: usize,
    /// Largest distance of the sound from its place, in source frames.
    pub phase_error: f64,
    /// When that was, in seconds of the host's clock.
    pub phase_error_at_s: f64,
    /// How often that was looked at.
    pub compared: u64,
}

/// One scenario, with everything that ran it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The scenario.
    pub name: String,
    /// The shipped algorithm over positions.
    pub ours: Verdict,
    /// The seed's over positions.
    pub seed: Option<Verdict>,
    /// The shipped algorithm with sound.
    pub heard: Option<Heard>,
}

impl Row {
    /// The limits that are broken, in words.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let mut broken = verdict_faults(&self.ours);
        if let Some(heard) = &self.heard {
            let faults = verdict_faults(&heard.verdict);
            broken.extend(
                faults
                    .into_iter()
                    .map(|fault| format!("with sound: {fault}")),
            );
            if heard.faults > 0 {
                broken.push(format!("{} gaps or clicks", heard.faults));
            }
            if heard.compared == 0 || heard.phase_error > PHASE_FRAMES {
                let error = heard.phase_error;
                let at = heard.phase_error_at_s;
                broken.push(format!(
                    "sound {error:.2} frames beside its place at {at:.0} s"
                ));
            }
        }
        let named = broken.into_iter();
        named
            .map(|fault| format!("{}: {fault}", self.name))
            .collect()
    }
}

fn verdict_faults(verdict: &Verdict) -> Vec<String> {
    let mut broken = Vec::new();
    let mut at_most = |what: &str, value: f64, limit: f64, unit: &str| {
        if value > limit {
            broken.push(format!("{what} {value:.3} {unit}, limit {limit} {unit}"));
        }
    };
    let when = |what: &str, at_s: f64| format!("{what} at {at_s:.0} s");
    at_most("underruns", verdict.underruns as f64, 0.0, "");
    at_most("overruns", verdict.overruns as f64, 0.0, "");
    at_most("latency error", verdict.worst_error_ms, TOLERANCE_MS, "ms");
    let ratio_error = when("ratio error", verdict.ratio_error_at_s);
    at_most(&ratio_error, verdict.ratio_error_ppm, RATIO_PPM, "ppm");
    // What is computed from the ratio is rounded.
    at_most("speed change", verdict.speed_change, SPEED + 1e-9, "");
    at_most("slew", verdict.slew, SLEW + 1e-9, "per second");
    for cause in Cause::ALL {
        let recovery = verdict.recovery(cause);
        let what = when(cause.name(), recovery.worst_at_s);
        at_most(&what, recovery.worst_s, cause.limit_s(), "s");
        let what = format!("{} without end", cause.name());
        at_most(&what, f64::from(recovery.unended), 0.0, "");
    }
    if verdict.converged_share == 0.0 {
        broken.push("never converged".to_owned());
    }
    broken
}

/// The largest of some values; 0 if there are none.
pub fn worst(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

/// The last line.
#[must_use]
pub fn headline(rows: &[Row], thd_db: f64) -> String {
    let verdicts = || {
        let heard = |row: &'_ Row| row.heard.as_ref().map(|heard| heard.verdict.clone());
        rows.iter().flat_map(move |row| {
            let ours = Some(row.ours.clone());
            [ours, heard(row)].into_iter().flatten()
        })
    };
    let underruns: u64 = verdicts().map(|v| v.underruns).sum();
    let overruns: u64 = verdicts().map(|v| v.overruns).sum();
    let error = worst(verdicts().map(|v| v.worst_error_ms));
    let convergence = worst(verdicts().map(|v| {
        let start = v.recovery(Cause::Start);
        if start.unended > 0 {
            f64::INFINITY
        } else {
            start.worst_s
        }
    }));
    format!(
        "audio: scenarios {}, underruns {underruns}, overruns {overruns}, worst latency error {error:.2} ms, \
         worst convergence {convergence:.1} s, THD+N {thd_db:.1} dB",
        rows.len()
    )
}

#[cfg(test)]
mod tests {
    use super::super::judge::Recovery;
    use super::*;

    fn good() -> Row {
        let mut ours = Verdict {
            worst_error_ms: 1.2,
            ratio_error_ppm: 0.4,
            speed_change: 0.005,
            converged_share: 0.99,
            ..Verdict::default()
        };
        ours.recoveries[0] = Recovery {
            count: 1,
            worst_s: 7.25,
            ..Recovery::default()
        };
        Row {
            name: "a scenario".to_owned(),
            ours,
            ..Row::default()
        }
    }

    #[test]
    fn a_good_row_breaks_nothing_and_makes_the_line() {
        assert!(good().broken().is_empty());
        assert_eq!(
            headline(&[good(), good()], -137.94),
            "audio: scenarios 2, underruns 0, overruns 0, worst latency error 1.20 ms, \
             worst convergence 7.2 s, THD+N -137.9 dB"
        );
    }

    #[test]
    fn each_broken_limit_is_named_with_its_scenario() {
        let mut row = good();
        row.ours.underruns = 3;
        row.ours.worst_error_ms = 2.01;
        row.ours.recoveries[1].worst_s = 0.6;
        row.heard = Some(Heard {
            verdict: good().ours,
            faults: 1,
            compared: 5,
            ..Heard::default()
        });
        let broken = row.broken();
        assert_eq!(broken.len(), 4, "{broken:?}");
        assert!(broken.iter().all(|fault| fault.starts_with("a scenario: ")));
        assert!(broken[1].contains("latency error 2.010 ms, limit 2 ms"));
    }
}
