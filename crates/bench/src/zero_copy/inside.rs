//! In the guest: takes frames over by each way in turn, and says what each has cost.

use std::path::Path;

use anyhow::{Context as _, ensure};
use clock::Nanos;
use ivshmem::{PixelStream, SharedMemory, SharedSlice, Source, Stalled};
use picture::{Damage, FrameLayout, FrameRect, PixelFormat, Size};
use render::{GlesRenderer, RenderOptions, UploadPath};
use rustix::time::ClockId;

use super::Cost;
use crate::copy::ms;
use crate::machine::cpu;

/// Two frames of the largest resolution.
pub const MEMORY_MIB: u32 = 64;

const SIZES: [(&str, Size); 2] = [
    ("1080p", Size::new(1920, 1080)),
    ("4K", Size::new(3840, 2160)),
];
/// Frames of each way that are counted.
const FRAMES: usize = 12;
/// Frames before those: buffers are made, shaders compiled and pages touched.
const WARM_UP: usize = 3;
/// Nothing is drawn.
const WINDOW: Size = Size::new(16, 16);
/// The ways that are measured. With one changed pixel only, importing costs all but the GPU's pass over the picture, which
/// is work of the processor where GL is software.
pub const WAYS: [&str; 4] = ["import", "one-pixel", "persistent", "staging"];

/// A frame that is complete.
struct Complete<'a>(SharedSlice<'a>);

impl PixelStream for Complete<'_> {
    fn pixels(&self) -> SharedSlice<'_> {
        self.0
    }

    fn wait_for(&mut self, _bytes: usize) -> Result<usize, Stalled> {
        Ok(self.0.len())
    }
}

/// Measures with the memory of a kvmfr device and with that of a sealed memfd; prints a line for each frame.
///
/// # Errors
/// If anything does not work as it must, importing first of all.
pub fn run(device: &Path) -> anyhow::Result<()> {
    let len = usize::try_from(MEMORY_MIB)? << 20;
    let device = SharedMemory::open(&Source::KvmfrDevice(device.into()))?;
    let memfd = SharedMemory::create("zero-copy", len)?;
    for (source, memory) in [("kvmfr", &device), ("udmabuf", &memfd)] {
        for (name, size) in SIZES {
            let tell = |way: &str, ms| {
                let [source, size, way] = [source, name, way].map(str::to_owned);
                let cost = Cost {
                    source,
                    size,
                    way,
                    ms,
                };
                println!("{cost}");
            };
            measure(memory, size, tell).with_context(|| format!("{source}, {name}"))?;
        }
    }
    Ok(())
}

/// Each frame by each way, so that whatever slows the machine slows all of them.
fn measure(
    memory: &SharedMemory,
    size: Size,
    mut tell: impl FnMut(&str, f64),
) -> anyhow::Result<()> {
    let mut one_pixel = Damage::NONE;
    one_pixel.add(FrameRect::new(0, 0, 1, 1));
    let mut ways = Vec::new();
    for name in WAYS {
        let path = match name {
            "persistent" => UploadPath::Persistent,
            "staging" => UploadPath::Staging,
            _ => UploadPath::Import,
        };
        let options = RenderOptions {
            upload: Some(path),
            ..RenderOptions::default()
        };
        let mut renderer = GlesRenderer::surfaceless(WINDOW, &options)?;
        renderer.set_dma_bufs(memory.dma_bufs().map_err(|error| error.to_string()));
        let is_whole = name != "one-pixel";
        let damage = if is_whole {
            Damage::FULL
        } else {
            one_pixel.clone()
        };
        ways.push((name, path, damage, renderer));
    }
    let layout = FrameLayout::packed(PixelFormat::Bgra8, size);
    let len = usize::try_from(layout.data_bytes())?;
    let mut picture: Vec<u8> = (0..len).map(|at| (at ^ (at >> 8)) as u8).collect();
    for number in 0..WARM_UP + FRAMES {
        // As a host does: two blocks in turn, each beginning on a page, every byte another one than before.
        picture
            .iter_mut()
            .for_each(|byte| *byte = byte.wrapping_add(1));
        let start = number % 2 * len.next_multiple_of(4096);
        let block = memory.as_slice().subslice(start, len)?;
        block.copy_from(0, &picture)?;
        for (name, _, damage, renderer) in &mut ways {
            let ms = take_over(renderer, &layout, damage, block)?;
            if number >= WARM_UP {
                tell(name, ms);
            }
        }
    }
    for (name, path, _, renderer) in &ways {
        let uploads = renderer.uploads();
        let copied = match path {
            UploadPath::Import => 0,
            _ => (WARM_UP + FRAMES) as u64 * layout.data_bytes(),
        };
        ensure!(uploads.copied_bytes == copied, "{name}: {uploads:?}");
    }
    Ok(())
}

/// One frame: milliseconds of all threads until it is done.
fn take_over(
    renderer: &mut GlesRenderer,
    layout: &FrameLayout,
    damage: &Damage,
    block: SharedSlice<'_>,
) -> anyhow::Result<f64> {
    let start = process_cpu();
    renderer.upload(layout, damage, &mut Complete(block))?;
    renderer.finish()?;
    Ok(ms(process_cpu() - start))
}

/// Processor time of all threads of this process, those that have ended too.
fn process_cpu() -> Nanos {
    cpu(ClockId::ProcessCPUTime)
}
