//! What the configuration depends on outside the arguments: the user, the directories, the files.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

/// The machine and the user as the configuration sees them; tests make their own.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Where the system's files are; `/` but for tests.
    pub system_root: PathBuf,
    /// The user's number.
    pub uid: u32,
    /// The number whose rights the process has.
    pub effective_uid: u32,
    /// `$HOME`.
    pub home_variable: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `$XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
}

/// Directories of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    /// For `client.ini`, filter presets and window positions.
    pub config: Option<PathBuf>,
    /// For everything the client keeps.
    pub data: Option<PathBuf>,
}

impl Directories {
    /// Where the filter presets are, one ini file each.
    #[must_use]
    pub fn presets(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|config| config.join("presets"))
    }
}

/// Why a directory could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum DirectoryError {
    #[error("{} is not a directory; move it away", .0.display())]
    Taken(PathBuf),
    #[error("cannot create {}: {}", .0.display(), .1)]
    Io(PathBuf, #[source] io::Error),
}

impl Environment {
    /// Looks at the process that runs.
    #[must_use]
    pub fn of_this_process() -> Self {
        let path = |name| {
            std::env::var_os(name)
                .filter(|v: &OsString| !v.is_empty())
                .map(PathBuf::from)
        };
        Self {
            system_root: PathBuf::from("/"),
            uid: rustix::process::getuid().as_raw(),
            effective_uid: rustix::process::geteuid().as_raw(),
            home_variable: path("HOME"),
            config_home: path("XDG_CONFIG_HOME"),
            data_home: path("XDG_DATA_HOME"),
        }
    }

    /// Tells whether the process has rights that a program with a window should not have.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        self.uid == 0 || self.effective_uid != self.uid
    }

    /// The home of the account database, or `$HOME` for users that are not listed there.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        let variable = self.home_variable.as_deref();
        options::account::home(&self.system_root, self.uid, variable)
    }

    /// The ini files in order; later ones win.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let system = self.system_root.join("etc/looking-glass-client.ini");
        let home = self
            .home()
            .map(|home| home.join(".looking-glass-client.ini"));
        let own = self
            .directories()
            .config
            .map(|config| config.join("client.ini"));
        [Some(system), home, own].into_iter().flatten().collect()
    }

    /// The client's own directories; whether they exist or not.
    #[must_use]
    pub fn directories(&self) -> Directories {
        let place = |set: &Option<PathBuf>, usual: &str| {
            // The base directory specification wants relative paths ignored.
            let set = set.clone().filter(|path| path.is_absolute());
            let usual = || {
                self.home_variable
                    .clone()
                    .or_else(|| self.home())
                    .map(|home| home.join(usual))
            };
            Some(set.or_else(usual)?.join("looking-glass"))
        };
        Directories {
            config: place(&self.config_home, ".config"),
            data: place(&self.data_home, ".local/share"),
        }
    }

    /// The shared memory to open if nobody says otherwise.
    #[must_use]
    pub fn default_memory(&self) -> &'static str {
        ivshmem::Source::usual_name(&self.system_root)
    }
}

impl Directories {
    /// Creates what is missing, for the user alone.
    pub(super) fn create(&self) -> Result<(), DirectoryError> {
        for path in [&self.config, &self.data].into_iter().flatten() {
            if path.symlink_metadata().is_ok() && !path.is_dir() {
                return Err(DirectoryError::Taken(path.clone()));
            }
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|error| DirectoryError::Io(path.clone(), error))?;
        }
        Ok(())
    }
}
