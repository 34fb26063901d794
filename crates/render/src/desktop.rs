//! The guest's picture: its textures, and drawing it.

use ivshmem::SharedSlice;
use picture::convert::Converter;
use picture::{BufferRect, Damage, FrameLayout, FrameRect, PixelFormat, Placement, Rotation, Size};

use crate::conversion::{Conversion, ImportedTexels, Shown, Stored, StoredKind};
use crate::error::{RenderError, UploadError};
use crate::gl::{Gl, ImportedTexture, TexelFormat, TexelRect, Texture, int};
use crate::program::{Sampling, Stage};

/// Rows of a picture that are looked at to tell whether it is the right one, and pixels of each.
const CHECKED: (u32, u32) = (4, 256);

/// What a look at some pixels says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are the right ones, and not all the same.
    Right,
    /// They are the right ones, but all alike or none, so that a wrong picture could have looked like it.
    Unclear,
    /// They are others.
    Wrong,
}

/// How the stored bytes of a layout become texels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) format: TexelFormat,
    pub(crate) size: Size,
    row_texels: u32,
}

impl Storage {
    pub(crate) fn of(layout: &FrameLayout, has_bgra: bool) -> Result<Self, UploadError> {
        let Size { width, height } = rows_there(layout);
        let (format, width) = match layout.format {
            PixelFormat::Bgra8 if has_bgra => (TexelFormat::Bgra8, width),
            PixelFormat::Bgra8 => (TexelFormat::Bgra8Swizzled, width),
            PixelFormat::Rgba8 => (TexelFormat::Rgba8, width),
            PixelFormat::Rgba10 => (TexelFormat::R32Ui, width),
            PixelFormat::Rgba16F => (TexelFormat::Rg32Ui, width),
            PixelFormat::Bgr24Packed | PixelFormat::Rgb24 => {
                let bytes = width.saturating_mul(3);
                if layout.pitch_bytes.is_multiple_of(4) {
                    (TexelFormat::R32Ui, bytes.div_ceil(4))
                } else {
                    (TexelFormat::R8Ui, bytes)
                }
            }
        };
        let texel_bytes = format.bytes();
        let row_texels = layout.pitch_bytes / texel_bytes;
        if !layout.pitch_bytes.is_multiple_of(texel_bytes) || row_texels < width {
            let FrameLayout {
                pitch_bytes,
                format,
                ..
            } = layout;
            return Err(UploadError::Layout {
                reason: format!("rows of {pitch_bytes} bytes do not suit {width} of {format:?}"),
            });
        }
        Ok(Self {
            format,
            size: Size::new(width, height),
            row_texels,
        })
    }

    /// Tells whether the texels can be shown as they are.
    pub(crate) const fn is_direct(&self) -> bool {
        matches!(
            self.format,
            TexelFormat::Bgra8 | TexelFormat::Bgra8Swizzled | TexelFormat::Rgba8
        )
    }

    /// The texels of a rectangle of pixels, which [`widened`] made fit.
    fn texels(&self, layout: &FrameLayout, rect: FrameRect) -> TexelRect {
        let (x, width) = match self.format {
            TexelFormat::R8Ui => (rect.x * 3, rect.width * 3),
            TexelFormat::R32Ui if layout.format != PixelFormat::Rgba10 => {
                (rect.x / 4 * 3, (rect.width * 3).div_ceil(4))
            }
            _ => (rect.x, rect.width),
        };
        TexelRect {
            x,
            y: rect.y,
            width,
            height: rect.height,
        }
    }
}

/// The part of a frame that is not cut off: its size is that of real bytes, whatever the guest claims.
pub(crate) fn rows_there(layout: &FrameLayout) -> Size {
    let Size { width, height } = layout.frame;
    Size::new(width, height.min(layout.rows).max(1))
}

/// The texture that a frame is shown from: a truncated one has one more row, which is black and, as textures are
/// clamped to their edge, stands for all that are missing.
fn shown_size(layout: &FrameLayout) -> Size {
    let Size { width, height } = rows_there(layout);
    Size::new(width, (height + 1).min(layout.frame.height))
}

/// A damage in which no 32-bit word of three-byte pixels is changed in part: four pixels are three words.
fn widened(layout: &FrameLayout, damage: &Damage) -> Damage {
    if layout.format.bytes_per_pixel() != 3 || damage.is_full() {
        return damage.clone();
    }
    let mut wide = Damage::NONE;
    for rect in damage.rects_in(layout.frame) {
        let x = rect.x / 4 * 4;
        let right = rect.right().div_ceil(4) * 4;
        let right = u32::try_from(right).unwrap_or(u32::MAX);
        let rect = FrameRect::new(x, rect.y, right - x, rect.height);
        wide.add(rect.clamped(layout.frame));
    }
    wide
}

/// The picture that was taken over last.
struct Current {
    layout: FrameLayout,
    /// The bytes as stored, if they were copied and have to be converted.
    stored: Option<Texture>,
    shown: Shown,
}

/// What an import replaces, until it is known to have worked.
struct Before {
    current: Option<Current>,
    pending: Damage,
    is_new: bool,
}

/// The guest's picture on the GPU.
pub(crate) struct Desktop {
    current: Option<Current>,
    before: Option<Before>,
    /// An import was given up half-way: nobody knows what the texture holds.
    is_torn: bool,
    conversion: Option<Conversion>,
    /// What changed since the last drawing.
    pending: Damage,
    /// The next upload begins another picture, whatever its layout.
    is_new: bool,
    has_bgra: bool,
    /// For each sampling: as it is, dimmed.
    stages: [[Stage; 2]; 2],
}

impl Desktop {
    pub(crate) fn new(gl: &Gl) -> Result<Self, RenderError> {
        let stage = |sampling, define| {
            let main = [define, include_str!("shader/desktop.frag")];
            Stage::new(gl, "desktop", sampling, &main)
        };
        let [sampled, exact] = Sampling::ALL;
        let dimmed = "#define DIMMED\n";
        Ok(Self {
            current: None,
            before: None,
            is_torn: false,
            conversion: None,
            pending: Damage::NONE,
            is_new: false,
            has_bgra: gl.has_bgra,
            stages: [
                [stage(sampled, "")?, stage(sampled, dimmed)?],
                [stage(exact, "")?, stage(exact, dimmed)?],
            ],
        })
    }

    /// The layout of the picture there is.
    pub(crate) fn layout(&self) -> Option<&FrameLayout> {
        self.current.as_ref().map(|current| &current.layout)
    }

    /// What changed since it was asked last.
    pub(crate) fn take_damage(&mut self) -> Damage {
        std::mem::take(&mut self.pending)
    }

    /// Lets the next upload begin another picture, black where nothing is copied.
    pub(crate) const fn begin_picture(&mut self) {
        self.is_new = true;
    }

    /// What really has to be copied of a frame: everything if the picture there is has another layout or may be spoilt,
    /// unless a new picture was announced.
    pub(crate) fn needed(
        &self,
        layout: &FrameLayout,
        damage: &Damage,
        gl: &Gl,
    ) -> Result<Damage, UploadError> {
        let storage = Storage::of(layout, self.has_bgra)?;
        let shown = shown_size(layout);
        let side = storage.size.width.max(shown.width).max(shown.height);
        if side > gl.max_texture {
            let Size { width, height } = layout.frame;
            let max = gl.max_texture;
            return Err(RenderError::TooLarge { width, height, max }.into());
        }
        if (self.layout() != Some(layout) || self.is_torn) && !self.is_new {
            return Ok(Damage::FULL);
        }
        Ok(widened(layout, damage))
    }

    /// Takes staged bytes over; `damage` is what [`Desktop::needed`] said.
    pub(crate) fn take_over(
        &mut self,
        gl: &Gl,
        upload: &mut dyn crate::upload::Upload,
        layout: &FrameLayout,
        damage: &Damage,
    ) -> Result<(), UploadError> {
        let storage = Storage::of(layout, self.has_bgra)?;
        if !storage.is_direct() {
            self.prepare_conversion(gl, layout, StoredKind::Own(storage.format))?;
        }
        self.prepare(gl, layout, !storage.is_direct())?;
        self.settle(gl, true);
        let Some(current) = &self.current else {
            return Ok(());
        };
        let rows_there = rows_there(layout);
        let stored = current.stored.as_ref().filter(|_| !storage.is_direct());
        let into = stored.unwrap_or(&current.shown.texture);
        let mut rects = damage
            .rects_in(rows_there)
            .map(|rect| storage.texels(layout, rect));
        upload.submit(gl, into, storage.row_texels, &mut rects)?;
        if let (Some(stored), Some(conversion)) = (stored, &mut self.conversion) {
            let (changed, count) = rect_list(damage, rows_there);
            let from = Stored::Own(stored);
            conversion.run(gl, &from, &current.shown, &changed[..count]);
            gl.check("converting pixels")?;
        }
        self.pending.merge(damage);
        self.is_torn = false;
        Ok(())
    }

    /// Takes over an image of the guest's memory; `damage` is what [`Desktop::needed`] said. The memory is read by the
    /// time that the GPU has done all that was asked for; then [`Desktop::accept`] or [`Desktop::reject`] follows.
    pub(crate) fn take_over_imported(
        &mut self,
        gl: &Gl,
        image: &ImportedTexture,
        texels: ImportedTexels,
        layout: &FrameLayout,
        damage: &Damage,
    ) -> Result<(), UploadError> {
        // A copy of pixels as they are is a plain one, where the image can be read like that.
        let as_it_is = image
            .framebuffer()
            .filter(|_| texels == ImportedTexels::Pixels);
        if as_it_is.is_none() {
            let kind = StoredKind::Imported(image.target(), texels);
            self.prepare_conversion(gl, layout, kind)?;
        }
        self.prepare(gl, layout, false)?;
        let Some(current) = &self.current else {
            return Ok(());
        };
        let (changed, count) = rect_list(damage, rows_there(layout));
        let changed = &changed[..count];
        if let Some(framebuffer) = as_it_is {
            gl.read_from(Some(framebuffer));
            gl.draw_into(
                Some(current.shown.framebuffer),
                current.shown.texture.size(),
            );
            for rect in changed {
                let (x, y) = (int(rect.x), int(rect.y));
                let part = [x, y, x + int(rect.width), y + int(rect.height)];
                gl.blit(part, part);
            }
        } else if let Some(conversion) = &mut self.conversion {
            conversion.run(gl, &Stored::Imported(image), &current.shown, changed);
        }
        gl.check("copying an imported picture")
            .map_err(UploadError::from)
    }

    /// The import that was begun is in the texture.
    pub(crate) fn accept(&mut self, gl: &Gl, damage: &Damage) {
        self.pending.merge(damage);
        self.is_torn = false;
        self.settle(gl, true);
    }

    /// The import that was begun may or may not get into the texture: the picture before it stays, and what it may
    /// have spoilt of that is copied anew with the next one.
    pub(crate) fn reject(&mut self, gl: &Gl) {
        self.is_torn = true;
        self.settle(gl, false);
    }

    /// Frees the textures that were replaced, or goes back to them.
    fn settle(&mut self, gl: &Gl, is_good: bool) {
        let Some(before) = self.before.take() else {
            return;
        };
        let unused = if is_good {
            before.current
        } else {
            self.pending = before.pending;
            self.is_new = before.is_new;
            std::mem::replace(&mut self.current, before.current)
        };
        if let Some(unused) = unused {
            unused.shown.free(gl);
            if let Some(stored) = unused.stored {
                gl.delete_texture(stored);
            }
        }
    }

    /// Looks at some pixels of the first damaged rectangle; tells whether they are those in the memory, give or take
    /// a rounding, and how many bytes of it were read.
    pub(crate) fn compare(
        &self,
        gl: &Gl,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: SharedSlice<'_>,
    ) -> Result<(Verdict, u64), UploadError> {
        let first = damage.rects_in(rows_there(layout)).next();
        let (Some(current), Some(rect)) = (&self.current, first) else {
            return Ok((Verdict::Unclear, 0));
        };
        let converter = Converter::new(layout.format, layout.transfer);
        let pixel_bytes = layout.format.bytes_per_pixel() as usize;
        let mut shown = vec![0; rect.width as usize * 4];
        let mut stored = vec![0; pixel_bytes];
        let (mut looked_at, mut is_telling) = (0, false);
        let mut first = None;
        for row in spread(rect.height, CHECKED.0) {
            let y = rect.y + row;
            gl.read_from(Some(current.shown.framebuffer));
            gl.read_part([rect.x, y], Size::new(rect.width, 1), &mut shown)?;
            let start = y as usize * layout.pitch_bytes as usize;
            let (shown, _) = shown.as_chunks::<4>();
            for column in spread(rect.width, CHECKED.1) {
                let Some(&[r, g, b, _]) = shown.get(column as usize) else {
                    continue;
                };
                let x = rect.x as usize + column as usize;
                pixels.copy_to(start + x * pixel_bytes, &mut stored)?;
                looked_at += pixel_bytes as u64;
                let got = match current.shown.texture.format() {
                    // Turned round only when it is sampled.
                    TexelFormat::Bgra8Swizzled => [r, g, b],
                    _ => [b, g, r],
                };
                let want = converter.bgr(&stored).unwrap_or_default();
                let differs = |from: [u8; 3]| from.iter().zip(want).any(|(a, b)| a.abs_diff(b) > 1);
                if differs(got) {
                    return Ok((Verdict::Wrong, looked_at));
                }
                is_telling |= differs(*first.get_or_insert(want));
            }
        }
        let verdict = match is_telling {
            true => Verdict::Right,
            false => Verdict::Unclear,
        };
        Ok((verdict, looked_at))
    }

    /// Makes the program that converts pixels, unless it is there.
    fn prepare_conversion(
        &mut self,
        gl: &Gl,
        layout: &FrameLayout,
        kind: StoredKind,
    ) -> Result<(), RenderError> {
        let is_suited = |conversion: &Conversion| conversion.suits(layout, kind);
        if !self.conversion.as_ref().is_some_and(is_suited) {
            let new = Conversion::new(gl, layout, kind)?;
            if let Some(old) = self.conversion.replace(new) {
                old.free(gl);
            }
        }
        Ok(())
    }

    /// Makes the textures of a layout, unless they are there; with one for the bytes as stored, or without.
    fn prepare(
        &mut self,
        gl: &Gl,
        layout: &FrameLayout,
        with_stored: bool,
    ) -> Result<(), UploadError> {
        let storage = Storage::of(layout, self.has_bgra)?;
        let stored = |current: Option<&Current>| match with_stored {
            true if current.is_none_or(|current| current.stored.is_none()) => {
                gl.texture(storage.format, storage.size).map(Some)
            }
            _ => Ok(None),
        };
        if self.layout() == Some(layout) && !self.is_new {
            let new = stored(self.current.as_ref())?;
            if let (Some(current), Some(new)) = (&mut self.current, new) {
                current.stored = Some(new);
            }
            return Ok(());
        }
        let shown_format = match (storage.is_direct(), self.has_bgra) {
            (true, _) => storage.format,
            // The window's own order, so that pixels can be copied into it as they are.
            (false, true) => TexelFormat::Bgra8,
            (false, false) => TexelFormat::Rgba8,
        };
        let size = shown_size(layout);
        let shown = Shown::new(gl, shown_format, size)?;
        let stored = match stored(None) {
            Ok(stored) => stored,
            Err(error) => {
                shown.free(gl);
                return Err(error.into());
            }
        };
        // The row that stands for those that a truncated frame lacks stays black.
        gl.draw_into(Some(shown.framebuffer), size);
        gl.fill([0, 0, int(size.width), int(size.height)], 0.0);
        let new = Current {
            layout: *layout,
            stored,
            shown,
        };
        self.settle(gl, true);
        self.before = Some(Before {
            current: self.current.replace(new),
            pending: std::mem::replace(&mut self.pending, Damage::FULL),
            is_new: std::mem::replace(&mut self.is_new, false),
        });
        Ok(())
    }

    /// Sets up a stage that draws, or draws on, the picture.
    pub(crate) fn prepare_stage(&self, gl: &Gl, stage: &Stage, placement: &Placement) {
        if let Some(current) = &self.current {
            stage.begin(gl, &current.shown.texture, placement);
        }
    }

    /// Draws parts of the picture, all inside the target.
    pub(crate) fn draw(
        &mut self,
        gl: &Gl,
        placement: &Placement,
        dim: bool,
        may_blit: bool,
        rects: &[BufferRect],
    ) {
        let Some(current) = &self.current else { return };
        let is_as_stored = placement.is_one_to_one() && placement.turn == Rotation::Deg0;
        // In another order than the window's, a copy would be a slow kind of drawing.
        // And missing rows cannot be copied.
        let texture = &current.shown.texture;
        let is_whole = texture.size() == current.layout.frame;
        let is_copy = is_whole && texture.format() == TexelFormat::Bgra8 && !dim;
        if may_blit && is_as_stored && is_copy {
            gl.read_from(Some(current.shown.framebuffer));
            for rect in rects {
                copy(gl, placement, *rect);
            }
            return;
        }
        let [[sampled, sampled_dim], [exact, exact_dim]] = &mut self.stages;
        let stage = match (Sampling::of(placement), dim) {
            (Sampling::Sampled, false) => sampled,
            (Sampling::Sampled, true) => sampled_dim,
            (Sampling::Exact, false) => exact,
            (Sampling::Exact, true) => exact_dim,
        };
        stage.begin(gl, &current.shown.texture, placement);
        let rects = rects.iter().map(BufferRectExt::numbers);
        stage.draw(gl, placement.buffer, rects);
    }
}

/// At most `most` of `count` places, from the first to the last.
fn spread(count: u32, most: u32) -> impl Iterator<Item = u32> {
    let taken = most.min(count);
    let last = u64::from(count.saturating_sub(1));
    let steps = u64::from(taken.saturating_sub(1)).max(1);
    (0..taken).map(move |step| u32::try_from(last * u64::from(step) / steps).unwrap_or(0))
}

/// The damaged rectangles in an array, and how many they are.
fn rect_list(damage: &Damage, size: Size) -> ([FrameRect; picture::damage::MAX_RECTS], usize) {
    let mut list = [FrameRect::default(); picture::damage::MAX_RECTS];
    let mut count = 0;
    for (slot, rect) in list.iter_mut().zip(damage.rects_in(size)) {
        *slot = rect;
        count += 1;
    }
    (list, count)
}

/// Copies a part of the picture as it is; the target's rows are counted from below.
fn copy(gl: &Gl, placement: &Placement, rect: BufferRect) {
    let [x, y, width, height] = rect.numbers();
    let (column, row) = (x - placement.target.x, y - placement.target.y);
    let top = int(placement.buffer.height) - y;
    gl.blit(
        [column, row, column + width, row + height],
        [x, top, x + width, top - height],
    );
}

/// Rectangles as GL wants them.
pub(crate) trait BufferRectExt {
    /// x, y, width, height.
    fn numbers(&self) -> [i32; 4];
}

impl BufferRectExt for BufferRect {
    fn numbers(&self) -> [i32; 4] {
        [self.x, self.y, int(self.width), int(self.height)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_three_byte_pixels_are_never_copied_in_part() {
        let layout = FrameLayout::packed(PixelFormat::Rgb24, Size::new(18, 9));
        let mut damage = Damage::NONE;
        damage.add(FrameRect::new(5, 2, 1, 3));
        damage.add(FrameRect::new(17, 8, 1, 1));
        let wide = widened(&layout, &damage);
        let mut rects = wide.rects().to_vec();
        rects.sort_by_key(|rect| rect.y);
        assert_eq!(
            rects,
            [FrameRect::new(4, 2, 4, 3), FrameRect::new(16, 8, 2, 1)]
        );
    }

    #[test]
    fn texels_of_three_byte_pixels_hold_all_their_bytes() {
        for (pitch, format) in [(56, TexelFormat::R32Ui), (55, TexelFormat::R8Ui)] {
            let mut layout = FrameLayout::packed(PixelFormat::Bgr24Packed, Size::new(18, 2));
            layout.pitch_bytes = pitch;
            let storage = Storage::of(&layout, true).unwrap();
            assert_eq!(storage.format, format);
            let rect = FrameRect::new(16, 1, 2, 1);
            let texels = storage.texels(&layout, rect);
            let (first, last) = (texels.x, texels.x + texels.width);
            assert_eq!(first * format.bytes(), 48);
            assert!(last * format.bytes() >= 54 && last <= storage.size.width);
        }
    }

    #[test]
    fn compared_places_reach_from_one_end_to_the_other() {
        assert_eq!(spread(0, 4).count(), 0);
        assert_eq!(spread(1, 4).collect::<Vec<_>>(), [0]);
        assert_eq!(spread(3, 4).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(1000, 4).collect::<Vec<_>>(), [0, 333, 666, 999]);
        assert_eq!(spread(u32::MAX, 256).last(), Some(u32::MAX - 1));
    }

    #[test]
    fn rows_that_are_not_whole_texels_are_refused() {
        let mut layout = FrameLayout::packed(PixelFormat::Rgba16F, Size::new(4, 4));
        layout.pitch_bytes += 4;
        assert!(Storage::of(&layout, true).is_err());
        layout.pitch_bytes = 8;
        assert!(Storage::of(&layout, true).is_err());
    }
}
