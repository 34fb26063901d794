//! Where a playing stream's frames go: the seam between deciding and doing.

use crate::pull::{Counters, Phase};
use crate::ticks::Tick;

/// Frames as they came from the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// Frames of this piece.
    pub frames: u32,
    /// The samples: signed 16-bit little-endian, interleaved, `frames` whole frames; `None` where only positions are
    /// simulated.
    pub samples: Option<&'a [u8]>,
}

impl<'a> Input<'a> {
    /// Frames without sound, for a lane that knows positions only.
    #[must_use]
    pub const fn counted(frames: u32) -> Self {
        Self {
            frames,
            samples: None,
        }
    }

    /// The whole frames in `samples`; a trailing part of a frame is left out (timing.md T5).
    #[must_use]
    pub fn sampled(samples: &'a [u8], channels: usize) -> Self {
        let bytes = channels.max(1) * 2;
        let frames = samples.len() / bytes;
        Self {
            frames: u32::try_from(frames).unwrap_or(u32::MAX),
            samples: samples.get(..frames * bytes),
        }
    }

    /// Cuts the first `frames` off: they and the rest.
    #[must_use]
    pub fn split_at(self, frames: u32) -> (Self, Self) {
        let first = frames.min(self.frames);
        let rest = self.frames - first;
        let (head, tail) = match self.samples {
            Some(samples) if self.frames > 0 => {
                let bytes = samples.len() / self.frames as usize * first as usize;
                let (head, tail) = samples.split_at(bytes);
                (Some(head), Some(tail))
            }
            samples => (samples, samples),
        };
        (
            Self {
                frames: first,
                samples: head,
            },
            Self {
                frames: rest,
                samples: tail,
            },
        )
    }
}

/// The way of a stream's frames to one opened device: resampler, ring, and what comes back from the callback.
///
/// [`Playback`](crate::playback::Playback) decides through this trait and never sees a sample, so the same decisions
/// run over the real ring and over bare numbers in a simulation of two days.
///
/// Positions are frames of the device's rate since the lane was made. The reader's only grows, by each request, whether
/// there was sound or not; the writer's only grows, by [`Self::write`] and [`Self::jump`]. Frames written below the
/// reader's position are late and never heard.
pub trait Lane {
    /// Resamples `input` by `ratio`, the output frames for each input frame, and appends the result.
    ///
    /// Returns the frames that were appended; what does not fit into the ring is refused and not counted.
    fn write(&mut self, input: Input<'_>, ratio: f64) -> u64;

    /// Position at which the next frame will be written.
    fn position(&self) -> u64;

    /// Position that the device's next request starts at, as far as is known.
    fn read_position(&self) -> u64;

    /// Goes on writing at `to`; the frames between are silence. Does nothing if `to` is not ahead.
    fn jump(&mut self, to: u64);

    /// Makes the device go on at `to` from its next request; the frames between are never heard. Does nothing if `to`
    /// is not ahead.
    fn skip_reader(&mut self, to: u64);

    /// Frames that the ring holds.
    fn capacity(&self) -> u64;

    /// Frames, of the device's rate, that the resampler holds back: what was put in last is still on its way.
    fn delay_frames(&self) -> f64;

    /// Empties the resampler: what comes next has nothing to do with what came before.
    fn reset(&mut self);

    /// The oldest request of the device that was not fetched yet. Some may be missing; their count is in
    /// [`Tick::consumed`].
    fn next_tick(&mut self) -> Option<Tick>;

    /// Sets what the device plays from its next request.
    fn set_phase(&mut self, phase: Phase);

    /// What the callback has counted.
    fn counters(&self) -> Counters;
}
