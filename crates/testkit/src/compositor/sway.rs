//! Headless sway, which has commands to look at and move windows.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use picture::png::RgbImage;

use super::Instance;
use crate::process::Process;
use crate::trixie::Tree;

/// The ordinary user that sway runs as when the tests are root's: it refuses to be root.
const USER: &str = "bed";

/// Where sway and the programs that talk to it come from.
enum Origin {
    /// This machine's own, run by a user.
    Machine(Option<&'static str>),
    /// A folder of newer ones.
    Newer(Tree),
}

/// A headless sway, drawn by the CPU, with one output called HEADLESS-1.
pub struct Sway {
    instance: Instance,
    origin: Origin,
}

impl Sway {
    /// Starts one with an output of that size and further lines of configuration. Skips loudly (`None`) if there is no
    /// sway, or not the user that it has to run as.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(width: u32, height: u32, configuration: &str) -> anyhow::Result<Option<Self>> {
        let what = "sway";
        if !(crate::has_program("sway", what) && crate::has_program("swaymsg", what)) {
            return Ok(None);
        }
        let user = rustix::process::geteuid().is_root().then_some(USER);
        if user.is_some() && !(crate::has_program("setpriv", what) && has_user(USER)) {
            crate::skip(
                what,
                &format!("it needs an ordinary user: useradd --create-home {USER}"),
            );
            return Ok(None);
        }
        Self::start_from(Origin::Machine(user), width, height, configuration).map(Some)
    }

    /// As [`Self::start`], but the sway of Debian 13 (1.10), whose outputs can have a fractional scale. Skips loudly
    /// (`None`) if it is not there and cannot be fetched.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_newer(
        width: u32,
        height: u32,
        configuration: &str,
    ) -> anyhow::Result<Option<Self>> {
        let Some(tree) = Tree::get("sway", &["sway", "grim"])? else {
            return Ok(None);
        };
        Self::start_from(Origin::Newer(tree), width, height, configuration).map(Some)
    }

    fn start_from(
        origin: Origin,
        width: u32,
        height: u32,
        configuration: &str,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        if let Origin::Machine(Some(user)) = origin {
            crate::process::run(Command::new("chown").arg(user).arg(folder.path()))?;
        }
        let file = folder.path().join("config");
        std::fs::write(
            &file,
            format!(
                "output HEADLESS-1 mode {width}x{height}@60Hz\noutput * bg #203040 solid_color\n\
                 xwayland disable\n{configuration}\n"
            ),
        )?;
        let mut command = origin.command("sway");
        command.arg("-c").arg(file);
        command.env("SWAYSOCK", ipc_socket(folder.path()));
        command
            .env("WLR_BACKENDS", "headless")
            .env("WLR_RENDERER", "pixman");
        command
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env("WLR_HEADLESS_OUTPUTS", "1");
        command.env_remove("DISPLAY");
        let sway = Self {
            instance: Instance::start(command, folder)?,
            origin,
        };
        let mut answer = Ok(String::new());
        crate::wait_until(Duration::from_secs(20), || {
            answer = sway.message(&["-t", "get_outputs"]);
            answer.is_ok()
        });
        answer.map(|_| sway)
    }

    /// Tells sway something and returns its answer.
    ///
    /// # Errors
    /// If it refuses.
    pub fn message(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.command("swaymsg");
        let output = crate::process::run(command.args(arguments))?;
        Ok(String::from_utf8(output)?)
    }

    /// A program, run by sway's user, that talks to sway.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.origin.command(program);
        self.instance.use_for(&mut command);
        command.env("SWAYSOCK", ipc_socket(self.instance.folder.path()));
        command.current_dir(self.instance.folder.path());
        command
    }

    /// Points a program of the tests' own user at this compositor.
    pub fn use_for(&self, command: &mut Command) {
        self.instance.use_for(command);
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.instance.socket.clone()
    }

    /// The compositor's process, to kill or stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.instance.process
    }

    /// What is on its output, in physical pixels.
    ///
    /// # Errors
    /// If grim fails.
    pub fn grab(&self) -> anyhow::Result<RgbImage> {
        let ppm = crate::process::run(self.command("grim").args(["-t", "ppm", "-"]))?;
        crate::ppm::parse(&ppm).context("a picture from grim")
    }
}

impl Origin {
    /// A command for sway, or one of its own programs.
    fn command(&self, program: &str) -> Command {
        match self {
            Self::Machine(user) => as_user(*user, program),
            Self::Newer(tree) => tree.command(program),
        }
    }
}

fn ipc_socket(folder: &Path) -> PathBuf {
    folder.join("sway-ipc")
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
    crate::process::run(Command::new("id").arg(name)).is_ok()
}
