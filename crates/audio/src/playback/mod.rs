//! Playback: what happens to a stream between the source's packets and the device's requests.

mod machine;
mod status;

pub use machine::{Order, Packet, Playback, Step};
pub use status::{DeviceTiming, PlaybackSettings, State, Status};
