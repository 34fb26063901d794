//! The phase of a tone over time: how far what is heard runs ahead of or behind what was sent.

use super::fit;

/// One place in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackPoint {
    /// Sample in the middle of the piece that was fitted.
    pub at: f64,
    /// Phase there against a steady tone of the frequency looked for, in cycles since the first point, followed around.
    pub cycles: f64,
    /// Amplitude of the tone.
    pub amplitude: f64,
    /// What is not the tone against the tone, in dB; a moving frequency counts as such.
    pub noise_db: f64,
}

/// The phase of a tone over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// From the beginning to the end, evenly apart.
    pub points: Vec<TrackPoint>,
    frequency: f64,
}

/// Follows the phase of a tone, in pieces of `window` samples that begin `hop` apart.
///
/// `frequency` may be wrong by less than half a cycle in `hop`; a jump of half a cycle or more is followed the wrong way
/// around, as from any sine.
#[must_use]
pub fn track(samples: &[f32], frequency: f64, window: usize, hop: usize) -> Track {
    let mut points: Vec<TrackPoint> = Vec::new();
    for (index, piece) in samples
        .windows(window.max(1))
        .enumerate()
        .step_by(hop.max(1))
    {
        let found = fit(piece, frequency);
        let middle = piece.len() as f64 / 2.0;
        // The fit is truest in its middle, whatever the frequency; there the phase is this, less the steady tone's.
        let cycles = found.phase - (frequency * index as f64).rem_euclid(1.0);
        let last = points.last().map_or(0.0, |point| point.cycles);
        let turns = (last - cycles).round();
        points.push(TrackPoint {
            at: index as f64 + middle,
            cycles: cycles + turns,
            amplitude: found.amplitude,
            noise_db: found.noise_db(),
        });
    }
    let first = points.first().map_or(0.0, |point| point.cycles);
    for point in &mut points {
        point.cycles -= first;
    }
    Track { points, frequency }
}

impl Track {
    /// The mean frequency between two samples of the recording, in cycles a sample: the slope of the line closest to the
    /// points between. `None` if there are fewer than two.
    #[must_use]
    pub fn frequency(&self, from: f64, to: f64) -> Option<f64> {
        let between = || {
            let points = self.points.iter();
            points.filter(|point| (from..=to).contains(&point.at))
        };
        let count = between().count();
        if count < 2 {
            return None;
        }
        let mean = |value: fn(&TrackPoint) -> f64| between().map(value).sum::<f64>() / count as f64;
        let (at, cycles) = (mean(|point| point.at), mean(|point| point.cycles));
        let products = between().map(|point| (point.at - at) * (point.cycles - cycles));
        let squares = between().map(|point| (point.at - at).powi(2));
        Some(self.frequency + products.sum::<f64>() / squares.sum::<f64>())
    }

    /// The largest step of the phase from one point to the next, in cycles, with the sample where it is.
    #[must_use]
    pub fn largest_step(&self) -> Option<(f64, f64)> {
        let steps = self.points.windows(2).map(|pair| {
            let step = pair[1].cycles - pair[0].cycles;
            (pair[1].at, step)
        });
        steps.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    }
}
