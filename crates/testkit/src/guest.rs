//! A small Linux in a real virtual machine, with an X server and our host in it.
//!
//! QEMU without KVM, a Debian kernel taken from its package, and an initial RAM disk made of this machine's own
//! Xvfb, busybox and programs: nothing is downloaded but the kernel's package, and it boots in about six seconds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::process::Process;

/// What the guest runs first; `@PROGRAMS@` is replaced by the lines of [`GuestSpec::script`].
const INIT: &str = include_str!("guest/init.sh");

/// What a guest is made of.
pub struct GuestSpec<'a> {
    /// Programs of this machine that are put into the guest's PATH, with their libraries.
    pub programs: &'a [&'a Path],
    /// Shell lines that run when the X server (`DISPLAY=:0`, 800 × 600) is up.
    pub script: &'a str,
}

/// An initial RAM disk and a kernel, ready to boot any number of times.
pub struct GuestImage {
    folder: tempfile::TempDir,
    kernel: PathBuf,
}

/// A running virtual machine.
pub struct Guest {
    process: Process,
}

impl GuestImage {
    /// Makes an image; `None`, loudly, if something that it needs is not on this machine.
    ///
    /// # Errors
    /// If making it fails.
    pub fn build(spec: &GuestSpec<'_>) -> anyhow::Result<Option<Self>> {
        for program in [
            "qemu-system-x86_64",
            "busybox",
            "cpio",
            "Xvfb",
            "xkbcomp",
            "apt-get",
            "dpkg",
        ] {
            if !crate::has_program(program, "virtual machine") {
                return Ok(None);
            }
        }
        let Some(kernel) = kernel()? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("root");
        for path in ["bin", "proc", "sys", "dev", "tmp", "var/lib/xkb", "var/log"] {
            std::fs::create_dir_all(root.join(path))?;
        }
        let init = root.join("init");
        std::fs::write(&init, INIT.replace("@PROGRAMS@", spec.script))?;
        run(Command::new("chmod").arg("755").arg(&init))?;
        let busybox = crate::find_program("busybox").context("busybox")?;
        std::fs::copy(&busybox, root.join("bin/busybox"))?;
        std::os::unix::fs::symlink("busybox", root.join("bin/sh"))?;
        for name in ["Xvfb", "xkbcomp"] {
            install(
                &root,
                &crate::find_program(name).with_context(|| name.to_owned())?,
            )?;
        }
        for program in spec.programs {
            install(&root, program)?;
        }
        let xkb = root.join("usr/share/X11");
        std::fs::create_dir_all(&xkb)?;
        run(Command::new("cp")
            .args(["-rL", "/usr/share/X11/xkb"])
            .arg(&xkb))?;
        let pack = "find . | cpio --quiet -o -H newc > ../initrd";
        run(Command::new("sh").args(["-c", pack]).current_dir(&root))?;
        std::fs::remove_dir_all(&root)?;
        Ok(Some(Self { folder, kernel }))
    }

    /// Boots it with `shm` as its IVSHMEM device.
    ///
    /// # Errors
    /// If QEMU cannot be started.
    pub fn boot(&self, shm: &Path) -> anyhow::Result<Guest> {
        let mib = std::fs::metadata(shm)?.len() >> 20;
        let memory = format!(
            "memory-backend-file,id=lg,mem-path={},size={mib}M,share=on",
            shm.display()
        );
        let mut command = Command::new("qemu-system-x86_64");
        command.args([
            "-M",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-m",
            "512",
        ]);
        command.args([
            "-smp",
            "2",
            "-nographic",
            "-no-reboot",
            "-nodefaults",
            "-serial",
            "stdio",
        ]);
        command.arg("-kernel").arg(&self.kernel);
        command
            .arg("-initrd")
            .arg(self.folder.path().join("initrd"));
        command.args(["-append", "console=ttyS0 quiet panic=-1"]);
        command.args(["-object", &memory, "-device", "ivshmem-plain,memdev=lg"]);
        Ok(Guest {
            process: Process::start(&mut command)?,
        })
    }
}

impl Guest {
    /// The virtual machine's process; its output is the serial console.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until the console shows `text`.
    ///
    /// # Errors
    /// If it does not within `limit`; the console's text is in the error.
    pub fn expect(&mut self, text: &str, limit: Duration) -> anyhow::Result<()> {
        if !self.process.prints(text, limit) {
            bail!(
                "the guest did not print \"{text}\":\n{}",
                self.process.output()
            );
        }
        Ok(())
    }
}

/// The kernel of Debian's cloud package, unpacked into a folder that is kept between runs.
fn kernel() -> anyhow::Result<Option<PathBuf>> {
    let cache = std::env::temp_dir().join("looking-glass-testkit-kernel");
    let find = || {
        let entries = std::fs::read_dir(cache.join("boot")).ok()?;
        let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.find(|path| path.to_string_lossy().contains("/vmlinuz-"))
    };
    if let Some(kernel) = find() {
        return Ok(Some(kernel));
    }
    let depends = Command::new("apt-cache")
        .args(["depends", "linux-image-cloud-amd64"])
        .output()
        .context("starting apt-cache")?;
    let depends = String::from_utf8_lossy(&depends.stdout).into_owned();
    let package = depends
        .split_whitespace()
        .find(|word| word.starts_with("linux-image-6"));
    let Some(package) = package else {
        crate::skip(
            "virtual machine",
            "apt knows no linux-image-cloud-amd64 (apt-get update?)",
        );
        return Ok(None);
    };
    let download = tempfile::tempdir()?;
    let mut fetch = Command::new("apt-get");
    fetch
        .args(["-qq", "download", package])
        .current_dir(download.path());
    if let Err(error) = run(&mut fetch) {
        crate::skip("virtual machine", &format!("{error:#}"));
        return Ok(None);
    }
    // Unpacked beside and renamed, so that an interrupted run leaves nothing half done.
    let tree = download.path().join("tree");
    run(Command::new("sh")
        .arg("-c")
        .arg("dpkg -x *.deb tree")
        .current_dir(download.path()))?;
    std::fs::create_dir_all(cache.join("boot"))?;
    let entries = std::fs::read_dir(tree.join("boot"))?.filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("vmlinuz-"))
    {
        let partial = cache.join("partial");
        std::fs::copy(entry.path(), &partial)?;
        std::fs::rename(&partial, cache.join("boot").join(entry.file_name()))?;
    }
    Ok(find())
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

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
