//! The ini syntax (section 2 of the specification).
//!
//! Accepts everything that the existing programs accept, and is more lenient where their result
//! is a surprise: values are trimmed on both ends, blanks may follow the `]` of a section, a
//! comment may be indented, bytes outside ASCII are kept.

use std::fmt;

/// One `name=value` line together with the section it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The section.
    pub module: String,
    /// What stands before the `=`, trimmed.
    pub name: String,
    /// What stands after the first `=`, trimmed.
    pub value: String,
    /// The line, from 1.
    pub line: u32,
    /// The column of the name in characters, from 1.
    pub column: u32,
    /// Whether the line held bytes that are not UTF-8; they were replaced.
    pub is_lossy: bool,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxErrorKind {
    /// `[name` without an end.
    #[error("the section name has no closing bracket")]
    UnclosedSection,
    /// `[]`.
    #[error("the section name is empty")]
    EmptySection,
    /// `[name] more`.
    #[error("there is text after the section's closing bracket")]
    TextAfterSection,
    /// `=value`.
    #[error("there is no name before the =")]
    MissingName,
    /// A line without `=`.
    #[error("there is no = in the line (expected name=value)")]
    MissingAssignment,
    /// `name=value` above the first section.
    #[error("the assignment stands before any [section]")]
    OutsideSection,
}

/// A line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub kind: SyntaxErrorKind,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The line itself, shortened if it is very long.
    pub text: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            line,
            column,
            text,
        } = self;
        write!(f, "{line}:{column}: {kind}: {text}")
    }
}

/// What a text holds: the good lines in their order, and the bad ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Every assignment that was understood.
    pub assignments: Vec<Assignment>,
    /// The lines that were not, at most [`MOST_ERRORS`].
    pub errors: Vec<SyntaxError>,
}

/// After so many errors a text is surely no ini file, and reading stops.
pub const MOST_ERRORS: usize = 20;

/// How much of a line an error shows, in characters.
const SHOWN_LENGTH: usize = 120;

/// Reads an ini text; never fails as a whole.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut module: Option<String> = None;
    let mut line_number = 0_u32;
    for raw in bytes.split(|byte| *byte == b'\n') {
        line_number = line_number.saturating_add(1);
        let line = Line::clean(raw, line_number);
        match line.read(module.as_deref()) {
            Ok(Item::Nothing) => {}
            Ok(Item::Section(name)) => module = Some(name),
            Ok(Item::Assignment(assignment)) => parsed.assignments.push(assignment),
            Err(error) => parsed.errors.push(error),
        }
        if parsed.errors.len() >= MOST_ERRORS {
            break;
        }
    }
    parsed
}

enum Item {
    Nothing,
    Section(String),
    Assignment(Assignment),
}

struct Line {
    number: u32,
    text: String,
    is_lossy: bool,
}

impl Line {
    /// Drops what the existing programs drop: control characters, which include the tab and the
    /// carriage return. A byte order mark goes too.
    fn clean(raw: &[u8], number: u32) -> Self {
        let decoded = String::from_utf8_lossy(raw);
        let is_lossy = std::str::from_utf8(raw).is_err();
        let kept = decoded.chars().filter(|c| !is_dropped(*c));
        Self {
            number,
            text: kept.collect(),
            is_lossy,
        }
    }

    fn read(&self, module: Option<&str>) -> Result<Item, SyntaxError> {
        let text = self.text.trim_start_matches(' ');
        if text.is_empty() || text.starts_with(';') {
            return Ok(Item::Nothing);
        }
        if let Some(section) = text.strip_prefix('[') {
            return self.read_section(section).map(Item::Section);
        }
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| self.error(SyntaxErrorKind::MissingAssignment, text))?;
        let name = name.trim_end_matches(' ');
        if name.is_empty() {
            return Err(self.error(SyntaxErrorKind::MissingName, text));
        }
        let module = module.ok_or_else(|| self.error(SyntaxErrorKind::OutsideSection, text))?;
        Ok(Item::Assignment(Assignment {
            module: module.to_owned(),
            name: name.to_owned(),
            value: value.trim_matches(' ').to_owned(),
            line: self.number,
            column: self.column_of(text),
            is_lossy: self.is_lossy,
        }))
    }

    /// Reads what follows a `[`; the name inside the brackets is taken as it is.
    fn read_section(&self, text: &str) -> Result<String, SyntaxError> {
        let (name, after) = text
            .split_once(']')
            .ok_or_else(|| self.error(SyntaxErrorKind::UnclosedSection, text))?;
        if name.is_empty() {
            return Err(self.error(SyntaxErrorKind::EmptySection, text));
        }
        let after = after.trim_start_matches(' ');
        if !after.is_empty() {
            return Err(self.error(SyntaxErrorKind::TextAfterSection, after));
        }
        Ok(name.to_owned())
    }

    /// Makes an error at the place where `rest`, an end of this line, begins.
    fn error(&self, kind: SyntaxErrorKind, rest: &str) -> SyntaxError {
        SyntaxError {
            kind,
            line: self.number,
            column: self.column_of(rest),
            text: shortened(&self.text),
        }
    }

    fn column_of(&self, rest: &str) -> u32 {
        let length = |text: &str| text.chars().count();
        let before = length(&self.text).saturating_sub(length(rest));
        u32::try_from(before).map_or(u32::MAX, |before| before.saturating_add(1))
    }
}

fn is_dropped(c: char) -> bool {
    c.is_control() || c == '\u{feff}'
}

/// Cuts a text to a length that is good for a message.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_LENGTH).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
