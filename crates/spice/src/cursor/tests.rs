use super::*;
use crate::wire::hex;

fn receive(cursor: &mut Cursor, kind: u16, payload: &[u8]) -> Vec<CursorEvent> {
    let mut events = Vec::new();
    cursor
        .receive(kind, payload, &mut |event| events.push(event))
        .unwrap();
    events
}

/// A SET at 1,2 with a shape.
fn set(flags: u16, id: u64, kind: u8, (width, height): (u16, u16), image: &[u8]) -> Vec<u8> {
    let mut payload = hex("0100 0200 01");
    payload.extend(flags.to_le_bytes());
    payload.extend(id.to_le_bytes());
    payload.push(kind);
    for field in [width, height, 0, 0] {
        payload.extend(field.to_le_bytes());
    }
    payload.extend(image);
    payload
}

fn masked(kind: u8, size: (u16, u16), image: &[u8]) -> Vec<u8> {
    let events = receive(&mut Cursor::default(), 103, &set(0, 1, kind, size, image));
    match &events[0] {
        CursorEvent::Shape(shape) => match &shape.pixels {
            CursorPixels::Masked(pixels) => pixels.clone(),
            CursorPixels::Alpha(_) => panic!("alpha"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_captured_init_without_a_shape_hides_the_pointer() {
    let mut cursor = Cursor::default();
    let init = hex("0000 0000 0000 0000 01 0100");
    assert_eq!(receive(&mut cursor, 101, &init), [CursorEvent::Hidden]);
    assert!(receive(&mut cursor, 104, &hex("6700 7c00")).is_empty());
}

#[test]
fn the_captured_shape_is_cached_moved_hidden_and_shown_again() {
    let mut cursor = Cursor::default();
    let mut payload = hex("0300 0400 01 0200 6400000000000000 00 2000 2000 0300 0400");
    payload.extend(hex("332211ff").repeat(1024));
    assert_eq!(payload.len(), 4120 - 2 + 2);
    let events = receive(&mut cursor, 103, &payload);
    let CursorEvent::Shape(shape) = &events[0] else {
        panic!("no shape");
    };
    assert_eq!((shape.width, shape.height), (32, 32));
    assert_eq!((shape.hot_x, shape.hot_y), (3, 4));
    assert_eq!(shape.pixels.bytes()[..4], hex("332211ff"));
    assert_eq!(events[1], CursorEvent::Moved { x: 3, y: 4 });

    assert_eq!(receive(&mut cursor, 105, &[]), [CursorEvent::Hidden]);
    let moved = CursorEvent::Moved { x: 103, y: 124 };
    assert_eq!(receive(&mut cursor, 104, &hex("6700 7c00")), [moved]);

    let from_cache = hex("4700 4800 01 0400 6400000000000000 00 1000 1000 0100 0200");
    let again = receive(&mut cursor, 103, &from_cache);
    assert_eq!(again[0], events[0]);
    // Forgotten, but still shown.
    receive(&mut cursor, 107, &hex("6400000000000000"));
    let again = receive(&mut cursor, 103, &from_cache);
    assert_eq!(again, [CursorEvent::Moved { x: 0x47, y: 0x48 }]);
    assert_eq!(receive(&mut cursor, 102, &[]), [CursorEvent::Hidden]);
    assert_eq!(
        receive(&mut cursor, 103, &from_cache),
        [CursorEvent::Hidden]
    );
}

#[test]
fn the_cache_is_bounded_by_number_and_size() {
    let mut cursor = Cursor::default();
    for id in 0..1000 {
        receive(&mut cursor, 103, &set(2, id, 0, (1, 1), &[0; 4]));
    }
    assert_eq!(cursor.cache.len(), MAX_CACHED);
    let large = vec![0; 4 << 20];
    for id in 0..10 {
        receive(&mut cursor, 103, &set(2, id, 0, (1024, 1024), &large));
        assert!(cursor.cached_bytes <= MAX_CACHED_BYTES);
    }
    let sum: usize = cursor
        .cache
        .iter()
        .map(|(_, s)| s.pixels.bytes().len())
        .sum();
    assert_eq!(cursor.cached_bytes, sum);
    receive(&mut cursor, 108, &[]);
    assert_eq!((cursor.cache.len(), cursor.cached_bytes), (0, 0));
}

#[test]
fn masked_shapes_of_each_type_are_decoded() {
    // 3x1: mask 101, colours white, black, white.
    let mono = masked(1, (3, 1), &hex("a0 a0"));
    assert_eq!(mono, hex("ffffffff 00000000 ffffffff"));

    let mut palette = [0; 64];
    palette[4..8].copy_from_slice(&[1, 2, 3, 0]);
    palette[60..].copy_from_slice(&[7, 8, 9, 0]);
    let color4 = masked(
        2,
        (3, 1),
        &[&hex("f1 10")[..], &palette, &hex("40")].concat(),
    );
    assert_eq!(color4, hex("07080900 010203ff 01020300"));

    let mut palette = [0; 1024];
    palette[1020..].copy_from_slice(&[7, 8, 9, 0]);
    let color8 = masked(
        3,
        (2, 1),
        &[&hex("ff 00")[..], &palette, &hex("80")].concat(),
    );
    assert_eq!(color8, hex("070809ff 00000000"));

    let color16 = masked(4, (2, 1), &hex("007c 1f00 40"));
    assert_eq!(color16, hex("0000ff00 ff0000ff"));
    assert_eq!(
        masked(5, (2, 1), &hex("010203 040506 40")),
        hex("01020300 040506ff")
    );
    assert_eq!(
        masked(6, (1, 2), &hex("010203ff 040506ff 00 80")),
        hex("01020300 040506ff")
    );
}

#[test]
fn shapes_that_are_cut_or_too_large_are_refused() {
    let refuse = |payload: &[u8]| {
        let result = Cursor::default().receive(103, payload, &mut |event| panic!("{event:?}"));
        assert!(result.is_err());
    };
    for kind in 0..=6 {
        let images = [64 + 6, 64, 2 * 32 + 64, 512, 64 * 32];
        for length in images {
            // 64x64 needs more than any of these, whatever the type.
            refuse(&set(0, 1, kind, (64, 64), &vec![0; length.min(511)]));
        }
    }
    refuse(&set(0, 1, 0, (0, 1), &[0; 64]));
    refuse(&set(0, 1, 0, (1025, 1), &[0; 8000]));
    refuse(&set(0, 1, 7, (1, 1), &[0; 64]));
}

#[test]
fn hot_spots_are_clamped_to_the_shape() {
    let mut payload = hex("0000 0000 01 0000 0100000000000000 00 0100 0100 ffff ffff");
    payload.extend([0; 4]);
    let events = receive(&mut Cursor::default(), 103, &payload);
    assert!(matches!(&events[0], CursorEvent::Shape(s) if (s.hot_x, s.hot_y) == (0, 0)));
}
