//! The options of the sound, as types.

use std::time::Duration;

use options::Options;

use crate::sound::Policy;

/// The shortest device period that makes sense, in frames: 0.7 ms at 48 kHz.
const SHORTEST_PERIOD: i64 = 32;
/// The longest, 171 ms at 48 kHz.
const LONGEST_PERIOD: i64 = 8192;
/// The most that may be added to the latency: the ring holds about this much.
const LONGEST_EXTRA_MS: i64 = 1000;

/// Sound in both directions. With `spice:enable=no` it is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundOptions {
    /// `spice:audio`.
    pub enable: bool,
    /// `audio:periodSize` in frames; `None` is 10 ms.
    pub period_frames: Option<u32>,
    /// What is added to the least latency: `audio:latencyOffset`, and `audio:bufferLatency` if the user set it.
    pub extra_latency: Duration,
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
        let ms = |name| options.int(name).clamp(0, LONGEST_EXTRA_MS).unsigned_abs();
        let mut extra_ms = ms("audio:latencyOffset");
        if options.is_set("audio:bufferLatency") {
            extra_ms = (extra_ms + ms("audio:bufferLatency")).min(LONGEST_EXTRA_MS.unsigned_abs());
        }
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
            extra_latency: Duration::from_millis(extra_ms),
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
        assert_eq!(sound.extra_latency, Duration::from_millis(6));
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
    fn extra_buffering_counts_only_where_it_was_asked_for() {
        let ms = |arguments: &[&str]| with(arguments).extra_latency.as_millis();
        assert_eq!(ms(&["audio:bufferLatency=13"]), 19);
        assert_eq!(ms(&["audio:bufferLatency=0", "audio:latencyOffset=0"]), 0);
        assert_eq!(ms(&["audio:latencyOffset=-3"]), 0);
        assert_eq!(
            ms(&["audio:bufferLatency=99999", "audio:latencyOffset=99999"]),
            1000
        );
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
