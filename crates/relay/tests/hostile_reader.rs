//! The reader on whole memory images, real and self-made, that are spoilt at random while it reads them: it must not
//! panic, wait without an end or hand out anything that leaves the memory.
//!
//! Time passes by being looked at, so that a wait without a limit would show as too many looks at the clock.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clock::{Clock, Nanos};
use ivshmem::{PixelStream as _, SharedMemory};
use kvmfr::{FrameHeader, FrameType, MAX_FRAME_HEADER_BYTES, SessionDescription, Size, Version};
use lgmp::{Geometry, HostBuilder, QueueSpec, WireVersion};
use picture::GuestPoint;
use proptest::prelude::*;
use relay::{Event, Frame, Reader, ReaderOptions, Waker};

/// What one look at the clock costs.
const TICK: i64 = 5_000_000;
/// Looks at the clock that one step may take: a frame's budget is 200, in each of its two waits.
const LOOKS: i64 = 2_000;
const STEPS: usize = 40;
/// Header and rings of every image end before this.
const HEAD: usize = 8 << 10;

#[derive(Clone, Default)]
struct Looking(Arc<AtomicI64>);

impl Clock for Looking {
    fn now(&self) -> Nanos {
        Nanos(self.0.fetch_add(TICK, Ordering::Relaxed))
    }
}

/// A memory that can be put back into its first state.
struct Image {
    memory: Arc<SharedMemory>,
    /// What the reader looks at besides pixels, as it was.
    kept: Vec<(usize, Vec<u8>)>,
    geometry: &'static Geometry,
}

impl Image {
    /// Takes a memory, of which header, rings and the blocks that the rings name are kept.
    fn new(memory: SharedMemory) -> Self {
        let memory = Arc::new(memory);
        let version = WireVersion::from_wire(word(&memory, 4)).expect("a version of ours");
        let geometry = Geometry::of(version);
        let mut image = Self {
            memory,
            kept: Vec::new(),
            geometry,
        };
        image.keep(0, HEAD);
        for index in 0..2 {
            let (slots, _, ring) = image.ring(index);
            for slot in 0..slots as usize {
                let at = word(&image.memory, ring + 16 * slot + 8) as usize;
                if at > HEAD {
                    image.keep(at, 4096 + 4);
                }
            }
        }
        image
    }

    fn keep(&mut self, at: usize, len: usize) {
        let mut bytes = vec![0; len.min(self.memory.len().saturating_sub(at))];
        self.memory
            .as_slice()
            .copy_to(at, &mut bytes)
            .expect("inside");
        self.kept.push((at, bytes));
    }

    fn restore(&self) {
        for (at, bytes) in &self.kept {
            self.memory
                .as_slice()
                .copy_from(*at, bytes)
                .expect("inside");
        }
    }

    /// Slots, write position and place of a ring.
    fn ring(&self, index: u32) -> (u32, u32, usize) {
        let (base, at) = (self.geometry.queue_base(index), self.geometry.queue);
        let get = |field| word(&self.memory, base + field);
        (
            get(at.slots),
            get(at.write_pos),
            get(at.ring_offset) as usize,
        )
    }

    /// Lets a host's work pass: the heartbeat, and every message once more, to everybody.
    fn play_host(&self) {
        set(&self.memory, 16, word(&self.memory, 16).wrapping_add(10));
        for index in 0..2 {
            let (slots, write, ring) = self.ring(index);
            if (2..=1024).contains(&slots) && write < slots {
                set(
                    &self.memory,
                    ring.saturating_add(16 * write as usize + 12),
                    u32::MAX,
                );
                let at = self.geometry.queue_base(index) + self.geometry.queue.write_pos;
                set(&self.memory, at, (write + 1) % slots);
            }
        }
    }

    /// Frees the subscribers' places, which the real readers still hold, and the locks: a stuck one costs real time.
    fn free(&self, and_places: bool) {
        for index in 0..2 {
            let (base, at) = (self.geometry.queue_base(index), self.geometry.queue);
            set(&self.memory, base + at.lock, 0);
            set(&self.memory, base + at.cm_lock, 0);
            if and_places {
                set(&self.memory, base + at.subs, 0);
                set(&self.memory, base + at.subs + 4, 0);
            }
        }
    }
}

fn word(memory: &SharedMemory, at: usize) -> u32 {
    memory.as_slice().read(at).unwrap_or(0)
}

fn set(memory: &SharedMemory, at: usize, value: u32) {
    let _ = memory.as_slice().write(at, &value);
}

/// A session with one small frame and one pointer message in every slot.
fn own(version: Version) -> Image {
    let memory = Arc::new(SharedMemory::create("own", 256 << 10).expect("a memfd"));
    let udata = SessionDescription::default().encode(version);
    let builder = HostBuilder::new(Arc::clone(&memory), version.lgmp(), &udata);
    let mut builder = builder.expect("room for a header");
    for (id, length) in [(2, 2), (1, 20)] {
        builder
            .queue(QueueSpec {
                id,
                length,
                max_time_ms: 1000,
            })
            .expect("room for a queue");
    }
    let pointer = builder.block(24 + 4096, 4).expect("room for a pointer");
    let frame = builder.block(4096 + 4096, 4096).expect("room for a frame");
    drop(builder.publish(1).expect("a session"));
    let shared = memory.as_slice();
    let header = FrameHeader::whole(FrameType::Bgra, Size::new(32, 32), 128, 4092);
    let mut buffer = [0; MAX_FRAME_HEADER_BYTES];
    let at = frame.offset as usize;
    shared
        .copy_from(at, header.encode(version, &mut buffer))
        .expect("room");
    shared.write(at + 4092, &4096_u32).expect("room");
    let sides: [u32; 6] = [0, 0, 0, 32, 32, 128];
    shared.write(pointer.offset as usize, &sides).expect("room");
    let geometry = Geometry::of(version.lgmp());
    for (index, slots, words) in [
        (0, 3, [0, frame.size, frame.offset]),
        (1, 21, [7, pointer.size, pointer.offset]),
    ] {
        let ring = word(
            &memory,
            geometry.queue_base(index) + geometry.queue.ring_offset,
        ) as usize;
        for slot in 0..slots {
            shared.write(ring + 16 * slot, &words).expect("room");
        }
    }
    Image::new(Arc::into_inner(memory).expect("the host is gone"))
}

/// What a real host left.
fn golden(folder: &Path, name: &str) -> Image {
    let image = testkit::golden::Image::load(folder, name).expect("a golden image");
    let memory = SharedMemory::create("golden", image.memory.len()).expect("a memfd");
    memory.as_slice().copy_from(0, &image.memory).expect("room");
    Image::new(memory)
}

/// A write: when, in which of the kept pieces (or anywhere), where in it, and what.
type Poke = (usize, usize, usize, u32);

fn pokes(most: usize) -> impl Strategy<Value = Vec<Poke>> {
    let value = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(1 << 31),
        0..70_u32,
        (0..32_u32).prop_map(|bit| (1 << bit) - 1),
        any::<u32>(),
    ];
    // The words that count lie close together: half of the writes go to the first 64 of a piece.
    let place = prop_oneof![0..64_usize, 0..(HEAD / 4), 1_278..1_600_usize];
    prop::collection::vec((0..STEPS, 0..8_usize, place, value), 0..most)
}

/// Reads the image for a while; returns whether a frame came.
fn read(image: &Image, pokes: &[Poke]) -> Result<bool, TestCaseError> {
    image.restore();
    image.free(true);
    let clock = Looking::default();
    let memory = Arc::clone(&image.memory);
    let mut reader = Reader::new(Arc::clone(&memory), ReaderOptions::default(), clock.clone());
    let waker = Waker::new().expect("an eventfd");
    let mut has_frame = false;
    for step in 0..STEPS {
        for &(_, piece, at, value) in pokes.iter().filter(|poke| poke.0 == step) {
            let start = image.kept.get(piece).map_or(at * 64, |(start, _)| *start);
            set(&memory, start + 4 * at, value);
        }
        image.play_host();
        image.free(false);
        let before = clock.0.load(Ordering::Relaxed);
        match reader.next(&waker, Some(Nanos::ZERO)) {
            Event::Frame(frame) => has_frame |= use_frame(frame)?,
            Event::Pointer(update) => {
                if let Some(shape) = update.shape {
                    prop_assert!(shape.width <= 1024 && shape.height <= 1024);
                    prop_assert!(shape.data.len() <= 4 << 20 && shape.data.capacity() <= 16 << 20);
                    prop_assert!(shape.hot_spot.0 < shape.width);
                    prop_assert!(shape.hot_spot.1 < shape.height);
                }
            }
            Event::Connected(info) => {
                prop_assert!(!info.host_version().contains(char::is_control));
            }
            _ => {}
        }
        let looks = (clock.0.load(Ordering::Relaxed) - before) / TICK;
        prop_assert!(
            looks < LOOKS,
            "step {step} looked {looks} times at the clock"
        );
        let _ = reader.set_cursor_position(GuestPoint {
            x: i32::MIN,
            y: i32::MAX,
        });
    }
    image.free(false);
    Ok(has_frame)
}

fn use_frame(mut frame: Frame<'_>) -> Result<bool, TestCaseError> {
    let layout = *frame.layout();
    prop_assert_eq!(frame.pixels().len() as u64, layout.data_bytes());
    prop_assert!(layout.rows > 0 && layout.rows <= layout.frame.height);
    for rect in frame.damage().rects() {
        prop_assert!(rect.right() <= u64::from(layout.frame.width));
        prop_assert!(rect.bottom() <= u64::from(layout.frame.height));
    }
    let wanted = frame.pixels().len();
    let half = frame.wait_for(wanted / 2);
    prop_assert!(half.is_err() || half.is_ok_and(|available| available <= wanted));
    let is_whole = frame.wait_for(usize::MAX).is_ok();
    Ok(frame.finish().is_ok() && is_whole)
}

fn survive(images: &[Image], cases: u32) {
    for image in images {
        // The players do play: without damage a frame comes.
        let has_frame = || read(image, &[]).expect("nothing is wrong with it");
        assert!(has_frame(), "{:?}", image.geometry.version);
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(pokes in pokes(40))| { read(image, &pokes)?; });
        assert!(has_frame(), "{:?} afterwards", image.geometry.version);
    }
}

#[test]
fn spoilt_images_of_our_own_are_survived() {
    survive(&Version::ALL.map(own), 400);
}

#[test]
fn spoilt_images_of_real_hosts_are_survived() {
    let Some(folder) = testkit::golden_folder() else {
        return;
    };
    for name in [
        "seed-1366x768-BGRA",
        "b6-1366x768-BGRA",
        "b7-1920x1080-BGRA",
    ] {
        survive(&[golden(&folder, name)], 120);
    }
}

#[test]
fn images_of_random_bytes_are_survived() {
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let image = own(Version::V20);
    // A version that is known makes the reader look further than at the second word.
    proptest!(config, |(seed in any::<u64>(), version in 4..7_u32, has_rings in any::<bool>())| {
        let mut state = seed | 1;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .take(image.memory.len())
        .collect();
        image.memory.as_slice().copy_from(0, &noise).expect("room");
        let geometry = Geometry::of(WireVersion::from_wire(version).expect("a version of ours"));
        let noisy = Image { memory: Arc::clone(&image.memory), kept: Vec::new(), geometry };
        set(&image.memory, 0, lgmp::MAGIC);
        set(&image.memory, 4, version);
        if has_rings {
            let kvmfr = Version::ALL[version as usize - 4];
            let udata = SessionDescription::default().encode(kvmfr);
            set(&image.memory, geometry.udata_size, udata.len() as u32);
            image.memory.as_slice().copy_from(geometry.udata, &udata).expect("room");
            for (index, id) in [(0, 2), (1, 1)] {
                let (base, at) = (geometry.queue_base(index), geometry.queue);
                set(&image.memory, base + at.queue_id, id);
                set(&image.memory, base + at.slots, 21);
                set(&image.memory, base + at.write_pos, 0);
                set(&image.memory, base + at.ring_offset, 8192);
            }
        }
        read(&noisy, &[])?;
    });
}
