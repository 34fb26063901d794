//! Names of the keys as the kernel has them, for `input:escapeKey`.
//!
//! Source: names and numbers of `linux/input-event-codes.h` (Linux 6.x), in `keys.csv`.

/// The limit that the existing program has for a number, `KEY_MAX`.
const KEY_MAX: u32 = 0x2ff;

/// The default of `input:escapeKey`.
pub(super) const SCROLL_LOCK: u32 = 70;

const TABLE: &str = include_str!("keys.csv");

/// Every name with its code, by code; some codes have two names.
pub fn all() -> impl Iterator<Item = (u32, &'static str)> {
    TABLE.lines().filter_map(|line| {
        let (code, name) = line.split_once(',')?;
        Some((code.parse().ok()?, name))
    })
}

/// Finds the code for a number or a `KEY_` name in any case.
#[must_use]
pub fn code(text: &str) -> Option<u32> {
    if let Ok(code) = text.parse::<u32>() {
        return (code < KEY_MAX).then_some(code);
    }
    let mut names = all().filter(|(_, name)| name.eq_ignore_ascii_case(text));
    names.next().map(|(code, _)| code)
}

/// Finds the (first) name of a code.
#[must_use]
pub fn name(code: u32) -> Option<&'static str> {
    let mut codes = all().filter(|(number, _)| *number == code);
    codes.next().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_in_any_case_are_keys() {
        for text in ["70", "KEY_SCROLLLOCK", "key_scrolllock"] {
            assert_eq!(code(text), Some(70), "{text}");
        }
        assert_eq!(code("0"), Some(0));
        assert_eq!(code("766"), Some(766));
        for text in ["767", "-1", "SCROLLLOCK", "", "KEY_"] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(all().count(), TABLE.lines().count());
        assert!(all().all(|(code, name)| code < KEY_MAX && name.starts_with("KEY_")));
        assert_eq!(name(1), Some("KEY_ESC"));
        assert_eq!(name(70), Some("KEY_SCROLLLOCK"));
        assert_eq!(name(766), None);
    }
}
