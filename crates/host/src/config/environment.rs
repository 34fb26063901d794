//! What the configuration depends on outside the arguments: the user and the file.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// More than this is no configuration file.
const LARGEST_FILE: u64 = 1 << 20;

/// The machine and the user as the configuration sees them; tests make their own.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Where the system's files are; `/` but for tests.
    pub system_root: PathBuf,
    /// The user's number.
    pub uid: u32,
    /// `$HOME`.
    pub home_variable: Option<PathBuf>,
}

impl Environment {
    /// Looks at the process that runs.
    #[must_use]
    pub fn of_this_process() -> Self {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        Self {
            system_root: PathBuf::from("/"),
            uid: rustix::process::getuid().as_raw(),
            home_variable: home.map(PathBuf::from),
        }
    }

    /// The ini file in the home of the account database, or of `$HOME` for users not listed there.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let passwd = fs::read(self.system_root.join("etc/passwd")).unwrap_or_default();
        let passwd = String::from_utf8_lossy(&passwd);
        let listed = options::account::home_directory(&passwd, self.uid).map(PathBuf::from);
        let home = listed.or_else(|| self.home_variable.clone())?;
        Some(home.join("looking-glass-host.ini"))
    }

    /// The shared memory to open if nobody says otherwise.
    #[must_use]
    pub fn default_memory(&self) -> &'static str {
        if self.system_root.join("dev/kvmfr0").exists() {
            "/dev/kvmfr0"
        } else {
            "/dev/shm/looking-glass"
        }
    }
}

/// Reads the file; `None` if it is missing or no regular file.
pub(super) fn read_if_regular(path: &Path) -> Option<io::Result<Vec<u8>>> {
    let is_regular = path.metadata().is_ok_and(|metadata| metadata.is_file());
    is_regular.then(|| read(path))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(LARGEST_FILE + 1);
    file.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "too large for an ini file",
        ));
    }
    Ok(bytes)
}
