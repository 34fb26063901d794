//! The callback that records.

use std::sync::Arc;

use clock::{Clock as _, MonotonicClock};
use pipewire::stream::Stream;

use super::graph::{Cycle, Report};
use super::worker::{Figures, SAMPLE_BYTES, Worker, scratch};
use crate::{Format, Push};

/// Hands what is in the buffers of a stream to a [`Push`].
pub(super) struct Recorder {
    push: Push,
    /// The samples of one buffer.
    samples: Box<[f32]>,
    clock: MonotonicClock,
    figures: Arc<Figures>,
}

impl Recorder {
    pub(super) fn new(push: Push) -> Self {
        Self {
            samples: scratch(push.format()),
            push,
            clock: MonotonicClock,
            figures: Arc::default(),
        }
    }
}

impl Worker for Recorder {
    fn format(&self) -> Format {
        self.push.format()
    }

    fn process(&mut self, stream: &Stream) {
        let Some(mut buffer) = stream.dequeue_buffer() else {
            return;
        };
        let format = self.push.format();
        let report = stream.time().ok().map(|time| Report::from(&time));
        let cycle = Cycle::new(report, self.clock.now(), format);
        let Some(data) = buffer.datas_mut().first_mut() else {
            return;
        };
        let offset = usize::try_from(data.chunk().offset()).unwrap_or(usize::MAX);
        let size = usize::try_from(data.chunk().size()).unwrap_or(0);
        let end = offset.saturating_add(size);
        // A chunk that is not in its buffer holds nothing.
        let Some(bytes) = data.data().and_then(|bytes| bytes.get(offset..end)) else {
            return;
        };
        let (cells, _) = bytes.as_chunks::<SAMPLE_BYTES>();
        self.figures
            .saw(cells.len() / format.channels(), cycle, format);
        // One piece, but for a graph with longer cycles than there should be.
        for cells in cells.chunks(self.samples.len()) {
            for (sample, cell) in self.samples.iter_mut().zip(cells) {
                *sample = f32::from_le_bytes(*cell);
            }
            if let Some(samples) = self.samples.get(..cells.len()) {
                self.push.push(samples);
            }
        }
    }

    fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }
}
