//! The programs that draw rectangles, and the values that they need.

use picture::scene::Filter;
use picture::{Placement, Rotation, Size};

use crate::error::RenderError;
use crate::gl::{Gl, Program, Texture, Uniform, int};

/// As many rectangles as `rects.vert` places at once.
const BATCH: usize = 64;

/// Where `rects.vert` takes its rectangles from.
pub(crate) struct Rects {
    rects: Uniform,
    size: Uniform,
    top_first: Uniform,
    /// Reused, so that drawing allocates nothing.
    numbers: Vec<i32>,
}

impl Rects {
    pub(crate) fn of(gl: &Gl, program: &Program) -> Self {
        Self {
            rects: gl.uniform(program, "u_rects"),
            size: gl.uniform(program, "u_size"),
            top_first: gl.uniform(program, "u_top_first"),
            numbers: Vec::with_capacity(4 * BATCH),
        }
    }

    /// Draws rectangles with the program in use; `top_first` for windows, whose rows GL counts from below.
    pub(crate) fn draw(
        &mut self,
        gl: &Gl,
        size: Size,
        top_first: bool,
        rects: impl Iterator<Item = [i32; 4]>,
    ) {
        gl.set_int2(&self.size, [int(size.width), int(size.height)]);
        gl.set_int(&self.top_first, i32::from(top_first));
        self.numbers.clear();
        for rect in rects {
            self.numbers.extend(rect);
            if self.numbers.len() == 4 * BATCH {
                self.flush(gl);
            }
        }
        self.flush(gl);
    }

    fn flush(&mut self, gl: &Gl) {
        if !self.numbers.is_empty() {
            gl.set_int4(&self.rects, &self.numbers);
            gl.draw_rects(self.numbers.len() / 4);
            self.numbers.clear();
        }
    }
}

/// The affine way from the turned picture back to the stored one: corner, and steps to the right and down.
pub(crate) struct Unturned {
    /// Stored texel of the turned picture's top left pixel.
    pub(crate) corner: [i32; 2],
    /// Stored step of one pixel to the right, then of one pixel down.
    pub(crate) steps: [i32; 4],
}

impl Unturned {
    /// For a stored picture of `size`.
    pub(crate) fn new(turn: Rotation, size: Size) -> Self {
        let (right, bottom) = (int(size.width) - 1, int(size.height) - 1);
        let (corner, steps) = match turn {
            Rotation::Deg0 => ([0, 0], [1, 0, 0, 1]),
            Rotation::Deg90 => ([0, bottom], [0, -1, 1, 0]),
            Rotation::Deg180 => ([right, bottom], [-1, 0, 0, -1]),
            Rotation::Deg270 => ([right, 0], [0, 1, -1, 0]),
        };
        Self { corner, steps }
    }
}

/// How a program finds the picture's pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// By the texture unit: between pixels, or the nearest where its arithmetic has no doubtful cases.
    Sampled,
    /// The nearest, in whole numbers.
    Exact,
}

impl Sampling {
    /// Both of them.
    pub(crate) const ALL: [Self; 2] = [Self::Sampled, Self::Exact];

    /// The one for a placement.
    pub(crate) const fn of(placement: &Placement) -> Self {
        let (from, to) = (placement.turned_frame(), placement.target);
        let is_whole = from.width != 0
            && from.height != 0
            && to.width.is_multiple_of(from.width)
            && to.height.is_multiple_of(from.height);
        match placement.filter {
            Filter::Nearest if !is_whole => Self::Exact,
            // At whole multiples every centre is far from the next pixel's edge.
            _ => Self::Sampled,
        }
    }

    const fn define(self) -> &'static str {
        match self {
            Self::Sampled => "#define SAMPLED\n",
            Self::Exact => "",
        }
    }
}

/// A program that sees the guest's picture (`picture.frag`).
pub(crate) struct Stage {
    pub(crate) program: Program,
    rects: Rects,
    sampling: Sampling,
    picture: Uniform,
    target: Uniform,
    to_uv: Uniform,
    turned: Uniform,
    corner: Uniform,
    steps: Uniform,
}

impl Stage {
    pub(crate) fn new(
        gl: &Gl,
        name: &'static str,
        sampling: Sampling,
        main: &[&str],
    ) -> Result<Self, RenderError> {
        let mut fragment = vec![sampling.define(), include_str!("shader/picture.frag")];
        fragment.extend(main);
        let vertex = [sampling.define(), include_str!("shader/rects.vert")];
        let program = gl.program(name, &vertex, &fragment)?;
        let uniform = |name| gl.uniform(&program, name);
        Ok(Self {
            rects: Rects::of(gl, &program),
            sampling,
            picture: uniform("u_picture"),
            target: uniform("u_target"),
            to_uv: uniform("u_to_uv"),
            turned: uniform("u_turned"),
            corner: uniform("u_corner"),
            steps: uniform("u_steps"),
            program,
        })
    }

    /// Puts the program in use and tells it where the picture is.
    pub(crate) fn begin(&self, gl: &Gl, picture: &Texture, placement: &Placement) {
        gl.use_program(&self.program);
        gl.bind_filtered(0, picture, placement.filter == Filter::Linear);
        gl.set_int(&self.picture, 0);
        let target = placement.target;
        let (width, height) = (int(target.width), int(target.height));
        gl.set_int4(&self.target, &[target.x, target.y, width, height]);
        let way = Unturned::new(placement.turn, placement.frame);
        let turned = placement.turned_frame();
        if self.sampling == Sampling::Sampled {
            gl.set_affine(&self.to_uv, &to_uv(placement, &way, picture.size()));
        } else {
            gl.set_int2(&self.turned, [int(turned.width), int(turned.height)]);
            gl.set_int2(&self.corner, way.corner);
            gl.set_int4(&self.steps, &way.steps);
        }
    }

    /// Draws rectangles of a window of `size`.
    pub(crate) fn draw(&mut self, gl: &Gl, size: Size, rects: impl Iterator<Item = [i32; 4]>) {
        self.rects.draw(gl, size, true, rects);
    }
}

/// From pixels of the window to texture coordinates of the stored picture, column by column; the texture may have fewer
/// rows than the picture.
fn to_uv(placement: &Placement, way: &Unturned, texture: Size) -> [f32; 6] {
    let float = |value: u32| f64::from(value.max(1));
    let (frame, turned, target) = (placement.frame, placement.turned_frame(), placement.target);
    let right = float(turned.width) / float(target.width);
    let down = float(turned.height) / float(target.height);
    let (left, top) = (f64::from(target.x), f64::from(target.y));
    let [xx, xy, yx, yy] = way.steps.map(f64::from);
    // One texture axis: t = (start + a * (x - left) * right + b * (y - top) * down) / texels.
    let axis = |a: f64, b: f64, length: f64, texels: f64| {
        // A step of -1 starts at the far edge, not at the near one.
        let start = if a < 0.0 || b < 0.0 { length } else { 0.0 };
        let (x, y) = (a * right, b * down);
        [x, y, start - x * left - y * top].map(|value| (value / texels) as f32)
    };
    let u = axis(xx, yx, float(frame.width), float(texture.width));
    let v = axis(xy, yy, float(frame.height), float(texture.height));
    [u[0], v[0], u[1], v[1], u[2], v[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unturning_finds_every_stored_texel_of_a_turned_picture() {
        // Stored 3x2, numbered by row: turned a quarter clockwise, the lower left corner comes to the top left.
        let size = Size::new(3, 2);
        let seen = |turn: Rotation| -> Vec<i32> {
            let way = Unturned::new(turn, size);
            let turned = turn.size(size);
            let [xx, xy, yx, yy] = way.steps;
            (0..int(turned.height))
                .flat_map(|y| (0..int(turned.width)).map(move |x| (x, y)))
                .map(|(x, y)| {
                    let column = way.corner[0] + x * xx + y * yx;
                    let row = way.corner[1] + x * xy + y * yy;
                    row * 3 + column
                })
                .collect()
        };
        assert_eq!(seen(Rotation::Deg0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(seen(Rotation::Deg90), [3, 0, 4, 1, 5, 2]);
        assert_eq!(seen(Rotation::Deg180), [5, 4, 3, 2, 1, 0]);
        assert_eq!(seen(Rotation::Deg270), [2, 5, 1, 4, 0, 3]);
    }
}
