//! The simplest of picture files, which other programs make without a library.

use anyhow::{Context as _, bail};
use picture::Size;
use picture::png::RgbImage;

/// Reads a binary PPM without comments, 8 bits a channel.
pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<RgbImage> {
    let mut words = Vec::new();
    let mut rest = bytes;
    while words.len() < 4 {
        let end = rest
            .iter()
            .position(u8::is_ascii_whitespace)
            .context("a header")?;
        words.push(std::str::from_utf8(&rest[..end])?);
        rest = &rest[end + 1..];
    }
    let &[kind, width, height, most] = words.as_slice() else {
        bail!("a header of {words:?}");
    };
    if (kind, most) != ("P6", "255") {
        bail!("not a PPM of 8 bits: {words:?}");
    }
    let size = Size::new(width.parse()?, height.parse()?);
    RgbImage::new(size, rest.to_vec()).context("three bytes a pixel")
}
