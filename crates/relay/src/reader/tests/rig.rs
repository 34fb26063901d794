//! A host that does exactly what a test says, and a reader beside it; time passes only when told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clock::{Clock, ManualClock, Nanos};
use ivshmem::SharedMemory;
use kvmfr::{
    Features, FrameHeader, FrameType, MAX_FRAME_HEADER_BYTES, PointerFlags, QueueShape,
    SessionDescription, Size, VmInfo,
};
use lgmp::{Block, Geometry, Host, HostBuilder, HostQueue, QueueSpec, WireVersion};
use picture::{GuestPoint, PointerShape, PointerState};

use crate::reader::*;

pub(super) const MEMORY_BYTES: usize = 4 << 20;
/// Room for 64 × 64 pixels of four bytes.
const FRAME_BLOCK: u32 = 4096 + 64 * 64 * 4;
pub(super) const SIDE: u32 = 64;
pub(super) const FB_OFFSET: u32 = 4092;
pub(super) const DATA_BYTES: u32 = SIDE * SIDE * 4;

/// The pairs that exist.
pub(super) const PAIRS: [(WireVersion, Version); 3] = [
    (WireVersion::V4, Version::V16),
    (WireVersion::V5, Version::V19),
    (WireVersion::V6, Version::V20),
];

/// What happened, with everything copied out of the borrow.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    Connected,
    Frame {
        serial: u32,
        rects: Option<Vec<picture::FrameRect>>,
    },
    Pointer(PointerState, Option<PointerShape>),
    Missing(Link),
    Cursor(CursorPosition),
    Woken,
    Nothing,
}

impl Seen {
    /// A frame of which everything changed.
    pub(super) fn full(serial: u32) -> Self {
        Self::Frame {
            serial,
            rects: None,
        }
    }

    pub(super) fn partial(serial: u32, rects: &[picture::FrameRect]) -> Self {
        Self::Frame {
            serial,
            rects: Some(rects.to_vec()),
        }
    }
}

/// Copies what a frame says, takes all its pixels and finishes it.
pub(super) fn consume(mut frame: Frame<'_>) -> Seen {
    use ivshmem::PixelStream as _;
    frame.wait_for(usize::MAX).unwrap();
    let seen = describe(&frame);
    frame.finish().unwrap();
    seen
}

pub(super) fn describe(frame: &Frame<'_>) -> Seen {
    let damage = frame.damage();
    Seen::Frame {
        serial: frame.serial(),
        rects: (!damage.is_full()).then(|| damage.rects().to_vec()),
    }
}

/// The host's side.
pub(super) struct FakeHost {
    memory: Arc<SharedMemory>,
    pub(super) version: Version,
    host: Host,
    pub(super) frames: HostQueue,
    pub(super) pointer: HostQueue,
    pub(super) blocks: [Block; 2],
    small: Block,
    large: Block,
    next: usize,
}

impl FakeHost {
    pub(super) fn new(
        memory: &Arc<SharedMemory>,
        lgmp: WireVersion,
        version: Version,
        now: Nanos,
    ) -> Self {
        Self::with_udata(memory, lgmp, version, &description().encode(version), now)
    }

    pub(super) fn with_udata(
        memory: &Arc<SharedMemory>,
        lgmp: WireVersion,
        version: Version,
        udata: &[u8],
        now: Nanos,
    ) -> Self {
        let mut builder = HostBuilder::new(Arc::clone(memory), lgmp, udata).unwrap();
        let spec = |shape: QueueShape| QueueSpec {
            id: shape.id,
            length: shape.length,
            max_time_ms: shape.max_time_ms,
        };
        let frames = builder.queue(spec(kvmfr::FRAME_QUEUE)).unwrap();
        let pointer = builder.queue(spec(kvmfr::POINTER_QUEUE)).unwrap();
        let small = builder.block(24, 4).unwrap();
        let large = builder.block(24 + (1 << 20), 4).unwrap();
        let mut frame_block = || builder.block(FRAME_BLOCK, 4096).unwrap();
        let blocks = [frame_block(), frame_block()];
        let host = builder.publish(millis(now)).unwrap();
        Self {
            memory: Arc::clone(memory),
            version,
            host,
            frames,
            pointer,
            blocks,
            small,
            large,
            next: 0,
        }
    }

    pub(super) fn tick(&self, now: Nanos) {
        self.host.tick(millis(now)).unwrap();
    }

    /// Fills the next block and posts it; every pixel byte is `serial`.
    pub(super) fn post(&mut self, header: &FrameHeader, now: Nanos) {
        let block = self.blocks[self.next];
        self.next = 1 - self.next;
        self.fill(block, header, DATA_BYTES);
        self.frames.post(0, block, millis(now)).unwrap();
    }

    /// As [`Self::post`] and with a tick, if the memory still allows it.
    pub(super) fn try_post(&mut self, header: &FrameHeader, now: Nanos) {
        let block = self.blocks[self.next];
        self.next = 1 - self.next;
        self.fill(block, header, DATA_BYTES);
        let _ = self.frames.post(0, block, millis(now));
        let flags = PointerFlags::from_bits_retain(header.serial & 7);
        let _ = self.pointer.post(flags.bits(), self.large, millis(now));
        let _ = self.host.tick(millis(now));
    }

    /// As [`Self::post`], with the write pointer at `written`.
    pub(super) fn post_unfinished(&mut self, header: &FrameHeader, written: u32, now: Nanos) {
        let block = self.blocks[self.next];
        self.next = 1 - self.next;
        self.fill(block, header, written);
        self.frames.post(0, block, millis(now)).unwrap();
    }

    /// Posts the block that was posted last again.
    pub(super) fn post_again(&mut self, now: Nanos) {
        let block = self.blocks[1 - self.next];
        self.frames.post(0, block, millis(now)).unwrap();
    }

    fn fill(&self, block: Block, header: &FrameHeader, written: u32) {
        let mut buffer = [0; MAX_FRAME_HEADER_BYTES];
        let bytes = header.encode(self.version, &mut buffer);
        let shared = self.memory.as_slice();
        let at = block.offset as usize;
        shared.copy_from(at, bytes).unwrap();
        let pixels = vec![header.serial as u8; DATA_BYTES as usize];
        shared
            .copy_from(at + FB_OFFSET as usize + 4, &pixels)
            .unwrap();
        self.set_write_pointer(block, written);
    }

    pub(super) fn set_write_pointer(&self, block: Block, written: u32) {
        let at = block.offset as usize + FB_OFFSET as usize;
        let word = self.memory.as_slice().atomic_u32(at).unwrap();
        word.store(written, Ordering::Release);
    }

    /// Posts a pointer message from raw header bytes and data.
    pub(super) fn post_pointer(
        &self,
        flags: PointerFlags,
        header: &[u8; 24],
        data: &[u8],
        now: Nanos,
    ) {
        let is_shape = flags.contains(PointerFlags::SHAPE);
        let block = if is_shape { self.large } else { self.small };
        let shared = self.memory.as_slice();
        shared.copy_from(block.offset as usize, header).unwrap();
        shared.copy_from(block.offset as usize + 24, data).unwrap();
        self.pointer.post(flags.bits(), block, millis(now)).unwrap();
    }
}

pub(super) fn description() -> SessionDescription {
    SessionDescription {
        host_version: "test\u{1b}[31m host".to_owned(),
        features: Features::SET_CURSOR_POSITION,
        vm: Some(VmInfo {
            uuid: Some(*b"0123456789abcdef"),
            ..VmInfo::default()
        }),
        os: None,
    }
}

/// A header for a whole frame of the rig's size.
pub(super) fn header(serial: u32) -> FrameHeader {
    let mut header =
        FrameHeader::whole(FrameType::Bgra, Size::new(SIDE, SIDE), SIDE * 4, FB_OFFSET);
    header.serial = serial;
    header
}

/// The same with one rectangle of damage.
pub(super) fn damaged(serial: u32, rect: picture::FrameRect) -> FrameHeader {
    let mut header = header(serial);
    let rect = kvmfr::Rect::new(rect.x, rect.y, rect.width, rect.height);
    header.damage = kvmfr::DamageList::from_rects([rect]);
    header
}

/// Host, reader and the clock of both.
pub(super) struct Rig {
    pub(super) memory: Arc<SharedMemory>,
    pub(super) clock: ManualClock,
    pub(super) waker: Waker,
    pub(super) reader: Reader,
    pub(super) host: Option<FakeHost>,
}

impl Rig {
    /// A reader before an empty memory.
    pub(super) fn empty(bytes: usize) -> Self {
        let memory = Arc::new(SharedMemory::create("reader-test", bytes).unwrap());
        let clock = ManualClock::default();
        clock.set(Nanos::from_millis(50_000));
        let reader = Reader::new(Arc::clone(&memory), ReaderOptions::default(), clock.clone());
        Self {
            memory,
            clock,
            waker: Waker::new().unwrap(),
            reader,
            host: None,
        }
    }

    /// A reader that is connected to a host and has seen no frame.
    pub(super) fn connected(lgmp: WireVersion, version: Version) -> Self {
        let mut rig = Self::empty(MEMORY_BYTES);
        rig.start_host(lgmp, version);
        rig.pass(20);
        assert_eq!(rig.look(), Seen::Connected);
        rig
    }

    pub(super) fn newest() -> Self {
        Self::connected(WireVersion::V6, Version::V20)
    }

    pub(super) fn start_host(&mut self, lgmp: WireVersion, version: Version) {
        let now = self.now();
        self.host = Some(FakeHost::new(&self.memory, lgmp, version, now));
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    pub(super) fn host(&mut self) -> &mut FakeHost {
        self.host.as_mut().unwrap()
    }

    /// Lets time pass in host ticks of 10 ms.
    pub(super) fn pass(&mut self, ms: i64) {
        for _ in 0..ms / 10 {
            self.clock.advance(Nanos::from_millis(10));
            let now = self.now();
            if let Some(host) = &self.host {
                host.tick(now);
            }
        }
    }

    /// Looks once and consumes whatever there is.
    pub(super) fn look(&mut self) -> Seen {
        match self.reader.next(&self.waker, Some(Nanos::ZERO)) {
            Event::Connected(_) => Seen::Connected,
            Event::Frame(frame) => consume(frame),
            Event::Pointer(update) => Seen::Pointer(update.state, update.shape.cloned()),
            Event::Missing(link) => Seen::Missing(link),
            Event::CursorPosition(result) => Seen::Cursor(result),
            Event::Woken => Seen::Woken,
            Event::Deadline => Seen::Nothing,
        }
    }

    /// Looks once; there must be a frame, which is handed to `use_it`.
    pub(super) fn with_frame<T>(&mut self, use_it: impl FnOnce(Frame<'_>) -> T) -> T {
        match self.reader.next(&self.waker, Some(Nanos::ZERO)) {
            Event::Frame(frame) => use_it(frame),
            other => panic!("no frame but {other:?}"),
        }
    }

    /// Lets time pass in steps of 10 ms and looks after each, until something happens.
    pub(super) fn wait(&mut self, most_ms: i64) -> Seen {
        for _ in 0..most_ms / 10 {
            self.pass(10);
            let seen = self.look();
            if seen != Seen::Nothing {
                return seen;
            }
        }
        Seen::Nothing
    }

    pub(super) fn post(&mut self, header: &FrameHeader) {
        let now = self.now();
        self.host().post(header, now);
    }

    /// Overwrites a word of the memory.
    pub(super) fn poke(&self, at: usize, value: u32) {
        let word = self.memory.as_slice().atomic_u32(at).unwrap();
        word.store(value, Ordering::SeqCst);
    }

    /// How many subscribers a queue has, evicted ones included.
    pub(super) fn subscribers(&self, version: WireVersion, queue: usize) -> u32 {
        let subs = queue_at(version, queue) + Geometry::of(version).queue.subs;
        self.peek(subs + 4).count_ones()
    }

    pub(super) fn peek(&self, at: usize) -> u32 {
        let word = self.memory.as_slice().atomic_u32(at).unwrap();
        word.load(Ordering::SeqCst)
    }
}

/// Where a field of queue `index` lies.
pub(super) fn queue_at(version: WireVersion, index: usize) -> usize {
    let geometry = Geometry::of(version);
    32 + index * geometry.queue_stride
}

pub(super) fn point(x: i32, y: i32) -> GuestPoint {
    GuestPoint { x, y }
}
