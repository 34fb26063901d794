//! Native handles of a surface, for EGL.
#![expect(
    unsafe_code,
    reason = "raw-window-handle's borrows are made here and nowhere else"
)]

use std::num::NonZeroU32;
use std::ptr::NonNull;

use raw_window_handle::{
    DisplayHandle, HandleError, HasDisplayHandle, HasWindowHandle, RawDisplayHandle,
    RawWindowHandle, WaylandDisplayHandle, WaylandWindowHandle, WindowHandle, XcbDisplayHandle,
    XcbWindowHandle,
};
use wayland_client::Proxy;

use crate::Surface;
use crate::surface::Kind;

impl HasDisplayHandle for Surface {
    fn display_handle(&self) -> Result<DisplayHandle<'_>, HandleError> {
        let raw = match &self.0 {
            Kind::X11(link) => RawDisplayHandle::Xcb(XcbDisplayHandle::new(
                NonNull::new(link.conn.get_raw_xcb_connection()),
                i32::try_from(link.screen).map_err(|_| HandleError::Unavailable)?,
            )),
            Kind::Wayland(shell) => {
                let display = NonNull::new(shell.conn.backend().display_ptr());
                let display = display.ok_or(HandleError::Unavailable)?;
                RawDisplayHandle::Wayland(WaylandDisplayHandle::new(display.cast()))
            }
        };
        // SAFETY: the connection belongs to the `Arc` in `self`, so it stays open while `self` is borrowed.
        Ok(unsafe { DisplayHandle::borrow_raw(raw) })
    }
}

impl HasWindowHandle for Surface {
    fn window_handle(&self) -> Result<WindowHandle<'_>, HandleError> {
        let raw = match &self.0 {
            Kind::X11(link) => {
                let id = NonZeroU32::new(link.window).ok_or(HandleError::Unavailable)?;
                let mut handle = XcbWindowHandle::new(id);
                handle.visual_id = NonZeroU32::new(link.visual.id);
                RawWindowHandle::Xcb(handle)
            }
            Kind::Wayland(shell) => {
                let surface = NonNull::new(shell.surface.id().as_ptr());
                let surface = surface.ok_or(HandleError::Unavailable)?;
                RawWindowHandle::Wayland(WaylandWindowHandle::new(surface.cast()))
            }
        };
        // SAFETY: the wl_surface is destroyed only when the `Arc` in `self` goes; an X window is a number, for which
        // a stale value is an error of the server and no more.
        Ok(unsafe { WindowHandle::borrow_raw(raw) })
    }
}
