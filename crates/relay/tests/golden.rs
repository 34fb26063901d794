//! The memory images of real hosts in `shared/golden`, replayed to the reader.
//!
//! An image stands still and its subscribers are gone, so the test plays the host as the folder's README says: clears
//! the subscribers, chooses a new session id, advances the heartbeat each 10 ms, and posts the recorded frame and
//! pointer again to the new subscriber. All of it by plain words at the recorded offsets, with nothing of ours but the
//! table of offsets.

#![expect(
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clock::{Clock, Nanos};
use ivshmem::{PixelStream, SharedMemory};
use lgmp::{Geometry, WireVersion};
use picture::PointerShape;
use relay::{Discarded, Event, Link, Reader, ReaderOptions, Status, Waker};
use serde_json::Value;
use testkit::golden::sha256;

/// A clock that goes on by 100 µs whenever it is read, so that every wait ends soon.
#[derive(Clone, Default)]
struct Running(Arc<AtomicI64>);

impl Clock for Running {
    fn now(&self) -> Nanos {
        Nanos(self.0.fetch_add(100_000, Ordering::SeqCst))
    }
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().expect("a number")).expect("a u32")
}

/// A recorded image whose host the test plays.
struct Image {
    facts: Value,
    memory: Arc<SharedMemory>,
    geometry: &'static Geometry,
}

impl Image {
    /// Takes the host's part in a recorded image: nobody is subscribed any more, and the session is another one.
    fn wake(recorded: testkit::golden::Image) -> Self {
        let (facts, bytes) = (recorded.facts, recorded.memory);
        let memory = SharedMemory::create("golden", bytes.len()).unwrap();
        memory.as_slice().copy_from(0, &bytes).unwrap();
        let version = WireVersion::from_wire(number(&facts["lgmpVersion"])).unwrap();
        let image = Self {
            facts,
            memory: Arc::new(memory),
            geometry: Geometry::of(version),
        };
        for queue in 0..2 {
            let at = image.queue(queue) + image.geometry.queue.subs;
            image.memory.as_slice().write(at, &0_u64).unwrap();
            image.poke(image.queue(queue) + image.geometry.queue.new_subs, 0);
        }
        image.poke(8, image.peek(8) ^ 0x1234_5678);
        image
    }

    fn peek(&self, at: usize) -> u32 {
        let word = self.memory.as_slice().atomic_u32(at).unwrap();
        word.load(Ordering::SeqCst)
    }

    fn poke(&self, at: usize, value: u32) {
        let word = self.memory.as_slice().atomic_u32(at).unwrap();
        word.store(value, Ordering::SeqCst);
    }

    fn tick(&self) {
        let heartbeat = self.memory.as_slice().atomic_u64(16).unwrap();
        heartbeat.fetch_add(10, Ordering::SeqCst);
    }

    /// Where a queue's header is: 0 for frames, 1 for the pointer, as the original hosts make them.
    fn queue(&self, index: usize) -> usize {
        32 + index * self.geometry.queue_stride
    }

    fn recorded(&self, index: usize) -> &Value {
        &self.facts["lgmp"]["queues"][index]
    }

    /// Posts a block to every subscriber of a queue.
    fn post(&self, index: usize, udata: u32, offset: u32, size: u32) {
        let (queue, fields) = (self.queue(index), &self.geometry.queue);
        let position = self.peek(queue + fields.write_pos);
        let slots = self.peek(queue + fields.slots);
        let slot = self.peek(queue + fields.ring_offset) as usize + 16 * position as usize;
        let subscribers = self.peek(queue + fields.subs + 4);
        for (word, value) in [udata, size, offset, subscribers].into_iter().enumerate() {
            self.poke(slot + 4 * word, value);
        }
        let count = self.peek(queue + fields.count);
        self.poke(queue + fields.count, count + 1);
        self.poke(queue + fields.write_pos, (position + 1) % slots);
    }

    /// Posts the recorded message of a queue whose block is at `offset`.
    fn post_recorded(&self, index: usize, offset: u32) {
        let messages = self.recorded(index)["messages"].as_array().unwrap();
        let message = messages
            .iter()
            .find(|message| number(&message["offset"]) == offset)
            .expect("the message is in the ring");
        self.post(
            index,
            number(&message["udata"]),
            offset,
            number(&message["size"]),
        );
    }

    /// The block that the newest slot of the frame queue names.
    fn newest_frame_block(&self) -> u32 {
        let queue = self.recorded(0);
        let slots = number(&queue["numMessages"]);
        let newest = (number(&queue["position"]) + slots - 1) % slots;
        number(&queue["messages"][newest as usize]["offset"])
    }
}

/// Ticks and looks until the reader is connected.
fn connect(name: &str, reader: &mut Reader, image: &Image, waker: &Waker) {
    for _ in 0..100 {
        image.tick();
        let event = reader.next(waker, Some(Nanos::ZERO));
        if matches!(event, Event::Connected(_)) {
            drop(event);
            assert_eq!(reader.status(), Status::Missing(Link::FirstFrame), "{name}");
            return;
        }
    }
    panic!("{name}: no session, {:?}", reader.status());
}

fn replay(name: &str, image: &Image) {
    let waker = Waker::new().unwrap();
    let clock = Running::default();
    let mut reader = Reader::new(Arc::clone(&image.memory), ReaderOptions::default(), clock);
    connect(name, &mut reader, image, &waker);
    check_session(name, image, &reader);

    let complete = number(&image.facts["frame"]["at"]);
    let newest = image.newest_frame_block();
    if newest != complete {
        image.post_recorded(0, newest);
        expect_stall(name, image, &mut reader, &waker);
    }
    image.tick();
    image.post_recorded(0, complete);
    expect_frame(name, image, &mut reader, &waker);
    expect_pointer(name, image, &mut reader, &waker);
}

fn check_session(name: &str, image: &Image, reader: &Reader) {
    let session = reader
        .session()
        .unwrap_or_else(|| panic!("{name}: no session"));
    assert_eq!(
        session.lgmp.number(),
        number(&image.facts["lgmpVersion"]),
        "{name}"
    );
    assert_eq!(
        session.kvmfr.wire(),
        number(&image.facts["kvmfrVersion"]),
        "{name}"
    );
    assert_eq!(
        Some(session.host_version()),
        image.facts["hostver"].as_str(),
        "{name}"
    );
    assert!(session.features().is_empty(), "{name}");
    assert_eq!(session.uuid(), None, "{name}");
    let vm = session.description.vm.as_ref().expect("VM info");
    assert_eq!(vm.capture, "XCB", "{name}");
    assert!(vm.cpus > 0 && !vm.model.is_empty(), "{name}");
    let os = session.description.os.as_ref().expect("OS info");
    assert_eq!(os.kind, kvmfr::OsKind::Linux, "{name}");
    assert!(!os.name.is_empty(), "{name}");
}

fn expect_stall(name: &str, image: &Image, reader: &mut Reader, waker: &Waker) {
    image.tick();
    let Event::Frame(mut frame) = reader.next(waker, Some(Nanos::ZERO)) else {
        panic!("{name}: no half-written frame");
    };
    let stalled = frame
        .wait_for(usize::MAX)
        .expect_err("only half of it is there");
    assert_eq!(stalled.available, 1 << 20, "{name}");
    assert_eq!(frame.finish(), Err(Discarded::Stalled), "{name}");
}

fn expect_frame(name: &str, image: &Image, reader: &mut Reader, waker: &Waker) {
    let facts = &image.facts["frame"];
    let Event::Frame(mut frame) = reader.next(waker, Some(Nanos::ZERO)) else {
        panic!("{name}: no frame");
    };
    let layout = *frame.layout();
    assert_eq!(frame.serial(), number(&facts["frameSerial"]), "{name}");
    assert_eq!(layout.format, picture::PixelFormat::Bgra8, "{name}");
    assert_eq!(layout.transfer, picture::Transfer::Srgb, "{name}");
    assert_eq!(layout.rotation, picture::Rotation::Deg0, "{name}");
    assert_eq!(layout.pitch_bytes, number(&facts["pitch"]), "{name}");
    assert_eq!(layout.rows, number(&facts["rows"]), "{name}");
    let width = facts.get("frameWidth").or(facts.get("width"));
    assert_eq!(
        layout.frame.width,
        number(width.expect("a width")),
        "{name}"
    );
    assert_eq!(frame.is_truncated(), name.contains("truncated"), "{name}");
    assert!(frame.damage().is_full(), "{name}");
    let available = frame.wait_for(usize::MAX).unwrap();
    assert_eq!(available as u64, layout.data_bytes(), "{name}");
    let row_bytes = layout.frame.width as usize * 4;
    let mut pixels = vec![0; row_bytes * layout.rows as usize];
    for (row, line) in pixels.chunks_exact_mut(row_bytes).enumerate() {
        let at = row * layout.pitch_bytes as usize;
        frame.pixels().copy_to(at, line).unwrap();
    }
    assert_eq!(
        Some(sha256(&pixels).as_str()),
        image.facts["pixelRowsSha256"].as_str(),
        "{name}"
    );
    assert_eq!(frame.finish(), Ok(()), "{name}");
}

fn expect_pointer(name: &str, image: &Image, reader: &mut Reader, waker: &Waker) {
    let messages = image.facts["cursorMessages"].as_array().unwrap();
    let Some(message) = messages.iter().rfind(|m| m.get("shapeSha256").is_some()) else {
        panic!("{name}: no shape was recorded");
    };
    image.tick();
    image.post_recorded(1, number(&message["at"]));
    let Event::Pointer(update) = reader.next(waker, Some(Nanos::ZERO)) else {
        panic!("{name}: no pointer");
    };
    assert_eq!(
        Some(i64::from(update.state.position.x)),
        message["x"].as_i64(),
        "{name}"
    );
    assert_eq!(
        Some(i64::from(update.state.position.y)),
        message["y"].as_i64(),
        "{name}"
    );
    assert_eq!(
        update.state.is_visible,
        number(&message["flags"]) & 2 != 0,
        "{name}"
    );
    let shape: &PointerShape = update.shape.expect("a shape");
    assert_eq!(
        (shape.width, shape.height),
        (number(&message["width"]), number(&message["height"]))
    );
    assert_eq!(
        shape.hot_spot,
        (number(&message["hx"]), number(&message["hy"])),
        "{name}"
    );
    assert_eq!(
        Some(sha256(&shape.data).as_str()),
        message["shapeSha256"].as_str(),
        "{name}"
    );
    let expected = &image.facts["cursorExpected"]["sha256ARGBrows"];
    assert_eq!(
        Some(sha256(&shape.data).as_str()),
        expected.as_str(),
        "{name}"
    );
}

#[test]
fn every_recorded_host_is_read_as_it_was() {
    for recorded in testkit::golden_images() {
        let name = recorded.name.clone();
        replay(&name, &Image::wake(recorded));
    }
}
