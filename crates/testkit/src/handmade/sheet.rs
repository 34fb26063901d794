//! What is written, where, and by which section of the specification.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};

/// One value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first byte.
    pub at: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What it is, and the section that says so.
    pub note: String,
}

/// A memory of zeros with values in it. No value may lie on another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    len: usize,
    entries: Vec<Entry>,
}

impl Sheet {
    /// A memory of `len` zeros.
    #[must_use]
    pub const fn new(len: usize) -> Self {
        Self {
            len,
            entries: Vec::new(),
        }
    }

    /// Writes bytes.
    ///
    /// # Panics
    /// If they do not lie in the memory, or another value lies there already: then a table was misread.
    pub fn put(&mut self, at: usize, bytes: &[u8], note: &str) {
        assert!(at + bytes.len() <= self.len, "{note} at {at} lies outside");
        let after = self.entries.partition_point(|entry| entry.at < at);
        let before = after.checked_sub(1).map(|index| &self.entries[index]);
        let is_free = before.is_none_or(|entry| entry.at + entry.bytes.len() <= at)
            && (self.entries.get(after)).is_none_or(|entry| at + bytes.len() <= entry.at);
        assert!(is_free, "{note} at {at} lies on another value");
        let entry = Entry {
            at,
            bytes: bytes.to_vec(),
            note: note.to_owned(),
        };
        self.entries.insert(after, entry);
    }

    /// Writes a 32-bit word.
    pub fn word(&mut self, at: usize, value: u32, note: &str) {
        self.put(at, &value.to_le_bytes(), note);
    }

    /// Writes a 64-bit word.
    pub fn long(&mut self, at: usize, value: u64, note: &str) {
        self.put(at, &value.to_le_bytes(), note);
    }

    /// Bytes of the memory.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tells whether the memory has no bytes at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values, lowest place first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The whole memory.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        for entry in &self.entries {
            bytes[entry.at..entry.at + entry.bytes.len()].copy_from_slice(&entry.bytes);
        }
        bytes
    }

    /// The memory as text: a line for each value that is not zero, everything else is.
    #[must_use]
    pub fn listing(&self) -> String {
        let mut text = format!("{} bytes, zero where nothing is said\n", self.len);
        let said = |entry: &&Entry| entry.bytes.iter().any(|byte| *byte != 0);
        for entry in self.entries.iter().filter(said) {
            let hex: String = entry.bytes.iter().map(|b| format!("{b:02x}")).collect();
            let _ = writeln!(text, "{:08x} {hex} {}", entry.at, entry.note);
        }
        text
    }

    /// Reads a text that [`Self::listing`] wrote.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines();
        let len = lines.next().and_then(|line| line.split(' ').next());
        let mut sheet = Self::new(len.context("an empty listing")?.parse()?);
        for line in lines {
            let mut parts = line.splitn(3, ' ');
            let mut part = || {
                parts
                    .next()
                    .with_context(|| format!("a short line: {line}"))
            };
            let (at, hex, note) = (usize::from_str_radix(part()?, 16)?, part()?, part()?);
            if hex.len() % 2 != 0 || !hex.is_ascii() {
                bail!("odd bytes: {line}");
            }
            let bytes = (0..hex.len()).step_by(2);
            let bytes: Result<Vec<u8>, _> = bytes
                .map(|i| u8::from_str_radix(&hex[i..i + 2], 16))
                .collect();
            sheet.put(at, &bytes?, note);
        }
        Ok(sheet)
    }
}
