//! What is shown of frames that are read in place.

use anyhow::{Context as _, ensure};
use ivshmem::SharedMemory;
use picture::{Damage, FrameRect, PixelFormat, Rotation, Size, Transfer};
use render::{RenderOptions, UploadPath};

use crate::bed::{Bed, layout, noise};

/// Every format with every transfer that converts it differently.
const KINDS: [(PixelFormat, Transfer); 8] = [
    (PixelFormat::Bgra8, Transfer::Srgb),
    (PixelFormat::Rgba8, Transfer::Srgb),
    (PixelFormat::Rgba10, Transfer::Srgb),
    (PixelFormat::Rgba10, Transfer::Pq2020),
    (PixelFormat::Rgba16F, Transfer::Linear),
    (PixelFormat::Rgba16F, Transfer::ScRgb),
    (PixelFormat::Bgr24Packed, Transfer::Srgb),
    (PixelFormat::Rgb24, Transfer::Srgb),
];

/// Whole pictures of each kind, from both blocks, turned and cut off. Small: converting light takes a driver without a GPU
/// long, in a guest without an accelerator longer, and the renderer does not wait for ever.
pub(crate) fn every_format_equals_the_reference(memory: &SharedMemory) -> anyhow::Result<()> {
    let mut bed = Bed::new(memory, &RenderOptions::default())?;
    println!("{}", bed.renderer.driver());
    let mut frames = 0;
    for (kind, (format, transfer)) in (0_u64..).zip(KINDS) {
        for (turn, rows) in [(0, 40), (1, 40), (2, 25)] {
            let mut layout = layout(format, transfer, Size::new(67, 40));
            layout.rotation = Rotation::from_quarter_turns(turn);
            layout.rows = rows;
            let what = format!("{format:?} {transfer:?}, turn {turn}, {rows} rows");
            for block in 0..2 {
                let bytes = noise(&layout, 10 * kind + block as u64);
                bed.write(block, &bytes)?;
                bed.upload(block, &layout, &Damage::FULL)
                    .context(what.clone())?;
                frames += 1;
                bed.shows(&layout, &bytes, &what)?;
                let uploads = bed.renderer.uploads();
                let reason = uploads.not_imported;
                ensure!(uploads.path == UploadPath::Import, "{what}: {reason:?}");
            }
        }
    }
    let uploads = bed.renderer.uploads();
    ensure!(uploads.imported_frames == frames, "{uploads:?}");
    ensure!(
        uploads.imports == frames,
        "each of another layout or block: {uploads:?}"
    );
    ensure!(
        (uploads.copied_bytes, uploads.copied_frames) == (0, 0),
        "{uploads:?}"
    );
    Ok(())
}

/// One small frame of each kind, by whatever way.
pub(crate) fn one_of_each(bed: &mut Bed<'_>) -> anyhow::Result<()> {
    for (kind, (format, transfer)) in (0_u64..).zip(KINDS) {
        let layout = layout(format, transfer, Size::new(64, 33));
        let bytes = noise(&layout, kind);
        bed.write(0, &bytes)?;
        bed.upload(0, &layout, &Damage::FULL)?;
        bed.shows(&layout, &bytes, &format!("{format:?}"))?;
    }
    Ok(())
}

/// Two blocks that take turns, of which only damage is taken.
pub(crate) fn damage_is_enough(memory: &SharedMemory) -> anyhow::Result<()> {
    let mut bed = Bed::new(memory, &RenderOptions::default())?;
    for (format, transfer) in KINDS {
        let layout = layout(format, transfer, Size::new(200, 100));
        let mut shown = noise(&layout, 1);
        bed.write(0, &shown)?;
        bed.upload(0, &layout, &Damage::FULL)?;
        for round in 1..4_u32 {
            // Columns that are whole words in every format.
            let rect = FrameRect::new(20 * round, 9 * round, 40, 30);
            let new = noise(&layout, u64::from(round) + 1);
            let pitch = layout.pitch_bytes as usize;
            let pixel = format.bytes_per_pixel() as usize;
            for y in rect.y..rect.y + rect.height {
                let start = y as usize * pitch + rect.x as usize * pixel;
                let end = start + rect.width as usize * pixel;
                shown[start..end].copy_from_slice(&new[start..end]);
            }
            // All the rest of the block is something else, which must not be seen.
            let block = round as usize % 2;
            bed.write(block, &new)?;
            let mut damage = Damage::NONE;
            damage.add(rect);
            bed.upload(block, &layout, &damage)?;
            bed.shows(&layout, &shown, &format!("{format:?} round {round}"))?;
            let reason = bed.renderer.uploads().not_imported;
            ensure!(reason.is_none(), "{format:?} round {round}: {reason:?}");
        }
    }
    let uploads = bed.renderer.uploads();
    ensure!(
        uploads.copied_bytes == 0 && uploads.path == UploadPath::Import,
        "{uploads:?}"
    );
    ensure!(uploads.imports == 2 * KINDS.len() as u64, "{uploads:?}");
    Ok(())
}
