//! The way of the microphone: from the device's real-time callback to the audio thread.

use crate::Format;
use crate::primitive::{Arc, AtomicU64, Ordering};
use crate::ring::{Reader, Writer, ring};

/// Makes both sides of a recording, with a ring for at least `capacity_frames`.
#[must_use]
pub fn capture(format: Format, capacity_frames: usize) -> (Push, Capture) {
    let (writer, reader) = ring(format, capacity_frames);
    let lost = Arc::new(AtomicU64::new(0));
    let push = Push {
        format,
        writer,
        dropped: 0,
        lost: Arc::clone(&lost),
    };
    let capture = Capture {
        format,
        reader,
        lost,
    };
    (push, capture)
}

/// The callback's side: allocation-free, lock-free, without system calls.
#[derive(Debug)]
pub struct Push {
    format: Format,
    writer: Writer,
    dropped: u64,
    /// [`Self::dropped`] as published: stored by the callback only. Relaxed, nothing else depends on it.
    lost: Arc<AtomicU64>,
}

impl Push {
    /// The shape that [`Self::push`] takes.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Hands over interleaved frames that the device gave. What does not fit is dropped and counted; a trailing
    /// part of a frame is ignored.
    pub fn push(&mut self, interleaved: &[f32]) {
        let frames = interleaved.len() / self.format.channels();
        let taken = self.writer.write(interleaved);
        self.dropped += (frames - taken) as u64;
        self.lost.store(self.dropped, Ordering::Relaxed);
    }
}

/// The audio thread's side of a recording.
#[derive(Debug)]
pub struct Capture {
    format: Format,
    reader: Reader,
    lost: Arc<AtomicU64>,
}

impl Capture {
    /// The shape of what [`Self::take`] gives.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Frames that can be taken now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.reader.available()
    }

    /// Fills `out` with as many whole frames as there are, interleaved, and tells how many; the rest of it stays as it is.
    pub fn take(&mut self, out: &mut [f32]) -> usize {
        let channels = self.format.channels();
        let frames = self.available().min(out.len() / channels);
        self.reader.read(&mut out[..frames * channels]).frames
    }

    /// Passes over the oldest frames but `keep`, and tells how many: after a hiccup old sound is not worth its latency.
    pub fn discard(&mut self, keep: usize) -> usize {
        let frames = self.available().saturating_sub(keep);
        self.reader.pass(frames).frames
    }

    /// Frames that the callback could not hand over because nobody took the earlier ones, ever.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pair(capacity_frames: usize) -> (Push, Capture) {
        let format = Format::new(2, 48_000).expect("a usual format");
        capture(format, capacity_frames)
    }

    #[test]
    fn what_is_pushed_is_taken_in_pieces_of_any_size() {
        let (mut push, mut capture) = pair(16);
        push.push(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
        assert_eq!(capture.available(), 3);
        let mut out = [9.0; 5];
        assert_eq!(capture.take(&mut out), 2);
        assert_eq!(out, [0.1, 0.2, 0.3, 0.4, 9.0]);
        assert_eq!(capture.take(&mut out), 1);
        assert_eq!(out, [0.5, 0.6, 0.3, 0.4, 9.0]);
        assert_eq!(capture.take(&mut out), 0);
        assert_eq!(capture.dropped(), 0);
    }

    #[test]
    fn what_nobody_takes_is_dropped_and_counted_and_the_rest_goes_on() {
        let (mut push, mut capture) = pair(4);
        push.push(&[1.0; 6]);
        push.push(&[2.0; 6]);
        assert_eq!((capture.available(), capture.dropped()), (4, 2));
        assert_eq!(capture.discard(1), 3);
        push.push(&[3.0; 2]);
        let mut out = [0.0; 8];
        assert_eq!(capture.take(&mut out), 2);
        assert_eq!(out[..4], [2.0, 2.0, 3.0, 3.0]);
        assert_eq!((capture.discard(0), capture.dropped()), (0, 2));
    }
}
