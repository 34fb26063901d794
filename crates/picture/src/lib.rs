//! What a picture is, and everything that is done to one without a window, a GPU or shared memory.
//!
//! Lowest layer: no other crate of the workspace is used, nothing here does I/O. `relay` describes frames with these
//! types, `render` and the software renderer here draw them, `window` shows the [`Canvas`].
//!
//! ```
//! use picture::{Canvas, Compositor, Damage, FrameLayout, PixelFormat, Scene, Size};
//!
//! let layout = FrameLayout::packed(PixelFormat::Rgba8, Size::new(2, 1));
//! let mut compositor = Compositor::new();
//! compositor.frame_store_mut(&layout).copy_from_slice(&[1, 2, 3, 0, 4, 5, 6, 0]);
//! let mut canvas = Canvas::new(Size::new(4, 4));
//! let scene = Scene { layout: Some(&layout), ..Scene::default() };
//! let changed = compositor.compose(&mut canvas, &scene, &Damage::FULL);
//! assert_eq!(changed.area(), 16);
//! assert_eq!(canvas.bgr(0, 0), Some([0, 0, 0])); // a bar
//! assert_eq!(canvas.bgr(3, 1), Some([6, 5, 4]));
//! ```
//!
//! Threads and clocks: none; every type belongs to the thread that uses it. After the first frames of a layout nothing
//! is allocated per frame.
//!
//! Sources: kvmfr.md 3.3 (pointers), 4.3 to 4.8 (formats, rotation, damage, colour); IEC 61966-2-1 (sRGB),
//! SMPTE ST 2084 (PQ), ITU-R BT.2408 (SDR white); DejaVu Sans Mono (`assets/README.md`).

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
