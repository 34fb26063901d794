//! Publisher and reader over one memory, in real threads: what the reader assembles from damage alone is, frame for
//! frame, what was published.

#![expect(
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clock::{Clock, MonotonicClock, Nanos};
use ivshmem::{PixelStream, SharedMemory};
use kvmfr::{FrameFlags, SessionDescription, Version};
use picture::{Damage, FrameLayout, FrameRect, PixelFormat, Size};
use relay::publisher::{Image, Pixels, Publisher, PublisherOptions};
use relay::{Event, Frame, Reader, ReaderOptions, Waker};

const SIZE: Size = Size::new(320, 200);
const PITCH: usize = 320 * 4;
const FRAMES: u32 = 150;
const LIMIT: Duration = Duration::from_secs(20);

/// Every published picture, by the number in its first pixel.
type Published = Arc<Mutex<HashMap<u32, Vec<u8>>>>;

/// A small generator with a fixed seed, so that every run draws the same.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % limit
    }
}

fn layout() -> FrameLayout {
    FrameLayout::packed(PixelFormat::Bgra8, SIZE)
}

fn each_row(rect: FrameRect) -> impl Iterator<Item = std::ops::Range<usize>> {
    (rect.y..rect.y + rect.height).map(move |row| {
        let start = row as usize * PITCH + rect.x as usize * 4;
        start..start + rect.width as usize * 4
    })
}

/// Publishes frames with a few random rectangles of damage each, ticking on the way, until told to stop.
fn host(
    memory: &Arc<SharedMemory>,
    version: Version,
    first: u32,
    published: &Published,
    stop: &AtomicBool,
) {
    let options = PublisherOptions {
        version,
        description: SessionDescription::default(),
    };
    let mut publisher = Publisher::new(Arc::clone(memory), options).unwrap();
    let mut service = publisher.service();
    let mut random = Lcg(u64::from(first));
    let mut pixels = vec![0_u8; PITCH * SIZE.height as usize];
    for index in first.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let _ = service.tick(MonotonicClock.now(), |_| {});
        let mut damage = Damage::NONE;
        let stamp = FrameRect::new(0, 0, 1, 1);
        damage.add(stamp);
        pixels[..4].copy_from_slice(&index.to_le_bytes());
        for _ in 0..random.below(4) {
            let (x, y) = (1 + random.below(SIZE.width - 1), random.below(SIZE.height));
            let (width, height) = (1 + random.below(40), 1 + random.below(30));
            let rect = FrameRect::new(x, y, width, height).clamped(SIZE);
            damage.add(rect);
            each_row(rect).for_each(|row| pixels[row].fill(index as u8));
        }
        published.lock().unwrap().insert(index, pixels.clone());
        let image = Image {
            layout: layout(),
            pixels: Pixels::Private(&pixels),
            damage: &damage,
            flags: FrameFlags::empty(),
        };
        let _ = publisher.publish(&image);
        thread::sleep(Duration::from_millis(u64::from(random.below(4))));
    }
}

/// Takes the damaged rows only, each as soon as it is final.
fn assemble(mut frame: Frame<'_>, copy: &mut [u8]) -> bool {
    let damage = frame.damage().clone();
    let whole = [FrameRect::of_size(SIZE)];
    let rects = if damage.is_full() {
        &whole[..]
    } else {
        damage.rects()
    };
    for range in rects.iter().flat_map(|rect| each_row(*rect)) {
        if frame.wait_for(range.end).is_err() {
            return false;
        }
        frame
            .pixels()
            .copy_to(range.start, &mut copy[range])
            .unwrap();
    }
    frame.finish().is_ok()
}

/// Reads until `enough` frames were compared; drops some of them unread.
fn compare(reader: &mut Reader, published: &Published, first: u32, enough: u32) {
    let waker = Waker::new().unwrap();
    let mut copy = vec![0_u8; PITCH * SIZE.height as usize];
    let mut random = Lcg(42);
    let started = Instant::now();
    let (mut compared, mut partial) = (0, 0);
    while compared < enough {
        assert!(started.elapsed() < LIMIT, "only {compared} frames in time");
        let deadline = MonotonicClock.now() + Nanos::from_millis(100);
        let Event::Frame(frame) = reader.next(&waker, Some(deadline)) else {
            continue;
        };
        if random.below(5) == 0 {
            continue;
        }
        partial += u32::from(!frame.damage().is_full());
        if random.below(7) == 0 {
            // Falling behind, so that frames are skipped.
            thread::sleep(Duration::from_millis(9));
        }
        if !assemble(frame, &mut copy) {
            continue;
        }
        let index = u32::from_le_bytes(copy[..4].try_into().unwrap());
        if index < first {
            continue;
        }
        let published = published.lock().unwrap();
        assert!(copy == published[&index], "frame {index} differs");
        compared += 1;
    }
    assert!(
        partial > enough / 2,
        "only {partial} of {enough} frames had damage of their own"
    );
}

/// Runs one host per version, one after the other on the same memory, with one reader that outlives them all.
#[test]
fn what_is_assembled_from_damage_is_what_was_published() {
    let memory = Arc::new(SharedMemory::create("together", 16 << 20).unwrap());
    let mut reader = Reader::new(
        Arc::clone(&memory),
        ReaderOptions::default(),
        MonotonicClock,
    );
    let published = Published::default();
    for (round, version) in [Version::V20, Version::V16, Version::V19]
        .into_iter()
        .enumerate()
    {
        let first = round as u32 * 1_000_000;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| host(&memory, version, first, &published, &stop));
            // Whatever fails below, the host has to end for the test to.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                compare(&mut reader, &published, first, FRAMES);
            }));
            stop.store(true, Ordering::Relaxed);
            if let Err(panic) = result {
                std::panic::resume_unwind(panic);
            }
        });
        assert_eq!(reader.session().unwrap().kvmfr, version);
        published.lock().unwrap().clear();
    }
}
