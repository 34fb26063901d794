//! From one real X server, through host and client, into a window on another X server or a Wayland compositor.

use std::time::Duration;

use e2e::Viewer;
use e2e::painted::{self, PaintedScreen};
use picture::Size;
use testkit::compositor::Weston;
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::x_server::XServer;

const LIMIT: Duration = Duration::from_secs(30);
const SIZE: Size = Size::new(640, 480);

fn start() -> anyhow::Result<Option<PaintedScreen>> {
    PaintedScreen::start(SIZE)
}

#[test]
fn an_x11_window_shows_the_guest_pixel_for_pixel_with_each_renderer() -> anyhow::Result<()> {
    let Some(source) = start()? else {
        return Ok(());
    };
    for renderer in ["software", "EGL"] {
        let Some(screen) = XServer::start(800, 600)? else {
            return Ok(());
        };
        let mut command = source.client(
            renderer,
            &["win:size=640x480", "win:position=0x0", "win:borderless=yes"],
        )?;
        command.env("DISPLAY", screen.display());
        let mut viewer = Viewer::start(command)?;
        source.expect_shown(&mut viewer, (0, 0), || source.shoot(&screen))?;
    }
    Ok(())
}

#[test]
fn the_figures_tell_how_frames_come_to_the_driver_and_why() -> anyhow::Result<()> {
    let Some(source) = start()? else {
        return Ok(());
    };
    let Some(screen) = XServer::start(800, 600)? else {
        return Ok(());
    };
    // The memory is a plain file, of which no driver reads frames in place.
    for (option, wanted) in [
        ("app:allowDMA=yes", "DMA-BUF"),
        ("app:allowDMA=no", "app:allowDMA is off"),
    ] {
        let mut command = source.client("EGL", &["win:size=640x480", option])?;
        command.env("DISPLAY", screen.display());
        let mut viewer = Viewer::start(command)?;
        let picture = u64::from(SIZE.width) * u64::from(SIZE.height) * 4;
        viewer.wait_for("copied frames and a reason", LIMIT, |figures| {
            let path = figures["upload_path"].as_str();
            let reason = figures["not_imported"].as_str().unwrap_or_default();
            figures["missing"].is_null()
                && matches!(path, Some("staging" | "persistent"))
                && reason.contains(wanted)
                && figures["frames_imported"] == 0
                && figures["bytes_checked"] == 0
                && figures["bytes_copied"].as_u64() >= Some(picture)
        })?;
    }
    Ok(())
}

#[test]
fn a_wayland_window_shows_the_guest_pixel_for_pixel_with_each_renderer() -> anyhow::Result<()> {
    let Some(source) = start()? else {
        return Ok(());
    };
    for renderer in ["software", "EGL"] {
        let Some(compositor) = Weston::start(SIZE.width, SIZE.height)? else {
            return Ok(());
        };
        let mut command = source.client(renderer, &["win:fullScreen=yes"])?;
        compositor.use_for(&mut command);
        let mut viewer = Viewer::start(command)?;
        source.expect_shown(&mut viewer, (0, 0), || {
            painted::read(&compositor.screenshot()?)
        })?;
    }
    Ok(())
}

#[test]
fn the_window_follows_what_changes_on_the_screen() -> anyhow::Result<()> {
    let Some(source) = start()? else {
        return Ok(());
    };
    let Some(screen) = XServer::start(800, 600)? else {
        return Ok(());
    };
    let mut command = source.client(
        "software",
        &["win:size=640x480", "win:position=0x0", "win:borderless=yes"],
    )?;
    command.env("DISPLAY", screen.display());
    let mut viewer = Viewer::start(command)?;
    source.expect_shown(&mut viewer, (0, 0), || source.shoot(&screen))?;
    for colour in [[0x12, 0x34, 0x56], [0xfe, 0xdc, 0xba]] {
        let [r, g, b] = colour;
        source
            .server
            .run("xsetroot", &["-solid", &format!("#{r:02x}{g:02x}{b:02x}")])?;
        let mut seen = None;
        let is_there = testkit::wait_until(LIMIT, || {
            seen = source
                .shoot(&screen)
                .ok()
                .and_then(|shot| shot.rgb(100, 100));
            seen == Some(colour)
        });
        assert!(is_there, "{seen:?}: {}", viewer.process.output());
    }
    Ok(())
}

#[test]
fn the_window_takes_the_guests_size_and_the_users_turn() -> anyhow::Result<()> {
    let Some(source) = start()? else {
        return Ok(());
    };
    let Some(screen) = XServer::start(800, 700)? else {
        return Ok(());
    };
    let options = [
        "win:size=300x300",
        "win:autoResize=yes",
        "win:rotate=90",
        "win:title=Turned",
    ];
    let mut command = source.client("software", &options)?;
    command.env("DISPLAY", screen.display());
    let viewer = Viewer::start(command)?;
    let mut seen = String::new();
    let is_there = testkit::wait_until(LIMIT, || {
        seen = screen
            .run("xwininfo", &["-name", "Turned"])
            .unwrap_or_default();
        seen.contains("Width: 480") && seen.contains("Height: 640")
    });
    assert!(is_there, "{seen}\n{}", viewer.process.output());
    Ok(())
}

#[test]
fn vsync_holds_the_client_to_the_rate_of_a_wayland_output() -> anyhow::Result<()> {
    let Some(compositor) = Weston::start(SIZE.width, SIZE.height)? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let _host = e2e::pattern(&shm, &["test:frameRate=300", "test:damageShare=1"])?;
    let mut command = programs::client(&shm)?;
    command.args(["app:renderer=EGL", "egl:vsync=yes"]);
    compositor.use_for(&mut command);
    let mut viewer = Viewer::start(command)?;
    // The first second includes the start.
    viewer.expect_frames(LIMIT)?;
    for _ in 0..2 {
        viewer.wait_for("pictures at 60 Hz", LIMIT, |figures| {
            let rate = figures["draws_per_second"].as_f64().unwrap_or_default();
            (10.0..75.0).contains(&rate)
        })?;
    }
    let rates = viewer.figures();
    let rates: Vec<_> = rates
        .iter()
        .skip(1)
        .map(|line| line["draws_per_second"].as_f64())
        .collect();
    assert!(rates.iter().all(|rate| *rate < Some(75.0)), "{rates:?}");
    Ok(())
}

#[test]
fn a_client_without_any_display_server_says_so() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let mut client = Process::start(&mut programs::client(&shm)?)?;
    let status = client.wait(LIMIT);
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(255),
        "{}",
        client.output()
    );
    assert!(client.output().contains("DISPLAY"), "{}", client.output());
    Ok(())
}

#[test]
fn a_display_server_that_dies_ends_the_client_with_a_sentence() -> anyhow::Result<()> {
    let Some(source) = start()? else {
        return Ok(());
    };
    let Some(mut screen) = XServer::start(800, 600)? else {
        return Ok(());
    };
    let mut command = source.client("software", &["win:size=640x480"])?;
    command.env("DISPLAY", screen.display());
    let mut viewer = Viewer::start(command)?;
    viewer.expect_frames(LIMIT).ok();
    screen.process().signal(rustix::process::Signal::KILL);
    let status = viewer.process.wait(LIMIT);
    let text = viewer.process.output();
    assert_eq!(status.and_then(|status| status.code()), Some(255), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    Ok(())
}
