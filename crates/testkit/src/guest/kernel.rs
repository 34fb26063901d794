//! Debian's kernel and some of its modules, unpacked into a folder that is kept between runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::run;

/// The package that depends on the newest one. The cloud kernel, which is smaller, lacks uinput.
const PACKAGE: &str = "linux-image-amd64";

/// What the tests' guests may load; what these depend on comes with them. Those built into the kernel count as well.
const MODULES: &[&str] = &[
    "evdev",
    "snd_hda_codec_generic",
    "snd_hda_intel",
    "uinput",
    "virtio_console",
    "virtio_input",
    "virtio_pci",
];

/// A kernel and modules for it.
pub(super) struct Kernel {
    folder: PathBuf,
    image: PathBuf,
}

impl Kernel {
    /// Fetches it unless that was done before. `None`, loudly, if it cannot be had.
    pub(super) fn fetch() -> anyhow::Result<Option<Self>> {
        let folder = std::env::temp_dir().join("looking-glass-testkit-kernel-3");
        if !folder.is_dir() {
            let Some(package) = package()? else {
                crate::skip(
                    "virtual machine",
                    &format!("apt knows no {PACKAGE} (apt-get update?)"),
                );
                return Ok(None);
            };
            // Unpacked beside and renamed, so that an interrupted run leaves nothing half done.
            let download = tempfile::tempdir()?;
            let mut fetch = Command::new("apt-get");
            fetch
                .args(["-qq", "download", &package])
                .current_dir(download.path());
            if let Err(error) = run(&mut fetch) {
                crate::skip("virtual machine", &format!("{error:#}"));
                return Ok(None);
            }
            let made = unpack(download.path())?;
            // Somebody else may have been faster.
            if let Err(error) = std::fs::rename(&made, &folder)
                && !folder.is_dir()
            {
                return Err(error).with_context(|| format!("making {}", folder.display()));
            }
        }
        Ok(Some(Self {
            image: folder.join("vmlinuz"),
            folder,
        }))
    }

    /// A kernel of the test's own.
    pub(super) fn without_modules(image: &Path) -> Self {
        Self {
            image: image.to_owned(),
            folder: PathBuf::new(),
        }
    }

    /// What QEMU boots.
    pub(super) fn image(&self) -> PathBuf {
        self.image.clone()
    }

    /// The files of that module and of all that it needs, in the order of loading; none if it is built in.
    pub(super) fn module(&self, name: &str) -> anyhow::Result<Vec<PathBuf>> {
        let list = self.folder.join("modules").join(format!("{name}.list"));
        let list = std::fs::read_to_string(&list)
            .with_context(|| format!("the test kernel's module {name} is not among those kept"))?;
        let file = |line: &str| self.folder.join("modules").join(line);
        Ok(list.lines().map(file).collect())
    }
}

/// The package of the newest kernel.
fn package() -> anyhow::Result<Option<String>> {
    let depends = Command::new("apt-cache")
        .args(["depends", PACKAGE])
        .output()
        .context("starting apt-cache")?;
    let depends = String::from_utf8_lossy(&depends.stdout).into_owned();
    let mut words = depends.split_whitespace();
    Ok(words
        .find(|word| word.starts_with("linux-image-6"))
        .map(str::to_owned))
}

/// Takes the kernel and [`MODULES`] out of the package in `folder`; returns the folder that holds them.
fn unpack(folder: &Path) -> anyhow::Result<PathBuf> {
    run(Command::new("sh")
        .args(["-c", "dpkg -x *.deb tree"])
        .current_dir(folder))?;
    let tree = folder.join("tree");
    let version = only_entry(&tree.join("lib/modules"))?;
    let version = version.file_name().context("a version")?.to_owned();
    let made = folder.join("made");
    let modules = made.join("modules");
    std::fs::create_dir_all(&modules)?;
    let mut image = std::ffi::OsString::from("vmlinuz-");
    image.push(&version);
    std::fs::copy(tree.join("boot").join(image), made.join("vmlinuz"))?;
    run(Command::new("depmod").arg("-b").arg(&tree).arg(&version))?;
    for name in MODULES {
        // The plan for a kernel that runs nothing yet: everything the module needs, it last.
        let plan = run(Command::new("modprobe")
            .args([
                "--show-depends",
                "--ignore-install",
                "-C",
                "/dev/null",
                "-d",
            ])
            .arg(&tree)
            .arg("-S")
            .arg(&version)
            .arg(name))?;
        let plan = String::from_utf8(plan)?;
        let mut list = String::new();
        for path in plan.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let path = Path::new(path.trim());
            let file = path.file_name().context("a module is a file")?;
            std::fs::copy(path, modules.join(file))?;
            list.push_str(&file.to_string_lossy());
            list.push('\n');
        }
        std::fs::write(modules.join(format!("{name}.list")), list)?;
    }
    Ok(made)
}

fn only_entry(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut entries = std::fs::read_dir(folder)?;
    Ok(entries.next().context("an empty folder")??.path())
}
