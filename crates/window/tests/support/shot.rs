//! Pictures that tests present and find again on a screen.

use picture::{BufferRect, Canvas, Size};

/// Fills a rectangle of a canvas.
pub(crate) fn fill(canvas: &mut Canvas, rect: BufferRect, bgr: [u8; 3]) {
    let rect = rect.intersection(BufferRect::of_size(canvas.size()));
    let pitch = canvas.pitch_bytes();
    for y in rect.y as usize..rect.y as usize + rect.height as usize {
        for x in rect.x as usize..rect.x as usize + rect.width as usize {
            let at = y * pitch + x * 4;
            canvas.bytes_mut()[at..at + 3].copy_from_slice(&bgr);
        }
    }
}

/// A picture in which no two of a few thousand neighbouring pixels are alike.
pub(crate) fn pattern(size: Size) -> Canvas {
    let mut canvas = Canvas::new(size);
    let pitch = canvas.pitch_bytes();
    for y in 0..size.height as usize {
        for x in 0..size.width as usize {
            let at = y * pitch + x * 4;
            let pixel = [
                x as u8,
                y as u8,
                (x / 256 * 16 + y / 256 * 64 + 32) as u8,
                0,
            ];
            canvas.bytes_mut()[at..at + 4].copy_from_slice(&pixel);
        }
    }
    canvas
}

/// A picture read from a screen.
#[derive(Debug)]
pub(crate) struct Shot {
    pub(crate) size: Size,
    /// B, G, R of each pixel.
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Shot {
    pub(crate) fn at(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        let index = y as usize * self.size.width as usize + x as usize;
        self.pixels.get(index).copied()
    }

    /// Tells whether `canvas` is to be seen with its top left corner at a place.
    pub(crate) fn shows(&self, canvas: &Canvas, left: u32, top: u32) -> bool {
        let size = canvas.size();
        (0..size.height)
            .all(|y| (0..size.width).all(|x| self.at(left + x, top + y) == canvas.bgr(x, y)))
    }

    /// Finds where `canvas` is to be seen.
    pub(crate) fn find(&self, canvas: &Canvas) -> Option<(u32, u32)> {
        let size = canvas.size();
        let lefts = || 0..=self.size.width.saturating_sub(size.width);
        let mut tops = 0..=self.size.height.saturating_sub(size.height);
        tops.find_map(|y| lefts().find(|&x| self.shows(canvas, x, y)).map(|x| (x, y)))
    }
}
