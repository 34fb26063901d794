//! Relayed frames and the console in one renderer: what is seen is always one of them, whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ivshmem::{PixelStream, SharedMemory};
use kvmfr::{FrameFlags, SessionDescription, Version};
use picture::{Canvas, FrameRect, Rotation, Scene, Size, ViewOptions};
use relay::publisher::{Image, Pixels, Publisher, PublisherOptions, Service};
use relay::{Event, Reader, ReaderOptions, Waker};
use render::{GlesRenderer, RenderOptions};

use super::*;
use crate::console::tests::server::{Server, argb};
use crate::guest_view::PictureSource;
use crate::renderer::{Shown, SoftwareView, UploadError};
use crate::session::{ConsolePolicy, HostFacts, Preferences};
use testkit::reference;

const SIZE: Size = Size::new(48, 32);
const LIMIT: Duration = Duration::from_secs(20);

/// GLES without a window.
struct Surfaceless(GlesRenderer);

impl Renderer for Surfaceless {
    fn describe(&self) -> String {
        "GLES without a window".into()
    }

    fn begin_picture(&mut self) {
        self.0.begin_picture();
    }

    fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: &mut dyn PixelStream,
    ) -> Result<(), UploadError> {
        self.0
            .upload(layout, damage, pixels)
            .map_err(|error| UploadError::Failed(error.into()))
    }

    fn resize(&mut self, size: Size) {
        self.0.resize(size).unwrap();
    }

    fn invalidate(&mut self) {
        self.0.invalidate();
    }

    fn draw(&mut self, scene: &Scene<'_>) -> anyhow::Result<Shown> {
        self.0.draw(scene)?;
        Ok(Shown::Yes)
    }
}

/// Both renderers, so that each step is taken by both.
struct Screens {
    software: SoftwareView,
    gles: Option<Surfaceless>,
    damage: Vec<Damage>,
}

impl Renderer for Screens {
    fn describe(&self) -> String {
        self.software.describe()
    }

    fn begin_picture(&mut self) {
        self.software.begin_picture();
        if let Some(gles) = &mut self.gles {
            gles.begin_picture();
        }
    }

    fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: &mut dyn PixelStream,
    ) -> Result<(), UploadError> {
        self.damage.push(damage.clone());
        if let Some(gles) = &mut self.gles {
            gles.upload(layout, damage, pixels)?;
        }
        self.software.upload(layout, damage, pixels)
    }

    fn resize(&mut self, size: Size) {
        self.software.resize(size);
    }

    fn invalidate(&mut self) {
        self.software.invalidate();
    }

    fn draw(&mut self, scene: &Scene<'_>) -> anyhow::Result<Shown> {
        self.software.draw(scene)?;
        if let Some(gles) = &mut self.gles {
            gles.resize(self.software.canvas().size());
            gles.draw(scene)?;
        }
        Ok(Shown::Yes)
    }
}

/// A host, a SPICE server and what the view thread has, in one thread.
struct Rig {
    publisher: Publisher,
    service: Service,
    reader: Reader,
    waker: Waker,
    server: Server,
    console: Console,
    screens: Screens,
    session: Session,
    pictures: TakeOver,
}

impl Rig {
    fn new(rotation: Rotation) -> Self {
        let memory = Arc::new(SharedMemory::create("take-over", 16 << 20).unwrap());
        let options = PublisherOptions {
            version: Version::V20,
            description: SessionDescription::default(),
        };
        let publisher = Publisher::new(Arc::clone(&memory), options).unwrap();
        let waker = Waker::new().unwrap();
        let console = Console::new(waker.clone());
        let preferences = Preferences {
            view: ViewOptions {
                rotation,
                ..ViewOptions::default()
            },
            alerts: false,
            quick_splash: true,
            console: ConsolePolicy::Auto,
            ..Preferences::default()
        };
        let gles = match GlesRenderer::surfaceless(SIZE, &RenderOptions::default()) {
            Ok(gles) => Some(Surfaceless(gles)),
            Err(error) => {
                testkit::skip("surfaceless EGL", &error.to_string());
                None
            }
        };
        Self {
            service: publisher.service(),
            publisher,
            reader: Reader::new(memory, ReaderOptions::default(), MonotonicClock),
            waker,
            server: Server::new(console.clone()),
            console,
            screens: Screens {
                software: SoftwareView::headless(),
                gles,
                damage: Vec::new(),
            },
            session: Session::new(preferences),
            pictures: TakeOver::default(),
        }
    }

    /// Publishes a picture of one grey with a rectangle in another, and takes it over.
    fn relay(&mut self, grey: u8, rect: FrameRect, inside: u8) -> Vec<u8> {
        let bytes = painted(grey, rect, inside);
        let mut damage = Damage::NONE;
        damage.add(rect);
        let image = Image {
            layout: FrameLayout::packed(PixelFormat::Bgra8, SIZE),
            pixels: Pixels::Private(&bytes),
            damage: &damage,
            flags: FrameFlags::empty(),
        };
        self.publisher.publish(&image).unwrap();
        let end = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < end, "the frame does not come");
            let now = MonotonicClock.now();
            self.service.tick(now, |_| ()).unwrap();
            self.publisher.serve_new_subscribers();
            let soon = Some(now + Nanos::from_millis(5));
            match self.reader.next(&self.waker, soon) {
                Event::Connected(_) => self.session.connected(HostFacts::default()),
                Event::Frame(frame) => {
                    let (screens, session) = (&mut self.screens, &mut self.session);
                    self.pictures.frame(frame, screens, session, None);
                    return bytes;
                }
                _ => {}
            }
        }
    }

    /// Looks at the console, as the view does, at a time far enough from the last.
    fn look(&mut self, now: Nanos) -> Option<Nanos> {
        let look = self.console.look();
        self.session.console(&look, now);
        let (screens, session) = (&mut self.screens, &mut self.session);
        self.pictures
            .console(&self.console, look.has_damage, screens, session, now)
    }

    /// Draws, and compares what both renderers show with the slow reference.
    fn assert_shows(&mut self, bytes: &[u8], size: Size, what: &str) {
        self.screens.draw(&self.session.scene()).unwrap();
        let scene = self.session.scene();
        let canvas = self.screens.software.canvas();
        let frame = reference::Frame {
            kind: 1,
            is_hdr: false,
            version: 20,
            width: size.width,
            height: size.height,
            rows: size.height,
            pitch: size.width as usize * 4,
            rotation: 0,
            screen: (size.width, size.height),
            bytes,
        };
        let pointer = scene
            .visible_pointer()
            .map(|(shape, state)| reference::Pointer {
                kind: 0,
                x: state.position.x,
                y: state.position.y,
                width: shape.width,
                rows: shape.height,
                pitch: shape.pitch_bytes as usize,
                bytes: &shape.data,
            });
        let view = reference::View {
            width: canvas.size().width,
            height: canvas.size().height,
            keep_aspect: true,
            dont_upscale: false,
            rotation: scene.view.rotation.quarter_turns(),
            scale: 0,
        };
        let want = reference::compose(&frame, pointer.as_ref(), &view);
        assert_eq!(rgb(canvas), want, "software: {what}");
        if let Some(gles) = &mut self.screens.gles {
            assert_eq!(rgb(&gles.0.read_pixels().unwrap()), want, "GLES: {what}");
        }
    }
}

fn rgb(canvas: &Canvas) -> Vec<reference::Rgb> {
    let (pixels, _) = canvas.bytes().as_chunks::<4>();
    pixels.iter().map(|&[b, g, r, _]| [r, g, b]).collect()
}

fn painted(grey: u8, rect: FrameRect, inside: u8) -> Vec<u8> {
    let pixel = |i: u32| {
        let (x, y) = (i % SIZE.width, i / SIZE.width);
        let is_inside = (rect.x..rect.x + rect.width).contains(&x)
            && (rect.y..rect.y + rect.height).contains(&y);
        if is_inside { inside } else { grey }
    };
    let area = SIZE.width * SIZE.height;
    (0..area).flat_map(|i| [pixel(i); 4]).collect()
}

const RECT: FrameRect = FrameRect::new(3, 4, 5, 6);
const AGAIN: Nanos = Nanos::from_millis(60_000);

#[test]
fn pictures_of_one_layout_from_two_sources_never_mix() {
    for rotation in Rotation::ALL {
        let mut rig = Rig::new(rotation);
        let frame = rig.relay(10, RECT, 20);
        rig.assert_shows(&frame, SIZE, "the first frame");

        // The video goes off; the console has the very same layout, and draws in pieces.
        let start = MonotonicClock.now();
        rig.session.toggle_video(start);
        rig.server.create(SIZE.width, SIZE.height);
        rig.server.fill(0, 0, 48, 20, 0x0064_6464);
        rig.server.mark();
        rig.look(start);
        rig.assert_shows(&frame, SIZE, "the console is not complete");
        rig.server.fill(0, 20, 48, 12, 0x0064_6464);
        rig.look(start + AGAIN);
        let mut console: Vec<u8> = vec![100; frame.len()];
        rig.assert_shows(&console, SIZE, "the console");
        let source = rig.session.guest_view().source;
        assert_eq!(source, PictureSource::Console);

        // A small change on it costs a small copy.
        rig.server.draw(7, 1, 2, 1, &[argb(200), argb(201)]);
        rig.look(start + AGAIN + AGAIN);
        let at = (48 + 7) * 4;
        console[at..at + 4].fill(200);
        console[at + 4..at + 8].fill(201);
        rig.assert_shows(&console, SIZE, "a change of the console");
        let small = rig.screens.damage.pop().unwrap();
        assert_eq!(small.rects(), [FrameRect::new(7, 1, 2, 1)]);

        // Back: the frame says that little changed, but all of it must come.
        rig.session.toggle_video(start);
        let frame = rig.relay(10, FrameRect::new(0, 0, 1, 1), 30);
        rig.assert_shows(&frame, SIZE, "back to the relay");
        assert!(rig.screens.damage.pop().unwrap().is_full());
        rig.relay(10, RECT, 40);
        let next = rig.screens.damage.pop().unwrap();
        assert!(!next.is_full(), "from then on only what changes");
    }
}

#[test]
fn sizes_may_differ_and_each_picture_has_its_pointer() {
    let mut rig = Rig::new(Rotation::Deg90);
    let start = MonotonicClock.now();
    rig.session.missing("no host".into(), false, start);
    rig.server.create(20, 10);
    rig.server.fill(0, 0, 20, 10, 0x0005_0505);
    rig.server.mark();
    rig.server.cursor(
        6,
        3,
        (2, 2),
        (1, 1),
        &[0xff0a_0a0a, 0, 0xff0b_0b0b, 0xff0c_0c0c],
    );
    rig.look(start);
    rig.session.tick(start);
    let console = vec![5; 20 * 10 * 4];
    rig.assert_shows(&console, Size::new(20, 10), "the console");
    let frame = rig.relay(10, RECT, 20);
    rig.session.tick(MonotonicClock.now());
    rig.assert_shows(&frame, SIZE, "the relay");
    rig.server.destroy();
    rig.server.create(64, 4);
    rig.server.fill(0, 0, 64, 4, 0x0007_0707);
    rig.server.mark();
    let later = start + AGAIN;
    rig.look(later);
    rig.assert_shows(&frame, SIZE, "the host lives");
    rig.session.missing("gone".into(), false, later);
    rig.look(later + AGAIN);
    rig.session.tick(later + AGAIN);
    rig.assert_shows(&vec![7; 64 * 4 * 4], Size::new(64, 4), "the host is lost");
}

#[test]
fn the_console_is_not_taken_over_for_every_message() {
    let mut rig = Rig::new(Rotation::Deg0);
    let start = MonotonicClock.now();
    rig.session.missing("no host".into(), false, start);
    rig.server.create(48, 32);
    rig.server.fill(0, 0, 48, 32, 1);
    rig.server.mark();
    assert_eq!(rig.look(start), None);
    let taken = rig.screens.damage.len();
    let mut next = None;
    for column in 0..48 {
        rig.server.fill(column, 0, 1, 32, 2);
        next = rig.look(start + Nanos::from_micros(i64::from(column)));
    }
    assert_eq!(next, Some(start + CONSOLE_INTERVAL));
    assert_eq!(rig.screens.damage.len(), taken);
    assert_eq!(rig.look(start + CONSOLE_INTERVAL), None);
    assert_eq!(rig.screens.damage.len(), taken + 1);
    assert_eq!(rig.look(start + AGAIN), None);
    assert_eq!(rig.screens.damage.len(), taken + 1, "nothing new");
}

#[test]
fn a_marked_console_is_black_where_nothing_was_drawn() {
    let mut rig = Rig::new(Rotation::Deg0);
    let frame = rig.relay(10, RECT, 20);
    let start = MonotonicClock.now();
    rig.session.toggle_video(start);
    rig.server.create(SIZE.width, SIZE.height);
    rig.server.fill(3, 4, 5, 6, 0x0032_3232);
    rig.server.mark();
    rig.look(start);
    rig.assert_shows(&frame, SIZE, "more may come");
    rig.look(start + AGAIN);
    rig.assert_shows(&painted(0, RECT, 50), SIZE, "no more has come");
}
