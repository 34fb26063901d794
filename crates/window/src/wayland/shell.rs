//! The surface and its roles, shared between the main thread and the render thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use clock::{Clock as _, MonotonicClock, Nanos};
use picture::Size;
use smithay_client_toolkit::compositor::FrameCallbackData;
use wayland_client::backend::WaylandError;
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_shm::WlShm;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Proxy, QueueHandle};
use wayland_protocols::wp::fractional_scale::v1::client::wp_fractional_scale_v1::WpFractionalScaleV1;
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;
use wayland_protocols::xdg::decoration::zv1::client::zxdg_toplevel_decoration_v1::ZxdgToplevelDecorationV1;
use wayland_protocols::xdg::shell::client::xdg_surface::XdgSurface;
use wayland_protocols::xdg::shell::client::xdg_toplevel::XdgToplevel;

use super::configure::{Target, Tracker};
use super::state::{Quiet, State};
use crate::geometry::Scale;
use crate::{Backend, WindowError, WindowWaker};

/// How long after [`Shell::before_commit`] a buffer swap may take to commit.
const ANSWER_LIMIT: Nanos = Nanos::from_millis(100);

/// The surface and what belongs to it; destroyed in the order that the protocols want when the last holder goes.
pub(crate) struct Shell {
    /// Requests may be sent from any thread.
    pub(crate) conn: Connection,
    /// Where events of objects made by the render thread go: the main thread's queue.
    pub(crate) queue: QueueHandle<State>,
    pub(crate) compositor: WlCompositor,
    pub(crate) shm: WlShm,
    pub(crate) surface: WlSurface,
    pub(crate) xdg_surface: XdgSurface,
    pub(crate) toplevel: XdgToplevel,
    pub(crate) decoration: Option<ZxdgToplevelDecorationV1>,
    /// There only together with `fractional`.
    pub(crate) viewport: Option<WpViewport>,
    pub(crate) fractional: Option<WpFractionalScaleV1>,
    /// Locked for moments only, by either thread.
    pub(crate) tracker: Mutex<Tracker>,
    /// Set by the presenter when no buffer is free, cleared by the main thread at the next release.
    pub(crate) is_waiting: AtomicBool,
    /// Held while a picture is attached and committed. Holds when the last answer to a configure event was sent whose
    /// commit is up to EGL; zero if it is known to be committed.
    pub(crate) commits: Mutex<Nanos>,
    pub(crate) waker: WindowWaker,
}

impl Shell {
    /// The wishes and commits; a panic elsewhere leaves them usable.
    pub(crate) fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nobody else commit for as long as the guard lives.
    pub(crate) fn committing(&self) -> MutexGuard<'_, Nanos> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits, without a picture, what the main thread has changed.
    ///
    /// Not while a picture may be on its way that answers a configure event, because the answer would take effect
    /// without it: then this waits for the picture, and may come too late.
    pub(crate) fn commit_hint(&self) {
        let answered = self.committing();
        if MonotonicClock.now() - *answered > ANSWER_LIMIT {
            self.surface.commit();
        }
    }

    /// See [`crate::Surface::before_commit`].
    pub(crate) fn before_commit(&self, size: Size) {
        self.answer(size, &mut self.committing());
    }

    /// Answers what a buffer of `size` meets; the guard of [`Self::committing`] is told when.
    pub(crate) fn answer(&self, size: Size, answered: &mut Nanos) {
        // Held while the requests are sent: serials must reach the compositor in order.
        let mut tracker = self.tracker();
        let answer = tracker.commit(size);
        if let Some(serial) = answer.serial {
            self.xdg_surface.ack_configure(serial);
        }
        if let Some(target) = answer.target {
            self.apply(&target);
        }
        if answer.unscaled {
            self.surface.set_buffer_scale(1);
        }
        if answer.serial.is_some() || answer.target.is_some() || answer.unscaled {
            *answered = MonotonicClock.now();
        }
    }

    /// Sets the state that goes with buffers for `target`.
    fn apply(&self, target: &Target) {
        let (width, height) = (side(target.logical.width), side(target.logical.height));
        match (target.scale, &self.viewport) {
            (_, Some(viewport)) => viewport.set_destination(width, height),
            (Scale::Whole(n), None) if self.surface.version() >= 3 => {
                self.surface.set_buffer_scale(side(n));
            }
            _ => {}
        }
        // The whole surface is opaque, whatever the fourth byte of EGL's buffers says.
        let region = self.compositor.create_region(&self.queue, Quiet);
        region.add(0, 0, width, height);
        self.surface.set_opaque_region(Some(&region));
        region.destroy();
    }

    /// See [`crate::Surface::request_frame`].
    pub(crate) fn request_frame(&self) {
        let data = FrameCallbackData(self.surface.clone());
        self.surface.frame(&self.queue, data);
    }

    /// Asks for a `PresenterReady` at the next release of a buffer.
    pub(crate) fn ask_for_ready(&self) {
        // Pairs with the swap in the release handler.
        self.is_waiting.store(true, Ordering::Release);
    }

    /// Sends what is queued. A full socket is not an error: the rest goes with the next flush.
    pub(crate) fn flush(&self) -> Result<(), WindowError> {
        match self.conn.flush() {
            Ok(()) => Ok(()),
            Err(WaylandError::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(lost(&self.conn, error)),
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(decoration) = &self.decoration {
            decoration.destroy();
        }
        self.toplevel.destroy();
        self.xdg_surface.destroy();
        if let Some(viewport) = &self.viewport {
            viewport.destroy();
        }
        if let Some(fractional) = &self.fractional {
            fractional.destroy();
        }
        self.surface.destroy();
        // Nobody is left who could be told of a failure.
        drop(self.conn.flush());
    }
}

/// The error for a lost connection: the compositor's own words if it had any.
pub(crate) fn lost(conn: &Connection, error: impl ToString) -> WindowError {
    match conn.protocol_error() {
        Some(protocol) => WindowError::disconnected(Backend::Wayland, protocol),
        None => WindowError::disconnected(Backend::Wayland, error),
    }
}

/// A side as the protocol stores it; sides are bounded by `geometry::MAX_SIDE`.
pub(crate) fn side(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
