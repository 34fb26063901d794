//! What the user chose, what comes out, and what can be seen.

use std::sync::Arc;

use clock::Nanos;

use crate::Format;
use crate::playback::{PlaybackSettings, Status};

/// What the user chose about sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundSettings {
    /// Frames of a device period to ask for (`audio:periodSize`); `None` is 10 ms.
    pub period_frames: Option<u32>,
    /// Jitter and offset together are taken to be at least this (`audio:bufferLatency`).
    pub buffer_latency: Nanos,
    /// Added to the measured jitter, for what is not measured (`audio:latencyOffset`).
    pub latency_offset: Nanos,
    /// Whether the guest's volume and mute are followed (`audio:syncVolume`).
    pub follows_volume: bool,
    /// The name of the device to play on; `None` is the server's choice.
    pub playback_device: Option<String>,
    /// The name of the device to record from; `None` is the server's choice.
    pub record_device: Option<String>,
    /// What the server's mixer shows for us.
    pub stream_name: String,
    /// Log what the controller decides (`audio:debug`).
    pub debug: bool,
}

impl Default for SoundSettings {
    fn default() -> Self {
        let playback = PlaybackSettings::default();
        Self {
            period_frames: Some(playback.period_frames),
            buffer_latency: playback.buffer_latency,
            latency_offset: playback.latency_offset,
            follows_volume: true,
            playback_device: None,
            record_device: None,
            stream_name: "Looking Glass".to_owned(),
            debug: false,
        }
    }
}

impl SoundSettings {
    /// Frames of a period to ask for with that format.
    pub(super) fn period(&self, format: Format) -> u32 {
        self.period_frames.unwrap_or(format.rate_hz() / 100).max(1)
    }

    pub(super) fn playback(&self, format: Format) -> PlaybackSettings {
        PlaybackSettings {
            period_frames: self.period(format),
            buffer_latency: self.buffer_latency,
            latency_offset: self.latency_offset,
            ..PlaybackSettings::default()
        }
    }
}

/// What became of the consent to a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Microphone {
    /// Nothing is open.
    #[default]
    Closed,
    /// That recording hears it.
    Open {
        /// As [`super::SoundHandle::record_started`] said.
        recording: u32,
    },
    /// It cannot be opened at the moment; it is tried again.
    Failed {
        /// As [`super::SoundHandle::record_started`] said.
        recording: u32,
        /// A sentence for the user.
        why: String,
    },
}

/// What comes out of the thread, on that thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SoundEvent<'a> {
    /// A piece of the microphone: a power of two of frames, from 10 to just under 20 ms.
    Recorded {
        /// The recording that it is for.
        recording: u32,
        /// Since the beginning of the recording; wraps.
        time_ms: u32,
        /// Whole frames of the recording's format, 16-bit signed little-endian.
        samples: &'a [u8],
    },
    /// The microphone was opened or closed.
    Microphone(Microphone),
}

/// Where that goes. Called on the thread `audio`, so it must not wait.
pub type Outlet = Box<dyn FnMut(SoundEvent<'_>) + Send>;

/// The state of sound at the moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoundStatus {
    /// The numbers of the stream that plays, or played last.
    pub playback: Option<Status>,
    /// Its shape.
    pub format: Option<Format>,
    /// The device that plays it: its server and, if known, its name.
    pub device: Option<Arc<str>>,
    /// What lies behind the device's callback, as its server says.
    pub device_latency: Option<Nanos>,
    /// Packets that waited for too long and were dropped.
    pub dropped_packets: u64,
    /// The microphone.
    pub microphone: Microphone,
    /// Pieces of the microphone that were sent to the guest since the program began.
    pub recorded_pieces: u64,
}
