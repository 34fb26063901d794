//! Which PC/AT set-1 scancode stands for which key.
//!
//! Source: `spec/spice.md` section 4.2 and its table `evdev-set1.csv`, of which the copy beside this file is read once.

use std::fmt::Write as _;
use std::sync::LazyLock;

use spice::inputs::Scancode;

const TABLE: &str = include_str!("evdev-set1.csv");

/// One more than the largest evdev code of a key, `KEY_MAX` of linux/input-event-codes.h.
const CODES: usize = 0x300;

static KEYS: LazyLock<[Option<Scancode>; CODES]> = LazyLock::new(|| {
    let mut keys = [None; CODES];
    for row in rows() {
        if let Some(key) = keys.get_mut(index(row.evdev)) {
            *key = Some(row.key);
        }
    }
    keys
});

/// One line of the table.
struct Row {
    evdev: u32,
    name: &'static str,
    key: Scancode,
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().filter_map(|line| {
        let mut fields = line.split(',');
        let evdev = fields.next()?.parse().ok()?;
        let name = fields.next()?.strip_prefix("KEY_")?;
        let code = u8::from_str_radix(fields.next()?, 16).ok()?;
        let key = Scancode::new(code, fields.next()? == "1")?;
        Some(Row { evdev, name, key })
    })
}

fn index(evdev: u32) -> usize {
    usize::try_from(evdev).unwrap_or(usize::MAX)
}

/// The scancode of a key by its evdev code; `None` for a key that a PC keyboard does not have.
#[must_use]
pub fn of(evdev: u32) -> Option<Scancode> {
    *KEYS.get(index(evdev))?
}

/// Makes the table now, so that the first key need not wait for it.
pub(super) fn prepare() {
    LazyLock::force(&KEYS);
}

/// The name of a key for the user, as `Left Ctrl` or `F11`.
#[must_use]
pub fn label(evdev: u32) -> String {
    let Some(row) = rows().find(|row| row.evdev == evdev) else {
        return format!("key {evdev}");
    };
    let mut label = String::new();
    let name = row.name.replace("META", "SUPER");
    for (number, word) in words(&name).enumerate() {
        let space = if number > 0 { " " } else { "" };
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        let _ = write!(label, "{space}{first}{}", rest.to_ascii_lowercase());
    }
    label
}

/// Takes the kernel's names apart, which are written without spaces.
fn words(name: &str) -> impl Iterator<Item = &str> {
    const FIRST: [&str; 5] = ["LEFT", "RIGHT", "PAGE", "VOLUME", "KP"];
    const LAST: [&str; 1] = ["LOCK"];
    let first = FIRST
        .iter()
        .find_map(|word| name.strip_prefix(word).map(|rest| (*word, rest)));
    let last = LAST
        .iter()
        .find_map(|word| name.strip_suffix(word).map(|rest| (rest, *word)));
    let (one, other) = match first.or(last) {
        Some((one, other)) if !one.is_empty() => (one, other),
        _ => (name, ""),
    };
    [one, other].into_iter().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: u8, is_extended: bool) -> Option<Scancode> {
        Scancode::new(code, is_extended)
    }

    #[test]
    fn every_row_of_the_table_is_a_key() {
        assert_eq!(rows().count(), 181);
        assert_eq!(rows().count() + 1, TABLE.lines().count());
        for row in rows() {
            assert_eq!(of(row.evdev), Some(row.key), "{}", row.name);
        }
        assert_eq!(KEYS.iter().flatten().count(), 181);
    }

    #[test]
    fn known_keys_have_the_codes_of_a_pc_keyboard() {
        assert_eq!(of(1), code(0x01, false), "Esc");
        assert_eq!(of(30), code(0x1e, false), "A");
        assert_eq!(of(86), code(0x56, false), "the 102nd key");
        assert_eq!(of(97), code(0x1d, true), "right Ctrl");
        assert_eq!(of(125), code(0x5b, true), "left Super");
        assert_eq!(of(226), code(0x6d, true), "the last one");
    }

    #[test]
    fn keys_with_rules_of_their_own_follow_them() {
        assert_eq!(
            of(122),
            code(0x72, false),
            "Hangul is not sent as a release"
        );
        assert_eq!(of(123), code(0x71, false), "Hanja is not sent as a release");
        assert_eq!(of(119), code(0x46, true), "Pause is E0 46");
        assert_eq!(of(99), code(0x37, true), "SysRq is E0 37");
        assert_eq!(of(210), of(99), "Print is SysRq");
    }

    #[test]
    fn what_is_no_key_has_no_code() {
        for evdev in [0, 84, 227, 0x110, 0x2ff, 0x300, u32::MAX] {
            assert_eq!(of(evdev), None, "{evdev}");
        }
    }

    #[test]
    fn labels_are_what_a_user_calls_the_key() {
        let labels = [70, 97, 87, 125, 104, 16, 50, 110, 72, 103, 58, 600].map(label);
        assert_eq!(
            labels,
            [
                "Scroll Lock",
                "Right Ctrl",
                "F11",
                "Left Super",
                "Page Up",
                "Q",
                "M",
                "Insert",
                "Kp 8",
                "Up",
                "Caps Lock",
                "key 600"
            ]
        );
        assert_eq!(label(105), "Left");
    }
}
