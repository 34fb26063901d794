use super::*;
use crate::geometry::{FrameRect, GuestPoint, Rotation};
use crate::pointer::PointerKind;
use crate::scene::ScaleFilter;
use crate::text::StatusText;

mod pictures;
mod properties;

/// Fills the store with bytes that differ from pixel to pixel.
fn fill(compositor: &mut Compositor, layout: &FrameLayout, seed: usize) {
    for (i, byte) in compositor.frame_store_mut(layout).iter_mut().enumerate() {
        *byte = ((i + seed).wrapping_mul(2_654_435_761) >> 13) as u8;
    }
}

/// A BGRA frame of one letter a pixel, so that pictures can be written down.
fn letters(compositor: &mut Compositor, rows: &[&str]) -> FrameLayout {
    let size = Size::new(rows[0].len() as u32, rows.len() as u32);
    let layout = FrameLayout::packed(PixelFormat::Bgra8, size);
    let store = compositor.frame_store_mut(&layout);
    for (pixel, letter) in store.chunks_mut(4).zip(rows.concat().bytes()) {
        pixel.fill(letter);
    }
    layout
}

/// The blue bytes of a canvas as letters; black as `.`.
fn read(canvas: &Canvas) -> Vec<String> {
    let size = canvas.size();
    (0..size.height)
        .map(|y| {
            (0..size.width)
                .map(|x| match canvas.bgr(x, y).unwrap()[0] {
                    0 => '.',
                    letter => char::from(letter),
                })
                .collect()
        })
        .collect()
}

fn shape(kind: PointerKind, width: u32, height: u32, data: &[u8]) -> PointerShape {
    PointerShape {
        kind,
        width,
        height,
        pitch_bytes: match kind {
            PointerKind::Monochrome => width.div_ceil(8),
            _ => 4 * width,
        },
        hot_spot: (0, 0),
        data: data.to_vec(),
    }
}

fn at(x: i32, y: i32) -> PointerState {
    PointerState {
        position: GuestPoint { x, y },
        is_visible: true,
    }
}
