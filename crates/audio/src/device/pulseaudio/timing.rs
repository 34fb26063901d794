//! When what we write now is heard.

use clock::Nanos;
use pulseaudio::protocol::{LatencyParams, PlaybackLatency};

use super::link::{self, LinkError};

/// A place on the device's timeline: at `at`, the frame with the number `heard` since the stream began was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heard {
    at: Nanos,
    frame: f64,
}

impl Heard {
    /// What the server's answer says, which came at `now`.
    pub(super) fn new(
        answer: &PlaybackLatency,
        now: Nanos,
        frame_bytes: u32,
        rate_hz: u32,
    ) -> Self {
        let read = answer.read_offset as f64 / f64::from(frame_bytes.max(1));
        let behind = answer.sink_usec as f64 * 1e-6 * f64::from(rate_hz);
        Self {
            at: now,
            frame: read - behind,
        }
    }

    /// Frames from `now` until the frame with that number is heard; 0 if it should have been heard already.
    pub(super) fn delay_frames(&self, frame: u64, now: Nanos, rate_hz: u32) -> u32 {
        let since = (now - self.at).as_secs_f64() * f64::from(rate_hz);
        // Saturates; NaN cannot come of integers.
        (frame as f64 - (self.frame + since)).round() as u32
    }
}

/// Reads the answer to the question for a playback stream's latency.
pub(super) fn playback_latency(body: &[u8], version: u16) -> Result<PlaybackLatency, LinkError> {
    if !has_valid_times(body) {
        return Err(LinkError::Protocol("a time that is none".to_owned()));
    }
    link::read(body, version)
}

/// The question, with a time that says nothing: both clocks are compared by us.
pub(super) const fn question(channel: u32) -> LatencyParams {
    LatencyParams {
        channel,
        now: std::time::SystemTime::UNIX_EPOCH,
    }
}

/// Whether both times in an answer have less than a million microseconds; the crate multiplies them without a look.
///
/// Two delays of 9 bytes and a flag of 1 come first, then the times: a tag, four bytes of seconds, four of microseconds.
fn has_valid_times(body: &[u8]) -> bool {
    [24, 33].iter().all(|at| {
        let bytes = body.get(*at..at + 4).and_then(|part| part.try_into().ok());
        bytes.is_some_and(|bytes| u32::from_be_bytes(bytes) < 1_000_000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::{Duration, SystemTime};

    use pulseaudio::protocol::{MAX_VERSION, TagStructWriter};

    fn answer() -> PlaybackLatency {
        PlaybackLatency {
            sink_usec: 10_000,
            source_usec: 0,
            playing: true,
            local_time: SystemTime::UNIX_EPOCH + Duration::from_micros(1_999_999),
            remote_time: SystemTime::UNIX_EPOCH + Duration::from_micros(2_999_999),
            write_offset: 48_000 * 8,
            read_offset: 47_000 * 8,
            underrun_for: 0,
            playing_for: 0,
        }
    }

    fn written(answer: &PlaybackLatency) -> Vec<u8> {
        let mut bytes = Vec::new();
        TagStructWriter::new(&mut bytes, MAX_VERSION)
            .write(answer)
            .unwrap();
        bytes
    }

    #[test]
    fn what_waits_in_the_server_and_in_its_device_is_the_delay() {
        let now = Nanos::from_millis(7_000);
        let heard = Heard::new(&answer(), now, 8, 48_000);
        // 1000 frames wait, and the device holds 10 ms.
        assert_eq!(heard.delay_frames(48_000, now, 48_000), 1_480);
        let later = now + Nanos::from_millis(20);
        assert_eq!(heard.delay_frames(48_000, later, 48_000), 520);
        let much_later = now + Nanos::from_millis(40);
        assert_eq!(heard.delay_frames(48_000, much_later, 48_000), 0);
    }

    #[test]
    fn an_answer_is_read_back() {
        let bytes = written(&answer());
        assert_eq!(playback_latency(&bytes, MAX_VERSION).unwrap(), answer());
    }

    #[test]
    fn broken_answers_are_refused() {
        let good = written(&answer());
        for (at, value) in [(24, 1_000_000_u32), (33, u32::MAX)] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
            assert!(playback_latency(&bytes, MAX_VERSION).is_err());
        }
        for length in 0..good.len() {
            assert!(playback_latency(&good[..length], MAX_VERSION).is_err());
        }
    }
}
