//! Our own programs, as built by cargo beside the test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::machine::Machine;
use crate::process::Process;
use crate::spice_server::SpiceServer;

/// The path of one of our programs: in `LG_BIN_DIR`, else in the folder of the profile that the test was built with.
///
/// # Errors
/// If it has not been built (`cargo xtask test` builds it first).
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("LG_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            // target/PROFILE/deps/test-1234 → target/PROFILE
            let test = std::env::current_exe()?;
            let profile = test.parent().filter(|folder| folder.ends_with("deps"));
            let profile = profile.and_then(Path::parent).or(test.parent());
            profile.context("a test lies in a folder")?.to_owned()
        }
    };
    let program = folder.join(name);
    if !program.is_file() {
        bail!(
            "{} is not built: cargo build --workspace --bins",
            program.display()
        );
    }
    Ok(program)
}

/// A file to share memory by, removed when dropped.
pub struct SharedFile {
    path: PathBuf,
}

impl SharedFile {
    /// Makes a file of `mib` MiB in `/dev/shm`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(mib: u64) -> anyhow::Result<Self> {
        let named = tempfile::Builder::new()
            .prefix("looking-glass-test-")
            .tempfile_in("/dev/shm")?;
        named.as_file().set_len(mib << 20)?;
        let (_, path) = named.keep()?;
        Ok(Self { path })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The option that makes our programs use it.
    #[must_use]
    pub fn option(&self) -> String {
        format!("app:shmFile={}", self.path.display())
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A command for our host on that memory, with no display and no configuration of the user's.
///
/// # Errors
/// If it is not built.
pub fn host(shm: &SharedFile) -> anyhow::Result<Command> {
    let mut command = clean_command(&path("looking-glass-host")?);
    command.arg(shm.option());
    Ok(command)
}

/// A command for our client on that memory, without SPICE, display and configuration of the user's.
///
/// # Errors
/// If it is not built.
pub fn client(shm: &SharedFile) -> anyhow::Result<Command> {
    let mut command = clean_command(&path("looking-glass-client")?);
    command
        .arg(shm.option())
        .args(["spice:enable=no", "--allow-root"]);
    Ok(command)
}

/// A command for our client on a machine's own screen, keyboard and mouse, with no host application in the guest.
///
/// # Errors
/// If it is not built.
pub fn machine_client(machine: &Machine) -> anyhow::Result<Command> {
    let mut command = clean_command(&path("looking-glass-client")?);
    command
        .args(machine.spice_options())
        .args(["app:transport=spice", "--allow-root"]);
    Ok(command)
}

/// A command for our client on a SPICE server without a machine.
///
/// # Errors
/// If it is not built.
pub fn spice_client(server: &SpiceServer) -> anyhow::Result<Command> {
    let mut command = clean_command(&path("looking-glass-client")?);
    command
        .args(server.client_options())
        .args(["app:transport=spice", "--allow-root"]);
    Ok(command)
}

fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in [
        "DISPLAY",
        "PIPEWIRE_REMOTE",
        "PIPEWIRE_RUNTIME_DIR",
        "PULSE_SERVER",
        "WAYLAND_DISPLAY",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    ] {
        command.env_remove(name);
    }
    command
}

/// Takes a screenshot of the guest with a headless client.
///
/// # Errors
/// If the client fails; what it printed is in the error.
pub fn screenshot(shm: &SharedFile, file: &Path, limit: Duration) -> anyhow::Result<()> {
    let mut command = client(shm)?;
    command.args(["--headless", "--screenshot"]).arg(file);
    command.args(["--timeout", &limit.as_secs().max(1).to_string()]);
    let mut process = Process::start(&mut command)?;
    match process.wait(limit + Duration::from_secs(5)) {
        Some(status) if status.success() => Ok(()),
        status => bail!("the client ended with {status:?}:\n{}", process.output()),
    }
}
