//! What is shown: versions, pixel formats with what they mean, rotations, pointers, and sizes.

use kvmfr::Version;
use picture::{
    FrameLayout, GuestPoint, PixelFormat, PointerKind, PointerShape, PointerState, Rotation, Size,
    Transfer,
};

/// The window of the cases, in pixels.
pub const WINDOW: Size = Size::new(200, 150);

/// How a frame lies in [`WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// Exactly.
    OneToOne,
    /// Each pixel four times.
    Doubled,
    /// Exactly, of a guest whose screen is twice as large.
    Downsampled,
    /// Larger than the window, with bars.
    Reduced,
    /// Smaller than the window, with bars; packed in 24 bits it loses its last row (kvmfr.md 4.3).
    Enlarged,
}

impl Geometry {
    /// All that a version can carry.
    #[must_use]
    pub fn all_of(version: Version) -> &'static [Self] {
        use Geometry::{Doubled, Downsampled, Enlarged, OneToOne, Reduced};
        match version {
            // It has no screen that differs from its frame.
            Version::V16 => &[OneToOne, Reduced, Doubled, Enlarged],
            Version::V19 | Version::V20 => &[OneToOne, Reduced, Doubled, Enlarged, Downsampled],
        }
    }

    /// The size of the frame as it is stored, and that of the screen.
    fn sizes(self, rotation: Rotation) -> (Size, Size) {
        let turned = rotation.inverse().size(WINDOW);
        let frame = match self {
            Self::OneToOne | Self::Downsampled => turned,
            Self::Doubled => Size::new(turned.width / 2, turned.height / 2),
            Self::Reduced => Size::new(333, 217),
            Self::Enlarged => Size::new(63, 43),
        };
        let screen = match self {
            Self::Downsampled => Size::new(frame.width * 2, frame.height * 2),
            _ => frame,
        };
        (frame, screen)
    }
}

/// What pixels are and mean, in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The version that carries them.
    pub version: Version,
    /// How they are stored.
    pub format: PixelFormat,
    /// What they mean; the HDR flags follow from it.
    pub transfer: Transfer,
}

impl Content {
    /// All that a version knows, by kvmfr.md 4.3 and 4.8.
    #[must_use]
    pub fn all_of(version: Version) -> Vec<Self> {
        use PixelFormat::{Bgr24Packed, Bgra8, Rgb24, Rgba8, Rgba10, Rgba16F};
        let common = [
            (Bgra8, Transfer::Srgb),
            (Rgba8, Transfer::Srgb),
            (Rgba10, Transfer::Srgb),
        ];
        let own: &[_] = match version {
            Version::V16 | Version::V19 => &[(Rgba16F, Transfer::Linear)],
            Version::V20 => &[
                (Rgba10, Transfer::Pq2020),
                (Rgba16F, Transfer::ScRgb),
                (Bgr24Packed, Transfer::Srgb),
                (Rgb24, Transfer::Srgb),
            ],
        };
        let all = common.iter().chain(own);
        all.map(|&(format, transfer)| Self {
            version,
            format,
            transfer,
        })
        .collect()
    }

    /// Tells whether light has to be computed to show them.
    #[must_use]
    pub fn is_converted(self) -> bool {
        self.transfer != Transfer::Srgb
    }
}

/// One picture with its pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its pixels.
    pub content: Content,
    /// The guest's rotation.
    pub rotation: Rotation,
    /// Its size.
    pub geometry: Geometry,
    /// Its pointer; `None` hides it.
    pub pointer: Option<PointerKind>,
    /// Makes the pixels, the place of the pointer and its shape.
    pub seed: u32,
    /// The part of a pixel that means nothing says "opaque" instead of anything.
    pub is_opaque: bool,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Content {
            version,
            format,
            transfer,
        } = self.content;
        let Self {
            rotation,
            geometry,
            pointer,
            seed,
            ..
        } = self;
        write!(
            f,
            "{version:?} {format:?} {transfer:?} {rotation:?} {geometry:?}, pointer {pointer:?}, seed {seed}"
        )
    }
}

/// Pointers in the order in which they are shown: hidden after shown.
pub const POINTERS: [Option<PointerKind>; 4] = [
    Some(PointerKind::Colour),
    Some(PointerKind::Monochrome),
    Some(PointerKind::MaskedColour),
    None,
];

impl Case {
    /// The shape of the frame, with some padding behind each row where that is sound.
    #[must_use]
    pub fn layout(&self) -> FrameLayout {
        let (frame, screen) = self.geometry.sizes(self.rotation);
        let mut layout = FrameLayout::packed(self.content.format, frame);
        layout.pitch_bytes += self.seed % 3 * layout.format.bytes_per_pixel() * 4;
        layout.screen = screen;
        layout.rotation = self.rotation;
        layout.transfer = self.content.transfer;
        layout
    }

    /// Tells whether the picture is the same as another's, whatever the pointer.
    #[must_use]
    pub fn has_picture_of(&self, other: &Self) -> bool {
        let with_pointer = Self {
            pointer: other.pointer,
            ..*self
        };
        with_pointer == *other
    }

    /// The pixels: gradients over the whole range beside noise of any bits.
    #[must_use]
    pub fn bytes(&self, layout: &FrameLayout) -> Vec<u8> {
        let mut noise = Noise::new(self.seed);
        let bytes_per_pixel = layout.format.bytes_per_pixel() as usize;
        let mut bytes = Vec::new();
        for y in 0..layout.frame.height {
            let start = bytes.len();
            for x in 0..layout.frame.width {
                let random = noise.next() ^ u64::from(noise.next() as u32) << 32;
                let raw = random.to_le_bytes();
                if random >> 60 == 0 {
                    // Not a number, infinite, negative: all that can be stored.
                    bytes.extend_from_slice(&raw[..bytes_per_pixel]);
                } else {
                    push_pixel(&mut bytes, layout, shares(x, y, layout, raw), raw);
                }
                if self.is_opaque {
                    make_opaque(&mut bytes, layout.format);
                }
            }
            bytes.resize(start + layout.pitch_bytes as usize, noise.next() as u8);
        }
        bytes
    }

    /// The pointer's picture.
    #[must_use]
    pub fn shape(&self) -> Option<PointerShape> {
        let kind = self.pointer?;
        let (width, height) = (27, 19);
        let (pitch_bytes, rows) = match kind {
            PointerKind::Monochrome => (8, 2 * height),
            _ => (4 * width + 8, height),
        };
        let mut noise = Noise::new(self.seed ^ 0x5555);
        let mut data: Vec<u8> = (0..pitch_bytes * rows)
            .map(|_| noise.next() as u8)
            .collect();
        if kind != PointerKind::Monochrome {
            // Alpha and mask are often all or nothing.
            for pixel in data.as_chunks_mut::<4>().0 {
                pixel[3] = match noise.next() % 4 {
                    0 => 0,
                    1 => 255,
                    _ => pixel[3],
                };
            }
        }
        Some(PointerShape {
            kind,
            width,
            height,
            pitch_bytes,
            hot_spot: (3, 2),
            data,
        })
    }

    /// Where the pointer is: inside, or over one of two corners.
    #[must_use]
    pub fn pointer_state(&self) -> PointerState {
        let desktop = self.layout().desktop();
        let (w, h) = (desktop.width.cast_signed(), desktop.height.cast_signed());
        let (x, y) = match self.seed / 3 % 3 {
            0 => (w / 3, h / 4),
            1 => (-9, -6),
            _ => (w - 14, h - 11),
        };
        PointerState {
            position: GuestPoint { x, y },
            is_visible: self.pointer.is_some(),
        }
    }
}

/// Red, green and blue from 0 to 1: a gradient in every other band of rows, noise between.
fn shares(x: u32, y: u32, layout: &FrameLayout, noise: [u8; 8]) -> [f64; 3] {
    if y % 16 < 8 {
        let across = f64::from(x) / f64::from(layout.frame.width - 1);
        let down = f64::from(y) / f64::from(layout.frame.height - 1);
        [across, down, 1.0 - across]
    } else {
        let word = |i: usize| u16::from_le_bytes([noise[i], noise[i + 1]]);
        [0, 2, 4].map(|i| f64::from(word(i)) / 65535.0)
    }
}

fn push_pixel(bytes: &mut Vec<u8>, layout: &FrameLayout, shares: [f64; 3], raw: [u8; 8]) {
    let [r, g, b] = shares.map(|share| (share * 255.0).round() as u8);
    match layout.format {
        PixelFormat::Bgra8 => bytes.extend([b, g, r, raw[7]]),
        PixelFormat::Rgba8 => bytes.extend([r, g, b, raw[7]]),
        PixelFormat::Bgr24Packed => bytes.extend([b, g, r]),
        PixelFormat::Rgb24 => bytes.extend([r, g, b]),
        PixelFormat::Rgba10 => {
            let [r, g, b] = shares.map(|share| (share * 1023.0).round() as u32);
            let word = r | g << 10 | b << 20 | u32::from(raw[7]) << 30;
            bytes.extend(word.to_le_bytes());
        }
        PixelFormat::Rgba16F => {
            // Up to 1.3 times white; scRGB's white is at 203 / 80.
            let white = if layout.transfer == Transfer::ScRgb {
                203.0 / 80.0
            } else {
                1.0
            };
            for share in shares {
                bytes.extend(half(share * share * 1.3 * white).to_le_bytes());
            }
            bytes.extend([raw[6], raw[7]]);
        }
    }
}

/// Sets the alpha of the last pixel to 1.
fn make_opaque(bytes: &mut [u8], format: PixelFormat) {
    let Some(last) = bytes.last_chunk_mut::<2>() else {
        return;
    };
    match format {
        PixelFormat::Bgra8 | PixelFormat::Rgba8 => last[1] = 255,
        PixelFormat::Rgba10 => last[1] |= 0xc0,
        PixelFormat::Rgba16F => *last = 0x3c00_u16.to_le_bytes(),
        PixelFormat::Bgr24Packed | PixelFormat::Rgb24 => {}
    }
}

/// The half float next below a number from 0 to 65504.
fn half(value: f64) -> u16 {
    if value < 2f64.powi(-14) {
        return (value * 2f64.powi(24)) as u16;
    }
    let exponent = value.log2().floor();
    let fraction = (value / 2f64.powf(exponent) - 1.0) * 1024.0;
    ((exponent as i32 + 15) as u16) << 10 | (fraction as u16).min(1023)
}

/// Numbers without a pattern, the same on each run (xorshift).
struct Noise(u64);

impl Noise {
    fn new(seed: u32) -> Self {
        Self(u64::from(seed) << 16 | 0x9e37_79b9)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
