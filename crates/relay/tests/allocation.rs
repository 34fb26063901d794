//! Reading frames and pointer takes no memory from the heap once the reader runs.

#![expect(
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test"
)]

use std::sync::Arc;

use clock::{Clock, ManualClock, Nanos};
use ivshmem::{PixelStream, SharedMemory};
use kvmfr::{FrameFlags, SessionDescription, Version};
use picture::pointer::PointerKind;
use picture::{
    Damage, FrameLayout, FrameRect, GuestPoint, PixelFormat, PointerShape, PointerState, Size,
};
use relay::publisher::{Image, Pixels, Publisher, PublisherOptions};
use relay::{Event, PointerUpdate, Reader, ReaderOptions, Waker};
use testkit::allocations::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Takes everything that is waiting.
fn drain(reader: &mut Reader, waker: &Waker, into: &mut [u8]) -> u32 {
    let mut events = 0;
    loop {
        match reader.next(waker, Some(Nanos::ZERO)) {
            Event::Frame(mut frame) => {
                let len = frame.pixels().len();
                frame.wait_for(len).unwrap();
                frame.pixels().copy_to(0, &mut into[..len]).unwrap();
                frame.finish().unwrap();
            }
            Event::Deadline => return events,
            _ => {}
        }
        events += 1;
    }
}

#[test]
fn frames_and_pointer_cost_no_allocation() {
    let memory = Arc::new(SharedMemory::create("allocation", 16 << 20).unwrap());
    let clock = ManualClock::default();
    clock.set(Nanos::from_millis(1_000));
    let options = PublisherOptions {
        version: Version::V20,
        description: SessionDescription::default(),
    };
    let mut publisher =
        Publisher::with_clock(Arc::clone(&memory), options, Arc::new(clock.clone())).unwrap();
    let mut service = publisher.service();
    let mut reader = Reader::new(Arc::clone(&memory), ReaderOptions::default(), clock.clone());
    let waker = Waker::new().unwrap();
    let size = Size::new(256, 128);
    let mut pixels = vec![0_u8; 256 * 128 * 4];
    let mut into = pixels.clone();
    let mut shape = PointerShape {
        kind: PointerKind::Colour,
        width: 32,
        height: 32,
        pitch_bytes: 128,
        hot_spot: (1, 1),
        data: vec![1; 128 * 32],
    };
    let mut total = 0;
    let mut events = 0;
    for round in 0..200_u8 {
        clock.advance(Nanos::from_millis(10));
        let _ = service.tick(clock.now(), |_| {});
        pixels.fill(round);
        shape.data.fill(round);
        let mut damage = Damage::NONE;
        damage.add(FrameRect::new(u32::from(round), 0, 10, 10));
        let image = Image {
            layout: FrameLayout::packed(PixelFormat::Bgra8, size),
            pixels: Pixels::Private(&pixels),
            damage: &damage,
            flags: FrameFlags::empty(),
        };
        publisher.publish(&image).unwrap();
        let position = GuestPoint {
            x: i32::from(round),
            y: 5,
        };
        let update = PointerUpdate {
            state: PointerState {
                position,
                is_visible: true,
            },
            shape: Some(&shape),
        };
        publisher.publish_pointer(&update).unwrap();
        let spent = allocations::of(|| events = drain(&mut reader, &waker, &mut into));
        // The session itself takes some.
        if round >= 10 {
            assert_eq!(events, 2, "round {round}");
            total += spent;
        }
    }
    assert_eq!(total, 0);
}
