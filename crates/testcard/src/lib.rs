//! The moving test pattern and the stamp in its first rows.
//!
//! Pure: the host's `test` capture draws with it, end-to-end tests and benchmarks read the stamp back from what a window
//! shows. Only `picture` is below it.
//!
//! ```
//! use picture::{PixelFormat, Size};
//! use testcard::{Pattern, Rows, Stamp, read_stamp};
//!
//! let layout = testcard::layout(PixelFormat::Bgra8, Size::new(320, 200));
//! let mut image = vec![0; layout.data_bytes() as usize];
//! let mut pattern = Pattern::new(layout, 5);
//! assert!(pattern.draw(&mut image, 0, 1_000).is_full());
//! assert!(!pattern.draw(&mut image, 1, 2_000).is_full());
//! let rows = Rows { bytes: &image, pitch_bytes: layout.pitch_bytes as usize, bytes_per_pixel: 4 };
//! assert_eq!(read_stamp(&rows, (0, 0)), Some(Stamp { serial: 1, time_ns: 2_000 }));
//! ```
//!
//! Threads and clocks: none. Times are passed in; they are meant to be CLOCK_MONOTONIC.
//!
//! Sources: kvmfr.md 3.3, 4.3, 4.8; options.md `test:*`.

#![forbid(unsafe_code)]

mod colour;
mod damage;
mod pattern;
mod pointer;
mod stamp;

pub use colour::{EncodedPixel, encode};
pub use damage::DamageMode;
pub use pattern::Pattern;
pub use pointer::{PointerMode, pointer_position, pointer_shape};
pub use stamp::{Rows, STAMP_SIZE, Stamp, read_stamp, read_turned_stamp, write_stamp};

use picture::{FrameLayout, PixelFormat, Size};

/// A layout with the row pitch that real hosts use: packed, but rows of 24-bit pixels are aligned (kvmfr.md 4.3).
///
/// All rows are there, also where existing hosts of the packed format leave out the last one.
#[must_use]
pub fn layout(format: PixelFormat, size: Size) -> FrameLayout {
    let mut layout = FrameLayout::packed(format, size);
    layout.pitch_bytes = match format {
        PixelFormat::Bgr24Packed => {
            // Whole texels of four bytes, and of these a multiple of 64.
            layout.pitch_bytes.div_ceil(4).next_multiple_of(64) * 4
        }
        PixelFormat::Rgb24 => size.width.div_ceil(4).next_multiple_of(64) * 4 * 3,
        _ => layout.pitch_bytes,
    };
    layout
}
