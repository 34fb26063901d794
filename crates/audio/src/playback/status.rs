//! What goes into a [`Playback`](super::Playback) once, and what it tells of itself.

use clock::Nanos;

/// What the user may choose about playback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaybackSettings {
    /// Device period to ask for, in frames; assumed until the device is open (`audio:periodSize`).
    pub period_frames: u32,
    /// Jitter and offset together are taken to be at least this (`audio:bufferLatency`).
    pub buffer_latency: Nanos,
    /// Added to the measured jitter, for what is not measured (`audio:latencyOffset`).
    pub latency_offset: Nanos,
    /// How long the device stays open without sound.
    pub keep_alive: Nanos,
}

impl Default for PlaybackSettings {
    fn default() -> Self {
        Self {
            period_frames: 512,
            buffer_latency: Nanos::from_millis(13),
            latency_offset: Nanos::from_millis(6),
            keep_alive: Nanos::from_millis(30_000),
        }
    }
}

/// What an opened device promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceTiming {
    /// The largest request that it will make, in frames.
    pub max_period_frames: u32,
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing to play and no device.
    #[default]
    Stopped,
    /// The source has started; the device is being opened or has not asked for sound yet.
    Opening,
    /// Sound is played.
    Running,
    /// The source has stopped; what is buffered is played to its end.
    Draining,
    /// The device is open and plays zeros, so that the next sound starts at once.
    KeepAlive,
}

/// The numbers of a stream, for `--stats`, the overlay and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Status {
    /// Where the stream is in its life.
    pub state: State,
    /// Milliseconds from a frame's timely arrival to the device's taking it, as estimated from both filtered clocks.
    /// What lies behind the device's callback is not in it.
    pub latency_ms: Option<f64>,
    /// What [`Self::latency_ms`] is held at.
    pub target_ms: f64,
    /// The applied resampling ratio less one, in millionths: output frames for each input frame.
    pub ratio_ppm: f64,
    /// By how much the source's clock is fast against the monotonic one, in millionths.
    pub source_ppm: Option<f64>,
    /// By how much the device's clock is fast against the monotonic one, in millionths.
    pub device_ppm: Option<f64>,
    /// How late packets come against the earliest ones, in milliseconds: the allowance that is in the target.
    pub jitter_ms: f64,
    /// The device's present period in frames; 0 before its first request.
    pub period_frames: u32,
    /// Whether latency has been within 2 ms of its target for 10 s on end.
    pub is_converged: bool,
    /// Episodes in which the device starved, since the stream was made.
    pub underruns: u64,
    /// Times that a packet did not fit into the ring.
    pub overruns: u64,
    /// Times that the stream was placed anew instead of being held by the ratio; starts are counted too.
    pub resyncs: u64,
    /// Input frames that were never played: late, surplus at a start, or refused by the ring.
    pub dropped_frames: u64,
    /// Packets taken.
    pub packets: u64,
}
