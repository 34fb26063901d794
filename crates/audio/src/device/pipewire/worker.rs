//! What the callbacks of both directions have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use clock::Nanos;
use pipewire::stream::Stream;

use super::graph::Cycle;
use crate::Format;

/// Bytes of a sample (`F32LE`).
pub(super) const SAMPLE_BYTES: usize = 4;

/// The longest quantum of a graph, in frames of its own rate (`default.clock.quantum-limit` is 8192).
const MAX_QUANTUM: usize = 8192;
/// The rate of a graph that `MAX_QUANTUM` is converted from; a server at a higher one gets its request in parts.
const GRAPH_RATE: usize = 44_100;

/// The most frames that a request can be for, at the stream's rate.
pub(super) fn max_frames(format: Format) -> usize {
    let rate = usize::try_from(format.rate_hz()).unwrap_or(usize::MAX);
    MAX_QUANTUM * rate.div_ceil(GRAPH_RATE)
}

/// Room for the samples of the longest request, made before the first one comes.
pub(super) fn scratch(format: Format) -> Box<[f32]> {
    vec![0.0; max_frames(format) * format.channels()].into_boxed_slice()
}

/// A callback with all that it owns.
///
/// `process` runs on the library's real-time thread: no allocation, lock, system call or log (timing.md T4). The functions
/// of the stream that it may use are those that the library calls safe there: taking and returning a buffer, the time.
pub(super) trait Worker: Send + 'static {
    /// The shape of what is exchanged.
    fn format(&self) -> Format;

    /// Handles one request.
    fn process(&mut self, stream: &Stream);

    /// What it tells of itself.
    fn figures(&self) -> Arc<Figures>;
}

/// What a callback tells of itself. Written by the callback only; Relaxed, as nothing else depends on them.
#[derive(Debug)]
pub(super) struct Figures {
    /// Frames of the longest request so far.
    longest_frames: AtomicU32,
    /// The latest delay in nanoseconds, negative if it is not known.
    latency_ns: AtomicI64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            longest_frames: AtomicU32::new(0),
            latency_ns: AtomicI64::new(-1),
        }
    }
}

impl Figures {
    /// Notes a request.
    pub(super) fn saw(&self, frames: usize, cycle: Cycle, format: Format) {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        if frames > self.longest_frames.load(Ordering::Relaxed) {
            self.longest_frames.store(frames, Ordering::Relaxed);
        }
        let latency = cycle.delay.map_or(-1, |frames| {
            Nanos::from_secs_f64(format.seconds(f64::from(frames))).0
        });
        self.latency_ns.store(latency, Ordering::Relaxed);
    }

    pub(super) fn longest_frames(&self) -> u32 {
        self.longest_frames.load(Ordering::Relaxed)
    }

    pub(super) fn latency(&self) -> Option<Nanos> {
        let latency = self.latency_ns.load(Ordering::Relaxed);
        (latency >= 0).then_some(Nanos(latency))
    }
}
