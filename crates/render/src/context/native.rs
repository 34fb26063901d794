//! What a window's handles mean to EGL.

use std::ffi::{c_ulong, c_void};
use std::ptr;

use khronos_egl as egl;
use picture::Size;
use raw_window_handle::{RawDisplayHandle, RawWindowHandle, XcbDisplayHandle};

use super::wayland::WaylandWindow;
use super::xcb::Connection;
use crate::error::RenderError;

/// `EGL_PLATFORM_XCB_EXT` of EGL_EXT_platform_xcb.
const PLATFORM_XCB: egl::Enum = 0x31DC;
/// `EGL_PLATFORM_XCB_SCREEN_EXT`.
const XCB_SCREEN: egl::Attrib = 0x31DE;
/// `EGL_PLATFORM_X11_KHR` of EGL_KHR_platform_x11.
const PLATFORM_X11: egl::Enum = 0x31D5;
/// `EGL_PLATFORM_X11_SCREEN_KHR`.
const X11_SCREEN: egl::Attrib = 0x31D6;
/// `EGL_PLATFORM_WAYLAND_KHR` of EGL_KHR_platform_wayland.
const PLATFORM_WAYLAND: egl::Enum = 0x31D8;
/// `EGL_PLATFORM_SURFACELESS_MESA` of EGL_MESA_platform_surfaceless.
const PLATFORM_SURFACELESS: egl::Enum = 0x31DD;

/// A window system as EGL sees it.
pub(super) struct Platform {
    /// For messages.
    pub(super) system: &'static str,
    /// The client extensions of which one is needed.
    pub(super) extensions: &'static [&'static str],
    /// EGL's number.
    pub(super) platform: egl::Enum,
    /// The connection.
    pub(super) display: *mut c_void,
    /// Attributes of the display, ended.
    pub(super) attributes: [egl::Attrib; 3],
}

impl Platform {
    /// Drawing without any window system.
    pub(super) const SURFACELESS: Self = Self {
        system: "pictures without a window",
        extensions: &["EGL_MESA_platform_surfaceless"],
        platform: PLATFORM_SURFACELESS,
        display: ptr::null_mut(),
        attributes: [egl::ATTRIB_NONE; 3],
    };

    /// The window system behind a handle.
    pub(super) fn of(handle: RawDisplayHandle) -> Result<Self, RenderError> {
        let screen = |name, number| [name, usize::try_from(number).unwrap_or(0), egl::ATTRIB_NONE];
        let lost = || RenderError::Handle {
            reason: "it has no connection to the display server".to_owned(),
        };
        match handle {
            RawDisplayHandle::Xcb(handle) => Ok(Self {
                system: "X11 (xcb)",
                extensions: &["EGL_EXT_platform_xcb"],
                platform: PLATFORM_XCB,
                display: handle.connection.ok_or_else(lost)?.as_ptr(),
                attributes: screen(XCB_SCREEN, handle.screen),
            }),
            RawDisplayHandle::Xlib(handle) => Ok(Self {
                system: "X11 (Xlib)",
                extensions: &["EGL_KHR_platform_x11", "EGL_EXT_platform_x11"],
                platform: PLATFORM_X11,
                display: handle.display.ok_or_else(lost)?.as_ptr(),
                attributes: screen(X11_SCREEN, handle.screen),
            }),
            RawDisplayHandle::Wayland(handle) => Ok(Self {
                system: "Wayland",
                extensions: &["EGL_KHR_platform_wayland", "EGL_EXT_platform_wayland"],
                platform: PLATFORM_WAYLAND,
                display: handle.display.as_ptr(),
                attributes: [egl::ATTRIB_NONE; 3],
            }),
            other => Err(RenderError::Handle {
                reason: format!("neither X11 nor Wayland but {other:?}"),
            }),
        }
    }
}

/// A window in the form that EGL wants.
pub(super) enum Window {
    /// An `xcb_window_t`; EGL wants its address.
    Xcb(Box<u32>, Connection),
    /// A `Window` of Xlib; EGL wants its address.
    Xlib(Box<c_ulong>),
    /// A `wl_egl_window`.
    Wayland(WaylandWindow),
}

impl Window {
    /// The window behind a handle.
    ///
    /// # Safety
    /// Both handles must outlive the result.
    pub(super) unsafe fn of(
        display: RawDisplayHandle,
        handle: RawWindowHandle,
        size: Size,
    ) -> Result<Self, RenderError> {
        match handle {
            RawWindowHandle::Xcb(handle) => {
                let RawDisplayHandle::Xcb(XcbDisplayHandle {
                    connection: Some(connection),
                    ..
                }) = display
                else {
                    return Err(RenderError::Handle {
                        reason: "its connection is of another kind".to_owned(),
                    });
                };
                // SAFETY: a valid connection by raw-window-handle's contract; it outlives the result by the caller's.
                let connection = unsafe { Connection::new(connection) }?;
                Ok(Self::Xcb(Box::new(handle.window.get()), connection))
            }
            RawWindowHandle::Xlib(handle) => Ok(Self::Xlib(Box::new(handle.window))),
            RawWindowHandle::Wayland(handle) => {
                // SAFETY: a valid `wl_surface` by raw-window-handle's contract; it outlives the result by the caller's.
                let window = unsafe { WaylandWindow::new(handle.surface, size) }?;
                Ok(Self::Wayland(window))
            }
            other => Err(RenderError::Handle {
                reason: format!("neither X11 nor Wayland but {other:?}"),
            }),
        }
    }

    /// The address that EGL wants.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        match self {
            Self::Xcb(window, _) => ptr::from_ref::<u32>(window).cast_mut().cast(),
            Self::Xlib(window) => ptr::from_ref::<c_ulong>(window).cast_mut().cast(),
            Self::Wayland(window) => window.as_ptr(),
        }
    }

    /// Lets the next buffer have another size; X11 windows know theirs.
    pub(super) fn resize(&self, size: Size) {
        if let Self::Wayland(window) = self {
            window.resize(size);
        }
    }

    /// Tells whether the display server is still there, as far as can be seen.
    pub(super) fn is_alive(&self) -> bool {
        match self {
            Self::Xcb(_, connection) => connection.is_alive(),
            Self::Xlib(_) | Self::Wayland(_) => true,
        }
    }

    /// Tells whether the front buffer could be drawn into.
    pub(super) const fn has_front_buffer(&self) -> bool {
        !matches!(self, Self::Wayland(_))
    }
}

/// The X11 visual of a window, which the configuration must match.
pub(super) fn visual(handle: RawWindowHandle) -> Option<egl::Int> {
    match handle {
        RawWindowHandle::Xcb(handle) => handle
            .visual_id
            .and_then(|id| egl::Int::try_from(id.get()).ok()),
        RawWindowHandle::Xlib(handle) => egl::Int::try_from(handle.visual_id)
            .ok()
            .filter(|&id| id != 0),
        _ => None,
    }
}
