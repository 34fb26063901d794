//! Window managers, of today and of long ago.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, WindowClass};
use x11rb::rust_connection::RustConnection;

use crate::process::Process;
use crate::x_input::XInput;

/// Windows where there is room, and the keys of the others: Alt with F4 closes, Alt with the right button resizes.
const TWM: &str = r#"TitleFont "fixed"
MenuFont "fixed"
IconFont "fixed"
ResizeFont "fixed"
IconManagerFont "fixed"
RandomPlacement
AutoRelativeResize
Button3 = m1 : window|title|frame : f.resize
"F4" = m1 : all : f.delete
"#;

const KEY_F4: u32 = 62;
const KEY_LEFTALT: u32 = 56;
const BTN_LEFT: u32 = 0x110;
const BTN_RIGHT: u32 = 0x111;

/// A program that manages windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowManager {
    /// Knows the EWMH and Motif's hints.
    Openbox,
    /// Knows the ICCCM only.
    Twm,
    /// Knows the ICCCM and, as their inventor, Motif's hints.
    Mwm,
}

/// A running window manager.
pub(crate) struct Running {
    _process: Process,
    /// The connection of the windows that it was tried with. The server would give their numbers to the next client, and
    /// the manager, which hears of their end late, would take that one's windows for them.
    _connection: RustConnection,
    _folder: tempfile::TempDir,
}

impl WindowManager {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Openbox, Self::Twm, Self::Mwm];

    const fn program(self) -> &'static str {
        match self {
            Self::Openbox => "openbox",
            Self::Twm => "twm",
            Self::Mwm => "mwm",
        }
    }

    fn command(self, folder: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(self.program());
        // No configuration of the user's.
        command.env("HOME", folder).env("LC_ALL", "C");
        if self == Self::Twm {
            let file = folder.join("twmrc");
            std::fs::write(&file, TWM)?;
            command.arg("-f").arg(file);
        }
        Ok(command)
    }

    /// Starts it and waits until it manages windows; `None`, loudly, if it is not installed.
    pub(crate) fn start(self, display: &str) -> anyhow::Result<Option<Running>> {
        let program = self.program();
        if !crate::has_program(program, "windows under a window manager") {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let process = Process::start(self.command(folder.path())?.env("DISPLAY", display))?;
        let (connection, screen) = RustConnection::connect(Some(display))?;
        let screen = connection.setup().roots.get(screen).context("a screen")?;
        let state = connection.intern_atom(false, b"WM_STATE")?.reply()?.atom;
        // It does not manage windows that are mapped while it starts: wait until it takes one.
        let mut is_managed = Ok(false);
        crate::wait_until(Duration::from_secs(20), || {
            is_managed = takes_a_window(&connection, screen.root, state);
            !matches!(is_managed, Ok(false))
        });
        if !is_managed? {
            bail!("{program} does not manage windows: {}", process.output());
        }
        Ok(Some(Running {
            _process: process,
            _connection: connection,
            _folder: folder,
        }))
    }

    /// Does what a user does to make a window larger or smaller: its content begins at `place` and has that size.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn drag_corner(
        self,
        user: &XInput,
        place: (i16, i16),
        size: (i16, i16),
        by: (i16, i16),
    ) -> anyhow::Result<()> {
        let corner = (place.0 + size.0, place.1 + size.1);
        // mwm has a frame to take hold of; the others know a key for it.
        let (at, button) = match self {
            Self::Mwm => ((corner.0 + 3, corner.1 + 3), BTN_LEFT),
            Self::Openbox | Self::Twm => ((corner.0 - 20, corner.1 - 20), BTN_RIGHT),
        };
        user.move_to(at.0, at.1)?;
        let with_key = button == BTN_RIGHT;
        if with_key {
            user.key(KEY_LEFTALT, true)?;
        }
        user.button(button, true)?;
        for step in 1..=10 {
            // As a hand does: managers look where the pointer has come to.
            std::thread::sleep(Duration::from_millis(20));
            user.move_to(at.0 + by.0 * step / 10, at.1 + by.1 * step / 10)?;
        }
        std::thread::sleep(Duration::from_millis(20));
        user.button(button, false)?;
        if with_key {
            user.key(KEY_LEFTALT, false)?;
        }
        Ok(())
    }

    /// Does what a user does to close the window at `place`.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn close(self, user: &XInput, place: (i16, i16)) -> anyhow::Result<()> {
        user.move_to(place.0, place.1)?;
        // A click gives the focus where the pointer alone does not.
        user.click(BTN_LEFT)?;
        std::thread::sleep(Duration::from_millis(100));
        user.key(KEY_LEFTALT, true)?;
        user.tap(KEY_F4)?;
        user.key(KEY_LEFTALT, false)
    }
}

/// Maps a window for a moment; tells whether a window manager has marked it as its own.
fn takes_a_window(connection: &RustConnection, root: u32, state: u32) -> anyhow::Result<bool> {
    let probe = connection.generate_id()?;
    let class = WindowClass::INPUT_OUTPUT;
    let aux = CreateWindowAux::new();
    connection.create_window(0, probe, root, 0, 0, 50, 50, 0, class, 0, &aux)?;
    connection.map_window(probe)?.check()?;
    std::thread::sleep(Duration::from_millis(100));
    let property = connection.get_property(false, probe, state, AtomEnum::ANY, 0, 1);
    let is_managed = property?.reply()?.value_len > 0;
    connection.destroy_window(probe)?.check()?;
    Ok(is_managed)
}
