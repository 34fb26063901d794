//! What a frame costs is bounded by its bytes, not by the size that a guest claims. Alone in its process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Frame, bytes, renderer};
use picture::{Damage, FrameLayout, PixelFormat, Scene, Size};
use render::RenderOptions;

/// KiB of memory in use (`VmRSS` of proc(5)): on llvmpipe the textures are among them.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
fn a_truncated_frame_costs_no_memory_for_the_rows_that_it_lacks() {
    let Some(mut renderer) = renderer(Size::new(64, 64), &RenderOptions::default()) else {
        return;
    };
    if !renderer.driver().is_software() {
        testkit::skip("memory of textures", "a GPU has its own");
        return;
    }
    for format in [PixelFormat::Bgra8, PixelFormat::Rgba16F] {
        // A small one first: whatever a driver allocates once is there then.
        for (size, most) in [
            (Size::new(8192, 3), u64::MAX),
            (Size::new(8192, 8192), 8 << 10),
        ] {
            let mut layout = FrameLayout::packed(format, size);
            layout.rows = 2;
            let mut frame = Frame::new(&bytes(&layout, 1));
            let scene = Scene {
                layout: Some(&layout),
                ..Scene::default()
            };
            let before = resident_kib();
            renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
            renderer.draw(&scene).unwrap();
            renderer.finish().unwrap();
            let grown = resident_kib().saturating_sub(before);
            assert!(
                grown < most,
                "{format:?}: {grown} KiB for {} bytes",
                layout.data_bytes()
            );
        }
    }
}
