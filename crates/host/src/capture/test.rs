//! The test pattern: a picture that moves by the clock, for tests, benchmarks and the demo.

use clock::{Clock as _, MonotonicClock, Nanos};
use picture::{Damage, FrameLayout, PixelFormat, PointerShape, PointerState, Transfer};
use relay::publisher::Pixels;
use relay::{PointerUpdate, Waker};
use testcard::{DamageMode, Pattern, PointerMode, pointer_position, pointer_shape};

use super::wait::sleep;
use super::{Capture, CaptureError, Captured, CapturedImage};
use crate::config::{TestDamage, TestFormat, TestPointer, TestSettings};

/// Frames for which one format is shown when they take turns.
const FORMAT_FRAMES: u32 = 120;
/// Percent of the picture that moves if nobody says otherwise.
const USUAL_SHARE: u32 = 25;

/// A source that needs no display.
pub struct TestCapture {
    settings: TestSettings,
    mode: DamageMode,
    pointer_mode: PointerMode,
    pattern: Pattern,
    pixels: Vec<u8>,
    damage: Damage,
    shape: Option<PointerShape>,
    interval: Nanos,
    next: Nanos,
    serial: u32,
    frames_left: Option<u64>,
    must_show_all: bool,
}

impl TestCapture {
    /// Makes the pattern that the settings describe.
    #[must_use]
    pub fn new(settings: &TestSettings) -> Self {
        let mode = damage_mode(settings.damage);
        let layout = layout_at(settings, 0);
        Self {
            mode,
            pointer_mode: pointer_mode(settings.pointer),
            pattern: pattern(settings, layout, mode),
            pixels: vec![0; bytes_of(&layout)],
            damage: Damage::FULL,
            shape: None,
            interval: Nanos(1_000_000_000 / i64::from(settings.frame_rate.max(1))),
            next: Nanos::ZERO,
            serial: 0,
            frames_left: settings.frame_count,
            must_show_all: true,
            settings: settings.clone(),
        }
    }

    /// Draws the frame of `now`.
    fn draw(&mut self, now: Nanos) {
        let layout = layout_at(&self.settings, self.serial);
        if layout != *self.pattern.layout() {
            self.pattern = pattern(&self.settings, layout, self.mode);
            self.pixels.clear();
            self.pixels.resize(bytes_of(&layout), 0);
        }
        let changed = self
            .pattern
            .draw(&mut self.pixels, self.serial, now.0.unsigned_abs());
        self.damage = self.mode.told(&changed, layout.frame);
        if std::mem::take(&mut self.must_show_all) {
            self.damage = Damage::FULL;
        }
    }

    /// Takes up the kind of pointer that is due; tells whether it is another one.
    fn turn_pointer(&mut self, is_all_new: bool) -> bool {
        let due = self.pointer_mode.kind(self.serial);
        let shown = self.shape.as_ref().map(|shape| shape.kind);
        if due != shown {
            self.shape = due.map(pointer_shape);
        }
        (due != shown || is_all_new) && due.is_some()
    }
}

impl Capture for TestCapture {
    fn name(&self) -> &'static str {
        "test"
    }

    fn next(&mut self, waker: &Waker, deadline: Nanos) -> Result<Captured<'_>, CaptureError> {
        if self.frames_left == Some(0) {
            return Err(CaptureError::Ended);
        }
        let mut now = MonotonicClock.now();
        if now < self.next {
            sleep(None, waker, self.next.min(deadline));
            now = MonotonicClock.now();
        }
        if now < self.next {
            return Ok(Captured::default());
        }
        // A fixed schedule, but a pause is not made up for.
        self.next = (self.next + self.interval).max(now - self.interval);
        self.frames_left = self.frames_left.map(|left| left - 1);
        let is_all_new = self.must_show_all;
        self.draw(now);
        let is_new_shape = self.turn_pointer(is_all_new);
        self.serial = self.serial.wrapping_add(1);
        let layout = *self.pattern.layout();
        let pointer = self.shape.as_ref().map(|shape| PointerUpdate {
            state: PointerState {
                position: pointer_position(now.0.unsigned_abs(), layout.desktop()),
                is_visible: true,
            },
            shape: is_new_shape.then_some(shape),
        });
        let (pixels, damage) = (Pixels::Private(&self.pixels), &self.damage);
        Ok(Captured {
            image: Some(CapturedImage {
                layout,
                pixels,
                damage,
            }),
            pointer,
        })
    }

    fn invalidate(&mut self) {
        self.must_show_all = true;
    }
}

/// The layout of a frame; they take turns with `test:format=cycle`.
fn layout_at(settings: &TestSettings, serial: u32) -> FrameLayout {
    let format = match settings.format {
        TestFormat::Fixed(format) => format,
        TestFormat::Cycle => {
            let turn = (serial / FORMAT_FRAMES) as usize % PixelFormat::ALL.len();
            PixelFormat::ALL
                .get(turn)
                .copied()
                .unwrap_or(PixelFormat::Bgra8)
        }
    };
    let mut layout = testcard::layout(format, settings.size);
    layout.rotation = settings.rotation;
    layout.transfer = match (format, settings.is_hdr) {
        (PixelFormat::Rgba10, true) => Transfer::Pq2020,
        (PixelFormat::Rgba16F, true) => Transfer::ScRgb,
        (PixelFormat::Rgba16F, false) => Transfer::Linear,
        _ => Transfer::Srgb,
    };
    if let Some(stride) = settings.stride {
        let pitch = stride.saturating_mul(format.bytes_per_pixel());
        layout.pitch_bytes = layout.pitch_bytes.max(pitch);
    }
    layout
}

fn pattern(settings: &TestSettings, layout: FrameLayout, mode: DamageMode) -> Pattern {
    Pattern::new(layout, settings.damage_share.unwrap_or(USUAL_SHARE)).with_damage(mode)
}

fn bytes_of(layout: &FrameLayout) -> usize {
    usize::try_from(layout.data_bytes()).unwrap_or(usize::MAX)
}

const fn damage_mode(wanted: TestDamage) -> DamageMode {
    match wanted {
        TestDamage::Moving => DamageMode::Moving,
        TestDamage::Full => DamageMode::Full,
        TestDamage::Overlap => DamageMode::Overlap,
        TestDamage::Max => DamageMode::Max,
        TestDamage::Invalid => DamageMode::Invalid,
        TestDamage::Null => DamageMode::Null,
        TestDamage::Zero => DamageMode::Zero,
    }
}

const fn pointer_mode(wanted: TestPointer) -> PointerMode {
    match wanted {
        TestPointer::None => PointerMode::None,
        TestPointer::Colour => PointerMode::Colour,
        TestPointer::Mono => PointerMode::Monochrome,
        TestPointer::Masked => PointerMode::Masked,
        TestPointer::Cycle => PointerMode::Cycle,
    }
}

#[cfg(test)]
mod tests {
    use picture::{Rotation, Size};
    use testcard::{Rows, read_stamp};

    use super::*;

    fn settings() -> TestSettings {
        TestSettings {
            size: Size::new(320, 64),
            frame_rate: 1000,
            frame_count: Some(3),
            format: TestFormat::Fixed(PixelFormat::Bgra8),
            damage: TestDamage::Moving,
            stride: None,
            is_hdr: false,
            rotation: Rotation::Deg0,
            pointer: TestPointer::Colour,
            damage_share: None,
        }
    }

    #[test]
    fn the_pattern_ends_after_as_many_frames_as_asked_for() {
        let mut capture = TestCapture::new(&settings());
        let waker = Waker::new().unwrap();
        let mut serials = Vec::new();
        loop {
            let deadline = MonotonicClock.now() + Nanos::from_millis(1000);
            match capture.next(&waker, deadline) {
                Ok(captured) => {
                    let Some(image) = captured.image else {
                        continue;
                    };
                    let Pixels::Private(bytes) = image.pixels else {
                        panic!("private pixels")
                    };
                    let rows = Rows {
                        bytes,
                        pitch_bytes: 320 * 4,
                        bytes_per_pixel: 4,
                    };
                    serials.push(read_stamp(&rows, (0, 0)).unwrap().serial);
                }
                Err(CaptureError::Ended) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(serials, [0, 1, 2]);
    }

    #[test]
    fn after_a_pause_everything_is_new() {
        let mut capture = TestCapture::new(&settings());
        let waker = Waker::new().unwrap();
        let mut next = |invalidate: bool| {
            if invalidate {
                capture.invalidate();
            }
            loop {
                let deadline = MonotonicClock.now() + Nanos::from_millis(1000);
                let captured = capture.next(&waker, deadline).unwrap();
                if let Some(image) = captured.image {
                    let has_shape = captured.pointer.is_some_and(|p| p.shape.is_some());
                    break (image.damage.is_full(), has_shape);
                }
            }
        };
        assert_eq!(next(false), (true, true));
        assert_eq!(next(false), (false, false));
        assert_eq!(next(true), (true, true));
    }

    #[test]
    fn the_stride_is_kept_and_never_too_small() {
        let wide = TestSettings {
            stride: Some(400),
            ..settings()
        };
        assert_eq!(layout_at(&wide, 0).pitch_bytes, 1600);
        let hdr = TestSettings {
            is_hdr: true,
            format: TestFormat::Fixed(PixelFormat::Rgba10),
            ..settings()
        };
        assert_eq!(layout_at(&hdr, 0).transfer, Transfer::Pq2020);
    }
}
