//! What our host writes, and a client that is played by hand.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock as _, ManualClock, Nanos};
use ivshmem::{SharedMemory, SharedSlice};
use kvmfr::{Features, FrameFlags, OsInfo, OsKind, SessionDescription, Version, VmInfo};
use picture::pointer::PointerKind;
use picture::{
    Damage, FrameLayout, FrameRect, GuestPoint, PixelFormat, PointerShape, PointerState, Rotation,
    Size, Transfer,
};
use relay::PointerUpdate;
use relay::publisher::{
    ClientRequest, Image as Picture, Pixels, PublishError, Publisher, PublisherOptions, Service,
};
use testkit::handmade::table::{FRAMES, POINTER, QueueKind, SESSION_ID};
use testkit::handmade::{
    Frame, HDR, HDR_PQ, Image, MEMORY_BYTES, POSITION, Pointer, SHAPE, Slot, Subscriber, VISIBLE,
    Wire, catalogue, damage_lists,
};
use testkit::played::{self, Queue, Seat};

use super::rig::{self, copy, fresh};

/// Our host, and the clock of both sides.
pub(crate) struct Stage {
    /// What the memory should be.
    pub(crate) image: Image,
    pub(crate) memory: Arc<SharedMemory>,
    pub(crate) clock: ManualClock,
    pub(crate) publisher: Publisher,
    service: Service,
}

/// What `rig::description` says, in our own terms.
fn description() -> SessionDescription {
    SessionDescription {
        host_version: "by hand".to_owned(),
        features: Features::SET_CURSOR_POSITION,
        vm: Some(VmInfo {
            uuid: Some(*b"0123456789abcdef"),
            capture: "tables".to_owned(),
            cpus: 8,
            cores: 4,
            sockets: 2,
            model: "Example CPU".to_owned(),
        }),
        os: Some(OsInfo {
            kind: OsKind::MacOs,
            name: "an OS".to_owned(),
        }),
    }
}

impl Stage {
    pub(crate) fn new(wire: Wire) -> Self {
        let memory = SharedMemory::create("publishing", MEMORY_BYTES).unwrap();
        Self::on(wire, Arc::new(memory))
    }

    /// A host that takes a memory over.
    fn on(wire: Wire, memory: Arc<SharedMemory>) -> Self {
        let clock = ManualClock::default();
        clock.set(Nanos::from_millis(5_000));
        let version = match wire {
            Wire::V16 => Version::V16,
            Wire::V19 => Version::V19,
            Wire::V20 => Version::V20,
        };
        let options = PublisherOptions {
            version,
            description: description(),
        };
        let shared_clock = Arc::new(clock.clone());
        let publisher = Publisher::with_clock(Arc::clone(&memory), options, shared_clock);
        let mut publisher = publisher.unwrap();
        publisher.set_patience(Duration::ZERO);
        Self {
            image: fresh(wire),
            service: publisher.service(),
            memory,
            clock,
            publisher,
        }
    }

    pub(crate) fn shared(&self) -> SharedSlice<'_> {
        self.memory.as_slice()
    }

    /// A queue as a client finds it.
    pub(crate) fn queue(&self, kind: QueueKind) -> Queue {
        Queue::of(self.shared(), self.image.wire.table(), kind).unwrap()
    }

    /// Lets 10 ms pass.
    pub(crate) fn tick(&mut self) -> Vec<ClientRequest> {
        let mut requests = Vec::new();
        self.clock.advance(Nanos::from_millis(10));
        let now = self.clock.now();
        let tick = self.service.tick(now, |request| requests.push(request));
        assert!(!tick.unwrap().has_restarted);
        self.image.timestamp += 10;
        requests
    }

    pub(crate) fn publish(&mut self, frame: &Frame) {
        let damage = damage_of(frame);
        let image = self.picture(frame, &damage);
        self.publisher.publish(&image).unwrap();
    }

    /// Publishes a frame whose rectangles are told as they are.
    fn tell(&mut self, frame: &Frame) -> Result<(), PublishError> {
        let damage = damage_of(frame);
        let image = self.picture(frame, &damage);
        let told = self.publisher.publish_telling(&image, &rects_of(frame));
        told.map(drop)
    }

    fn picture<'a>(&self, frame: &'a Frame, damage: &'a Damage) -> Picture<'a> {
        Picture {
            layout: layout(self.image.wire, frame),
            pixels: Pixels::Private(&frame.pixels),
            damage,
            flags: FrameFlags::from_bits_retain(frame.flags),
        }
    }

    /// The next frame that a client finds is in a block and says what `frame` does.
    fn expect_frame(&mut self, seat: &mut Seat, index: usize, frame: &Frame, when: &str) {
        let frames = self.queue(FRAMES);
        let message = frames.peek(self.shared(), *seat).unwrap();
        assert_eq!(message, Some(self.image.frame_slot(index).into()), "{when}");
        frames.done(self.shared(), seat).unwrap();
        let block = self.image.layout().frames[index];
        let start = block.offset as usize;
        self.image.frames[index] = Some(frame.clone());
        self.assert_values(start..start + block.size as usize, Some(frame), when);
    }

    fn point(&mut self, pointer: &Pointer, is_visible: bool) {
        let kinds = [
            PointerKind::Colour,
            PointerKind::Monochrome,
            PointerKind::MaskedColour,
        ];
        let shape = PointerShape {
            kind: kinds[pointer.kind as usize],
            width: pointer.width,
            height: pointer.seen_rows(),
            pitch_bytes: pointer.pitch,
            hot_spot: (3, 2),
            data: pointer.pixels.clone(),
        };
        let position = GuestPoint {
            x: pointer.x.into(),
            y: pointer.y.into(),
        };
        let state = PointerState {
            position,
            is_visible,
        };
        let update = PointerUpdate {
            state,
            shape: Some(&shape),
        };
        self.publisher.publish_pointer(&update).unwrap();
    }

    /// Takes over what the specification leaves open.
    fn adopt_session(&mut self) {
        let id = played::word(self.shared(), SESSION_ID).unwrap();
        self.image.session_id = id.load(std::sync::atomic::Ordering::SeqCst);
    }

    /// Compares header, session data and rings.
    pub(crate) fn assert_session(&mut self, when: &str) {
        self.adopt_session();
        rig::assert_session(&self.memory, &self.image, when);
    }

    /// Compares the written values in a part of the memory; what is behind the rows is the host's own business.
    fn assert_values(&self, range: Range<usize>, frame: Option<&Frame>, when: &str) {
        let sheet = self.image.sheet();
        let entries = sheet.entries().iter();
        for entry in entries.filter(|entry| range.contains(&entry.at)) {
            let mut len = entry.bytes.len();
            if let Some(frame) = frame.filter(|_| entry.note.contains("4.3 row")) {
                len = frame.row(0).len();
            }
            let mut seen = vec![0; len];
            self.shared().copy_to(entry.at, &mut seen).unwrap();
            assert_eq!(
                seen,
                entry.bytes[..len],
                "{when}: {} at {}",
                entry.note,
                entry.at
            );
        }
    }
}

/// The rectangles as damage; none are everything.
fn damage_of(frame: &Frame) -> Damage {
    if frame.damage.is_empty() {
        return Damage::FULL;
    }
    let mut damage = Damage::NONE;
    rects_of(frame)
        .into_iter()
        .for_each(|rect| damage.add(rect));
    damage
}

fn rects_of(frame: &Frame) -> Vec<FrameRect> {
    let rects = frame.damage.iter();
    rects
        .map(|&[x, y, width, height]| FrameRect::new(x, y, width, height))
        .collect()
}

fn layout(wire: Wire, frame: &Frame) -> FrameLayout {
    let formats = [
        PixelFormat::Bgra8,
        PixelFormat::Rgba8,
        PixelFormat::Rgba10,
        PixelFormat::Rgba16F,
        PixelFormat::Bgr24Packed,
        PixelFormat::Rgb24,
    ];
    FrameLayout {
        format: formats[frame.kind as usize - 1],
        transfer: match (frame.kind, wire, frame.flags & HDR != 0) {
            (3, Wire::V20, true) => Transfer::Pq2020,
            (4, Wire::V20, true) => Transfer::ScRgb,
            (4, ..) => Transfer::Linear,
            _ => Transfer::Srgb,
        },
        frame: Size::new(frame.size.0, frame.size.1),
        rows: frame.rows,
        pitch_bytes: frame.pitch,
        screen: Size::new(frame.screen.0, frame.screen.1),
        rotation: Rotation::from_quarter_turns(frame.rotation),
    }
}

#[test]
fn a_memory_that_our_host_has_set_up_is_the_image_byte_for_byte() {
    for wire in Wire::ALL {
        let mut stage = Stage::new(wire);
        assert_eq!(stage.image.timestamp, 5_000);
        stage.assert_session("set up");
        stage.tick();
        stage.assert_session("one heartbeat later");
    }
}

#[test]
fn a_memory_full_of_an_old_sessions_clients_is_taken_over_clean() {
    for scene in catalogue() {
        let sheet = scene.image.sheet();
        let memory = Arc::new(SharedMemory::create("taken over", MEMORY_BYTES).unwrap());
        copy(&memory, &sheet, 0..sheet.len());
        let mut stage = Stage::on(scene.image.wire, memory);
        stage.assert_session(scene.name);
        assert_ne!(
            stage.image.session_id, scene.image.session_id,
            "{}",
            scene.name
        );
        assert!(
            stage.tick().is_empty(),
            "{}: messages of old clients",
            scene.name
        );
        assert!(!stage.publisher.has_subscribers(), "{}", scene.name);
    }
}

#[test]
fn every_frame_of_our_host_lies_byte_for_byte_where_the_tables_say() {
    for wire in Wire::ALL {
        for kind in wire.kinds() {
            for rotation in 0..4 {
                check_frame(wire, kind, rotation);
            }
        }
    }
}

fn check_frame(wire: Wire, kind: u32, rotation: u32) {
    let when = format!("{wire:?}, type {kind}, {rotation} turns");
    let mut stage = Stage::new(wire);
    let frames = stage.queue(FRAMES);
    let mut seat = frames.subscribe(stage.shared(), 0x77).unwrap();
    let flags = match (wire, kind) {
        (Wire::V20, 3) => HDR | HDR_PQ,
        (Wire::V20, 4) => HDR,
        _ => 0,
    };
    for (index, rects) in [(0, vec![]), (1, vec![[2, 1, 5, 3]])] {
        let frame = Frame {
            format_version: 0,
            serial: index as u32,
            rotation,
            flags,
            ..Frame::new(kind, (19, 7), 6)
        };
        let frame = frame.damaged(&rects);
        stage.publish(&frame);
        stage.expect_frame(&mut seat, index, &frame, &when);
    }
    stage.image.queues[0].subscribers = vec![Subscriber {
        bit: 0,
        client_id: 0x77,
        evicted_until: None,
    }];
    // Both were posted and given back; the host has looked at the subscription.
    let queue = &mut stage.image.queues[0];
    (queue.write_pos, queue.start, queue.deadline) = (2, 2, 6_000);
    let slots = [0, 1].map(|index| stage.image.frame_slot(index));
    stage.image.queues[0].slots = (0..).zip(slots).collect();
    stage.assert_session(&when);
}

#[test]
fn rectangles_that_no_sane_host_would_tell_are_told_as_they_are() {
    for wire in Wire::ALL {
        for (list, rects) in damage_lists((19, 7)) {
            let when = format!("{wire:?}, damage {list}");
            let mut stage = Stage::new(wire);
            let mut seat = stage.queue(FRAMES).subscribe(stage.shared(), 1).unwrap();
            let first = Frame {
                format_version: 0,
                ..Frame::new(1, (19, 7), 0)
            };
            // A first frame is everything, whatever is told.
            stage.tell(&first.clone().damaged(&rects)).unwrap();
            stage.expect_frame(&mut seat, 0, &first, &when);
            let second = first.after(&rects, 1);
            stage.tell(&second).unwrap();
            // Everything has only one way to be said.
            let is_all = ["none", "whole", "too-many"].contains(&list);
            let second = if is_all { second.damaged(&[]) } else { second };
            stage.expect_frame(&mut seat, 1, &second, &when);
        }
    }
}

#[test]
fn what_a_lost_frame_owes_is_not_hidden_by_what_is_told_of_the_next() {
    let mut stage = Stage::new(Wire::V20);
    let mut seat = stage.queue(FRAMES).subscribe(stage.shared(), 1).unwrap();
    let first = Frame {
        format_version: 0,
        ..Frame::new(1, (19, 7), 0)
    };
    stage.tell(&first).unwrap();
    let second = first.after(&[[0, 0, 0, 0], [2, 2, 2, 2]], 1);
    stage.tell(&second).unwrap();
    // Both blocks are held, so this one is refused.
    let third = second.after(&[[9, 4, 2, 2], [0, 0, 0, 0]], 2);
    assert!(stage.tell(&third).is_err());
    stage.expect_frame(&mut seat, 0, &first, "the first");
    stage.expect_frame(&mut seat, 1, &second, "the second");
    let fourth = third.after(&[[0, 0, 1, 1], [0, 0, 0, 0]], 3);
    stage.tell(&fourth).unwrap();
    let owed = Frame {
        serial: 2,
        ..fourth.damaged(&[[9, 4, 2, 2], [0, 0, 1, 1]])
    };
    stage.expect_frame(&mut seat, 0, &owed, "the fourth");
}

#[test]
fn every_pointer_of_our_host_lies_byte_for_byte_where_the_tables_say() {
    for wire in Wire::ALL {
        for kind in 0..3 {
            let when = format!("{wire:?}, pointer {kind}");
            let mut stage = Stage::new(wire);
            let queue = stage.queue(POINTER);
            let mut seat = queue.subscribe(stage.shared(), 0x77).unwrap();
            let pointer = Pointer::shape(kind, -3, 400);
            stage.point(&pointer, true);
            let bits = POSITION | VISIBLE | SHAPE;
            let message = queue.peek(stage.shared(), seat).unwrap();
            assert_eq!(
                message,
                Some(stage.image.shape_slot(0, bits).into()),
                "{when}"
            );
            queue.done(stage.shared(), &mut seat).unwrap();
            stage.image.shapes = vec![(0, pointer)];

            // Hidden somewhere else: a small block is enough.
            let state = PointerState {
                position: GuestPoint { x: 7, y: -8 },
                is_visible: false,
            };
            let update = PointerUpdate { state, shape: None };
            stage.publisher.publish_pointer(&update).unwrap();
            let message = queue.peek(stage.shared(), seat).unwrap();
            assert_eq!(
                message,
                Some(stage.image.cursor_slot(0, POSITION).into()),
                "{when}"
            );
            stage.image.cursors = vec![(0, Pointer::at(7, -8))];

            let layout = stage.image.layout();
            let range = layout.cursors[0].offset as usize..layout.frames[0].offset as usize;
            stage.assert_values(range, None, &when);
        }
    }
}

#[test]
fn a_late_client_is_sent_the_last_frame_and_shape_again() {
    for wire in Wire::ALL {
        let mut stage = Stage::new(wire);
        stage.publish(&Frame::new(1, (19, 7), 6));
        stage.point(&Pointer::shape(0, 1, 2), true);
        let queues = [FRAMES, POINTER].map(|kind| stage.queue(kind));
        let seats = queues
            .each_ref()
            .map(|queue| queue.subscribe(stage.shared(), 1).unwrap());
        assert!(stage.publisher.serve_new_subscribers());
        let bits = POSITION | VISIBLE | SHAPE;
        let expected = [stage.image.frame_slot(0), stage.image.shape_slot(0, bits)];
        for ((queue, seat), slot) in queues.iter().zip(seats).zip(expected) {
            let message = queue.peek(stage.shared(), seat).unwrap();
            assert_eq!(
                message,
                Some(Slot { pending: 0, ..slot }.into()),
                "{wire:?}"
            );
        }
    }
}
