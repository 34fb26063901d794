//! The test pattern: a picture that moves by the clock, for tests, benchmarks and the demo.

use clock::{Clock as _, MonotonicClock, Nanos};
use kvmfr::Version;
use picture::{Damage, FrameLayout, FrameRect, PixelFormat, PointerShape, PointerState, Transfer};
use relay::publisher::Pixels;
use relay::{PointerUpdate, Waker};
use testcard::{Pattern, pointer_position, pointer_shape};

use super::wait::sleep;
use super::{Capture, CaptureError, CapturedImage, Due, PointerMover};
use crate::config::{TestFormat, TestSettings};

/// Frames for which one format is shown when they take turns.
const FORMAT_FRAMES: u32 = 120;
/// Percent of the picture that moves if nobody says otherwise.
const USUAL_SHARE: u32 = 25;

/// A source that needs no display.
pub struct TestCapture {
    settings: TestSettings,
    pattern: Pattern,
    pixels: Vec<u8>,
    damage: Damage,
    /// What `test:damage` tells of it, if that is not the damage itself.
    told: Option<Vec<FrameRect>>,
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
        let layout = layout_at(settings, 0);
        Self {
            pattern: pattern(settings, layout),
            pixels: vec![0; bytes_of(&layout)],
            damage: Damage::FULL,
            told: None,
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
            self.pattern = pattern(&self.settings, layout);
            self.pixels.clear();
            self.pixels.resize(bytes_of(&layout), 0);
        }
        let changed = self
            .pattern
            .draw(&mut self.pixels, self.serial, now.0.unsigned_abs());
        let mode = self.settings.damage;
        self.damage = mode.told(&changed, layout.frame);
        self.told = (mode.is_raw() && !self.damage.is_full())
            .then(|| mode.raw_rects(&changed, layout.frame));
        if std::mem::take(&mut self.must_show_all) {
            self.damage = Damage::FULL;
        }
    }

    /// Takes up the kind of pointer that is due; tells whether it is another one.
    fn turn_pointer(&mut self) -> bool {
        let due = self.settings.pointer.kind(self.serial);
        let shown = self.shape.as_ref().map(|shape| shape.kind);
        if due != shown {
            self.shape = due.map(pointer_shape);
        }
        due != shown && due.is_some()
    }
}

impl Capture for TestCapture {
    fn name(&self) -> &'static str {
        "test"
    }

    fn wait(
        &mut self,
        waker: &Waker,
        image_from: Nanos,
        deadline: Nanos,
    ) -> Result<Due, CaptureError> {
        if self.frames_left == Some(0) {
            return Err(CaptureError::Ended);
        }
        let due = self.next.max(image_from);
        if MonotonicClock.now() < due {
            sleep(None, waker, due.min(deadline));
        }
        let is_due = MonotonicClock.now() >= due;
        Ok(Due {
            image: is_due,
            pointer: is_due,
        })
    }

    fn image(&mut self) -> Result<Option<CapturedImage<'_>>, CaptureError> {
        let now = MonotonicClock.now();
        // A fixed schedule, but a pause is not made up for.
        self.next = (self.next + self.interval).max(now - self.interval);
        self.frames_left = self.frames_left.map(|left| left.saturating_sub(1));
        self.draw(now);
        self.serial = self.serial.wrapping_add(1);
        Ok(Some(CapturedImage {
            layout: *self.pattern.layout(),
            pixels: Pixels::Private(&self.pixels),
            damage: &self.damage,
            told: self.told.as_deref(),
        }))
    }

    fn pointer(&mut self) -> Result<Option<PointerUpdate<'_>>, CaptureError> {
        let is_new_shape = self.turn_pointer();
        let desktop = self.pattern.layout().desktop();
        let time_ns = MonotonicClock.now().0.unsigned_abs();
        Ok(self.shape.as_ref().map(|shape| PointerUpdate {
            state: PointerState {
                position: pointer_position(time_ns, desktop),
                is_visible: true,
            },
            shape: is_new_shape.then_some(shape),
        }))
    }

    fn invalidate(&mut self) {
        self.must_show_all = true;
    }

    /// The pattern's pointer moves by the clock alone.
    fn mover(&self) -> Option<Box<dyn PointerMover + Send>> {
        None
    }

    fn rest(&mut self) -> Result<(), CaptureError> {
        Ok(())
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
    // Before version 20 there are no words for HDR, and from then on none for half floats of another meaning.
    let can_say_hdr = settings.version == Version::V20;
    layout.transfer = match (format, can_say_hdr) {
        (PixelFormat::Rgba10, true) if settings.is_hdr => Transfer::Pq2020,
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

fn pattern(settings: &TestSettings, layout: FrameLayout) -> Pattern {
    let share = settings.damage_share.unwrap_or(USUAL_SHARE);
    Pattern::new(layout, share).with_damage(settings.damage)
}

fn bytes_of(layout: &FrameLayout) -> usize {
    usize::try_from(layout.data_bytes()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use picture::{Rotation, Size};
    use testcard::{DamageMode, PointerMode, Rows, read_stamp};

    use super::*;

    fn settings() -> TestSettings {
        TestSettings {
            size: Size::new(320, 64),
            frame_rate: 1000,
            frame_count: Some(3),
            format: TestFormat::Fixed(PixelFormat::Bgra8),
            damage: DamageMode::Moving,
            stride: None,
            is_hdr: false,
            rotation: Rotation::Deg0,
            pointer: PointerMode::Colour,
            damage_share: None,
            version: Version::V20,
        }
    }

    /// Waits for the next frame, and hands out the pattern with it.
    fn wait(capture: &mut TestCapture) -> Result<(), CaptureError> {
        let waker = Waker::new().unwrap();
        loop {
            let deadline = MonotonicClock.now() + Nanos::from_millis(1000);
            if capture.wait(&waker, Nanos::ZERO, deadline)?.image {
                return Ok(());
            }
        }
    }

    #[test]
    fn the_pattern_ends_after_as_many_frames_as_asked_for() {
        let mut capture = TestCapture::new(&settings());
        let mut serials = Vec::new();
        let end = loop {
            if let Err(error) = wait(&mut capture) {
                break error;
            }
            let image = capture.image().unwrap().unwrap();
            let Pixels::Private(bytes) = image.pixels else {
                panic!("private pixels")
            };
            let rows = Rows {
                bytes,
                pitch_bytes: 320 * 4,
                bytes_per_pixel: 4,
            };
            serials.push(read_stamp(&rows, (0, 0)).unwrap().serial);
        };
        assert!(matches!(end, CaptureError::Ended), "{end}");
        assert_eq!(serials, [0, 1, 2]);
    }

    #[test]
    fn frames_that_nobody_can_take_are_not_drawn() {
        let mut capture = TestCapture::new(&settings());
        let waker = Waker::new().unwrap();
        let now = MonotonicClock.now();
        let (far, soon) = (now + Nanos::from_millis(60_000), now);
        assert_eq!(capture.wait(&waker, far, soon).unwrap(), Due::default());
        assert!(capture.wait(&waker, Nanos::ZERO, soon).unwrap().image);
    }

    #[test]
    fn after_a_pause_everything_is_new() {
        let mut capture = TestCapture::new(&settings());
        let mut next = |invalidate: bool| {
            if invalidate {
                capture.invalidate();
            }
            wait(&mut capture).unwrap();
            let pointer = capture.pointer().unwrap();
            let has_shape = pointer.is_some_and(|update| update.shape.is_some());
            let image = capture.image().unwrap().unwrap();
            (image.damage.is_full(), has_shape)
        };
        assert_eq!(next(false), (true, true));
        assert_eq!(next(false), (false, false));
        assert_eq!(next(true), (true, false));
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

    #[test]
    fn the_pixels_mean_what_the_version_has_words_for() {
        let meaning = |version, format, is_hdr| {
            let settings = TestSettings {
                version,
                format: TestFormat::Fixed(format),
                is_hdr,
                ..settings()
            };
            layout_at(&settings, 0).transfer
        };
        for is_hdr in [false, true] {
            for version in [Version::V16, Version::V19] {
                let of = |format| meaning(version, format, is_hdr);
                assert_eq!(of(PixelFormat::Rgba10), Transfer::Srgb);
                assert_eq!(of(PixelFormat::Rgba16F), Transfer::Linear);
            }
            let of = |format| meaning(Version::V20, format, is_hdr);
            assert_eq!(of(PixelFormat::Rgba16F), Transfer::ScRgb);
            assert_eq!(of(PixelFormat::Bgra8), Transfer::Srgb);
        }
        let ten = meaning(Version::V20, PixelFormat::Rgba10, false);
        assert_eq!(ten, Transfer::Srgb);
    }
}
