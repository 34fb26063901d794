//! The client's way from the display server to the SPICE server within this process, to count what it takes from the heap.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context as _;
use client::guest_view::GuestView;
use client::input::{Action, InputModel, Preferences, SpiceInput};
use clock::{Clock as _, MonotonicClock};
use picture::Size;
use spice::transport::{Address, Client, Report};
use spice::{ChannelKind, Event, SessionOptions};
use testkit::allocations::{count, total};
use testkit::x_input::XInput;
use testkit::x_server::XServer;
use window::{Backend, Window, WindowConfig, WindowEvent};

use super::focus;
use crate::stand_in::StandIn;

const KEY_A: u32 = 30;
const WARM_UP: u32 = 50;
const EVENTS: u32 = 400;
const LIMIT: Duration = Duration::from_secs(5);

/// How often a key press or release takes memory from the heap on all threads of the client together, the library of
/// the display server included. `None` without Xvfb. Nothing else may run in this process, whose allocator has to be
/// [`testkit::allocations::Counting`].
///
/// # Errors
/// If something does not come up, or a key does not arrive.
pub fn allocations(bench: &Path) -> anyhow::Result<Option<f64>> {
    let Some(x_server) = XServer::start(640, 480)? else {
        return Ok(None);
    };
    let server = StandIn::start(bench)?;
    let config = WindowConfig {
        size: Size::new(320, 200),
        display: Some(x_server.display().to_owned()),
        ..WindowConfig::default()
    };
    let window = Window::open(&config, Some(Backend::X11))?;
    let user = XInput::connect(x_server.display())?;
    let options = SessionOptions {
        display: false,
        ..SessionOptions::default()
    };
    let (opened, is_open) = channel();
    let report = move |report: Report<'_>| {
        if let Report::Event(Event::Channel {
            kind: ChannelKind::Inputs,
            ..
        }) = report
        {
            let _ = opened.send(());
        }
    };
    let client = Client::connect(Address::unix(&server.socket)?, options, report)?;
    is_open.recv_timeout(LIMIT)?;
    let mut path = EventPath {
        window,
        client,
        input: InputModel::new(Preferences::default()),
        events: Vec::with_capacity(64),
        actions: Vec::with_capacity(64),
    };
    let (view, now) = (GuestView::default(), MonotonicClock.now());
    path.input
        .spice_event(SpiceInput::Ready, &view, now, &mut path.actions);
    focus(&user)?;
    path.wait_for_focus()?;
    let mut taken = 0;
    for event in 0..WARM_UP + EVENTS {
        let before = total();
        let injected = count();
        user.key(KEY_A, event % 2 == 0)?;
        let injected = count() - injected;
        path.carry(&server)?;
        if event >= WARM_UP {
            taken += total() - before - injected;
        }
    }
    Ok(Some(taken as f64 / f64::from(EVENTS)))
}

struct EventPath {
    window: Window,
    client: Client,
    input: InputModel,
    events: Vec<WindowEvent>,
    actions: Vec<Action>,
}

impl EventPath {
    fn wait_for_focus(&mut self) -> anyhow::Result<()> {
        let deadline = MonotonicClock.now() + LIMIT.into();
        while MonotonicClock.now() < deadline {
            self.pass()?;
            if self.events.contains(&WindowEvent::Focused(true)) {
                return Ok(());
            }
        }
        anyhow::bail!("the window gets no focus")
    }

    /// Brings one key to the server.
    fn carry(&mut self, server: &StandIn) -> anyhow::Result<()> {
        let deadline = MonotonicClock.now() + LIMIT.into();
        while MonotonicClock.now() < deadline {
            self.pass()?;
            if self
                .events
                .iter()
                .any(|e| matches!(e, WindowEvent::Key { .. }))
            {
                let arrived = server.next_input(LIMIT);
                return arrived.map(|_| ()).context("the key does not arrive");
            }
        }
        anyhow::bail!("the window gets no key")
    }

    /// What the client's main thread does when it wakes up.
    fn pass(&mut self) -> anyhow::Result<()> {
        self.events.clear();
        self.window.dispatch(Some(LIMIT), &mut self.events)?;
        let (view, now) = (GuestView::default(), MonotonicClock.now());
        for event in &self.events {
            self.input
                .window_event(event, &view, 1.0, now, &mut self.actions);
        }
        for action in self.actions.drain(..) {
            if let Action::Spice(command) = action {
                self.client.handle().send(command)?;
            }
        }
        Ok(())
    }
}
