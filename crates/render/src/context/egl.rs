//! The EGL library, loaded when the program runs, and the few of its calls that are unsafe.

use std::ffi::c_void;
use std::sync::Mutex;

use khronos_egl as egl;

use crate::error::RenderError;

/// EGL 1.5, loaded from `libEGL.so.1`.
pub(crate) type Instance = egl::DynamicInstance<egl::EGL1_5>;

/// `eglSwapBuffersWithDamage{KHR,EXT}`.
type SwapWithDamage =
    extern "system" fn(egl::EGLDisplay, egl::EGLSurface, *const egl::Int, egl::Int) -> egl::Boolean;

/// `eglSwapBuffers`.
type Swap = extern "system" fn(egl::EGLDisplay, egl::EGLSurface) -> egl::Boolean;

/// Loads the library.
pub(super) fn load() -> Result<Instance, RenderError> {
    // SAFETY: a library of this name is the system's EGL by convention (Linux OpenGL ABI); its initialisers are trusted
    // as those of any library the program links.
    let loaded = unsafe { Instance::load_required() };
    loaded.map_err(|error| match error {
        egl::LoadError::Library(source) => RenderError::Library {
            library: "libEGL.so.1",
            package: "libegl1",
            source: Box::new(source),
        },
        egl::LoadError::InvalidVersion { provided, .. } => RenderError::TooOld {
            what: "libEGL.so.1",
            found: format!("{provided:?}"),
            needed: "EGL 1.5",
        },
    })
}

/// Wraps an EGL error.
pub(super) fn failed(call: &'static str) -> impl Fn(egl::Error) -> RenderError {
    move |error| match error {
        egl::Error::ContextLost => RenderError::ContextLost,
        error => RenderError::Egl {
            call,
            error: error.to_string(),
        },
    }
}

/// How often each display of this process is in use: EGL itself does not count.
static IN_USE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

fn in_use() -> std::sync::MutexGuard<'static, Vec<(usize, usize)>> {
    // The list is valid after every statement, so a panic elsewhere does not matter.
    IN_USE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Opens and initialises the display of a window system; give it back with [`close_display`].
///
/// # Safety
/// `native` must be what the platform's extension demands, and must stay valid until [`close_display`].
pub(super) unsafe fn open_display(
    egl: &Instance,
    platform: egl::Enum,
    native: *mut c_void,
    attributes: &[egl::Attrib],
) -> Result<egl::Display, RenderError> {
    // SAFETY: passed on to the caller; khronos-egl checks that the list of attributes ends.
    let display = unsafe { egl.get_platform_display(platform, native, attributes) }
        .map_err(failed("eglGetPlatformDisplay"))?;
    let mut in_use = in_use();
    egl.initialize(display).map_err(failed("eglInitialize"))?;
    let key = display.as_ptr() as usize;
    match in_use.iter_mut().find(|(display, _)| *display == key) {
        Some((_, count)) => *count += 1,
        None => in_use.push((key, 1)),
    }
    Ok(display)
}

/// Gives a display back; the last user terminates it.
pub(super) fn close_display(egl: &Instance, display: egl::Display) {
    let mut in_use = in_use();
    let key = display.as_ptr() as usize;
    let Some(index) = in_use.iter().position(|(display, _)| *display == key) else {
        return;
    };
    in_use[index].1 -= 1;
    if in_use[index].1 == 0 {
        in_use.swap_remove(index);
        if let Err(error) = egl.terminate(display) {
            tracing::debug!(%error, "closing the EGL display");
        }
    }
}

/// Makes the surface of a window.
///
/// # Safety
/// `window` must be what the display's platform demands, and must stay valid until the surface is destroyed.
pub(super) unsafe fn window_surface(
    egl: &Instance,
    display: egl::Display,
    config: egl::Config,
    window: *mut c_void,
    attributes: &[egl::Attrib],
) -> Result<egl::Surface, RenderError> {
    // SAFETY: passed on to the caller.
    unsafe { egl.create_platform_window_surface(display, config, window, attributes) }
        .map_err(failed("eglCreatePlatformWindowSurface"))
}

/// The two ways of handing a picture over.
#[derive(Clone, Copy)]
pub(super) struct Swapper {
    swap: Swap,
    with_damage: Option<SwapWithDamage>,
}

impl Swapper {
    /// Looks the calls up; `damage` is the name of the one with damage, if the display has its extension.
    pub(super) fn new(egl: &Instance, damage: Option<&'static str>) -> Result<Self, RenderError> {
        let address = |name: &'static str| {
            egl.get_proc_address(name)
                .ok_or_else(|| RenderError::Missing {
                    what: name.to_owned(),
                })
        };
        let swap = address("eglSwapBuffers")?;
        // SAFETY: the address of `eglSwapBuffers`, whose signature EGL 1.0 fixes.
        let swap = unsafe { std::mem::transmute::<extern "system" fn(), Swap>(swap) };
        let with_damage = match damage {
            None => None,
            Some(name) => {
                let call = address(name)?;
                // SAFETY: the address of a call of EGL_{KHR,EXT}_swap_buffers_with_damage, which have this signature.
                let call =
                    unsafe { std::mem::transmute::<extern "system" fn(), SwapWithDamage>(call) };
                Some(call)
            }
        };
        Ok(Self { swap, with_damage })
    }

    /// Tells whether rectangles are of use.
    pub(super) const fn takes_damage(&self) -> bool {
        self.with_damage.is_some()
    }

    /// Hands the picture over; `rects` holds four numbers for each changed rectangle, from the lower left; none: all.
    pub(super) fn swap(
        &self,
        egl: &Instance,
        display: egl::Display,
        surface: egl::Surface,
        rects: &[egl::Int],
    ) -> Result<(), RenderError> {
        let count = egl::Int::try_from(rects.len() / 4).unwrap_or(0);
        let done = match self.with_damage {
            Some(call) if count > 0 => {
                call(display.as_ptr(), surface.as_ptr(), rects.as_ptr(), count)
            }
            _ => (self.swap)(display.as_ptr(), surface.as_ptr()),
        };
        if done == egl::TRUE {
            return Ok(());
        }
        Err(match egl.get_error() {
            Some(error) => failed("eglSwapBuffers")(error),
            None => RenderError::Egl {
                call: "eglSwapBuffers",
                error: "no reason given".to_owned(),
            },
        })
    }
}
