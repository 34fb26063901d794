//! A memory as an image describes it, a host that is played by hand, a reader, and a clock that moves when told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clock::{ManualClock, Nanos};
use ivshmem::{PixelStream as _, SharedMemory};
use picture::{Damage, FrameLayout, PointerShape, PointerState};
use relay::{CursorPosition, Event, Frame, Link, Reader, ReaderOptions, SessionInfo, Waker};
use testkit::handmade::{Description, Image, Posted, Record, Sheet, Subscriber, Wire, table};
use testkit::played::{Host, Playable as _};

/// What happened, copied out of the reader.
#[derive(Debug)]
pub(crate) enum Seen {
    Connected(SessionInfo),
    Frame(Box<SeenFrame>),
    Pointer(PointerState, Option<PointerShape>),
    Missing(Link),
    Cursor(CursorPosition),
    Nothing,
}

#[derive(Debug)]
pub(crate) struct SeenFrame {
    pub(crate) serial: u32,
    pub(crate) layout: FrameLayout,
    pub(crate) damage: Damage,
    pub(crate) is_truncated: bool,
    pub(crate) wants_screensaver_inhibited: bool,
    pub(crate) wants_activation: bool,
    pub(crate) recommended_size_mib: u64,
    /// All stored bytes.
    pub(crate) pixels: Vec<u8>,
}

pub(crate) struct Rig {
    pub(crate) image: Image,
    pub(crate) memory: Arc<SharedMemory>,
    pub(crate) host: Host,
    pub(crate) clock: ManualClock,
    pub(crate) waker: Waker,
    pub(crate) reader: Reader,
}

/// A host's words about itself, with a record that nobody knows.
pub(crate) fn description() -> Description {
    Description {
        host_version: "by hand",
        features: 1,
        records: vec![
            Record::Vm {
                uuid: *b"0123456789abcdef",
                capture: "tables",
                cpus: 8,
                cores: 4,
                sockets: 2,
                model: "Example CPU",
            },
            Record::Os {
                kind: 2,
                name: "an OS",
            },
        ],
    }
}

impl Rig {
    /// A reader before the memory of an image.
    pub(crate) fn of(image: Image) -> Self {
        let sheet = image.sheet();
        Self::on(image, &sheet)
    }

    /// The same with the memory of a sheet; `image` is what it should be.
    pub(crate) fn on(image: Image, sheet: &Sheet) -> Self {
        let memory = Arc::new(SharedMemory::create("handmade", sheet.len()).unwrap());
        copy(&memory, sheet, 0..sheet.len());
        let clock = ManualClock::default();
        clock.set(Nanos::from_millis(70_000));
        let reader = Reader::new(Arc::clone(&memory), ReaderOptions::default(), clock.clone());
        Self {
            host: image.host(memory.as_slice()).unwrap(),
            image,
            memory,
            clock,
            waker: Waker::new().unwrap(),
            reader,
        }
    }

    /// The same when the reader has connected.
    pub(crate) fn connected(image: Image) -> Self {
        let mut rig = Self::of(image);
        rig.connect();
        rig
    }

    pub(crate) fn connect(&mut self) -> SessionInfo {
        for _ in 0..20 {
            self.pass(10);
            match self.look() {
                Seen::Connected(info) => return info,
                Seen::Nothing => {}
                other => panic!("{other:?} before there is a session"),
            }
        }
        panic!("no session: {:?}", self.reader.status());
    }

    /// Lets time pass for both.
    pub(crate) fn pass(&mut self, ms: i64) {
        for _ in 0..ms / 10 {
            self.clock.advance(Nanos::from_millis(10));
            self.host.tick(self.memory.as_slice()).unwrap();
        }
    }

    /// Lets time pass while the reader looks, with nothing to see.
    pub(crate) fn settle(&mut self, ms: i64) {
        for _ in 0..ms / 10 {
            self.pass(10);
            let seen = self.look();
            assert!(matches!(seen, Seen::Nothing), "{seen:?}");
        }
    }

    /// Looks once and consumes what there is.
    pub(crate) fn look(&mut self) -> Seen {
        match self.reader.next(&self.waker, Some(Nanos::ZERO)) {
            Event::Connected(info) => Seen::Connected(info.clone()),
            Event::Frame(frame) => Seen::Frame(Box::new(consume(frame))),
            Event::Pointer(update) => Seen::Pointer(update.state, update.shape.cloned()),
            Event::Missing(link) => Seen::Missing(link),
            Event::CursorPosition(answer) => Seen::Cursor(answer),
            _ => Seen::Nothing,
        }
    }

    pub(crate) fn post(&mut self, posted: Posted) {
        let queue = if posted.queue == table::FRAMES {
            &mut self.host.frames
        } else {
            &mut self.host.pointer
        };
        let message = posted.slot.into();
        queue
            .post(self.memory.as_slice(), message, self.host.now)
            .unwrap();
    }

    /// Writes what the image now says about a frame block, as a host does before it posts.
    pub(crate) fn write_frame(&self, index: usize) {
        let block = self.image.layout().frames[index];
        let start = block.offset as usize;
        let range = start..start + block.size as usize;
        copy(&self.memory, &self.image.sheet(), range);
    }

    /// Writes what the image now says about the pointer's blocks.
    pub(crate) fn write_pointer(&self) {
        let layout = self.image.layout();
        let range = layout.cursors[0].offset as usize..layout.frames[0].offset as usize;
        copy(&self.memory, &self.image.sheet(), range);
    }

    pub(crate) fn word(&self, at: usize) -> u32 {
        let word = self.memory.as_slice().atomic_u32(at).unwrap();
        word.load(Ordering::SeqCst)
    }

    /// The owner that the memory names for a bit of a queue; 0 where the version does not.
    pub(crate) fn owner(&self, queue: usize, bit: u32) -> u32 {
        let table = self.image.wire.table();
        let Some(field) = table.client_id else {
            return 0;
        };
        self.word(table.queue(queue) + field + 4 * bit as usize)
    }

    /// Enters a new healthy subscriber of both queues into the image.
    pub(crate) fn expect_subscriber(&mut self, bit: u32) {
        for index in 0..2 {
            let client_id = self.owner(index, bit);
            let queue = &mut self.image.queues[index];
            queue.subscribers.retain(|old| old.bit != bit);
            queue.subscribers.push(Subscriber {
                bit,
                client_id,
                evicted_until: None,
            });
            queue.new_subs += 1;
        }
    }

    /// Compares header and rings with what the image says, byte for byte.
    pub(crate) fn assert_session(&mut self, when: &str) {
        self.image.timestamp = self.host.now;
        assert_session(&self.memory, &self.image, when);
    }
}

/// Compares header, session data and rings with what an image says, byte for byte.
pub(crate) fn assert_session(memory: &SharedMemory, image: &Image, when: &str) {
    let (sheet, layout) = (image.sheet(), image.layout());
    let udata: usize = image.udata.iter().map(|(bytes, _)| bytes.len()).sum();
    let header = image.wire.table().udata + udata;
    assert_bytes(memory, &sheet, 0..header, when);
    let rings = layout.heap as usize..layout.cursors[0].offset as usize;
    assert_bytes(memory, &sheet, rings, when);
}

/// Copies the values of a sheet that lie in a part of the memory.
pub(crate) fn copy(memory: &SharedMemory, sheet: &Sheet, range: std::ops::Range<usize>) {
    let entries = sheet.entries().iter();
    for entry in entries.filter(|entry| range.contains(&entry.at)) {
        memory.as_slice().copy_from(entry.at, &entry.bytes).unwrap();
    }
}

/// Compares a part of a memory with a sheet, byte for byte.
pub(crate) fn assert_bytes(
    memory: &SharedMemory,
    sheet: &Sheet,
    range: std::ops::Range<usize>,
    when: &str,
) {
    let mut seen = vec![0; range.len()];
    memory.as_slice().copy_to(range.start, &mut seen).unwrap();
    let meant = &sheet.bytes()[range.clone()];
    let Some(first) = seen.iter().zip(meant).position(|(a, b)| a != b) else {
        return;
    };
    let at = range.start + first;
    let mut entries = sheet.entries().iter().rev();
    let entry = entries.find(|entry| entry.at <= at).unwrap();
    let word = |bytes: &[u8]| {
        let start = first / 4 * 4;
        bytes[start..bytes.len().min(start + 4)].to_vec()
    };
    panic!(
        "{when}: byte {at:#x}, in or behind {entry:?}, is of {:02x?} instead of {:02x?}",
        word(&seen),
        word(meant)
    );
}

fn consume(mut frame: Frame<'_>) -> SeenFrame {
    frame.wait_for(usize::MAX).unwrap();
    let mut pixels = vec![0; frame.pixels().len()];
    frame.pixels().copy_to(0, &mut pixels).unwrap();
    let seen = SeenFrame {
        serial: frame.serial(),
        layout: *frame.layout(),
        damage: frame.damage().clone(),
        is_truncated: frame.is_truncated(),
        wants_screensaver_inhibited: frame.wants_screensaver_inhibited(),
        wants_activation: frame.wants_activation(),
        recommended_size_mib: frame.recommended_size_mib(),
        pixels,
    };
    frame.finish().unwrap();
    seen
}

/// A memory that a host has just set up.
pub(crate) fn fresh(wire: Wire) -> Image {
    Image::new(wire, &description())
}
