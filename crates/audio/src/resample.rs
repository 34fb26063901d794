//! Continuously variable resampling: sound that was paced by one clock, played at the pace of another.
//!
//! The library is rubato: a windowed sinc, tabulated at fractions of a sample and interpolated by cubic polynomials
//! between them, so that any ratio and any moving ratio cost the same and sound the same.
//!
//! Since the ratio stays within half a percent of one, the filter has nothing to cut off: it only has to be flat up to
//! 20 kHz and quiet from 28 kHz on, where the first image of the audible band begins (at 48 kHz; in proportion at
//! others). That needs few taps, so the delay is short. With the cut-off at half the rate, measured at five ratios
//! from 0.995 to 1.005, in 32 bits:
//!
//! | taps, window | THD+N at 1 kHz | at 12 kHz | at 20 kHz | delay at 48 kHz |
//! |---|---|---|---|---|
//! | 48, Blackman-Harris | -138 dB | -121 dB | -111 dB | 0.50 ms |
//! | 64, Blackman-Harris | -138 dB | -130 dB | -126 dB | 0.67 ms |
//! | **64, Blackman squared** | **-138 dB** | **-139 dB** | **-108 dB** | **0.67 ms** |
//! | 128, Blackman-Harris squared | -137 dB | -138 dB | -138 dB | 1.33 ms |
//!
//! 64 bits instead gain 10 dB where 32 bits are the limit and take a quarter more time. Sound from SPICE has 16 bits,
//! -98 dB.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable as _, Async, FixedAsync, Resampler as _, ResamplerConstructionError, Resizable as _,
    SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use crate::Format;

/// The ratio is kept within this of one: half a percent, nine cents, is not heard as a wrong pitch.
pub const MAX_DEVIATION: f64 = 0.005;

/// Taps of the filter; half of them lie ahead.
const TAPS: usize = 64;

/// Rows of the table for each sample; twice as many measured the same.
const ROWS: usize = 128;

/// What the library is told as the furthest ratio; its own bounds must not be met by rounding.
const LIBRARY_MARGIN: f64 = 1.01;

/// The resampling library did not accept our parameters.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a resampler for {channels} channels and {max_input_frames} frames at once")]
pub struct ResamplerError {
    /// Samples in a frame.
    pub channels: usize,
    /// Frames of a piece.
    pub max_input_frames: usize,
    /// What it said.
    #[source]
    pub source: ResamplerConstructionError,
}

/// Resamples interleaved frames by a ratio that may change with each packet.
///
/// All memory is taken by [`Self::new`]. One packet makes as many frames as its ratio says, less or more one: what is
/// left over of a frame is carried on.
pub struct Resampler {
    inner: Async<f32>,
    output: Box<[f32]>,
    channels: usize,
    max_input_frames: usize,
    /// Nothing has gone through since the start: the first ratio is taken at once.
    is_fresh: bool,
}

impl Resampler {
    /// Makes one for packets that are taken in pieces of at most `max_input_frames`.
    ///
    /// # Errors
    /// If that is no frame at all.
    pub fn new(format: Format, max_input_frames: usize) -> Result<Self, ResamplerError> {
        let channels = format.channels();
        let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::Blackman2)
            .f_cutoff(1.0)
            .oversampling_factor(ROWS)
            .interpolation(SincInterpolationType::Cubic);
        let inner = Async::new_sinc(
            1.0,
            LIBRARY_MARGIN,
            &parameters,
            max_input_frames,
            channels,
            FixedAsync::Input,
        )
        .map_err(|source| ResamplerError {
            channels,
            max_input_frames,
            source,
        })?;
        let output = vec![0.0; inner.output_frames_max() * channels].into_boxed_slice();
        Ok(Self {
            inner,
            output,
            channels,
            max_input_frames,
            is_fresh: true,
        })
    }

    /// Passes interleaved frames through and gives the result to `out`, in pieces; returns its frames.
    ///
    /// `ratio`: output frames for each input frame, kept within [`MAX_DEVIATION`] of one. It goes there from the last
    /// one in even steps over the (first piece of the) packet, so the pitch never jumps. A trailing part of a frame is
    /// ignored.
    pub fn process(&mut self, input: &[f32], ratio: f64, out: &mut dyn FnMut(&[f32])) -> usize {
        let ratio = clamp(ratio);
        let whole = input.len() - input.len() % self.channels;
        let mut made = 0;
        for piece in input[..whole].chunks(self.max_input_frames * self.channels) {
            // A refusal is a mistake of ours or the library's: this piece is lost, the next one begins anew (T6).
            if let Some(frames) = self.process_piece(piece, ratio) {
                out(&self.output[..frames * self.channels]);
                made += frames;
            } else {
                self.reset();
            }
        }
        made
    }

    /// Passes at most `max_input_frames` through and tells the frames made, which lie in `output`.
    fn process_piece(&mut self, piece: &[f32], ratio: f64) -> Option<usize> {
        let frames = piece.len() / self.channels;
        self.inner.set_chunk_size(frames).ok()?;
        self.inner.set_resample_ratio(ratio, !self.is_fresh).ok()?;
        self.is_fresh = false;
        let room = self.output.len() / self.channels;
        let input = InterleavedSlice::new(piece, self.channels, frames).ok()?;
        let mut output = InterleavedSlice::new_mut(&mut self.output, self.channels, room).ok()?;
        let (_, made) = self
            .inner
            .process_into_buffer(&input, &mut output, None)
            .ok()?;
        Some(made.min(room))
    }

    /// The ratio that the last packet ended with.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.inner.resample_ratio()
    }

    /// Frames that are held back: so much later than it went in does something come out.
    #[must_use]
    pub const fn delay_frames(&self) -> f64 {
        // Half of the filter, one frame that the library keeps back, and on average half of one until the next is due.
        TAPS as f64 / 2.0 + 1.5
    }

    /// Forgets what went through.
    pub fn reset(&mut self) {
        self.inner.reset();
        self.is_fresh = true;
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler")
            .field("channels", &self.channels)
            .field("max_input_frames", &self.max_input_frames)
            .field("ratio", &self.inner.resample_ratio())
            .finish_non_exhaustive()
    }
}

/// The nearest ratio that is allowed; one if it is not a number.
const fn clamp(ratio: f64) -> f64 {
    if ratio.is_nan() {
        1.0
    } else {
        ratio.clamp(1.0 - MAX_DEVIATION, 1.0 + MAX_DEVIATION)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
