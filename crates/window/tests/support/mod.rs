//! Real display servers, and what tests do with windows on them.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::time::{Duration, Instant};

use picture::{BufferRect, Canvas, Size};
use window::{Presented, SoftwarePresenter, Window, WindowError, WindowEvent};

pub(crate) mod clipboard;
pub(crate) mod screen;
pub(crate) mod shot;
pub(crate) mod wayland;

/// The size of every screen.
pub(crate) const SCREEN: Size = Size::new(1280, 720);

/// How long anything may take that another process has to do.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    testkit::wait_until(LIMIT, || {
        found = look();
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Dispatches until `done` says so about all events that came meanwhile, which are returned.
pub(crate) fn pump(
    window: &mut Window,
    what: &str,
    mut done: impl FnMut(&Window, &[WindowEvent]) -> bool,
) -> Vec<WindowEvent> {
    let start = Instant::now();
    let mut events = Vec::new();
    while !done(window, &events) {
        assert!(
            start.elapsed() < LIMIT,
            "waited in vain for {what}, got {events:?}"
        );
        window
            .dispatch(Some(Duration::from_millis(20)), &mut events)
            .expect("the display server lives");
    }
    events
}

/// Dispatches until an event comes.
pub(crate) fn pump_event(window: &mut Window, event: &WindowEvent) -> Vec<WindowEvent> {
    pump(window, &format!("{event:?}"), |_, events| {
        events.contains(event)
    })
}

/// Dispatches until the window's buffers have a size.
pub(crate) fn pump_size(window: &mut Window, size: Size) {
    pump(window, &format!("{size:?}"), |window, _| {
        window.buffer_size() == size
    });
}

/// Dispatches until the server is found gone.
pub(crate) fn pump_until_lost(window: &mut Window) -> WindowError {
    let start = Instant::now();
    let mut events = Vec::new();
    loop {
        if let Err(error) = window.dispatch(Some(Duration::from_millis(20)), &mut events) {
            return error;
        }
        assert!(start.elapsed() < LIMIT, "the loss went unnoticed");
    }
}

/// Presents, dispatching while all buffers are busy.
pub(crate) fn present(
    window: &mut Window,
    presenter: &mut dyn SoftwarePresenter,
    canvas: &Canvas,
    damage: &[BufferRect],
) {
    let start = Instant::now();
    while presenter.present(canvas, damage).expect("presenting") == Presented::Busy {
        assert!(start.elapsed() < LIMIT, "busy for ever");
        let mut events = Vec::new();
        window
            .dispatch(Some(Duration::from_millis(5)), &mut events)
            .expect("the display server lives");
    }
}
