//! An X server and a sway, each with a keyboard and a mouse.

use std::process::Command;

use anyhow::{Context as _, ensure};
use testkit::compositor::Sway;
use testkit::wayland_input::WaylandInput;
use testkit::x_input::XInput;
use testkit::x_server::XServer;

use super::{LIMIT, Pointer, Seat};
use crate::agent_guest::Kind;
use crate::machine_input::Button;

/// A bare X server. The window covers a part of the screen, and is twice as large as the text screen of a PC.
pub struct XSeat {
    server: XServer,
    /// What was copied.
    folder: tempfile::TempDir,
    user: XInput,
    /// The client's, while something else has the focus.
    window: Option<u32>,
}

/// Where the window is on the X screen.
const PLACE: (i16, i16) = (80, 50);
const X_WINDOW: (u32, u32) = (1440, 800);

impl XSeat {
    /// Starts one; `None`, loudly, if there is no Xvfb.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let Some(server) = XServer::start(1600, 900)? else {
            return Ok(None);
        };
        let user = XInput::connect(server.display())?;
        user.move_to(5, 5)?;
        Ok(Some(Self {
            server,
            folder: tempfile::tempdir()?,
            user,
            window: None,
        }))
    }

    fn xclip(&self, kind: Kind) -> Command {
        let mut command = Command::new("xclip");
        command.env("DISPLAY", self.server.display());
        command.args(["-selection", "clipboard", "-t", kind.target()]);
        command
    }
}

impl Seat for XSeat {
    fn window(&self) -> (u32, u32) {
        X_WINDOW
    }

    fn use_for(&self, command: &mut Command) {
        command.env("DISPLAY", self.server.display());
        command.arg(format!("win:size={}x{}", X_WINDOW.0, X_WINDOW.1));
        command.arg(format!("win:position={}x{}", PLACE.0, PLACE.1));
        command.arg("win:borderless=yes");
    }

    fn key(&mut self, code: u16, is_pressed: bool) -> anyhow::Result<()> {
        self.user.key(code.into(), is_pressed)
    }

    fn button(&mut self, button: Button, is_pressed: bool) -> anyhow::Result<()> {
        self.user.button(button as u32, is_pressed)
    }

    fn wheel(&mut self, detents: i32) -> anyhow::Result<()> {
        self.user.wheel(-detents)
    }

    fn push(&mut self, dx: i32, dy: i32) -> anyhow::Result<()> {
        self.user.move_by(i16::try_from(dx)?, i16::try_from(dy)?)
    }

    fn point(&mut self, x: u32, y: u32) -> anyhow::Result<()> {
        let (x, y) = (i16::try_from(x)?, i16::try_from(y)?);
        self.user.move_to(PLACE.0 + x, PLACE.1 + y)
    }

    fn focus(&mut self, is_windows: bool) -> anyhow::Result<()> {
        match (is_windows, self.window.take()) {
            (true, Some(window)) => self.user.set_focus(window),
            (true, None) => Ok(()),
            (false, _) => {
                self.window = Some(self.user.focus()?);
                self.user.set_focus(self.user.root())
            }
        }
    }

    fn pointer(&mut self) -> anyhow::Result<Pointer> {
        let (x, y) = self.user.pointer()?;
        let is_in = |at: i16, from: i16, len: u32| {
            u32::try_from(i32::from(at) - i32::from(from)).is_ok_and(|at| at < len)
        };
        let is_inside = is_in(x, PLACE.0, X_WINDOW.0) && is_in(y, PLACE.1, X_WINDOW.1);
        Ok(match is_inside {
            true => Pointer::Inside,
            false => Pointer::Outside,
        })
    }

    fn copier(&self, kind: Kind, data: &[u8]) -> anyhow::Result<Command> {
        let file = self.folder.path().join("copied");
        std::fs::write(&file, data)?;
        let mut command = self.xclip(kind);
        command.args(["-quiet", "-i"]).arg(file);
        Ok(command)
    }

    fn paster(&self, kind: Kind) -> Command {
        let mut command = self.xclip(kind);
        command.arg("-o");
        command
    }
}

/// A sway whose output is filled by the window, as large as the text screen of a PC.
pub struct SwaySeat {
    sway: Sway,
    user: WaylandInput,
}

const OUTPUT: (u32, u32) = (720, 400);

impl SwaySeat {
    /// Starts one; `None`, loudly, if there is no sway.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let configuration = "default_border none\nseat seat0 pointer_constraint enable";
        let Some(sway) = Sway::start(OUTPUT.0, OUTPUT.1, configuration)? else {
            return Ok(None);
        };
        // Before any window waits for the focus: without a keyboard there is none.
        let user = WaylandInput::connect(&sway.socket(), OUTPUT.0, OUTPUT.1)?;
        Ok(Some(Self { sway, user }))
    }
}

impl Seat for SwaySeat {
    fn window(&self) -> (u32, u32) {
        OUTPUT
    }

    fn use_for(&self, command: &mut Command) {
        self.sway.use_for(command);
    }

    fn key(&mut self, code: u16, is_pressed: bool) -> anyhow::Result<()> {
        self.user.key(code.into(), is_pressed)
    }

    fn button(&mut self, button: Button, is_pressed: bool) -> anyhow::Result<()> {
        self.user.button(button as u32, is_pressed)
    }

    fn wheel(&mut self, detents: i32) -> anyhow::Result<()> {
        self.user.wheel(-detents)
    }

    fn push(&mut self, dx: i32, dy: i32) -> anyhow::Result<()> {
        self.user.move_by(dx.into(), dy.into())
    }

    fn point(&mut self, x: u32, y: u32) -> anyhow::Result<()> {
        self.user.move_to(x, y)
    }

    fn focus(&mut self, is_windows: bool) -> anyhow::Result<()> {
        let workspace = if is_windows { "1" } else { "2" };
        self.sway.message(&["workspace", workspace])?;
        let mut answer = Ok(String::new());
        let is_there = testkit::wait_until(LIMIT, || {
            answer = self.sway.message(&["-t", "get_workspaces"]);
            answer
                .as_ref()
                .is_ok_and(|text| focused(text).as_deref() == Some(workspace))
        });
        ensure!(is_there, "workspace {workspace}: {answer:?}");
        Ok(())
    }

    fn pointer(&mut self) -> anyhow::Result<Pointer> {
        Ok(Pointer::Unknown)
    }

    fn copier(&self, kind: Kind, data: &[u8]) -> anyhow::Result<Command> {
        let script = format!("exec wl-copy --foreground --type '{}' <copied", kind.mime());
        let mut command = self.sway.command("sh");
        let folder = command.get_current_dir().context("a folder of sway's")?;
        std::fs::write(folder.join("copied"), data)?;
        command.args(["-c", &script]);
        Ok(command)
    }

    fn paster(&self, kind: Kind) -> Command {
        let mut command = self.sway.command("wl-paste");
        command.args(["--no-newline", "--type", kind.mime()]);
        command
    }
}

/// The name of the workspace that has the focus.
fn focused(workspaces: &str) -> Option<String> {
    let workspaces: serde_json::Value = serde_json::from_str(workspaces).ok()?;
    let focused = workspaces
        .as_array()?
        .iter()
        .find(|workspace| workspace["focused"] == true)?;
    focused["name"].as_str().map(str::to_owned)
}
