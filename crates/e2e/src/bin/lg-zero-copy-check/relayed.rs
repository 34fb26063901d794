//! The whole way: a host publishes into the memory, the reader validates, the renderer reads in place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::SharedMemory;
use kvmfr::Version;
use picture::{Damage, FrameLayout, PixelFormat, Size, Transfer};
use relay::publisher::{FrameFlags, Image, Pixels, Publisher, PublisherOptions};
use relay::{Event, Reader, ReaderOptions, Waker};
use render::{RenderOptions, UploadPath};

use crate::bed::{Bed, layout, noise};

/// A guest without an accelerator is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// Publishes frames of two sizes, and checks what is shown of each.
pub(crate) fn frames_of_the_relay(memory: &Arc<SharedMemory>) -> anyhow::Result<()> {
    let is_over = AtomicBool::new(false);
    let options = PublisherOptions {
        version: Version::V20,
        description: kvmfr::SessionDescription::default(),
    };
    let mut publisher = Publisher::new(Arc::clone(memory), options)?;
    let mut service = publisher.service();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                if service.tick(MonotonicClock.now(), |_| {}).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let shown = show(memory, &mut publisher);
        is_over.store(true, Ordering::Relaxed);
        shown
    })
}

fn show(memory: &Arc<SharedMemory>, publisher: &mut Publisher) -> anyhow::Result<()> {
    let mut bed = Bed::new(memory, &RenderOptions::default())?;
    let mut reader = Reader::new(Arc::clone(memory), ReaderOptions::default(), MonotonicClock);
    let waker = Waker::new()?;
    let mut frames = 0;
    for width in [320, 200] {
        let layout = layout(PixelFormat::Bgra8, Transfer::Srgb, Size::new(width, 120));
        for seed in 0..4 {
            let bytes = noise(&layout, seed);
            publish(publisher, &layout, &bytes)?;
            let got = take(&mut reader, &waker, &mut bed, publisher)?;
            ensure!(got.frame == layout.frame, "{got:?}");
            let rows = repitched(&bytes, &layout, &got);
            bed.shows(&got, &rows, "a relayed frame")?;
            frames += 1;
        }
    }
    let uploads = bed.renderer.uploads();
    ensure!(uploads.path == UploadPath::Import, "{uploads:?}");
    ensure!(
        uploads.imported_frames >= frames && uploads.copied_bytes == 0,
        "{uploads:?}"
    );
    ensure!(uploads.imports <= 4, "two blocks, two sizes: {uploads:?}");
    Ok(())
}

fn publish(publisher: &mut Publisher, layout: &FrameLayout, bytes: &[u8]) -> anyhow::Result<()> {
    publisher.publish(&Image {
        layout: *layout,
        pixels: Pixels::Private(bytes),
        damage: &Damage::FULL,
        flags: FrameFlags::empty(),
    })?;
    Ok(())
}

/// Waits for a frame and takes it over; returns its layout.
fn take(
    reader: &mut Reader,
    waker: &Waker,
    bed: &mut Bed<'_>,
    publisher: &mut Publisher,
) -> anyhow::Result<FrameLayout> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        // As a capture does that has nothing new.
        publisher.serve_new_subscribers();
        let look = MonotonicClock.now() + Nanos::from_millis(20);
        match reader.next(waker, Some(look)) {
            Event::Connected(_) => bed.begin(),
            Event::Frame(mut frame) => {
                let layout = *frame.layout();
                bed.renderer.upload(&layout, &Damage::FULL, &mut frame)?;
                frame.finish().context("the frame")?;
                return Ok(layout);
            }
            _ => {}
        }
    }
    bail!("no frame; {:?}", reader.status())
}

/// Rows as the publisher's pitch has them.
fn repitched(bytes: &[u8], from: &FrameLayout, to: &FrameLayout) -> Vec<u8> {
    let (from, to) = (from.pitch_bytes as usize, to.pitch_bytes as usize);
    let mut rows = Vec::new();
    for row in bytes.chunks(from) {
        let mut row = row.to_vec();
        row.resize(to, 0);
        rows.extend(row);
    }
    rows
}
