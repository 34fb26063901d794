//! Textures.

use glow::HasContext as _;
use picture::Size;

use super::{Gl, int};
use crate::error::RenderError;

/// How a texture's texels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TexelFormat {
    /// Bytes B, G, R, X (EXT_texture_format_BGRA8888).
    Bgra8,
    /// Bytes B, G, R, X stored as R, G, B, A and turned round when sampled, for drivers without the extension.
    Bgra8Swizzled,
    /// Bytes R, G, B, X.
    Rgba8,
    /// One byte, as an integer.
    R8Ui,
    /// Bytes R, G, B, A, as integers.
    Rgba8Ui,
    /// A little-endian 32-bit word.
    R32Ui,
    /// Two little-endian 32-bit words.
    Rg32Ui,
    /// One float.
    R32F,
}

impl TexelFormat {
    /// Bytes of one texel.
    pub(crate) const fn bytes(self) -> u32 {
        match self {
            Self::R8Ui => 1,
            Self::Rg32Ui => 8,
            _ => 4,
        }
    }

    /// Internal format, format and type.
    const fn gl(self) -> (u32, u32, u32) {
        match self {
            Self::Bgra8 => (glow::BGRA, glow::BGRA, glow::UNSIGNED_BYTE),
            Self::Bgra8Swizzled | Self::Rgba8 => (glow::RGBA8, glow::RGBA, glow::UNSIGNED_BYTE),
            Self::R8Ui => (glow::R8UI, glow::RED_INTEGER, glow::UNSIGNED_BYTE),
            Self::Rgba8Ui => (glow::RGBA8UI, glow::RGBA_INTEGER, glow::UNSIGNED_BYTE),
            Self::R32Ui => (glow::R32UI, glow::RED_INTEGER, glow::UNSIGNED_INT),
            Self::Rg32Ui => (glow::RG32UI, glow::RG_INTEGER, glow::UNSIGNED_INT),
            Self::R32F => (glow::R32F, glow::RED, glow::FLOAT),
        }
    }
}

/// A texture; freed by [`Gl::delete_texture`] or with its context.
#[derive(Debug)]
pub(crate) struct Texture {
    id: glow::NativeTexture,
    format: TexelFormat,
    size: Size,
}

impl Texture {
    /// GL's name.
    pub(crate) const fn id(&self) -> glow::NativeTexture {
        self.id
    }

    /// How the texels are stored.
    pub(crate) const fn format(&self) -> TexelFormat {
        self.format
    }

    /// The size in texels.
    pub(crate) const fn size(&self) -> Size {
        self.size
    }
}

/// A rectangle of texels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TexelRect {
    /// First column.
    pub(crate) x: u32,
    /// First row.
    pub(crate) y: u32,
    /// Columns.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
}

impl TexelRect {
    /// Bytes from the first to behind the last texel, with rows of `row_texels` texels.
    pub(crate) fn extent(&self, row_texels: u32, texel_bytes: u32) -> Option<usize> {
        let rows_before = u64::from(self.height.checked_sub(1)?);
        let texels = rows_before * u64::from(row_texels) + u64::from(self.width);
        usize::try_from(texels.checked_mul(texel_bytes.into())?).ok()
    }
}

/// Where texels come from.
#[derive(Clone, Copy)]
pub(crate) enum Pixels<'a> {
    /// Private memory.
    Memory(&'a [u8]),
    /// The buffer bound for unpacking, from this byte on; it holds so many bytes.
    Buffer {
        /// First byte.
        offset: usize,
        /// Bytes of the buffer.
        len: usize,
    },
}

impl Gl {
    /// Makes a texture without contents.
    pub(crate) fn texture(&self, format: TexelFormat, size: Size) -> Result<Texture, RenderError> {
        if size.is_empty() || size.width.max(size.height) > self.max_texture {
            return Err(RenderError::TooLarge {
                width: size.width,
                height: size.height,
                max: self.max_texture,
            });
        }
        // SAFETY: the context is current.
        let id = unsafe { self.raw.create_texture() };
        let id = id.map_err(|what| RenderError::Missing { what })?;
        let target = glow::TEXTURE_2D;
        // SAFETY: just made.
        unsafe { self.raw.bind_texture(target, Some(id)) };
        let texture = Texture { id, format, size };
        self.set_filter(glow::NEAREST);
        for axis in [glow::TEXTURE_WRAP_S, glow::TEXTURE_WRAP_T] {
            self.parameter(axis, glow::CLAMP_TO_EDGE);
        }
        // One level only, so that the texture is complete without smaller ones.
        self.parameter(glow::TEXTURE_MAX_LEVEL, 0);
        if format == TexelFormat::Bgra8Swizzled {
            self.parameter(glow::TEXTURE_SWIZZLE_R, glow::BLUE);
            self.parameter(glow::TEXTURE_SWIZZLE_B, glow::RED);
        }
        let (internal, layout, kind) = format.gl();
        let (width, height) = (int(size.width), int(size.height));
        let nothing = glow::PixelUnpackData::Slice(None);
        // SAFETY: no pixels are read; no unpack buffer is bound outside of uploads.
        unsafe {
            self.raw.tex_image_2d(
                target,
                0,
                internal.cast_signed(),
                width,
                height,
                0,
                layout,
                kind,
                nothing,
            );
        };
        match self.check("making a texture") {
            Ok(()) => Ok(texture),
            Err(error) => {
                self.delete_texture(texture);
                Err(error)
            }
        }
    }

    fn parameter(&self, name: u32, value: u32) {
        // SAFETY: a parameter of core GLES 3.0.
        unsafe {
            self.raw
                .tex_parameter_i32(glow::TEXTURE_2D, name, value.cast_signed());
        };
    }

    /// Chooses how the bound texture is sampled.
    fn set_filter(&self, filter: u32) {
        self.parameter(glow::TEXTURE_MIN_FILTER, filter);
        self.parameter(glow::TEXTURE_MAG_FILTER, filter);
    }

    /// Makes a texture the one that unit `unit` samples.
    pub(crate) fn bind(&self, unit: u32, texture: &Texture) {
        // SAFETY: GLES 3.0 promises at least 16 units.
        unsafe { self.raw.active_texture(glow::TEXTURE0 + unit.min(15)) };
        // SAFETY: a texture of this context.
        unsafe { self.raw.bind_texture(glow::TEXTURE_2D, Some(texture.id)) };
    }

    /// Binds a texture and lets it be sampled between its texels, or not.
    pub(crate) fn bind_filtered(&self, unit: u32, texture: &Texture, linear: bool) {
        self.bind(unit, texture);
        self.set_filter(if linear { glow::LINEAR } else { glow::NEAREST });
    }

    /// Frees a texture.
    pub(crate) fn delete_texture(&self, texture: Texture) {
        // SAFETY: of this context, and nobody has its name any more.
        unsafe { self.raw.delete_texture(texture.id) };
    }

    /// Replaces a rectangle of texels; `pixels` begins at its first, with rows of `row_texels` texels.
    pub(crate) fn replace(
        &self,
        texture: &Texture,
        rect: TexelRect,
        row_texels: u32,
        pixels: Pixels<'_>,
    ) -> Result<(), RenderError> {
        let needed = rect.extent(row_texels, texture.format.bytes());
        let (offset, len) = match pixels {
            Pixels::Memory(bytes) => (0, bytes.len()),
            Pixels::Buffer { offset, len } => (offset, len),
        };
        let end = needed.and_then(|needed| offset.checked_add(needed));
        if rect.width > row_texels || end.is_none_or(|end| end > len) {
            return Err(RenderError::Missing {
                what: "the bytes of a rectangle".to_owned(),
            });
        }
        self.bind(0, texture);
        // SAFETY: a length of rows is allowed in GLES 3.0.
        unsafe {
            self.raw
                .pixel_store_i32(glow::UNPACK_ROW_LENGTH, int(row_texels));
        };
        let (_, layout, kind) = texture.format.gl();
        let data = match pixels {
            Pixels::Memory(bytes) => glow::PixelUnpackData::Slice(Some(bytes)),
            Pixels::Buffer { offset, .. } => {
                let offset = u32::try_from(offset).map_err(|_| RenderError::Missing {
                    what: "buffers of 4 GiB".to_owned(),
                })?;
                glow::PixelUnpackData::BufferOffset(offset)
            }
        };
        let (x, y) = (int(rect.x), int(rect.y));
        let (width, height) = (int(rect.width), int(rect.height));
        // SAFETY: GL reads `height - 1` rows of `row_texels` and `width` texels (alignment 1): checked above to be there.
        // It refuses rectangles that leave the texture. `Memory` is only used while no unpack buffer is bound.
        unsafe {
            self.raw
                .tex_sub_image_2d(glow::TEXTURE_2D, 0, x, y, width, height, layout, kind, data);
        };
        Ok(())
    }
}
