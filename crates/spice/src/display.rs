//! The DISPLAY channel: surfaces and drawing (spice.md section 5).

use crate::{
    framing::Output,
    geometry::{Rect, Size, WireRect},
    wire::{Malformed, Put, Reader},
};

const INIT: u16 = 101;
const PREFERRED_COMPRESSION: u16 = 103;
/// PREF_COMPRESSION in the server's word.
const PREF_COMPRESSION: u32 = 6;
const COMPRESSION_OFF: u8 = 1;

/// The largest side of a surface that is accepted.
pub const MAX_SURFACE_SIDE: u32 = 16384;
/// More clip rectangles than this in one drawing are not drawn.
const MAX_CLIP_RECTS: usize = 4096;
/// Raster operation "put".
const ROP_PUT: u16 = 8;

/// What happened on the display. All rectangles lie inside the surface.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum DisplayEvent<'a> {
    /// There is a new, black picture of this size.
    Created(Size),
    /// The picture is gone; keep showing the last one for a moment, as a new one mostly follows at once.
    Destroyed,
    /// The picture is complete enough to be shown.
    Marked,
    /// A part of the picture is replaced by pixels.
    Pixels(Pixels<'a>),
    /// A part of the picture gets one colour, 0x00RRGGBB.
    Fill {
        /// Where.
        rect: Rect,
        /// 0x00RRGGBB.
        color: u32,
    },
    /// A part of the picture moves to `to`, and may overlap where it was.
    Copy {
        /// Where it was: the left column.
        from_left: u32,
        /// Where it was: the top row.
        from_top: u32,
        /// Where it goes.
        to: Rect,
    },
    /// The part of the picture that the machine's first monitor shows.
    Monitor(Rect),
    /// Something was drawn that this crate cannot draw: the picture is incomplete. Says it once per cause.
    Incomplete(Unsupported),
}

/// Drawing that is not implemented, as no server sends it when asked not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// A message type.
    #[error("drawing command {0}")]
    Command(u16),
    /// An image type: mostly compression, which `image-compression=off` of `-spice` switches off.
    #[error("images of type {0}; add image-compression=off to the machine's SPICE options")]
    Image(u8),
    /// A bitmap format.
    #[error("bitmaps of format {0}")]
    Bitmap(u8),
    /// A surface format.
    #[error("surfaces of format {0}")]
    Surface(u32),
    /// A raster operation.
    #[error("raster operation {0}")]
    Rop(u16),
    /// A brush.
    #[error("brushes of type {0}")]
    Brush(u8),
    /// A picture drawn larger or smaller than it is.
    #[error("scaled images")]
    Scaling,
    /// Drawing through a mask.
    #[error("masks")]
    Mask,
    /// Drawing through more clip rectangles than are followed.
    #[error("more than 4096 clip rectangles")]
    Clip,
}

/// Pixels on their way into the picture: 4 bytes each, blue, green, red and one byte to be ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pixels<'a> {
    rect: Rect,
    /// The image's rows, whole.
    data: &'a [u8],
    stride: usize,
    height: usize,
    is_top_down: bool,
    /// Where in the image the rectangle's first pixel is.
    source_left: usize,
    source_top: usize,
}

impl<'a> Pixels<'a> {
    /// Where in the picture they belong.
    pub fn rect(&self) -> Rect {
        self.rect
    }

    /// The bytes of one row, `0` being the rectangle's top: 4 times its width. `None` below the bottom.
    pub fn row(&self, row: u32) -> Option<&'a [u8]> {
        if row >= self.rect.height {
            return None;
        }
        let row = self.source_top.checked_add(usize::try_from(row).ok()?)?;
        let row = match self.is_top_down {
            true => row,
            false => self.height.checked_sub(row)?.checked_sub(1)?,
        };
        let start = row
            .checked_mul(self.stride)?
            .checked_add(self.source_left.checked_mul(4)?)?;
        let length = usize::try_from(self.rect.width).ok()?.checked_mul(4)?;
        self.data.get(start..start.checked_add(length)?)
    }

    /// All rows from top to bottom.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let pixels = *self;
        (0..self.rect.height).map_while(move |row| pixels.row(row))
    }
}

/// The two first messages: no caches, no compression.
pub(crate) fn start(server_capabilities: u32, out: &mut Output) {
    out.message(INIT, |p| p.put(&[0; 14]));
    if server_capabilities & 1 << PREF_COMPRESSION != 0 {
        out.message(PREFERRED_COMPRESSION, |p| p.put_u8(COMPRESSION_OFF));
    } else {
        tracing::warn!(
            "the server cannot be asked for raw images; add image-compression=off to its SPICE options"
        );
    }
}

/// What is known of the picture.
#[derive(Debug, Default)]
pub(crate) struct Display {
    /// The primary surface: id and size.
    primary: Option<(u32, Size)>,
    /// What was already reported as unsupported.
    reported: Vec<Unsupported>,
}

/// Surface, destination and clip of a drawing.
struct Base<'a> {
    surface: u32,
    target: WireRect,
    clip: Clip<'a>,
}

enum Clip<'a> {
    Whole,
    /// 16 bytes each.
    Rects(&'a [u8]),
    TooMany,
}

impl<'a> Base<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let surface = reader.u32()?;
        let target = WireRect::read(reader)?;
        if target.is_empty() {
            return Err(Malformed::OutOfRange("drawing's box"));
        }
        let clip = match reader.u8()? {
            0 => Clip::Whole,
            1 => {
                let count = reader.length()?;
                let size = count
                    .checked_mul(16)
                    .ok_or(Malformed::OutOfRange("clip count"))?;
                let rects = reader.take(size)?;
                match count <= MAX_CLIP_RECTS {
                    true => Clip::Rects(rects),
                    false => Clip::TooMany,
                }
            }
            _ => return Err(Malformed::OutOfRange("clip type")),
        };
        Ok(Self {
            surface,
            target,
            clip,
        })
    }
}

/// A failed drawing: the message is wrong, or right and not supported.
enum Skip {
    Malformed(Malformed),
    Unsupported(Unsupported),
}

impl From<Malformed> for Skip {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl From<Unsupported> for Skip {
    fn from(what: Unsupported) -> Self {
        Self::Unsupported(what)
    }
}

type Sink<'s> = dyn FnMut(DisplayEvent<'_>) + 's;

impl Display {
    /// Handles one message. A wrong one changes nothing; the channel goes on.
    pub(crate) fn receive(
        &mut self,
        kind: u16,
        payload: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Malformed> {
        match self.handle(kind, payload, sink) {
            Ok(()) => Ok(()),
            Err(Skip::Malformed(error)) => Err(error),
            Err(Skip::Unsupported(what)) => {
                self.report(what, sink);
                Ok(())
            }
        }
    }

    pub(crate) fn has_picture(&self) -> bool {
        self.primary.is_some()
    }

    /// The picture's size, if there is one.
    pub(crate) fn size(&self) -> Option<Size> {
        self.primary.map(|(_, size)| size)
    }

    fn report(&mut self, what: Unsupported, sink: &mut Sink<'_>) {
        // There are few kinds; a server that invents more of them is not listened to.
        if self.reported.len() < 64 && !self.reported.contains(&what) {
            self.reported.push(what);
            sink(DisplayEvent::Incomplete(what));
        }
    }

    fn handle(&mut self, kind: u16, payload: &[u8], sink: &mut Sink<'_>) -> Result<(), Skip> {
        let mut reader = Reader::new(payload);
        match kind {
            101 => {
                let (width, height) = (reader.u32()?, reader.u32()?);
                self.create(0, Size { width, height }, sink)?;
            }
            102 => sink(DisplayEvent::Marked),
            103 => self.destroy_primary(sink),
            104 => self.copy_bits(&mut reader, sink)?,
            302 => self.fill(&mut reader, sink)?,
            304 => self.draw_copy(payload, &mut reader, sink)?,
            306 => self.fill_with(&mut reader, 0, sink)?,
            307 => self.fill_with(&mut reader, 0x00ff_ffff, sink)?,
            303 | 305 | 308..=313 | 318 => {
                // Only what would have been seen makes the picture incomplete.
                let base = Base::read(&mut reader)?;
                if self.is_primary(base.surface) {
                    return Err(Unsupported::Command(kind).into());
                }
            }
            314 => self.surface_create(&mut reader, sink)?,
            315 => {
                if self.is_primary(reader.u32()?) {
                    self.destroy_primary(sink);
                }
            }
            317 => self.monitors(&mut reader, sink)?,
            // 105 to 108: caches that we switched off. 122 to 126, 316 and 319 to 322: not announced; the ends of
            // streams whose beginning was held back come nevertheless.
            105..=108 | 122..=126 | 316 | 319..=322 => {}
            _ => tracing::debug!(kind, "unknown message on DISPLAY"),
        }
        Ok(())
    }

    fn is_primary(&self, surface: u32) -> bool {
        self.primary.is_some_and(|(id, _)| id == surface)
    }

    fn destroy_primary(&mut self, sink: &mut Sink<'_>) {
        if self.primary.take().is_some() {
            sink(DisplayEvent::Destroyed);
        }
    }

    fn surface_create(&mut self, reader: &mut Reader<'_>, sink: &mut Sink<'_>) -> Result<(), Skip> {
        let id = reader.u32()?;
        let (width, height) = (reader.u32()?, reader.u32()?);
        let format = reader.u32()?;
        let flags = reader.u32()?;
        if flags & 1 == 0 {
            // Off-screen, unless it takes the number of the one on screen.
            if self.is_primary(id) {
                self.destroy_primary(sink);
            }
            return Ok(());
        }
        if !matches!(format, 32 | 96) {
            self.destroy_primary(sink);
            return Err(Unsupported::Surface(format).into());
        }
        self.create(id, Size { width, height }, sink)?;
        Ok(())
    }

    fn create(&mut self, id: u32, size: Size, sink: &mut Sink<'_>) -> Result<(), Malformed> {
        let sides = 1..=MAX_SURFACE_SIDE;
        if !sides.contains(&size.width) || !sides.contains(&size.height) {
            return Err(Malformed::OutOfRange("surface size"));
        }
        self.primary = Some((id, size));
        sink(DisplayEvent::Created(size));
        Ok(())
    }

    fn monitors(&mut self, reader: &mut Reader<'_>, sink: &mut Sink<'_>) -> Result<(), Malformed> {
        let count = reader.u16()?;
        let _max = reader.u16()?;
        for _ in 0..count {
            let _monitor = reader.u32()?;
            let surface = reader.u32()?;
            let (width, height) = (i64::from(reader.u32()?), i64::from(reader.u32()?));
            let (left, top) = (i64::from(reader.u32()?), i64::from(reader.u32()?));
            let _flags = reader.u32()?;
            let Some((id, size)) = self.primary else {
                return Ok(());
            };
            let shown = WireRect {
                top,
                left,
                bottom: top + height,
                right: left + width,
            };
            let inside = shown.intersection(WireRect::whole(size)).to_rect();
            if let (true, Some(rect)) = (id == surface, inside) {
                sink(DisplayEvent::Monitor(rect));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Calls `draw` with the visible parts of a drawing's destination.
    fn visible(&self, base: &Base<'_>, mut draw: impl FnMut(WireRect, Rect)) -> Result<(), Skip> {
        let Some((_, size)) = self.primary.filter(|(id, _)| *id == base.surface) else {
            // Off-screen surfaces of a guest driver.
            return Ok(());
        };
        let inside = base.target.intersection(WireRect::whole(size));
        match base.clip {
            Clip::TooMany => return Err(Unsupported::Clip.into()),
            Clip::Whole => {
                if let Some(rect) = inside.to_rect() {
                    draw(inside, rect);
                }
            }
            Clip::Rects(rects) => {
                // Clip rectangles do not overlap; those of a server that wants to keep us busy would.
                let mut area = inside.area();
                for rect in rects.chunks_exact(16) {
                    let part = inside.intersection(WireRect::read(&mut Reader::new(rect))?);
                    if let Some(rect) = part.to_rect() {
                        area -= part.area();
                        if area < 0 {
                            return Err(Malformed::OutOfRange("clip area").into());
                        }
                        draw(part, rect);
                    }
                }
            }
        }
        Ok(())
    }

    fn copy_bits(&mut self, reader: &mut Reader<'_>, sink: &mut Sink<'_>) -> Result<(), Skip> {
        let base = Base::read(reader)?;
        let (x, y) = (i64::from(reader.i32()?), i64::from(reader.i32()?));
        let Some((_, size)) = self.primary else {
            return Ok(());
        };
        let whole = WireRect::whole(size);
        self.visible(&base, |part, _| {
            // Where this part comes from, cut to the surface, and back again.
            let (dx, dy) = (x - base.target.left, y - base.target.top);
            let source = WireRect {
                top: part.top + dy,
                left: part.left + dx,
                bottom: part.bottom + dy,
                right: part.right + dx,
            };
            let source = source.intersection(whole);
            let target = WireRect {
                top: source.top - dy,
                left: source.left - dx,
                bottom: source.bottom - dy,
                right: source.right - dx,
            };
            if let (Some(source), Some(to)) = (source.to_rect(), target.to_rect()) {
                sink(DisplayEvent::Copy {
                    from_left: source.left,
                    from_top: source.top,
                    to,
                });
            }
        })
    }

    fn fill(&mut self, reader: &mut Reader<'_>, sink: &mut Sink<'_>) -> Result<(), Skip> {
        let base = Base::read(reader)?;
        if !self.is_primary(base.surface) {
            return Ok(());
        }
        let color = match reader.u8()? {
            // Nothing is drawn.
            0 => return Ok(()),
            1 => reader.u32()? & 0x00ff_ffff,
            other => return Err(Unsupported::Brush(other).into()),
        };
        let rop = reader.u16()?;
        if rop != ROP_PUT {
            return Err(Unsupported::Rop(rop).into());
        }
        no_mask(reader)?;
        self.visible(&base, |_, rect| sink(DisplayEvent::Fill { rect, color }))
    }

    /// BLACKNESS and WHITENESS.
    fn fill_with(
        &mut self,
        reader: &mut Reader<'_>,
        color: u32,
        sink: &mut Sink<'_>,
    ) -> Result<(), Skip> {
        let base = Base::read(reader)?;
        if !self.is_primary(base.surface) {
            return Ok(());
        }
        no_mask(reader)?;
        self.visible(&base, |_, rect| sink(DisplayEvent::Fill { rect, color }))
    }

    fn draw_copy(
        &mut self,
        payload: &[u8],
        reader: &mut Reader<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Skip> {
        let base = Base::read(reader)?;
        if !self.is_primary(base.surface) {
            return Ok(());
        }
        let image = reader.length()?;
        let source = WireRect::read(reader)?;
        let rop = reader.u16()?;
        let _scale_mode = reader.u8()?;
        no_mask(reader)?;
        if rop != ROP_PUT {
            return Err(Unsupported::Rop(rop).into());
        }
        let image = Image::read(payload, image)?;
        let inside = source.intersection(WireRect::whole(image.size));
        if source.is_empty() || inside != source {
            return Err(Malformed::OutOfRange("source rectangle").into());
        }
        if (source.width(), source.height()) != (base.target.width(), base.target.height()) {
            return Err(Unsupported::Scaling.into());
        }
        self.visible(&base, |part, rect| {
            // Both differences are at least 0: the part lies inside the target.
            let left = source.left + (part.left - base.target.left);
            let top = source.top + (part.top - base.target.top);
            let (Ok(source_left), Ok(source_top)) = (usize::try_from(left), usize::try_from(top))
            else {
                return;
            };
            sink(DisplayEvent::Pixels(Pixels {
                rect,
                data: image.data,
                stride: image.stride,
                height: image.height,
                is_top_down: image.is_top_down,
                source_left,
                source_top,
            }));
        })
    }
}

/// Reads a mask; there must be none.
fn no_mask(reader: &mut Reader<'_>) -> Result<(), Skip> {
    let _flags = reader.u8()?;
    let _position = reader.u64()?;
    match reader.u32()? {
        0 => Ok(()),
        _ => Err(Unsupported::Mask.into()),
    }
}

/// A raw 32-bit image inside a message.
struct Image<'a> {
    size: Size,
    height: usize,
    stride: usize,
    is_top_down: bool,
    data: &'a [u8],
}

impl<'a> Image<'a> {
    fn read(payload: &'a [u8], offset: usize) -> Result<Self, Skip> {
        if offset == 0 {
            return Err(Malformed::OutOfRange("image reference").into());
        }
        let mut reader = Reader::at(payload, offset);
        let _id = reader.u64()?;
        let kind = reader.u8()?;
        let _flags = reader.u8()?;
        let size = Size {
            width: reader.u32()?,
            height: reader.u32()?,
        };
        if kind != 0 {
            return Err(Unsupported::Image(kind).into());
        }
        let format = reader.u8()?;
        let flags = reader.u8()?;
        let (width, height) = (reader.length()?, reader.length()?);
        let stride = reader.length()?;
        if !matches!(format, 8 | 9) {
            return Err(Unsupported::Bitmap(format).into());
        }
        match flags & 2 {
            0 => reader.take(4)?,
            _ => reader.take(8)?,
        };
        let is_size = |side: usize, said: u32| usize::try_from(said) == Ok(side);
        if !is_size(width, size.width) || !is_size(height, size.height) {
            return Err(Malformed::OutOfRange("bitmap size").into());
        }
        if width.checked_mul(4).is_none_or(|row| row > stride) {
            return Err(Malformed::OutOfRange("stride").into());
        }
        let bytes = stride
            .checked_mul(height)
            .ok_or(Malformed::OutOfRange("bitmap size"))?;
        Ok(Self {
            size,
            height,
            stride,
            is_top_down: flags & 4 != 0,
            data: reader.take(bytes)?,
        })
    }
}

#[cfg(test)]
mod tests;
