//! Headless weston and sway.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use picture::Size;
use tempfile::TempDir;

use super::{Process, Shot, answers, has_program, is_root, wait_for};

/// The ordinary user that runs what refuses to run as root.
const USER: &str = "bed";

/// A running compositor with one output of 1280 by 720.
pub(crate) struct Compositor {
    process: Process,
    folder: TempDir,
    /// The socket, as a path.
    pub(crate) socket: PathBuf,
    user: Option<&'static str>,
}

impl Compositor {
    /// Starts weston; `None` (and a loud note) if it is not installed. It has no seat.
    pub(crate) fn weston(test: &str) -> Option<Self> {
        if !has_program("weston", test) {
            return None;
        }
        let folder = runtime_folder(None);
        let mut command = Command::new("weston");
        command
            .args(["--backend=headless-backend.so", "--use-pixman", "--debug"])
            .args(["--width=1280", "--height=720", "--idle-time=0"])
            .arg("--socket=wayland-lg")
            .env("XDG_RUNTIME_DIR", folder.path());
        Some(Self::start(command, folder, None, None))
    }

    /// Starts weston in a window on an X server, which feeds its seat; `None` (and a loud note) if it is not installed.
    pub(crate) fn nested_weston(test: &str, x_display: &str) -> Option<Self> {
        if !has_program("weston", test) {
            return None;
        }
        let folder = runtime_folder(None);
        let mut command = Command::new("weston");
        command
            .args(["--backend=x11-backend.so", "--use-pixman", "--idle-time=0"])
            .args(["--width=1280", "--height=720", "--socket=wayland-lg"])
            .env("XDG_RUNTIME_DIR", folder.path());
        Some(Self::start(command, folder, None, Some(x_display)))
    }

    /// Starts sway; `None` (and a loud note) if it, or the user it has to run as, is not there.
    pub(crate) fn sway(test: &str) -> Option<Self> {
        if !has_program("sway", test) || !has_program("swaymsg", test) {
            return None;
        }
        let user = is_root().then_some(USER);
        if user.is_some() && !(has_program("setpriv", test) && has_user(USER)) {
            eprintln!("SKIPPED: {test}: sway needs an ordinary user: useradd -m {USER}");
            return None;
        }
        let folder = runtime_folder(user);
        let config = folder.path().join("config");
        let text = "output HEADLESS-1 mode 1280x720@60Hz\noutput * bg #203040 solid_color\n\
                    xwayland disable\ndefault_border none\nfor_window [app_id=.*] floating enable\n";
        std::fs::write(&config, text).expect("a config");
        let mut command = as_user(user, "sway");
        command
            .arg("-c")
            .arg(&config)
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("SWAYSOCK", folder.path().join("sway-ipc"))
            .env("WLR_BACKENDS", "headless")
            .env("WLR_RENDERER", "pixman")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env("WLR_HEADLESS_OUTPUTS", "1");
        let this = Self::start(command, folder, user, None);
        wait_for("sway's output", || this.try_swaymsg(&["-t", "get_outputs"]));
        Some(this)
    }

    fn start(
        mut command: Command,
        folder: TempDir,
        user: Option<&'static str>,
        x_display: Option<&str>,
    ) -> Self {
        command.env_remove("WAYLAND_DISPLAY").env_remove("DISPLAY");
        if let Some(x_display) = x_display {
            command.env("DISPLAY", x_display);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process::start(&mut command);
        let socket = wait_for("the compositor", || {
            ["wayland-lg", "wayland-0", "wayland-1"]
                .iter()
                .map(|name| folder.path().join(name))
                .find(|path| answers(path))
        });
        Self {
            process,
            folder,
            socket,
            user,
        }
    }

    pub(crate) fn display(&self) -> String {
        self.socket.to_string_lossy().into_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Tells sway something.
    pub(crate) fn swaymsg(&self, arguments: &[&str]) -> String {
        let answer = self.try_swaymsg(arguments);
        answer.unwrap_or_else(|| panic!("swaymsg {arguments:?}"))
    }

    fn try_swaymsg(&self, arguments: &[&str]) -> Option<String> {
        let output = as_user(self.user, "swaymsg")
            .env("SWAYSOCK", self.folder.path().join("sway-ipc"))
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then_some(text)
    }

    /// A program that talks to this compositor.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = as_user(self.user, program);
        command
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("WAYLAND_DISPLAY", &self.socket)
            .current_dir(self.folder.path());
        command
    }

    /// Puts sway's window in the middle, where all of it is on the output.
    pub(crate) fn centre(&self) {
        self.swaymsg(&["[app_id=lg-test] move position center"]);
    }

    /// A picture of sway's output.
    pub(crate) fn grim(&self) -> Shot {
        let output = self.client("grim").args(["-t", "ppm", "-"]).output();
        let output = output.expect("grim runs");
        Shot::from_ppm(&output.stdout).expect("a picture")
    }
}

/// A folder that only its user may enter.
fn runtime_folder(user: Option<&str>) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let permissions = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder.path(), permissions).expect("permissions");
    if let Some(user) = user {
        let mut chown = Command::new("chown");
        let done = chown.arg(user).arg(folder.path()).status();
        assert!(done.is_ok_and(|s| s.success()), "chown {user}");
    }
    folder
}

/// A command to be run by a user, or by the current one.
fn as_user(user: Option<&str>, program: &str) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={user}"))
        .args(["--init-groups", program])
        .env("HOME", format!("/home/{user}"));
    command
}

fn has_user(name: &str) -> bool {
    let mut id = Command::new("id");
    let done = id
        .arg(name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|s| s.success())
}

/// The size of the output.
pub(crate) const SCREEN: Size = Size::new(1280, 720);
