//! The client's window on a Wayland compositor, with both renderers: every version, frame type, rotation and pointer
//! type. A screenshot takes its time there, so the geometries take turns.

use std::time::Duration;

use e2e::matrix::cases::{Case, Content, Geometry, POINTERS, WINDOW};
use e2e::matrix::compare::Kind;
use e2e::matrix::{Stage, Viewer, run};
use kvmfr::Version;
use picture::{Rotation, png};
use testkit::compositor::Weston;
use testkit::process::Process;
use testkit::programs;

/// A client that fills the output of a compositor of its own.
fn viewer(stage: &Stage, kind: Kind) -> anyhow::Result<Option<Viewer>> {
    let renderer = match kind {
        Kind::Software => "software",
        Kind::Egl => "EGL",
    };
    let Some(compositor) = Weston::start(WINDOW.width, WINDOW.height)? else {
        return Ok(None);
    };
    let mut command = programs::client(stage.shm())?;
    compositor.use_for(&mut command);
    command.arg(format!("app:renderer={renderer}"));
    command.args(["win:fullScreen=yes", "win:alerts=no", "win:quickSplash=yes"]);
    let process = Process::start(&mut command)?;
    let eye = move || {
        let file = compositor.screenshot()?;
        let image = png::decode(&std::fs::read(&file)?)?;
        std::fs::remove_file(&file)?;
        Ok(Some(image))
    };
    Ok(Some(Viewer {
        name: format!("the Wayland window drawn by {renderer}"),
        kind,
        window: Some(WINDOW),
        rotation: Rotation::Deg0,
        process: Some(process),
        eye: Box::new(eye),
        delay: Duration::from_millis(40),
    }))
}

#[test]
fn every_combination_is_shown_right_in_wayland_windows_of_both_renderers() -> anyhow::Result<()> {
    let mut stage = Stage::new()?;
    let mut viewers = Vec::new();
    for kind in [Kind::Software, Kind::Egl] {
        let Some(viewer) = viewer(&stage, kind)? else {
            return Ok(());
        };
        viewers.push(viewer);
    }
    let mut cases = Vec::new();
    let mut number = 0;
    for version in [Version::V16, Version::V19, Version::V20] {
        for content in Content::all_of(version) {
            for rotation in Rotation::ALL {
                // Each rotation meets another geometry with each content.
                let geometries = Geometry::all_of(version);
                let geometry = geometries[(number + number / 4) % geometries.len()];
                for pointer in POINTERS {
                    cases.push(Case {
                        content,
                        rotation,
                        geometry,
                        pointer,
                        seed: number as u32,
                        // weston-screenshooter takes the unused byte for alpha.
                        is_opaque: true,
                    });
                }
                number += 1;
            }
        }
    }
    run(&mut stage, &mut viewers, &cases)
}
