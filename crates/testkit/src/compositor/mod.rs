//! Private Wayland compositors without a screen.

mod sway;
mod weston;

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::process::Process;

pub use sway::Sway;
pub use weston::Weston;

/// A running compositor in a runtime folder of its own, which programs reach through its socket.
struct Instance {
    // Ends before its folder goes.
    process: Process,
    folder: tempfile::TempDir,
    socket: PathBuf,
}

impl Instance {
    /// Starts a compositor and waits until it answers.
    fn start(mut command: Command, folder: tempfile::TempDir) -> anyhow::Result<Self> {
        command.env("XDG_RUNTIME_DIR", folder.path());
        command.env_remove("WAYLAND_DISPLAY");
        let mut process = Process::start(&mut command)?;
        let mut socket = None;
        crate::wait_until(Duration::from_secs(20), || {
            socket = ["wayland-test", "wayland-0", "wayland-1"]
                .iter()
                .map(|name| folder.path().join(name))
                .find(|path| UnixStream::connect(path).is_ok());
            socket.is_some() || process.has_ended()
        });
        match socket {
            Some(socket) if !process.has_ended() => Ok(Self {
                process,
                folder,
                socket,
            }),
            _ => bail!("{command:?} did not come up: {}", process.output()),
        }
    }

    /// Points a program at this compositor.
    fn use_for(&self, command: &mut Command) {
        command
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("WAYLAND_DISPLAY", &self.socket)
            .env_remove("DISPLAY");
    }
}
