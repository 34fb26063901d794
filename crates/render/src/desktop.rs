//! The guest's picture: its textures, and drawing it.

use picture::convert::{Converter, pq_to_nits};
use picture::{
    BufferRect, Damage, FrameLayout, FrameRect, PixelFormat, Placement, Rotation, Size, Transfer,
};

use crate::error::{RenderError, UploadError};
use crate::gl::{Framebuffer, Gl, Pixels, Program, TexelFormat, TexelRect, Texture, Uniform, int};
use crate::program::{Rects, Sampling, Stage};

/// Nits of SDR white in PQ pictures (kvmfr.md 4.8).
const WHITE_NITS: f64 = 203.0;

/// How the stored bytes of a layout become texels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Storage {
    format: TexelFormat,
    size: Size,
    row_texels: u32,
}

impl Storage {
    fn of(layout: &FrameLayout, has_bgra: bool) -> Result<Self, UploadError> {
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
fn rows_there(layout: &FrameLayout) -> Size {
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

/// A texture of 8-bit colours that can be drawn from, and drawn into.
struct Shown {
    texture: Texture,
    framebuffer: Framebuffer,
}

impl Shown {
    fn new(gl: &Gl, format: TexelFormat, size: Size) -> Result<Self, RenderError> {
        let texture = gl.texture(format, size)?;
        match gl.framebuffer(&texture) {
            Ok(framebuffer) => Ok(Self {
                texture,
                framebuffer,
            }),
            Err(error) => {
                gl.delete_texture(texture);
                Err(error)
            }
        }
    }

    fn free(self, gl: &Gl) {
        gl.delete_framebuffer(self.framebuffer);
        gl.delete_texture(self.texture);
    }
}

/// Converts stored texels to 8-bit colours.
struct Conversion {
    format: PixelFormat,
    transfer: Transfer,
    storage: TexelFormat,
    program: Program,
    rects: Rects,
    stored: Uniform,
    table_unit: Uniform,
    table: Option<Texture>,
}

impl Conversion {
    fn new(gl: &Gl, layout: &FrameLayout, storage: TexelFormat) -> Result<Self, RenderError> {
        let is_pq = layout.transfer == Transfer::Pq2020;
        let (defines, table_name, table) = match (layout.format, storage) {
            (PixelFormat::Rgba10, _) if is_pq => ("#define PQ\n", "u_table", Some(pq_table(gl)?)),
            (PixelFormat::Rgba16F, _) => (
                "#define HALF\n",
                "u_bytes",
                Some(half_table(gl, layout.transfer)?),
            ),
            (PixelFormat::Bgr24Packed, TexelFormat::R8Ui) => {
                ("#define BYTES_24\n#define BLUE_FIRST\n", "", None)
            }
            (PixelFormat::Bgr24Packed, _) => ("#define WORDS_24\n#define BLUE_FIRST\n", "", None),
            (PixelFormat::Rgb24, TexelFormat::R8Ui) => ("#define BYTES_24\n", "", None),
            (PixelFormat::Rgb24, _) => ("#define WORDS_24\n", "", None),
            _ => ("#define TEN_BITS\n", "", None),
        };
        let program = gl.program(
            "convert",
            &[include_str!("shader/rects.vert")],
            &[defines, include_str!("shader/convert.frag")],
        )?;
        Ok(Self {
            format: layout.format,
            transfer: layout.transfer,
            storage,
            rects: Rects::of(gl, &program),
            stored: gl.uniform(&program, "u_stored"),
            table_unit: gl.uniform(&program, table_name),
            program,
            table,
        })
    }

    fn suits(&self, layout: &FrameLayout, storage: TexelFormat) -> bool {
        (self.format, self.transfer, self.storage) == (layout.format, layout.transfer, storage)
    }

    fn run(&mut self, gl: &Gl, stored: &Texture, shown: &Shown, rects: &[FrameRect]) {
        let size = shown.texture.size();
        gl.draw_into(Some(shown.framebuffer), size);
        gl.use_program(&self.program);
        gl.bind(0, stored);
        gl.set_int(&self.stored, 0);
        if let Some(table) = &self.table {
            gl.bind(1, table);
            gl.set_int(&self.table_unit, 1);
        }
        let rects = rects
            .iter()
            .map(|r| [int(r.x), int(r.y), int(r.width), int(r.height)]);
        self.rects.draw(gl, size, false, rects);
    }

    fn free(self, gl: &Gl) {
        if let Some(table) = self.table {
            gl.delete_texture(table);
        }
        gl.delete_program(self.program);
    }
}

/// Linear light of the 1024 PQ values, 1.0 = SDR white.
fn pq_table(gl: &Gl) -> Result<Texture, RenderError> {
    let light = |code: u32| (pq_to_nits(f64::from(code) / 1023.0) / WHITE_NITS) as f32;
    let bytes: Vec<u8> = (0..1024)
        .flat_map(|code| light(code).to_ne_bytes())
        .collect();
    table(gl, TexelFormat::R32F, Size::new(1024, 1), &bytes)
}

/// The shown byte of each half float: exact, and on software drivers faster than three powers a pixel.
fn half_table(gl: &Gl, transfer: Transfer) -> Result<Texture, RenderError> {
    let converter = Converter::new(PixelFormat::Rgba16F, transfer);
    let byte = |bits: u16| {
        let [low, high] = bits.to_le_bytes();
        let pixel = converter.bgr(&[low, high, 0, 0, 0, 0, 0, 0]);
        pixel.map_or(0, |[_, _, red]| red)
    };
    let bytes: Vec<u8> = (0..=u16::MAX).map(byte).collect();
    table(gl, TexelFormat::R8Ui, Size::new(256, 256), &bytes)
}

fn table(gl: &Gl, format: TexelFormat, size: Size, bytes: &[u8]) -> Result<Texture, RenderError> {
    let texture = gl.texture(format, size)?;
    let whole = TexelRect {
        x: 0,
        y: 0,
        width: size.width,
        height: size.height,
    };
    match gl.replace(&texture, whole, size.width, Pixels::Memory(bytes)) {
        Ok(()) => Ok(texture),
        Err(error) => {
            gl.delete_texture(texture);
            Err(error)
        }
    }
}

/// The picture that was taken over last.
struct Current {
    layout: FrameLayout,
    storage: Storage,
    /// The bytes as stored, if they have to be converted.
    stored: Option<Texture>,
    shown: Shown,
}

/// The guest's picture on the GPU.
pub(crate) struct Desktop {
    current: Option<Current>,
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

    /// What really has to be copied of a frame: everything if the picture there is has another layout, unless a new
    /// picture was announced.
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
        if self.layout() != Some(layout) && !self.is_new {
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
        self.prepare(gl, layout)?;
        let Some(current) = &self.current else {
            return Ok(());
        };
        let rows_there = rows_there(layout);
        let storage = current.storage;
        let into = current.stored.as_ref().unwrap_or(&current.shown.texture);
        let mut rects = damage
            .rects_in(rows_there)
            .map(|rect| storage.texels(layout, rect));
        upload.submit(gl, into, storage.row_texels, &mut rects)?;
        if let (Some(stored), Some(conversion)) = (&current.stored, &mut self.conversion) {
            let mut changed = [FrameRect::default(); picture::damage::MAX_RECTS];
            let mut count = 0;
            for (slot, rect) in changed.iter_mut().zip(damage.rects_in(rows_there)) {
                *slot = rect;
                count += 1;
            }
            conversion.run(gl, stored, &current.shown, &changed[..count]);
            gl.check("converting pixels")?;
        }
        self.pending.merge(damage);
        Ok(())
    }

    /// Makes the textures of a layout, unless they are there.
    fn prepare(&mut self, gl: &Gl, layout: &FrameLayout) -> Result<(), UploadError> {
        if self.layout() == Some(layout) && !self.is_new {
            return Ok(());
        }
        let storage = Storage::of(layout, self.has_bgra)?;
        let is_direct = matches!(
            storage.format,
            TexelFormat::Bgra8 | TexelFormat::Bgra8Swizzled | TexelFormat::Rgba8
        );
        let is_suited = |conversion: &Conversion| conversion.suits(layout, storage.format);
        if !is_direct && !self.conversion.as_ref().is_some_and(is_suited) {
            let new = Conversion::new(gl, layout, storage.format)?;
            if let Some(old) = self.conversion.replace(new) {
                old.free(gl);
            }
        }
        let shown_format = match (is_direct, self.has_bgra) {
            (true, _) => storage.format,
            // The window's own order, so that pixels can be copied into it as they are.
            (false, true) => TexelFormat::Bgra8,
            (false, false) => TexelFormat::Rgba8,
        };
        let size = shown_size(layout);
        let shown = Shown::new(gl, shown_format, size)?;
        let stored = match is_direct {
            true => None,
            false => match gl.texture(storage.format, storage.size) {
                Ok(texture) => Some(texture),
                Err(error) => {
                    shown.free(gl);
                    return Err(error.into());
                }
            },
        };
        // The row that stands for those that a truncated frame lacks stays black.
        gl.draw_into(Some(shown.framebuffer), size);
        gl.fill([0, 0, int(size.width), int(size.height)], 0.0);
        let new = Current {
            layout: *layout,
            storage,
            stored,
            shown,
        };
        if let Some(old) = self.current.replace(new) {
            old.shown.free(gl);
            if let Some(stored) = old.stored {
                gl.delete_texture(stored);
            }
        }
        self.pending = Damage::FULL;
        self.is_new = false;
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
    fn rows_that_are_not_whole_texels_are_refused() {
        let mut layout = FrameLayout::packed(PixelFormat::Rgba16F, Size::new(4, 4));
        layout.pitch_bytes += 4;
        assert!(Storage::of(&layout, true).is_err());
        layout.pitch_bytes = 8;
        assert!(Storage::of(&layout, true).is_err());
    }
}
