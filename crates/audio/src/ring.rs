//! The ring of samples between the audio thread and the device's real-time callback.
//!
//! One writer, one reader, no lock and no unsafe code: a sample lies in a cell as the bits of an `f32`. Positions are
//! frames since the ring was made, in 64 bits, and never go back (timing.md T2, T3):
//!
//! ```text
//!                R                        W            R + capacity
//!   ── heard ────┤──── valid: unread ─────┤──── free ───────┤
//! ```
//!
//! * The reader's position R advances by each request, whether there was sound or not; what is not valid is silence.
//! * The writer's position W advances by what is written. Frames below R are late: they count, and are never heard.
//! * Nothing unread is overwritten: what does not fit is refused.
//! * To have more sound buffered, the writer jumps ahead and the frames between are silence; to have less, it asks the
//!   reader to go on further ahead. Neither side ever moves back.

use crate::Format;
use crate::primitive::{Arc, AtomicU32, AtomicU64, Ordering};

/// What both sides see.
#[derive(Debug)]
struct Shared {
    /// W. Stored by the writer only, with Release after the cells below it; the reader's Acquire pairs with that.
    written: AtomicU64,
    /// R. Stored by the reader only, with Release after it has loaded the cells below it; the writer's Acquire pairs
    /// with that, so that it never stores into a cell that is still to be read.
    read: AtomicU64,
    /// Where the reader is to go on, if that is ahead of it. Stored by the writer only, never decreases.
    skip: AtomicU64,
    /// Samples as the bits of an `f32`. Relaxed: W and R order them.
    cells: Box<[AtomicU32]>,
    /// Frames that fit, less one; their number is a power of two.
    mask: u64,
    /// Samples in a frame.
    channels: usize,
}

impl Shared {
    fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// The cells of the `frames` at `position`, in two pieces since they may go around the end.
    fn cells(&self, position: u64, frames: usize) -> (&[AtomicU32], &[AtomicU32]) {
        // Below the number of cells, which is a usize.
        let start = (position & self.mask) as usize * self.channels;
        let samples = frames.saturating_mul(self.channels).min(self.cells.len());
        let (before, after) = self.cells.split_at(start);
        let first = samples.min(after.len());
        (&after[..first], &before[..samples - first])
    }
}

/// Makes a ring for at least `capacity_frames`; the next power of two.
///
/// # Panics
/// If that is more memory than there is.
#[must_use]
pub fn ring(format: Format, capacity_frames: usize) -> (Writer, Reader) {
    let channels = format.channels();
    let capacity = capacity_frames.max(1).checked_next_power_of_two();
    let cells = capacity.and_then(|frames| frames.checked_mul(channels));
    let (Some(capacity), Some(cells)) = (capacity, cells) else {
        panic!("a ring of {capacity_frames} frames does not fit into memory");
    };
    let shared = Arc::new(Shared {
        written: AtomicU64::new(0),
        read: AtomicU64::new(0),
        skip: AtomicU64::new(0),
        cells: (0..cells).map(|_| AtomicU32::new(0)).collect(),
        mask: capacity as u64 - 1,
        channels,
    });
    let writer = Writer {
        position: 0,
        skip: 0,
        shared: Arc::clone(&shared),
    };
    let reader = Reader {
        position: 0,
        shared,
    };
    (writer, reader)
}

/// The side that fills the ring; may be on any thread.
#[derive(Debug)]
pub struct Writer {
    /// W as published.
    position: u64,
    /// The last skip asked for.
    skip: u64,
    shared: Arc<Shared>,
}

impl Writer {
    /// Frames written or jumped over ever: where the next one goes.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// How far the reader has really come, in frames; a skip counts once the reader has made it.
    #[must_use]
    pub fn read_position(&self) -> u64 {
        self.shared.read.load(Ordering::Acquire)
    }

    /// Position that the reader's next request starts at, as far as is known: a skip counts as soon as it is asked for.
    #[must_use]
    pub fn next_read_position(&self) -> u64 {
        self.read_position().max(self.skip)
    }

    /// Frames that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        // The number of cells is larger and is a usize.
        self.shared.capacity() as usize
    }

    /// Frames that would be taken now.
    #[must_use]
    pub fn free(&self) -> usize {
        // At most the capacity plus what is late; a starved ring takes, and drops, any number of late frames.
        let end = self.read_position() + self.shared.capacity();
        usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX)
    }

    /// Appends interleaved frames and tells how many of them were taken; the rest did not fit.
    ///
    /// Frames that the reader has already passed are taken and dropped. A trailing part of a frame is ignored.
    pub fn write(&mut self, interleaved: &[f32]) -> usize {
        let channels = self.shared.channels;
        let read = self.read_position();
        let end = read + self.shared.capacity();
        let room = usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let taken = (interleaved.len() / channels).min(room);
        let late = usize::try_from(read.saturating_sub(self.position))
            .unwrap_or(usize::MAX)
            .min(taken);
        let mut samples = interleaved[late * channels..taken * channels].iter();
        let (first, second) = self.shared.cells(self.position + late as u64, taken - late);
        for (cell, sample) in first.iter().chain(second).zip(&mut samples) {
            cell.store(sample.to_bits(), Ordering::Relaxed);
        }
        self.publish(self.position + taken as u64);
        taken
    }

    /// Goes on at `to`, with silence before it, and tells where that is.
    ///
    /// Never back, and never further than the ring holds: the new position is at most the read position plus the capacity.
    pub fn jump(&mut self, to: u64) -> u64 {
        let read = self.read_position();
        let to = to.min(read + self.shared.capacity());
        if to > self.position {
            let from = self.position.max(read).min(to);
            // At most the capacity.
            let frames = (to - from) as usize;
            let (first, second) = self.shared.cells(from, frames);
            for cell in first.iter().chain(second) {
                cell.store(0, Ordering::Relaxed);
            }
            self.publish(to);
        }
        self.position
    }

    /// Asks the reader to go on at `to` at its next request, and tells where it will.
    ///
    /// Never back, and never past what has been written.
    pub fn skip_reader(&mut self, to: u64) -> u64 {
        let to = to.min(self.position);
        if to > self.skip {
            self.skip = to;
            // Release: a reader that sees this sees W at least as far, and so is not starved by it.
            self.shared.skip.store(to, Ordering::Release);
        }
        self.next_read_position()
    }

    fn publish(&mut self, position: u64) {
        self.position = position;
        self.shared.written.store(position, Ordering::Release);
    }
}

/// What a request got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Frames of the request.
    pub frames: usize,
    /// How many of them, at its end, were silence because nothing had been written there.
    pub silent: usize,
    /// Frames passed over before the request because the writer asked for it.
    pub skipped: u64,
}

/// The side that empties the ring: allocation-free, lock-free, without system calls.
#[derive(Debug)]
pub struct Reader {
    /// R as published.
    position: u64,
    shared: Arc<Shared>,
}

impl Reader {
    /// The position of the next request's first frame, if no skip comes between.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Frames that are there to be read now.
    #[must_use]
    pub fn available(&self) -> usize {
        let written = self.shared.written.load(Ordering::Acquire);
        usize::try_from(written.saturating_sub(self.position)).unwrap_or(usize::MAX)
    }

    /// Fills `out` with the next frames, interleaved; what has not been written is silence. A trailing part of a frame is
    /// silence too.
    pub fn read(&mut self, out: &mut [f32]) -> Read {
        let channels = self.shared.channels;
        let frames = out.len() / channels;
        let (skipped, valid) = self.begin(frames);
        let (sound, silence) = out.split_at_mut(valid * channels);
        let (first, second) = self.shared.cells(self.position, valid);
        for (sample, cell) in sound.iter_mut().zip(first.iter().chain(second)) {
            *sample = f32::from_bits(cell.load(Ordering::Relaxed));
        }
        silence.fill(0.0);
        self.finish(frames, valid, skipped)
    }

    /// Passes over `frames` as [`Self::read`] does, without their samples.
    pub fn pass(&mut self, frames: usize) -> Read {
        let (skipped, valid) = self.begin(frames);
        self.finish(frames, valid, skipped)
    }

    /// Makes a skip that was asked for, and tells it with how many of `frames` are valid.
    fn begin(&mut self, frames: usize) -> (u64, usize) {
        // First the skip, then W: see `Writer::skip_reader`.
        let skip = self.shared.skip.load(Ordering::Acquire);
        let skipped = skip.saturating_sub(self.position);
        self.position += skipped;
        (skipped, self.available().min(frames))
    }

    fn finish(&mut self, frames: usize, valid: usize, skipped: u64) -> Read {
        self.position += frames as u64;
        self.shared.read.store(self.position, Ordering::Release);
        Read {
            frames,
            silent: frames - valid,
            skipped,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
