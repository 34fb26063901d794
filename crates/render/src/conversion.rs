//! Converting stored pixels to 8-bit colours on the GPU (kvmfr.md 4.8).

use picture::convert::{Converter, pq_to_nits};
use picture::{FrameLayout, FrameRect, PixelFormat, Size, Transfer};

use crate::error::RenderError;
use crate::gl::{
    Framebuffer, Gl, ImageTarget, ImportedTexture, Pixels, Program, TexelFormat, TexelRect,
    Texture, Uniform, int,
};
use crate::program::Rects;

/// Nits of SDR white in PQ pictures (kvmfr.md 4.8).
const WHITE_NITS: f64 = 203.0;

/// A texture of 8-bit colours that can be drawn from, and drawn into.
pub(crate) struct Shown {
    pub(crate) texture: Texture,
    pub(crate) framebuffer: Framebuffer,
}

impl Shown {
    pub(crate) fn new(gl: &Gl, format: TexelFormat, size: Size) -> Result<Self, RenderError> {
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

    pub(crate) fn free(self, gl: &Gl) {
        gl.delete_framebuffer(self.framebuffer);
        gl.delete_texture(self.texture);
    }
}

/// Where the stored pixels are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored<'a> {
    /// In a texture of ours, as whole numbers.
    Own(&'a Texture),
    /// In the guest's memory.
    Imported(&'a ImportedTexture),
}

/// How the texels of an imported image are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ImportedTexels {
    /// The pixels themselves, in the order of the texture that they are shown from.
    Pixels,
    /// Four bytes of whatever the format's pixels are.
    Words,
    /// One byte each.
    Bytes,
}

/// What a program reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredKind {
    /// Texels of ours.
    Own(TexelFormat),
    /// Texels of the guest's memory.
    Imported(ImageTarget, ImportedTexels),
}

impl Stored<'_> {
    fn bind(&self, gl: &Gl) {
        match self {
            Self::Own(texture) => gl.bind(0, texture),
            Self::Imported(texture) => gl.bind_imported(0, texture),
        }
    }
}

/// A program that converts one kind of stored pixels.
pub(crate) struct Conversion {
    format: PixelFormat,
    transfer: Transfer,
    kind: StoredKind,
    program: Program,
    rects: Rects,
    stored: Uniform,
    table_unit: Uniform,
    table: Option<Texture>,
}

impl Conversion {
    pub(crate) fn new(
        gl: &Gl,
        layout: &FrameLayout,
        kind: StoredKind,
    ) -> Result<Self, RenderError> {
        let is_pq = layout.transfer == Transfer::Pq2020;
        let is_single = matches!(
            kind,
            StoredKind::Own(TexelFormat::R8Ui) | StoredKind::Imported(_, ImportedTexels::Bytes)
        );
        let (defines, table_name, table) = match layout.format {
            _ if matches!(kind, StoredKind::Imported(_, ImportedTexels::Pixels)) => {
                ("#define AS_IT_IS\n", "", None)
            }
            PixelFormat::Rgba10 if is_pq => ("#define PQ\n", "u_table", Some(pq_table(gl)?)),
            PixelFormat::Rgba16F => (
                "#define HALF\n",
                "u_bytes",
                Some(half_table(gl, layout.transfer)?),
            ),
            PixelFormat::Bgr24Packed if is_single => {
                ("#define BYTES_24\n#define BLUE_FIRST\n", "", None)
            }
            PixelFormat::Bgr24Packed => ("#define WORDS_24\n#define BLUE_FIRST\n", "", None),
            PixelFormat::Rgb24 if is_single => ("#define BYTES_24\n", "", None),
            PixelFormat::Rgb24 => ("#define WORDS_24\n", "", None),
            _ => ("#define TEN_BITS\n", "", None),
        };
        let source = match kind {
            StoredKind::Own(_) => "",
            StoredKind::Imported(ImageTarget::Plain, _) => "#define IMPORTED sampler2D\n",
            StoredKind::Imported(ImageTarget::External, _) => {
                "#define IMPORTED highp samplerExternalOES\n"
            }
        };
        let program = gl.program(
            "convert",
            &[include_str!("shader/rects.vert")],
            &[source, defines, include_str!("shader/convert.frag")],
        );
        let program = match program {
            Ok(program) => program,
            Err(error) => {
                if let Some(table) = table {
                    gl.delete_texture(table);
                }
                return Err(error);
            }
        };
        Ok(Self {
            format: layout.format,
            transfer: layout.transfer,
            kind,
            rects: Rects::of(gl, &program),
            stored: gl.uniform(&program, "u_stored"),
            table_unit: gl.uniform(&program, table_name),
            program,
            table,
        })
    }

    /// Tells whether the program is the one for such pixels.
    pub(crate) fn suits(&self, layout: &FrameLayout, kind: StoredKind) -> bool {
        (self.format, self.transfer, self.kind) == (layout.format, layout.transfer, kind)
    }

    /// Converts rectangles; `from` is of the kind that the program was made for.
    pub(crate) fn run(&mut self, gl: &Gl, from: &Stored<'_>, shown: &Shown, rects: &[FrameRect]) {
        let size = shown.texture.size();
        gl.draw_into(Some(shown.framebuffer), size);
        gl.use_program(&self.program);
        from.bind(gl);
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

    pub(crate) fn free(self, gl: &Gl) {
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
