//! Newer programs than this machine's Debian may have, unpacked into a folder of their own.
//!
//! The programs are run by the folder's own loader with the folder's libraries, so that neither root nor chroot(8) is
//! needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;

use crate::apt::{Apt, cached, run};

const SUITE: &str = "trixie";

/// Where the libraries of programs built here are looked for.
const LIBRARIES: &str = "/lib/x86_64-linux-gnu";

/// Packages that others depend on for drawing with a GPU, by the start of their names: the programs do not load them, and
/// they are most of the bytes.
const DRAWING: [&str; 6] = [
    "libllvm",
    "mesa-",
    "libgl1-mesa",
    "libegl-mesa",
    "libglx-mesa",
    "libz3-",
];

/// A folder with programs, kept between runs.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    loader: PathBuf,
    libraries: PathBuf,
}

impl Tree {
    /// Fetches packages and what they depend on into a folder called `name`, unless they are there from an earlier
    /// run. Skips loudly (`None`) if they cannot be fetched.
    ///
    /// # Errors
    /// If unpacking fails.
    pub fn get(name: &str, packages: &[&str]) -> anyhow::Result<Option<Self>> {
        Self::fetch(name, packages, &DRAWING)
    }

    /// Mesa and all that it needs, the C library too: for the guests of [`crate::guest`], which cannot have any of
    /// this machine's.
    ///
    /// # Errors
    /// If unpacking fails.
    pub fn mesa() -> anyhow::Result<Option<Self>> {
        // The second depends on the drivers.
        Self::fetch("mesa", &["libegl1", "libgles2", "libgl1-mesa-dri"], &[])
    }

    fn fetch(name: &str, packages: &[&str], unused: &[&str]) -> anyhow::Result<Option<Self>> {
        let what = format!("{} of Debian {SUITE}", packages.join(" and "));
        let fetched = cached(
            name,
            &what,
            |folder, deadline| fetch(folder, packages, unused, deadline),
            unpack,
        )?;
        fetched.map(Self::open).transpose()
    }

    fn open(root: PathBuf) -> anyhow::Result<Self> {
        let folders = ["usr/lib64", "usr/lib"].map(|folder| root.join(folder));
        let loader = folders.iter().find_map(|folder| entry(folder, "ld-linux"));
        let libraries = entry(&root.join("usr/lib"), "-linux-gnu");
        Ok(Self {
            loader: loader.with_context(|| format!("no loader in {}", root.display()))?,
            libraries: libraries.with_context(|| format!("no libraries in {}", root.display()))?,
            root,
        })
    }

    /// A command that runs one of its programs.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.loader);
        command
            .arg("--library-path")
            .arg(&self.libraries)
            .arg(self.root.join("usr/bin").join(program))
            .env("XKB_CONFIG_ROOT", self.root.join("usr/share/X11/xkb"));
        command
    }

    /// What [`crate::guest::GuestSpec::files`] has to hold for a guest to have all of it in place of this machine's
    /// libraries.
    #[must_use]
    pub fn files(&self) -> [(PathBuf, &'static str); 3] {
        let share = self.root.join("usr/share/glvnd");
        [
            (self.libraries.clone(), LIBRARIES),
            (self.loader.clone(), "/lib64/ld-linux-x86-64.so.2"),
            (share, "/usr/share/glvnd"),
        ]
    }
}

/// What lies in a folder with a name that holds `part`.
fn entry(folder: &Path, part: &str) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let entry = entries.find(|entry| entry.file_name().to_string_lossy().contains(part));
    entry.map(|entry| entry.path())
}

/// Downloads packages, and all that they depend on but the `unused`, into the folder `debs`.
fn fetch(
    folder: &Path,
    packages: &[&str],
    unused: &[&str],
    deadline: Instant,
) -> anyhow::Result<()> {
    let apt = Apt::new(folder, &[SUITE], deadline)?;
    let mut chosen = apt.plan(SUITE, packages)?;
    chosen.retain(|name| !unused.iter().any(|unused| name.starts_with(unused)));
    apt.download(SUITE, &chosen)
}

/// Unpacks all that was downloaded into the folder `tree`.
fn unpack(folder: &Path, deadline: Instant) -> anyhow::Result<()> {
    let tree = folder.join("tree");
    for package in std::fs::read_dir(folder.join("debs"))? {
        let mut command = Command::new("dpkg-deb");
        command.arg("-x").arg(package?.path()).arg(&tree);
        run(&mut command, deadline)?;
    }
    // Not needed, and most of the files.
    for unused in ["usr/share/doc", "usr/share/man", "usr/share/locale"] {
        let _ = std::fs::remove_dir_all(tree.join(unused));
    }
    Ok(())
}
