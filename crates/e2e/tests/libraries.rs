//! Libraries that the programs load when they run, and that are not there: named with their Debian package, or done
//! without.
//!
//! A library is hidden by an empty file of its name in a folder of `LD_LIBRARY_PATH`, which the loader searches first:
//! it takes that file, finds it too short, and looks no further. So this needs neither root nor another machine.

use std::process::Command;
use std::time::Duration;

use e2e::{Viewer, pattern};
use testkit::compositor::Weston;
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::x_server::XServer;

const LIMIT: Duration = Duration::from_secs(30);

/// Names under which a library is looked for: with its version, then without, as development packages install it.
const XCB: [&str; 2] = ["libxcb.so.1", "libxcb.so"];
const EGL: [&str; 2] = ["libEGL.so.1", "libEGL.so"];
const WAYLAND: [&str; 2] = ["libwayland-client.so.0", "libwayland-client.so"];
const WAYLAND_EGL: [&str; 2] = ["libwayland-egl.so.1", "libwayland-egl.so"];

/// Libraries that a program shall not find.
struct Hidden(tempfile::TempDir);

impl Hidden {
    fn new(libraries: &[[&str; 2]]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in libraries.iter().flatten() {
            std::fs::write(folder.path().join(name), [])?;
        }
        Ok(Self(folder))
    }

    fn from(&self, command: &mut Command) {
        command.env("LD_LIBRARY_PATH", self.0.path());
    }
}

/// Waits for the client's end, which must be the failed start that scripts know; returns what it said.
fn failed_start(command: &mut Command) -> anyhow::Result<String> {
    let mut client = Process::start(command)?;
    let status = client.wait(LIMIT).and_then(|status| status.code());
    let text = client.output();
    assert_eq!(status, Some(255), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    Ok(text)
}

fn assert_names(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word} in: {text}");
    }
}

#[test]
fn without_libxcb_the_client_names_it_and_its_package() -> anyhow::Result<()> {
    let Some(screen) = XServer::start(640, 480)? else {
        return Ok(());
    };
    let (shm, hidden) = (SharedFile::create(32)?, Hidden::new(&[XCB])?);
    let mut command = programs::client(&shm)?;
    hidden.from(command.env("DISPLAY", screen.display()));
    let text = failed_start(&mut command)?;
    assert_names(&text, &["libxcb.so.1", "package libxcb1"]);
    Ok(())
}

#[test]
fn without_libwayland_client_the_client_names_it_and_its_package() -> anyhow::Result<()> {
    let Some(compositor) = Weston::start(640, 480)? else {
        return Ok(());
    };
    let (shm, hidden) = (SharedFile::create(32)?, Hidden::new(&[WAYLAND])?);
    let mut command = programs::client(&shm)?;
    compositor.use_for(&mut command);
    hidden.from(&mut command);
    let text = failed_start(&mut command)?;
    let words = ["libwayland-client.so.0", "package libwayland-client0"];
    assert_names(&text, &words);
    Ok(())
}

#[test]
fn without_libwayland_client_an_x_server_beside_the_compositor_is_used() -> anyhow::Result<()> {
    let (Some(compositor), Some(screen)) = (Weston::start(640, 480)?, XServer::start(640, 480)?)
    else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let _host = pattern(&shm, &[])?;
    let on_both = |hidden: &Hidden| -> anyhow::Result<Command> {
        let mut command = programs::client(&shm)?;
        compositor.use_for(&mut command);
        hidden.from(command.env("DISPLAY", screen.display()));
        Ok(command)
    };
    let hidden = Hidden::new(&[WAYLAND])?;
    let mut viewer = Viewer::start(on_both(&hidden)?)?;
    viewer.expect_frames(LIMIT)?;
    assert!(screen.has_window(LIMIT), "{}", viewer.process.output());
    assert_names(&viewer.process.output(), &["package libwayland-client0"]);
    drop(viewer);
    let hidden = Hidden::new(&[WAYLAND, XCB])?;
    let text = failed_start(&mut on_both(&hidden)?)?;
    assert_names(&text, &["package libwayland-client0", "package libxcb1"]);
    Ok(())
}

#[test]
fn without_libegl_the_software_renderer_draws_unless_egl_was_demanded() -> anyhow::Result<()> {
    let Some(screen) = XServer::start(640, 480)? else {
        return Ok(());
    };
    let (shm, hidden) = (SharedFile::create(32)?, Hidden::new(&[EGL])?);
    let _host = pattern(&shm, &[])?;
    let client = |renderer: &str| -> anyhow::Result<Command> {
        let mut command = programs::client(&shm)?;
        command.arg(format!("app:renderer={renderer}"));
        hidden.from(command.env("DISPLAY", screen.display()));
        Ok(command)
    };
    let mut viewer = Viewer::start(client("auto")?)?;
    viewer.expect_frames(LIMIT)?;
    let words = ["libEGL.so.1", "package libegl1", "renderer: software"];
    assert_names(&viewer.process.output(), &words);
    drop(viewer);
    let text = failed_start(&mut client("EGL")?)?;
    assert_names(&text, &["libEGL.so.1", "package libegl1"]);
    Ok(())
}

#[test]
fn without_libwayland_egl_the_software_renderer_draws_unless_egl_was_demanded() -> anyhow::Result<()>
{
    let Some(compositor) = Weston::start(640, 480)? else {
        return Ok(());
    };
    let (shm, hidden) = (SharedFile::create(32)?, Hidden::new(&[WAYLAND_EGL])?);
    let _host = pattern(&shm, &[])?;
    let client = |renderer: &str| -> anyhow::Result<Command> {
        let mut command = programs::client(&shm)?;
        command.arg(format!("app:renderer={renderer}"));
        compositor.use_for(&mut command);
        hidden.from(&mut command);
        Ok(command)
    };
    let mut viewer = Viewer::start(client("auto")?)?;
    viewer.expect_frames(LIMIT)?;
    let words = [
        "libwayland-egl.so.1",
        "package libwayland-egl1",
        "renderer: software",
    ];
    assert_names(&viewer.process.output(), &words);
    drop(viewer);
    let text = failed_start(&mut client("EGL")?)?;
    assert_names(&text, &["libwayland-egl.so.1", "package libwayland-egl1"]);
    Ok(())
}

#[test]
fn host_and_headless_client_need_no_library_of_any_display_server() -> anyhow::Result<()> {
    let Some(screen) = XServer::start(640, 480)? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let hidden = Hidden::new(&[XCB, EGL, WAYLAND, WAYLAND_EGL])?;
    let mut command = programs::host(&shm)?;
    command
        .env("DISPLAY", screen.display())
        .arg("app:capture=XCB");
    hidden.from(&mut command);
    let host = Process::start(&mut command)?;
    let mut command = programs::client(&shm)?;
    hidden.from(command.arg("--headless"));
    let mut viewer = Viewer::start(command)?;
    let is_there = viewer.wait_for("a picture", LIMIT, |figures| figures["missing"].is_null());
    is_there.map_err(|error| error.context(host.output()))?;
    Ok(())
}
