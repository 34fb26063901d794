//! The microphone's sound in pieces of 10 to just under 20 ms, as the guest takes it.

use crate::{Capture, Format};

/// With more than this waiting, 100 to 200 ms, the oldest is left out: the guest wants to hear now.
const MOST_PIECES: usize = 10;
/// What is kept then.
const KEPT_PIECES: usize = 2;

/// Cuts what a device records into pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    capture: Capture,
    /// Frames of a piece.
    frames: usize,
    rate_hz: u64,
    samples: Vec<f32>,
    bytes: Vec<u8>,
    /// Frames before the next piece, with those that were left out.
    position: u64,
}

impl Pieces {
    pub(super) fn new(capture: Capture) -> Self {
        let format = capture.format();
        let frames = piece_frames(format);
        let samples = frames * format.channels();
        Self {
            capture,
            frames,
            rate_hz: format.rate_hz().into(),
            samples: vec![0.0; samples],
            bytes: vec![0; samples * 2],
            position: 0,
        }
    }

    /// The next piece, if it is complete: milliseconds since the beginning, which wrap, and the samples.
    pub(super) fn next(&mut self) -> Option<(u32, &[u8])> {
        if self.capture.available() > MOST_PIECES * self.frames {
            let left_out = self.capture.discard(KEPT_PIECES * self.frames);
            self.position += left_out as u64;
        }
        if self.capture.available() < self.frames {
            return None;
        }
        let taken = self.capture.take(&mut self.samples);
        for (pair, sample) in self.bytes.chunks_exact_mut(2).zip(&self.samples) {
            // Saturates, and a NaN is silence.
            let sample = (sample * 32_768.0).round() as i16;
            pair.copy_from_slice(&sample.to_le_bytes());
        }
        // The wire has 32 bits for it.
        let time_ms = (self.position * 1000 / self.rate_hz) as u32;
        self.position += taken as u64;
        Some((time_ms, &self.bytes))
    }
}

/// Frames of a piece: the power of two that is 10 ms or the next above it. With pieces of 480 frames, recordings through
/// libspice-server 0.15.1 broke every 341 ms, which is 16 384 frames; with powers of two they did not. That the server has a
/// ring of so many frames and spoils a piece that crosses its end is inferred from this pattern, not read anywhere.
pub(super) fn piece_frames(format: Format) -> usize {
    // At most 4 096.
    (format.rate_hz() / 100).next_power_of_two() as usize
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::capture;

    #[test]
    fn pieces_are_about_ten_milliseconds_of_little_endian_samples() {
        let format = Format::new(2, 48_000).unwrap();
        let (mut push, capture) = capture(format, 48_000);
        let mut pieces = Pieces::new(capture);
        assert_eq!(pieces.next(), None);
        push.push(&[0.5; 2 * 511]);
        assert_eq!(pieces.next(), None, "not complete");
        push.push(&[-2.0, 2.0, f32::NAN, -0.25]);
        let (time_ms, samples) = pieces.next().unwrap();
        assert_eq!((time_ms, samples.len()), (0, 2048));
        assert_eq!(samples[..4], [0x00, 0x40, 0x00, 0x40]);
        assert_eq!(
            samples[2044..],
            [0x00, 0x80, 0xff, 0x7f],
            "held to the range"
        );
        push.push(&[0.0; 2 * 511]);
        let (time_ms, samples) = pieces.next().unwrap();
        assert_eq!(
            (time_ms, &samples[..4]),
            (10, &[0x00, 0x00, 0x00, 0xe0][..])
        );
    }

    #[test]
    fn after_a_hiccup_old_sound_is_left_out_and_time_goes_on() {
        let format = Format::new(1, 8_000).unwrap();
        let (mut push, capture) = capture(format, 8_000);
        let mut pieces = Pieces::new(capture);
        push.push(&[0.1; 1600]);
        let times: Vec<u32> = std::iter::from_fn(|| pieces.next().map(|piece| piece.0)).collect();
        assert_eq!(times, [168, 184]);
    }
}
