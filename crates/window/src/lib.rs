//! X11 and Wayland windows, input events and software presentation.
//!
//! Above `picture` (sizes, canvas) and `ivshmem` (memory that a display server reads); below `client`, which joins
//! it with `render` through borrowed native handles.
//!
//! ```no_run
//! use window::{Presented, Window, WindowConfig, WindowEvent};
//!
//! let mut window = Window::open(&WindowConfig::default(), None)?;
//! let mut presenter = window.surface().presenter()?;
//! let mut events = Vec::new();
//! loop {
//!     window.dispatch(None, &mut events)?;
//!     for event in events.drain(..) {
//!         match event {
//!             WindowEvent::CloseRequested => return Ok(()),
//!             WindowEvent::Resized { buffer, .. } => {
//!                 let shown = presenter.present(&picture::Canvas::new(buffer), &[])?;
//!                 assert_eq!(shown, Presented::Done);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! # #[allow(unreachable_code, reason = "the loop ends by return only")]
//! # Ok::<(), window::WindowError>(())
//! ```
//!
//! Threads: a [`Window`] belongs to the main thread, which waits in [`Window::dispatch`] and may block there. A
//! [`Surface`] and a [`SoftwarePresenter`] belong to the render thread and wait for nothing. On X11 the two threads
//! have a connection each, so that neither takes the other's events. The monotonic clock is read only
//! to bound how long something is asked for that another program holds.
//!
//! Frames around the window: X11 window managers draw them (Motif hints ask for none). Wayland compositors are asked
//! by xdg-decoration; where there is no such protocol, the window has no frame.
//!
//! Sources: X11 protocol and ICCCM 2.0, EWMH 1.5, MIT-SHM 1.2, XInput 2, XKB 1.0, RandR 1.5, MIT-SCREEN-SAVER 1.1;
//! Wayland core, xdg-shell, viewporter, wp-fractional-scale-v1, xdg-decoration, idle-inhibit, xdg-activation,
//! pointer-constraints, relative-pointer, keyboard-shortcuts-inhibit.

#![deny(unsafe_code)]

pub mod clipboard;
mod config;
mod copy;
mod error;
mod event;
mod geometry;
mod grab;
mod handle;
mod held;
mod region;
mod surface;
mod wake;
mod wayland;
mod window;
mod x11;

pub use config::{Backend, WindowConfig};
pub use error::WindowError;
pub use event::{BTN_EXTRA, BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, LockKeys, WindowEvent};
pub use surface::{Presented, SoftwarePresenter, Surface};
pub use wake::WindowWaker;
pub use window::Window;
