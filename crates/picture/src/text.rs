//! Messages drawn on the picture, with an embedded subset of DejaVu Sans Mono.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use crate::geometry::{BufferRect, Size};

/// The embedded font; how it was made is told in `assets/README.md`.
static FONT: &[u8] = include_bytes!("../assets/status-mono.ttf");

/// Most lines that are drawn.
const MAX_LINES: usize = 48;

/// Most characters that are looked at: a guest's strings may be part of a message.
const MAX_CHARS: usize = 4096;

/// Blue, green, red, alpha of the panel behind the letters.
const PANEL: [u8; 4] = [0x20, 0x1a, 0x18, 0xd0];

/// Blue, green, red of the letters.
const INK: [u8; 3] = [0xf0, 0xf0, 0xf0];

/// Where a message stands in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TextPlace {
    /// In the middle.
    #[default]
    Centre,
    /// Near the lower edge, in the middle.
    Bottom,
}

/// A message of one or more lines, with how large and where it is to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusText {
    lines: Vec<String>,
    /// How many of the first lines begin in one column.
    block: usize,
    place: TextPlace,
    height_px: f32,
}

impl StatusText {
    /// Makes a message of `lines`, in the middle, 16 buffer pixels high; over-long lines are wrapped when drawn.
    #[must_use]
    pub fn new<L: Into<String>>(lines: impl IntoIterator<Item = L>) -> Self {
        Self {
            lines: lines.into_iter().map(Into::into).collect(),
            block: 0,
            place: TextPlace::Centre,
            height_px: 16.0,
        }
    }

    /// Moves the message to `place`.
    #[must_use]
    pub fn at(mut self, place: TextPlace) -> Self {
        self.place = place;
        self
    }

    /// Makes the first `lines` lines a block, whose lines begin in one column: a table keeps its columns. The block as a
    /// whole is centred, as each line after it is.
    #[must_use]
    pub fn with_block(mut self, lines: usize) -> Self {
        self.block = lines;
        self
    }

    /// Sets the height of a line's letters in physical pixels, 6 to 128; multiply by the window's scale.
    #[must_use]
    pub fn with_height(mut self, height_px: f32) -> Self {
        self.height_px = if height_px.is_finite() {
            height_px.clamp(6.0, 128.0)
        } else {
            16.0
        };
        self
    }

    /// The lines as given.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl StatusText {
    /// Draws the message for a buffer of `buffer` pixels: wrapped, each line centred but for those of a block, on a panel.
    ///
    /// An empty message, or a buffer too small for a single letter, gives an empty bitmap.
    #[must_use]
    pub fn rasterise(&self, buffer: Size) -> TextBitmap {
        FontRef::try_from_slice(FONT)
            .ok()
            .and_then(|font| self.draw(&font, buffer))
            .unwrap_or_default()
    }

    fn draw(&self, font: &FontRef<'_>, buffer: Size) -> Option<TextBitmap> {
        let scale = PxScale::from(self.height_px);
        let scaled = font.as_scaled(scale);
        let advance = scaled.h_advance(font.glyph_id('M'));
        let line_height = scaled.height().ceil().max(1.0);
        let padding = (self.height_px * 0.75).ceil();
        let (width, height) = (buffer.width as f32, buffer.height as f32);
        let columns = ((width * 0.95 - 2.0 * padding) / advance) as usize;
        let rows = ((height * 0.95 - 2.0 * padding) / line_height) as usize;
        let (lines, block) = wrap(&self.lines, self.block, columns, rows.min(MAX_LINES));
        let longest = longest_of(&lines)?;
        let block_length = lines.get(..block).and_then(longest_of).unwrap_or(0);
        let panel = Size::new(
            (longest as f32 * advance + 2.0 * padding).ceil() as u32,
            (lines.len() as f32 * line_height + 2.0 * padding).ceil() as u32,
        );
        let mut bitmap = TextBitmap::panel(self.place, panel, buffer);
        for (row, line) in lines.iter().enumerate() {
            let columns = match row < block {
                true => block_length,
                false => line.chars().count(),
            };
            let length = columns as f32 * advance;
            let left = ((panel.width as f32 - length) / 2.0).floor();
            let baseline = padding + row as f32 * line_height + scaled.ascent();
            for (column, letter) in line.chars().enumerate() {
                let at = point(left + column as f32 * advance, baseline.round());
                let glyph = font.glyph_id(letter).with_scale_and_position(scale, at);
                if let Some(outline) = font.outline_glyph(glyph) {
                    let bounds = outline.px_bounds();
                    outline.draw(|x, y, coverage| {
                        let x = i64::from(x) + bounds.min.x as i64;
                        let y = i64::from(y) + bounds.min.y as i64;
                        bitmap.ink(x, y, coverage);
                    });
                }
            }
        }
        Some(bitmap)
    }
}

/// The length of the longest line; `None` if there is no line.
fn longest_of(lines: &[String]) -> Option<usize> {
    lines.iter().map(|line| line.chars().count()).max()
}

/// Breaks lines between words so that none is longer than `columns`; at most `rows` are left. Tells how many of them
/// come from the first `block` lines.
fn wrap(lines: &[String], block: usize, columns: usize, rows: usize) -> (Vec<String>, usize) {
    let mut out = Vec::new();
    let mut in_block = None;
    if columns == 0 {
        return (out, 0);
    }
    let mut budget = MAX_CHARS;
    for (number, line) in lines.iter().enumerate() {
        if number == block {
            in_block = Some(out.len());
        }
        let clean = line.chars().take(budget).map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        });
        let mut rest: Vec<char> = clean.collect();
        budget -= rest.len();
        while rest.len() > columns && out.len() < rows {
            // A space right behind the last column is a good place, too.
            let space = rest.iter().take(columns + 1).rposition(|&c| c == ' ');
            let (end, next) = match space {
                Some(at) if at > 0 => (at, at + 1),
                _ => (columns, columns),
            };
            let tail = rest.split_off(next.min(rest.len()));
            rest.truncate(end);
            out.push(rest.iter().collect());
            rest = tail;
        }
        if out.len() >= rows {
            break;
        }
        out.push(rest.into_iter().collect());
    }
    out.truncate(rows);
    if out.iter().all(String::is_empty) {
        out.clear();
    }
    let in_block = in_block.map_or(out.len(), |rows| rows.min(out.len()));
    (out, in_block)
}

/// A drawn message: B, G, R, A bytes with straight alpha, rows back to back, and where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextBitmap {
    /// Its place in the buffer; the size is also the size of the bitmap.
    pub rect: BufferRect,
    /// The rows, `4 * rect.width` bytes each.
    pub pixels: Vec<u8>,
}

impl TextBitmap {
    fn panel(place: TextPlace, size: Size, buffer: Size) -> Self {
        let (width, height) = (size.width.min(buffer.width), size.height.min(buffer.height));
        let left = (buffer.width - width) / 2;
        let space = buffer.height - height;
        let top = match place {
            TextPlace::Centre => space / 2,
            TextPlace::Bottom => space - space / 16,
        };
        let at = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        Self {
            rect: BufferRect::new(at(left), at(top), width, height),
            pixels: PANEL.repeat(width as usize * height as usize),
        }
    }

    /// Lays ink of `coverage` 0 to 1 over one pixel.
    fn ink(&mut self, x: i64, y: i64, coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return;
        };
        if x >= self.rect.width || y >= self.rect.height {
            return;
        }
        let start = (y as usize * self.rect.width as usize + x as usize) * 4;
        let pixel = self.pixels.get_mut(start..start + 4);
        let Some([b, g, r, a]) = pixel else {
            return;
        };
        let coverage = coverage.clamp(0.0, 1.0);
        let under = f32::from(*a) / 255.0 * (1.0 - coverage);
        let alpha = coverage + under;
        if alpha <= 0.0 {
            return;
        }
        for (old, new) in [b, g, r].into_iter().zip(INK) {
            *old = ((f32::from(new) * coverage + f32::from(*old) * under) / alpha).round() as u8;
        }
        *a = (alpha * 255.0).round() as u8;
    }
}

/// Keeps the last drawn message, so that it is drawn once and not once a frame.
#[derive(Clone, Debug, Default)]
pub struct TextCache {
    key: Option<(StatusText, Size)>,
    bitmap: TextBitmap,
}

impl TextCache {
    /// Draws the message if it or the buffer's size changed; tells whether it did. `None` gives an empty bitmap.
    pub fn update(&mut self, text: Option<&StatusText>, buffer: Size) -> bool {
        let key = text.map(|text| (text, buffer));
        if key == self.key.as_ref().map(|(text, size)| (text, *size)) {
            return false;
        }
        self.bitmap = text.map_or_else(TextBitmap::default, |text| text.rasterise(buffer));
        self.key = text.map(|text| (text.clone(), buffer));
        true
    }

    /// The bitmap of the last update.
    #[must_use]
    pub fn bitmap(&self) -> &TextBitmap {
        &self.bitmap
    }
}

#[cfg(test)]
mod tests;
