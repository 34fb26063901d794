//! Pointer pictures of the three kinds, and a way for them to move (`test:pointer`).

use picture::pointer::PointerKind;
use picture::{GuestPoint, PointerShape, Size};

/// Side of the pointer pictures in pixels.
const SIDE: u32 = 32;

/// Frames for which one kind is shown when they take turns.
const CYCLE_FRAMES: u32 = 60;

/// Which pointer a test source shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PointerMode {
    /// None.
    None,
    /// A translucent arrow.
    #[default]
    Colour,
    /// An inverting text cursor.
    Monochrome,
    /// A coloured disc in an inverting ring.
    Masked,
    /// All three in turn, each for 60 frames.
    Cycle,
}

impl PointerMode {
    /// All modes, in the order of the option table.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Colour,
        Self::Monochrome,
        Self::Masked,
        Self::Cycle,
    ];

    /// The mode's name as an option value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Colour => "colour",
            Self::Monochrome => "mono",
            Self::Masked => "masked",
            Self::Cycle => "cycle",
        }
    }

    /// The mode of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// The kind of pointer at a frame's number.
    #[must_use]
    pub const fn kind(self, serial: u32) -> Option<PointerKind> {
        match self {
            Self::None => None,
            Self::Colour => Some(PointerKind::Colour),
            Self::Monochrome => Some(PointerKind::Monochrome),
            Self::Masked => Some(PointerKind::MaskedColour),
            Self::Cycle => Some(match serial / CYCLE_FRAMES % 3 {
                0 => PointerKind::Colour,
                1 => PointerKind::Monochrome,
                _ => PointerKind::MaskedColour,
            }),
        }
    }
}

/// Where the pointer's top-left corner is at a time: one round in eight seconds, on a figure of eight over the desktop.
#[must_use]
pub fn pointer_position(time_ns: u64, desktop: Size) -> GuestPoint {
    let turn = (time_ns % 8_000_000_000) as f64 / 8e9 * std::f64::consts::TAU;
    let at = |len: u32, angle: f64| {
        let room = f64::from(len.saturating_sub(SIDE));
        (room / 2.0 * (1.0 + 0.9 * angle.sin())).round() as i32
    };
    GuestPoint {
        x: at(desktop.width, turn),
        y: at(desktop.height, 2.0 * turn),
    }
}

/// The pointer picture of a kind.
#[must_use]
pub fn pointer_shape(kind: PointerKind) -> PointerShape {
    let (pitch_bytes, data, hot_spot) = match kind {
        PointerKind::Colour => (SIDE * 4, arrow(), (0, 0)),
        PointerKind::Monochrome => (SIDE / 8, text_cursor(), (SIDE / 2, SIDE / 2)),
        PointerKind::MaskedColour => (SIDE * 4, ring(), (SIDE / 2, SIDE / 2)),
    };
    PointerShape {
        kind,
        width: SIDE,
        height: SIDE,
        pitch_bytes,
        hot_spot,
        data,
    }
}

fn pixels(pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
    let all = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
    all.flat_map(|(x, y)| pixel(x, y)).collect()
}

/// A white arrow with a black edge and a shadow of half a pixel's blackness.
fn arrow() -> Vec<u8> {
    let is_inside = |x: u32, y: u32| x <= y && y + x / 2 < 24 && x < 16;
    pixels(|x, y| {
        let is_edge = x == 0 || x == y || x == 15 || y + x / 2 == 23;
        if is_inside(x, y) {
            if is_edge {
                [0, 0, 0, 255]
            } else {
                [255, 255, 255, 255]
            }
        } else if x >= 3 && y >= 3 && is_inside(x - 3, y - 3) {
            [0, 0, 0, 96]
        } else {
            [0; 4]
        }
    })
}

/// An I that inverts, with a white dot above and a black one below it.
fn text_cursor() -> Vec<u8> {
    let masks = |x: u32, y: u32| match (x, y) {
        (15..=16, 2..=3) => (false, true),
        (15..=16, 28..=29) => (false, false),
        (15..=16, 5..=26) | (11..=20, 5 | 26) => (true, true),
        _ => (true, false),
    };
    let plane = |is_xor: bool| {
        let bytes = (0..SIDE).flat_map(|y| (0..SIDE / 8).map(move |byte| (8 * byte, y)));
        bytes.map(move |(x, y)| {
            (0..8).fold(0, |bits: u8, bit| {
                let (and, xor) = masks(x + bit, y);
                bits << 1 | u8::from(if is_xor { xor } else { and })
            })
        })
    };
    plane(false).chain(plane(true)).collect()
}

/// A red disc, replaced, in a ring that inverts, on nothing.
fn ring() -> Vec<u8> {
    pixels(|x, y| {
        let (dx, dy) = (2 * x as i32 - 31, 2 * y as i32 - 31);
        match dx * dx + dy * dy {
            0..=200 => [0x20, 0x20, 0xe0, 0],
            450..=900 => [0xff, 0xff, 0xff, 0xff],
            _ => [0, 0, 0, 0xff],
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use picture::{FrameLayout, PixelFormat, PointerState, screenshot};

    /// The colours that a pointer makes of a grey of 100.
    fn colours(kind: PointerKind) -> Vec<[u8; 3]> {
        let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(SIDE, SIDE));
        let bytes = vec![100; layout.data_bytes() as usize];
        let shape = pointer_shape(kind);
        let state = PointerState {
            position: GuestPoint::default(),
            is_visible: true,
        };
        let image = screenshot(&layout, &bytes, Some((&shape, state)));
        let (pixels, _) = image.bytes().as_chunks::<3>();
        let mut colours = pixels.to_vec();
        colours.sort_unstable();
        colours.dedup();
        colours
    }

    #[test]
    fn each_kind_shows_all_it_can_do() {
        assert_eq!(
            colours(PointerKind::Colour),
            [[0; 3], [62; 3], [100; 3], [255; 3]]
        );
        assert_eq!(
            colours(PointerKind::Monochrome),
            [[0; 3], [100; 3], [155; 3], [255; 3]]
        );
        assert_eq!(
            colours(PointerKind::MaskedColour),
            [[100; 3], [155; 3], [0xe0, 0x20, 0x20]]
        );
    }

    #[test]
    fn data_is_as_long_as_the_wire_wants() {
        for (kind, rows) in [
            (PointerKind::Colour, SIDE),
            (PointerKind::Monochrome, 2 * SIDE),
            (PointerKind::MaskedColour, SIDE),
        ] {
            let shape = pointer_shape(kind);
            assert_eq!(shape.data.len() as u32, rows * shape.pitch_bytes);
        }
    }

    #[test]
    fn pointer_stays_on_the_desktop_and_moves() {
        let desktop = Size::new(640, 480);
        let mut seen = Vec::new();
        for step in 0..800 {
            let point = pointer_position(step * 10_000_000, desktop);
            assert!((0..=608).contains(&point.x) && (0..=448).contains(&point.y));
            seen.push(point);
        }
        seen.dedup();
        assert!(seen.len() > 700);
        assert_eq!(pointer_position(5, Size::new(1, 1)), GuestPoint::default());
    }

    #[test]
    fn kinds_take_turns() {
        let kinds: Vec<_> = [0, 59, 60, 120, 180]
            .map(|serial| PointerMode::Cycle.kind(serial))
            .into();
        assert_eq!(kinds[0], kinds[1]);
        assert_eq!(kinds[0], kinds[4]);
        assert!(kinds[1] != kinds[2] && kinds[2] != kinds[3] && kinds[3] != kinds[0]);
        assert_eq!(PointerMode::None.kind(0), None);
        for mode in PointerMode::ALL {
            assert_eq!(PointerMode::from_name(mode.name()), Some(mode));
        }
    }
}
