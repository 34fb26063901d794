//! The render thread's side of a window.

use std::sync::Arc;

use picture::{BufferRect, Canvas, Size};

use crate::{Backend, WindowError, wayland, x11};

/// The part of a window that pictures are presented on; for the render thread.
///
/// Clones are the same surface. The native objects live until the window and the last clone are gone, so keep a
/// clone for as long as a native handle taken from it is in use.
#[derive(Clone)]
pub struct Surface(pub(crate) Kind);

/// The two kinds.
#[derive(Clone)]
pub(crate) enum Kind {
    /// A window of an X server.
    X11(Arc<x11::Link>),
    /// A surface of a Wayland compositor.
    Wayland(Arc<wayland::Shell>),
}

impl Surface {
    /// Tells which kind of display server shows the window.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match &self.0 {
            Kind::X11(_) => Backend::X11,
            Kind::Wayland(_) => Backend::Wayland,
        }
    }

    /// Gets the surface ready for a buffer of `size`: call this right before each swap or commit.
    ///
    /// On Wayland it acknowledges the configure events that led to this size, and sets scale and destination for
    /// it; other sizes than those of [`crate::WindowEvent::Resized`] change nothing. On X11 it does nothing.
    pub fn before_commit(&self, size: Size) {
        match &self.0 {
            Kind::X11(_) => {}
            Kind::Wayland(shell) => shell.before_commit(size),
        }
    }

    /// Asks for a [`crate::WindowEvent::FrameDone`] when the compositor wants the picture after the next commit.
    ///
    /// Returns `false` if the display server has no such thing (X11).
    pub fn request_frame(&self) -> bool {
        match &self.0 {
            Kind::X11(_) => false,
            Kind::Wayland(shell) => {
                shell.request_frame();
                true
            }
        }
    }

    /// Makes a presenter for software pictures.
    ///
    /// # Errors
    /// If the server cannot show 32-bit BGRX pixels, or is gone.
    pub fn presenter(&self) -> Result<Box<dyn SoftwarePresenter>, WindowError> {
        match &self.0 {
            Kind::X11(link) => Ok(Box::new(x11::Presenter::new(Arc::clone(link))?)),
            Kind::Wayland(shell) => Ok(Box::new(wayland::Presenter::new(Arc::clone(shell)))),
        }
    }
}

impl std::fmt::Debug for Surface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Surface({})", self.backend())
    }
}

/// What became of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// It is on its way to the screen.
    Done,
    /// The display server still reads all buffers: nothing was taken. Keep the damage and call again after
    /// [`crate::WindowEvent::PresenterReady`], or with the next frame.
    Busy,
}

/// Brings software pictures to the window; belongs to the render thread and never waits for the display server.
pub trait SoftwarePresenter: Send {
    /// Presents `canvas`, of which `damage` changed since the last picture that was [`Presented::Done`].
    ///
    /// A canvas of another size than the last one is presented as a whole. Includes
    /// [`Surface::before_commit`].
    ///
    /// # Errors
    /// If the display server is gone, or memory is.
    fn present(&mut self, canvas: &Canvas, damage: &[BufferRect])
    -> Result<Presented, WindowError>;

    /// How pictures travel, for the log: "MIT-SHM", "PutImage" or "wl_shm".
    fn transport(&self) -> &'static str;
}
