use proptest::prelude::*;

use super::*;

const SHAPE_ROOM: u32 = 1_048_600;

fn header(kind: u32, width: u32, height: u32, pitch: u32) -> Vec<u8> {
    let words = [0, kind, 0, width, height, pitch];
    words.iter().flat_map(|w: &u32| w.to_le_bytes()).collect()
}

fn parse(kind: u32, width: u32, height: u32, pitch: u32) -> Result<ShapeHeader, CursorError> {
    let bytes = header(kind, width, height, pitch);
    let parsed = CursorHeader::parse(PointerFlags::SHAPE, &bytes, SHAPE_ROOM)?;
    Ok(parsed.shape.expect("the flag says so"))
}

#[test]
fn every_field_lies_where_the_specification_says() {
    let parsed = CursorHeader {
        x: -2,
        y: 0x0304,
        shape: Some(ShapeHeader {
            kind: CursorKind::MaskedColour,
            hx: 5,
            hy: -6,
            width: 0x30,
            height: 0x31,
            pitch: 0x100,
        }),
    };
    let bytes = [
        0xfe, 0xff, 4, 3, 2, 0, 0, 0, 5, 0xfa, 0, 0, 0x30, 0, 0, 0, 0x31, 0, 0, 0, 0, 1, 0, 0,
    ];
    assert_eq!(parsed.encode(), bytes);
    assert_eq!(
        CursorHeader::parse(PointerFlags::SHAPE, &bytes, SHAPE_ROOM),
        Ok(parsed)
    );
}

#[test]
fn a_position_message_ignores_the_fields_of_the_shape() {
    let bytes = [0xff; 24];
    let parsed = CursorHeader::parse(PointerFlags::POSITION, &bytes, 24).expect("position");
    assert_eq!((parsed.x, parsed.y, parsed.shape), (-1, -1, None));
}

#[test]
fn short_copies_and_short_slots_are_refused() {
    for len in 0..24 {
        assert!(CursorHeader::parse(PointerFlags::empty(), &[0; 24][..len], 24).is_err());
        assert!(CursorHeader::parse(PointerFlags::empty(), &[0; 24], len as u32).is_err());
    }
}

#[test]
fn a_block_is_read_only_inside_the_memory() {
    let memory = ivshmem::SharedMemory::create("kvmfr-cursor", 4096).expect("memfd");
    let bytes = header(0, 8, 8, 32);
    memory.as_slice().copy_from(3000, &bytes).expect("fits");
    memory.as_slice().copy_from(3840, &bytes).expect("fits");
    let read = |offset| CursorHeader::read(PointerFlags::SHAPE, memory.as_slice(), offset, 280);
    assert!(read(3000).is_ok());
    // 24 + 8 * 32 bytes from 3840 end behind the memory.
    assert!(matches!(read(3840), Err(CursorError::Data { .. })));
    for offset in [4073, 4096, u32::MAX] {
        assert!(matches!(read(offset), Err(CursorError::TooShort(_))));
    }
}

#[test]
fn types_beyond_2_are_refused() {
    for kind in [3, u32::MAX] {
        assert_eq!(parse(kind, 1, 2, 4), Err(CursorError::Type(kind)));
    }
}

#[test]
fn sides_are_limited_to_1_and_1024() {
    assert!(parse(0, 1, 1, 4).is_ok());
    assert!(parse(0, 1024, 256, 4096).is_ok());
    assert!(parse(1, 1024, 2048, 128).is_ok());
    for (kind, width, height) in [
        (0, 0, 1),
        (0, 1, 0),
        (0, 1025, 1),
        (0, 1, 1025),
        (0, u32::MAX, 1),
        (0, 1, u32::MAX),
        (1, 8, 2050),
        (1, 8, u32::MAX - 1),
    ] {
        let error = CursorError::Size { width, height };
        assert_eq!(parse(kind, width, height, 1 << 20), Err(error));
    }
}

#[test]
fn an_odd_monochrome_height_is_refused() {
    assert!(parse(1, 8, 2, 1).is_ok());
    for height in [1, 3, 65] {
        let error = CursorError::Size { width: 8, height };
        assert_eq!(parse(1, 8, height, 1), Err(error));
    }
}

#[test]
fn a_pitch_below_the_row_is_refused() {
    assert_eq!(parse(0, 32, 32, 127), Err(CursorError::Pitch(127)));
    assert!(parse(0, 32, 32, 128).is_ok());
    assert_eq!(parse(1, 33, 32, 4), Err(CursorError::Pitch(4)));
    assert!(parse(1, 33, 32, 5).is_ok());
    assert_eq!(parse(2, 1, 1, 0), Err(CursorError::Pitch(0)));
}

#[test]
fn data_beyond_the_block_is_refused_without_overflow() {
    assert!(parse(0, 512, 512, 2048).is_ok());
    assert!(matches!(
        parse(0, 512, 513, 2048),
        Err(CursorError::Data { .. })
    ));
    assert!(matches!(
        parse(0, 1024, 1024, u32::MAX),
        Err(CursorError::Data { .. })
    ));
    let bytes = header(0, 1, 1, 4);
    assert!(CursorHeader::parse(PointerFlags::SHAPE, &bytes, 28).is_ok());
    assert!(CursorHeader::parse(PointerFlags::SHAPE, &bytes, 27).is_err());
}

#[test]
fn hot_spots_are_clamped_to_what_is_seen() {
    let shape = |kind, hx, hy| ShapeHeader {
        kind,
        hx,
        hy,
        width: 32,
        height: 64,
        pitch: 128,
    };
    assert_eq!(shape(CursorKind::Colour, 7, 9).hot_spot(), (7, 9));
    assert_eq!(shape(CursorKind::Colour, -1, -128).hot_spot(), (0, 0));
    assert_eq!(shape(CursorKind::Colour, 127, 127).hot_spot(), (31, 63));
    assert_eq!(shape(CursorKind::Monochrome, 127, 127).hot_spot(), (31, 31));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        (x, y, hx, hy) in any::<(i16, i16, i8, i8)>(),
        kind in 0_u32..3,
        width in 1_u32..=256,
        half in 1_u32..=128,
        extra in 0_u32..64,
    ) {
        let kind = CursorKind::from_wire(kind).expect("in range");
        let pitch = kind.row_bytes(width) as u32 + extra;
        let shape = ShapeHeader { kind, hx, hy, width, height: 2 * half, pitch };
        let header = CursorHeader { x, y, shape: Some(shape) };
        let parsed = CursorHeader::parse(PointerFlags::SHAPE, &header.encode(), SHAPE_ROOM);
        prop_assert_eq!(parsed, Ok(header));
    }

    #[test]
    fn whatever_is_accepted_lies_in_the_block(bytes: [u8; 24], room in 0_u32..2_000_000) {
        if let Ok(parsed) = CursorHeader::parse(PointerFlags::SHAPE, &bytes, room) {
            let shape = parsed.shape.expect("the flag says so");
            prop_assert!(24 + shape.data_bytes() <= u64::from(room));
        }
    }
}
