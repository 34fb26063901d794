//! Pointer messages and the way back.

use kvmfr::PointerFlags;
use picture::pointer::PointerKind;
use picture::{PointerShape, PointerState};

use super::rig::*;
use crate::reader::*;

const POSITION: PointerFlags = PointerFlags::POSITION;
const VISIBLE: PointerFlags = PointerFlags::VISIBLE;
const SHAPE: PointerFlags = PointerFlags::SHAPE;

/// A cursor header, byte by byte.
fn bytes(x: i16, y: i16, kind: u32, hot: (i8, i8), size: (u32, u32), pitch: u32) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[0..2].copy_from_slice(&x.to_le_bytes());
    bytes[2..4].copy_from_slice(&y.to_le_bytes());
    bytes[4..8].copy_from_slice(&kind.to_le_bytes());
    bytes[8] = hot.0 as u8;
    bytes[9] = hot.1 as u8;
    bytes[12..16].copy_from_slice(&size.0.to_le_bytes());
    bytes[16..20].copy_from_slice(&size.1.to_le_bytes());
    bytes[20..24].copy_from_slice(&pitch.to_le_bytes());
    bytes
}

fn moved(x: i16, y: i16) -> [u8; 24] {
    bytes(x, y, 0, (0, 0), (0, 0), 0)
}

fn state(x: i32, y: i32, is_visible: bool) -> PointerState {
    PointerState {
        position: point(x, y),
        is_visible,
    }
}

impl Rig {
    fn point(&mut self, flags: PointerFlags, header: &[u8; 24], data: &[u8]) {
        let now = self.now();
        self.host().post_pointer(flags, header, data, now);
    }
}

#[test]
fn waiting_messages_become_one_update() {
    let mut rig = Rig::newest();
    rig.point(POSITION | VISIBLE, &moved(1, 2), &[]);
    assert_eq!(rig.look(), Seen::Pointer(state(1, 2, true), None));
    let rows = [9; 4 * 8];
    let shape = bytes(5, 6, 0, (1, 9), (2, 4), 8);
    rig.point(POSITION | VISIBLE | SHAPE, &shape, &rows);
    // The second small block is the same one: messages may be newer than they were when posted (H8).
    rig.point(POSITION | VISIBLE, &moved(-7, -8), &[]);
    let expected = PointerShape {
        kind: PointerKind::Colour,
        width: 2,
        height: 4,
        pitch_bytes: 8,
        hot_spot: (1, 3),
        data: rows.to_vec(),
    };
    assert_eq!(
        rig.look(),
        Seen::Pointer(state(-7, -8, true), Some(expected))
    );
    assert_eq!(rig.look(), Seen::Nothing);
    assert_eq!(rig.host().pointer.pending(), 0);
}

#[test]
fn a_message_without_position_keeps_it_and_one_without_visible_hides() {
    let mut rig = Rig::newest();
    rig.point(POSITION | VISIBLE, &moved(10, 20), &[]);
    assert_eq!(rig.look(), Seen::Pointer(state(10, 20, true), None));
    rig.point(PointerFlags::empty(), &moved(99, 99), &[]);
    assert_eq!(rig.look(), Seen::Pointer(state(10, 20, false), None));
    rig.point(PointerFlags::empty(), &moved(99, 99), &[]);
    assert_eq!(rig.look(), Seen::Nothing);
}

#[test]
fn a_shape_sent_again_is_no_news_but_a_changed_one_is() {
    let mut rig = Rig::newest();
    let shape = bytes(0, 0, 2, (0, 0), (1, 1), 4);
    rig.point(VISIBLE | SHAPE, &shape, &[1, 2, 3, 4]);
    assert!(matches!(rig.look(), Seen::Pointer(_, Some(_))));
    rig.point(VISIBLE | SHAPE, &shape, &[1, 2, 3, 4]);
    assert_eq!(rig.look(), Seen::Nothing);
    rig.point(VISIBLE | SHAPE, &shape, &[1, 2, 3, 5]);
    let Seen::Pointer(_, Some(new)) = rig.look() else {
        panic!("no new shape");
    };
    assert_eq!(
        (new.kind, new.data),
        (PointerKind::MaskedColour, vec![1, 2, 3, 5])
    );
}

#[test]
fn rows_lose_their_padding_and_monochrome_shapes_half_their_height() {
    let mut rig = Rig::newest();
    // Nine columns, two rows to be seen, four rows of data, pitch 5.
    let data: Vec<u8> = (0..20).collect();
    rig.point(SHAPE, &bytes(0, 0, 1, (-3, 100), (9, 4), 5), &data);
    let Seen::Pointer(_, Some(shape)) = rig.look() else {
        panic!("no shape");
    };
    assert_eq!(shape.data, [0, 1, 5, 6, 10, 11, 15, 16]);
    assert_eq!((shape.width, shape.height, shape.pitch_bytes), (9, 2, 2));
    assert_eq!(shape.hot_spot, (0, 1));
}

#[test]
fn shapes_of_nonsense_change_nothing() {
    let mut rig = Rig::newest();
    let hostile = [
        bytes(1, 1, 3, (0, 0), (8, 8), 32),
        bytes(1, 1, 0, (0, 0), (0, 8), 32),
        bytes(1, 1, 0, (0, 0), (8, 1025), 32),
        bytes(1, 1, 0, (0, 0), (u32::MAX, u32::MAX), u32::MAX),
        bytes(1, 1, 0, (0, 0), (8, 8), 31),
        bytes(1, 1, 0, (0, 0), (8, 8), u32::MAX),
        bytes(1, 1, 1, (0, 0), (8, 7), 32),
        bytes(1, 1, 0, (0, 0), (1024, 1024), 4096),
    ];
    for header in hostile {
        rig.point(POSITION | VISIBLE | SHAPE, &header, &[]);
        assert_eq!(rig.look(), Seen::Nothing, "{header:?}");
        assert_eq!(rig.host().pointer.pending(), 0);
    }
}

#[test]
fn frames_and_pointer_take_turns() {
    let mut rig = Rig::newest();
    rig.post(&header(0));
    rig.point(POSITION | VISIBLE, &moved(1, 1), &[]);
    assert_eq!(rig.look(), Seen::full(0));
    rig.post(&header(1));
    assert!(matches!(rig.look(), Seen::Pointer(..)));
    rig.point(POSITION | VISIBLE, &moved(2, 1), &[]);
    assert_eq!(rig.look(), Seen::full(1));
    assert!(matches!(rig.look(), Seen::Pointer(..)));
}

#[test]
fn the_pointer_of_an_old_session_is_forgotten() {
    let mut rig = Rig::newest();
    let shape = bytes(0, 0, 0, (0, 0), (1, 1), 4);
    rig.point(POSITION | VISIBLE | SHAPE, &shape, &[1, 2, 3, 4]);
    assert!(matches!(rig.look(), Seen::Pointer(_, Some(_))));
    rig.start_host(WireVersion::V6, Version::V20);
    assert_eq!(rig.wait(100), Seen::Connected);
    rig.point(POSITION | VISIBLE | SHAPE, &shape, &[1, 2, 3, 4]);
    assert!(matches!(rig.look(), Seen::Pointer(_, Some(_))));
}

#[test]
fn the_host_is_asked_to_move_the_pointer_and_answers() {
    for (lgmp, version) in PAIRS {
        let mut rig = Rig::connected(lgmp, version);
        rig.reader.set_cursor_position(point(12, -34)).unwrap();
        assert_eq!(rig.look(), Seen::Nothing);
        let message = rig.host().pointer.next_message().expect("a message");
        let expected = kvmfr::SetCursorPos { x: 12, y: -34 };
        assert_eq!(
            kvmfr::ClientMessage::parse(message.bytes()),
            Some(kvmfr::ClientMessage::SetCursorPos(expected))
        );
        assert_eq!(rig.look(), Seen::Nothing);
        rig.host().pointer.acknowledge();
        assert_eq!(rig.look(), Seen::Cursor(CursorPosition::Acknowledged));
        assert_eq!(rig.look(), Seen::Nothing);
    }
}

#[test]
fn a_host_that_does_not_answer_is_given_up_after_a_quarter_second() {
    let mut rig = Rig::newest();
    rig.reader.set_cursor_position(point(1, 1)).unwrap();
    assert_eq!(rig.wait(240), Seen::Nothing);
    assert_eq!(rig.wait(20), Seen::Cursor(CursorPosition::Failed));
}

#[test]
fn a_full_mailbox_is_an_error_at_once() {
    let mut rig = Rig::newest();
    for _ in 0..10 {
        rig.reader.set_cursor_position(point(1, 1)).unwrap();
    }
    assert_eq!(
        rig.reader.set_cursor_position(point(1, 1)),
        Err(SetCursorError::Send(lgmp::SendError::Full))
    );
}

#[test]
fn without_a_session_or_the_feature_nothing_is_asked() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    let refused = rig.reader.set_cursor_position(point(1, 1));
    assert_eq!(refused, Err(SetCursorError::NotConnected));
    let mut plain = description();
    plain.features = Features::empty();
    let (now, udata) = (rig.now(), plain.encode(Version::V20));
    rig.host = Some(FakeHost::with_udata(
        &rig.memory,
        WireVersion::V6,
        Version::V20,
        &udata,
        now,
    ));
    assert_eq!(rig.wait(200), Seen::Connected);
    let refused = rig.reader.set_cursor_position(point(1, 1));
    assert_eq!(refused, Err(SetCursorError::NotOffered));
}

#[test]
fn a_request_fails_with_its_session() {
    let mut rig = Rig::newest();
    rig.reader.set_cursor_position(point(1, 1)).unwrap();
    rig.host = None;
    rig.memory.as_slice().zero(0, 8192).unwrap();
    assert_eq!(rig.wait(100), Seen::Missing(Link::Magic));
    assert_eq!(rig.look(), Seen::Cursor(CursorPosition::Failed));
}
