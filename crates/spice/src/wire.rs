//! Reading and writing little-endian fields without ever trusting a length.

/// A message that does not hold what its type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The message ends before its last field.
    #[error("the message ends at byte {length}, {wanted} more bytes are wanted at {offset}")]
    Truncated {
        /// Where the missing field starts.
        offset: usize,
        /// The size of the missing field.
        wanted: usize,
        /// The size of the message.
        length: usize,
    },
    /// A field holds a value that the message's own geometry forbids.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

/// A cursor over foreign bytes: every read is checked.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Starts at `offset`, which may lie beyond the end: the first read then fails.
    pub(crate) fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, at: offset }
    }

    pub(crate) fn take(&mut self, wanted: usize) -> Result<&'a [u8], Malformed> {
        let truncated = Malformed::Truncated {
            offset: self.at,
            wanted,
            length: self.bytes.len(),
        };
        let end = self.at.checked_add(wanted).ok_or(truncated)?;
        let field = self.bytes.get(self.at..end).ok_or(truncated)?;
        self.at = end;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut field = [0; N];
        field.copy_from_slice(self.take(N)?);
        Ok(field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    /// A u32 that counts bytes or pixels.
    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.u32()?).map_err(|_| Malformed::OutOfRange("length"))
    }

    pub(crate) fn bytes16(&mut self) -> Result<[u8; 16], Malformed> {
        self.array()
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// Appends little-endian fields.
pub(crate) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }
    fn put_i32(&mut self, value: i32) {
        self.put(&value.to_le_bytes());
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Text that came from the server: at most `cap` bytes, up to the first NUL, without control characters.
pub(crate) fn foreign_text(bytes: &[u8], cap: usize) -> String {
    let bytes = bytes.get(..cap).unwrap_or(bytes);
    let end = bytes.iter().position(|&byte| byte == 0);
    let bytes = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Bytes from hexadecimal text with blanks, as the specification prints its test vectors.
#[cfg(test)]
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_beyond_the_end_is_an_error_and_moves_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0201));
        let error = Malformed::Truncated {
            offset: 2,
            wanted: 4,
            length: 3,
        };
        assert_eq!(reader.u32(), Err(error));
        assert_eq!(reader.u8(), Ok(3));
        assert!(Reader::at(&[1], usize::MAX).take(2).is_err());
        assert!(Reader::at(&[1], 2).rest().is_empty());
    }

    #[test]
    fn foreign_text_is_capped_and_cleaned() {
        assert_eq!(foreign_text(b"abc\0def", 100), "abc");
        assert_eq!(foreign_text(b"a\x1b[2Jb", 100), "a\u{fffd}[2Jb");
        assert_eq!(foreign_text(b"abcdef", 3), "abc");
        assert_eq!(foreign_text(b"\xff", 3), "\u{fffd}");
    }
}
