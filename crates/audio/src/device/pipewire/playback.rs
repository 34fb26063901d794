//! The callback that plays.

use std::sync::Arc;

use clock::{Clock as _, MonotonicClock, Nanos};
use pipewire::stream::Stream;

use super::graph::{Cycle, Report};
use super::worker::{Figures, SAMPLE_BYTES, Worker, scratch};
use crate::{Format, Pull};

/// Fills the buffers of a stream from a [`Pull`].
pub(super) struct Player {
    pull: Pull,
    /// The samples of one request, before they are bytes in the stream's buffer.
    samples: Box<[f32]>,
    clock: MonotonicClock,
    /// Frames to give to a library that does not tell what it needs.
    period_frames: usize,
    figures: Arc<Figures>,
}

impl Player {
    pub(super) fn new(pull: Pull, period_frames: u32) -> Self {
        Self {
            samples: scratch(pull.format()),
            pull,
            clock: MonotonicClock,
            period_frames: usize::try_from(period_frames).unwrap_or(usize::MAX),
            figures: Arc::default(),
        }
    }

    /// Fills the beginning of `bytes` and returns the frames that this is.
    fn fill(&mut self, bytes: &mut [u8], frames: usize, now: Nanos) -> usize {
        let channels = self.pull.format().channels();
        let room = (bytes.len() / SAMPLE_BYTES).min(self.samples.len());
        let frames = frames.min(room / channels);
        // In bounds by the line before.
        let Some(samples) = self.samples.get_mut(..frames * channels) else {
            return 0;
        };
        self.pull.pull(samples, now);
        let (cells, _) = bytes.as_chunks_mut::<SAMPLE_BYTES>();
        for (cell, sample) in cells.iter_mut().zip(samples) {
            *cell = sample.to_le_bytes();
        }
        frames
    }
}

impl Worker for Player {
    fn format(&self) -> Format {
        self.pull.format()
    }

    fn process(&mut self, stream: &Stream) {
        let Some(mut buffer) = stream.dequeue_buffer() else {
            return;
        };
        let format = self.pull.format();
        let report = stream.time().ok().map(|time| Report::from(&time));
        let cycle = Cycle::new(report, self.clock.now(), format);
        // What this cycle needs: the quantum, or what the resampler wants for it. Never what fits in the buffer, which is made
        // for the longest quantum that there can be. The library does not call if it needs nothing.
        let frames = match usize::try_from(buffer.requested()) {
            Ok(0) => self.period_frames,
            Ok(frames) => frames,
            Err(_) => usize::MAX,
        };
        let Some(data) = buffer.datas_mut().first_mut() else {
            return;
        };
        let frames = match data.data() {
            Some(bytes) => self.fill(bytes, frames, cycle.at),
            None => 0,
        };
        self.figures.saw(frames, cycle, format);
        let stride = format.channels() * SAMPLE_BYTES;
        let chunk = data.chunk_mut();
        *chunk.offset_mut() = 0;
        // Both fit: 8 channels at most, and a buffer whose size has 32 bits.
        *chunk.stride_mut() = i32::try_from(stride).unwrap_or(0);
        *chunk.size_mut() = u32::try_from(frames * stride).unwrap_or(0);
    }

    fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }
}
