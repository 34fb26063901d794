//! A user in front of a client's window, with a SPICE server behind it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use testkit::programs::{self, SharedFile};
use testkit::spice_server::{Arrival, INPUTS, SpiceServer};
use testkit::x_input::XInput;
use testkit::x_server::XServer;
use x11rb::protocol::xproto::{ConnectionExt as _, InputFocus, MapState, Window};

use crate::Viewer;

/// Far more than anything here should take, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);
/// The key that is typed, as evdev has it.
pub const KEY_A: u32 = 30;
/// The same as a scancode.
const SCANCODE_A: u8 = 0x1e;
/// A key that went nowhere is typed again after this time.
const AGAIN: Duration = Duration::from_millis(300);

/// A client's window on an X server of its own, and somebody at its keyboard.
pub struct Desk {
    /// The user.
    pub user: XInput,
    /// The client.
    pub viewer: Viewer,
    /// The X server.
    pub screen: XServer,
}

impl Desk {
    /// Opens the window and gives it the keyboard. Skips loudly (`None`) without an X server.
    ///
    /// # Errors
    /// If the client does not show a window.
    pub fn open(shm: &SharedFile, options: &[String]) -> anyhow::Result<Option<Self>> {
        Self::open_with(shm, options, |_| ())
    }

    /// As [`Self::open`], with something done to the client's command first.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        shm: &SharedFile,
        options: &[String],
        prepare: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Option<Self>> {
        let Some(screen) = XServer::start(800, 600)? else {
            return Ok(None);
        };
        let mut command = programs::client(shm)?;
        prepare(&mut command);
        command.args(["app:renderer=software", "win:size=640x480"]);
        command.args(options).env("DISPLAY", screen.display());
        let mut desk = Self {
            user: XInput::connect(screen.display())?,
            viewer: Viewer::start(command)?,
            screen,
        };
        desk.focus()?;
        Ok(Some(desk))
    }

    /// What the client has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.viewer.process.output()
    }

    /// Waits until the client has said that.
    ///
    /// # Errors
    /// If it does not, or ends.
    pub fn expect_said(&mut self, text: &str) -> anyhow::Result<()> {
        let is_said = self.viewer.process.prints(text, LIMIT);
        ensure!(is_said, "not said: {text}\n{}", self.said());
        Ok(())
    }

    /// Waits for the client's end and returns its status.
    ///
    /// # Errors
    /// If it goes on, was killed, or has panicked.
    pub fn end(&mut self) -> anyhow::Result<i32> {
        let status = self.viewer.process.wait(LIMIT);
        let said = self.said();
        ensure!(!said.contains("panicked"), "{said}");
        let status = status.with_context(|| format!("the client goes on:\n{said}"))?;
        status.code().with_context(|| format!("{status}:\n{said}"))
    }

    /// Types until a key arrives at the server, pressed and released. What came before is forgotten.
    ///
    /// # Errors
    /// If none does.
    pub fn type_into(&mut self, server: &SpiceServer) -> anyhow::Result<()> {
        server.forget_arrivals();
        let is_done = |all: &[Arrival]| {
            let keys = keys(all);
            keys.contains(&(SCANCODE_A, true)) && held(&keys).is_empty()
        };
        self.type_until("key", || server.wait_for(INPUTS, AGAIN, is_done))
    }

    /// Types until `is_there`, which may wait for a moment.
    ///
    /// # Errors
    /// If it never is, or the client ends.
    pub fn type_until(
        &mut self,
        what: &str,
        mut is_there: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            self.user.tap(KEY_A)?;
            if is_there() {
                return Ok(());
            }
            let is_lost = self.viewer.process.has_ended() || Instant::now() > until;
            ensure!(!is_lost, "no {what} arrives:\n{}", self.said());
        }
    }

    /// Nobody manages windows here, so nobody gives them the keyboard.
    fn focus(&mut self) -> anyhow::Result<()> {
        let mut found = None;
        testkit::wait_until(LIMIT, || {
            found = self.window().ok().flatten();
            found.is_some() || self.viewer.process.has_ended()
        });
        let window = found.with_context(|| format!("no window:\n{}", self.said()))?;
        let focus = self.user.connection().set_input_focus(
            InputFocus::PARENT,
            window,
            x11rb::CURRENT_TIME,
        )?;
        focus.check()?;
        Ok(())
    }

    /// The client's window, once it is to be seen.
    fn window(&self) -> anyhow::Result<Option<Window>> {
        let connection = self.user.connection();
        for window in connection.query_tree(self.user.root())?.reply()?.children {
            let state = connection.get_window_attributes(window)?.reply()?.map_state;
            let geometry = connection.get_geometry(window)?.reply()?;
            if state == MapState::VIEWABLE && geometry.width > 100 {
                return Ok(Some(window));
            }
        }
        Ok(None)
    }
}

/// The keys among what arrived on INPUTS: scancode, and whether it was pressed.
#[must_use]
pub fn keys(arrivals: &[Arrival]) -> Vec<(u8, bool)> {
    let keys = arrivals
        .iter()
        .filter(|a| a.channel == INPUTS && matches!(a.kind, 101 | 102));
    keys.filter_map(|a| Some((a.payload.first()? & 0x7f, a.kind == 101)))
        .collect()
}

/// The keys that are still down after all that.
#[must_use]
pub fn held(keys: &[(u8, bool)]) -> Vec<u8> {
    let mut held = Vec::new();
    for &(key, is_pressed) in keys {
        held.retain(|known| *known != key);
        if is_pressed {
            held.push(key);
        }
    }
    held
}

/// What QEMU notes of the keys that reach it.
pub struct KeyTrace {
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl KeyTrace {
    /// A place for the notes.
    ///
    /// # Errors
    /// If there is none.
    pub fn create() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self {
            file: folder.path().join("trace"),
            _folder: folder,
        })
    }

    /// What makes QEMU take notes. A machine that is started anew begins afresh.
    #[must_use]
    pub fn arguments(&self) -> String {
        format!("-D {} -trace input_event_key_qcode", self.file.display())
    }

    /// The keys by QEMU's name, and whether they were pressed.
    #[must_use]
    pub fn keys(&self) -> Vec<(String, bool)> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let keys = text.lines().filter_map(|line| {
            let (key, is_down) = line.split_once("key qcode ")?.1.split_once(", down ")?;
            Some((key.to_owned(), is_down.trim() == "1"))
        });
        keys.collect()
    }

    /// Tells whether the key A was pressed so often at least, and every key is up.
    #[must_use]
    pub fn has_typed(&self, times: usize) -> bool {
        let last: HashMap<_, _> = self.keys().into_iter().collect();
        self.presses() >= times && last.values().all(|is_down| !is_down)
    }

    /// How often the key A was pressed.
    #[must_use]
    pub fn presses(&self) -> usize {
        let keys = self.keys().into_iter();
        keys.filter(|(key, is_down)| *is_down && key == "a").count()
    }
}
