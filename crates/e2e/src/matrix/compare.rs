//! What must be seen, and how exactly.
//!
//! Tolerances in steps of 255 (issue 2): the software renderer is exact where pixels are only moved; converting light
//! costs one step, the linear filter another. EGL costs two with the filter, whatever the light. A colour pointer that
//! is filtered too adds one.

use picture::png::RgbImage;
use picture::scene::Filter;
use picture::{Placement, PointerKind, Size};
use testkit::reference::Rgb;

use super::cases::Case;

/// A renderer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The CPU.
    Software,
    /// GLES.
    Egl,
}

/// Steps by which a colour may differ where a case is shown with this placement.
#[must_use]
pub fn tolerance(kind: Kind, case: &Case, placement: &Placement) -> u8 {
    let is_pointer_filtered =
        placement.pointer_filter == Filter::Linear && case.pointer == Some(PointerKind::Colour);
    let conversion = u8::from(case.content.is_converted());
    let picture = match (placement.filter, kind) {
        (Filter::Nearest, _) => conversion,
        (Filter::Linear, Kind::Software) => 1 + conversion,
        (Filter::Linear, Kind::Egl) => 2,
    };
    picture + u8::from(is_pointer_filtered)
}

/// The right picture.
pub struct Expected {
    /// Its size.
    pub size: Size,
    /// Its pixels.
    pub pixels: Vec<Rgb>,
    /// The same without the pointer, if the pointer inverts parts of what is under it by any pattern.
    pub under: Option<Vec<Rgb>>,
    /// Steps by which a colour may differ.
    pub tolerance: u8,
}

impl Expected {
    /// The first pixel that differs, in words; `None` if the picture is right.
    #[must_use]
    pub fn difference(&self, seen: &RgbImage) -> Option<String> {
        if seen.size() != self.size {
            return Some(format!("{:?} instead of {:?}", seen.size(), self.size));
        }
        let (pixels, _) = seen.bytes().as_chunks::<3>();
        let wrong = |&(i, seen): &(usize, &Rgb)| !self.is_right(i, *seen);
        let (i, first) = pixels.iter().enumerate().find(wrong)?;
        let count = pixels.iter().enumerate().filter(wrong).count();
        let (x, y) = (i as u32 % self.size.width, i as u32 / self.size.width);
        let (meant, steps) = (self.pixels[i], self.tolerance);
        Some(format!(
            "{first:?} instead of {meant:?} (±{steps}) at {x}, {y}, {count} in all"
        ))
    }

    fn is_right(&self, i: usize, seen: Rgb) -> bool {
        let is_near = |a: Rgb, b: Rgb| {
            a.iter()
                .zip(b)
                .all(|(a, b)| a.abs_diff(b) <= self.tolerance)
        };
        let meant = self.pixels[i];
        if is_near(seen, meant) {
            return true;
        }
        // XOR makes a large difference of a small one: undone, it must be small.
        self.tolerance > 0
            && self.under.as_ref().is_some_and(|under| {
                let undone = std::array::from_fn(|c| seen[c] ^ meant[c] ^ under[i][c]);
                is_near(undone, under[i])
            })
    }
}
