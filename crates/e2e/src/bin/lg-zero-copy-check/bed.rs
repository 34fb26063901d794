//! A guest's memory, a renderer, and what its picture should be.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use ivshmem::{PixelStream, SharedMemory, SharedSlice, Source, Stalled};
use picture::{
    Canvas, Damage, FrameLayout, PixelFormat, ScaleFilter, Scene, Size, Transfer, ViewOptions,
};
use render::{GlesRenderer, RenderOptions, UploadError};
use testkit::reference::{self, Frame, View};

/// Where the two frame blocks begin; as on real hosts, on whole pages.
pub(crate) const BLOCKS: [usize; 2] = [1 << 20, 9 << 20];
/// Bytes of a memory of our own: two frames of 1920 × 1080.
const MEMORY: usize = 32 << 20;

/// Opens a memory that has DMA-BUFs.
pub(crate) fn open(name: &str) -> anyhow::Result<Arc<SharedMemory>> {
    let memory = match name {
        "memfd" => SharedMemory::create("zero-copy", MEMORY)?,
        name => SharedMemory::open(&Source::parse(name)?)?,
    };
    ensure!(
        memory.len() >= 18 << 20,
        "{name} has {} bytes",
        memory.len()
    );
    Ok(Arc::new(memory))
}

/// A renderer and the memory that it reads.
pub(crate) struct Bed<'a> {
    pub(crate) memory: &'a SharedMemory,
    pub(crate) renderer: GlesRenderer,
}

/// Pixels in the memory, of which the host has written so many.
pub(crate) struct Pixels<'a> {
    pub(crate) pixels: SharedSlice<'a>,
    pub(crate) written: usize,
}

impl PixelStream for Pixels<'_> {
    fn pixels(&self) -> SharedSlice<'_> {
        self.pixels
    }

    fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled> {
        let available = self.written.min(self.pixels.len());
        if available < bytes {
            return Err(Stalled {
                available,
                wanted: bytes,
            });
        }
        Ok(available)
    }
}

impl<'a> Bed<'a> {
    /// A renderer without a window that may import from the memory.
    pub(crate) fn new(memory: &'a SharedMemory, options: &RenderOptions) -> anyhow::Result<Self> {
        let renderer = GlesRenderer::surfaceless(Size::new(64, 64), options)?;
        let mut bed = Self { memory, renderer };
        bed.begin();
        Ok(bed)
    }

    /// Begins a session.
    pub(crate) fn begin(&mut self) {
        let buffers = self.memory.dma_bufs().map_err(|error| error.to_string());
        self.renderer.set_dma_bufs(buffers);
    }

    /// Writes a frame as a host does.
    pub(crate) fn write(&self, block: usize, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.memory.as_slice().copy_from(BLOCKS[block], bytes)?)
    }

    /// Takes a frame over.
    pub(crate) fn upload(
        &mut self,
        block: usize,
        layout: &FrameLayout,
        damage: &Damage,
    ) -> Result<(), UploadError> {
        self.upload_written(block, layout, damage, usize::MAX)
    }

    /// Takes a frame over that is not all there.
    pub(crate) fn upload_written(
        &mut self,
        block: usize,
        layout: &FrameLayout,
        damage: &Damage,
        written: usize,
    ) -> Result<(), UploadError> {
        let len = usize::try_from(layout.data_bytes()).unwrap_or(usize::MAX);
        let pixels = self.memory.as_slice().subslice(BLOCKS[block], len)?;
        let mut pixels = Pixels { pixels, written };
        // A driver without a GPU may be late on a busy machine; a client would wait for the next frame.
        match self.renderer.upload(layout, damage, &mut pixels) {
            Err(UploadError::GpuLate) => self.renderer.upload(layout, damage, &mut pixels),
            result => result,
        }
    }

    /// What a window of the frame's size shows.
    pub(crate) fn picture(&mut self, layout: &FrameLayout) -> anyhow::Result<Canvas> {
        let size = layout.upright();
        self.renderer.resize(size)?;
        self.renderer.draw(&plain(layout))?;
        Ok(self.renderer.read_pixels()?)
    }

    /// Checks that the window shows these bytes.
    pub(crate) fn shows(
        &mut self,
        layout: &FrameLayout,
        bytes: &[u8],
        what: &str,
    ) -> anyhow::Result<()> {
        let got = self.picture(layout)?;
        let want = expected(layout, bytes);
        let Size { width, height } = got.size();
        for (i, want) in (0_u32..).zip(&want) {
            let (x, y) = (i % width, i / width);
            let [b, g, r] = got.bgr(x, y).context("a pixel")?;
            // One step: the conversions of light.
            let is_close = [r, g, b].iter().zip(want).all(|(a, b)| a.abs_diff(*b) <= 1);
            ensure!(
                is_close,
                "{what}: at {x},{y} of {width}x{height} {:?}, expected {want:?}",
                [r, g, b]
            );
        }
        ensure!(want.len() as u64 == got.size().area());
        Ok(())
    }
}

/// A scene of the picture alone.
pub(crate) fn plain(layout: &FrameLayout) -> Scene<'_> {
    Scene {
        layout: Some(layout),
        view: ViewOptions {
            filter: ScaleFilter::Nearest,
            ..ViewOptions::default()
        },
        ..Scene::default()
    }
}

/// The picture, by the reference that shares nothing with the renderer.
fn expected(layout: &FrameLayout, bytes: &[u8]) -> Vec<reference::Rgb> {
    let kind = match layout.format {
        PixelFormat::Bgra8 => 1,
        PixelFormat::Rgba8 => 2,
        PixelFormat::Rgba10 => 3,
        PixelFormat::Rgba16F => 4,
        PixelFormat::Bgr24Packed => 5,
        PixelFormat::Rgb24 => 6,
    };
    let frame = Frame {
        kind,
        is_hdr: matches!(layout.transfer, Transfer::Pq2020 | Transfer::ScRgb),
        version: if layout.transfer == Transfer::Linear {
            19
        } else {
            20
        },
        width: layout.frame.width,
        height: layout.frame.height,
        rows: layout.rows,
        pitch: layout.pitch_bytes as usize,
        rotation: layout.rotation.quarter_turns(),
        screen: (layout.screen.width, layout.screen.height),
        bytes,
    };
    let size = layout.upright();
    let view = View {
        width: size.width,
        height: size.height,
        keep_aspect: true,
        dont_upscale: false,
        rotation: 0,
        scale: 1,
    };
    reference::compose(&frame, None, &view)
}

/// Bytes that look random; the same for the same seed.
pub(crate) fn noise(layout: &FrameLayout, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..layout.data_bytes()).map(|_| next()).collect()
}

/// A layout whose rows are aligned as graphics cards want it.
pub(crate) fn layout(format: PixelFormat, transfer: Transfer, size: Size) -> FrameLayout {
    let mut layout = FrameLayout::packed(format, size);
    layout.pitch_bytes = layout.pitch_bytes.next_multiple_of(256);
    layout.transfer = transfer;
    layout
}
