//! The lane that sound takes: bytes from SPICE, resampler, ring.

use crate::Format;
use crate::lane::{Input, Lane};
use crate::pull::{Counters, Feed, Phase, Pull, stream};
use crate::resample::{Resampler, ResamplerError};
use crate::ticks::Tick;

/// What is converted at once; longer packets go through in several pieces.
const PIECE_SECONDS: f64 = 0.1;

/// The way of a stream's samples to one opened device. See [`Lane`].
#[derive(Debug)]
pub struct SampleLane {
    feed: Feed,
    resampler: Resampler,
    /// A piece of a packet as floats.
    scratch: Box<[f32]>,
}

impl SampleLane {
    /// Makes a lane with a ring for at least `capacity_frames`, and what the device's callback needs of it.
    ///
    /// # Errors
    /// If there is no resampler for that format.
    pub fn new(format: Format, capacity_frames: usize) -> Result<(Self, Pull), ResamplerError> {
        // At most 38 400.
        let piece_frames = format.frames(PIECE_SECONDS) as usize;
        let (feed, pull) = stream(format, capacity_frames);
        let lane = Self {
            feed,
            resampler: Resampler::new(format, piece_frames)?,
            scratch: vec![0.0; piece_frames * format.channels()].into_boxed_slice(),
        };
        Ok((lane, pull))
    }

    /// Requests of the device that [`Lane::next_tick`] came too late for, ever.
    #[must_use]
    pub const fn missed_ticks(&self) -> u64 {
        self.feed.missed_ticks()
    }

    /// Resamples the first `samples` of the scratch and appends them; returns the frames that found room.
    fn append(&mut self, samples: usize, ratio: f64) -> u64 {
        let channels = self.feed.format().channels();
        let writer = &mut self.feed.writer;
        let mut appended = 0;
        let mut is_full = false;
        self.resampler
            .process(&self.scratch[..samples], ratio, &mut |frames| {
                if !is_full {
                    let taken = writer.write(frames);
                    is_full = taken < frames.len() / channels;
                    appended += taken as u64;
                }
            });
        appended
    }

    /// Appends `frames` of silence, so that what the resampler holds back comes out.
    fn append_silence(&mut self, frames: usize, ratio: f64) -> u64 {
        let channels = self.feed.format().channels();
        let mut left = frames * channels;
        let mut appended = 0;
        while left > 0 {
            let samples = left.min(self.scratch.len());
            self.scratch[..samples].fill(0.0);
            appended += self.append(samples, ratio);
            left -= samples;
        }
        appended
    }
}

impl Lane for SampleLane {
    fn write(&mut self, input: Input<'_>, ratio: f64) -> u64 {
        let frames = input.frames as usize;
        let Some(bytes) = input.samples else {
            return self.append_silence(frames, ratio);
        };
        let channels = self.feed.format().channels();
        let samples = frames.saturating_mul(channels);
        let mut appended = 0;
        let (pairs, _) = bytes.as_chunks();
        let pairs = &pairs[..pairs.len().min(samples)];
        for piece in pairs.chunks(self.scratch.len()) {
            for (sample, &bytes) in self.scratch.iter_mut().zip(piece) {
                *sample = f32::from(i16::from_le_bytes(bytes)) / 32_768.0;
            }
            appended += self.append(piece.len(), ratio);
        }
        appended
    }

    fn position(&self) -> u64 {
        self.feed.writer.position()
    }

    fn read_position(&self) -> u64 {
        self.feed.writer.next_read_position()
    }

    fn jump(&mut self, to: u64) {
        self.feed.writer.jump(to);
    }

    fn skip_reader(&mut self, to: u64) {
        self.feed.writer.skip_reader(to);
    }

    fn capacity(&self) -> u64 {
        self.feed.writer.capacity() as u64
    }

    fn delay_frames(&self) -> f64 {
        self.resampler.delay_frames()
    }

    fn reset(&mut self) {
        self.resampler.reset();
    }

    fn next_tick(&mut self) -> Option<Tick> {
        self.feed.next_tick()
    }

    fn set_phase(&mut self, phase: Phase) {
        if phase == Phase::Drain && self.feed.phase() == Phase::Run {
            // The end of the sound is still in the resampler; one frame more, since its delay has a fraction.
            let held = self.resampler.delay_frames() as usize + 1;
            let ratio = self.resampler.ratio();
            self.append_silence(held, ratio);
        }
        self.feed.set_phase(phase);
    }

    fn counters(&self) -> Counters {
        self.feed.counters()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
