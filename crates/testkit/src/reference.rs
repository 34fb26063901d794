//! The naive picture: every pixel by itself, in floating point, straight from the specification (kvmfr.md 3.3, 4).
//!
//! Shares no code and no type with `picture` and `render`, so that a mistake in them cannot hide here. Slow.

/// A frame in the terms of the wire.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Frame type, 1 to 6.
    pub kind: u32,
    /// Flag 0x08.
    pub is_hdr: bool,
    /// KVMFR version.
    pub version: u32,
    /// Columns seen.
    pub width: u32,
    /// Rows seen, had none been cut.
    pub height: u32,
    /// Rows stored.
    pub rows: u32,
    /// Bytes from row to row.
    pub pitch: usize,
    /// Clockwise quarter turns to show it upright.
    pub rotation: u32,
    /// The guest's screen before rotation.
    pub screen: (u32, u32),
    /// The stored rows.
    pub bytes: &'a [u8],
}

/// A pointer in the terms of the wire.
#[derive(Clone, Copy, Debug)]
pub struct Pointer<'a> {
    /// Shape type: 0 colour, 1 monochrome, 2 masked colour.
    pub kind: u32,
    /// Left edge on the upright desktop.
    pub x: i32,
    /// Top edge on the upright desktop.
    pub y: i32,
    /// Columns.
    pub width: u32,
    /// Rows of data: twice those seen for monochrome.
    pub rows: u32,
    /// Bytes from row to row.
    pub pitch: usize,
    /// The rows.
    pub bytes: &'a [u8],
}

/// The window.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Columns of the window.
    pub width: u32,
    /// Rows of the window.
    pub height: u32,
    /// The picture keeps its shape.
    pub keep_aspect: bool,
    /// The picture is never larger than 1:1.
    pub dont_upscale: bool,
    /// Clockwise quarter turns of the user.
    pub rotation: u32,
    /// `egl:scale`: 0 automatic, 1 nearest, 2 linear.
    pub scale: u32,
}

/// One pixel: red, green, blue.
pub type Rgb = [u8; 3];

/// Composes the window, row by row.
#[must_use]
pub fn compose(frame: &Frame<'_>, pointer: Option<&Pointer<'_>>, view: &View) -> Vec<Rgb> {
    let turned = turned_size((frame.width, frame.height), frame.rotation + view.rotation);
    let target = target(turned, view);
    let mut pixels = Vec::new();
    for y in 0..view.height {
        for x in 0..view.width {
            let (Some(u), Some(v)) = (inside(x, target.0, target.2), inside(y, target.1, target.3))
            else {
                pixels.push([0; 3]);
                continue;
            };
            let mut rgb = sample(frame, view, turned, (target.2, target.3), (u, v));
            if let Some(pointer) = pointer {
                rgb = with_pointer(rgb, frame, pointer, view, (target.2, target.3), (u, v));
            }
            pixels.push(rgb);
        }
    }
    pixels
}

fn inside(at: u32, start: u32, len: u32) -> Option<u32> {
    at.checked_sub(start).filter(|at| *at < len)
}

fn turned_size(size: (u32, u32), turns: u32) -> (u32, u32) {
    if turns % 2 == 1 {
        (size.1, size.0)
    } else {
        size
    }
}

/// x, y, width and height of the picture in the window: as large as fits, rounded to nearest, centred.
fn target(picture: (u32, u32), view: &View) -> (u32, u32, u32, u32) {
    let (mut w, mut h) = (view.width, view.height);
    if view.keep_aspect {
        let (pw, ph) = (f64::from(picture.0), f64::from(picture.1));
        let factor = (f64::from(w) / pw).min(f64::from(h) / ph);
        let fit = |side: f64, most: u32| ((side * factor + 0.5).floor() as u32).clamp(1, most);
        (w, h) = (fit(pw, w), fit(ph, h));
        if view.dont_upscale && factor > 1.0 {
            (w, h) = picture;
        }
    } else if view.dont_upscale {
        (w, h) = (w.min(picture.0), h.min(picture.1));
    }
    ((view.width - w) / 2, (view.height - h) / 2, w, h)
}

/// The position of a window pixel's centre among `from` pixels that are shown as `to`: whole pixel and rest of 1.
fn centre(at: u32, from: u32, to: u32) -> (u32, f64) {
    let (numerator, denominator) = ((2 * u64::from(at) + 1) * u64::from(from), 2 * u64::from(to));
    (
        (numerator / denominator) as u32,
        (numerator % denominator) as f64 / denominator as f64,
    )
}

fn is_linear(from: (u32, u32), to: (u32, u32), scale: u32) -> bool {
    let is_whole = |from: u32, to: u32| to >= from && to.is_multiple_of(from);
    match scale {
        1 => false,
        2 => from != to,
        _ => !(is_whole(from.0, to.0) && is_whole(from.1, to.1)),
    }
}

/// The two neighbours of a linear filter, edges repeated, and the share of the second.
fn neighbours(at: u32, from: u32, to: u32) -> (u32, u32, f64) {
    let (whole, rest) = centre(at, from, to);
    let position = f64::from(whole) + rest - 0.5;
    let first = position.floor();
    let clamp = |p: f64| p.clamp(0.0, f64::from(from - 1)) as u32;
    (clamp(first), clamp(first + 1.0), position - first)
}

fn sample(
    frame: &Frame<'_>,
    view: &View,
    turned: (u32, u32),
    to: (u32, u32),
    at: (u32, u32),
) -> Rgb {
    let colour = |x, y| {
        let (x, y) = unturned((x, y), turned, frame.rotation + view.rotation);
        stored(frame, x, y)
    };
    if !is_linear(turned, to, view.scale) {
        return colour(
            centre(at.0, turned.0, to.0).0,
            centre(at.1, turned.1, to.1).0,
        );
    }
    let (x0, x1, fx) = neighbours(at.0, turned.0, to.0);
    let (y0, y1, fy) = neighbours(at.1, turned.1, to.1);
    let corners = [
        colour(x0, y0),
        colour(x1, y0),
        colour(x0, y1),
        colour(x1, y1),
    ];
    std::array::from_fn(|i| {
        let c = corners.map(|corner| f64::from(corner[i]));
        let (top, bottom) = (c[0] + (c[1] - c[0]) * fx, c[2] + (c[3] - c[2]) * fx);
        (top + (bottom - top) * fy).round() as u8
    })
}

/// Where a pixel of the picture turned clockwise `turns` times comes from; `size` is that of the turned picture.
fn unturned(at: (u32, u32), size: (u32, u32), turns: u32) -> (u32, u32) {
    let (x, y) = at;
    match turns % 4 {
        0 => (x, y),
        1 => (y, size.0 - 1 - x),
        2 => (size.0 - 1 - x, size.1 - 1 - y),
        _ => (size.1 - 1 - y, x),
    }
}

/// The colour of a stored pixel on an SDR screen (kvmfr.md 4.8).
fn stored(frame: &Frame<'_>, x: u32, y: u32) -> Rgb {
    if y >= frame.rows {
        return [0; 3];
    }
    let bytes_per_pixel = [0, 4, 4, 4, 8, 3, 3][frame.kind as usize];
    let start = y as usize * frame.pitch + x as usize * bytes_per_pixel;
    let p = &frame.bytes[start..start + bytes_per_pixel];
    match frame.kind {
        1 | 5 => [p[2], p[1], p[0]],
        2 | 6 => [p[0], p[1], p[2]],
        3 => {
            let word = u32::from_le_bytes([p[0], p[1], p[2], p[3]]);
            let ten = [word & 1023, word >> 10 & 1023, word >> 20 & 1023].map(f64::from);
            if frame.is_hdr && frame.version == 20 {
                pq_to_srgb(ten.map(|v| v / 1023.0))
            } else {
                ten.map(|v| (v * 255.0 / 1023.0).round() as u8)
            }
        }
        _ => {
            let factor = if frame.is_hdr || frame.version == 20 {
                80.0 / 203.0
            } else {
                1.0
            };
            [0, 2, 4].map(|i| encode(half(u16::from_le_bytes([p[i], p[i + 1]])) * factor))
        }
    }
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction > 0.0 => f64::NAN,
        31 => sign * f64::INFINITY,
        _ => sign * (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// Linear light, 1.0 = white, to sRGB.
fn encode(linear: f64) -> u8 {
    // NaN is black.
    let linear = if linear > 0.0 { linear.min(1.0) } else { 0.0 };
    let value = if linear <= 0.003_130_8 {
        linear * 12.92
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    };
    (value * 255.0).round() as u8
}

/// SMPTE ST 2084 and BT.2020 to sRGB, white at 203 nits.
fn pq_to_srgb(pq: [f64; 3]) -> Rgb {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 4096.0 * 128.0);
    let (c1, c2, c3) = (
        3424.0 / 4096.0,
        2413.0 / 4096.0 * 32.0,
        2392.0 / 4096.0 * 32.0,
    );
    let [r, g, b] = pq.map(|v: f64| {
        let v = v.powf(1.0 / m2);
        10_000.0 * ((v - c1).max(0.0) / (c2 - c3 * v)).powf(1.0 / m1) / 203.0
    });
    [
        encode(1.660_491 * r - 0.587_641 * g - 0.072_850 * b),
        encode(-0.124_550 * r + 1.132_900 * g - 0.008_349 * b),
        encode(-0.018_151 * r - 0.100_579 * g + 1.118_730 * b),
    ]
}

fn with_pointer(
    under: Rgb,
    frame: &Frame<'_>,
    pointer: &Pointer<'_>,
    view: &View,
    to: (u32, u32),
    at: (u32, u32),
) -> Rgb {
    let desktop = turned_size(frame.screen, frame.rotation);
    let turned = turned_size(desktop, view.rotation);
    let seen = if pointer.kind == 1 {
        pointer.rows / 2
    } else {
        pointer.rows
    };
    let size = (i64::from(pointer.width), i64::from(seen));
    // The pointer's pixel at a pixel of the turned desktop; one beside the pointer has a place outside its size.
    let place = |x: i64, y: i64| {
        let (w, h) = (i64::from(turned.0), i64::from(turned.1));
        let (x, y) = match view.rotation % 4 {
            0 => (x, y),
            1 => (y, w - 1 - x),
            2 => (w - 1 - x, h - 1 - y),
            _ => (h - 1 - y, x),
        };
        (x - i64::from(pointer.x), y - i64::from(pointer.y))
    };
    let (x, y) = place(
        centre(at.0, turned.0, to.0).0.into(),
        centre(at.1, turned.1, to.1).0.into(),
    );
    if !((0..size.0).contains(&x) && (0..size.1).contains(&y)) {
        return under;
    }
    if pointer.kind != 0 || !is_linear(turned, to, view.scale) {
        return combine(under, pointer, seen as usize, x as usize, y as usize);
    }
    // A colour pointer is scaled as the picture is, but ends where it ends; hidden colours do not count.
    let position = |at: u32, from: u32, to: u32| {
        let (whole, rest) = centre(at, from, to);
        let position = f64::from(whole) + rest - 0.5;
        (position.floor() as i64, position - position.floor())
    };
    let (left, fx) = position(at.0, turned.0, to.0);
    let (top, fy) = position(at.1, turned.1, to.1);
    let (mut rgb, mut covered) = ([0.0; 3], 0.0);
    for (dx, dy, weight) in [
        (0, 0, (1.0 - fx) * (1.0 - fy)),
        (1, 0, fx * (1.0 - fy)),
        (0, 1, (1.0 - fx) * fy),
        (1, 1, fx * fy),
    ] {
        let (x, y) = place(left + dx, top + dy);
        let (x, y) = (x.clamp(0, size.0 - 1), y.clamp(0, size.1 - 1));
        let start = y as usize * pointer.pitch + x as usize * 4;
        let p = &pointer.bytes[start..start + 4];
        let part = weight * f64::from(p[3]) / 255.0;
        covered += part;
        rgb = [2, 1, 0].map(|i| rgb[2 - i] + part * f64::from(p[i]));
    }
    std::array::from_fn(|i| (rgb[i] + f64::from(under[i]) * (1.0 - covered)).round() as u8)
}

/// kvmfr.md 3.3; screens are stored red first here, the pointer blue first.
fn combine(under: Rgb, pointer: &Pointer<'_>, seen: usize, x: usize, y: usize) -> Rgb {
    if pointer.kind == 1 {
        let bit = |row: usize| pointer.bytes[row * pointer.pitch + x / 8] & (0x80 >> (x & 7)) != 0;
        return match (bit(y), bit(y + seen)) {
            (false, false) => [0; 3],
            (false, true) => [255; 3],
            (true, false) => under,
            (true, true) => under.map(|v| !v),
        };
    }
    let start = y * pointer.pitch + x * 4;
    let p = &pointer.bytes[start..start + 4];
    let rgb = [p[2], p[1], p[0]];
    std::array::from_fn(|i| match (pointer.kind, p[3]) {
        (2, 0) => rgb[i],
        (2, _) => rgb[i] ^ under[i],
        (_, alpha) => {
            let alpha = f64::from(alpha) / 255.0;
            (f64::from(rgb[i]) * alpha + f64::from(under[i]) * (1.0 - alpha)).round() as u8
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_the_specification_come_out() {
        let ten = |r: u32, g: u32, b: u32, is_hdr| {
            let bytes = (r | g << 10 | b << 20).to_le_bytes();
            let frame = Frame {
                kind: 3,
                is_hdr,
                version: 20,
                width: 1,
                height: 1,
                rows: 1,
                pitch: 4,
                rotation: 0,
                screen: (1, 1),
                bytes: &bytes,
            };
            stored(&frame, 0, 0)
        };
        for (value, sdr) in [(0, 0), (100, 25), (512, 128), (1023, 255)] {
            assert_eq!(ten(value, value, value, false), [sdr; 3]);
        }
        for (value, pq) in [
            (0, 0),
            (128, 10),
            (256, 44),
            (512, 180),
            (593, 254),
            (1023, 255),
        ] {
            assert_eq!(ten(value, value, value, true), [pq; 3], "{value}");
        }
        assert_eq!(ten(512, 400, 256, true), [214, 92, 17]);
        assert_eq!(ten(512, 0, 0, true), [226, 0, 0]);
        let linear = [
            (0.003_130_8, 4, 10),
            (0.18, 75, 118),
            (0.5, 123, 188),
            (1.0, 168, 255),
        ];
        for (light, sc_rgb, plain) in linear {
            assert_eq!(
                (encode(light * 80.0 / 203.0), encode(light)),
                (sc_rgb, plain)
            );
        }
    }

    #[test]
    fn a_quarter_turn_brings_the_lower_left_corner_to_the_top_left() {
        // 2 x 1 stored as A B is shown after a quarter turn clockwise as A above B.
        let frame = Frame {
            kind: 2,
            is_hdr: false,
            version: 16,
            width: 2,
            height: 1,
            rows: 1,
            pitch: 8,
            rotation: 1,
            screen: (2, 1),
            bytes: &[1, 1, 1, 0, 2, 2, 2, 0],
        };
        let view = View {
            width: 1,
            height: 2,
            keep_aspect: true,
            dont_upscale: false,
            rotation: 0,
            scale: 0,
        };
        assert_eq!(compose(&frame, None, &view), [[1; 3], [2; 3]]);
        let upright = View {
            width: 2,
            height: 1,
            rotation: 3,
            ..view
        };
        assert_eq!(compose(&frame, None, &upright), [[1; 3], [2; 3]]);
    }
}
