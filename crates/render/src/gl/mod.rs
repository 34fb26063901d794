//! Thin safe wrappers over the GL calls that are used, and nothing more.
//!
//! A [`Gl`] exists only while its [`Context`](crate::context::Context) does, on one thread, and every public
//! method of the renderer makes that context current first. So each call below may assume a current context.

#![expect(unsafe_code, reason = "calls into GL")]

mod imported;
mod program;
mod texture;

use std::collections::HashSet;
use std::ffi::c_void;

use glow::HasContext as _;
use picture::Size;

use crate::context::egl::Instance;
use crate::driver::printable;
use crate::error::RenderError;

pub(crate) use imported::{ImageTarget, ImportedTexture, TargetCall};
pub(crate) use program::{Program, Uniform};
pub(crate) use texture::{Pixels, TexelFormat, TexelRect, Texture};

/// The functions and limits of the current context.
pub(crate) struct Gl {
    pub(crate) raw: glow::Context,
    pub(crate) max_texture: u32,
    /// Textures of bytes B, G, R, X work, also to draw into.
    pub(crate) has_bgra: bool,
    extensions: HashSet<String>,
}

/// A framebuffer object; 0, the window, is `None` where one is asked for.
pub(crate) type Framebuffer = glow::NativeFramebuffer;

/// Functions of GLES 3.0 without which nothing works; a driver that lacks one is refused instead of crashed into.
const REQUIRED: [&str; 12] = [
    "glGetString",
    "glGetStringi",
    "glGetIntegerv",
    "glTexSubImage2D",
    "glDrawArraysInstanced",
    "glBlitFramebuffer",
    "glBindVertexArray",
    "glUniform4iv",
    "glUniformMatrix3x2fv",
    "glFenceSync",
    "glClientWaitSync",
    "glReadPixels",
];

/// GL's words about the state of the GPU (KHR_robustness).
const CONTEXT_LOST: u32 = 0x0507;

impl Gl {
    /// Looks up GL's functions; the context must be current.
    pub(crate) fn new(egl: &Instance) -> Result<Self, RenderError> {
        if let Some(missing) = REQUIRED
            .iter()
            .find(|name| egl.get_proc_address(name).is_none())
        {
            return Err(RenderError::Missing {
                what: (*missing).to_owned(),
            });
        }
        let load = |name: &str| -> *const c_void {
            let address = egl.get_proc_address(name);
            address.map_or(std::ptr::null(), |call| call as *const c_void)
        };
        // SAFETY: the addresses come from the library of the current context.
        let raw = unsafe { glow::Context::from_loader_function(load) };
        let version = raw.version();
        if version.major < 3 || !version.is_embedded {
            return Err(RenderError::TooOld {
                what: "the GLES driver",
                found: format!("{}.{}", version.major, version.minor),
                needed: "GLES 3.0",
            });
        }
        let extensions = raw.supported_extensions().clone();
        let mut gl = Self {
            raw,
            max_texture: 0,
            has_bgra: false,
            extensions,
        };
        // SAFETY: a query of one number.
        let max = unsafe { gl.raw.get_parameter_i32(glow::MAX_TEXTURE_SIZE) };
        gl.max_texture = u32::try_from(max).unwrap_or(0);
        gl.prepare()?;
        gl.has_bgra = gl.has("GL_EXT_texture_format_BGRA8888") && gl.draws_bgra();
        Ok(gl)
    }

    /// Tells whether textures of bytes B, G, R, X can be drawn into: the extension does not quite promise it.
    fn draws_bgra(&self) -> bool {
        let Ok(texture) = self.texture(TexelFormat::Bgra8, Size::new(4, 4)) else {
            return false;
        };
        let framebuffer = self.framebuffer(&texture);
        let is_complete = framebuffer.is_ok();
        if let Ok(framebuffer) = framebuffer {
            self.delete_framebuffer(framebuffer);
        }
        self.delete_texture(texture);
        is_complete
    }

    /// Sets what never changes afterwards.
    fn prepare(&self) -> Result<(), RenderError> {
        // SAFETY: the context is current.
        let array = unsafe { self.raw.create_vertex_array() };
        let array = array.map_err(|what| RenderError::Missing { what })?;
        // SAFETY: a vertex array of this context, which lives as long as the context.
        unsafe { self.raw.bind_vertex_array(Some(array)) };
        for state in [
            glow::DITHER,
            glow::DEPTH_TEST,
            glow::STENCIL_TEST,
            glow::CULL_FACE,
        ] {
            // SAFETY: a switch of core GLES.
            unsafe { self.raw.disable(state) };
        }
        for alignment in [glow::UNPACK_ALIGNMENT, glow::PACK_ALIGNMENT] {
            // SAFETY: 1 is allowed; rows are described by their length alone.
            unsafe { self.raw.pixel_store_i32(alignment, 1) };
        }
        self.check("preparing the context")
    }

    /// The driver's extensions.
    pub(crate) const fn extensions(&self) -> &HashSet<String> {
        &self.extensions
    }

    /// Tells whether the driver has an extension.
    pub(crate) fn has(&self, extension: &str) -> bool {
        self.extensions.contains(extension)
    }

    /// One of the driver's names.
    pub(crate) fn name(&self, what: u32) -> String {
        // SAFETY: `what` is one of the names that GLES promises.
        printable(&unsafe { self.raw.get_parameter_string(what) })
    }

    /// Logs what the driver has to say, if it can (KHR_debug).
    pub(crate) fn log_messages(&mut self) {
        if !self.has("GL_KHR_debug") {
            tracing::info!("egl:debug: the driver has no GL_KHR_debug");
            return;
        }
        let log = |_source, _kind, id: u32, severity: u32, message: &str| {
            let message = printable(message);
            if severity == glow::DEBUG_SEVERITY_HIGH {
                tracing::warn!(id, "GL: {message}");
            } else {
                tracing::debug!(id, "GL: {message}");
            }
        };
        // SAFETY: the extension is there; glow owns the callback until the context goes.
        unsafe { self.raw.debug_message_callback(log) };
        // SAFETY: as above.
        unsafe { self.raw.enable(glow::DEBUG_OUTPUT) };
        // SAFETY: as above; the driver then calls on our thread, inside the call that caused the message.
        unsafe { self.raw.enable(glow::DEBUG_OUTPUT_SYNCHRONOUS) };
    }

    /// Fails if any call since the last check did.
    pub(crate) fn check(&self, doing: &'static str) -> Result<(), RenderError> {
        // SAFETY: the context is current.
        let code = unsafe { self.raw.get_error() };
        match code {
            glow::NO_ERROR => Ok(()),
            CONTEXT_LOST => Err(RenderError::ContextLost),
            code => {
                // There may be a queue of them; a lost context answers for ever, so not without an end.
                for _ in 0..16 {
                    // SAFETY: as above.
                    match unsafe { self.raw.get_error() } {
                        glow::NO_ERROR => break,
                        CONTEXT_LOST => return Err(RenderError::ContextLost),
                        _ => {}
                    }
                }
                Err(RenderError::Gl { doing, code })
            }
        }
    }

    /// Draws into a framebuffer, all of `size`.
    pub(crate) fn draw_into(&self, framebuffer: Option<Framebuffer>, size: Size) {
        // SAFETY: a framebuffer of this context, or the window.
        unsafe {
            self.raw
                .bind_framebuffer(glow::DRAW_FRAMEBUFFER, framebuffer);
        };
        // SAFETY: any numbers are allowed; GL clamps them.
        unsafe { self.raw.viewport(0, 0, int(size.width), int(size.height)) };
    }

    /// Reads from a framebuffer.
    pub(crate) fn read_from(&self, framebuffer: Option<Framebuffer>) {
        // SAFETY: a framebuffer of this context, or the window.
        unsafe {
            self.raw
                .bind_framebuffer(glow::READ_FRAMEBUFFER, framebuffer);
        };
    }

    /// Makes a framebuffer that is a texture.
    pub(crate) fn framebuffer(&self, texture: &Texture) -> Result<Framebuffer, RenderError> {
        self.framebuffer_of(texture.id())
    }

    /// Makes a framebuffer that is an ordinary texture of this context.
    fn framebuffer_of(&self, texture: glow::NativeTexture) -> Result<Framebuffer, RenderError> {
        // SAFETY: the context is current.
        let made = unsafe { self.raw.create_framebuffer() };
        let framebuffer = made.map_err(|what| RenderError::Missing { what })?;
        let target = glow::DRAW_FRAMEBUFFER;
        // SAFETY: just made.
        unsafe { self.raw.bind_framebuffer(target, Some(framebuffer)) };
        let (attachment, kind) = (glow::COLOR_ATTACHMENT0, glow::TEXTURE_2D);
        // SAFETY: a texture of this context.
        unsafe {
            self.raw
                .framebuffer_texture_2d(target, attachment, kind, Some(texture), 0);
        };
        // SAFETY: the context is current.
        let status = unsafe { self.raw.check_framebuffer_status(target) };
        if status != glow::FRAMEBUFFER_COMPLETE {
            self.delete_framebuffer(framebuffer);
            return Err(RenderError::Gl {
                doing: "drawing into a texture",
                code: status,
            });
        }
        Ok(framebuffer)
    }

    /// Forgets a framebuffer.
    pub(crate) fn delete_framebuffer(&self, framebuffer: Framebuffer) {
        // SAFETY: of this context; GL ignores a framebuffer that is gone already.
        unsafe { self.raw.delete_framebuffer(framebuffer) };
    }

    /// Fills a rectangle, counted from the lower left, with one grey.
    pub(crate) fn fill(&self, [x, y, width, height]: [i32; 4], level: f32) {
        // SAFETY: a switch of core GLES.
        unsafe { self.raw.enable(glow::SCISSOR_TEST) };
        // SAFETY: GL refuses negative sizes without harm.
        unsafe { self.raw.scissor(x, y, width, height) };
        // SAFETY: any numbers are allowed.
        unsafe { self.raw.clear_color(level, level, level, 1.0) };
        // SAFETY: the bound framebuffer is complete or GL refuses without harm.
        unsafe { self.raw.clear(glow::COLOR_BUFFER_BIT) };
        // SAFETY: as above.
        unsafe { self.raw.disable(glow::SCISSOR_TEST) };
    }

    /// Copies a rectangle of pixels of the framebuffer read from; `from` and `to` are x0, y0, x1, y1.
    pub(crate) fn blit(&self, from: [i32; 4], to: [i32; 4]) {
        let ([a, b, c, d], [e, f, g, h]) = (from, to);
        let (mask, filter) = (glow::COLOR_BUFFER_BIT, glow::NEAREST);
        // SAFETY: GL clips both rectangles to the bound framebuffers.
        unsafe {
            self.raw
                .blit_framebuffer(a, b, c, d, e, f, g, h, mask, filter);
        };
    }

    /// Lets what is drawn be mixed with what is there by its alpha, or not.
    pub(crate) fn blend(&self, on: bool) {
        if on {
            // SAFETY: a switch of core GLES.
            unsafe { self.raw.enable(glow::BLEND) };
            let (source, target) = (glow::SRC_ALPHA, glow::ONE_MINUS_SRC_ALPHA);
            // SAFETY: two factors of core GLES.
            unsafe { self.raw.blend_func(source, target) };
        } else {
            // SAFETY: as above.
            unsafe { self.raw.disable(glow::BLEND) };
        }
    }

    /// Draws `count` rectangles with the program in use, which places them by itself.
    pub(crate) fn draw_rects(&self, count: usize) {
        let count = i32::try_from(count).unwrap_or(0);
        // SAFETY: no attribute arrays are enabled, so no memory is read.
        unsafe {
            self.raw
                .draw_arrays_instanced(glow::TRIANGLE_STRIP, 0, 4, count);
        };
    }

    /// Reads R, G, B, A bytes of all pixels, lowest row first; `into` must hold them exactly.
    pub(crate) fn read_pixels(&self, size: Size, into: &mut [u8]) -> Result<(), RenderError> {
        self.read_part([0, 0], size, into)
    }

    /// Reads those of a part that begins at a column and a row.
    pub(crate) fn read_part(
        &self,
        [x, y]: [u32; 2],
        size: Size,
        into: &mut [u8],
    ) -> Result<(), RenderError> {
        if into.len() as u64 != size.area() * 4 {
            return Err(RenderError::Missing {
                what: "room for the pixels".to_owned(),
            });
        }
        let (x, y) = (int(x), int(y));
        let (width, height) = (int(size.width), int(size.height));
        let pixels = glow::PixelPackData::Slice(Some(into));
        // SAFETY: four bytes a pixel were checked to fit; rows are packed (alignment 1), no pack buffer is ever bound.
        unsafe {
            self.raw
                .read_pixels(x, y, width, height, glow::RGBA, glow::UNSIGNED_BYTE, pixels);
        };
        self.check("reading pixels")
    }

    /// Sends what was asked for to the GPU.
    pub(crate) fn flush(&self) {
        // SAFETY: the context is current.
        unsafe { self.raw.flush() };
    }

    /// Waits until everything asked for is done.
    pub(crate) fn finish(&self) {
        // SAFETY: the context is current.
        unsafe { self.raw.finish() };
    }
}

/// A size or position as GL wants it.
pub(crate) fn int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
