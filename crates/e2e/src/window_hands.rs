//! Somebody in front of the real client's window, whose keys and pointer go to a machine by SPICE.

mod cases;
mod clipboard;
mod seats;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use testkit::machine::Machine;
use testkit::process::Process;
use testkit::programs;

use crate::agent_guest::Kind;
use crate::machine_input::{Button, Hands};

pub use cases::{
    capture_holds_the_pointer, held_keys_go_up_with_the_focus, lock_states_follow,
    motion_follows_the_pointer, settle_locks,
};
pub use clipboard::WindowClipboard;
pub use seats::{SwaySeat, XSeat};

/// The longest that the client may take for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// F24, which no machine gets from QEMU.
const ESCAPE_KEY: u16 = 194;

/// A display server with a keyboard and a mouse, and room for one window.
pub trait Seat {
    /// The size of the window.
    fn window(&self) -> (u32, u32);

    /// Lets a program show its window there.
    fn use_for(&self, command: &mut Command);

    /// Presses or releases a key, by its evdev code.
    ///
    /// # Errors
    /// If that cannot be done.
    fn key(&mut self, code: u16, is_pressed: bool) -> anyhow::Result<()>;

    /// Presses or releases a mouse button.
    ///
    /// # Errors
    /// As above.
    fn button(&mut self, button: Button, is_pressed: bool) -> anyhow::Result<()>;

    /// Turns the wheel by so many detents, up if positive.
    ///
    /// # Errors
    /// As above.
    fn wheel(&mut self, detents: i32) -> anyhow::Result<()>;

    /// Pushes the mouse.
    ///
    /// # Errors
    /// As above.
    fn push(&mut self, dx: i32, dy: i32) -> anyhow::Result<()>;

    /// Puts the pointer on a pixel of the window.
    ///
    /// # Errors
    /// As above.
    fn point(&mut self, x: u32, y: u32) -> anyhow::Result<()>;

    /// Gives the focus to something else (`false`), and back to the window.
    ///
    /// # Errors
    /// As above.
    fn focus(&mut self, is_windows: bool) -> anyhow::Result<()>;

    /// Where the pointer is.
    ///
    /// # Errors
    /// As above.
    fn pointer(&mut self) -> anyhow::Result<Pointer>;

    /// A program that copies `data` on this display server, and runs for as long as they can be pasted.
    ///
    /// # Errors
    /// As above.
    fn copier(&self, kind: Kind, data: &[u8]) -> anyhow::Result<Command>;

    /// A program that prints what is pasted on this display server, and fails if there is nothing of that kind.
    fn paster(&self, kind: Kind) -> Command;
}

/// Where the pointer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// In the window.
    Inside,
    /// Elsewhere.
    Outside,
    /// The display server does not tell.
    Unknown,
}

/// A client in its window, and who uses it. The pointer is captured whenever [`Hands`] ask for motion.
pub struct WindowHands<'a> {
    seat: &'a mut dyn Seat,
    client: Process,
    /// The guest's screen.
    screen: (u32, u32),
    is_captured: bool,
}

impl<'a> WindowHands<'a> {
    /// Starts a client at `seat` for a machine whose screen has that size, and waits until it has keyboard and mouse.
    ///
    /// # Errors
    /// If it does not get them.
    pub fn start(
        seat: &'a mut dyn Seat,
        machine: &Machine,
        screen: (u32, u32),
    ) -> anyhow::Result<Self> {
        let mut command = programs::machine_client(machine)?;
        seat.use_for(&mut command);
        command.arg(format!("input:escapeKey={ESCAPE_KEY}"));
        command.arg("app:renderer=software");
        command.env("RUST_LOG", "client=debug,warn");
        let mut hands = Self {
            client: Process::start(&mut command)?,
            seat,
            screen,
            is_captured: false,
        };
        hands.expect(0, "the window has the focus")?;
        hands.expect(0, "channel Inputs: Open")?;
        hands.expect(0, "channel Display: Open")?;
        hands.expect(0, "mouse mode: ")?;
        Ok(hands)
    }

    /// What the client has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.client.output()
    }

    /// Gives the focus to something else (`false`), or back to the client.
    ///
    /// # Errors
    /// If the client does not notice.
    pub fn focus(&mut self, is_clients: bool) -> anyhow::Result<()> {
        let before = self.client.output().len();
        self.seat.focus(is_clients)?;
        let what = if is_clients {
            "the window has the focus"
        } else {
            if std::mem::take(&mut self.is_captured) {
                self.expect(before, "the pointer is free")?;
            }
            "the window has lost the focus"
        };
        self.expect(before, what)
    }

    /// Ends the client as the user's session does.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn quit(mut self) -> anyhow::Result<()> {
        self.client.signal(Signal::TERM);
        match self.client.wait(LIMIT) {
            Some(status) if status.success() => Ok(()),
            status => bail!("the client ended with {status:?}:\n{}", self.log()),
        }
    }

    /// Waits until the client has printed `what` behind so many bytes.
    fn expect(&mut self, from: usize, what: &str) -> anyhow::Result<()> {
        let client = &mut self.client;
        let is_said = || {
            let text = client.output();
            let is_said = text.get(from..).is_some_and(|new| new.contains(what));
            is_said || client.has_ended()
        };
        if !testkit::wait_until(LIMIT, is_said) || self.client.has_ended() {
            bail!("the client did not say \"{what}\":\n{}", self.log());
        }
        Ok(())
    }

    /// Waits until the last that the client was told of the mouse is that mode.
    fn expect_mode(&mut self, mode: &str) -> anyhow::Result<()> {
        let is_in_force = || {
            let text = self.client.output();
            let last = text.lines().rfind(|line| line.contains("mouse mode: "));
            last.is_some_and(|line| line.contains(mode))
        };
        if !testkit::wait_until(LIMIT, is_in_force) {
            bail!("no mouse mode {mode}:\n{}", self.log());
        }
        Ok(())
    }

    /// Captures the pointer, or releases it.
    fn capture(&mut self, is_wanted: bool) -> anyhow::Result<()> {
        if self.is_captured == is_wanted {
            return Ok(());
        }
        let before = self.client.output().len();
        self.seat.key(ESCAPE_KEY, true)?;
        self.seat.key(ESCAPE_KEY, false)?;
        self.is_captured = is_wanted;
        let state = if is_wanted { "captured" } else { "free" };
        self.expect(before, &format!("the pointer is {state}"))?;
        // What is pushed before goes nowhere: the machine takes positions. Without a tablet it never does.
        match is_wanted {
            true => self.expect_mode("Relative"),
            false if self.log().contains("Some(Absolute)") => self.expect_mode("Absolute"),
            false => Ok(()),
        }
    }

    /// The pixel of the window in the middle of a pixel of the guest.
    fn on_window(&self, x: u32, y: u32) -> anyhow::Result<(u32, u32)> {
        let middle = |at: u32, window: u32, screen: u32| {
            let double = (2 * at + 1).checked_mul(window)?;
            double.checked_div(2 * screen)
        };
        let window = self.seat.window();
        let x = middle(x, window.0, self.screen.0).context("a screen")?;
        let y = middle(y, window.1, self.screen.1).context("a screen")?;
        Ok((x, y))
    }
}

impl Hands for WindowHands<'_> {
    fn key(&mut self, code: u16, is_pressed: bool) -> anyhow::Result<()> {
        self.seat.key(code, is_pressed)
    }

    fn motion(&mut self, dx: i32, dy: i32) -> anyhow::Result<()> {
        self.capture(true)?;
        self.seat.push(dx, dy)
    }

    fn button(&mut self, button: Button, is_pressed: bool) -> anyhow::Result<()> {
        self.seat.button(button, is_pressed)
    }

    fn wheel(&mut self, detents: i32) -> anyhow::Result<()> {
        self.seat.wheel(detents)
    }

    fn use_positions(&mut self, yes: bool) -> anyhow::Result<()> {
        self.capture(!yes)
    }

    fn position(&mut self, x: u32, y: u32) -> anyhow::Result<()> {
        let (x, y) = self.on_window(x, y)?;
        self.seat.point(x, y)
    }
}
