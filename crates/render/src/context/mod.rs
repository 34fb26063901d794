//! The EGL context: display, configuration, and the window's surface if there is one.

// EGL and libwayland-egl are C libraries; each unsafe block is one call with its proof.
#![expect(unsafe_code, reason = "calls into EGL and libwayland-egl")]

mod config;
pub(crate) mod egl;
pub(crate) mod image;
mod native;
mod wayland;
mod xcb;

use std::any::Any;
use std::collections::HashSet;
use std::marker::PhantomData;

use khronos_egl as e;
use picture::{BufferRect, Size};
use raw_window_handle::{HasDisplayHandle, HasWindowHandle};

use self::egl::{Instance, Swapper, failed};
use self::native::{Platform, Window};
use crate::error::RenderError;
use crate::options::RenderOptions;

/// `EGL_BUFFER_AGE_EXT` of EGL_EXT_buffer_age.
const BUFFER_AGE: e::Int = 0x313D;
/// `EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT` of EGL_EXT_create_context_robustness.
const RESET_STRATEGY: e::Int = 0x3138;
/// `EGL_LOSE_CONTEXT_ON_RESET_EXT`.
const LOSE_CONTEXT_ON_RESET: e::Int = 0x31BF;

/// What is left in the back buffer after a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackBuffer {
    /// Nothing that can be relied on.
    Undefined,
    /// EGL says how old it is.
    Aged,
    /// The picture before.
    Preserved,
}

/// A GLES 3 context and where it draws.
///
/// Bound to the thread that made it: EGL contexts are current on one thread.
pub(crate) struct Context {
    egl: Instance,
    display: e::Display,
    context: Option<e::Context>,
    surface: Option<e::Surface>,
    window: Option<Window>,
    swapper: Option<Swapper>,
    back_buffer: BackBuffer,
    is_single_buffered: bool,
    swap_rects: Vec<e::Int>,
    extensions: HashSet<String>,
    /// The window's owner: must not go before the surface does.
    keep_alive: Option<Box<dyn Any>>,
    not_send: PhantomData<*const ()>,
}

impl Context {
    /// Makes a context that draws on a window.
    pub(crate) fn for_window<S>(
        owner: S,
        size: Size,
        options: &RenderOptions,
    ) -> Result<Self, RenderError>
    where
        S: HasWindowHandle + HasDisplayHandle + 'static,
    {
        let owner = Box::new(owner);
        let bad = |error: raw_window_handle::HandleError| RenderError::Handle {
            reason: error.to_string(),
        };
        let display = owner.display_handle().map_err(bad)?.as_raw();
        let window = owner.window_handle().map_err(bad)?.as_raw();
        let platform = Platform::of(display)?;
        // SAFETY: the handle is valid while its owner lives, and `open` keeps the owner until the display is closed.
        let mut this = unsafe { Self::open(&platform, Some(owner)) }?;
        // SAFETY: as above; the window is dropped before its owner (see `drop`).
        this.window = Some(unsafe { Window::of(display, window, size) }?);
        let configs = config::suitable(
            &this.egl,
            this.display,
            e::WINDOW_BIT,
            native::visual(window),
        )?;
        let config = this.make_surface(&configs, options, platform.system)?;
        this.make_context(config, options)?;
        this.choose_presentation(options)?;
        Ok(this)
    }

    /// Makes a context that draws into textures only.
    pub(crate) fn surfaceless(options: &RenderOptions) -> Result<Self, RenderError> {
        let platform = Platform::SURFACELESS;
        // SAFETY: this platform takes a null pointer (EGL_MESA_platform_surfaceless).
        let mut this = unsafe { Self::open(&platform, None) }?;
        let configs = config::suitable(&this.egl, this.display, e::PBUFFER_BIT, None)?;
        let config = configs.first().copied().ok_or(RenderError::NoConfig {
            system: platform.system,
        })?;
        this.make_context(config, options)?;
        // Nothing but ourselves touches a texture.
        this.back_buffer = BackBuffer::Preserved;
        Ok(this)
    }

    /// Opens the display.
    ///
    /// # Safety
    /// The platform's display must be valid as long as `keep_alive` is.
    unsafe fn open(
        platform: &Platform,
        keep_alive: Option<Box<dyn Any>>,
    ) -> Result<Self, RenderError> {
        let egl = egl::load()?;
        let client = extensions(&egl, None);
        let missing = RenderError::Platform {
            extension: platform.extensions.first().copied().unwrap_or_default(),
            system: platform.system,
        };
        if !platform
            .extensions
            .iter()
            .any(|&name| client.contains(name))
        {
            return Err(missing);
        }
        // SAFETY: valid by the caller's promise; `drop` closes the display before `keep_alive` goes.
        let display = unsafe {
            egl::open_display(
                &egl,
                platform.platform,
                platform.display,
                &platform.attributes,
            )
        }?;
        let mut all = client;
        all.extend(extensions(&egl, Some(display)));
        Ok(Self {
            egl,
            display,
            context: None,
            surface: None,
            window: None,
            swapper: None,
            back_buffer: BackBuffer::Undefined,
            is_single_buffered: false,
            swap_rects: Vec::with_capacity(4 * picture::damage::MAX_RECTS),
            extensions: all,
            keep_alive,
            not_send: PhantomData,
        })
    }

    /// Makes the window's surface with the best configuration that works.
    fn make_surface(
        &mut self,
        configs: &[e::Config],
        options: &RenderOptions,
        system: &'static str,
    ) -> Result<e::Config, RenderError> {
        let window = self
            .window
            .as_ref()
            .ok_or(RenderError::NoConfig { system })?;
        let try_front = !options.double_buffer && window.has_front_buffer();
        let mut last_error = RenderError::NoConfig { system };
        // The visual may be unknown, so that a window refuses the first ones.
        for &config in configs.iter().take(8) {
            for buffer in [e::SINGLE_BUFFER, e::BACK_BUFFER] {
                if buffer == e::SINGLE_BUFFER && !try_front {
                    continue;
                }
                let buffer = usize::try_from(buffer).unwrap_or(0);
                let attributes = [e::RENDER_BUFFER as usize, buffer, e::ATTRIB_NONE];
                // SAFETY: the window lives in `self` until after the surface is destroyed (see `drop`).
                let made = unsafe {
                    egl::window_surface(
                        &self.egl,
                        self.display,
                        config,
                        window.as_ptr(),
                        &attributes,
                    )
                };
                match made {
                    Ok(surface) => {
                        self.surface = Some(surface);
                        return Ok(config);
                    }
                    Err(error) => last_error = error,
                }
            }
        }
        Err(last_error)
    }

    /// Makes the context, with notice of GPU resets if the driver can, and makes it current.
    fn make_context(
        &mut self,
        config: e::Config,
        options: &RenderOptions,
    ) -> Result<(), RenderError> {
        self.egl
            .bind_api(e::OPENGL_ES_API)
            .map_err(failed("eglBindAPI"))?;
        let mut attributes = vec![
            e::CONTEXT_MAJOR_VERSION,
            3,
            e::CONTEXT_MINOR_VERSION,
            0,
            e::CONTEXT_OPENGL_DEBUG,
            if options.debug { 1 } else { 0 },
        ];
        let plain = attributes.len();
        if self.has("EGL_EXT_create_context_robustness") {
            attributes.extend([RESET_STRATEGY, LOSE_CONTEXT_ON_RESET]);
        }
        attributes.push(e::NONE);
        let create = |attributes: &[e::Int]| {
            self.egl
                .create_context(self.display, config, None, attributes)
        };
        let made = create(&attributes).or_else(|_| {
            attributes.truncate(plain);
            attributes.push(e::NONE);
            create(&attributes)
        });
        self.context = Some(made.map_err(failed("eglCreateContext"))?);
        self.make_current()
    }

    /// Settles how pictures are handed over and what is left of them.
    fn choose_presentation(&mut self, options: &RenderOptions) -> Result<(), RenderError> {
        let Some(surface) = self.surface else {
            return Ok(());
        };
        let damage_call = if options.no_swap_damage {
            None
        } else if self.has("EGL_KHR_swap_buffers_with_damage") {
            Some("eglSwapBuffersWithDamageKHR")
        } else if self.has("EGL_EXT_swap_buffers_with_damage") {
            Some("eglSwapBuffersWithDamageEXT")
        } else {
            None
        };
        self.swapper = Some(Swapper::new(&self.egl, damage_call)?);
        let buffer = self.context.and_then(|context| {
            self.egl
                .query_context(self.display, context, e::RENDER_BUFFER)
                .ok()
        });
        self.is_single_buffered = buffer == Some(e::SINGLE_BUFFER);
        if let Err(error) = self
            .egl
            .swap_interval(self.display, e::Int::from(options.vsync))
        {
            tracing::debug!(%error, "setting the swap interval");
        }
        self.back_buffer = if options.no_buffer_age {
            BackBuffer::Undefined
        } else if self.is_single_buffered {
            BackBuffer::Preserved
        } else if self.has("EGL_EXT_buffer_age")
            && self
                .egl
                .query_surface(self.display, surface, BUFFER_AGE)
                .is_ok()
        {
            BackBuffer::Aged
        } else {
            BackBuffer::Undefined
        };
        Ok(())
    }

    /// Asks the driver to keep the back buffer over a swap; only worth it where that is free, on software drivers.
    pub(crate) fn preserve_back_buffer(&mut self) {
        let Some(surface) = self.surface else { return };
        if self.back_buffer != BackBuffer::Undefined {
            return;
        }
        let (egl, display) = (&self.egl, self.display);
        let asked = egl.surface_attrib(display, surface, e::SWAP_BEHAVIOR, e::BUFFER_PRESERVED);
        let answer = egl.query_surface(display, surface, e::SWAP_BEHAVIOR);
        if asked.is_ok() && answer == Ok(e::BUFFER_PRESERVED) {
            self.back_buffer = BackBuffer::Preserved;
        }
    }

    /// Makes the context current on this thread, if it is not; fails if there is nothing left to draw on.
    pub(crate) fn make_current(&self) -> Result<(), RenderError> {
        if self
            .window
            .as_ref()
            .is_some_and(|window| !window.is_alive())
        {
            return Err(RenderError::DisplayLost);
        }
        if self.context.is_some() && self.egl.get_current_context() == self.context {
            return Ok(());
        }
        self.egl
            .make_current(self.display, self.surface, self.surface, self.context)
            .map_err(failed("eglMakeCurrent"))
    }

    /// The library, to look functions up.
    pub(crate) const fn egl(&self) -> &Instance {
        &self.egl
    }

    /// Tells whether EGL has an extension.
    pub(crate) fn has(&self, extension: &str) -> bool {
        self.extensions.contains(extension)
    }

    /// All extensions of EGL.
    pub(crate) const fn extensions(&self) -> &HashSet<String> {
        &self.extensions
    }

    /// A property of the display, made printable.
    pub(crate) fn describe(&self, what: e::Int) -> String {
        let text = self.egl.query_string(Some(self.display), what);
        text.map(|text| crate::driver::printable(&text.to_string_lossy()))
            .unwrap_or_default()
    }

    /// Tells whether there is a window.
    pub(crate) const fn has_window(&self) -> bool {
        self.surface.is_some()
    }

    /// Lets the window's next buffer have another size.
    pub(crate) fn resize(&self, size: Size) {
        if let Some(window) = &self.window {
            window.resize(size);
        }
    }

    /// How many swaps ago the back buffer was drawn; 0 if its contents are lost.
    pub(crate) fn buffer_age(&self) -> usize {
        match (self.back_buffer, self.surface) {
            (BackBuffer::Preserved, _) => 1,
            (BackBuffer::Aged, Some(surface)) => {
                let age = self.egl.query_surface(self.display, surface, BUFFER_AGE);
                age.ok()
                    .and_then(|age| usize::try_from(age).ok())
                    .unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// How partial redraws are possible, in words for the log.
    pub(crate) const fn back_buffer(&self) -> BackBuffer {
        self.back_buffer
    }

    /// Tells whether what is drawn is seen at once, so that a flush presents it.
    pub(crate) const fn is_single_buffered(&self) -> bool {
        self.is_single_buffered
    }

    /// Hands the picture to the display; only `damage` changed since the last time.
    pub(crate) fn swap(&mut self, size: Size, damage: &[BufferRect]) -> Result<(), RenderError> {
        let (Some(surface), Some(swapper)) = (self.surface, self.swapper) else {
            return Ok(());
        };
        self.swap_rects.clear();
        if swapper.takes_damage() {
            for rect in damage {
                let int = |value: i64| e::Int::try_from(value).unwrap_or(0);
                let below = i64::from(rect.y) + i64::from(rect.height);
                // EGL counts from the lower left corner.
                self.swap_rects.extend([
                    rect.x,
                    int(i64::from(size.height) - below),
                    int(rect.width.into()),
                    int(rect.height.into()),
                ]);
            }
        }
        swapper.swap(&self.egl, self.display, surface, &self.swap_rects)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let (egl, display) = (&self.egl, self.display);
        let log = |what: &str, done: Result<(), e::Error>| {
            if let Err(error) = done {
                tracing::debug!(%error, "{what}");
            }
        };
        if self.context.is_some() && egl.get_current_context() == self.context {
            log(
                "releasing the context",
                egl.make_current(display, None, None, None),
            );
        }
        if let Some(surface) = self.surface.take() {
            log(
                "destroying the surface",
                egl.destroy_surface(display, surface),
            );
        }
        if let Some(context) = self.context.take() {
            log(
                "destroying the context",
                egl.destroy_context(display, context),
            );
        }
        // Only now may the window go, then the connection, and last of all their owner.
        self.window = None;
        egl::close_display(egl, display);
        self.keep_alive = None;
    }
}

/// The extensions of a display, or of the library itself.
fn extensions(egl: &Instance, display: Option<e::Display>) -> HashSet<String> {
    match egl.query_string(display, e::EXTENSIONS) {
        Ok(list) => list
            .to_string_lossy()
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect(),
        Err(_) => HashSet::new(),
    }
}
