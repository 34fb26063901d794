//! What the tests of this crate share: frames in shared memory, and a slow reference that knows nothing of the renderer.

// Each test program uses its own part of this.
#![allow(dead_code, reason = "shared by several test programs")]

pub(crate) mod reference;
pub(crate) mod x11;

use ivshmem::{PixelStream, SharedMemory, SharedSlice, Stalled};
use picture::{Canvas, FrameLayout, PixelFormat, Rotation, Size};
use render::{GlesRenderer, RenderOptions};

/// Makes a renderer without a window; `None`, loudly, if this machine cannot.
pub(crate) fn renderer(size: Size, options: &RenderOptions) -> Option<GlesRenderer> {
    match GlesRenderer::surfaceless(size, options) {
        Ok(renderer) => Some(renderer),
        Err(
            error @ (render::RenderError::Library { .. } | render::RenderError::Platform { .. }),
        ) => {
            testkit::skip("surfaceless EGL", &error.to_string());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// A frame in shared memory, of which the host has written only so much.
pub(crate) struct Frame {
    pub(crate) memory: SharedMemory,
    pub(crate) written: usize,
    pub(crate) waits: Vec<usize>,
}

impl Frame {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let memory = SharedMemory::create("frame", bytes.len().max(1)).unwrap();
        memory.as_slice().copy_from(0, bytes).unwrap();
        Self {
            memory,
            written: bytes.len(),
            waits: Vec::new(),
        }
    }
}

impl PixelStream for Frame {
    fn pixels(&self) -> SharedSlice<'_> {
        self.memory.as_slice()
    }

    fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled> {
        self.waits.push(bytes);
        if bytes > self.written {
            return Err(Stalled {
                available: self.written,
                wanted: bytes,
            });
        }
        Ok(bytes)
    }
}

/// A stream of numbers that look random; the same for the same seed.
pub(crate) fn noise(seed: u64) -> impl FnMut() -> u8 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    }
}

/// A layout with rows longer than they need be.
pub(crate) fn layout(format: PixelFormat, size: Size, rotation: Rotation) -> FrameLayout {
    let mut layout = FrameLayout::packed(format, size);
    layout.pitch_bytes = layout.pitch_bytes.next_multiple_of(8) + 16;
    layout.rotation = rotation;
    layout
}

/// Bytes for a layout.
pub(crate) fn bytes(layout: &FrameLayout, seed: u64) -> Vec<u8> {
    let mut noise = noise(seed);
    (0..layout.data_bytes()).map(|_| noise()).collect()
}

/// Fails if a colour anywhere is further off than `tolerance`.
pub(crate) fn assert_close(got: &Canvas, want: &Canvas, tolerance: u8, what: &str) {
    assert_eq!(got.size(), want.size(), "{what}");
    let Size { width, height } = got.size();
    for y in 0..height {
        for x in 0..width {
            let (a, b) = (got.bgr(x, y).unwrap(), want.bgr(x, y).unwrap());
            let worst = (0..3).map(|i| a[i].abs_diff(b[i])).max().unwrap();
            assert!(
                worst <= tolerance,
                "{what}: at {x},{y} got B,G,R {a:?}, expected {b:?}"
            );
        }
    }
}
