//! Playback: what happens to a stream between the source's packets and the device's requests.

mod control;
mod device;
mod flow;
mod machine;
mod source;
mod status;
mod target;

pub use control::{LARGEST_CHANGE, LARGEST_SLEW};
pub use machine::{Order, Packet, Playback, Step};
pub use status::{DeviceTiming, PlaybackSettings, State, Status};

#[cfg(test)]
mod tests;
