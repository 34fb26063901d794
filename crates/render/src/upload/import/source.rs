//! How the bytes of a layout are shown to the driver.

use picture::{FrameLayout, PixelFormat, Size};

use crate::conversion::ImportedTexels;
use crate::desktop::{Storage, rows_there};
use crate::gl::TexelFormat;

/// Bytes B, G, R, A: `DRM_FORMAT_ARGB8888`, the one that every driver has.
const AR24: u32 = u32::from_le_bytes(*b"AR24");
/// Bytes R, G, B, A: `DRM_FORMAT_ABGR8888`.
const AB24: u32 = u32::from_le_bytes(*b"AB24");
/// One byte: `DRM_FORMAT_R8`.
const R8: u32 = u32::from_le_bytes(*b"R8  ");

/// What an image is made as.
///
/// Pixels of 8-bit colours are what they are. The others are shown as words of four bytes too, and put together by
/// the same program that converts copied ones: drivers that sample AR24 are many more than those that sample 10 bits, half
/// floats and three bytes from foreign memory, and the result is the same to the bit on all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageSource {
    pub(super) fourcc: u32,
    pub(super) texels: ImportedTexels,
    /// Texels.
    pub(super) size: Size,
    pub(super) pitch_bytes: u32,
}

impl ImageSource {
    /// Finds it for a layout; an error says why there is none.
    pub(super) fn of(layout: &FrameLayout, has_bgra: bool, max: u32) -> Result<Self, String> {
        let storage = Storage::of(layout, has_bgra).map_err(|error| error.to_string())?;
        let Size { width, height } = storage.size;
        debug_assert_eq!(height, rows_there(layout).height);
        let (fourcc, texels, width) = match (storage.format, layout.format) {
            (TexelFormat::Bgra8, _) => (AR24, ImportedTexels::Pixels, width),
            // Shown from a texture that keeps R, G, B, A, in which the bytes lie as they are here.
            (TexelFormat::Rgba8 | TexelFormat::Bgra8Swizzled, _) => {
                (AB24, ImportedTexels::Pixels, width)
            }
            (TexelFormat::R8Ui, _) => (R8, ImportedTexels::Bytes, width),
            (_, PixelFormat::Rgba16F) => (AR24, ImportedTexels::Words, width.saturating_mul(2)),
            _ => (AR24, ImportedTexels::Words, width),
        };
        if width > max {
            return Err(format!(
                "a picture of {} pixels a row is {width} texels wide, and the driver can handle {max}",
                layout.frame.width
            ));
        }
        Ok(Self {
            fourcc,
            texels,
            size: Size::new(width, height),
            pitch_bytes: layout.pitch_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(format: PixelFormat, pitch_bytes: u32) -> ImageSource {
        let mut layout = FrameLayout::packed(format, Size::new(18, 9));
        layout.pitch_bytes = pitch_bytes;
        ImageSource::of(&layout, true, 8192).unwrap()
    }

    #[test]
    fn each_format_is_shown_as_texels_that_hold_all_its_bytes() {
        use ImportedTexels::{Bytes, Pixels, Words};
        let cases = [
            (PixelFormat::Bgra8, 72, AR24, Pixels, 18),
            (PixelFormat::Rgba8, 80, AB24, Pixels, 18),
            (PixelFormat::Rgba10, 72, AR24, Words, 18),
            (PixelFormat::Rgba16F, 144, AR24, Words, 36),
            (PixelFormat::Bgr24Packed, 56, AR24, Words, 14),
            (PixelFormat::Rgb24, 60, AR24, Words, 14),
            (PixelFormat::Rgb24, 55, R8, Bytes, 54),
        ];
        for (format, pitch_bytes, fourcc, texels, width) in cases {
            let want = ImageSource {
                fourcc,
                texels,
                size: Size::new(width, 9),
                pitch_bytes,
            };
            assert_eq!(source(format, pitch_bytes), want, "{format:?}");
            let texel_bytes = if texels == Bytes { 1 } else { 4 };
            assert!(
                width * texel_bytes <= pitch_bytes,
                "{format:?} leaves its rows"
            );
        }
    }

    #[test]
    fn bytes_are_shown_in_the_order_of_the_texture_they_go_to() {
        let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(18, 9));
        let swizzled = ImageSource::of(&layout, false, 8192).unwrap();
        assert_eq!(
            (swizzled.fourcc, swizzled.texels),
            (AB24, ImportedTexels::Pixels)
        );
    }

    #[test]
    fn rows_beyond_the_drivers_limit_are_not_imported() {
        let size = Size::new(5000, 10);
        let layout = FrameLayout::packed(PixelFormat::Rgba16F, size);
        assert!(ImageSource::of(&layout, true, 16384).is_ok());
        let error = ImageSource::of(&layout, true, 8192).unwrap_err();
        assert!(error.contains("10000 texels"), "{error}");
    }

    #[test]
    fn a_truncated_frame_is_imported_as_far_as_it_goes() {
        let mut layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(18, 9));
        layout.rows = 4;
        let source = ImageSource::of(&layout, true, 8192).unwrap();
        assert_eq!(source.size, Size::new(18, 4));
    }
}
