//! What pixel values become on an SDR 8-bit target (kvmfr.md 4.8), by tables.

use crate::canvas::OPAQUE;
use crate::format::{PixelFormat, Transfer};

/// Nits of SDR white, in PQ and scRGB pictures (ITU-R BT.2408).
pub const WHITE_NITS: f64 = 203.0;

/// Linear BT.2020 to linear BT.709, row by row.
const BT2020_TO_BT709: [[f32; 3]; 3] = [
    [1.660_491, -0.587_641, -0.072_850],
    [-0.124_550, 1.132_9, -0.008_349],
    [-0.018_151, -0.100_579, 1.118_73],
];

/// Encodes a linear value 0 to 1 as sRGB, 0 to 1 (IEC 61966-2-1); what is outside is clamped, NaN becomes 0.
#[must_use]
pub fn srgb_encode(linear: f64) -> f64 {
    if linear.is_nan() || linear <= 0.0 {
        0.0
    } else if linear <= 0.003_130_8 {
        12.92 * linear
    } else {
        (1.055 * linear.powf(1.0 / 2.4) - 0.055).min(1.0)
    }
}

/// Decodes an sRGB-encoded value 0 to 1 to linear light.
#[must_use]
pub fn srgb_decode(encoded: f64) -> f64 {
    if encoded <= 0.040_45 {
        encoded / 12.92
    } else {
        ((encoded + 0.055) / 1.055).powf(2.4)
    }
}

/// The constants of SMPTE ST 2084.
mod pq {
    pub(super) const M1: f64 = 2610.0 / 16384.0;
    pub(super) const M2: f64 = 2523.0 / 4096.0 * 128.0;
    pub(super) const C1: f64 = 3424.0 / 4096.0;
    pub(super) const C2: f64 = 2413.0 / 4096.0 * 32.0;
    pub(super) const C3: f64 = 2392.0 / 4096.0 * 32.0;
}

/// Decodes a PQ value 0 to 1 to nits, 0 to 10 000 (SMPTE ST 2084).
#[must_use]
pub fn pq_to_nits(encoded: f64) -> f64 {
    let root = encoded.max(0.0).powf(1.0 / pq::M2);
    10_000.0 * ((root - pq::C1).max(0.0) / (pq::C2 - pq::C3 * root)).powf(1.0 / pq::M1)
}

/// Encodes nits, 0 to 10 000, as a PQ value 0 to 1 (SMPTE ST 2084).
#[must_use]
pub fn nits_to_pq(nits: f64) -> f64 {
    let light = (nits / 10_000.0).clamp(0.0, 1.0).powf(pq::M1);
    ((pq::C1 + pq::C2 * light) / (1.0 + pq::C3 * light)).powf(pq::M2)
}

/// The value of an IEEE 754 half float.
#[must_use]
pub fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    match exponent {
        0 => sign * fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

/// The half float nearest to a value; too large ones become infinite.
#[must_use]
pub fn half_from_f64(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let magnitude = value.abs();
    if value.is_nan() {
        return 0x7e00;
    }
    if magnitude >= 65520.0 {
        return sign | 0x7c00;
    }
    // The bits of a half float count its values in order, so the nearest is found by its place in the step.
    let exponent = (magnitude.log2().floor() as i32).clamp(-14, 15);
    let step = 2f64.powi(exponent - 10);
    let steps = (magnitude / step).round_ties_even() as i32;
    let place = (exponent + 14) * 1024 + steps;
    sign | u16::try_from(place).unwrap_or(0x7c00)
}

/// `round(255 * x)` of an encoded value 0 to 1.
fn to_byte(encoded: f64) -> u8 {
    (encoded.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// sRGB encoding of linear values to bytes, as exact as the formula, without a power function.
struct SrgbBytes {
    /// The byte at the lower end of each of 4096 steps around the multiples of 1/4096; of a length that any masked index is inside.
    start: Box<[u8; 8192]>,
    /// The least linear value that becomes at least this byte.
    threshold: [f32; 257],
}

impl SrgbBytes {
    const STEPS: f32 = 4096.0;

    fn new() -> Self {
        let mut threshold = [f32::INFINITY; 257];
        for (byte, least) in threshold.iter_mut().enumerate().take(256).skip(1) {
            *least = srgb_decode((byte as f64 - 0.5) / 255.0) as f32;
        }
        threshold[0] = f32::NEG_INFINITY;
        let mut start = Box::new([255; 8192]);
        for (step, byte) in start.iter_mut().enumerate().take(4097) {
            let low = (step as f32 - 0.5) / Self::STEPS;
            let reached = threshold.iter().take_while(|&&least| least <= low).count();
            *byte = reached.saturating_sub(1).min(255) as u8;
        }
        Self { start, threshold }
    }

    /// The byte of a linear value; one step is never wider than one byte, so one comparison corrects it.
    #[inline]
    fn encode(&self, linear: f32) -> u8 {
        // NaN cannot come from the tables.
        let linear = linear.clamp(0.0, 1.0);
        // Adding 2^23 leaves the value rounded to a whole number in the lowest bits, faster than a checked conversion.
        let step = (linear * Self::STEPS + 8_388_608.0).to_bits() & 0x1fff;
        let low = self.start[step as usize];
        low + u8::from(linear >= self.threshold[usize::from(low) + 1])
    }
}

/// Tables for RGBA10 in PQ.
struct Pq {
    linear: Box<[f32; 1024]>,
    bytes: SrgbBytes,
}

impl Pq {
    fn new() -> Self {
        let linear = |code: usize| (pq_to_nits(code as f64 / 1023.0) / WHITE_NITS) as f32;
        Self {
            linear: Box::new(std::array::from_fn(linear)),
            bytes: SrgbBytes::new(),
        }
    }

    #[inline]
    fn convert(&self, word: u32) -> [u8; 4] {
        let value = |shift: u32| self.linear[(word >> shift & 0x3ff) as usize];
        let rgb = [value(0), value(10), value(20)];
        let row = |m: &[f32; 3]| {
            self.bytes
                .encode(m[0] * rgb[0] + m[1] * rgb[1] + m[2] * rgb[2])
        };
        let [r, g, b] = BT2020_TO_BT709.each_ref().map(row);
        [b, g, r, 0xff]
    }
}

enum Kind {
    Bgra,
    Rgba,
    Rgba10(Vec<u8>),
    Pq(Box<Pq>),
    Half(Vec<u8>),
    Bgr24,
    Rgb24,
}

/// What is done to each run of pixels: a function that the loops over rows and columns are built around.
pub(crate) trait PixelLoop {
    /// Runs the loop over pixels of `N` bytes, each made into B, G, R, X by `convert`.
    fn run<const N: usize>(self, convert: impl Fn(&[u8; N]) -> [u8; 4]);
}

/// Converts stored pixels to B, G, R bytes; holds the tables of one format and transfer.
pub struct Converter {
    format: PixelFormat,
    transfer: Transfer,
    kind: Kind,
}

impl Converter {
    /// Makes the tables (up to 64 Ki entries, a few milliseconds).
    ///
    /// A transfer that a format does not have counts as its nearest: 8-bit formats are always shown as they are.
    #[must_use]
    pub fn new(format: PixelFormat, transfer: Transfer) -> Self {
        let kind = match format {
            PixelFormat::Bgra8 => Kind::Bgra,
            PixelFormat::Rgba8 => Kind::Rgba,
            PixelFormat::Bgr24Packed => Kind::Bgr24,
            PixelFormat::Rgb24 => Kind::Rgb24,
            PixelFormat::Rgba10 if transfer == Transfer::Pq2020 => Kind::Pq(Box::new(Pq::new())),
            PixelFormat::Rgba10 => {
                let byte = |v: u32| ((2 * v * 255 + 1023) / (2 * 1023)) as u8;
                Kind::Rgba10((0..1024).map(byte).collect())
            }
            PixelFormat::Rgba16F => Kind::Half(half_table(transfer)),
        };
        Self {
            format,
            transfer,
            kind,
        }
    }

    /// The format it converts from.
    #[must_use]
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// The transfer it converts from.
    #[must_use]
    pub const fn transfer(&self) -> Transfer {
        self.transfer
    }

    /// Converts one pixel to blue, green, red; `None` if there are too few bytes.
    #[must_use]
    pub fn bgr(&self, pixel: &[u8]) -> Option<[u8; 3]> {
        let pixel = pixel.get(..self.format.bytes_per_pixel() as usize)?;
        let mut out = [0; 4];
        self.run(OnePixel {
            pixel,
            out: &mut out,
        });
        let [b, g, r, _] = out;
        Some([b, g, r])
    }

    /// Runs `pixels` with the conversion of this format, so that the choice is made once a run.
    pub(crate) fn run(&self, pixels: impl PixelLoop) {
        match &self.kind {
            Kind::Bgra => pixels.run(|&p: &[u8; 4]| (u32::from_le_bytes(p) | OPAQUE).to_le_bytes()),
            // As a word, which compilers turn into vector instructions of any processor.
            Kind::Rgba => pixels.run(|&p: &[u8; 4]| {
                let word = u32::from_le_bytes(p);
                let swapped = word & 0x0000_ff00 | (word & 0xff) << 16 | word >> 16 & 0xff;
                (swapped | OPAQUE).to_le_bytes()
            }),
            Kind::Bgr24 => pixels.run(|&[b, g, r]: &[u8; 3]| [b, g, r, 0xff]),
            Kind::Rgb24 => pixels.run(|&[r, g, b]: &[u8; 3]| [b, g, r, 0xff]),
            Kind::Pq(tables) => pixels.run(|&p: &[u8; 4]| tables.convert(u32::from_le_bytes(p))),
            Kind::Rgba10(table) => pixels.run(|&p: &[u8; 4]| {
                let word = u32::from_le_bytes(p);
                let value = |shift: u32| table[(word >> shift & 0x3ff) as usize];
                [value(20), value(10), value(0), 0xff]
            }),
            Kind::Half(table) => pixels.run(|p: &[u8; 8]| {
                let value = |at: usize| table[usize::from(u16::from_le_bytes([p[at], p[at + 1]]))];
                [value(4), value(2), value(0), 0xff]
            }),
        }
    }
}

impl std::fmt::Debug for Converter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converter")
            .field("format", &self.format)
            .field("transfer", &self.transfer)
            .finish_non_exhaustive()
    }
}

struct OnePixel<'a> {
    pixel: &'a [u8],
    out: &'a mut [u8; 4],
}

impl PixelLoop for OnePixel<'_> {
    fn run<const N: usize>(self, convert: impl Fn(&[u8; N]) -> [u8; 4]) {
        if let Some(pixel) = self.pixel.first_chunk::<N>() {
            *self.out = convert(pixel);
        }
    }
}

/// The byte of each of the 65 536 half floats.
fn half_table(transfer: Transfer) -> Vec<u8> {
    let byte = |bits: u16| {
        let value = half_to_f64(bits);
        if value.is_nan() {
            return 0;
        }
        match transfer {
            Transfer::Srgb => to_byte(value),
            Transfer::Linear => to_byte(srgb_encode(value)),
            // 0x10 on half floats is ignored (kvmfr.md 4.8), so PQ counts as scRGB.
            Transfer::ScRgb | Transfer::Pq2020 => to_byte(srgb_encode(value * 80.0 / WHITE_NITS)),
        }
    };
    (0..=u16::MAX).map(byte).collect()
}

#[cfg(test)]
mod tests;
