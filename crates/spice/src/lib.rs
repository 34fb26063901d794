//! SPICE client protocol.
#![forbid(unsafe_code)]

mod framing;
mod link;
mod screen;
mod wire;
pub mod audio;
pub mod cursor;
pub mod display;
pub mod geometry;
pub mod inputs;
pub mod main_channel;

pub use link::{ChannelId, ChannelKind, LinkError, MAX_PASSWORD_BYTES, Password, ServerCapabilities};
pub use screen::Screen;
pub use wire::Malformed;
