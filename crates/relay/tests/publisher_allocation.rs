//! Publishing frames and pointer takes no memory from the heap once the publisher runs.

use std::sync::Arc;

use clock::{Clock, ManualClock, Nanos};
use ivshmem::SharedMemory;
use kvmfr::{FRAME_QUEUE, POINTER_QUEUE, SessionDescription, SetCursorPos, Version};
use lgmp::Client;
use picture::pointer::PointerKind;
use picture::{
    Damage, FrameLayout, FrameRect, GuestPoint, PixelFormat, PointerShape, PointerState, Size,
};
use relay::PointerUpdate;
use relay::publisher::{FrameFlags, Image, Pixels, Publisher, PublisherOptions};
use testkit::allocations::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn publishing_ticking_and_serving_cost_no_allocation() {
    let memory = Arc::new(SharedMemory::create("allocation", 16 << 20).unwrap());
    let clock = ManualClock::default();
    clock.set(Nanos::from_millis(1_000));
    let now_ms = || clock.now().as_millis().unsigned_abs();
    let options = PublisherOptions {
        version: Version::V20,
        description: SessionDescription::default(),
    };
    let mut publisher =
        Publisher::with_clock(Arc::clone(&memory), options, Arc::new(clock.clone())).unwrap();
    let mut service = publisher.service();
    let mut client = Client::new(memory);
    let _ = client.start(now_ms());
    clock.advance(Nanos::from_millis(10));
    service.tick(clock.now(), |_| {}).unwrap();
    client.start(now_ms()).unwrap();
    let mut frames = client.subscribe(FRAME_QUEUE.id, now_ms()).unwrap();
    let mut pointer = client.subscribe(POINTER_QUEUE.id, now_ms()).unwrap();
    let pixels = vec![0x55; 256 * 128 * 4];
    let shape = PointerShape {
        kind: PointerKind::Colour,
        width: 32,
        height: 32,
        pitch_bytes: 128,
        hot_spot: (1, 1),
        data: vec![1; 128 * 32],
    };
    let mut damage = Damage::NONE;
    for i in 0..60 {
        damage.add(FrameRect::new(4 * i, 2 * i, 3, 1));
    }
    let mut requests = 0;
    let before = allocations::count();
    for round in 0..50 {
        clock.advance(Nanos::from_millis(10));
        pointer.send(&SetCursorPos { x: 1, y: 1 }.encode()).unwrap();
        service.tick(clock.now(), |_| requests += 1).unwrap();
        let image = Image {
            layout: FrameLayout::packed(PixelFormat::Bgra8, Size::new(256, 128)),
            pixels: Pixels::Private(&pixels),
            damage: if round % 5 == 0 {
                &Damage::FULL
            } else {
                &damage
            },
            flags: FrameFlags::empty(),
        };
        assert_eq!(publisher.publish(&image).unwrap().recipients, 1);
        let position = GuestPoint { x: round, y: 5 };
        let update = PointerUpdate {
            state: PointerState {
                position,
                is_visible: true,
            },
            shape: (round % 3 == 0).then_some(&shape),
        };
        publisher.publish_pointer(&update).unwrap();
        publisher.serve_new_subscribers();
        for queue in [&mut frames, &mut pointer] {
            while queue.peek(now_ms()).unwrap().is_some() {
                queue.release(now_ms()).unwrap();
            }
        }
    }
    assert_eq!(allocations::count() - before, 0);
    // The first came before the desktop was known.
    assert_eq!(requests, 49);
}
