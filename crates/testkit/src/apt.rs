//! Packages of other Debian releases than this machine's, unpacked into folders of their own that are kept between runs.
//!
//! They come from the mirror of the machine's own apt sources, by an apt with sources, lists and a list of installed
//! packages (none) of its own: nothing on the machine changes.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::process::Process;

/// How long fetching and unpacking may take in all.
const LIMIT: Duration = Duration::from_secs(120);

/// A folder called `name` that `unpack` fills with what `fetch` downloads, unless it is there from an earlier run.
///
/// `fetch` gets a folder for its files, `unpack` the same one, in which it leaves a folder `tree`. Skips loudly (`None`) if
/// fetching fails.
///
/// # Errors
/// If unpacking fails.
pub(crate) fn cached(
    name: &str,
    what: &str,
    fetch: impl FnOnce(&Path, Instant) -> anyhow::Result<()>,
    unpack: impl FnOnce(&Path, Instant) -> anyhow::Result<()>,
) -> anyhow::Result<Option<PathBuf>> {
    for program in ["apt-get", "apt-config", "dpkg-deb"] {
        if !crate::has_program(program, what) {
            return Ok(None);
        }
    }
    let cache = folder(name);
    std::fs::create_dir_all(&cache)?;
    // Programs are run from it: it must not be another user's.
    if cache.symlink_metadata()?.uid() != rustix::process::geteuid().as_raw() {
        bail!("{} belongs to another user", cache.display());
    }
    let deadline = Instant::now() + LIMIT;
    let lock = File::create(cache.join("lock"))?;
    if !crate::wait_until(LIMIT, || lock.try_lock().is_ok()) {
        bail!("{} is locked by another test", cache.display());
    }
    let root = tree(name);
    if !root.exists() {
        let partial = cache.join("partial");
        let _ = std::fs::remove_dir_all(&partial);
        std::fs::create_dir(&partial)?;
        if let Err(error) = fetch(&partial, deadline) {
            crate::skip(what, &format!("it cannot be fetched: {error:#}"));
            return Ok(None);
        }
        unpack(&partial, deadline)?;
        // Renamed when complete, so that an interrupted run leaves nothing half done.
        std::fs::rename(partial.join("tree"), &root)?;
        std::fs::remove_dir_all(&partial)?;
    }
    Ok(Some(root))
}

fn folder(name: &str) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    std::env::temp_dir().join(format!("looking-glass-testkit-{name}-{user}"))
}

/// Where [`cached`] puts the tree of that name.
pub(crate) fn tree(name: &str) -> PathBuf {
    folder(name).join("tree")
}

/// An apt of its own.
pub(crate) struct Apt<'a> {
    folder: &'a Path,
    deadline: Instant,
}

impl<'a> Apt<'a> {
    /// Reads the lists of these suites of Debian.
    pub(crate) fn new(
        folder: &'a Path,
        suites: &[&str],
        deadline: Instant,
    ) -> anyhow::Result<Self> {
        for path in [
            "debs",
            "none",
            "state/lists/partial",
            "cache/archives/partial",
        ] {
            std::fs::create_dir_all(folder.join(path))?;
        }
        std::fs::write(folder.join("status"), "")?;
        std::fs::write(folder.join("sources.list"), sources(&mirror()?, suites))?;
        std::fs::write(folder.join("apt.conf"), configuration(folder)?)?;
        let apt = Self { folder, deadline };
        apt.run(&["update"])?;
        Ok(apt)
    }

    /// These packages and all that they depend on, none of which is taken to be installed.
    pub(crate) fn plan(&self, suite: &str, packages: &[&str]) -> anyhow::Result<Vec<String>> {
        let arguments = [&["-s", "-t", suite, "install"], packages].concat();
        let plan = self.run(&arguments)?;
        let names = plan.lines().filter_map(|line| {
            let mut words = line.strip_prefix("Inst ")?.split_whitespace();
            words.next().map(str::to_owned)
        });
        Ok(names.collect())
    }

    /// Downloads packages into the folder `debs`.
    pub(crate) fn download(&self, suite: &str, names: &[String]) -> anyhow::Result<()> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.run(&[&["-t", suite, "download"], names.as_slice()].concat())
            .map(drop)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        command.current_dir(self.folder.join("debs")).arg("-qq");
        run(command.args(arguments), self.deadline)
    }
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

fn sources(mirror: &str, suites: &[&str]) -> String {
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let options = if Path::new(keyring).exists() {
        format!("[signed-by={keyring}] ")
    } else {
        String::new()
    };
    let line = |suite: &&str| format!("deb {options}{mirror} {suite} main\n");
    suites.iter().map(line).collect()
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

/// Runs a program to its end, which must come before the deadline, and returns what it printed.
pub(crate) fn run(command: &mut Command, deadline: Instant) -> anyhow::Result<String> {
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
