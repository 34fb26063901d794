//! Debian kernels with what modules are built against.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::apt::{Apt, cached, run, tree};

/// Which kernel.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// A name for messages and for the folder.
    pub name: &'static str,
    /// The suites of Debian that have it and what it depends on; it comes from the last one.
    pub suites: &'static [&'static str],
    /// Fetch the kernel itself as well, not only what modules are built against.
    pub has_image: bool,
}

/// The kernel of Debian 12.
pub const BOOKWORM: Release = Release {
    name: "6.1",
    suites: &["bookworm"],
    has_image: true,
};

/// The newest kernel for Debian 12.
pub const BOOKWORM_BACKPORTS: Release = Release {
    name: "6.12",
    suites: &["bookworm", "bookworm-backports"],
    has_image: true,
};

/// The newest kernel for Debian 13. Its build programs may need a newer C library than this machine's.
pub const TRIXIE_BACKPORTS: Release = Release {
    name: "newest",
    suites: &["trixie", "trixie-backports"],
    has_image: false,
};

/// A kernel's files, kept between runs.
#[derive(Clone, Debug)]
pub struct KernelTree {
    root: PathBuf,
}

impl KernelTree {
    /// Fetches a kernel unless it is there from an earlier run. Skips loudly (`None`) if it cannot be fetched.
    ///
    /// # Errors
    /// If unpacking fails.
    pub fn get(release: &Release) -> anyhow::Result<Option<Self>> {
        let name = format!("linux-{}", release.name);
        let what = format!("Linux {} of Debian", release.name);
        let root = cached(
            &name,
            &what,
            |folder, deadline| fetch(folder, release, deadline),
            |folder, deadline| unpack(folder, &tree(&name), deadline),
        )?;
        Ok(root.map(|root| Self { root }))
    }

    /// The kernel, as QEMU boots it.
    ///
    /// # Errors
    /// If the release was fetched without.
    pub fn image(&self) -> anyhow::Result<PathBuf> {
        find(&self.root.join("boot"), "vmlinuz-")
    }

    /// The folder to give to make(1) as `-C`.
    ///
    /// # Errors
    /// If there is none.
    pub fn headers(&self) -> anyhow::Result<PathBuf> {
        find(&self.root.join("usr/src"), "-amd64")
    }

    /// The kernel's version, as uname(1) shows it.
    ///
    /// # Errors
    /// If it cannot be found out.
    pub fn version(&self) -> anyhow::Result<String> {
        let headers = self.headers()?;
        let name = headers.file_name().and_then(|name| name.to_str());
        let version = name.and_then(|name| name.strip_prefix("linux-headers-"));
        Ok(version.context("headers with a version")?.to_owned())
    }
}

/// Downloads the kernel and its headers, of one version.
fn fetch(folder: &Path, release: &Release, deadline: Instant) -> anyhow::Result<()> {
    let suite = release.suites.last().context("a suite")?;
    let apt = Apt::new(folder, release.suites, deadline)?;
    let mut wanted = vec!["linux-headers-amd64"];
    wanted.extend(release.has_image.then_some("linux-image-amd64"));
    let mut chosen = apt.plan(suite, &wanted)?;
    // They depend on compilers, and headers on the kernel.
    chosen.retain(|name| {
        let is_of = |start: &str| name.starts_with(start);
        let is_built_against = is_of("linux-headers-") || is_of("linux-kbuild-");
        let is_empty = wanted.contains(&name.as_str());
        !is_empty && (is_built_against || release.has_image && is_of("linux-image-"))
    });
    ensure!(!chosen.is_empty(), "apt knows no {}", wanted.join(", "));
    apt.download(suite, &chosen)
}

/// Unpacks all into the folder `tree`, which will be moved to `place`. Of the kernel only what is booted.
fn unpack(folder: &Path, place: &Path, deadline: Instant) -> anyhow::Result<()> {
    let tree = folder.join("tree");
    for package in std::fs::read_dir(folder.join("debs"))? {
        let package = package?;
        if package
            .file_name()
            .to_string_lossy()
            .starts_with("linux-image-")
        {
            let boot =
                "dpkg-deb --fsys-tarfile \"$0\" | tar -x -C \"$1\" --wildcards './boot/vmlinuz-*'";
            let mut command = Command::new("sh");
            command.args(["-c", boot]).arg(package.path()).arg(&tree);
            std::fs::create_dir_all(&tree)?;
            run(&mut command, deadline)?;
        } else {
            let mut command = Command::new("dpkg-deb");
            command.arg("-x").arg(package.path()).arg(&tree);
            run(&mut command, deadline)?;
        }
    }
    // The headers' Makefile names the place that they would be installed at.
    let makefile = find(&tree.join("usr/src"), "-amd64")?.join("Makefile");
    let text = std::fs::read_to_string(&makefile)?;
    let sources = place.join("usr/src").display().to_string();
    std::fs::write(&makefile, text.replace("/usr/src", &sources))?;
    Ok(())
}

/// What lies in a folder with a name that holds `part`.
fn find(folder: &Path, part: &str) -> anyhow::Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut entries = entries.filter_map(Result::ok);
    let entry = entries.find(|entry| entry.file_name().to_string_lossy().contains(part));
    let entry = entry.with_context(|| format!("no {part} in {}", folder.display()))?;
    Ok(entry.path())
}
