//! Sessions over LGMP and KVMFR: reader and publisher.

#![deny(unsafe_code)]

pub mod publisher;
pub mod reader;
mod translate;
mod waker;

pub use reader::{
    CursorPosition, Discarded, Event, Frame, Link, Reader, ReaderOptions, SessionInfo,
    SetCursorError, Status,
};
pub use translate::PointerUpdate;
pub use waker::Waker;
