//! How long imports live, and what happens when there can be none.

use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{bail, ensure};
use ivshmem::{DmaBufs, Export, SharedMemory};
use picture::{Damage, FrameLayout, FrameRect, PixelFormat, Size, Transfer};
use render::{RenderOptions, UploadError, UploadPath};
use rustix::io::Errno;

use crate::bed::{BLOCKS, Bed, layout, noise};

fn usual() -> FrameLayout {
    layout(PixelFormat::Bgra8, Transfer::Srgb, Size::new(160, 100))
}

/// The GPU sees what is in the memory, and the picture only changes when it is asked to.
pub(crate) fn rewritten_memory_is_seen(memory: &SharedMemory) -> anyhow::Result<()> {
    let mut bed = Bed::new(memory, &RenderOptions::default())?;
    for format in [PixelFormat::Bgra8, PixelFormat::Rgba10] {
        let layout = FrameLayout { format, ..usual() };
        let first = noise(&layout, 1);
        bed.write(0, &first)?;
        bed.upload(0, &layout, &Damage::FULL)?;
        bed.shows(&layout, &first, "the first picture")?;
        let imports = bed.renderer.uploads().imports;
        for seed in 2..12 {
            let before = noise(&layout, seed - 1);
            let after = noise(&layout, seed);
            bed.write(0, &after)?;
            // The host writes the next frame into a block that was given back: what is on the screen stays whole.
            bed.renderer.invalidate();
            bed.shows(&layout, &before, "redrawn while the memory is another")?;
            bed.upload(0, &layout, &Damage::FULL)?;
            bed.shows(&layout, &after, "the rewritten memory")?;
        }
        let uploads = bed.renderer.uploads();
        ensure!(uploads.imports == imports, "imported again: {uploads:?}");
        ensure!(uploads.copied_bytes == 0, "{uploads:?}");
    }
    Ok(())
}

/// A host that dies within a frame.
pub(crate) fn a_stalled_frame_changes_nothing(memory: &SharedMemory) -> anyhow::Result<()> {
    let mut bed = Bed::new(memory, &RenderOptions::default())?;
    let layout = usual();
    let (old, new) = (noise(&layout, 1), noise(&layout, 2));
    bed.write(0, &old)?;
    bed.upload(0, &layout, &Damage::FULL)?;
    bed.write(1, &new)?;
    match bed.upload_written(1, &layout, &Damage::FULL, new.len() - 1) {
        Err(UploadError::Stalled(_)) => {}
        other => bail!("a stalled frame: {other:?}"),
    }
    bed.shows(&layout, &old, "after a stalled frame")?;
    // What is above the last damaged row is there, and that is enough.
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(0, 0, 160, 50));
    let half = 50 * layout.pitch_bytes as usize;
    bed.upload_written(1, &layout, &damage, half)?;
    let mut mixed = old;
    mixed[..half].copy_from_slice(&new[..half]);
    bed.shows(&layout, &mixed, "a frame that is half there")?;
    ensure!(bed.renderer.uploads().copied_bytes == 0);
    Ok(())
}

/// DMA-BUFs that this process has open or mapped: its descriptors and mappings of them.
fn held() -> anyhow::Result<Vec<String>> {
    let mut held = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let fd = entry?.path();
        let target = std::fs::read_link(&fd).unwrap_or_default();
        held.push(format!("{} is {}", fd.display(), target.display()));
    }
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    held.extend(maps.lines().map(str::to_owned));
    held.retain(|line| line.contains("/dmabuf:"));
    Ok(held)
}

/// Checks that none is left but those that the driver made for itself.
fn no_more_than(own: &[String], what: &str) -> anyhow::Result<()> {
    let mut held = held()?;
    held.retain(|line| !own.contains(line));
    ensure!(held.is_empty(), "{what}: {held:#?}");
    Ok(())
}

/// Sessions, layouts and renderers end, and what they imported with them.
pub(crate) fn sessions_do_not_mix(memory: &SharedMemory) -> anyhow::Result<()> {
    let mut bed = Bed::new(memory, &RenderOptions::default())?;
    let own = held()?;
    let layout = usual();
    let bytes = noise(&layout, 1);
    for block in 0..2 {
        bed.write(block, &bytes)?;
        bed.upload(block, &layout, &Damage::FULL)?;
    }
    ensure!(held()?.len() > own.len(), "nothing is imported");
    bed.renderer
        .set_dma_bufs(Err("the session is over".to_owned()));
    // Drivers may keep what was last read until something else is.
    bed.shows(&layout, &bytes, "after the session")?;
    no_more_than(&own, "after the session")?;
    // The same place in another memory, as if the host's had been replaced.
    let other = SharedMemory::create("another", memory.len())?;
    let new = noise(&layout, 2);
    other.as_slice().copy_from(BLOCKS[0], &new)?;
    match other.dma_bufs() {
        Ok(_) => {
            let mut there = Bed {
                memory: &other,
                renderer: bed.renderer,
            };
            there.begin();
            there.upload(0, &layout, &Damage::FULL)?;
            there.shows(&layout, &new, "another memory")?;
            let uploads = there.renderer.uploads();
            ensure!(
                uploads.imports == 3 && uploads.copied_bytes == 0,
                "{uploads:?}"
            );
            bed = Bed {
                memory,
                renderer: there.renderer,
            };
        }
        Err(error) => println!("no second memory: {error}"),
    }
    drop(other);
    bed.begin();
    bed.upload(0, &layout, &Damage::FULL)?;
    bed.shows(&layout, &bytes, "the first memory again")?;
    // A layout of another geometry closes what was imported for the one before.
    let one = held()?.len();
    let wider = FrameLayout {
        frame: Size::new(161, 100),
        screen: Size::new(161, 100),
        ..layout
    };
    bed.upload(1, &wider, &Damage::FULL)?;
    let other = held()?;
    ensure!(other.len() == one, "{one} became {other:#?}");
    drop(bed);
    no_more_than(&own, "after the renderer")?;
    Ok(())
}

/// A kernel that fails, or takes the wrong part of the memory.
enum Broken {
    Refuses,
    Mistakes(DmaBufs),
    NoBuffer,
}

impl Export for Broken {
    fn export(&self, offset: u64, len: u64) -> Result<OwnedFd, Errno> {
        match self {
            Self::Refuses => Err(Errno::NOMEM),
            Self::Mistakes(right) => {
                let offset = usize::try_from(offset).map_err(|_| Errno::RANGE)? - (1 << 19);
                let len = usize::try_from(len).map_err(|_| Errno::RANGE)?;
                let buffer = right
                    .create(offset..offset + len)
                    .map_err(|_| Errno::INVAL)?;
                let own = buffer.as_fd().try_clone_to_owned();
                own.map_err(|_| Errno::MFILE)
            }
            Self::NoBuffer => Ok(rustix::fs::memfd_create(
                "none",
                rustix::fs::MemfdFlags::CLOEXEC,
            )?),
        }
    }
}

/// Each way to fail, and each with the right picture.
pub(crate) fn the_next_rung_takes_over(memory: &SharedMemory) -> anyhow::Result<()> {
    let layout = usual();
    // Of a driver that stays loaded.
    let bed = Bed::new(memory, &RenderOptions::default())?;
    let own = held()?;
    let broken = [
        (Broken::Refuses, "DMA-BUF"),
        (Broken::Mistakes(memory.dma_bufs()?), "garbles"),
        (Broken::NoBuffer, ""),
    ];
    for (export, word) in broken {
        let mut bed = Bed::new(memory, &RenderOptions::default())?;
        bed.renderer
            .set_dma_bufs(Ok(DmaBufs::with_export(memory, Box::new(export))));
        for seed in 1..4 {
            let bytes = noise(&layout, seed);
            bed.write(0, &bytes)?;
            bed.upload(0, &layout, &Damage::FULL)?;
            bed.shows(&layout, &bytes, word)?;
        }
        let uploads = bed.renderer.uploads();
        let reason = uploads.not_imported.clone().unwrap_or_default();
        println!("copied as it should be: {reason}");
        ensure!(reason.contains(word) && !reason.is_empty(), "{reason}");
        ensure!(
            uploads.path != UploadPath::Import && uploads.copied_frames == 3,
            "{uploads:?}"
        );
        // The next session is another chance.
        bed.begin();
        let bytes = noise(&layout, 9);
        bed.write(0, &bytes)?;
        bed.upload(0, &layout, &Damage::FULL)?;
        bed.shows(&layout, &bytes, "imported after all")?;
        ensure!(
            bed.renderer.uploads().path == UploadPath::Import,
            "no second chance"
        );
        ensure!(bed.renderer.uploads().not_imported.is_none());
    }
    no_more_than(&own, "after failures")?;
    drop(bed);
    Ok(())
}
