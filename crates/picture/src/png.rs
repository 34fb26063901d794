//! Pictures in files: PNG with 8 bits a channel.

use std::io::Cursor;

use crate::geometry::Size;

/// Most bytes that a file may decode to: 256 MiB.
const MAX_DECODED: usize = 256 << 20;

/// A picture of R, G, B bytes, rows back to back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RgbImage {
    size: Size,
    pixels: Vec<u8>,
}

impl RgbImage {
    /// Takes `pixels` of `3 * width * height` bytes; `None` if there are more or fewer.
    #[must_use]
    pub fn new(size: Size, pixels: Vec<u8>) -> Option<Self> {
        let wanted = size.area().checked_mul(3)?;
        (pixels.len() as u64 == wanted).then_some(Self { size, pixels })
    }

    /// The size in pixels.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// All the bytes, row after row.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.pixels
    }

    /// Red, green and blue of one pixel; `None` outside.
    #[must_use]
    pub fn rgb(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        if x >= self.size.width {
            return None;
        }
        let start = (y as usize * self.size.width as usize + x as usize) * 3;
        self.pixels.get(start..)?.first_chunk().copied()
    }
}

/// Why a picture could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// The picture cannot be encoded, such as one without pixels.
    #[error("encoding a PNG picture")]
    Encode(#[from] png::EncodingError),
    /// The bytes are not a PNG picture.
    #[error("decoding a PNG picture")]
    Decode(#[from] png::DecodingError),
    /// The file is a sound picture but too large.
    #[error("the PNG picture decodes to more than {MAX_DECODED} bytes")]
    TooLarge,
}

/// Makes a PNG file of a picture.
///
/// # Errors
/// [`PngError::Encode`] if the picture has no pixels.
pub fn encode(image: &RgbImage) -> Result<Vec<u8>, PngError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, image.size.width, image.size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.pixels)?;
    writer.finish()?;
    Ok(file)
}

/// Reads a PNG file of any colour type; alpha is left out, more than 8 bits are cut.
///
/// # Errors
/// [`PngError::Decode`] if it is not a PNG file, [`PngError::TooLarge`] if it is larger than any screen.
pub fn decode(file: &[u8]) -> Result<RgbImage, PngError> {
    let limits = png::Limits { bytes: MAX_DECODED };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let bytes = reader.output_buffer_size().ok_or(PngError::TooLarge)?;
    if bytes > MAX_DECODED {
        return Err(PngError::TooLarge);
    }
    let mut data = vec![0; bytes];
    let info = reader.next_frame(&mut data)?;
    data.truncate(info.buffer_size());
    let grey = |&v: &u8| [v; 3];
    let pixels = match info.color_type {
        png::ColorType::Grayscale => data.iter().flat_map(grey).collect(),
        png::ColorType::GrayscaleAlpha => data.iter().step_by(2).flat_map(grey).collect(),
        png::ColorType::Rgba => {
            let (pixels, _) = data.as_chunks::<4>();
            pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
        }
        png::ColorType::Rgb | png::ColorType::Indexed => data,
    };
    RgbImage::new(Size::new(info.width, info.height), pixels).ok_or(PngError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(size: Size) -> RgbImage {
        let pixels = (0..size.area() * 3).map(|i| (i * 7 % 251) as u8).collect();
        RgbImage::new(size, pixels).unwrap()
    }

    #[test]
    fn picture_survives_a_round_trip() {
        let image = image(Size::new(33, 17));
        let file = encode(&image).unwrap();
        assert_eq!(&file[1..4], b"PNG");
        assert_eq!(decode(&file).unwrap(), image);
    }

    #[test]
    fn other_colour_types_are_read_as_rgb() {
        for (colour, data, rgb) in [
            (png::ColorType::Grayscale, vec![9], [9, 9, 9]),
            (png::ColorType::GrayscaleAlpha, vec![9, 1], [9, 9, 9]),
            (png::ColorType::Rgba, vec![1, 2, 3, 4], [1, 2, 3]),
        ] {
            let mut file = Vec::new();
            let mut encoder = png::Encoder::new(&mut file, 1, 1);
            encoder.set_color(colour);
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&data).unwrap();
            writer.finish().unwrap();
            assert_eq!(decode(&file).unwrap().rgb(0, 0), Some(rgb));
        }
    }

    #[test]
    fn wrong_bytes_are_an_error() {
        assert!(decode(b"").is_err());
        assert!(decode(b"GIF89a").is_err());
        let file = encode(&image(Size::new(8, 8))).unwrap();
        assert!(decode(&file[..file.len() / 2]).is_err());
    }

    #[test]
    fn picture_without_pixels_is_an_error() {
        assert!(encode(&RgbImage::default()).is_err());
        assert_eq!(RgbImage::new(Size::new(2, 2), vec![0; 11]), None);
    }
}
