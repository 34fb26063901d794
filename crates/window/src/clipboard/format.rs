//! What the formats are called, and the text that is not UTF-8.

use std::sync::Arc;

/// A kind of data on the clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClipboardFormat {
    /// Text in UTF-8.
    Text,
    /// A PNG file.
    Png,
    /// A BMP file.
    Bmp,
    /// A TIFF file.
    Tiff,
    /// A JPEG file.
    Jpeg,
}

/// A name that other programs give to a format: a MIME type, or an X atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) format: ClipboardFormat,
    pub(super) text: &'static str,
    pub(super) encoding: Encoding,
}

/// How data of that name are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are; text as UTF-8.
    Plain,
    /// As they are, under the name of UTF-8 text, for who leaves the choice to the owner.
    Any,
    /// Text as ISO 8859-1.
    Latin1,
}

/// All names, the best ones of each format first (spice.md 8.4).
pub(super) const NAMES: [Name; 12] = [
    name(ClipboardFormat::Text, "text/plain;charset=utf-8"),
    name(ClipboardFormat::Text, UTF8_STRING),
    name(ClipboardFormat::Text, "text/plain"),
    Name {
        encoding: Encoding::Latin1,
        ..name(ClipboardFormat::Text, STRING)
    },
    Name {
        encoding: Encoding::Any,
        ..name(ClipboardFormat::Text, "TEXT")
    },
    name(ClipboardFormat::Png, "image/png"),
    name(ClipboardFormat::Bmp, "image/bmp"),
    name(ClipboardFormat::Bmp, "image/x-bmp"),
    name(ClipboardFormat::Bmp, "image/x-MS-bmp"),
    name(ClipboardFormat::Bmp, "image/x-win-bitmap"),
    name(ClipboardFormat::Tiff, "image/tiff"),
    name(ClipboardFormat::Jpeg, "image/jpeg"),
];

/// X11's name for UTF-8.
pub(super) const UTF8_STRING: &str = "UTF8_STRING";
/// X11's name for ISO 8859-1.
pub(super) const STRING: &str = "STRING";

const fn name(format: ClipboardFormat, text: &'static str) -> Name {
    Name {
        format,
        text,
        encoding: Encoding::Plain,
    }
}

impl ClipboardFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Png, Self::Bmp, Self::Tiff, Self::Jpeg];

    /// What it is called on the desktop: MIME types and X atoms, best first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        names_of(self).map(|name| name.text)
    }
}

/// The names of one format, best first.
pub(super) fn names_of(format: ClipboardFormat) -> impl Iterator<Item = &'static Name> {
    NAMES.iter().filter(move |name| name.format == format)
}

/// The formats that a set of names stands for; `has` tells whether a name (by its index) is in the set.
pub(super) fn formats_of(has: impl Fn(usize) -> bool) -> Vec<ClipboardFormat> {
    let mut formats = Vec::new();
    for (i, name) in NAMES.iter().enumerate() {
        if has(i) && !formats.contains(&name.format) {
            formats.push(name.format);
        }
    }
    formats
}

/// Turns ISO 8859-1 into UTF-8.
pub(super) fn from_latin1(bytes: &[u8]) -> Vec<u8> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    text.into_bytes()
}

/// Turns UTF-8 into ISO 8859-1; what it does not have becomes a question mark.
pub(super) fn to_latin1(utf8: &[u8]) -> Arc<[u8]> {
    let text = String::from_utf8_lossy(utf8);
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_names_and_each_name_is_there_once() {
        for format in ClipboardFormat::ALL {
            assert!(format.names().count() > 0, "{format:?}");
        }
        for (i, name) in NAMES.iter().enumerate() {
            assert!(NAMES[..i].iter().all(|other| other.text != name.text));
        }
    }

    #[test]
    fn names_in_any_order_give_formats_with_the_best_first() {
        let given = ["image/tiff", "STRING", "UTF8_STRING", "image/png"];
        let formats = formats_of(|i| given.contains(&NAMES[i].text));
        let expected = [
            ClipboardFormat::Text,
            ClipboardFormat::Png,
            ClipboardFormat::Tiff,
        ];
        assert_eq!(formats, expected);
        assert_eq!(formats_of(|_| false), []);
    }

    #[test]
    fn latin_1_is_kept_and_the_rest_becomes_question_marks() {
        assert_eq!(from_latin1(b"Gr\xfc\xdfe"), "Grüße".as_bytes());
        assert_eq!(*to_latin1("Grüße ☃".as_bytes()), *b"Gr\xfc\xdfe ?");
    }
}
