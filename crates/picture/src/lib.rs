//! What a picture is, and everything that is done to one without a window, a GPU or shared memory.
//!
//! Lowest layer: no other crate of the workspace is used, nothing here does I/O.

#![forbid(unsafe_code)]

pub mod canvas;
pub mod convert;
pub mod damage;
pub mod format;
pub mod frame;
pub mod geometry;
pub mod png;
pub mod pointer;
pub mod scene;
pub mod software;
pub mod text;
pub mod transfer;

pub use canvas::Canvas;
pub use damage::{BufferDamage, Damage};
pub use format::{PixelFormat, Transfer};
pub use frame::FrameLayout;
pub use geometry::{
    BufferPoint, BufferPosition, BufferRect, FrameRect, GuestPoint, GuestPosition, Rotation, Size,
    SurfacePoint,
};
pub use png::RgbImage;
pub use pointer::{PointerKind, PointerShape, PointerState};
pub use scene::{Filter, Placement, ScaleFilter, Scene, ViewOptions};
pub use software::{Compositor, screenshot};
pub use text::{StatusText, TextPlace};
