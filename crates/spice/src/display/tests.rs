use super::*;
use crate::{Screen, wire::hex};

const SURFACE_CREATE: &str = "00000000 d0020000 90010000 20000000 01000000";
const DRAW_COPY: &str = "00000000 9d000000 00000000 9f000000 09000000 00
    39000000 00000000 00000000 02000000 09000000 0800 00 00 00000000 00000000 00000000
    0100000067000000 00 00 09000000 02000000
    08 04 09000000 02000000 24000000 00000000";

/// A display with the screen that follows it.
#[derive(Default)]
struct Shown {
    display: Display,
    screen: Screen,
    events: Vec<String>,
    damage: Vec<Rect>,
}

impl Shown {
    fn new() -> Self {
        let mut shown = Self::default();
        shown.receive(314, &hex(SURFACE_CREATE)).unwrap();
        shown.events.clear();
        shown.damage.clear();
        shown
    }

    fn receive(&mut self, kind: u16, payload: &[u8]) -> Result<(), Malformed> {
        let (screen, events, damage) = (&mut self.screen, &mut self.events, &mut self.damage);
        self.display.receive(kind, payload, &mut |event| {
            damage.extend(screen.apply(&event));
            events.push(format!("{event:?}"));
        })
    }

    fn pixel(&self, x: usize, y: usize) -> [u8; 4] {
        let at = y * self.screen.pitch_bytes() + x * 4;
        self.screen.pixels()[at..at + 4].try_into().unwrap()
    }
}

fn captured_draw() -> Vec<u8> {
    [hex(DRAW_COPY), hex("a8a8a800").repeat(18)].concat()
}

fn rect(left: u32, top: u32, width: u32, height: u32) -> Rect {
    Rect {
        left,
        top,
        width,
        height,
    }
}

/// The captured drawing with some bytes replaced.
fn patched(patches: &[(usize, &str)]) -> Vec<u8> {
    let mut payload = captured_draw();
    for (at, bytes) in patches {
        let bytes = hex(bytes);
        payload[*at..][..bytes.len()].copy_from_slice(&bytes);
    }
    payload
}

#[test]
fn the_captured_drawing_reaches_the_screen() {
    let mut shown = Shown::new();
    let payload = captured_draw();
    assert_eq!(payload.len(), 165);
    shown.receive(304, &payload).unwrap();
    assert_eq!(shown.damage, [rect(0, 157, 9, 2)]);
    assert_eq!(shown.pixel(0, 157), [0xa8, 0xa8, 0xa8, 0]);
    assert_eq!(shown.pixel(8, 158), [0xa8, 0xa8, 0xa8, 0]);
    for (x, y) in [(9, 157), (0, 156), (0, 159)] {
        assert_eq!(shown.pixel(x, y), [0; 4]);
    }
}

#[test]
fn every_cut_of_the_captured_drawing_is_an_error_and_draws_nothing() {
    let payload = captured_draw();
    for length in 0..payload.len() {
        let mut shown = Shown::new();
        assert!(shown.receive(304, &payload[..length]).is_err(), "{length}");
        assert!(shown.events.is_empty());
    }
}

#[test]
fn a_drawing_that_reaches_out_of_the_surface_is_cut() {
    // top 399, left -4, bottom 401, right 5
    let payload = patched(&[(4, "8f010000 fcffffff 91010000 05000000")]);
    let mut shown = Shown::new();
    shown.receive(304, &payload).unwrap();
    assert_eq!(shown.damage, [rect(0, 399, 5, 1)]);
}

#[test]
fn clip_rectangles_are_applied() {
    let mut payload = hex("00000000 9d000000 00000000 9f000000 09000000 01 02000000");
    payload.extend(hex("9d000000 02000000 9e000000 04000000"));
    payload.extend(hex("00000000 08000000 ff0f0000 ff0f0000"));
    let shift = payload.len() - 21;
    payload.extend_from_slice(&captured_draw()[21..]);
    let image = payload[21 + shift..][..4].try_into().unwrap();
    let image = u32::from_le_bytes(image) + u32::try_from(shift).unwrap();
    payload[21 + shift..][..4].copy_from_slice(&image.to_le_bytes());
    let mut shown = Shown::new();
    shown.receive(304, &payload).unwrap();
    assert_eq!(shown.damage, [rect(2, 157, 2, 1), rect(8, 157, 1, 2)]);
}

#[test]
fn clip_rectangles_that_overlap_draw_no_more_than_the_box() {
    let mut payload = hex("00000000 00000000 00000000 02000000 02000000 01 e8030000");
    payload.extend(hex("00000000 00000000 02000000 02000000").repeat(1000));
    payload.extend(hex("01 ffffff00 0800 00 00000000 00000000 00000000"));
    let mut shown = Shown::new();
    assert!(shown.receive(302, &payload).is_err());
    assert_eq!(shown.damage, [rect(0, 0, 2, 2)]);
}

#[test]
fn rows_from_the_bottom_up_are_turned() {
    // Flags 0 instead of 4; the first stored row is black.
    let black = "00".repeat(36);
    let payload = patched(&[(76, "00"), (93, &black)]);
    let mut shown = Shown::new();
    shown.receive(304, &payload).unwrap();
    assert_eq!(shown.pixel(3, 157), [0xa8, 0xa8, 0xa8, 0]);
    assert_eq!(shown.pixel(3, 158), [0; 4]);
}

#[test]
fn wrong_geometry_is_refused() {
    let bad = [
        // The source rectangle reaches out of the image, or is empty, or negative.
        patched(&[(25, "01000000 00000000 03000000 09000000")]),
        patched(&[(25, "00000000 00000000 00000000 09000000")]),
        patched(&[(25, "ffffffff 00000000 01000000 09000000")]),
        // The destination is empty.
        patched(&[(4, "9d000000 00000000 9d000000 09000000")]),
        // The stride is less than a row, or too large.
        patched(&[(85, "23000000")]),
        patched(&[(85, "ffffffff")]),
        // The bitmap says another size than the image.
        patched(&[(77, "08000000")]),
        patched(&[(81, "ffffffff")]),
        // The image is nowhere, or inside the header.
        patched(&[(21, "00000000")]),
        patched(&[(21, "ffffffff")]),
        // The clip's type is unknown, or its count absurd.
        patched(&[(20, "02")]),
        patched(&[(20, "01ffffffff")]),
    ];
    for (index, payload) in bad.iter().enumerate() {
        let mut shown = Shown::new();
        assert!(shown.receive(304, payload).is_err(), "case {index}");
        assert!(shown.events.is_empty(), "case {index}");
    }
}

#[test]
fn what_is_not_supported_is_reported_once_and_not_drawn() {
    let cases = [
        (patched(&[(65, "65")]), Unsupported::Image(101)),
        (patched(&[(75, "05")]), Unsupported::Bitmap(5)),
        (patched(&[(41, "4000")]), Unsupported::Rop(64)),
        (patched(&[(53, "01000000")]), Unsupported::Mask),
        (patched(&[(16, "0a000000")]), Unsupported::Scaling),
    ];
    for (payload, what) in cases {
        let mut shown = Shown::new();
        for _ in 0..3 {
            shown.receive(304, &payload).unwrap();
        }
        assert_eq!(shown.events, [format!("Incomplete({what:?})")]);
    }
}

#[test]
fn drawings_on_other_surfaces_are_not_shown() {
    let mut shown = Shown::new();
    shown.receive(304, &patched(&[(0, "01000000")])).unwrap();
    shown
        .receive(304, &patched(&[(0, "01000000"), (65, "65")]))
        .unwrap();
    assert!(shown.events.is_empty());
    let off_screen = hex("05000000 10000000 10000000 20000000 00000000");
    shown.receive(314, &off_screen).unwrap();
    shown.receive(315, &hex("05000000")).unwrap();
    assert!(shown.events.is_empty());
    shown.receive(315, &hex("00000000")).unwrap();
    shown.receive(304, &captured_draw()).unwrap();
    assert_eq!(shown.events, ["Destroyed"]);
    assert_eq!(shown.screen.size().width, 720);
}

#[test]
fn surfaces_of_impossible_sizes_are_refused() {
    for size in [
        "00000000 01000000",
        "01000000 00000000",
        "01400000 01000000",
        "ffffffff ffffffff",
    ] {
        let mut shown = Shown::default();
        let payload = hex(&format!("00000000 {size} 20000000 01000000"));
        assert!(shown.receive(314, &payload).is_err(), "{size}");
        assert!(shown.events.is_empty());
    }
    let mut shown = Shown::default();
    let sixteen_bits = hex("00000000 10000000 10000000 10000000 01000000");
    shown.receive(314, &sixteen_bits).unwrap();
    assert_eq!(shown.events, ["Incomplete(Surface(16))"]);
}

#[test]
fn the_captured_monitor_is_reported_inside_the_surface() {
    let mut shown = Shown::new();
    let monitors = "0100 0100 00000000 00000000 d0020000 90010000 00000000 00000000 00000000";
    shown.receive(317, &hex(monitors)).unwrap();
    let whole = rect(0, 0, 720, 400);
    assert_eq!(
        shown.events,
        [format!("{:?}", DisplayEvent::Monitor(whole))]
    );
    assert!(shown.receive(317, &hex("ffff 0100 00000000")).is_err());
}

#[test]
fn copies_inside_the_screen_may_overlap() {
    let mut shown = Shown::new();
    // Two fills: red at 0,0 8x1 and blue at 0,1 8x1.
    let fill = |row: u8, color: &str| {
        hex(&format!(
            "00000000 {row:02x}000000 00000000 {:02x}000000 08000000 00 01 {color} 0800
             00 00000000 00000000 00000000",
            row + 1
        ))
    };
    shown.receive(302, &fill(0, "0000ff00")).unwrap();
    shown.receive(302, &fill(1, "ff000000")).unwrap();
    assert_eq!(shown.pixel(7, 0), [0, 0, 255, 0]);
    // Both rows one down and two to the right.
    let copy = hex("00000000 01000000 02000000 03000000 0a000000 00 00000000 00000000");
    shown.receive(104, &copy).unwrap();
    assert_eq!(shown.damage.last(), Some(&rect(2, 1, 8, 2)));
    assert_eq!(shown.pixel(1, 1), [255, 0, 0, 0]);
    assert_eq!(shown.pixel(9, 1), [0, 0, 255, 0]);
    assert_eq!(shown.pixel(9, 2), [255, 0, 0, 0]);
    // A source that lies partly outside is cut: only its second row exists.
    let copy = hex("00000000 0a000000 00000000 0c000000 08000000 00 00000000 ffffffff");
    shown.receive(104, &copy).unwrap();
    assert_eq!(shown.damage.last(), Some(&rect(0, 11, 8, 1)));
    assert_eq!(shown.pixel(0, 10), [0; 4]);
    assert_eq!(shown.pixel(0, 11), [0, 0, 255, 0]);
}

#[test]
fn black_and_white_are_filled_and_odd_brushes_reported() {
    let mut shown = Shown::new();
    let base = "00000000 00000000 00000000 01000000 02000000 00";
    let mask = "00 00000000 00000000 00000000";
    shown.receive(307, &hex(&format!("{base} {mask}"))).unwrap();
    assert_eq!(shown.pixel(1, 0), [255, 255, 255, 0]);
    shown.receive(306, &hex(&format!("{base} {mask}"))).unwrap();
    assert_eq!(shown.pixel(1, 0), [0; 4]);
    shown.receive(302, &hex(&format!("{base} 02"))).unwrap();
    shown.receive(312, &hex(base)).unwrap();
    let last = &shown.events[shown.events.len() - 2..];
    assert_eq!(last, ["Incomplete(Brush(2))", "Incomplete(Command(312))"]);
}

#[test]
fn the_start_switches_off_caches_and_compression() {
    let mut out = Output::default();
    start(0x1052, &mut out);
    let init = "6500 0e000000 0000000000000000000000000000";
    assert_eq!(out.pending(), hex(&format!("{init} 6700 01000000 01")));
    let mut out = Output::default();
    start(0, &mut out);
    assert_eq!(out.pending(), hex(init));
}

#[test]
fn ends_of_streams_that_never_began_are_ignored() {
    let mut shown = Shown::new();
    shown.receive(125, &hex("01000000")).unwrap();
    shown.receive(999, &[]).unwrap();
    assert!(shown.events.is_empty());
}
