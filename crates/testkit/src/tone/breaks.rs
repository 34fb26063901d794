//! Gaps and clicks in a tone.

use std::f64::consts::TAU;

/// A place where a tone is not itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Break {
    /// Its first sample.
    pub at: usize,
    /// Samples that it takes.
    pub length: usize,
    /// What it is.
    pub kind: BreakKind,
}

/// What a break is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BreakKind {
    /// Silence, for longer than a tone passes through nothing.
    Gap,
    /// Samples that do not go on as a sine does; with the largest distance from where they ought to be, against the tone's
    /// amplitude.
    Click(f64),
}

/// Distance from where a sine ought to go on, against the amplitude, that is a click: 10 times what 16 bits or a pitch
/// wrong by 1 % leave over.
const CLICK: f64 = 0.01;
/// Below this share of the amplitude it is silence.
const SILENCE: f64 = 1e-3;
/// Clicks less than this many samples apart are one.
const TOGETHER: usize = 16;

/// Finds the gaps and clicks in a tone of about that frequency, in cycles a sample, and amplitude.
///
/// A sine goes on as x(n+1) = 2 cos(ω) x(n) − x(n−1) whatever its phase and amplitude, so anything else is seen at once,
/// and a slow change of pitch is not. The recording begins and ends with the tone: cut off what is around it.
#[must_use]
pub fn breaks(samples: &[f32], frequency: f64, amplitude: f64) -> Vec<Break> {
    let mut found = gaps(samples, frequency, amplitude);
    let gap_ends = found.len();
    let factor = 2.0 * (TAU * frequency).cos();
    for (index, three) in samples.windows(3).enumerate() {
        let &[a, b, c] = three else { continue };
        let away = f64::from(c) - (factor * f64::from(b) - f64::from(a));
        let size = away.abs() / amplitude;
        let is_in_gap = found[..gap_ends]
            .iter()
            .any(|gap| (gap.at..gap.at + gap.length + 3).contains(&(index + 3)));
        // NaN is a click too.
        if size < CLICK || is_in_gap {
            continue;
        }
        let at = index + 2;
        match found[gap_ends..].last_mut() {
            Some(click) if at < click.at + click.length + TOGETHER => {
                click.length = at - click.at + 1;
                if let BreakKind::Click(largest) = &mut click.kind {
                    *largest = largest.max(size);
                }
            }
            _ => found.push(Break {
                at,
                length: 1,
                kind: BreakKind::Click(size),
            }),
        }
    }
    found.sort_by_key(|found| found.at);
    found
}

/// The first sample that is louder than silence and the one after the last that is: the part to look for breaks in.
#[must_use]
pub fn sounding(samples: &[f32], amplitude: f64) -> std::ops::Range<usize> {
    let is_loud = |sample: &f32| f64::from(sample.abs()) > SILENCE * amplitude;
    let start = samples.iter().position(is_loud).unwrap_or(samples.len());
    let end = samples
        .iter()
        .rposition(is_loud)
        .map_or(start, |last| last + 1);
    start..end
}

fn gaps(samples: &[f32], frequency: f64, amplitude: f64) -> Vec<Break> {
    // A sine is below the threshold for less than this around each of its zeros.
    let least = (4.0 * SILENCE / (TAU * frequency)).ceil().max(3.0) as usize;
    let mut found = Vec::new();
    let mut start = None;
    let ends = samples.iter().map(|&sample| f64::from(sample.abs()));
    for (index, level) in ends.chain([f64::INFINITY]).enumerate() {
        if level < SILENCE * amplitude {
            start.get_or_insert(index);
        } else if let Some(at) = start.take() {
            let length = index - at;
            if length >= least {
                found.push(Break {
                    at,
                    length,
                    kind: BreakKind::Gap,
                });
            }
        }
    }
    found
}
