//! What a SPICE server is told on the channel for keyboard and pointer (spice.md 4), read without the crate `spice`.

use testkit::spice_server::Arrival;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key went down: its scancode, E0 in the lower byte if there are two.
    Down(u32),
    /// A key went up: its scancode as for [`Input::Down`].
    Up(u32),
    /// The lock keys shall be so.
    Locks(u16),
    /// The mouse was pushed; with the buttons that are down.
    Motion(i32, i32, u16),
    /// The pointer is there; with the buttons that are down.
    Position(u32, u32, u16),
    /// A button went down, with all that are down now.
    Press(u8, u16),
    /// A button went up, with all that are still down.
    Release(u8, u16),
    /// Nothing that a client may send.
    Bad(u16),
}

impl From<&Arrival> for Input {
    fn from(arrival: &Arrival) -> Self {
        read(arrival).unwrap_or(Self::Bad(arrival.kind))
    }
}

fn read(arrival: &Arrival) -> Option<Input> {
    let bytes = arrival.payload.as_slice();
    let word = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (input, length) = match arrival.kind {
        101 | 102 => (key(long(0)?, arrival.kind == 102)?, 4),
        103 => (Input::Locks(word(0)?), 2),
        111 => {
            let (dx, dy) = (long(0)?.cast_signed(), long(4)?.cast_signed());
            (Input::Motion(dx, dy, word(8)?), 10)
        }
        112 => (Input::Position(long(0)?, long(4)?, word(8)?), 11),
        113 => (Input::Press(*bytes.first()?, word(1)?), 3),
        114 => (Input::Release(*bytes.first()?, word(1)?), 3),
        _ => return None,
    };
    (bytes.len() == length).then_some(input)
}

/// The server goes by bit 7 of the scancode alone; the type must say the same.
fn key(code: u32, is_release: bool) -> Option<Input> {
    let bit = if code & 0xff == 0xe0 { 0x8000 } else { 0x80 };
    let is_known = code != 0 && code < 0x1_0000;
    (is_known && (code & bit != 0) == is_release).then_some(match is_release {
        true => Input::Up(code & !bit),
        false => Input::Down(code),
    })
}

/// The code that a client must send for a key, as its line in the table says.
#[must_use]
pub fn code(evdev: u32) -> Option<u32> {
    table().find(|key| key.0 == evdev).map(|key| key.1)
}

/// The table of keys that is part of the specification: evdev code, and code as sent when it goes down.
pub fn table() -> impl Iterator<Item = (u32, u32)> {
    let rows = include_str!("../../../client/src/input/evdev-set1.csv").lines();
    rows.filter_map(|row| {
        let fields: Vec<&str> = row.split(',').collect();
        let [evdev, _, scancode, is_extended] = fields.as_slice() else {
            return None;
        };
        let scancode = u32::from_str_radix(scancode, 16).ok()?;
        let code = match *is_extended {
            "1" => 0xe0 | scancode << 8,
            _ => scancode,
        };
        Some((evdev.parse().ok()?, code))
    })
}

/// The way that all motion makes together.
#[must_use]
pub fn way(inputs: &[Input]) -> (i32, i32) {
    inputs.iter().fold((0, 0), |(x, y), input| match input {
        Input::Motion(dx, dy, _) => (x + dx, y + dy),
        _ => (x, y),
    })
}

/// What is not motion.
#[must_use]
pub fn without_motion(inputs: &[Input]) -> Vec<Input> {
    let is_other = |input: &&Input| !matches!(input, Input::Motion(..) | Input::Position(..));
    inputs.iter().filter(is_other).copied().collect()
}
