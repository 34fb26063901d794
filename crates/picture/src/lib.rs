//! What a picture is, and everything that is done to one without a window, a GPU or shared memory.
//!
//! Lowest layer: no other crate of the workspace is used, nothing here does I/O.

#![forbid(unsafe_code)]

pub mod damage;
pub mod format;
pub mod frame;
pub mod geometry;
pub mod pointer;

pub use damage::Damage;
pub use format::{PixelFormat, Transfer};
pub use frame::FrameLayout;
pub use geometry::{BufferPoint, BufferRect, FrameRect, GuestPoint, Rotation, Size, SurfacePoint};
pub use pointer::{PointerShape, PointerState};
