//! The options of the sound, as types.

use clock::Nanos;
use options::Options;

use crate::sound::Policy;

/// The shortest device period that makes sense, in frames: 0.7 ms at 48 kHz.
const SHORTEST_PERIOD: i64 = 32;
/// The longest, 171 ms at 48 kHz.
const LONGEST_PERIOD: i64 = 8192;
/// The most that either option may add to the latency: both together are a second, about what the ring holds.
const LONGEST_EXTRA_MS: i64 = 500;

/// Sound in both directions. With `spice:enable=no` it is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundOptions {
    /// `spice:audio`.
    pub enable: bool,
    /// `audio:periodSize` in frames; `None` is 10 ms.
    pub period_frames: Option<u32>,
    /// `audio:bufferLatency`.
    pub buffer_latency: Nanos,
    /// `audio:latencyOffset`.
    pub latency_offset: Nanos,
    /// `audio:micDefault`.
    pub microphone: Policy,
    /// `audio:micShowIndicator`.
    pub shows_microphone: bool,
    /// `audio:syncVolume`.
    pub follows_volume: bool,
    /// `audio:debug`.
    pub debug: bool,
    /// `pipewire:outDevice`.
    pub playback_device: Option<String>,
    /// `pipewire:recDevice`.
    pub record_device: Option<String>,
}

impl SoundOptions {
    /// Takes the values out of `options`, which have passed [`Options::check`].
    pub(super) fn new(options: &Options) -> Self {
        let ms = |name| Nanos::from_millis(options.int(name).clamp(0, LONGEST_EXTRA_MS));
        let device = |name| {
            let text = options.text(name).map(str::trim);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            enable: options.bool("spice:enable") && options.bool("spice:audio"),
            period_frames: match options.int("audio:periodSize") {
                ..=0 => None,
                frames => u32::try_from(frames.clamp(SHORTEST_PERIOD, LONGEST_PERIOD)).ok(),
            },
            buffer_latency: ms("audio:bufferLatency"),
            latency_offset: ms("audio:latencyOffset"),
            microphone: match options.text("audio:micDefault") {
                Some("allow") => Policy::Allow,
                Some("deny") => Policy::Deny,
                _ => Policy::Prompt,
            },
            shows_microphone: options.bool("audio:micShowIndicator"),
            follows_volume: options.bool("audio:syncVolume"),
            debug: options.bool("audio:debug"),
            playback_device: device("pipewire:outDevice"),
            record_device: device("pipewire:recDevice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(arguments: &[&str]) -> SoundOptions {
        let mut options = Options::new(crate::config::table());
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| (*argument).into())
            .collect();
        options.apply_arguments(&arguments, &[]);
        options.check().unwrap();
        SoundOptions::new(&options)
    }

    #[test]
    fn defaults_are_short_periods_and_a_question_before_the_microphone_opens() {
        let sound = with(&[]);
        assert!(sound.enable && sound.follows_volume && sound.shows_microphone && !sound.debug);
        assert_eq!(sound.period_frames, Some(512));
        let (jitter, offset) = (Nanos::from_millis(13), Nanos::from_millis(6));
        assert_eq!(
            (sound.buffer_latency, sound.latency_offset),
            (jitter, offset)
        );
        assert_eq!(sound.microphone, Policy::Prompt);
        assert_eq!((sound.playback_device, sound.record_device), (None, None));
    }

    #[test]
    fn periods_are_held_to_what_devices_have() {
        for (given, frames) in [
            ("0", None),
            ("-5", None),
            ("1", Some(32)),
            ("2048", Some(2048)),
            ("99999999999", Some(8192)),
        ] {
            let sound = with(&[&format!("audio:periodSize={given}")]);
            assert_eq!(sound.period_frames, frames, "{given}");
        }
    }

    #[test]
    fn extra_latency_is_held_to_what_the_ring_holds() {
        for (given, ms) in [("-3", 0), ("0", 0), ("20", 20), ("99999999999", 500)] {
            let sound = with(&[
                &format!("audio:bufferLatency={given}"),
                &format!("audio:latencyOffset={given}"),
            ]);
            let expected = Nanos::from_millis(ms);
            assert_eq!(sound.buffer_latency, expected, "{given}");
            assert_eq!(sound.latency_offset, expected, "{given}");
        }
    }

    #[test]
    fn without_spice_or_its_sound_there_is_none() {
        assert!(!with(&["spice:enable=no"]).enable);
        assert!(!with(&["spice:audio=no"]).enable);
    }

    #[test]
    fn names_of_devices_and_words_are_taken() {
        let sound = with(&[
            "pipewire:outDevice=alsa_output.pci",
            "pipewire:recDevice= ",
            "audio:micDefault=Deny",
            "audio:syncVolume=no",
        ]);
        assert_eq!(sound.playback_device.as_deref(), Some("alsa_output.pci"));
        assert_eq!(sound.record_device, None);
        assert_eq!(sound.microphone, Policy::Deny);
        assert!(!sound.follows_volume);
    }
}
