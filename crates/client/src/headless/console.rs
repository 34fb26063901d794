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
