//! Images that are DMA-BUFs (EGL_EXT_image_dma_buf_import and EGL_EXT_image_dma_buf_import_modifiers).

use std::ffi::c_void;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use khronos_egl as e;
use picture::Size;

use super::Context;
use crate::error::RenderError;

type CreateImage = extern "system" fn(
    e::EGLDisplay,
    e::EGLContext,
    e::Enum,
    *mut c_void,
    *const e::Int,
) -> *mut c_void;
type DestroyImage = extern "system" fn(e::EGLDisplay, *mut c_void) -> e::Boolean;
type GetError = extern "system" fn() -> e::Int;
type QueryModifiers = extern "system" fn(
    e::EGLDisplay,
    e::Int,
    e::Int,
    *mut u64,
    *mut e::Boolean,
    *mut e::Int,
) -> e::Boolean;

/// `EGL_LINUX_DMA_BUF_EXT` and its attributes, by the extension's text.
const DMA_BUF: e::Enum = 0x3270;
const FOURCC: e::Int = 0x3271;
const PLANE0_FD: e::Int = 0x3272;
const PLANE0_OFFSET: e::Int = 0x3273;
const PLANE0_PITCH: e::Int = 0x3274;
const PLANE0_MODIFIER_LOW: e::Int = 0x3443;
const PLANE0_MODIFIER_HIGH: e::Int = 0x3444;
/// `EGL_IMAGE_PRESERVED_KHR` of EGL_KHR_image_base: what is in the memory stays.
const PRESERVED: e::Int = 0x30D2;
/// `DRM_FORMAT_MOD_LINEAR`: rows lie one behind the other.
const LINEAR: u64 = 0;
/// More modifiers of a format than any driver has.
const MAX_MODIFIERS: usize = 256;

/// Pixels in a DMA-BUF, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane<'a> {
    /// The buffer.
    pub(crate) fd: BorrowedFd<'a>,
    /// How the texels are stored, by drm_fourcc.h.
    pub(crate) fourcc: u32,
    /// Texels.
    pub(crate) size: Size,
    /// Where the first row begins, in bytes.
    pub(crate) offset: usize,
    /// From one row to the next, in bytes.
    pub(crate) pitch_bytes: u32,
}

/// An image; destroyed by [`ImageCalls::destroy`].
#[derive(Debug)]
pub(crate) struct Image(NonNull<c_void>);

impl Image {
    /// EGL's handle.
    pub(crate) const fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}

/// What the driver says of rows that lie one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linear {
    /// Nothing.
    Unknown,
    /// They can be sampled as any texture.
    Sampled,
    /// They can be sampled as external textures only.
    External,
}

/// The calls that make and destroy images.
pub(crate) struct ImageCalls {
    display: e::Display,
    create: CreateImage,
    destroy: DestroyImage,
    get_error: GetError,
    query: Option<QueryModifiers>,
}

impl Context {
    /// Looks the calls up; what is missing if the driver has no such images.
    pub(crate) fn image_calls(&self) -> Result<ImageCalls, &'static str> {
        const IMPORT: &str = "EGL_EXT_image_dma_buf_import";
        if !self.has(IMPORT) {
            return Err(IMPORT);
        }
        if !self.has("EGL_KHR_image_base") && !self.has("EGL_KHR_image") {
            return Err("EGL_KHR_image_base");
        }
        let address = |name| self.egl.get_proc_address(name).ok_or(name);
        let create = address("eglCreateImageKHR")?;
        let destroy = address("eglDestroyImageKHR")?;
        let get_error = address("eglGetError")?;
        let query = match self.has("EGL_EXT_image_dma_buf_import_modifiers") {
            true => self.egl.get_proc_address("eglQueryDmaBufModifiersEXT"),
            false => None,
        };
        // SAFETY: the address of the call of that name, whose signature EGL_KHR_image_base fixes.
        let create = unsafe { std::mem::transmute::<extern "system" fn(), CreateImage>(create) };
        // SAFETY: as above.
        let destroy = unsafe { std::mem::transmute::<extern "system" fn(), DestroyImage>(destroy) };
        // SAFETY: as above, fixed by EGL 1.0.
        let get_error = unsafe { std::mem::transmute::<extern "system" fn(), GetError>(get_error) };
        let query = query.map(|query| {
            // SAFETY: as above, fixed by EGL_EXT_image_dma_buf_import_modifiers.
            unsafe { std::mem::transmute::<extern "system" fn(), QueryModifiers>(query) }
        });
        Ok(ImageCalls {
            display: self.display,
            create,
            destroy,
            get_error,
            query,
        })
    }
}

impl ImageCalls {
    /// Makes an image of a buffer, with its modifier named or not; the image keeps the buffer open.
    pub(crate) fn create(
        &self,
        plane: &Plane<'_>,
        names_modifier: bool,
    ) -> Result<Image, RenderError> {
        let call = "eglCreateImageKHR";
        let attributes = attributes(plane, names_modifier).ok_or(RenderError::Egl {
            call,
            error: "numbers beyond 31 bits".to_owned(),
        })?;
        let (display, none) = (self.display.as_ptr(), std::ptr::null_mut());
        let attributes = attributes.as_ptr();
        let image = (self.create)(display, e::NO_CONTEXT, DMA_BUF, none, attributes);
        NonNull::new(image).map(Image).ok_or_else(|| {
            let code = (self.get_error)();
            let error = match code {
                e::BAD_MATCH => "the driver does not take such pixels (EGL_BAD_MATCH)".to_owned(),
                e::BAD_ALLOC => "the driver has no room for it (EGL_BAD_ALLOC)".to_owned(),
                e::BAD_ACCESS => "the driver may not have it (EGL_BAD_ACCESS)".to_owned(),
                e::CONTEXT_LOST => return RenderError::ContextLost,
                code => format!("EGL error {code:#06x}"),
            };
            RenderError::Egl { call, error }
        })
    }

    /// Destroys an image; textures that were made of it go on.
    pub(crate) fn destroy(&self, image: Image) {
        if (self.destroy)(self.display.as_ptr(), image.as_ptr()) != e::TRUE {
            tracing::debug!("destroying an image");
        }
    }

    /// Tells whether modifiers may be named.
    pub(crate) const fn has_modifiers(&self) -> bool {
        self.query.is_some()
    }

    /// Asks how rows that lie one behind the other can be sampled.
    pub(crate) fn linear(&self, fourcc: u32) -> Linear {
        let Some(query) = self.query else {
            return Linear::Unknown;
        };
        let mut modifiers = [u64::MAX; MAX_MODIFIERS];
        let mut external = [e::FALSE; MAX_MODIFIERS];
        let mut count = 0;
        let done = query(
            self.display.as_ptr(),
            fourcc.cast_signed(),
            256,
            modifiers.as_mut_ptr(),
            external.as_mut_ptr(),
            &raw mut count,
        );
        let count = usize::try_from(count).unwrap_or(0);
        if done != e::TRUE {
            return Linear::Unknown;
        }
        let mut known = modifiers.iter().zip(external).take(count);
        match known.find(|(modifier, _)| **modifier == LINEAR) {
            None => Linear::Unknown,
            Some((_, e::FALSE)) => Linear::Sampled,
            Some(_) => Linear::External,
        }
    }
}

/// The attributes of an image, with their end.
fn attributes(plane: &Plane<'_>, names_modifier: bool) -> Option<Vec<e::Int>> {
    let int = |value: u32| e::Int::try_from(value).ok();
    let mut attributes = Vec::with_capacity(20);
    attributes.extend([e::WIDTH, int(plane.size.width)?]);
    attributes.extend([e::HEIGHT, int(plane.size.height)?]);
    attributes.extend([FOURCC, plane.fourcc.cast_signed()]);
    attributes.extend([PLANE0_FD, plane.fd.as_raw_fd()]);
    attributes.extend([PLANE0_OFFSET, e::Int::try_from(plane.offset).ok()?]);
    attributes.extend([PLANE0_PITCH, int(plane.pitch_bytes)?]);
    if names_modifier {
        // Both halves of LINEAR.
        attributes.extend([PLANE0_MODIFIER_LOW, 0, PLANE0_MODIFIER_HIGH, 0]);
    }
    attributes.extend([PRESERVED, e::TRUE.cast_signed(), e::NONE]);
    Some(attributes)
}
