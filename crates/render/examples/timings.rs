//! Times the stages of a frame on this machine's driver: `cargo run --release -p render --example timings`.
//!
//! Opens a window on a virtual X server (Xvfb), so that the figures are those of the driver, not of a compositor.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::x11::Window;
use common::{Frame, bytes, layout};
use picture::{
    Damage, FrameRect, GuestPoint, PixelFormat, PointerKind, PointerShape, PointerState, Rotation,
    Scene, Size,
};
use render::{GlesRenderer, RenderOptions, UploadPath};
use testkit::x_server::XServer;

const FRAME: Size = Size::new(1920, 1080);
const ROUNDS: usize = 80;

/// What is shown, and how.
struct Case {
    name: &'static str,
    format: PixelFormat,
    window: Size,
    rotation: Rotation,
    damage: Damage,
    options: RenderOptions,
}

/// Time that the CPU spent on us; unlike the others, not of other programs.
fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn run(server: &XServer, case: &Case) {
    let window = Window::open(server, case.window);
    let mut renderer = GlesRenderer::for_window(window, case.window, &case.options).unwrap();
    let layout = layout(case.format, FRAME, case.rotation);
    let mut frame = Frame::new(&bytes(&layout, 1));
    frame.waits.reserve(100_000);
    let shape = PointerShape {
        kind: PointerKind::Colour,
        width: 32,
        height: 32,
        pitch_bytes: 128,
        hot_spot: (0, 0),
        data: vec![200; 4096],
    };
    let mut times = [const { Vec::new() }; 4];
    let mut damage = Damage::FULL;
    let mut cpu_start = 0.0;
    for round in 0..ROUNDS {
        let start = Instant::now();
        renderer.upload(&layout, &damage, &mut frame).unwrap();
        let uploaded = Instant::now();
        let scene = Scene {
            layout: Some(&layout),
            pointer: PointerState {
                position: GuestPoint {
                    x: 10 * round as i32,
                    y: 500,
                },
                is_visible: true,
            },
            shape: Some(&shape),
            ..Scene::default()
        };
        renderer.draw(&scene).unwrap();
        renderer.finish().unwrap();
        let drawn = Instant::now();
        renderer.present().unwrap();
        let presented = Instant::now();
        let stages = [
            uploaded - start,
            drawn - uploaded,
            presented - drawn,
            presented - start,
        ];
        if round == ROUNDS / 8 {
            cpu_start = cpu_ms();
        }
        if round >= ROUNDS / 8 {
            times
                .iter_mut()
                .zip(stages)
                .for_each(|(times, stage)| times.push(stage));
        }
        damage = case.damage.clone();
    }
    let [upload, draw, present, sum] = times.each_mut().map(|times| median(times));
    let cpu = (cpu_ms() - cpu_start) / (ROUNDS - ROUNDS / 8 - 1) as f64;
    println!(
        "{:42} {:10} {upload:6.2} {draw:6.2} {present:6.2} {sum:6.2} {cpu:6.2}",
        case.name,
        format!("{:?}", renderer.upload_path()),
    );
}

fn main() {
    let Some(server) = XServer::start(FRAME.width, FRAME.height).unwrap() else {
        return;
    };
    let mut percent = Damage::NONE;
    percent.add(FrameRect::new(300, 400, 192, 108));
    let plain = || Case {
        name: "1:1, all of it",
        format: PixelFormat::Bgra8,
        window: FRAME,
        rotation: Rotation::Deg0,
        damage: Damage::FULL,
        options: RenderOptions::default(),
    };
    let with = |options: RenderOptions| Case { options, ..plain() };
    let path = |upload| RenderOptions {
        upload: Some(upload),
        ..RenderOptions::default()
    };
    let no_blit = RenderOptions {
        no_blit: true,
        ..RenderOptions::default()
    };
    let no_age = RenderOptions {
        no_buffer_age: true,
        ..RenderOptions::default()
    };
    let small = Size::new(1280, 720);
    println!(
        "p50 in ms, 1920x1080: {:31} upload   draw present    sum   cpu/frame",
        ""
    );
    for case in [
        plain(),
        with(path(UploadPath::Staging)),
        with(path(UploadPath::Persistent)),
        Case {
            name: "1:1 by shader",
            ..with(no_blit)
        },
        Case {
            name: "1:1, 1 %",
            damage: percent.clone(),
            ..plain()
        },
        Case {
            name: "1:1, 1 %, no buffer age",
            damage: percent.clone(),
            ..with(no_age)
        },
        Case {
            name: "scaled to 1280x720",
            window: small,
            ..plain()
        },
        Case {
            name: "scaled to 1280x720, 1 %",
            window: small,
            damage: percent.clone(),
            ..plain()
        },
        Case {
            name: "turned, all of it",
            rotation: Rotation::Deg180,
            ..plain()
        },
        Case {
            name: "RGBA8",
            format: PixelFormat::Rgba8,
            ..plain()
        },
        Case {
            name: "RGBA10",
            format: PixelFormat::Rgba10,
            ..plain()
        },
        Case {
            name: "RGBA16F",
            format: PixelFormat::Rgba16F,
            ..plain()
        },
        Case {
            name: "BGR24",
            format: PixelFormat::Bgr24Packed,
            ..plain()
        },
    ] {
        run(&server, &case);
    }
}
