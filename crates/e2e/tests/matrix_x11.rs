//! The client's window on an X server, with both renderers: every version, frame type, rotation and pointer type.

use std::time::Duration;

use e2e::matrix::cases::{Case, Content, POINTERS, WINDOW};
use e2e::matrix::compare::Kind;
use e2e::matrix::{Stage, Viewer, run, window_geometries};
use kvmfr::Version;
use picture::Rotation;
use testkit::grab::Grabber;
use testkit::process::Process;
use testkit::programs;
use testkit::x_server::XServer;

/// A client with its window at `x`, 0 on the screen.
fn viewer(stage: &Stage, server: &XServer, kind: Kind, x: u32) -> anyhow::Result<Viewer> {
    let renderer = match kind {
        Kind::Software => "software",
        Kind::Egl => "EGL",
    };
    let mut command = programs::client(stage.shm())?;
    command.env("DISPLAY", server.display());
    command.arg(format!("app:renderer={renderer}"));
    command.arg(format!("win:size={}x{}", WINDOW.width, WINDOW.height));
    command.arg(format!("win:position={x}x0"));
    command.args(["win:borderless=yes", "win:alerts=no", "win:quickSplash=yes"]);
    let process = Process::start(&mut command)?;
    let mut grabber = Grabber::open(server.display(), (x, 0), WINDOW)?;
    Ok(Viewer {
        name: format!("the X11 window drawn by {renderer}"),
        kind,
        window: Some(WINDOW),
        rotation: Rotation::Deg0,
        process: Some(process),
        eye: Box::new(move || Ok(Some(grabber.grab()?))),
        delay: Duration::ZERO,
    })
}

#[test]
fn every_combination_is_shown_right_in_x11_windows_of_both_renderers() -> anyhow::Result<()> {
    let Some(server) = XServer::start(2 * WINDOW.width, WINDOW.height)? else {
        return Ok(());
    };
    let mut stage = Stage::new()?;
    let mut viewers = [
        viewer(&stage, &server, Kind::Software, 0)?,
        viewer(&stage, &server, Kind::Egl, WINDOW.width)?,
    ];
    let mut cases = Vec::new();
    let mut number = 0;
    for version in [Version::V16, Version::V19, Version::V20] {
        for content in Content::all_of(version) {
            for rotation in Rotation::ALL {
                for geometry in window_geometries(number, version) {
                    for pointer in POINTERS {
                        let seed = number as u32;
                        cases.push(Case {
                            content,
                            rotation,
                            geometry,
                            pointer,
                            seed,
                            is_opaque: false,
                        });
                    }
                }
                number += 1;
            }
        }
    }
    // A host of the oldest version takes over from the newest.
    cases.extend_from_within(..POINTERS.len());
    run(&mut stage, &mut viewers, &cases)
}
