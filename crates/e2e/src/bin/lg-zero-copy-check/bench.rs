//! What a frame costs, read in place and copied.

use std::time::Instant;

use anyhow::ensure;
use picture::{Damage, FrameRect, PixelFormat, Size, Transfer};
use render::{RenderOptions, UploadPath};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::bed::{Bed, layout, noise, open};

const FRAME: Size = Size::new(1920, 1080);
/// Frames of each way, in turns.
const ROUNDS: usize = 5;
const FRAMES: usize = 8;

/// CPU time of all threads of this process in ms: a driver without a GPU copies in threads of its own.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// One way's smallest figures, in ms a frame.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// Prints the figures of both ways as one line.
pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    let memory = open(name)?;
    let from = memory.dma_bufs()?.source().to_string();
    let mut imported = Bed::new(&memory, &RenderOptions::default())?;
    let copying = RenderOptions {
        upload: Some(UploadPath::Staging),
        ..RenderOptions::default()
    };
    let mut copied = Bed::new(&memory, &copying)?;
    let layout = layout(PixelFormat::Bgra8, Transfer::Srgb, FRAME);
    for block in 0..2 {
        imported.write(block, &noise(&layout, block as u64))?;
    }
    let mut part = Damage::NONE;
    part.add(FrameRect::new(400, 300, 480, 270));
    let mut rows = Vec::new();
    for (what, damage) in [("full", Damage::FULL), ("one sixteenth", part)] {
        let mut best = [Cost {
            cpu: f64::MAX,
            wall: f64::MAX,
        }; 2];
        // The first round makes buffers and imports, and is not counted.
        for round in 0..=ROUNDS {
            for (bed, best) in [&mut imported, &mut copied].into_iter().zip(&mut best) {
                let cost = cost(bed, &layout, &damage)?;
                if round > 0 {
                    best.cpu = best.cpu.min(cost.cpu);
                    best.wall = best.wall.min(cost.wall);
                }
            }
        }
        let [import, copy] = best;
        rows.push(json!({
            "damage": what,
            "import_cpu_ms": import.cpu,
            "copy_cpu_ms": copy.cpu,
            "cpu_ratio": import.cpu / copy.cpu,
            "import_wall_ms": import.wall,
            "copy_wall_ms": copy.wall,
        }));
    }
    let uploads = imported.renderer.uploads();
    ensure!(
        uploads.copied_bytes == 0 && uploads.imports == 2,
        "{uploads:?}"
    );
    let line = json!({
        "dma_bufs": from,
        "driver": imported.renderer.driver().to_string(),
        "size": [FRAME.width, FRAME.height],
        "copied_by": copied.renderer.upload_path().name(),
        "rows": rows,
    });
    println!("{line}");
    Ok(())
}

/// Takes some frames over, from both blocks in turns.
fn cost(bed: &mut Bed<'_>, layout: &picture::FrameLayout, damage: &Damage) -> anyhow::Result<Cost> {
    let (start, cpu) = (Instant::now(), cpu_ms());
    for frame in 0..FRAMES {
        bed.upload(frame % 2, layout, damage)?;
        bed.renderer.finish()?;
    }
    Ok(Cost {
        cpu: (cpu_ms() - cpu) / FRAMES as f64,
        wall: start.elapsed().as_secs_f64() * 1e3 / FRAMES as f64,
    })
}
