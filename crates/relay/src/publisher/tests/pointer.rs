use kvmfr::{CURSOR_BLOCK_BYTES, CursorHeader, CursorKind, PointerFlags, SHAPE_BLOCK_BYTES};
use picture::pointer::PointerKind;
use picture::{GuestPoint, PointerShape, PointerState};

use super::*;

fn state(x: i32, y: i32) -> PointerState {
    PointerState {
        position: GuestPoint { x, y },
        is_visible: true,
    }
}

fn shape(kind: PointerKind, side: u32, seed: u8) -> PointerShape {
    let pitch_bytes = match kind {
        PointerKind::Monochrome => side.div_ceil(8),
        PointerKind::Colour | PointerKind::MaskedColour => side * 4,
    };
    let data_rows = match kind {
        PointerKind::Monochrome => side * 2,
        PointerKind::Colour | PointerKind::MaskedColour => side,
    };
    PointerShape {
        kind,
        width: side,
        height: side,
        pitch_bytes,
        hot_spot: (3, 4),
        data: (0..data_rows * pitch_bytes)
            .map(|i| (i as u8).wrapping_add(seed))
            .collect(),
    }
}

/// One pointer message, as a client reads it.
#[derive(Debug, PartialEq)]
struct Seen {
    flags: PointerFlags,
    offset: u32,
    header: CursorHeader,
    data: Vec<u8>,
}

impl Fixture {
    fn point(&mut self, state: PointerState) -> Result<(), PublishError> {
        let update = PointerUpdate { state, shape: None };
        self.publisher.publish_pointer(&update)
    }

    fn shape(&mut self, state: PointerState, shape: &PointerShape) -> Result<(), PublishError> {
        let update = PointerUpdate {
            state,
            shape: Some(shape),
        };
        self.publisher.publish_pointer(&update)
    }

    fn peek(&self, viewer: &mut Viewer) -> Option<Seen> {
        let message = viewer.pointer.peek(self.now_ms()).expect("subscribed")?;
        let flags = PointerFlags::from_bits_retain(message.udata);
        let memory = self.memory.as_slice();
        let header = CursorHeader::read(flags, memory, message.offset, message.size);
        let header = header.expect("sane");
        let whole = match header.shape {
            Some(_) => SHAPE_BLOCK_BYTES,
            None => CURSOR_BLOCK_BYTES,
        };
        assert_eq!(message.size, whole, "the slot tells the size of the block");
        let bytes = header.shape.map_or(0, |shape| shape.data_bytes() as usize);
        let mut data = vec![0; bytes];
        let start = message.offset as usize + CursorHeader::BYTES;
        memory.copy_to(start, &mut data).expect("inside");
        Some(Seen {
            flags,
            offset: message.offset,
            header,
            data,
        })
    }

    fn take_pointer(&self, viewer: &mut Viewer) -> Option<Seen> {
        let seen = self.peek(viewer)?;
        viewer.pointer.release(self.now_ms()).expect("subscribed");
        Some(seen)
    }
}

const MOVED: PointerFlags = PointerFlags::POSITION.union(PointerFlags::VISIBLE);
const SHAPED: PointerFlags = MOVED.union(PointerFlags::SHAPE);

#[test]
fn every_kind_of_shape_arrives() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let mut viewer = fixture.attach();
        let kinds = [
            PointerKind::Colour,
            PointerKind::Monochrome,
            PointerKind::MaskedColour,
        ];
        for (i, kind) in kinds.into_iter().enumerate() {
            let sent = shape(kind, 32, i as u8);
            fixture.shape(state(10, -20), &sent).expect("room");
            let seen = fixture.take_pointer(&mut viewer).expect("posted");
            assert_eq!(
                (seen.flags, seen.header.x, seen.header.y),
                (SHAPED, 10, -20)
            );
            let header = seen.header.shape.expect("flagged");
            assert_eq!(header.kind, CursorKind::ALL[i]);
            assert_eq!(crate::translate::pointer_shape(&header, seen.data), sent);
        }
    }
}

#[test]
fn moves_carry_no_shape_and_hiding_clears_the_flag() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    fixture.point(state(1, 2)).expect("room");
    let seen = fixture.take_pointer(&mut viewer).expect("posted");
    assert_eq!((seen.flags, seen.header.x, seen.header.y), (MOVED, 1, 2));
    let hidden = PointerState {
        is_visible: false,
        ..state(1, 2)
    };
    fixture.point(hidden).expect("room");
    let seen = fixture.take_pointer(&mut viewer).expect("posted");
    assert_eq!(seen.flags, PointerFlags::POSITION);
}

#[test]
fn what_did_not_change_is_not_sent() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    fixture.point(state(1, 2)).expect("room");
    fixture.point(state(1, 2)).expect("nothing to do");
    assert!(fixture.take_pointer(&mut viewer).is_some());
    assert!(fixture.take_pointer(&mut viewer).is_none());
}

#[test]
fn positions_beyond_the_wire_and_hot_spots_are_clamped() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let big = PointerShape {
        hot_spot: (200, 255),
        ..shape(PointerKind::Colour, 256, 0)
    };
    fixture
        .shape(state(i32::MIN, i32::MAX), &big)
        .expect("room");
    let seen = fixture.take_pointer(&mut viewer).expect("posted");
    assert_eq!((seen.header.x, seen.header.y), (i16::MIN, i16::MAX));
    let header = seen.header.shape.expect("flagged");
    assert_eq!((header.hx, header.hy), (127, 127));
}

#[test]
fn shapes_that_no_client_would_take_are_refused_and_forgotten() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let good = shape(PointerKind::Colour, 512, 0);
    fixture.shape(state(0, 0), &good).expect("just fits");
    fixture.take_pointer(&mut viewer).expect("posted");
    let wide = PointerShape {
        width: 513,
        pitch_bytes: 2052,
        data: vec![0; 513 * 2052],
        ..good.clone()
    };
    let short = PointerShape {
        data: vec![0; good.data.len() - 1],
        ..good.clone()
    };
    let empty = PointerShape {
        width: 0,
        ..good.clone()
    };
    let narrow = PointerShape {
        pitch_bytes: 2047,
        ..good
    };
    assert!(matches!(
        fixture.shape(state(1, 1), &wide),
        Err(PublishError::Shape(_))
    ));
    assert!(matches!(
        fixture.shape(state(1, 1), &empty),
        Err(PublishError::Shape(_))
    ));
    assert!(matches!(
        fixture.shape(state(1, 1), &narrow),
        Err(PublishError::Shape(_))
    ));
    let result = fixture.shape(state(1, 1), &short);
    assert!(matches!(result, Err(PublishError::ShortShape { .. })));
    assert!(fixture.take_pointer(&mut viewer).is_none());
    fixture.point(state(5, 5)).expect("room");
    assert_eq!(
        fixture.take_pointer(&mut viewer).expect("posted").flags,
        MOVED
    );
}

#[test]
fn twenty_moves_are_held_and_the_rest_is_owed() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let mut viewer = fixture.attach();
        for x in 0..20 {
            fixture.point(state(x, 0)).expect("room");
        }
        for x in 20..25 {
            assert_eq!(fixture.point(state(x, 0)), Err(PublishError::Busy));
        }
        let mut offsets = Vec::new();
        for x in 0..20 {
            let seen = fixture.take_pointer(&mut viewer).expect("posted");
            assert_eq!(seen.header.x, x);
            offsets.push(seen.offset);
        }
        offsets.dedup();
        assert_eq!(offsets.len(), 20, "each message has a block of its own");
        assert!(fixture.take_pointer(&mut viewer).is_none());
        // The newest position comes late, but it comes.
        assert!(fixture.publisher.serve_new_subscribers());
        assert_eq!(
            fixture.take_pointer(&mut viewer).expect("owed").header.x,
            24
        );
        assert!(!fixture.publisher.serve_new_subscribers());
    }
}

#[test]
fn three_shapes_are_held_and_the_fourth_is_owed() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let shapes: Vec<_> = (0..5)
        .map(|i| shape(PointerKind::Colour, 16, 50 * i))
        .collect();
    for sent in &shapes[..3] {
        fixture.shape(state(0, 0), sent).expect("room");
    }
    for sent in &shapes[3..] {
        assert_eq!(fixture.shape(state(1, 0), sent), Err(PublishError::Busy));
    }
    for sent in &shapes[..3] {
        let seen = fixture.take_pointer(&mut viewer).expect("posted");
        assert_eq!(seen.data, sent.data);
    }
    fixture.point(state(2, 0)).expect("room");
    let seen = fixture.take_pointer(&mut viewer).expect("owed");
    assert_eq!((seen.flags, seen.header.x), (SHAPED, 2));
    assert_eq!(seen.data, shapes[4].data);
}

#[test]
fn a_message_in_the_queue_keeps_its_block_however_much_follows() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let mut turn = 0_i32;
    for round in 0..40 {
        let held = fixture.peek(&mut viewer);
        for _ in 0..round % 7 {
            turn += 1;
            let result = if turn % 4 == 0 {
                fixture.shape(state(turn, 0), &shape(PointerKind::Colour, 8, turn as u8))
            } else {
                fixture.point(state(turn, 0))
            };
            assert!(matches!(result, Ok(()) | Err(PublishError::Busy)));
            assert!(held.is_none() || fixture.peek(&mut viewer) == held);
        }
        for _ in 0..round % 5 {
            fixture.take_pointer(&mut viewer);
        }
    }
}

#[test]
fn a_new_subscriber_gets_the_last_shape_at_the_newest_position() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let mut first = fixture.attach();
        let sent = shape(PointerKind::Colour, 16, 7);
        fixture.shape(state(1, 1), &sent).expect("room");
        let block = fixture.take_pointer(&mut first).expect("posted").offset;
        fixture.point(state(30, -40)).expect("room");
        fixture.take_pointer(&mut first).expect("posted");
        let mut second = fixture.attach();
        assert!(fixture.publisher.serve_new_subscribers());
        for viewer in [&mut first, &mut second] {
            let seen = fixture.take_pointer(viewer).expect("sent again");
            assert_eq!((seen.flags, seen.offset), (SHAPED, block));
            assert_eq!((seen.header.x, seen.header.y), (30, -40));
            assert_eq!(seen.data, sent.data);
        }
        assert!(!fixture.publisher.serve_new_subscribers());
    }
}

#[test]
fn a_move_serves_new_subscribers_with_the_shape_too() {
    let mut fixture = Fixture::new(Version::V20);
    let sent = shape(PointerKind::Monochrome, 32, 7);
    fixture.shape(state(1, 1), &sent).expect("nobody there");
    let mut viewer = fixture.attach();
    fixture.point(state(2, 2)).expect("room");
    let seen = fixture.take_pointer(&mut viewer).expect("posted");
    assert_eq!((seen.flags, seen.header.x), (SHAPED, 2));
    assert_eq!(seen.data, sent.data);
}

#[test]
fn without_a_shape_a_new_subscriber_gets_the_position_and_without_that_nothing() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    assert!(!fixture.publisher.serve_new_subscribers());
    let hidden = PointerState::default();
    fixture.point(hidden).expect("room");
    let seen = fixture.take_pointer(&mut viewer).expect("posted");
    assert_eq!(seen.flags, PointerFlags::POSITION);
    let mut late = fixture.attach();
    assert!(fixture.publisher.serve_new_subscribers());
    assert_eq!(
        fixture.take_pointer(&mut late).expect("sent").flags,
        PointerFlags::POSITION
    );
}

#[test]
fn a_stuck_lock_delays_the_pointer_but_loses_nothing() {
    let mut fixture = Fixture::new(Version::V19);
    let mut viewer = fixture.attach();
    let sent = shape(PointerKind::Colour, 16, 7);
    fixture.set_lock(1, true);
    let result = fixture.shape(state(1, 1), &sent);
    assert_eq!(result, Err(PublishError::LockTimeout));
    fixture.set_lock(1, false);
    assert!(fixture.publisher.serve_new_subscribers());
    let seen = fixture.take_pointer(&mut viewer).expect("owed");
    assert_eq!((seen.flags, seen.data), (SHAPED, sent.data));
}

#[test]
fn the_pointer_comes_back_after_the_memory_was_wiped() {
    let mut fixture = Fixture::new(Version::V20);
    let sent = shape(PointerKind::Colour, 16, 7);
    fixture.shape(state(3, 4), &sent).expect("nobody there");
    let memory = fixture.memory.as_slice();
    memory.zero(0, memory.len()).expect("inside");
    assert!(fixture.tick().has_restarted);
    let mut viewer = fixture.attach();
    assert!(fixture.publisher.serve_new_subscribers());
    let seen = fixture.take_pointer(&mut viewer).expect("sent again");
    assert_eq!((seen.flags, seen.header.x, seen.header.y), (SHAPED, 3, 4));
    assert_eq!(seen.data, sent.data);
}
