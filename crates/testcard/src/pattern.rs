//! The picture: gradient, moving bars, a moving circle.

use picture::{Damage, FrameLayout, FrameRect, Size};

use crate::colour::encode;
use crate::damage::DamageMode;
use crate::stamp::{STAMP_SIZE, Stamp, write_stamp};

/// Pixels after which the bars and the gradient repeat.
const PERIOD: u32 = 256;

/// Columns and rows of the regions of [`DamageMode::Max`].
const GRID: (u32, u32) = (9, 7);

/// The moving test picture, drawn incrementally into one buffer.
///
/// Rows are copies of prepared strips, so that drawing costs little more than copying.
#[derive(Clone, Debug)]
pub struct Pattern {
    layout: FrameLayout,
    share: u32,
    mode: DamageMode,
    /// What does not move, what moves, and the circle on it: one row of `PERIOD` pixels more than the picture is wide.
    still: Vec<u8>,
    bars: Vec<u8>,
    circle: Vec<u8>,
    /// What the last frame drew; empty before the first.
    regions: Vec<FrameRect>,
    is_drawn: bool,
}

impl Pattern {
    /// Makes the pattern for frames of `layout`, of which `damage_share` percent (1 to 100) change from frame to frame.
    #[must_use]
    pub fn new(layout: FrameLayout, damage_share: u32) -> Self {
        let strip = |colour: fn(u8) -> [u8; 3]| {
            let encoded = |x: u8| encode(layout.format, layout.transfer, colour(x));
            let period: Vec<u8> = (0..=u8::MAX)
                .flat_map(|x| encoded(x).bytes().to_vec())
                .collect();
            let bytes = layout.format.row_bytes(layout.frame.width) as usize + period.len();
            period.iter().copied().cycle().take(bytes).collect()
        };
        Self {
            layout,
            share: damage_share.clamp(1, 100),
            mode: DamageMode::Moving,
            still: strip(|x| [x / 4 + 16, x / 8 + 24, 80 - x / 4]),
            bars: strip(|x| match x % 64 {
                0..12 => [240, 240 - x / 4, 40],
                32..36 => [20, 20, 20],
                _ => [x, 255 - x, 128],
            }),
            circle: strip(|x| [255 - x / 2, 64 + x / 2, 255]),
            regions: Vec::with_capacity(2),
            is_drawn: false,
        }
    }

    /// Makes the pattern change as `mode` wants: everything, many regions, or one (all others).
    #[must_use]
    pub fn with_damage(mut self, mode: DamageMode) -> Self {
        self.mode = mode;
        self
    }

    /// The layout it draws for.
    #[must_use]
    pub const fn layout(&self) -> &FrameLayout {
        &self.layout
    }

    /// Makes the next frame be drawn as a whole: the buffer is another one, or was overwritten.
    pub fn invalidate(&mut self) {
        self.is_drawn = false;
    }

    /// Draws the frame of a number and a time over the last one in `pixels`; returns exactly what was drawn.
    ///
    /// `pixels` is the frame's data, `layout.data_bytes()` long; what it lacks is left out.
    pub fn draw(&mut self, pixels: &mut [u8], serial: u32, time_ns: u64) -> Damage {
        let mut damage = if self.is_drawn {
            Damage::NONE
        } else {
            Damage::FULL
        };
        let size = self.layout.frame;
        let is_whole = self.share == 100 || self.mode == DamageMode::Full;
        let mut regions = std::mem::take(&mut self.regions);
        if !self.is_drawn && !is_whole {
            self.copy(pixels, &self.still, FrameRect::of_size(size), 0);
        }
        if self.is_drawn && !is_whole {
            for &region in &regions {
                self.copy(pixels, &self.still, region, 0);
                damage.add(region);
            }
        }
        regions.clear();
        if is_whole {
            regions.push(FrameRect::of_size(size));
        } else if self.mode == DamageMode::Max {
            self.grid(serial, &mut regions);
        } else {
            regions.push(self.moving_region(serial));
        }
        for &region in &regions {
            self.draw_region(pixels, region, serial);
            damage.add(region);
        }
        if write_stamp(pixels, &self.layout, Stamp { serial, time_ns }) {
            damage.add(FrameRect::of_size(STAMP_SIZE));
        }
        damage.clamp(size);
        self.regions = regions;
        self.is_drawn = true;
        damage
    }

    /// Where the one moving region is: its share of the picture, bouncing from edge to edge below the stamp.
    fn moving_region(&self, serial: u32) -> FrameRect {
        let Size { width, height } = self.layout.frame;
        let side = (f64::from(self.share) / 100.0).sqrt();
        let part = |len: u32| ((f64::from(len) * side).round() as u32).clamp(1, len.max(1));
        let (w, h) = (part(width), part(height));
        let top = STAMP_SIZE.height.min(height - h.min(height));
        FrameRect::new(
            bounce(serial, 3, width - w.min(width)),
            top + bounce(serial, 2, height - h.min(height) - top),
            w,
            h,
        )
    }

    /// Many regions with gaps between them, so that they stay rectangles of their own.
    fn grid(&self, serial: u32, out: &mut Vec<FrameRect>) {
        let Size { width, height } = self.layout.frame;
        let top = STAMP_SIZE.height.min(height);
        let (cell_w, cell_h) = (width / GRID.0, (height - top) / GRID.1);
        let side = (f64::from(self.share) / 100.0).sqrt().min(0.75);
        let part = |len: u32| (f64::from(len) * side) as u32;
        let (w, h) = (part(cell_w).max(1), part(cell_h).max(1));
        if cell_w < 3 || cell_h < 3 {
            out.push(self.moving_region(serial));
            return;
        }
        for cell in 0..GRID.0 * GRID.1 {
            let (column, row) = (cell % GRID.0, cell / GRID.0);
            let (x, y) = (column * cell_w + 1, top + row * cell_h + 1);
            out.push(FrameRect::new(x, y, w, h));
        }
    }

    fn draw_region(&self, pixels: &mut [u8], region: FrameRect, serial: u32) {
        let phase = serial.wrapping_mul(5);
        self.copy(pixels, &self.bars, region, phase);
        let radius = region.width.min(region.height) / 4;
        if radius == 0 {
            return;
        }
        let left = region.x + bounce(serial, 7, region.width - 2 * radius);
        let top = region.y + bounce(serial, 5, region.height - 2 * radius);
        let r = f64::from(radius);
        for row in 0..2 * radius {
            let from_centre = f64::from(row) + 0.5 - r;
            let half = (r * r - from_centre * from_centre).max(0.0).sqrt() as u32;
            let span = FrameRect::new(left + radius - half, top + row, 2 * half, 1);
            self.copy(pixels, &self.circle, span, phase);
        }
    }

    /// Fills a rectangle with a strip, a pixel further from row to row.
    fn copy(&self, pixels: &mut [u8], strip: &[u8], rect: FrameRect, phase: u32) {
        let bytes = self.layout.format.bytes_per_pixel() as usize;
        let pitch = self.layout.pitch_bytes as usize;
        let size = Size::new(
            self.layout.frame.width,
            self.layout.frame.height.min(self.layout.rows),
        );
        let rect = rect.clamped(size);
        let len = rect.width as usize * bytes;
        for y in rect.y..rect.y + rect.height {
            let offset = phase.wrapping_add(y).wrapping_add(rect.x) % PERIOD;
            let from = strip
                .get(offset as usize * bytes..)
                .and_then(|s| s.get(..len));
            let start = y as usize * pitch + rect.x as usize * bytes;
            if let (Some(from), Some(to)) = (from, pixels.get_mut(start..start + len)) {
                to.copy_from_slice(from);
            }
        }
    }
}

/// A way from 0 to `range` and back, `step` a frame.
fn bounce(serial: u32, step: u32, range: u32) -> u32 {
    if range == 0 {
        return 0;
    }
    let way = (u64::from(serial) * u64::from(step) % (2 * u64::from(range))) as u32;
    way.min((2 * range).saturating_sub(way))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{Rows, read_stamp};
    use picture::PixelFormat;

    const SIZE: Size = Size::new(400, 300);

    /// The pixels that differ, and how many of these are not in `damage`.
    fn changes(layout: &FrameLayout, old: &[u8], new: &[u8], damage: &Damage) -> (u64, u64) {
        let bytes = layout.format.bytes_per_pixel() as usize;
        let (mut changed, mut missed) = (0, 0);
        for y in 0..layout.frame.height {
            for x in 0..layout.frame.width {
                let start = y as usize * layout.pitch_bytes as usize + x as usize * bytes;
                if old[start..start + bytes] != new[start..start + bytes] {
                    changed += 1;
                    let pixel = FrameRect::new(x, y, 1, 1);
                    let mut rects = damage.rects_in(layout.frame);
                    missed += u64::from(!rects.any(|r| r.contains(pixel)));
                }
            }
        }
        (changed, missed)
    }

    #[test]
    fn damage_tells_everything_that_changed_and_little_more() {
        for format in PixelFormat::ALL {
            for mode in [DamageMode::Moving, DamageMode::Max] {
                let layout = crate::layout(format, SIZE);
                let mut pattern = Pattern::new(layout, 10).with_damage(mode);
                let mut pixels = vec![0; layout.data_bytes() as usize];
                assert!(pattern.draw(&mut pixels, 7, 70).is_full());
                for serial in 8..12 {
                    let old = pixels.clone();
                    let damage = pattern.draw(&mut pixels, serial, 10 * u64::from(serial));
                    let (changed, missed) = changes(&layout, &old, &pixels, &damage);
                    assert_eq!(missed, 0);
                    let told = damage.area_in(SIZE);
                    assert!(told <= SIZE.area() * 15 / 100, "{told}");
                    assert!(changed * 2 > told, "{changed} of {told}");
                }
            }
        }
    }

    #[test]
    fn nearly_all_pixels_change_at_a_full_share() {
        let layout = crate::layout(PixelFormat::Bgra8, SIZE);
        let mut pixels = vec![0; layout.data_bytes() as usize];
        let mut pattern = Pattern::new(layout, 100);
        pattern.draw(&mut pixels, 0, 0);
        let old = pixels.clone();
        let damage = pattern.draw(&mut pixels, 1, 1);
        assert!(damage.is_full());
        let (changed, _) = changes(&layout, &old, &pixels, &damage);
        assert!(changed > SIZE.area() * 8 / 10, "{changed}");
    }

    #[test]
    fn largest_number_of_rectangles_is_reached() {
        let layout = crate::layout(PixelFormat::Bgra8, SIZE);
        let mut pixels = vec![0; layout.data_bytes() as usize];
        let mut pattern = Pattern::new(layout, 10).with_damage(DamageMode::Max);
        pattern.draw(&mut pixels, 0, 0);
        assert_eq!(pattern.draw(&mut pixels, 1, 1).rects().len(), 64);
    }

    #[test]
    fn picture_does_not_depend_on_the_frames_before() {
        let layout = crate::layout(PixelFormat::Rgb24, SIZE);
        let mut one = vec![0; layout.data_bytes() as usize];
        let mut other = one.clone();
        let mut pattern = Pattern::new(layout, 20);
        for serial in [3, 4, 9, u32::MAX, 50] {
            pattern.draw(&mut one, serial, 5);
        }
        Pattern::new(layout, 20).draw(&mut other, 50, 5);
        assert!(one == other);
    }

    #[test]
    fn stamp_is_in_the_picture_and_rows_keep_to_their_pitch() {
        let mut layout = crate::layout(PixelFormat::Bgra8, SIZE);
        layout.pitch_bytes += 64;
        let mut pixels = vec![0xee; layout.data_bytes() as usize];
        Pattern::new(layout, 30).draw(&mut pixels, 5, 99);
        let rows = Rows {
            bytes: &pixels,
            pitch_bytes: layout.pitch_bytes as usize,
            bytes_per_pixel: 4,
        };
        let stamp = Stamp {
            serial: 5,
            time_ns: 99,
        };
        assert_eq!(read_stamp(&rows, (0, 0)), Some(stamp));
        for row in pixels.chunks(layout.pitch_bytes as usize) {
            assert!(row[1600..].iter().all(|&b| b == 0xee));
        }
    }

    #[test]
    fn any_size_and_any_buffer_can_be_drawn() {
        for (width, height) in [(1, 1), (5, 3), (300, 4), (9, 900), (257, 8)] {
            for mode in DamageMode::ALL {
                let layout = crate::layout(PixelFormat::Bgr24Packed, Size::new(width, height));
                let mut pattern = Pattern::new(layout, 1).with_damage(mode);
                let mut pixels = vec![0; layout.data_bytes() as usize];
                for serial in 0..5 {
                    pattern.draw(&mut pixels, serial, 0);
                    pattern.draw(&mut pixels[..2], serial, 0);
                    pattern.draw(&mut [], serial, 0);
                }
            }
        }
    }
}
