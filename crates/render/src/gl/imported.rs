//! Textures that are images of somebody else's memory (GL_OES_EGL_image, GL_OES_EGL_image_external_essl3).

use std::ffi::c_void;

use glow::HasContext as _;

use super::{Framebuffer, Gl};
use crate::context::egl::Instance;
use crate::context::image::Image;
use crate::error::RenderError;

/// `glEGLImageTargetTexture2DOES`.
type TargetTexture = extern "system" fn(u32, *mut c_void);

/// `GL_TEXTURE_EXTERNAL_OES`.
const EXTERNAL: u32 = 0x8D65;

/// What kind of texture an image becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ImageTarget {
    /// An ordinary one.
    Plain,
    /// An external one, which can be sampled but not attached to a framebuffer.
    External,
}

impl ImageTarget {
    const fn gl(self) -> u32 {
        match self {
            Self::Plain => glow::TEXTURE_2D,
            Self::External => EXTERNAL,
        }
    }
}

/// The call that turns images into textures, and what may become of them.
pub(crate) struct TargetCall {
    call: TargetTexture,
    has_plain: bool,
    has_external: bool,
}

impl TargetCall {
    /// Looks the call up; what is missing if the driver has no such textures.
    pub(crate) fn new(gl: &Gl, egl: &Instance) -> Result<Self, &'static str> {
        const NAME: &str = "glEGLImageTargetTexture2DOES";
        let has_plain = gl.has("GL_OES_EGL_image");
        let has_external = gl.has("GL_OES_EGL_image_external_essl3");
        if !has_plain && !has_external {
            return Err("GL_OES_EGL_image");
        }
        let call = egl.get_proc_address(NAME).ok_or(NAME)?;
        // SAFETY: the address of that function, whose signature GL_OES_EGL_image fixes.
        let call = unsafe { std::mem::transmute::<extern "system" fn(), TargetTexture>(call) };
        Ok(Self {
            call,
            has_plain,
            has_external,
        })
    }

    /// Tells whether there are such textures.
    pub(crate) const fn has(&self, target: ImageTarget) -> bool {
        match target {
            ImageTarget::Plain => self.has_plain,
            ImageTarget::External => self.has_external,
        }
    }
}

/// A texture whose texels are an image's; freed by [`Gl::delete_imported`] or with its context.
#[derive(Debug)]
pub(crate) struct ImportedTexture {
    id: glow::NativeTexture,
    target: ImageTarget,
    /// For copies of texels as they are, if it can be read in this way.
    framebuffer: Option<Framebuffer>,
}

impl ImportedTexture {
    /// A texture of ours that stands for an import, to be read through a framebuffer or not.
    #[cfg(test)]
    pub(crate) const fn stand_in(
        texture: &super::Texture,
        framebuffer: Option<Framebuffer>,
    ) -> Self {
        Self {
            id: texture.id(),
            target: ImageTarget::Plain,
            framebuffer,
        }
    }

    /// The kind of texture.
    pub(crate) const fn target(&self) -> ImageTarget {
        self.target
    }

    /// What to read it through, if that is possible.
    pub(crate) const fn framebuffer(&self) -> Option<Framebuffer> {
        self.framebuffer
    }
}

impl Gl {
    /// Makes a texture of an image.
    pub(crate) fn imported(
        &self,
        call: &TargetCall,
        image: &Image,
        target: ImageTarget,
    ) -> Result<ImportedTexture, RenderError> {
        // SAFETY: the context is current.
        let id = unsafe { self.raw.create_texture() };
        let id = id.map_err(|what| RenderError::Missing { what })?;
        let mut texture = ImportedTexture {
            id,
            target,
            framebuffer: None,
        };
        self.refresh_imported(call, image, &texture);
        let kind = target.gl();
        for (name, value) in [
            (glow::TEXTURE_MIN_FILTER, glow::NEAREST),
            (glow::TEXTURE_MAG_FILTER, glow::NEAREST),
            (glow::TEXTURE_WRAP_S, glow::CLAMP_TO_EDGE),
            (glow::TEXTURE_WRAP_T, glow::CLAMP_TO_EDGE),
        ] {
            // SAFETY: parameters that both kinds of texture have.
            unsafe { self.raw.tex_parameter_i32(kind, name, value.cast_signed()) };
        }
        if let Err(error) = self.check("sampling an imported image") {
            self.delete_imported(texture);
            return Err(error);
        }
        if target == ImageTarget::Plain {
            texture.framebuffer = self.framebuffer_of(id).ok();
        }
        Ok(texture)
    }

    /// Lets a texture show what the memory holds now.
    pub(crate) fn refresh_imported(
        &self,
        call: &TargetCall,
        image: &Image,
        texture: &ImportedTexture,
    ) {
        self.bind_imported(0, texture);
        (call.call)(texture.target.gl(), image.as_ptr());
    }

    /// Makes a texture the one that unit `unit` samples.
    pub(crate) fn bind_imported(&self, unit: u32, texture: &ImportedTexture) {
        // SAFETY: GLES 3.0 promises at least 16 units.
        unsafe { self.raw.active_texture(glow::TEXTURE0 + unit.min(15)) };
        // SAFETY: a texture of this context, only ever bound as this kind.
        unsafe {
            self.raw.bind_texture(texture.target.gl(), Some(texture.id));
        };
    }

    /// Frees a texture; its image stays.
    pub(crate) fn delete_imported(&self, texture: ImportedTexture) {
        if let Some(framebuffer) = texture.framebuffer {
            self.delete_framebuffer(framebuffer);
        }
        // SAFETY: of this context, and nobody has its name any more.
        unsafe { self.raw.delete_texture(texture.id) };
    }

    /// Waits until the GPU has done all that was asked for, at most `patience_ns`; tells whether it has.
    ///
    /// A driver that makes no fence is an error: `glFinish` instead would wait without a bound.
    pub(crate) fn wait_for_gpu(&self, patience_ns: i32) -> Result<bool, RenderError> {
        // SAFETY: the context is current.
        let fence = unsafe { self.raw.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0) };
        let fence = fence.map_err(|error| RenderError::Missing {
            what: format!("fences ({error})"),
        })?;
        let flags = glow::SYNC_FLUSH_COMMANDS_BIT;
        // SAFETY: a fence of this context, not yet deleted.
        let state = unsafe { self.raw.client_wait_sync(fence, flags, patience_ns) };
        // SAFETY: as above; nobody else has it.
        unsafe { self.raw.delete_sync(fence) };
        self.check("waiting for the GPU")?;
        match state {
            glow::ALREADY_SIGNALED | glow::CONDITION_SATISFIED => Ok(true),
            glow::TIMEOUT_EXPIRED => Ok(false),
            _ => Err(RenderError::Missing {
                what: "fences that can be waited for".to_owned(),
            }),
        }
    }
}
