//! The message on top of everything.

use picture::text::{StatusText, TextBitmap, TextCache};
use picture::{BufferRect, Size};

use crate::desktop::BufferRectExt as _;
use crate::error::RenderError;
use crate::gl::{Gl, Pixels, Program, TexelFormat, TexelRect, Texture, Uniform};
use crate::program::Rects;

/// The message as a texture; drawn when it changes, not with each frame.
pub(crate) struct Overlay {
    cache: TextCache,
    texture: Option<Texture>,
    /// R, G, B, A bytes of the bitmap.
    texels: Vec<u8>,
    program: Program,
    rects: Rects,
    picture: Uniform,
    target: Uniform,
}

impl Overlay {
    pub(crate) fn new(gl: &Gl) -> Result<Self, RenderError> {
        let program = gl.program(
            "status",
            &[include_str!("shader/rects.vert")],
            &[include_str!("shader/status.frag")],
        )?;
        Ok(Self {
            cache: TextCache::default(),
            texture: None,
            texels: Vec::new(),
            rects: Rects::of(gl, &program),
            picture: gl.uniform(&program, "u_picture"),
            target: gl.uniform(&program, "u_target"),
            program,
        })
    }

    /// Where the message is; empty if there is none.
    pub(crate) fn rect(&self) -> BufferRect {
        self.cache.bitmap().rect
    }

    /// Takes over the message; tells whether it changed.
    pub(crate) fn update(
        &mut self,
        gl: &Gl,
        text: Option<&StatusText>,
        buffer: Size,
    ) -> Result<bool, RenderError> {
        if !self.cache.update(text, buffer) {
            return Ok(false);
        }
        if let Some(old) = self.texture.take() {
            gl.delete_texture(old);
        }
        let TextBitmap { rect, pixels } = self.cache.bitmap();
        let size = Size::new(rect.width, rect.height);
        if size.is_empty() {
            return Ok(true);
        }
        self.texels.clear();
        let (pixels, _) = pixels.as_chunks::<4>();
        self.texels
            .extend(pixels.iter().flat_map(|&[b, g, r, a]| [r, g, b, a]));
        let texture = gl.texture(TexelFormat::Rgba8, size)?;
        let whole = TexelRect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        };
        let copied = gl.replace(&texture, whole, size.width, Pixels::Memory(&self.texels));
        self.texture = Some(texture);
        copied.map(|()| true)
    }

    /// Blends the message over what is there.
    pub(crate) fn draw(&mut self, gl: &Gl, buffer: Size) {
        let Some(texture) = &self.texture else { return };
        let rect = self.cache.bitmap().rect.numbers();
        gl.use_program(&self.program);
        gl.bind(0, texture);
        gl.set_int(&self.picture, 0);
        gl.set_int4(&self.target, &rect);
        gl.blend(true);
        self.rects.draw(gl, buffer, true, std::iter::once(rect));
        gl.blend(false);
    }
}
