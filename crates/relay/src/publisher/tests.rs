//! The publisher against LGMP's client role, in one process, on a clock that the tests set.

mod frames;
mod geometry;
mod pointer;
mod service;

use std::time::Duration;

use clock::{ManualClock, Nanos};
use kvmfr::{FRAME_QUEUE, FrameHeader, POINTER_QUEUE};
use lgmp::{Client, Geometry, Message, Subscription};
use picture::{Damage, FrameLayout, FrameRect, PixelFormat, Size};

use super::*;

const MIB: usize = 1 << 20;

/// A publisher with its service, and the clock of both.
struct Fixture {
    memory: Arc<SharedMemory>,
    clock: ManualClock,
    publisher: Publisher,
    service: Service,
    requests: Vec<ClientRequest>,
}

/// A client that is subscribed to both queues.
struct Viewer {
    client: Client,
    frames: Subscription,
    pointer: Subscription,
    session_id: u32,
}

impl Fixture {
    fn new(version: Version) -> Self {
        Self::with_memory(version, 32 * MIB)
    }

    fn with_memory(version: Version, bytes: usize) -> Self {
        let memory = Arc::new(SharedMemory::create("publisher", bytes).expect("memfd"));
        let clock = ManualClock::default();
        clock.set(Nanos::from_millis(5_000));
        let options = PublisherOptions {
            version,
            description: SessionDescription::default(),
        };
        let shared_clock = Arc::new(clock.clone());
        let mut publisher =
            Publisher::with_clock(Arc::clone(&memory), options, shared_clock).expect("room");
        // A test never sleeps: what cannot be done at once is refused.
        publisher.set_patience(Duration::ZERO);
        Self {
            service: publisher.service(),
            memory,
            clock,
            publisher,
            requests: Vec::new(),
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.clock.now())
    }

    /// Ten milliseconds pass.
    fn tick(&mut self) -> Tick {
        self.clock.advance(Nanos::from_millis(10));
        let requests = &mut self.requests;
        let tick = self.service.tick(self.clock.now(), |r| requests.push(r));
        tick.expect("the session goes on")
    }

    fn ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.tick();
        }
    }

    fn attach(&mut self) -> Viewer {
        let mut client = Client::new(Arc::clone(&self.memory));
        // The first look only notes the heartbeat; the second sees it move.
        let _ = client.start(self.now_ms());
        self.tick();
        let session = client.start(self.now_ms()).expect("alive");
        let version = self.publisher.version();
        assert_eq!(session.version, version.lgmp());
        let (told, _) = SessionDescription::parse(&session.udata).expect("ours");
        assert_eq!(told, version);
        let frames = client.subscribe(FRAME_QUEUE.id, self.now_ms());
        let pointer = client.subscribe(POINTER_QUEUE.id, self.now_ms());
        Viewer {
            frames: frames.expect("room"),
            pointer: pointer.expect("room"),
            client,
            session_id: session.session_id,
        }
    }

    /// Publishes a test picture whole.
    fn publish(&mut self, layout: FrameLayout, bytes: &[u8]) -> Result<Published, PublishError> {
        self.publish_changed(layout, bytes, &Damage::FULL)
    }

    fn publish_changed(
        &mut self,
        layout: FrameLayout,
        bytes: &[u8],
        damage: &Damage,
    ) -> Result<Published, PublishError> {
        self.publisher.publish(&Image {
            layout,
            pixels: Pixels::Private(bytes),
            damage,
            flags: FrameFlags::empty(),
        })
    }

    /// The next frame of a viewer: its message, its header, and its pixels without padding. Releases it.
    fn take(&self, viewer: &mut Viewer) -> Option<(FrameHeader, Vec<u8>)> {
        let message = viewer.frames.peek(self.now_ms()).expect("subscribed")?;
        let frame = self.read(message);
        viewer.frames.release(self.now_ms()).expect("subscribed");
        Some(frame)
    }

    fn read(&self, message: Message) -> (FrameHeader, Vec<u8>) {
        let Message { size, offset, .. } = message;
        let memory = self.memory.as_slice();
        let version = self.publisher.version();
        let header = FrameHeader::read(version, memory, offset, size).expect("sane");
        let start = offset as usize + header.fb_offset as usize;
        let written = memory.read::<u32>(start).expect("inside");
        assert_eq!(u64::from(written), header.data_bytes(), "write pointer");
        let format = crate::translate::pixel_format(header.frame_type);
        let row_bytes = format.row_bytes(header.frame.width) as usize;
        let rows = ivshmem::Rows {
            rows: header.rows as usize,
            row_bytes,
            src_pitch: header.pitch as usize,
            dst_pitch: row_bytes,
        };
        let mut pixels = vec![0; row_bytes * rows.rows];
        let data = start + 4;
        memory
            .read_rows(data, &rows, &mut pixels)
            .expect("inside the memory");
        (header, pixels)
    }

    /// Overwrites the lock of the frame queue (index 0) or the pointer queue (1), as a client does that takes it.
    fn set_lock(&self, queue: u32, locked: bool) {
        let geometry = Geometry::of(self.publisher.version().lgmp());
        let at = geometry.queue_base(queue) + geometry.queue.lock;
        let memory = self.memory.as_slice();
        memory.copy_from(at, &[u8::from(locked)]).expect("inside");
    }

    /// Zeroes the start of the memory, as the guest's firmware does.
    fn wipe(&self) {
        self.memory.as_slice().zero(0, 8192).expect("inside");
    }
}

/// A small picture at a pitch of its own.
fn layout(format: PixelFormat, width: u32, height: u32) -> FrameLayout {
    let mut layout = FrameLayout::packed(format, Size::new(width, height));
    if format == PixelFormat::Rgba16F {
        layout.transfer = picture::Transfer::ScRgb;
    }
    layout
}

/// Bytes that differ from row to row and from `seed` to `seed`.
fn pattern(layout: &FrameLayout, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    (0..layout.data_bytes())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        })
        .collect()
}

/// The picture without the padding behind its rows.
fn rows_of(layout: &FrameLayout, bytes: &[u8], rows: usize) -> Vec<u8> {
    let row_bytes = layout.format.row_bytes(layout.frame.width) as usize;
    let pitch = layout.pitch_bytes as usize;
    let rows = (0..rows).flat_map(|y| &bytes[y * pitch..y * pitch + row_bytes]);
    rows.copied().collect()
}

/// Damage of one rectangle.
fn changed(x: u32, y: u32, width: u32, height: u32) -> Damage {
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(x, y, width, height));
    damage
}
