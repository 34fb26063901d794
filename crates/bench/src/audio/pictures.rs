//! The plots of the documentation: what a few scenarios look like, ours and the seed's.

use audio::FormatError;
use clock::Nanos;

use super::command::{traced, traced_seed};
use super::plot::Plot;
use super::run::Point;
use super::scenario::{Scenario, all};

/// One plot: file, title, scenario, seconds shown, milliseconds or millionths shown, and which.
struct Picture {
    file: &'static str,
    title: &'static str,
    scenario: &'static str,
    x: (f64, f64),
    y: (f64, f64),
    what: What,
}

/// What is plotted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Latency less its target.
    Error,
    /// Ratio less one.
    Ratio,
}

const PICTURES: [Picture; 4] = [
    Picture {
        file: "audio-offset.svg",
        title: "100 ms too much, clocks 500 ppm apart, packets up to 20 ms late: latency less target",
        scenario: "100 ms more, +500 ppm, 20 ms late",
        x: (80.0, 280.0),
        y: (-20.0, 120.0),
        what: What::Error,
    },
    Picture {
        file: "audio-offset-ratio.svg",
        title: "The same: ratio less one, in millionths",
        scenario: "100 ms more, +500 ppm, 20 ms late",
        x: (80.0, 280.0),
        y: (-6_000.0, 2_000.0),
        what: What::Ratio,
    },
    Picture {
        file: "audio-steady.svg",
        title: "Clocks 100 ppm apart, packets up to 40 ms late: ratio less one, in millionths",
        scenario: "+100 ppm, 40 ms late",
        x: (0.0, 600.0),
        y: (-500.0, 300.0),
        what: What::Ratio,
    },
    Picture {
        file: "audio-stall.svg",
        title: "The source stalls for a second, packets up to 20 ms late: latency less target",
        scenario: "stalls of 1 s, +100 ppm, 20 ms late",
        x: (90.0, 150.0),
        y: (-10.0, 10.0),
        what: What::Error,
    },
];

/// Runs the scenarios that are shown, and plots them.
///
/// # Errors
/// If a scenario's format is none.
pub fn all_plots(seed: u64) -> Result<Vec<(&'static str, Plot)>, FormatError> {
    let scenarios = all(seed);
    let mut plots = Vec::new();
    for picture in &PICTURES {
        let named = |scenario: &&Scenario| scenario.name == picture.scenario;
        if let Some(scenario) = scenarios.iter().find(named) {
            plots.push((picture.file, plot(picture, scenario)?));
        }
    }
    Ok(plots)
}

fn plot(picture: &Picture, scenario: &Scenario) -> Result<Plot, FormatError> {
    let length = Nanos::from_secs_f64(picture.x.1 + 70.0);
    let points = |trace: Vec<Point>| {
        let value = |point: &Point| match picture.what {
            What::Error => point.error_ms,
            What::Ratio => point.ratio_ppm,
        };
        trace.iter().map(|p| (p.at_s, value(p))).collect()
    };
    Ok(Plot {
        title: picture.title,
        x_name: "seconds since the start",
        y_name: match picture.what {
            What::Error => "ms",
            What::Ratio => "millionths",
        },
        x: picture.x,
        y: picture.y,
        lines: vec![
            (
                "the seed's".to_owned(),
                points(traced_seed(scenario, length)?),
            ),
            ("ours".to_owned(), points(traced(scenario, length)?)),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_its_scenario() {
        let names: Vec<String> = all(1).into_iter().map(|scenario| scenario.name).collect();
        for picture in &PICTURES {
            assert!(
                names.iter().any(|name| name == picture.scenario),
                "{}",
                picture.file
            );
        }
    }
}
