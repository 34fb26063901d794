//! Frames on their way from shared memory to the picture: partial, stalled, too short, and still being written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;

use common::{Frame, assert_close, bytes, layout, noise, reference, renderer};
use ivshmem::{PixelStream, SharedMemory, SharedSlice, Stalled};
use picture::{
    Damage, FrameLayout, FrameRect, GuestPoint, PixelFormat, PointerKind, PointerShape,
    PointerState, Rotation, ScaleFilter, Scene, Size, ViewOptions,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use render::{GlesRenderer, RenderOptions, UploadError, UploadPath};

const FRAME: Size = Size::new(61, 40);

const PATHS: [UploadPath; 2] = [UploadPath::Staging, UploadPath::Persistent];

fn by(path: UploadPath, size: Size) -> Option<GlesRenderer> {
    let options = RenderOptions {
        upload: Some(path),
        ..RenderOptions::default()
    };
    let renderer = renderer(size, &options)?;
    assert_eq!(renderer.upload_path(), path);
    Some(renderer)
}

fn plain<'a>(layout: &'a FrameLayout) -> Scene<'a> {
    Scene {
        layout: Some(layout),
        view: ViewOptions {
            filter: ScaleFilter::Nearest,
            ..ViewOptions::default()
        },
        ..Scene::default()
    }
}

fn assert_shows(renderer: &mut GlesRenderer, scene: &Scene<'_>, bytes: &[u8], what: &str) {
    renderer.draw(scene).unwrap();
    let want = reference::compose(scene, bytes, renderer.size());
    // One step: the conversions of light.
    assert_close(&renderer.read_pixels().unwrap(), &want, 1, what);
}

/// One step of a session.
#[derive(Clone, Debug)]
enum Step {
    /// These rectangles change.
    Change(Vec<FrameRect>),
    /// The host dies after so many thousandths of the frame.
    Stall(Vec<FrameRect>, usize),
    /// The pointer moves.
    Point(i32, i32),
    /// What was drawn is presented.
    Present,
}

fn step() -> impl Strategy<Value = Step> {
    let rect = (0..FRAME.width, 0..FRAME.height, 1..30_u32, 1..20_u32)
        .prop_map(|(x, y, w, h)| FrameRect::new(x, y, w, h).clamped(FRAME));
    let rects = prop::collection::vec(rect, 1..5).boxed();
    prop_oneof![
        4 => rects.clone().prop_map(Step::Change),
        1 => (rects, 0..1000_usize).prop_map(|(rects, part)| Step::Stall(rects, part)),
        2 => (-10..70, -10..50).prop_map(|(x, y)| Step::Point(x, y)),
        2 => Just(Step::Present),
    ]
}

/// A guest's screen, and what the renderer has not been told of it yet.
struct Session {
    layout: FrameLayout,
    bytes: Vec<u8>,
    shown: Vec<u8>,
    untold: Damage,
    pointer: PointerState,
}

impl Session {
    fn change(&mut self, rects: &[FrameRect], noise: &mut impl FnMut() -> u8) {
        let size = self.layout.format.bytes_per_pixel();
        for rect in rects {
            self.untold.add(*rect);
            for y in rect.y..rect.y + rect.height {
                let start = (y * self.layout.pitch_bytes + rect.x * size) as usize;
                let row = &mut self.bytes[start..][..(rect.width * size) as usize];
                row.iter_mut().for_each(|byte| *byte = noise());
            }
        }
    }

    fn upload(&mut self, renderer: &mut GlesRenderer, written: usize) {
        let mut frame = Frame::new(&self.bytes);
        frame.written = written;
        match renderer.upload(&self.layout, &self.untold, &mut frame) {
            Ok(()) => {
                self.shown.clone_from(&self.bytes);
                self.untold = Damage::NONE;
            }
            Err(UploadError::Stalled(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Runs random sessions: after each step, the picture must be that of the bytes taken over last.
fn run_sessions(path: UploadPath, format: PixelFormat, buffer: Size) {
    let Some(renderer) = by(path, buffer) else {
        return;
    };
    let renderer = RefCell::new(renderer);
    let config = Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = (any::<u64>(), prop::collection::vec(step(), 1..10));
    let shape = PointerShape {
        kind: PointerKind::MaskedColour,
        width: 9,
        height: 5,
        pitch_bytes: 36,
        hot_spot: (0, 0),
        data: (0..180).collect(),
    };
    let session = |(seed, steps): (u64, Vec<Step>)| {
        let renderer = &mut *renderer.borrow_mut();
        let layout = layout(format, FRAME, Rotation::from_quarter_turns(seed as u32));
        let mut noise = noise(seed);
        let bytes = bytes(&layout, seed);
        let mut session = Session {
            layout,
            shown: bytes.clone(),
            bytes,
            untold: Damage::FULL,
            pointer: PointerState::default(),
        };
        session.upload(renderer, usize::MAX);
        for step in &steps {
            match step {
                Step::Change(rects) => {
                    session.change(rects, &mut noise);
                    session.upload(renderer, usize::MAX);
                }
                Step::Stall(rects, part) => {
                    session.change(rects, &mut noise);
                    session.upload(renderer, session.bytes.len() * part / 1000);
                }
                Step::Point(x, y) => {
                    session.pointer.position = GuestPoint { x: *x, y: *y };
                    session.pointer.is_visible = true;
                }
                Step::Present => renderer.present().unwrap(),
            }
            let scene = Scene {
                pointer: session.pointer,
                shape: Some(&shape),
                ..plain(&session.layout)
            };
            let what = format!("{path:?} {format:?} {buffer:?} after {step:?}");
            assert_shows(renderer, &scene, &session.shown, &what);
        }
        Ok(())
    };
    TestRunner::new(config).run(&steps, session).unwrap();
}

#[test]
fn damage_gives_the_same_picture_as_everything_by_every_path() {
    for path in PATHS {
        for format in PixelFormat::ALL {
            if format != PixelFormat::Rgba16F {
                run_sessions(path, format, FRAME);
            }
        }
    }
}

#[test]
fn damage_gives_the_same_picture_as_everything_when_scaled() {
    run_sessions(UploadPath::Staging, PixelFormat::Bgra8, Size::new(100, 47));
    run_sessions(UploadPath::Staging, PixelFormat::Bgra8, Size::new(30, 55));
}

#[test]
fn a_stalled_host_leaves_the_picture_as_it_was() {
    for path in PATHS {
        let Some(mut renderer) = by(path, FRAME) else {
            return;
        };
        let old = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
        let old_bytes = bytes(&old, 1);
        let mut frame = Frame::new(&old_bytes);
        renderer.upload(&old, &Damage::FULL, &mut frame).unwrap();
        // The next frame, once of the same layout and once of another one.
        for format in [PixelFormat::Bgra8, PixelFormat::Rgb24] {
            let new = layout(format, FRAME, Rotation::Deg0);
            let new_bytes = bytes(&new, 2);
            let mut frame = Frame::new(&new_bytes);
            frame.written = new_bytes.len() / 2;
            let failed = renderer.upload(&new, &Damage::FULL, &mut frame);
            let Err(UploadError::Stalled(stalled)) = failed else {
                panic!("{failed:?}");
            };
            assert_eq!(stalled.available, frame.written);
            assert_eq!(renderer.layout(), Some(&old));
            assert_shows(&mut renderer, &plain(&old), &old_bytes, "stalled");
        }
    }
}

#[test]
fn only_damaged_rows_are_waited_for() {
    let Some(mut renderer) = by(UploadPath::Staging, FRAME) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
    let bytes = bytes(&layout, 1);
    let mut frame = Frame::new(&bytes);
    renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
    assert_eq!(frame.waits, [bytes.len()]);
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(3, 4, 5, 6));
    let mut frame = Frame::new(&bytes);
    renderer.upload(&layout, &damage, &mut frame).unwrap();
    assert_eq!(frame.waits, [10 * layout.pitch_bytes as usize]);
}

/// A host that writes each byte only when it is waited for.
struct Lazy<'a> {
    memory: SharedMemory,
    bytes: &'a [u8],
    written: usize,
    longest: usize,
}

impl PixelStream for Lazy<'_> {
    fn pixels(&self) -> SharedSlice<'_> {
        self.memory.as_slice()
    }

    fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled> {
        self.longest = self.longest.max(bytes - self.written);
        let new = &self.bytes[self.written..bytes];
        self.memory.as_slice().copy_from(self.written, new).unwrap();
        self.written = bytes;
        Ok(bytes)
    }
}

#[test]
fn a_large_frame_is_followed_in_bands_while_it_is_written() {
    let size = Size::new(1000, 900);
    for path in PATHS {
        let Some(mut renderer) = by(path, size) else {
            return;
        };
        let layout = layout(PixelFormat::Bgra8, size, Rotation::Deg0);
        let bytes = bytes(&layout, 5);
        let mut host = Lazy {
            memory: SharedMemory::create("lazy", bytes.len()).unwrap(),
            bytes: &bytes,
            written: 0,
            longest: 0,
        };
        renderer.upload(&layout, &Damage::FULL, &mut host).unwrap();
        assert!(host.longest <= 1 << 20, "{} bytes at once", host.longest);
        assert_shows(&mut renderer, &plain(&layout), &bytes, "written late");
    }
}

#[test]
fn a_frame_that_leaves_its_memory_is_refused() {
    for path in PATHS {
        let Some(mut renderer) = by(path, FRAME) else {
            return;
        };
        let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
        let bytes = bytes(&layout, 1);
        let mut frame = Frame::new(&bytes[..bytes.len() - 32]);
        frame.written = bytes.len();
        let failed = renderer.upload(&layout, &Damage::FULL, &mut frame);
        assert!(matches!(failed, Err(UploadError::Access(_))), "{failed:?}");
    }
}

#[test]
fn absurd_layouts_are_refused() {
    let Some(mut renderer) = by(UploadPath::Persistent, FRAME) else {
        return;
    };
    let mut too_wide = FrameLayout::packed(PixelFormat::Bgra8, Size::new(32768, 1));
    let mut too_long = FrameLayout::packed(PixelFormat::Rgba8, Size::new(8, 32768));
    let mut thin_rows = FrameLayout::packed(PixelFormat::Bgra8, FRAME);
    thin_rows.pitch_bytes = 8;
    let mut much_padding = FrameLayout::packed(PixelFormat::Bgra8, FRAME);
    (much_padding.pitch_bytes, much_padding.rows) = (1 << 30, 40);
    let mut odd_rows = FrameLayout::packed(PixelFormat::Rgba16F, FRAME);
    odd_rows.pitch_bytes += 2;
    for layout in [
        &mut too_wide,
        &mut too_long,
        &mut thin_rows,
        &mut much_padding,
        &mut odd_rows,
    ] {
        let mut frame = Frame::new(&[0; 4096]);
        frame.written = usize::MAX;
        let failed = renderer.upload(layout, &Damage::FULL, &mut frame);
        let is_refused = !matches!(failed, Ok(()) | Err(UploadError::Access(_)));
        assert!(is_refused, "{layout:?}: {failed:?}");
        assert!(frame.waits.is_empty(), "refused before anything is copied");
    }
}

#[test]
fn unchanged_scenes_draw_nothing_and_small_changes_little() {
    let Some(mut renderer) = by(UploadPath::Staging, FRAME) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
    let bytes = bytes(&layout, 1);
    let mut frame = Frame::new(&bytes);
    renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
    let scene = plain(&layout);
    assert_eq!(renderer.draw(&scene).unwrap().pixels, FRAME.area());
    renderer.present().unwrap();
    let drawn = renderer.draw(&scene).unwrap();
    assert!(drawn.is_unchanged() && drawn.pixels == 0);
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(10, 10, 3, 2));
    renderer.upload(&layout, &damage, &mut frame).unwrap();
    let drawn = renderer.draw(&scene).unwrap();
    assert_eq!((drawn.damage.area(), drawn.pixels), (6, 6));
}

/// A frame of which only the damaged bytes are true.
fn begun(layout: &FrameLayout, rect: FrameRect, seed: u64) -> Vec<u8> {
    let mut pixels = bytes(layout, seed);
    let pitch = layout.pitch_bytes as usize;
    let bytes_per_pixel = layout.format.bytes_per_pixel();
    for (y, row) in pixels.chunks_mut(pitch).enumerate() {
        for (i, byte) in row.iter_mut().enumerate() {
            let (x, y) = (i as u32 / bytes_per_pixel, y as u32);
            let is_inside = rect.x <= x
                && u64::from(x) < rect.right()
                && rect.y <= y
                && u64::from(y) < rect.bottom();
            if !is_inside {
                *byte = 0;
            }
        }
    }
    pixels
}

#[test]
fn a_picture_that_begins_is_black_where_nothing_is_copied() {
    for path in PATHS {
        let Some(mut renderer) = by(path, FRAME) else {
            return;
        };
        // The same layout again, another one, and the first once more.
        let old = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
        let other = FrameLayout::packed(PixelFormat::Bgra8, FRAME);
        let rect = FrameRect::new(5, 6, 20, 11);
        let mut damage = Damage::NONE;
        damage.add(rect);
        for (round, layout) in [old, old, other, old].iter().enumerate() {
            let what = format!("{path:?} round {round}");
            let noise = bytes(layout, 3);
            renderer
                .upload(layout, &Damage::FULL, &mut Frame::new(&noise))
                .unwrap();
            assert_shows(&mut renderer, &plain(layout), &noise, &what);
            renderer.begin_picture();
            assert_shows(&mut renderer, &plain(layout), &noise, "kept until then");
            let noise = bytes(layout, 4);
            renderer
                .upload(layout, &damage, &mut Frame::new(&noise))
                .unwrap();
            let want = begun(layout, rect, 4);
            assert_shows(&mut renderer, &plain(layout), &want, &what);
        }
    }
}

#[test]
fn a_picture_whose_first_frame_stalls_does_not_begin() {
    let Some(mut renderer) = by(UploadPath::Staging, FRAME) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
    let old = bytes(&layout, 1);
    renderer
        .upload(&layout, &Damage::FULL, &mut Frame::new(&old))
        .unwrap();
    renderer.begin_picture();
    let new = bytes(&layout, 2);
    let mut stalled = Frame::new(&new);
    stalled.written = 100;
    assert!(
        renderer
            .upload(&layout, &Damage::FULL, &mut stalled)
            .is_err()
    );
    assert_shows(&mut renderer, &plain(&layout), &old, "the old one");
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(0, 0, 3, 3));
    renderer
        .upload(&layout, &damage, &mut Frame::new(&new))
        .unwrap();
    let want = begun(&layout, FrameRect::new(0, 0, 3, 3), 2);
    assert_shows(&mut renderer, &plain(&layout), &want, "the new one");
}
