//! A screenshot of the machine's own screen.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use clock::{Clock as _, MonotonicClock, Nanos};
use picture::FrameLayout;

use super::{Guest, MEMORY_LOOK, POINTER_WAIT, Pointer, write_picture};
use crate::config::Screenshot;
use crate::console::Console;
use crate::renderer::{Renderer as _, SoftwareView};
use crate::session::{ConsolePolicy, Preferences, Session};
use crate::view::ViewReport;

/// Asks for the screen, and writes its first complete picture with the pointer.
pub(super) fn take_screenshot(
    screenshot: &Screenshot,
    is_over: &AtomicBool,
    mut guest: Guest<'_>,
) -> anyhow::Result<()> {
    let console = guest.console.context("neither shared memory nor SPICE")?;
    (guest.report)(ViewReport::WantConsole(true));
    let deadline = MonotonicClock.now() + Nanos::from(screenshot.timeout);
    let mut view = SoftwareView::headless();
    let layout = wait_for_picture(&console, &mut view, deadline, is_over)?;
    let pointer = wait_for_pointer(&console);
    write_picture(&layout, &view, &pointer, &screenshot.file)
}

fn wait_for_picture(
    console: &Console,
    view: &mut SoftwareView,
    deadline: Nanos,
    is_over: &AtomicBool,
) -> anyhow::Result<FrameLayout> {
    // Its rules say when a picture is complete.
    let mut session = Session::new(Preferences {
        console: ConsolePolicy::Force,
        has_relay: false,
        ..Preferences::default()
    });
    loop {
        let now = MonotonicClock.now();
        let look = console.look();
        session.console(&look, now);
        if let Some(serial) = session.wanted_surface(now)
            && let Some(mut update) = console.take_update(serial, true)
        {
            let (layout, damage) = (update.layout, update.damage.clone());
            view.begin_picture();
            view.upload(&layout, &damage, &mut update)?;
            return Ok(layout);
        }
        if is_over.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        if now >= deadline {
            let missing = look.missing.as_deref();
            bail!(
                "no complete picture of the machine's own screen in time: {}",
                missing.unwrap_or("SPICE sends none")
            );
        }
        let next = session.tick(now).unwrap_or(deadline).min(deadline);
        wait(console, next);
    }
}

fn wait_for_pointer(console: &Console) -> Pointer {
    let deadline = MonotonicClock.now() + POINTER_WAIT;
    loop {
        let look = console.look();
        if look.shape.is_some() || MonotonicClock.now() >= deadline {
            return Pointer {
                state: look.pointer,
                shape: look.shape.map(|shape| (*shape).clone()),
            };
        }
        wait(console, deadline);
    }
}

/// Waits for news until `deadline`, and for a signal no longer than a moment.
fn wait(console: &Console, deadline: Nanos) {
    let left = (deadline - MonotonicClock.now()).to_duration();
    if console.waker().wait(left.min(MEMORY_LOOK)) {
        console.waker().take();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use picture::{RgbImage, Size, png};
    use relay::Waker;

    use super::*;
    use crate::console::tests::server::Server;

    fn screenshot(folder: &tempfile::TempDir, timeout: Duration) -> Screenshot {
        Screenshot {
            file: folder.path().join("picture.png"),
            timeout,
        }
    }

    fn guest<'a>(console: &Console, said: &'a mut Vec<ViewReport>) -> Guest<'a> {
        Guest {
            has_relay: false,
            console: Some(console.clone()),
            sound: None,
            report: Box::new(|report| said.push(report)),
        }
    }

    #[test]
    fn a_screenshot_has_the_picture_and_the_pointer() {
        let folder = tempfile::tempdir().unwrap();
        let console = Console::new(Waker::new().unwrap());
        let mut server = Server::new(console.clone());
        server.create(3, 2);
        server.fill(0, 0, 3, 2, 0x0001_0203);
        server.cursor(2, 1, (1, 1), (0, 0), &[0xffff_8000]);
        server.mark();
        let wanted = screenshot(&folder, Duration::from_secs(30));
        let mut said = vec![];
        let is_over = AtomicBool::new(false);
        take_screenshot(&wanted, &is_over, guest(&console, &mut said)).unwrap();
        assert!(matches!(said[..], [ViewReport::WantConsole(true)]));
        let mut rgb = [1, 2, 3].repeat(6);
        rgb[15..].copy_from_slice(&[0xff, 0x80, 0]);
        let image = RgbImage::new(Size::new(3, 2), rgb).unwrap();
        let written = std::fs::read(&wanted.file).unwrap();
        assert_eq!(written, png::encode(&image).unwrap());
    }

    #[test]
    fn a_screenshot_that_cannot_be_taken_names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let console = Console::new(Waker::new().unwrap());
        console.set_missing(Some("Waiting for the SPICE server."));
        let wanted = screenshot(&folder, Duration::ZERO);
        let is_over = AtomicBool::new(false);
        let error = take_screenshot(&wanted, &is_over, guest(&console, &mut vec![])).unwrap_err();
        assert!(error.to_string().ends_with("Waiting for the SPICE server."));
        assert!(!wanted.file.exists());
    }
}
