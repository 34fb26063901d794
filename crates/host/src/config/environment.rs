//! What the configuration depends on outside the arguments: the user and the file.

use std::path::PathBuf;

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
        let variable = self.home_variable.as_deref();
        let home = options::account::home(&self.system_root, self.uid, variable)?;
        Some(home.join("looking-glass-host.ini"))
    }

    /// The shared memory to open if nobody says otherwise.
    #[must_use]
    pub fn default_memory(&self) -> &'static str {
        ivshmem::Source::usual_name(&self.system_root)
    }
}
