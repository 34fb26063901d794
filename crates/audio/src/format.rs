//! The shape of a stream.

/// The shape of a stream of sound: interleaved frames of one sample for each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    channels: u8,
    rate_hz: u32,
}

/// A shape that cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{channels} channels at {rate_hz} Hz; 1 to 8 channels at 8 000 to 384 000 Hz can be played"
)]
pub struct FormatError {
    /// Channels, as given.
    pub channels: u32,
    /// Frames a second, as given.
    pub rate_hz: u32,
}

impl Format {
    /// Takes 1 to 8 channels at 8 000 to 384 000 frames a second (timing.md T5).
    ///
    /// # Errors
    /// If one of them is out of range.
    pub const fn new(channels: u32, rate_hz: u32) -> Result<Self, FormatError> {
        if channels >= 1 && channels <= 8 && rate_hz >= 8_000 && rate_hz <= 384_000 {
            // At most 8.
            let channels = channels as u8;
            Ok(Self { channels, rate_hz })
        } else {
            Err(FormatError { channels, rate_hz })
        }
    }

    /// Samples in a frame.
    #[must_use]
    pub const fn channels(self) -> usize {
        self.channels as usize
    }

    /// Frames a second.
    #[must_use]
    pub const fn rate_hz(self) -> u32 {
        self.rate_hz
    }

    /// Frames in `seconds`, with fractions.
    #[must_use]
    pub fn frames(self, seconds: f64) -> f64 {
        seconds * f64::from(self.rate_hz)
    }

    /// Seconds that `frames` last.
    #[must_use]
    pub fn seconds(self, frames: f64) -> f64 {
        frames / f64::from(self.rate_hz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_played_is_a_format() {
        assert!(Format::new(1, 8_000).is_ok() && Format::new(8, 384_000).is_ok());
        for (channels, rate_hz) in [
            (0, 48_000),
            (9, 48_000),
            (258, 48_000),
            (2, 7_999),
            (2, 384_001),
        ] {
            let error = FormatError { channels, rate_hz };
            assert_eq!(Format::new(channels, rate_hz), Err(error));
        }
    }
}
