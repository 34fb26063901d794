//! sRGB colours as pixels of any format and transfer.

use picture::convert::{WHITE_NITS, half_from_f64, nits_to_pq, srgb_decode};
use picture::{PixelFormat, Transfer};

/// Linear BT.709 to linear BT.2020, row by row (ITU-R BT.2087).
const BT709_TO_BT2020: [[f64; 3]; 3] = [
    [0.627_404, 0.329_283, 0.043_313],
    [0.069_097, 0.919_541, 0.011_362],
    [0.016_391, 0.088_013, 0.895_595],
];

/// The bytes of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedPixel {
    bytes: [u8; 8],
    len: usize,
}

impl EncodedPixel {
    fn new(pixel: &[u8]) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(pixel) {
            *to = *from;
        }
        Self {
            bytes,
            len: pixel.len().min(8),
        }
    }

    /// The bytes, as many as a pixel of the format has.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Makes the pixel that is shown as the sRGB colour red, green, blue (kvmfr.md 4.8).
#[must_use]
pub fn encode(format: PixelFormat, transfer: Transfer, [r, g, b]: [u8; 3]) -> EncodedPixel {
    let encoded = [r, g, b].map(|v| f64::from(v) / 255.0);
    match format {
        PixelFormat::Bgra8 => EncodedPixel::new(&[b, g, r, 0xff]),
        PixelFormat::Rgba8 => EncodedPixel::new(&[r, g, b, 0xff]),
        PixelFormat::Bgr24Packed => EncodedPixel::new(&[b, g, r]),
        PixelFormat::Rgb24 => EncodedPixel::new(&[r, g, b]),
        PixelFormat::Rgba10 => {
            let values = match transfer {
                Transfer::Pq2020 => to_pq(encoded.map(srgb_decode)),
                _ => encoded,
            };
            let [r, g, b] = values.map(|v| (v * 1023.0).round() as u32);
            EncodedPixel::new(&(r | g << 10 | b << 20 | 3 << 30).to_le_bytes())
        }
        PixelFormat::Rgba16F => {
            let values = match transfer {
                Transfer::Srgb => encoded,
                Transfer::Linear => encoded.map(srgb_decode),
                Transfer::ScRgb | Transfer::Pq2020 => {
                    encoded.map(|v| srgb_decode(v) * WHITE_NITS / 80.0)
                }
            };
            let [r, g, b] = values.map(half_from_f64);
            let mut pixel = EncodedPixel::new(&[0; 8]);
            for (to, from) in pixel.bytes.chunks_mut(2).zip([r, g, b, half_from_f64(1.0)]) {
                to.copy_from_slice(&from.to_le_bytes());
            }
            pixel
        }
    }
}

fn to_pq(linear: [f64; 3]) -> [f64; 3] {
    BT709_TO_BT2020.map(|row| {
        let light: f64 = row.iter().zip(linear).map(|(m, v)| m * v).sum();
        nits_to_pq(light * WHITE_NITS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use picture::convert::Converter;

    #[test]
    fn every_format_shows_the_colour_that_was_meant() {
        for format in PixelFormat::ALL {
            for transfer in Transfer::ALL {
                let converter = Converter::new(format, transfer);
                for colour in [[0; 3], [255; 3], [128; 3], [10, 200, 90], [255, 0, 30]] {
                    let pixel = encode(format, transfer, colour);
                    let [b, g, r] = converter.bgr(pixel.bytes()).unwrap();
                    for (seen, meant) in [r, g, b].into_iter().zip(colour) {
                        // Ten bits of PQ are coarse, most of all in the dark channel of a bright colour.
                        let far = match (transfer, colour) {
                            (Transfer::Pq2020, [255, 0, 30]) => 6,
                            (Transfer::Pq2020, _) => 2,
                            _ => 0,
                        };
                        assert!(
                            seen.abs_diff(meant) <= far,
                            "{format:?} {transfer:?} {colour:?} {seen}"
                        );
                    }
                }
            }
        }
    }
}
