//! The guest's mixer.

/// Most channels of a stream.
const CHANNELS: usize = 8;

/// The guest's volume for one direction. It stays in force across streams and devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixer {
    levels: [u16; CHANNELS],
    /// Levels that were told.
    count: usize,
    is_muted: bool,
}

impl Default for Mixer {
    /// Everything is heard as it comes.
    fn default() -> Self {
        Self {
            levels: [u16::MAX; CHANNELS],
            count: 0,
            is_muted: false,
        }
    }
}

impl Mixer {
    /// Takes SPICE levels, 0 to 65 535 for each channel; those beyond the eighth are left out.
    pub fn set_levels(&mut self, levels: &[u16]) {
        self.count = levels.len().min(CHANNELS);
        for (slot, level) in self.levels.iter_mut().zip(levels) {
            *slot = *level;
        }
    }

    /// Mutes, or no longer.
    pub const fn set_muted(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
    }

    /// Nothing is to be heard.
    #[must_use]
    pub const fn is_muted(&self) -> bool {
        self.is_muted
    }

    /// The linear amplitude of each of that many channels. A channel that nothing was said of is as loud as the last one
    /// before it.
    ///
    /// The levels are those of a slider; loudness is felt by its cube, as in PulseAudio and `spice-gtk`.
    #[must_use]
    pub fn amplitudes(&self, channels: usize) -> ([f32; CHANNELS], usize) {
        let mut amplitudes = [1.0; CHANNELS];
        let known = self.levels.get(..self.count).unwrap_or_default();
        let last = known.last().copied().unwrap_or(u16::MAX);
        let levels = known.iter().copied().chain(std::iter::repeat(last));
        for (amplitude, level) in amplitudes.iter_mut().zip(levels) {
            let slider = f32::from(level) / f32::from(u16::MAX);
            *amplitude = slider * slider * slider;
        }
        (amplitudes, channels.min(CHANNELS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_become_amplitudes_by_their_cube() {
        let mut mixer = Mixer::default();
        assert_eq!(mixer.amplitudes(2).0, [1.0; 8]);
        mixer.set_levels(&[u16::MAX, 0, 32_768]);
        let (amplitudes, channels) = mixer.amplitudes(4);
        assert_eq!(channels, 4);
        assert_eq!(amplitudes[..2], [1.0, 0.0]);
        assert!((amplitudes[2] - 0.125).abs() < 1e-4);
        assert_eq!(amplitudes[2], amplitudes[3], "as the last that was told");
    }

    #[test]
    fn more_channels_than_there_are_do_no_harm() {
        let mut mixer = Mixer::default();
        mixer.set_levels(&[7; 300]);
        assert_eq!(mixer.amplitudes(300).1, 8);
        mixer.set_levels(&[]);
        assert_eq!(mixer.amplitudes(2).0[..2], [1.0, 1.0]);
    }
}
