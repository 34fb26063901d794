//! Newer programs than this machine's Debian may have, unpacked into a folder of their own.
//!
//! The packages of Debian 13 come from the mirror of the machine's own apt sources, by an apt with sources, lists and
//! a list of installed packages (none) of its own: nothing on the machine changes. The programs are run by the
//! folder's own loader with the folder's libraries, so that neither root nor chroot(8) is needed.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::process::Process;

const SUITE: &str = "trixie";

/// How long fetching and unpacking may take in all.
const LIMIT: Duration = Duration::from_secs(120);

/// Packages that others depend on for drawing with a GPU, by the start of their names: nothing here loads them, and
/// they are most of the bytes.
const UNUSED: [&str; 6] = [
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
        let what = format!("{} of Debian {SUITE}", packages.join(" and "));
        for program in ["apt-get", "apt-config", "dpkg-deb"] {
            if !crate::has_program(program, &what) {
                return Ok(None);
            }
        }
        let user = rustix::process::geteuid().as_raw();
        let cache = std::env::temp_dir().join(format!("looking-glass-testkit-{name}-{user}"));
        std::fs::create_dir_all(&cache)?;
        // Programs are run from it: it must not be another user's.
        if cache.symlink_metadata()?.uid() != user {
            bail!("{} belongs to another user", cache.display());
        }
        let deadline = Instant::now() + LIMIT;
        let lock = File::create(cache.join("lock"))?;
        if !crate::wait_until(LIMIT, || lock.try_lock().is_ok()) {
            bail!("{} is locked by another test", cache.display());
        }
        let root = cache.join("tree");
        if !root.exists() {
            let partial = cache.join("partial");
            let _ = std::fs::remove_dir_all(&partial);
            std::fs::create_dir(&partial)?;
            let fetched = fetch(&partial, packages, deadline);
            if let Err(error) = fetched {
                crate::skip(&what, &format!("it cannot be fetched: {error:#}"));
                return Ok(None);
            }
            unpack(&partial, deadline)?;
            // Renamed when complete, so that an interrupted run leaves nothing half done.
            std::fs::rename(partial.join("tree"), &root)?;
            std::fs::remove_dir_all(&partial)?;
        }
        Self::open(root).map(Some)
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
}

/// What lies in a folder with a name that holds `part`.
fn entry(folder: &Path, part: &str) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let entry = entries.find(|entry| entry.file_name().to_string_lossy().contains(part));
    entry.map(|entry| entry.path())
}

/// Downloads packages, and all that they depend on and use, into the folder `debs`.
fn fetch(folder: &Path, packages: &[&str], deadline: Instant) -> anyhow::Result<()> {
    let debs = folder.join("debs");
    for path in [
        "debs",
        "none",
        "state/lists/partial",
        "cache/archives/partial",
    ] {
        std::fs::create_dir_all(folder.join(path))?;
    }
    std::fs::write(folder.join("status"), "")?;
    std::fs::write(folder.join("sources.list"), sources(&mirror()?))?;
    std::fs::write(folder.join("apt.conf"), configuration(folder)?)?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", folder.join("apt.conf"));
        command.current_dir(&debs).args(arguments);
        command
    };
    run(&mut apt(&["-qq", "update"]), deadline)?;
    let plan = run(apt(&["-qq", "-s", "install"]).args(packages), deadline)?;
    let chosen = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .filter(|name| !UNUSED.iter().any(|unused| name.starts_with(unused)));
    run(apt(&["-qq", "download"]).args(chosen), deadline)?;
    Ok(())
}

/// The site that this machine's own packages come from.
fn mirror() -> anyhow::Result<String> {
    let format = ["--format", "$(SITE) $(COMPONENT) $(ORIGIN)"];
    let mut command = Command::new("apt-get");
    command.arg("indextargets").args(format);
    command.arg("Created-By: Packages");
    let targets = String::from_utf8(crate::process::run(&mut command)?)?;
    let mut sites = targets.lines().filter_map(|line| line.split(' ').next());
    let site = sites.find(|site| site.ends_with("/debian") || site.ends_with("/debian/"));
    Ok(site
        .context("apt's sources name no Debian mirror")?
        .to_owned())
}

fn sources(mirror: &str) -> String {
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let options = if Path::new(keyring).exists() {
        format!("[signed-by={keyring}] ")
    } else {
        String::new()
    };
    format!("deb {options}{mirror} {SUITE} main\n")
}

/// Keeps apt away from everything of the machine but the way to the network.
fn configuration(folder: &Path) -> anyhow::Result<String> {
    let at = |path: &str| folder.join(path).display().to_string();
    let network = crate::process::run(Command::new("apt-config").args(["dump", "Acquire"]))?;
    let mut text = String::from_utf8(network)?;
    for (name, value) in [
        ("Dir::Etc::parts", at("none")),
        ("Dir::Etc::main", "/dev/null".to_owned()),
        ("Dir::Etc::sourcelist", at("sources.list")),
        ("Dir::Etc::sourceparts", at("none")),
        ("Dir::Etc::preferences", "/dev/null".to_owned()),
        ("Dir::Etc::preferencesparts", at("none")),
        ("Dir::State", at("state")),
        ("Dir::State::status", at("status")),
        ("Dir::Cache", at("cache")),
        ("APT::Sandbox::User", "root".to_owned()),
        ("APT::Install-Recommends", "false".to_owned()),
        ("Acquire::Languages", "none".to_owned()),
        ("Acquire::http::Timeout", "20".to_owned()),
    ] {
        text += &format!("{name} \"{value}\";\n");
    }
    Ok(text)
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

/// Runs a program to its end, which must come before the deadline, and returns what it printed.
fn run(command: &mut Command, deadline: Instant) -> anyhow::Result<String> {
    let mut process = Process::start(command)?;
    let left = deadline.saturating_duration_since(Instant::now());
    let status = process.wait(left);
    let text = process.output();
    match status {
        Some(status) if status.success() => Ok(text),
        Some(status) => bail!("{command:?} ended with {status}: {text}"),
        None => bail!("{command:?} took too long: {text}"),
    }
}
