//! The client's window on an X server, with both renderers: every version, frame type, rotation and pointer type.

use std::time::Duration;

use e2e::matrix::cases::{Case, Content, Geometry, POINTERS, WINDOW};
use e2e::matrix::compare::Kind;
use e2e::matrix::{Stage, Viewer, run};
use kvmfr::Version;
use picture::Rotation;
use testkit::grab::Grabber;
use testkit::process::Process;
use testkit::programs;
use testkit::x_server::XServer;

/// A client whose window is the `place`th from the left on the screen, with the user's own turn.
fn viewer(
    stage: &Stage,
    server: &XServer,
    place: u32,
    kind: Kind,
    rotation: Rotation,
) -> anyhow::Result<Viewer> {
    let x = place * WINDOW.width;
    let renderer = match kind {
        Kind::Software => "software",
        Kind::Egl => "EGL",
    };
    let mut command = programs::client(stage.shm())?;
    command.env("DISPLAY", server.display());
    command.arg(format!("app:renderer={renderer}"));
    command.arg(format!("win:size={}x{}", WINDOW.width, WINDOW.height));
    command.arg(format!("win:position={x}x0"));
    command.arg(format!("win:rotate={}", 90 * rotation.quarter_turns()));
    command.args(["win:borderless=yes", "win:alerts=no", "win:quickSplash=yes"]);
    let process = Process::start(&mut command)?;
    let mut grabber = Grabber::open(server.display(), (x, 0), WINDOW)?;
    Ok(Viewer {
        name: format!("the X11 window drawn by {renderer}, turned by {rotation:?}"),
        kind,
        window: Some(WINDOW),
        rotation,
        process: Some(process),
        eye: Box::new(move || Ok(Some(grabber.grab()?))),
        delay: Duration::ZERO,
    })
}

#[test]
fn every_combination_is_shown_right_in_x11_windows_of_both_renderers() -> anyhow::Result<()> {
    let clients = [
        (Kind::Software, Rotation::Deg0),
        (Kind::Egl, Rotation::Deg0),
        (Kind::Software, Rotation::Deg90),
        (Kind::Egl, Rotation::Deg270),
    ];
    let places = clients.len() as u32;
    let Some(server) = XServer::start(places * WINDOW.width, WINDOW.height)? else {
        return Ok(());
    };
    let mut stage = Stage::new()?;
    let mut viewers = Vec::new();
    for (place, (kind, rotation)) in (0..).zip(clients) {
        viewers.push(viewer(&stage, &server, place, kind, rotation)?);
    }
    let mut cases = Vec::new();
    let mut number = 0;
    for version in [Version::V16, Version::V19, Version::V20] {
        for content in Content::all_of(version) {
            for rotation in Rotation::ALL {
                for &geometry in Geometry::all_of(version) {
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
