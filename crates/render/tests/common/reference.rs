//! The picture of a scene, one pixel at a time in floating point, after kvmfr.md 3.3, 4.4 and 4.8.
//!
//! Only where the picture lies ([`Placement::target`]) is taken from elsewhere.

use picture::scene::Filter;
use picture::{
    Canvas, FrameLayout, PixelFormat, Placement, PointerKind, PointerShape, Rotation, Scene, Size,
    Transfer,
};

type Rgb = [f64; 3];

/// An image of any pixels.
#[derive(Clone)]
struct Image<T> {
    width: i64,
    height: i64,
    pixels: Vec<T>,
}

impl<T: Copy> Image<T> {
    fn new(size: Size, pixel: impl Fn(u32, u32) -> T) -> Self {
        let pixels = (0..size.height)
            .flat_map(|y| (0..size.width).map(move |x| (x, y)))
            .map(|(x, y)| pixel(x, y))
            .collect();
        Self {
            width: size.width.into(),
            height: size.height.into(),
            pixels,
        }
    }

    fn at(&self, x: i64, y: i64) -> T {
        let (x, y) = (x.clamp(0, self.width - 1), y.clamp(0, self.height - 1));
        self.pixels[(y * self.width + x) as usize]
    }

    /// A quarter turn clockwise: what was the lowest row becomes the first column.
    fn quarter(&self) -> Self {
        let size = Size::new(self.height as u32, self.width as u32);
        Self::new(size, |x, y| {
            self.at(y.into(), self.height - 1 - i64::from(x))
        })
    }

    fn turned(&self, turn: Rotation) -> Self {
        (0..turn.quarter_turns()).fold(self.clone(), |image, _| image.quarter())
    }
}

fn srgb(linear: f64) -> f64 {
    let x = if linear.is_nan() {
        0.0
    } else {
        linear.clamp(0.0, 1.0)
    };
    if x <= 0.003_130_8 {
        12.92 * x
    } else {
        1.055 * x.powf(1.0 / 2.4) - 0.055
    }
}

fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * 2.0_f64.powi(e - 25),
    }
}

fn pq_nits(code: u32) -> f64 {
    let e = f64::from(code) / 1023.0;
    let p = e.powf(1.0 / 78.84375);
    10_000.0 * ((p - 0.8359375).max(0.0) / (18.8515625 - 18.6875 * p)).powf(1.0 / 0.1593017578125)
}

/// Red, green and blue, 0 to 255, rounded.
fn decode(layout: &FrameLayout, bytes: &[u8], x: u32, y: u32) -> Rgb {
    if y >= layout.rows {
        return [0.0; 3];
    }
    let size = layout.format.bytes_per_pixel() as usize;
    let start = y as usize * layout.pitch_bytes as usize + x as usize * size;
    let p = &bytes[start..start + size];
    let word = || u32::from_le_bytes([p[0], p[1], p[2], p[3]]);
    let tens = || [0, 10, 20].map(|shift| word() >> shift & 1023);
    let halves = || [0, 2, 4].map(|i| half(u16::from_le_bytes([p[i], p[i + 1]])));
    match (layout.format, layout.transfer) {
        (PixelFormat::Bgra8 | PixelFormat::Bgr24Packed, _) => [p[2], p[1], p[0]].map(f64::from),
        (PixelFormat::Rgba8 | PixelFormat::Rgb24, _) => [p[0], p[1], p[2]].map(f64::from),
        (PixelFormat::Rgba10, Transfer::Pq2020) => {
            let [r, g, b] = tens().map(|code| pq_nits(code) / 203.0);
            [
                1.660_491 * r - 0.587_641 * g - 0.072_850 * b,
                -0.124_550 * r + 1.132_900 * g - 0.008_349 * b,
                -0.018_151 * r - 0.100_579 * g + 1.118_730 * b,
            ]
            .map(|light| (srgb(light) * 255.0).round())
        }
        (PixelFormat::Rgba10, _) => tens().map(|v| (f64::from(v) * 255.0 / 1023.0).round()),
        (PixelFormat::Rgba16F, Transfer::ScRgb) => {
            halves().map(|v| (srgb(v * 80.0 / 203.0) * 255.0).round())
        }
        (PixelFormat::Rgba16F, _) => halves().map(|v| (srgb(v) * 255.0).round()),
    }
}

fn mix(a: Rgb, b: Rgb, part: f64) -> Rgb {
    [0, 1, 2].map(|i| a[i] * (1.0 - part) + b[i] * part)
}

fn between(image: &Image<Rgb>, x: f64, y: f64) -> Rgb {
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let row = |dy: i64| {
        let at = |dx: i64| image.at(left as i64 + dx, top as i64 + dy);
        mix(at(0), at(1), x - left)
    };
    mix(row(0), row(1), y - top)
}

/// One pixel of a pointer.
#[derive(Clone, Copy)]
enum Over {
    Blend([u8; 3], u8),
    Replace([u8; 3]),
    Xor([u8; 3]),
}

fn pointer_pixel(shape: &PointerShape, x: u32, y: u32) -> Over {
    let row = |y: u32| &shape.data[(y * shape.pitch_bytes) as usize..];
    if shape.kind == PointerKind::Monochrome {
        let bit = |y: u32| row(y)[(x / 8) as usize] & (0x80 >> (x % 8)) != 0;
        return match (bit(y), bit(y + shape.height)) {
            (false, false) => Over::Replace([0; 3]),
            (false, true) => Over::Replace([255; 3]),
            (true, false) => Over::Xor([0; 3]),
            (true, true) => Over::Xor([255; 3]),
        };
    }
    let p = &row(y)[4 * x as usize..];
    let rgb = [p[2], p[1], p[0]];
    match (shape.kind, p[3]) {
        (PointerKind::Colour, alpha) => Over::Blend(rgb, alpha),
        (_, 0) => Over::Replace(rgb),
        _ => Over::Xor(rgb),
    }
}

/// The pointer over one pixel whose centre is at `x`, `y` of the pointer's picture.
fn point(under: Rgb, pointer: &Image<Over>, x: f64, y: f64, is_linear: bool) -> Rgb {
    if x < 0.0 || y < 0.0 || x >= pointer.width as f64 || y >= pointer.height as f64 {
        return under;
    }
    match pointer.at(x.floor() as i64, y.floor() as i64) {
        Over::Replace(rgb) => rgb.map(f64::from),
        Over::Xor(rgb) => [0, 1, 2].map(|i| f64::from(under[i] as u8 ^ rgb[i])),
        Over::Blend(..) if is_linear => {
            let (x, y) = (x - 0.5, y - 0.5);
            let (mut colour, mut alpha) = ([0.0; 3], 0.0);
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let weight = |at: f64, d: i64| {
                    if d == 0 {
                        1.0 - at.fract_up()
                    } else {
                        at.fract_up()
                    }
                };
                let weight = weight(x, dx) * weight(y, dy);
                let (x, y) = (x.floor() as i64 + dx, y.floor() as i64 + dy);
                if let Over::Blend(rgb, a) = pointer.at(x, y) {
                    let part = weight * f64::from(a) / 255.0;
                    alpha += part;
                    colour = [0, 1, 2].map(|i| colour[i] + part * f64::from(rgb[i]));
                }
            }
            [0, 1, 2].map(|i| (colour[i] + under[i] * (1.0 - alpha)).round())
        }
        Over::Blend(rgb, alpha) => {
            mix(under, rgb.map(f64::from), f64::from(alpha) / 255.0).map(f64::round)
        }
    }
}

trait Fract {
    fn fract_up(self) -> f64;
}

impl Fract for f64 {
    /// The part above the next lower whole number, also below zero.
    fn fract_up(self) -> f64 {
        self - self.floor()
    }
}

/// Draws a scene without a message.
pub(crate) fn compose(scene: &Scene<'_>, bytes: &[u8], buffer: Size) -> Canvas {
    let mut canvas = Canvas::new(buffer);
    let Some(layout) = scene.layout else {
        return canvas;
    };
    let placement = Placement::new(layout, buffer, &scene.view);
    let turn = layout.rotation.then(scene.view.rotation);
    let stored = Image::new(layout.frame, |x, y| decode(layout, bytes, x, y));
    let picture = stored.turned(turn);
    let desktop = scene.view.rotation.size(layout.desktop());
    let pointer = scene.visible_pointer().map(|(shape, state)| {
        let size = Size::new(shape.width, shape.height);
        let image = Image::new(size, |x, y| pointer_pixel(shape, x, y));
        let (x, y) = (f64::from(state.position.x), f64::from(state.position.y));
        let (w, h) = (f64::from(shape.width), f64::from(shape.height));
        let upright = layout.desktop();
        let (dw, dh) = (f64::from(upright.width), f64::from(upright.height));
        // The corner of the pointer's rectangle that is the top left one after the turn.
        let (x, y) = match scene.view.rotation {
            Rotation::Deg0 => (x, y),
            Rotation::Deg90 => (dh - y - h, x),
            Rotation::Deg180 => (dw - x - w, dh - y - h),
            Rotation::Deg270 => (y, dw - x - w),
        };
        (image.turned(scene.view.rotation), x, y)
    });
    let target = placement.target;
    for dy in 0..target.height {
        for dx in 0..target.width {
            // Multiplied first, so that whole numbers come out whole.
            let at = |d: u32, from: f64, to: u32| (f64::from(d) + 0.5) * from / f64::from(to);
            let x = at(dx, picture.width as f64, target.width);
            let y = at(dy, picture.height as f64, target.height);
            let mut rgb = match placement.filter {
                Filter::Nearest => picture.at(x.floor() as i64, y.floor() as i64),
                Filter::Linear => between(&picture, x, y).map(f64::round),
            };
            if let Some((image, left, top)) = &pointer {
                let x = at(dx, desktop.width.into(), target.width) - left;
                let y = at(dy, desktop.height.into(), target.height) - top;
                let is_linear = placement.pointer_filter == Filter::Linear;
                rgb = point(rgb, image, x, y, is_linear);
            }
            let shift = u32::from(scene.dimmed);
            let [r, g, b] = rgb.map(|value| value as u8 >> shift);
            let column = (target.x as u32 + dx) as usize * 4;
            let row = (target.y as u32 + dy) as usize * canvas.pitch_bytes();
            canvas.bytes_mut()[row + column..][..3].copy_from_slice(&[b, g, r]);
        }
    }
    canvas
}
