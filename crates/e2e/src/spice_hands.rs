//! A SPICE connection of the test's own, to try the machine with and to compare the client with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use spice::inputs::{Locks, MouseButton, Scancode, Wheel};
use spice::session::ChannelState;
use spice::transport::{Address, Client, Report};
use spice::{ChannelKind, Command, Event, MouseMode, MouseModes, SessionOptions};
use testkit::machine::Machine;

use crate::machine_input::{self, Button, Hands};

const LIMIT: Duration = Duration::from_secs(30);

/// What the connection has said so far.
#[derive(Default)]
struct Said {
    has_inputs: bool,
    mouse: Option<MouseModes>,
    locks: Option<Locks>,
    end: Option<String>,
}

/// Presses keys by SPICE alone, without our client.
pub struct SpiceHands {
    client: Client,
    said: Arc<Mutex<Said>>,
    scancodes: HashMap<u16, Scancode>,
}

impl SpiceHands {
    /// Connects with a machine.
    ///
    /// # Errors
    /// If that does not work.
    pub fn connect(machine: &Machine) -> anyhow::Result<Self> {
        let said = Arc::new(Mutex::new(Said::default()));
        let heard = Arc::clone(&said);
        let address = Address::unix(machine.spice_socket())?;
        let options = SessionOptions {
            display: false,
            ..SessionOptions::default()
        };
        let client = Client::connect(address, options, move |report| note(&heard, &report))?;
        let mut scancodes = HashMap::new();
        for key in machine_input::keys()? {
            let scancode = Scancode::new(key.scancode, key.is_extended).context("a scancode")?;
            scancodes.insert(key.code, scancode);
        }
        let hands = Self {
            client,
            said,
            scancodes,
        };
        hands.wait("keyboard and mouse", |said| {
            said.has_inputs && said.mouse.is_some()
        })?;
        Ok(hands)
    }

    /// The guest's lights, as the server tells of them.
    #[must_use]
    pub fn locks(&self) -> Option<Locks> {
        self.said().locks
    }

    /// Gives the session a command.
    ///
    /// # Errors
    /// If too many wait.
    pub fn send(&self, command: Command) -> anyhow::Result<()> {
        Ok(self.client.handle().send(command)?)
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, what: &str, is_said: impl Fn(&Said) -> bool) -> anyhow::Result<()> {
        testkit::wait_until(LIMIT, || {
            let said = self.said();
            is_said(&said) || said.end.is_some()
        });
        let said = self.said();
        if let Some(end) = &said.end {
            bail!("SPICE ended: {end}");
        }
        ensure!(is_said(&said), "no {what}");
        Ok(())
    }
}

fn note(said: &Mutex<Said>, report: &Report<'_>) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    match report {
        Report::Event(Event::Channel {
            kind: ChannelKind::Inputs,
            state,
        }) => said.has_inputs = *state == ChannelState::Open,
        Report::Event(Event::Mouse(modes)) => said.mouse = Some(*modes),
        Report::Event(Event::Locks(locks)) => said.locks = Some(*locks),
        Report::Finished(outcome) => said.end = Some(outcome.to_string()),
        Report::Event(_) => {}
    }
}

impl Hands for SpiceHands {
    fn key(&mut self, code: u16, is_pressed: bool) -> anyhow::Result<()> {
        let key = *self.scancodes.get(&code).context("a key of the table")?;
        self.send(Command::Key { key, is_pressed })
    }

    fn motion(&mut self, dx: i32, dy: i32) -> anyhow::Result<()> {
        self.send(Command::Motion { dx, dy })
    }

    fn button(&mut self, button: Button, is_pressed: bool) -> anyhow::Result<()> {
        let button = match button {
            Button::Left => MouseButton::Left,
            Button::Right => MouseButton::Right,
            Button::Middle => MouseButton::Middle,
            Button::Side => MouseButton::Side,
            Button::Extra => MouseButton::Extra,
        };
        self.send(Command::Button { button, is_pressed })
    }

    fn wheel(&mut self, detents: i32) -> anyhow::Result<()> {
        let wheel = if detents > 0 { Wheel::Up } else { Wheel::Down };
        (0..detents.unsigned_abs()).try_for_each(|_| self.send(Command::Wheel(wheel)))
    }

    fn use_positions(&mut self, yes: bool) -> anyhow::Result<()> {
        let mode = if yes {
            MouseMode::Absolute
        } else {
            MouseMode::Relative
        };
        self.send(Command::UseMouse(mode))?;
        // Without a picture the session does not know where it ends.
        self.send(Command::ShowDisplay(yes))?;
        self.wait("mouse mode", |said| {
            said.mouse.and_then(MouseModes::current) == Some(mode)
        })
    }

    fn position(&mut self, x: u32, y: u32) -> anyhow::Result<()> {
        self.send(Command::Position { x, y })
    }
}
