//! Strings of a stranger (H14).

/// Most characters that are kept of any string; the longest honest one is a CPU model of less than 64.
const MAX_CHARS: usize = 256;

/// Takes a NUL-terminated or NUL-padded string as text that is safe to log and to draw.
///
/// Ends at the first NUL or with the bytes, replaces invalid UTF-8, drops control characters and the marks that
/// reorder text.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default())
        .chars()
        .filter(|c| !c.is_control() && !is_reordering(*c))
        .take(MAX_CHARS)
        .collect()
}

/// Tells whether a character changes how its neighbours are laid out: line separators and bidirectional controls.
const fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The first bytes of `text`, cut at a character, for a field that needs one NUL.
pub(crate) fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [0; N];
    for (start, c) in text.char_indices() {
        let end = start + c.len_utf8();
        // A NUL inside would end the string for the reader, so it ends here as well.
        if end >= N || c == '\0' {
            break;
        }
        if let Some(place) = field.get_mut(start..end) {
            c.encode_utf8(place);
        }
    }
    field
}

/// `text` up to its first NUL, with one NUL behind it.
pub(crate) fn terminated(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = text.bytes().take_while(|&b| b != 0).collect();
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_ends_at_the_first_nul_or_with_the_bytes() {
        assert_eq!(clean(b"DXGI\0rest"), "DXGI");
        assert_eq!(clean(b"no end"), "no end");
        assert_eq!(clean(b""), "");
    }

    #[test]
    fn cleaning_drops_controls_and_replaces_invalid_utf8() {
        assert_eq!(clean(b"a\x1b[2J\r\nb\x7f"), "a[2Jb");
        assert_eq!(clean(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(clean("a\u{202e}b\u{85}c".as_bytes()), "abc");
    }

    #[test]
    fn cleaning_keeps_a_bounded_number_of_characters() {
        assert_eq!(clean(&[b'x'; 100_000]).len(), MAX_CHARS);
    }

    #[test]
    fn padding_keeps_one_nul_and_whole_characters() {
        assert_eq!(&padded::<4>("abcdef"), b"abc\0");
        assert_eq!(&padded::<4>("abä"), b"ab\0\0");
        assert_eq!(&padded::<4>("a\0bc"), b"a\0\0\0");
    }
}
