//! Sine tones: made, and judged after they have been played, without a Fourier transform.
//!
//! Frequencies are in cycles a sample, phases in cycles (a sine begins at phase 0), levels in dB against the tone itself.
//! A tone whose frequency is known is measured by a least-squares fit of sine, cosine and a constant; what is left over is
//! distortion and noise. Choose tones that are not whole cycles in a packet (997 Hz, not 1 kHz, against 10 ms), or a
//! packet may be lost unseen.
//!
//! ```
//! use testkit::tone::{self, Oscillator};
//!
//! let heard: Vec<f32> = Oscillator::new(997.0 / 48_000.0, 0.5).take(48_000).map(|x| x as f32).collect();
//! let fit = tone::fit(&heard, 997.0 / 48_000.0);
//! assert!((fit.amplitude - 0.5).abs() < 1e-6 && fit.noise_db() < -130.0);
//! assert!(tone::breaks(&heard, 997.0 / 48_000.0, 0.5).is_empty());
//! ```

mod breaks;
mod track;

pub use breaks::{Break, BreakKind, breaks, sounding};
pub use track::{Track, TrackPoint, track};

use std::f64::consts::TAU;

/// Makes a sine, sample by sample, with a frequency that may change on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oscillator {
    /// Cycles a sample.
    pub frequency: f64,
    /// Largest value.
    pub amplitude: f64,
    /// Phase of the next sample, in cycles.
    pub phase: f64,
}

impl Oscillator {
    /// A sine that begins at phase 0.
    #[must_use]
    pub const fn new(frequency: f64, amplitude: f64) -> Self {
        Self {
            frequency,
            amplitude,
            phase: 0.0,
        }
    }

    /// Appends `frames` with the same sample in each channel, as SPICE sends them: signed 16-bit little-endian.
    pub fn write_s16le(&mut self, frames: usize, channels: usize, out: &mut Vec<u8>) {
        for value in self.take(frames) {
            let sample = (value * 32_768.0).round_ties_even() as i16;
            for _ in 0..channels {
                out.extend_from_slice(&sample.to_le_bytes());
            }
        }
    }
}

impl Iterator for Oscillator {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let value = self.amplitude * (TAU * self.phase).sin();
        // Wrapped, so that hours of it are as exact as its first second.
        self.phase = (self.phase + self.frequency).rem_euclid(1.0);
        Some(value)
    }
}

/// A tone as it was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fit {
    /// Largest value of the sine.
    pub amplitude: f64,
    /// Phase at the first sample, in cycles from -0.5 to 0.5.
    pub phase: f64,
    /// The constant.
    pub offset: f64,
    /// Root of the mean square of what is neither sine nor constant.
    pub residual_rms: f64,
}

impl Fit {
    /// What is not the tone against the tone, in dB: THD+N. Minus infinity for a perfect tone, plus infinity for none.
    #[must_use]
    pub fn noise_db(&self) -> f64 {
        20.0 * (self.residual_rms / (self.amplitude / std::f64::consts::SQRT_2)).log10()
    }
}

/// Fits a sine of a known frequency.
#[must_use]
pub fn fit(samples: &[f32], frequency: f64) -> Fit {
    fit_phases(samples, |index| frequency * index as f64)
}

/// Fits a sine whose phase, in cycles, is known for each sample but for a constant: one whose frequency moves.
#[must_use]
pub fn fit_phases(samples: &[f32], phase: impl Fn(usize) -> f64) -> Fit {
    let basis = |index: usize| {
        let (sin, cos) = (TAU * phase(index).rem_euclid(1.0)).sin_cos();
        [sin, cos, 1.0]
    };
    let Some([sin, cos, offset]) = least_squares(samples, basis) else {
        return Fit::default();
    };
    let squares: f64 = samples
        .iter()
        .enumerate()
        .map(|(index, &sample)| {
            let [s, c, one] = basis(index);
            (f64::from(sample) - (sin * s + cos * c + offset * one)).powi(2)
        })
        .sum();
    Fit {
        amplitude: sin.hypot(cos),
        phase: cos.atan2(sin) / TAU,
        offset,
        residual_rms: (squares / samples.len() as f64).sqrt(),
    }
}

/// Finds the frequency of a tone from a guess that is right within a cycle over all the samples together, and fits it.
///
/// The sine is fitted with its derivative by the frequency beside it, which gives the error of the guess, until there is
/// none (Gauss and Newton; IEEE 1057 calls it the four-parameter fit).
#[must_use]
pub fn fit_frequency(samples: &[f32], guess: f64) -> (f64, Fit) {
    let middle = samples.len() as f64 / 2.0;
    let mut frequency = guess;
    for _ in 0..20 {
        let Fit {
            amplitude, phase, ..
        } = fit(samples, frequency);
        let basis = |index: usize| {
            let at = frequency * index as f64 + phase;
            let (sin, cos) = (TAU * at.rem_euclid(1.0)).sin_cos();
            let slope = amplitude * TAU * (index as f64 - middle) * cos;
            [sin, cos, 1.0, slope]
        };
        let Some([.., correction]) = least_squares(samples, basis) else {
            break;
        };
        frequency += correction;
        if correction.abs() < 1e-15 {
            break;
        }
    }
    (frequency, fit(samples, frequency))
}

/// The musical distance of two frequencies, in cents: hundredths of a semitone.
#[must_use]
pub fn cents(frequency: f64, against: f64) -> f64 {
    1200.0 * (frequency / against).log2()
}

/// The samples of one channel.
#[must_use]
pub fn channel(interleaved: &[f32], channels: usize, index: usize) -> Vec<f32> {
    let frames = interleaved.chunks_exact(channels.max(1));
    frames
        .filter_map(|frame| frame.get(index))
        .copied()
        .collect()
}

/// Samples as signed 16-bit little-endian bytes have them, from -1 to 1.
#[must_use]
pub fn from_s16le(bytes: &[u8]) -> Vec<f32> {
    let samples = bytes.as_chunks().0.iter();
    samples
        .map(|&sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0)
        .collect()
}

/// Coefficients of the basis functions that come closest to the samples; `None` if there are too few of those.
fn least_squares<const N: usize>(
    samples: &[f32],
    basis: impl Fn(usize) -> [f64; N],
) -> Option<[f64; N]> {
    let mut matrix = [[0.0; N]; N];
    let mut right = [0.0; N];
    for (index, &sample) in samples.iter().enumerate() {
        let values = basis(index);
        for row in 0..N {
            right[row] += values[row] * f64::from(sample);
            for column in 0..N {
                matrix[row][column] += values[row] * values[column];
            }
        }
    }
    solve(matrix, right)
}

/// Gauss's elimination, with the largest pivot of each column.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let size = |row: &usize| matrix[*row][column].abs();
        let pivot = (column..N).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if matrix[pivot][column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let from = matrix[column];
        for row in column + 1..N {
            let factor = matrix[row][column] / from[column];
            for (value, part) in matrix[row].iter_mut().zip(from) {
                *value -= factor * part;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut result = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|k| matrix[row][k] * result[k]).sum();
        result[row] = (right[row] - known) / matrix[row][row];
    }
    Some(result)
}

#[cfg(test)]
mod tests;
