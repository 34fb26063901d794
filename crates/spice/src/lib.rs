//! SPICE client protocol.
#![forbid(unsafe_code)]

pub mod agent;
pub mod audio;
pub mod cursor;
pub mod display;
mod framing;
mod geometry;
pub mod inputs;
mod link;
mod main_channel;
mod screen;
pub mod session;
#[cfg(feature = "transport")]
pub mod transport;
mod wire;

pub use framing::ChannelError;
pub use geometry::{Rect, Size};
pub use link::{
    ChannelId, ChannelKind, LinkError, MAX_PASSWORD_BYTES, Password, ServerCapabilities,
};
pub use main_channel::{MouseMode, MouseModes};
pub use screen::Screen;
pub use session::{Action, Command, Ended, Event, Session, SessionOptions};
pub use wire::Malformed;
