//! How 24-bit pixels are carried in a texture of 32-bit texels (frame type 5).

use crate::frame::Size;

/// The stored texture of a type 5 frame (kvmfr.md 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedGeometry {
    /// Texels of 32 bits in a row.
    pub data_width: u32,
    /// Rows; for widths ≡ 3 (mod 4) usually one less than the picture has.
    pub data_height: u32,
}

impl PackedGeometry {
    /// Computes the texture of a picture as the original producer does.
    ///
    /// Returns `None` for an empty picture and for sizes beyond [`MAX_SIDE`](crate::MAX_SIDE).
    #[must_use]
    pub fn of(frame: Size) -> Option<Self> {
        if !frame.is_sane() {
            return None;
        }
        let packed = (frame.width * 3).next_multiple_of(4);
        Some(Self {
            data_width: (packed / 4).next_multiple_of(64),
            data_height: u32::try_from(frame.area() / u64::from(packed / 3)).ok()?,
        })
    }

    /// Bytes from row to row at the least.
    #[must_use]
    pub const fn pitch_bytes(self) -> u32 {
        self.data_width * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_sizes_have_the_geometry_of_the_formula() {
        let of = |w, h| PackedGeometry::of(Size::new(w, h)).map(|g| (g.data_width, g.data_height));
        // packed = 5760, 5760 / 4 = 1440, up to a multiple of 64.
        assert_eq!(of(1920, 1080), Some((1472, 1080)));
        assert_eq!(of(3840, 2160), Some((2880, 2160)));
        // packed = 4100, one texel more than 1024: 1366 * 768 / 1366.
        assert_eq!(of(1366, 768), Some((1088, 768)));
        assert_eq!(of(1, 1), Some((64, 1)));
        assert_eq!(of(0, 1), None);
        assert_eq!(of(32769, 1), None);
    }

    #[test]
    fn widths_of_3_modulo_4_lose_a_row() {
        // packed = align4(4101) = 4104; 4104 / 3 = 1368; 1367 * 768 / 1368 = 767.
        let g = PackedGeometry::of(Size::new(1367, 768)).expect("sane");
        assert_eq!(g.data_height, 767);
    }

    #[test]
    fn a_row_always_fits_and_never_are_there_more_rows_than_in_the_picture() {
        for width in 1..=4096 {
            let g = PackedGeometry::of(Size::new(width, 1000)).expect("sane");
            assert!(g.pitch_bytes() >= 3 * width, "{width}");
            assert!(g.data_height <= 1000, "{width}");
        }
    }
}
