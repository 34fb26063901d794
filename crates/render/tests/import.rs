//! Frames that are read in place, and those that could be if driver and kernel were able to: they are copied, and it is
//! said why.
//!
//! Here a memfd stands for the DMA-BUF, which a software driver takes. Real ones are tried in a virtual machine
//! (`crates/e2e`, `lg-zero-copy-check`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::os::fd::{AsFd as _, OwnedFd};

use common::{Frame, assert_close, bytes, layout, reference, renderer};
use ivshmem::{DmaBufs, Export};
use picture::{Damage, FrameRect, PixelFormat, Rotation, Scene, Size, Transfer};
use render::{GlesRenderer, RenderOptions, UploadError, UploadPath};
use rustix::io::Errno;
use testkit::trixie::Tree;

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
    let reason = renderer.uploads().not_imported;
    assert_eq!(reason.as_deref(), Some("no session"));
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
    damage.add(FrameRect::new(3, 4, 5, 6));
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

/// A kernel whose DMA-BUFs are the memory itself, which has to begin with the frame.
struct Whole(OwnedFd);

impl Export for Whole {
    fn export(&self, offset: u64, _len: u64) -> Result<OwnedFd, Errno> {
        assert_eq!(offset, 0);
        Ok(self.0.try_clone().unwrap())
    }
}

/// Set in the process that has the newer driver.
const CHILD: &str = "LG_TEST_IMPORT_CHILD";

#[test]
fn a_newer_driver_reads_frames_of_every_format_in_place() {
    if std::env::var_os(CHILD).is_some() {
        read_in_place(false);
        return read_in_place(true);
    }
    let Some(tree) = Tree::mesa().unwrap() else {
        return;
    };
    let [(libraries, _), _, (glvnd, _)] = tree.files();
    let this = std::env::current_exe().unwrap();
    let name = "a_newer_driver_reads_frames_of_every_format_in_place";
    let child = tree
        .command(this.to_str().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env("__EGL_VENDOR_LIBRARY_DIRS", glvnd.join("egl_vendor.d"))
        .env("LIBGL_DRIVERS_PATH", libraries.join("dri"))
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}{errors}");
    assert!(said.contains("1 passed"), "{said}");
}

/// What is tried in the process with the newer driver, by textures of either kind.
fn read_in_place(external_imports: bool) {
    let options = RenderOptions {
        external_imports,
        ..RenderOptions::default()
    };
    let mut renderer = renderer(FRAME, &options).unwrap();
    let kinds = [
        (PixelFormat::Bgra8, Transfer::Srgb, 0),
        (PixelFormat::Rgba8, Transfer::Srgb, 0),
        (PixelFormat::Rgba10, Transfer::Srgb, 0),
        (PixelFormat::Rgba10, Transfer::Pq2020, 0),
        (PixelFormat::Rgba16F, Transfer::Linear, 0),
        (PixelFormat::Bgr24Packed, Transfer::Srgb, 0),
        (PixelFormat::Rgb24, Transfer::Srgb, 0),
        // Rows that are not whole words.
        (PixelFormat::Rgb24, Transfer::Srgb, 3),
    ];
    for (kind, (format, transfer, odd)) in (0_u64..).zip(kinds) {
        let mut layout = layout(format, FRAME, Rotation::Deg0);
        layout.pitch_bytes += odd;
        layout.transfer = transfer;
        let mut shown = bytes(&layout, 0);
        let mut frame = Frame::new(&vec![0; shown.len().next_multiple_of(4096)]);
        let own = frame.memory.as_fd().try_clone_to_owned().unwrap();
        let buffers = DmaBufs::with_export(&frame.memory, Box::new(Whole(own)));
        renderer.set_dma_bufs(Ok(buffers));
        let mut part = Damage::NONE;
        part.add(FrameRect::new(8, 5, 20, 9));
        for damage in [Damage::FULL, part, Damage::FULL] {
            let new = bytes(&layout, kind + damage.rects().len() as u64);
            let (pitch, pixel) = (
                layout.pitch_bytes as usize,
                format.bytes_per_pixel() as usize,
            );
            for rect in damage.rects_in(FRAME) {
                for y in rect.y..rect.y + rect.height {
                    let start = y as usize * pitch + rect.x as usize * pixel;
                    let end = start + rect.width as usize * pixel;
                    shown[start..end].copy_from_slice(&new[start..end]);
                }
            }
            frame.memory.as_slice().copy_from(0, &new).unwrap();
            renderer.upload(&layout, &damage, &mut frame).unwrap();
            // What the host writes afterwards is not seen.
            frame.memory.as_slice().zero(0, new.len()).unwrap();
            let scene = Scene {
                layout: Some(&layout),
                ..Scene::default()
            };
            renderer.invalidate();
            renderer.draw(&scene).unwrap();
            let want = reference::compose(&scene, &shown, FRAME);
            let what = format!("{format:?} {transfer:?} {damage:?} {external_imports}");
            assert_close(&renderer.read_pixels().unwrap(), &want, 1, &what);
        }
        let uploads = renderer.uploads();
        assert_eq!(uploads.path, UploadPath::Import, "{uploads:?}");
        assert_eq!(uploads.not_imported, None);
        assert_eq!(
            (uploads.imports, uploads.imported_frames),
            (kind + 1, 3 * (kind + 1))
        );
        assert_eq!((uploads.copied_frames, uploads.copied_bytes), (0, 0));
    }
}
