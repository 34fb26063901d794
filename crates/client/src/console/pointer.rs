//! The pointer of the machine's own screen, in the terms of `picture`.

use std::sync::Arc;

use picture::{GuestPoint, PointerKind, PointerShape, PointerState};
use spice::cursor::{CursorPixels, CursorShape};

/// The pointer as last heard of.
#[derive(Default)]
pub(super) struct Pointer {
    pub(super) shape: Option<Arc<PointerShape>>,
    /// Where the click point is, on the surface.
    pub(super) hot_spot: (i32, i32),
    pub(super) is_visible: bool,
}

impl Pointer {
    /// Where the shape's corner is: the server speaks of the hot spot.
    pub(super) fn state(&self) -> PointerState {
        let inside = self.shape.as_ref().map_or((0, 0), |shape| shape.hot_spot);
        let corner = |at: i32, inside: u32| at.saturating_sub_unsigned(inside);
        PointerState {
            position: GuestPoint {
                x: corner(self.hot_spot.0, inside.0),
                y: corner(self.hot_spot.1, inside.1),
            },
            is_visible: self.is_visible,
        }
    }
}

/// Converts a shape; `None` if its pixels are not as many as it says.
pub(super) fn shape(shape: &CursorShape) -> Option<PointerShape> {
    let pitch_bytes = shape.width.checked_mul(4)?;
    let bytes = u64::from(pitch_bytes) * u64::from(shape.height);
    let (kind, data) = match &shape.pixels {
        CursorPixels::Alpha(pixels) => {
            let (pixels, _) = pixels.as_chunks::<4>();
            let data = pixels.iter().flat_map(|&pixel| straight(pixel)).collect();
            (PointerKind::Colour, data)
        }
        // Both mean the same by it: 0 replaces the picture, 255 inverts it by the colour.
        CursorPixels::Masked(pixels) => (PointerKind::MaskedColour, pixels.clone()),
    };
    let data: Vec<u8> = data;
    (u64::try_from(data.len()) == Ok(bytes)).then_some(PointerShape {
        kind,
        width: shape.width,
        height: shape.height,
        pitch_bytes,
        hot_spot: (shape.hot_x, shape.hot_y),
        data,
    })
}

/// Undoes the multiplication by alpha; what is brighter than its alpha allows becomes full.
fn straight([b, g, r, a]: [u8; 4]) -> [u8; 4] {
    if a == 0 {
        return [0; 4];
    }
    let (half, alpha) = (u32::from(a) / 2, u32::from(a));
    let part = |part: u8| {
        let value = (u32::from(part) * 255 + half) / alpha;
        u8::try_from(value).unwrap_or(u8::MAX)
    };
    [part(b), part(g), part(r), a]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplied_colours_become_straight_ones() {
        assert_eq!(straight([0x40, 0x80, 0x00, 0x80]), [0x80, 0xff, 0, 0x80]);
        assert_eq!(straight([1, 2, 3, 0xff]), [1, 2, 3, 0xff]);
        assert_eq!(straight([9, 9, 9, 0]), [0; 4]);
        // Not multiplied after all.
        assert_eq!(straight([0xff, 0, 0, 1]), [0xff, 0, 0, 1]);
    }

    #[test]
    fn the_corner_is_left_and_above_the_hot_spot() {
        let made = shape(&CursorShape {
            width: 2,
            height: 1,
            hot_x: 1,
            hot_y: 0,
            pixels: CursorPixels::Masked(vec![1, 2, 3, 0, 4, 5, 6, 255]),
        })
        .unwrap();
        assert_eq!(made.kind, PointerKind::MaskedColour);
        assert_eq!(made.data, [1, 2, 3, 0, 4, 5, 6, 255]);
        let pointer = Pointer {
            shape: Some(Arc::new(made)),
            hot_spot: (0, 7),
            is_visible: true,
        };
        assert_eq!(pointer.state().position, GuestPoint { x: -1, y: 7 });
    }

    #[test]
    fn a_shape_with_too_few_pixels_is_none() {
        let short = CursorShape {
            width: 2,
            height: 2,
            hot_x: 0,
            hot_y: 0,
            pixels: CursorPixels::Alpha(vec![0; 12]),
        };
        assert_eq!(shape(&short), None);
    }
}
