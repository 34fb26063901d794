//! The guest's pointer.

use picture::scene::Filter;
use picture::{Placement, PointerKind, PointerShape, PointerState, Size};

use crate::desktop::{BufferRectExt as _, Desktop};
use crate::error::RenderError;
use crate::gl::{Gl, Pixels, TexelFormat, TexelRect, Texture, Uniform, int};
use crate::program::{Sampling, Stage, Unturned};

/// Largest side of a pointer picture, as kvmfr.md H7 allows.
const MAX_SIDE: u32 = 1024;

/// A stage with the values that only the pointer has.
struct PointerStage {
    stage: Stage,
    pointer: Uniform,
    is_colour: Uniform,
    is_linear: Uniform,
    is_dimmed: Uniform,
    desktop: Uniform,
    place: Uniform,
    extent: Uniform,
    corner: Uniform,
    steps: Uniform,
}

impl PointerStage {
    fn new(gl: &Gl, sampling: Sampling) -> Result<Self, RenderError> {
        let main = [include_str!("shader/pointer.frag")];
        let stage = Stage::new(gl, "pointer", sampling, &main)?;
        let uniform = |name| gl.uniform(&stage.program, name);
        Ok(Self {
            pointer: uniform("u_pointer"),
            is_colour: uniform("u_is_colour"),
            is_linear: uniform("u_is_linear"),
            is_dimmed: uniform("u_is_dimmed"),
            desktop: uniform("u_desktop"),
            place: uniform("u_place"),
            extent: uniform("u_extent"),
            corner: uniform("u_pointer_corner"),
            steps: uniform("u_pointer_steps"),
            stage,
        })
    }
}

/// The pointer's picture on the GPU.
pub(crate) struct Pointer {
    shape: Option<PointerShape>,
    texture: Option<Texture>,
    /// Counts the pictures, so that a new one is noticed.
    generation: u64,
    texels: Vec<u8>,
    sampled: PointerStage,
    exact: PointerStage,
}

impl Pointer {
    pub(crate) fn new(gl: &Gl) -> Result<Self, RenderError> {
        Ok(Self {
            shape: None,
            texture: None,
            generation: 0,
            texels: Vec::new(),
            sampled: PointerStage::new(gl, Sampling::Sampled)?,
            exact: PointerStage::new(gl, Sampling::Exact)?,
        })
    }

    /// Which picture it is, by number.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes over a picture, unless it is the one there is.
    pub(crate) fn set_shape(
        &mut self,
        gl: &Gl,
        shape: Option<&PointerShape>,
    ) -> Result<(), RenderError> {
        let Some(shape) = shape else { return Ok(()) };
        if self.shape.as_ref() == Some(shape) {
            return Ok(());
        }
        self.generation += 1;
        self.shape = None;
        let size = Size::new(shape.width, shape.height);
        if size.is_empty() || size.width.max(size.height) > MAX_SIDE {
            return Ok(());
        }
        if self.texture.as_ref().map(Texture::size) != Some(size) {
            if let Some(old) = self.texture.take() {
                gl.delete_texture(old);
            }
            self.texture = Some(gl.texture(TexelFormat::Rgba8Ui, size)?);
        }
        let Some(texture) = &self.texture else {
            return Ok(());
        };
        texels(shape, &mut self.texels);
        let whole = TexelRect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        };
        gl.replace(texture, whole, size.width, Pixels::Memory(&self.texels))?;
        self.shape = Some(shape.clone());
        Ok(())
    }

    /// Draws the pointer, with the picture under it.
    pub(crate) fn draw(
        &mut self,
        gl: &Gl,
        desktop: &Desktop,
        placement: &Placement,
        state: PointerState,
        dim: bool,
    ) {
        let (Some(shape), Some(texture)) = (&self.shape, &self.texture) else {
            return;
        };
        let size = Size::new(shape.width, shape.height);
        let rect = placement.pointer_rect(state.position, size);
        if rect.is_empty() {
            return;
        }
        let stage = match Sampling::of(placement) {
            Sampling::Sampled => &mut self.sampled,
            Sampling::Exact => &mut self.exact,
        };
        desktop.prepare_stage(gl, &stage.stage, placement);
        gl.set_int(&stage.is_dimmed, i32::from(dim));
        gl.bind(1, texture);
        gl.set_int(&stage.pointer, 1);
        let is_colour = shape.kind == PointerKind::Colour;
        let between = is_colour && placement.pointer_filter == Filter::Linear;
        gl.set_int(&stage.is_colour, i32::from(is_colour));
        gl.set_int(&stage.is_linear, i32::from(between));
        let from = placement.turned_desktop();
        gl.set_int2(&stage.desktop, [int(from.width), int(from.height)]);
        let (x, y, turned) = placement.turned_pointer(state.position, size);
        // What leaves the range of i32 lies outside of every window.
        let place = [x, y].map(|at| i32::try_from(at).unwrap_or(i32::MIN));
        gl.set_int2(&stage.place, place);
        gl.set_int2(&stage.extent, [int(turned.width), int(turned.height)]);
        let way = Unturned::new(placement.own_turn, size);
        gl.set_int2(&stage.corner, way.corner);
        gl.set_int4(&stage.steps, &way.steps);
        let rects = std::iter::once(rect.numbers());
        stage.stage.draw(gl, placement.buffer, rects);
    }
}

/// The pixels as the shader wants them: R, G, B and alpha, or R, G, B to XOR with after an AND with the fourth byte.
///
/// Bytes that are missing count as zero.
fn texels(shape: &PointerShape, out: &mut Vec<u8>) {
    out.clear();
    let pitch = shape.pitch_bytes as usize;
    let byte = |x: u32, y: u32| {
        let at = y as usize * pitch + x as usize;
        shape.data.get(at).copied().unwrap_or(0)
    };
    for y in 0..shape.height {
        for x in 0..shape.width {
            let pixel = match shape.kind {
                PointerKind::Monochrome => {
                    let bit = |y: u32| match byte(x / 8, y) & (0x80 >> (x & 7)) {
                        0 => 0,
                        _ => 0xff,
                    };
                    let xor = bit(y + shape.height);
                    [xor, xor, xor, bit(y)]
                }
                kind => {
                    let [b, g, r, a] = [0, 1, 2, 3].map(|i| byte(4 * x + i, y));
                    let is_mask = kind == PointerKind::MaskedColour;
                    let fourth = match a {
                        a if !is_mask => a,
                        0 => 0,
                        _ => 0xff,
                    };
                    [r, g, b, fourth]
                }
            };
            out.extend(pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_become_what_the_shader_computes_with() {
        let shape = |kind, width, data: &[u8]| PointerShape {
            kind,
            width,
            height: 1,
            pitch_bytes: if kind == PointerKind::Monochrome {
                1
            } else {
                4 * width
            },
            hot_spot: (0, 0),
            data: data.to_vec(),
        };
        let mut out = Vec::new();
        // AND 0011, XOR 0101: black, white, unchanged, inverted.
        let mono = shape(PointerKind::Monochrome, 4, &[0b0011_0000, 0b0101_0000]);
        texels(&mono, &mut out);
        let (black, white) = ([0, 0, 0, 0], [255, 255, 255, 0]);
        let (same, inverted) = ([0, 0, 0, 255], [255, 255, 255, 255]);
        assert_eq!(out, [black, white, same, inverted].concat());
        let masked = shape(PointerKind::MaskedColour, 2, &[1, 2, 3, 0, 4, 5, 6, 7]);
        texels(&masked, &mut out);
        assert_eq!(out, [3, 2, 1, 0, 6, 5, 4, 255]);
        let colour = shape(PointerKind::Colour, 2, &[1, 2, 3, 4]);
        texels(&colour, &mut out);
        assert_eq!(out, [3, 2, 1, 4, 0, 0, 0, 0], "missing bytes are zero");
    }
}
