//! A small Linux for a virtual machine: a Debian kernel and a RAM disk made of this machine's own programs.
//!
//! Nothing is downloaded but the kernel's package. What it is to do is written in shell; [`crate::machine`] boots it.

mod kernel;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::run;
use kernel::Kernel;

/// What the guest runs first. `@MODULES@` is replaced by lines that load modules, `@X@` by those that start the X
/// server, and `@PROGRAMS@` by [`GuestSpec::script`].
const INIT: &str = include_str!("guest/init.sh");

/// Starts the X server.
const START_X: &str = include_str!("guest/x.sh");

/// What a guest is made of.
#[derive(Clone, Copy, Default)]
pub struct GuestSpec<'a> {
    /// Programs of this machine that are put into the guest's PATH, with their libraries.
    pub programs: &'a [&'a Path],
    /// Further files or folders of this machine, and where they are in the guest.
    pub files: &'a [(&'a Path, &'a str)],
    /// The kernel to boot instead of the newest of this machine's Debian; none of [`GuestSpec::modules`] fits it.
    pub kernel: Option<&'a Path>,
    /// Kernel modules that are loaded first; those kept of the kernel's package are listed in `guest/kernel.rs`.
    pub modules: &'a [&'a str],
    /// Start an X server (`DISPLAY=:0`, 800 × 600), and wait until it is up.
    pub has_x: bool,
    /// Shell lines that run at last.
    pub script: &'a str,
}

/// An initial RAM disk and a kernel, ready to boot any number of times.
pub struct GuestImage {
    folder: tempfile::TempDir,
    kernel: PathBuf,
}

impl GuestImage {
    /// Makes an image; `None`, loudly, if something that it needs is not on this machine.
    ///
    /// # Errors
    /// If making it fails.
    pub fn build(spec: &GuestSpec<'_>) -> anyhow::Result<Option<Self>> {
        let x_programs: &[&str] = if spec.has_x {
            &["Xvfb", "xkbcomp"]
        } else {
            &[]
        };
        let tools = [
            "qemu-system-x86_64",
            "busybox",
            "cpio",
            "apt-get",
            "dpkg",
            "modprobe",
        ];
        for program in tools.iter().chain(x_programs) {
            if !crate::has_program(program, "virtual machine") {
                return Ok(None);
            }
        }
        let kernel = match spec.kernel {
            Some(image) => Kernel::without_modules(image),
            None => match Kernel::fetch()? {
                Some(kernel) => kernel,
                None => return Ok(None),
            },
        };
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("root");
        let folders = ["bin", "proc", "sys", "dev", "run", "tmp", "etc", "var/log"];
        for path in folders.iter().chain(&["var/lib/xkb", "lib/modules"]) {
            std::fs::create_dir_all(root.join(path))?;
        }
        let busybox = crate::find_program("busybox").context("busybox")?;
        std::fs::copy(&busybox, root.join("bin/busybox"))?;
        std::os::unix::fs::symlink("busybox", root.join("bin/sh"))?;
        let init = INIT
            .replace("@MODULES@", &load_modules(&root, &kernel, spec.modules)?)
            .replace("@X@", if spec.has_x { START_X } else { "" })
            .replace("@PROGRAMS@", spec.script);
        std::fs::write(root.join("init"), init)?;
        run(Command::new("chmod").arg("755").arg(root.join("init")))?;
        for name in x_programs {
            install(
                &root,
                &crate::find_program(name).with_context(|| (*name).to_owned())?,
            )?;
        }
        for program in spec.programs {
            install(&root, program)?;
        }
        let xkb = (Path::new("/usr/share/X11/xkb"), "/usr/share/X11/xkb");
        for (from, to) in spec.files.iter().chain(spec.has_x.then_some(&xkb)) {
            copy(from, &root.join(to.trim_start_matches('/')))?;
        }
        let pack = "find . | cpio --quiet -o -H newc > ../initrd";
        run(Command::new("sh").args(["-c", pack]).current_dir(&root))?;
        std::fs::remove_dir_all(&root)?;
        Ok(Some(Self {
            kernel: kernel.image(),
            folder,
        }))
    }

    pub(crate) fn kernel(&self) -> &Path {
        &self.kernel
    }

    pub(crate) fn ram_disk(&self) -> PathBuf {
        self.folder.path().join("initrd")
    }
}

/// Puts modules into the RAM disk and returns the lines that load them.
fn load_modules(root: &Path, kernel: &Kernel, names: &[&str]) -> anyhow::Result<String> {
    let mut lines = String::new();
    for name in names {
        for file in kernel.module(name)? {
            let to = Path::new("lib/modules").join(file.file_name().context("a module's name")?);
            // Two may need the same third.
            if !root.join(&to).exists() {
                std::fs::copy(&file, root.join(&to))?;
                lines.push_str(&format!("insmod /{}\n", to.display()));
            }
        }
    }
    Ok(lines)
}

/// Copies a file, or a folder into one that may have others already. Links inside of it stay links.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    run(Command::new("cp").arg("-rHT").arg(from).arg(to)).map(drop)
}

/// Copies a program into the PATH below `root`, and the libraries that ldd(1) lists to their own places.
fn install(root: &Path, program: &Path) -> anyhow::Result<()> {
    let copy = |from: &Path, to: &Path| -> anyhow::Result<()> {
        let to = root.join(to.strip_prefix("/").unwrap_or(to));
        if !to.exists() {
            std::fs::create_dir_all(to.parent().context("a file has a folder")?)?;
            std::fs::copy(from, &to).with_context(|| format!("copying {}", from.display()))?;
        }
        Ok(())
    };
    // Not to its own place, which may be hidden by a mount in the guest.
    let name = program.file_name().context("a program has a name")?;
    copy(program, &Path::new("usr/bin").join(name))?;
    let libraries = Command::new("ldd")
        .arg(program)
        .output()
        .context("starting ldd")?;
    let libraries = String::from_utf8_lossy(&libraries.stdout).into_owned();
    let paths = libraries
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    paths.map(Path::new).try_for_each(|path| copy(path, path))
}
