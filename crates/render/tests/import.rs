//! Frames that could be read in place, on machines whose driver or kernel cannot: they are copied, and it is said why.
//!
//! That they really are read in place is tried in a virtual machine (`crates/e2e`, `lg-zero-copy-check`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::os::fd::OwnedFd;

use common::{Frame, assert_close, bytes, layout, reference, renderer};
use ivshmem::{DmaBufs, Export};
use picture::{Damage, PixelFormat, Rotation, Scene, Size, Transfer};
use render::{GlesRenderer, RenderOptions, UploadError, UploadPath};
use rustix::io::Errno;

const FRAME: Size = Size::new(61, 40);

/// A kernel that makes no DMA-BUFs, or such as are none.
struct Kernel(Result<(), Errno>);

impl Export for Kernel {
    fn export(&self, _offset: u64, _len: u64) -> Result<OwnedFd, Errno> {
        self.0?;
        Ok(std::fs::File::open("/dev/null").unwrap().into())
    }
}

fn insisting(upload: Option<UploadPath>) -> Option<GlesRenderer> {
    let options = RenderOptions {
        upload,
        ..RenderOptions::default()
    };
    renderer(FRAME, &options)
}

#[test]
fn what_cannot_be_imported_is_copied_and_the_reason_told() {
    let Some(mut renderer) = insisting(None) else {
        return;
    };
    for (round, kernel) in [Ok(()), Err(Errno::NOMEM)].into_iter().enumerate() {
        for format in PixelFormat::ALL {
            let mut layout = layout(format, FRAME, Rotation::Deg0);
            if format == PixelFormat::Rgba16F {
                layout.transfer = Transfer::Linear;
            }
            let before = renderer.uploads();
            // Larger than the frame and in whole pages, as real memories are.
            let bytes = bytes(&layout, round as u64);
            let mut page = bytes.clone();
            page.resize(bytes.len().next_multiple_of(4096), 0);
            let mut frame = Frame::new(&page);
            let buffers = DmaBufs::with_export(&frame.memory, Box::new(Kernel(kernel)));
            renderer.set_dma_bufs(Ok(buffers));
            renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
            let scene = Scene {
                layout: Some(&layout),
                ..Scene::default()
            };
            renderer.draw(&scene).unwrap();
            let want = reference::compose(&scene, &bytes, FRAME);
            let what = format!("{format:?}");
            assert_close(&renderer.read_pixels().unwrap(), &want, 1, &what);
            let after = renderer.uploads();
            assert_ne!(after.path, UploadPath::Import);
            assert_eq!((after.imports, after.imported_frames), (0, 0));
            assert_eq!(after.copied_frames, before.copied_frames + 1);
            let reason = after.not_imported.unwrap();
            assert!(
                reason.contains("the driver lacks")
                    || reason.contains("DMA-BUF")
                    || reason.contains("EGL"),
                "{reason}"
            );
        }
    }
    renderer.set_dma_bufs(Err("no session".to_owned()));
    assert!(renderer.uploads().not_imported.is_some());
}

#[test]
fn every_byte_that_is_copied_is_counted_and_no_other() {
    let Some(mut renderer) = insisting(None) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
    let bytes = bytes(&layout, 1);
    let mut frame = Frame::new(&bytes);
    renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
    let all = FRAME.area() * 4;
    assert_eq!(renderer.uploads().copied_bytes, all);
    let mut damage = Damage::NONE;
    damage.add(picture::FrameRect::new(3, 4, 5, 6));
    renderer.upload(&layout, &damage, &mut frame).unwrap();
    assert_eq!(renderer.uploads().copied_bytes, all + 5 * 6 * 4);
    frame.written = 0;
    assert!(renderer.upload(&layout, &damage, &mut frame).is_err());
    assert_eq!(renderer.uploads().copied_bytes, all + 5 * 6 * 4);
    assert_eq!(renderer.uploads().copied_frames, 2);
}

#[test]
fn who_insists_on_importing_gets_no_copy() {
    let Some(mut renderer) = insisting(Some(UploadPath::Import)) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
    let mut frame = Frame::new(&bytes(&layout, 1));
    let failed = renderer.upload(&layout, &Damage::FULL, &mut frame);
    let Err(UploadError::NotImported { reason }) = failed else {
        panic!("{failed:?}");
    };
    assert!(!reason.is_empty());
    assert_eq!(renderer.uploads().copied_bytes, 0);
    assert!(renderer.layout().is_none());
}

#[test]
fn who_wants_another_way_is_not_asked_for_dma_bufs() {
    for path in [UploadPath::Staging, UploadPath::Persistent] {
        let Some(mut renderer) = insisting(Some(path)) else {
            return;
        };
        let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
        let mut frame = Frame::new(&bytes(&layout, 1));
        let buffers = DmaBufs::with_export(&frame.memory, Box::new(Kernel(Ok(()))));
        renderer.set_dma_bufs(Ok(buffers));
        renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
        assert_eq!(renderer.upload_path(), path);
        let reason = renderer.uploads().not_imported.unwrap();
        assert!(reason.contains("another way"), "{reason}");
    }
}
