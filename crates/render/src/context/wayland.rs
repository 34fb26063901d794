//! `wl_egl_window`, which lies between a Wayland surface and EGL (libwayland-egl, four functions).

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use libloading::Library;
use picture::Size;

use crate::error::RenderError;

const LIBRARY: &str = "libwayland-egl.so.1";

type Create = unsafe extern "C" fn(*mut c_void, c_int, c_int) -> *mut c_void;
type Resize = unsafe extern "C" fn(*mut c_void, c_int, c_int, c_int, c_int);
type Destroy = unsafe extern "C" fn(*mut c_void);

/// One `wl_egl_window`.
pub(super) struct WaylandWindow {
    window: NonNull<c_void>,
    resize: Resize,
    destroy: Destroy,
    /// Keeps the functions loaded.
    _library: Library,
}

impl WaylandWindow {
    /// Makes the window of a `wl_surface`.
    ///
    /// # Safety
    /// `surface` must be a `wl_surface` of the C library that outlives the result.
    pub(super) unsafe fn new(surface: NonNull<c_void>, size: Size) -> Result<Self, RenderError> {
        let missing = |source| RenderError::Library {
            library: LIBRARY,
            package: "libwayland-egl1",
            source: Box::new(source),
        };
        // SAFETY: libwayland-egl has no initialisers with conditions.
        let library = unsafe { Library::new(LIBRARY) }.map_err(missing)?;
        // SAFETY: the signature is that of wayland-egl-core.h, stable since version 1.
        let create = unsafe { library.get::<Create>(b"wl_egl_window_create\0") };
        let create = *create.map_err(missing)?;
        // SAFETY: as above.
        let resize = unsafe { library.get::<Resize>(b"wl_egl_window_resize\0") };
        let resize = *resize.map_err(missing)?;
        // SAFETY: as above.
        let destroy = unsafe { library.get::<Destroy>(b"wl_egl_window_destroy\0") };
        let destroy = *destroy.map_err(missing)?;
        let (width, height) = dimensions(size);
        // SAFETY: the surface is valid by the caller's promise.
        let window = unsafe { create(surface.as_ptr(), width, height) };
        let window = NonNull::new(window).ok_or(RenderError::Egl {
            call: "wl_egl_window_create",
            error: format!("no window of {width}x{height}"),
        })?;
        Ok(Self {
            window,
            resize,
            destroy,
            _library: library,
        })
    }

    /// The window as EGL wants it.
    pub(super) const fn as_ptr(&self) -> *mut c_void {
        self.window.as_ptr()
    }

    /// Lets the next buffer have another size.
    pub(super) fn resize(&self, size: Size) {
        let (width, height) = dimensions(size);
        // SAFETY: the window lives until `drop`.
        unsafe { (self.resize)(self.window.as_ptr(), width, height, 0, 0) };
    }
}

impl Drop for WaylandWindow {
    fn drop(&mut self) {
        // SAFETY: created in `new`, destroyed only here, after the EGL surface (see `Context::drop`).
        unsafe { (self.destroy)(self.window.as_ptr()) };
    }
}

/// The size as C integers; EGL refuses windows without pixels.
fn dimensions(size: Size) -> (c_int, c_int) {
    let side = |len: u32| c_int::try_from(len.max(1)).unwrap_or(c_int::MAX);
    (side(size.width), side(size.height))
}
