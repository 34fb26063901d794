//! Images and textures of DMA-BUFs, by the driver.

use std::os::fd::AsFd as _;

use ivshmem::DmaBuf;

use super::ladder::{CloseImages, MakeImages};
use super::source::ImageSource;
use super::{Failure, Fault};
use crate::context::Context;
use crate::context::image::{Image, ImageCalls, Linear, Plane};
use crate::error::RenderError;
use crate::gl::{Gl, ImageTarget, ImportedTexture, TargetCall};

/// What the driver has for images.
pub(super) struct Driver {
    images: ImageCalls,
    target: TargetCall,
    /// Ordinary textures are not to be used.
    only_external: bool,
}

impl Driver {
    /// Looks at the extensions; an error names the missing one.
    pub(super) fn new(
        gl: &Gl,
        context: &Context,
        only_external: bool,
    ) -> Result<Self, &'static str> {
        Ok(Self {
            images: context.image_calls()?,
            target: TargetCall::new(gl, context.egl())?,
            only_external,
        })
    }

    /// The kinds of texture that are worth trying, in this order.
    fn targets(&self, fourcc: u32) -> impl Iterator<Item = ImageTarget> {
        // Some drivers sample linear images as external ones only, and say so.
        let is_external = self.images.linear(fourcc) == Linear::External;
        let kinds = match is_external {
            true => [ImageTarget::External, ImageTarget::Plain],
            false => [ImageTarget::Plain, ImageTarget::External],
        };
        let may_be = |kind: &ImageTarget| *kind == ImageTarget::External || !self.only_external;
        kinds
            .into_iter()
            .filter(move |kind| self.target.has(*kind) && may_be(kind))
    }
}

/// An image and the texture it is seen through.
pub(super) struct Imported {
    image: Image,
    texture: ImportedTexture,
}

impl Imported {
    /// The texture.
    pub(super) const fn texture(&self) -> &ImportedTexture {
        &self.texture
    }
}

/// Makes them, while the context is current, and closes them.
pub(super) struct Maker<'a> {
    pub(super) gl: &'a Gl,
    pub(super) driver: &'a Driver,
}

/// Closes images without a context: their textures go with it.
pub(super) struct Closer<'a>(pub(super) &'a Driver);

impl Maker<'_> {
    /// Lets a texture show what the memory holds now.
    pub(super) fn refresh(&self, imported: &Imported) {
        let Imported { image, texture } = imported;
        self.gl
            .refresh_imported(&self.driver.target, image, texture);
    }
}

impl CloseImages for Maker<'_> {
    type Image = Imported;

    fn close(&mut self, imported: Imported) {
        self.gl.delete_imported(imported.texture);
        self.driver.images.destroy(imported.image);
    }
}

impl CloseImages for Closer<'_> {
    type Image = Imported;

    fn close(&mut self, imported: Imported) {
        self.0.images.destroy(imported.image);
    }
}

impl MakeImages for Maker<'_> {
    fn make(&mut self, buffer: &DmaBuf, source: &ImageSource) -> Result<Imported, Failure> {
        let plane = Plane {
            fd: buffer.as_fd(),
            fourcc: source.fourcc,
            size: source.size,
            offset: buffer.offset(),
            pitch_bytes: source.pitch_bytes,
        };
        let images = &self.driver.images;
        // Named, the modifier keeps a driver from taking the rows for its own tiles; not all know the one there is.
        let named = images.has_modifiers().then(|| images.create(&plane, true));
        let image = match named {
            Some(Ok(image)) => image,
            _ => {
                let image = images.create(&plane, false);
                image.map_err(|error| refusal(error, source))?
            }
        };
        let mut failed = Failure::from("the driver has no kind of texture for it".to_owned());
        for target in self.driver.targets(source.fourcc) {
            match self.gl.imported(&self.driver.target, &image, target) {
                Ok(texture) => return Ok(Imported { image, texture }),
                Err(error) => failed = error.into(),
            }
        }
        images.destroy(image);
        Err(failed)
    }
}

/// Why the driver made no image.
fn refusal(error: RenderError, source: &ImageSource) -> Failure {
    if matches!(error, RenderError::ContextLost) {
        return error.into();
    }
    let (width, height) = (source.size.width, source.size.height);
    let pitch_bytes = source.pitch_bytes;
    let text = format!("{error} ({width}x{height} texels, {pitch_bytes} bytes a row)");
    Failure::Rung(match text.contains("EGL_BAD_ALLOC") {
        true => Fault::Passing(text),
        false => Fault::Lasting(text),
    })
}
