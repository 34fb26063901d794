//! Once running, no frame costs an allocation of ours: on the host from the captured picture to its publication, on the
//! client from the queue to the display server. What x11rb makes to show a picture is counted and pinned here, what it
//! makes to capture one in `crates/host/tests/allocations.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use client::renderer::{Renderer, Shown, SoftwareView};
use clock::{Clock as _, ManualClock, Nanos};
use ivshmem::SharedMemory;
use kvmfr::{SessionDescription, Version};
use picture::{
    Damage, FrameLayout, FrameRect, GuestPoint, PixelFormat, PointerKind, PointerShape,
    PointerState, Rotation, Scene, Size, Transfer,
};
use relay::publisher::{FrameFlags, Image, Pixels, Publisher, PublisherOptions};
use relay::{Event, PointerUpdate, Reader, ReaderOptions, Waker};
use testkit::allocations::{Counting, count as allocations};
use testkit::x_server::XServer;
use window::{Backend, Window, WindowConfig};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZE: Size = Size::new(320, 200);
/// Until every buffer has its size.
const WARM_UP: u32 = 50;
const FRAMES: u32 = 300;

/// What changes with a frame: now one part, now many, now everything.
fn damage(step: u32) -> Damage {
    let mut damage = Damage::NONE;
    match step % 5 {
        0 => return Damage::FULL,
        1 => (0..60).for_each(|i| damage.add(FrameRect::new(i * 5, i * 3, 4, 2))),
        _ => damage.add(FrameRect::new(step % 200, step % 100, 40, 30)),
    }
    damage
}

fn shape() -> PointerShape {
    PointerShape {
        kind: PointerKind::Colour,
        width: 16,
        height: 16,
        pitch_bytes: 64,
        hot_spot: (1, 1),
        data: vec![128; 1024],
    }
}

/// Host and client in one thread, on a clock that stands still between steps.
struct Relay {
    clock: ManualClock,
    publisher: Publisher,
    service: relay::publisher::Service,
    reader: Reader,
    waker: Waker,
    view: SoftwareView,
    pointer: PointerState,
    pixels: Vec<u8>,
    layout: FrameLayout,
    shape: PointerShape,
    shown: u32,
}

impl Relay {
    fn new(format: PixelFormat, rotation: Rotation) -> Self {
        let clock = ManualClock::default();
        clock.set(Nanos::from_millis(1_000));
        let memory = Arc::new(SharedMemory::create("allocations", 16 << 20).unwrap());
        let options = PublisherOptions {
            version: Version::V20,
            description: SessionDescription::default(),
        };
        let for_host = Arc::new(clock.clone());
        let publisher = Publisher::with_clock(Arc::clone(&memory), options, for_host).unwrap();
        let layout = FrameLayout {
            rotation,
            ..testcard_layout(format)
        };
        Self {
            service: publisher.service(),
            publisher,
            reader: Reader::new(memory, ReaderOptions::default(), clock.clone()),
            waker: Waker::new().unwrap(),
            view: SoftwareView::headless(),
            pointer: PointerState::default(),
            pixels: vec![0x55; layout.data_bytes() as usize],
            layout,
            shape: shape(),
            shown: 0,
            clock,
        }
    }

    /// One frame and one pointer move, from the capture to the canvas.
    fn step(&mut self, step: u32) {
        self.clock.advance(Nanos::from_millis(8));
        self.service.tick(self.clock.now(), |_| {}).unwrap();
        let changed = damage(step);
        let image = Image {
            layout: self.layout,
            pixels: Pixels::Private(&self.pixels),
            damage: &changed,
            flags: FrameFlags::empty(),
        };
        self.publisher.publish(&image).unwrap();
        let position = GuestPoint {
            x: (step % 300) as i32,
            y: 20,
        };
        let update = PointerUpdate {
            state: PointerState {
                position,
                is_visible: true,
            },
            shape: (step == 0).then_some(&self.shape),
        };
        self.publisher.publish_pointer(&update).unwrap();
        self.look();
    }

    /// Takes and draws everything that has come.
    fn look(&mut self) {
        loop {
            let now = self.clock.now();
            let damage;
            match self.reader.next(&self.waker, Some(now)) {
                Event::Frame(mut frame) => {
                    damage = frame.damage().clone();
                    let layout = *frame.layout();
                    self.view.upload(&layout, &damage, &mut frame).unwrap();
                    frame.finish().unwrap();
                    self.shown += 1;
                }
                Event::Pointer(update) => self.pointer = update.state,
                Event::Deadline => break,
                _ => {}
            }
        }
        let scene = Scene {
            layout: Some(&self.layout),
            pointer: self.pointer,
            shape: Some(&self.shape),
            ..Scene::default()
        };
        assert_eq!(self.view.draw(&scene).unwrap(), Shown::Yes);
    }
}

fn testcard_layout(format: PixelFormat) -> FrameLayout {
    let mut layout = FrameLayout::packed(format, SIZE);
    if format == PixelFormat::Rgba16F {
        layout.transfer = Transfer::ScRgb;
    }
    // Rows of whole texels, whatever the format.
    layout.pitch_bytes = layout.pitch_bytes.next_multiple_of(12);
    layout
}

#[test]
fn a_relayed_and_drawn_frame_allocates_nothing() {
    let cases = PixelFormat::ALL.map(|format| (format, Rotation::Deg0));
    for (format, rotation) in cases
        .into_iter()
        .chain([(PixelFormat::Bgra8, Rotation::Deg90)])
    {
        let mut relay = Relay::new(format, rotation);
        (0..WARM_UP).for_each(|step| relay.step(step));
        let (before, shown) = (allocations(), relay.shown);
        (WARM_UP..WARM_UP + FRAMES).for_each(|step| relay.step(step));
        assert_eq!(
            relay.shown - shown,
            FRAMES,
            "{format:?}: every frame is shown"
        );
        assert_eq!(allocations() - before, 0, "{format:?} {rotation:?}");
    }
}

/// Allocations for a shown picture of one rectangle: x11rb's two for the request, and its completion event.
const PER_PRESENT: u64 = 3;

#[test]
fn a_shown_picture_allocates_no_more_than_the_x_requests_for_it() {
    let Some(server) = XServer::start(640, 480).unwrap() else {
        return;
    };
    let config = WindowConfig {
        size: SIZE,
        display: Some(server.display().to_owned()),
        ..WindowConfig::default()
    };
    let mut window = Window::open(&config, Some(Backend::X11)).unwrap();
    let mut events = Vec::new();
    let mut view = SoftwareView::for_window(window.surface().clone(), SIZE).unwrap();
    let shape = shape();
    let mut counts = Vec::new();
    for step in 0..80 {
        let _ = window.dispatch(Some(std::time::Duration::from_millis(10)), &mut events);
        let scene = Scene {
            layout: None,
            pointer: PointerState::default(),
            shape: Some(&shape),
            dimmed: step % 2 == 0,
            ..Scene::default()
        };
        let before = allocations();
        view.draw(&scene).unwrap();
        counts.push(allocations() - before);
    }
    let mut counts = counts.split_off(20);
    counts.sort_unstable();
    eprintln!("allocations per shown picture: {counts:?}");
    // A completion may come a picture late.
    assert!(counts[30] <= PER_PRESENT, "{counts:?}");
    assert!(counts[59] <= PER_PRESENT + 1, "{counts:?}");
}
