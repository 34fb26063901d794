//! The device's side of a stream.

/// What the device's callback plays. Set by the audio thread only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Zeros; the positions go on, so that the device's clock is known when sound comes.
    #[default]
    Idle,
    /// What is in the ring; what is missing is silence and counts as an underrun.
    Run,
    /// What is in the ring to its end, then zeros and [`Counters::is_drained`].
    Drain,
}

/// What the device's callback has counted since the device was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests of the device.
    pub pulls: u64,
    /// Episodes of starvation in [`Phase::Run`]: one from the first missing frame to the next one that was there.
    pub underruns: u64,
    /// Frames that were missing in [`Phase::Run`] and became silence.
    pub silent_frames: u64,
    /// Whether the ring was empty in [`Phase::Drain`].
    pub is_drained: bool,
}
