//! What plays: the seam between the world and the algorithm under test.

use clock::Nanos;

use super::world::device::Request;
use super::world::source::Packet;

/// Where a packet went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Placed {
    /// Position at which the first frame of the packet comes out, with fractions and all delays; `None` if it never will.
    pub content: Option<f64>,
    /// The ratio that was applied: output frames for each input frame.
    pub ratio: f64,
}

/// What a request found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Position of the request's first frame.
    pub position: u64,
    /// Frames that should have been there and were not.
    pub missing: u32,
}

/// What went wrong since the last question, or was put right by force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaks {
    /// Frames of sound that were thrown away after they had been taken.
    pub lost_frames: u64,
    /// Frames of silence that were put between sound.
    pub silent_frames: u64,
    /// What comes next does not go on where the last sound ended.
    pub begins_anew: bool,
}

/// What the algorithm takes for the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Beliefs {
    /// The latency less the target, in milliseconds.
    pub error_ms: f64,
    /// The source's clock against ours, in millionths.
    pub source_ppm: f64,
    /// The device's clock against ours, in millionths.
    pub device_ppm: f64,
}

/// Which of the packets the algorithm's latency is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// One that is not late at all.
    Earliest,
    /// One that is as late as they are on average.
    Mean,
}

/// An algorithm that plays what the world sends.
pub trait Player {
    /// The guest has started a stream.
    fn started(&mut self, now: Nanos);
    /// The guest has stopped it.
    fn stopped(&mut self, now: Nanos);
    /// A packet has come.
    fn packet(&mut self, packet: &Packet, now: Nanos) -> Placed;
    /// Whether a device should be open.
    fn wants_device(&self) -> bool;
    /// A device is being opened that promises to ask for at most so many frames.
    fn opened(&mut self, now: Nanos, max_period_frames: u32);
    /// The device is closed.
    fn closed(&mut self, now: Nanos);
    /// The device asks.
    fn request(&mut self, request: &Request) -> Served;
    /// When it wants to look at the time again.
    fn deadline(&self) -> Option<Nanos>;
    /// That time has come.
    fn wake(&mut self, now: Nanos);
    /// The latency that it aims at, in seconds.
    fn target_s(&self) -> f64;
    /// What it takes for the truth.
    fn beliefs(&self) -> Beliefs;
    /// What the target is counted from.
    fn reference(&self) -> Reference;
    /// What broke since it was last asked.
    fn take_breaks(&mut self) -> Breaks;
}
