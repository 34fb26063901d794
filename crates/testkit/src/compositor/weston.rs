//! Weston, without a screen or in a window on an X server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use super::Instance;
use crate::process::Process;

/// A weston that draws with the CPU.
pub struct Weston {
    instance: Instance,
}

impl Weston {
    /// Starts one with an output of that size, which has no seat. Skips loudly (`None`) if there is no weston.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(width: u32, height: u32) -> anyhow::Result<Option<Self>> {
        let mut command = Command::new("weston");
        command.arg("--backend=headless-backend.so");
        command.env_remove("DISPLAY");
        Self::start_command(command, width, height)
    }

    /// Starts one in a window of that size on an X server, whose pointer and keyboard are its seat. Skips loudly
    /// (`None`) if there is no weston.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_on(x_display: &str, width: u32, height: u32) -> anyhow::Result<Option<Self>> {
        let mut command = Command::new("weston");
        command.arg("--backend=x11-backend.so");
        command.env("DISPLAY", x_display);
        Self::start_command(command, width, height)
    }

    fn start_command(
        mut command: Command,
        width: u32,
        height: u32,
    ) -> anyhow::Result<Option<Self>> {
        if !crate::has_program("weston", "Wayland compositor") {
            return Ok(None);
        }
        command.args(["--use-pixman", "--socket=wayland-test", "--no-config"]);
        // Only with --debug does it let others take screenshots.
        command.args(["--idle-time=0", "--debug"]);
        command.args([format!("--width={width}"), format!("--height={height}")]);
        let instance = Instance::start(command, tempfile::tempdir()?)?;
        Ok(Some(Self { instance }))
    }

    /// Points a program at this compositor.
    pub fn use_for(&self, command: &mut Command) {
        self.instance.use_for(command);
    }

    /// Its socket, for tests that speak Wayland themselves.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.instance.socket.clone()
    }

    /// The compositor's process, to kill or stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.instance.process
    }

    /// Saves the output as a PNG and returns its path, inside a folder that lives as long as the compositor.
    ///
    /// # Errors
    /// If weston-screenshooter fails.
    pub fn screenshot(&self) -> anyhow::Result<PathBuf> {
        // It writes wayland-screenshot-TIME.png into the current folder.
        let shots = tempfile::tempdir_in(self.instance.folder.path())?.keep();
        let mut command = Command::new("weston-screenshooter");
        self.use_for(command.current_dir(&shots));
        let mut process = Process::start(&mut command)?;
        let status = process.wait(Duration::from_secs(20));
        let png = std::fs::read_dir(&shots)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| is_png(path));
        match png {
            Some(path) => Ok(path),
            None => bail!("weston-screenshooter ({status:?}): {}", process.output()),
        }
    }
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "png")
}
