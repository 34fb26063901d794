//! A real X server as the source: what is on it is what the client shows, pixel for pixel.

use std::time::Duration;

use picture::Size;
use picture::png::{self, RgbImage};
use rustix::process::Signal;
use testkit::compositor::Weston;
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::x_server::XServer;

const LIMIT: Duration = Duration::from_secs(20);

/// An X server, our host on it, and memory between it and clients.
struct Source {
    server: XServer,
    shm: SharedFile,
    host: Process,
    folder: tempfile::TempDir,
}

impl Source {
    fn start(width: u32, height: u32, options: &[&str]) -> anyhow::Result<Option<Self>> {
        let Some(server) = XServer::start(width, height)? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        paint(&server, width, height)?;
        let shm = SharedFile::create(64)?;
        let mut command = programs::host(&shm)?;
        command
            .env("DISPLAY", server.display())
            .arg("app:capture=XCB")
            .args(options);
        let host = Process::start(&mut command)?;
        Ok(Some(Self {
            server,
            shm,
            host,
            folder,
        }))
    }

    /// The guest as the X server itself shows it, without a pointer.
    fn screen(&self) -> anyhow::Result<RgbImage> {
        let file = self.folder.path().join("screen.png");
        self.server.screenshot(&file)?;
        Ok(png::decode(&std::fs::read(file)?)?)
    }

    /// The guest as a headless client shows it.
    fn relayed(&self) -> anyhow::Result<RgbImage> {
        let file = self.folder.path().join("relayed.png");
        programs::screenshot(&self.shm, &file, LIMIT)
            .map_err(|error| error.context(self.host.output()))?;
        Ok(png::decode(&std::fs::read(file)?)?)
    }
}

/// Shows a picture in which no two neighbours are alike.
fn paint(server: &XServer, width: u32, height: u32) -> anyhow::Result<()> {
    let pixel = |x: u32, y: u32| [(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8, 0];
    let pixels: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)))
        .collect();
    server.set_background(u16::try_from(width)?, u16::try_from(height)?, &pixels)
}

/// Compares two pictures but for a box around the pointer.
fn assert_same(left: &RgbImage, right: &RgbImage, pointer: (u32, u32)) {
    assert_eq!(left.size(), right.size());
    let is_near = |a: u32, b: u32| a.abs_diff(b) < 40;
    for y in 0..left.size().height {
        for x in 0..left.size().width {
            if !(is_near(x, pointer.0) && is_near(y, pointer.1)) {
                assert_eq!(left.rgb(x, y), right.rgb(x, y), "at {x}, {y}");
            }
        }
    }
}

#[test]
fn every_pixel_of_the_screen_arrives_over_each_wire_version() -> anyhow::Result<()> {
    for version in [16, 19, 20] {
        let option = format!("app:kvmfrVersion={version}");
        let Some(source) = Source::start(801, 603, &[&option])? else {
            return Ok(());
        };
        source.server.run("xdotool", &["mousemove", "100", "100"])?;
        assert_same(&source.screen()?, &source.relayed()?, (100, 100));
    }
    Ok(())
}

#[test]
fn the_screen_may_change_its_size_while_it_is_relayed() -> anyhow::Result<()> {
    let Some(source) = Source::start(1024, 768, &[])? else {
        return Ok(());
    };
    source.server.run("xdotool", &["mousemove", "50", "50"])?;
    assert_eq!(source.relayed()?.size(), Size::new(1024, 768));
    for (width, height) in [(640, 480), (1000, 700), (1024, 768)] {
        source.server.resize(width, height)?;
        let is_there = testkit::wait_until(LIMIT, || {
            source
                .relayed()
                .is_ok_and(|image| image.size() == Size::new(width, height))
        });
        assert!(is_there, "{width} x {height}: {}", source.host.output());
        assert_same(&source.screen()?, &source.relayed()?, (50, 50));
    }
    Ok(())
}

#[test]
fn the_pointer_is_in_the_picture_where_the_server_has_it() -> anyhow::Result<()> {
    let Some(source) = Source::start(640, 480, &[])? else {
        return Ok(());
    };
    source.server.run("xsetroot", &["-solid", "#808080"])?;
    source
        .server
        .run("xsetroot", &["-cursor_name", "left_ptr"])?;
    source.server.run("xdotool", &["mousemove", "300", "200"])?;
    let relayed = source.relayed()?;
    let differs = |x0: u32, y0: u32| {
        (y0..y0 + 20).any(|y| (x0..x0 + 20).any(|x| relayed.rgb(x, y) != Some([0x80; 3])))
    };
    assert!(differs(295, 195), "there is a pointer at 300, 200");
    assert!(!differs(100, 100) && !differs(500, 400), "and nowhere else");
    Ok(())
}

#[test]
fn a_server_that_vanishes_does_not_take_the_host_along() -> anyhow::Result<()> {
    let Some(mut source) = Source::start(640, 480, &[])? else {
        return Ok(());
    };
    source.relayed()?;
    source.server.process().signal(Signal::KILL);
    let mut client = Process::start(programs::client(&source.shm)?.arg("--headless"))?;
    assert!(
        testkit::wait_until(LIMIT, || source.host.output().contains("trying again")),
        "{}",
        source.host.output()
    );
    assert!(!source.host.has_ended());
    assert!(!client.has_ended(), "{}", client.output());
    source.host.signal(Signal::TERM);
    let status = source.host.wait(LIMIT);
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    Ok(())
}

/// Starts our host on a display that it must refuse, and returns what it says.
fn refusal(display: &str) -> anyhow::Result<String> {
    let shm = SharedFile::create(32)?;
    let mut command = programs::host(&shm)?;
    command.env("DISPLAY", display).arg("app:capture=XCB");
    let mut host = Process::start(&mut command)?;
    let status = host.wait(LIMIT);
    let text = host.output();
    assert!(
        status.is_some_and(|status| !status.success()),
        "{status:?}: {text}"
    );
    Ok(text)
}

#[test]
fn no_server_at_all_is_refused_with_a_sentence() -> anyhow::Result<()> {
    let text = refusal(":4999")?;
    assert!(text.contains("is DISPLAY set"), "{text}");
    Ok(())
}

#[test]
fn an_xwayland_is_refused_with_a_sentence() -> anyhow::Result<()> {
    let Some(compositor) = Weston::start(640, 480)? else {
        return Ok(());
    };
    for rootless in [false, true] {
        let Some(server) = XServer::start_xwayland(&compositor, rootless)? else {
            return Ok(());
        };
        let text = refusal(server.display())?;
        assert!(text.contains("this X server is an Xwayland"), "{text}");
    }
    Ok(())
}
