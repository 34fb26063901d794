//! What the device's callback tells about each of its requests.

use clock::Nanos;

/// One request of the device, as its callback saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// When the device asked, on the clock of [`clock::MonotonicClock`].
    pub at: Nanos,
    /// Frames that this request is for.
    pub frames: u32,
    /// Frames the device has taken before this request, ever. Grows at the pace of the device's crystal only.
    pub consumed: u64,
    /// Ring position of this request's first frame. Differs from `consumed` by what was skipped.
    pub position: u64,
    /// The device's own estimate, if it has one: frames from now until this request's first frame is heard.
    pub delay_frames: Option<u32>,
}
