//! A private Wayland compositor without a screen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::process::Process;

/// A headless weston.
pub struct Weston {
    process: Process,
    folder: tempfile::TempDir,
}

impl Weston {
    /// Starts one with an output of that size; drawn by the CPU (pixman), or by GL so that EGL clients get hardware
    /// buffers where there are any. Skips loudly (`None`) if there is no weston.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(width: u32, height: u32) -> anyhow::Result<Option<Self>> {
        if !crate::has_program("weston", "Wayland compositor") {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("weston");
        command.args([
            "--backend=headless-backend.so",
            "--use-pixman",
            "--socket=wayland-test",
        ]);
        command.args(["--no-config", "--idle-time=0", "--debug"]);
        command.args([format!("--width={width}"), format!("--height={height}")]);
        command.env("XDG_RUNTIME_DIR", folder.path());
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        let mut process = Process::start(&mut command)?;
        let socket = folder.path().join("wayland-test");
        let is_up = crate::wait_until(Duration::from_secs(20), || {
            socket.exists() || process.has_ended()
        });
        if !is_up || process.has_ended() {
            bail!("weston did not come up: {}", process.output());
        }
        Ok(Some(Self { process, folder }))
    }

    /// Points a program at this compositor.
    pub fn use_for(&self, command: &mut Command) {
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        command
            .env("WAYLAND_DISPLAY", "wayland-test")
            .env_remove("DISPLAY");
    }

    /// Its socket, for tests that speak Wayland themselves.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("wayland-test")
    }

    /// The compositor's process, to kill or stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Saves the output as a PNG and returns its path, inside a folder that lives as long as the compositor.
    ///
    /// # Errors
    /// If weston-screenshooter fails.
    pub fn screenshot(&self) -> anyhow::Result<PathBuf> {
        // It writes wayland-screenshot-TIME.png into the current folder.
        let shots = tempfile::tempdir_in(self.folder.path())?.keep();
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
