//! Virtual machines with our kernel module, on the newest kernel that Debian 12 has.

use std::path::Path;
use std::time::Duration;

use crate::guest::{GuestImage, GuestSpec};
use crate::kernel_tree::{BOOKWORM_BACKPORTS, KernelTree};
use crate::machine::{Hardware, Machine, Shell};
use crate::trixie::Tree;
use anyhow::{Context as _, ensure};

use crate::kernel_module;

/// TCG on two busy cores boots in 6 to 40 s.
const BOOT: Duration = Duration::from_secs(120);
/// Anything that has no work to do.
const COMMAND: Duration = Duration::from_secs(60);

/// Without AVX: the machine code that Mesa makes of our shader for half floats computes a wrong blue with that of QEMU 7.2,
/// unless its optimiser is off.
const CPU: &str = "max,-avx,-avx2,-f16c";

/// Makes programs find software GL without a window system, and each start the same.
const GL_ENVIRONMENT: &str = "export EGL_PLATFORM=surfaceless MESA_SHADER_CACHE_DISABLE=true";

/// What machines of one kind boot.
pub struct KvmfrImage {
    image: GuestImage,
    has_gl: bool,
}

impl KvmfrImage {
    /// Makes one with these programs in the PATH. `None`, loudly, where that is not possible.
    ///
    /// # Errors
    /// If it cannot be made, or the module cannot be built.
    pub fn small(programs: &[&Path]) -> anyhow::Result<Option<Self>> {
        Self::build(programs, None)
    }

    /// The same with a Mesa that imports DMA-BUFs into its software GL. That of Debian 12 does not, and its usual kernel
    /// has no `udmabuf`.
    ///
    /// There is no graphics card in it, not even the one that `vgem` pretends: Mesa would take that, and draw wrong.
    ///
    /// # Errors
    /// As [`KvmfrImage::small`].
    pub fn with_gl(programs: &[&Path]) -> anyhow::Result<Option<Self>> {
        match Tree::mesa()? {
            Some(mesa) => Self::build(programs, Some(&mesa)),
            None => Ok(None),
        }
    }

    fn build(programs: &[&Path], mesa: Option<&Tree>) -> anyhow::Result<Option<Self>> {
        let Some(kernel) = KernelTree::get(&BOOKWORM_BACKPORTS)? else {
            return Ok(None);
        };
        let folder = kernel_module::sources()?;
        let Some([module, _]) = kernel_module::build(&kernel, folder.path())? else {
            return Ok(None);
        };
        let libraries = mesa.map(Tree::files);
        let libraries = libraries.iter().flatten();
        let mut files: Vec<(&Path, &str)> = libraries.map(|(from, to)| (&**from, *to)).collect();
        files.push((&module, "/lib/kvmfr.ko"));
        let kernel = kernel.image()?;
        let spec = GuestSpec {
            programs,
            files: &files,
            kernel: Some(&kernel),
            ..GuestSpec::default()
        };
        let image = GuestImage::build(&spec)?;
        let has_gl = mesa.is_some();
        Ok(image.map(|image| Self { image, has_gl }))
    }

    /// Starts a machine whose IVSHMEM device has the memory `shm`, and does not wait for it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self, shm: &Path) -> anyhow::Result<Option<Starting>> {
        let hardware = Hardware {
            guest: Some(&self.image),
            shared_memory: Some(shm),
            arguments: &["-cpu", CPU, "-m", if self.has_gl { "1536" } else { "512" }],
            ..Hardware::default()
        };
        let has_gl = self.has_gl;
        let machine = Machine::start(&hardware)?;
        Ok(machine.map(|machine| Starting { machine, has_gl }))
    }
}

/// A machine that boots.
pub struct Starting {
    machine: Machine,
    has_gl: bool,
}

impl Starting {
    /// Waits for it and loads the module with these parameters.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn load(mut self, parameters: &str) -> anyhow::Result<KvmfrGuest> {
        let shell = self.machine.shell(BOOT)?;
        let mut guest = KvmfrGuest {
            machine: self.machine,
            shell,
        };
        if self.has_gl {
            guest.run(GL_ENVIRONMENT)?;
        }
        guest.run(&format!("insmod /lib/kvmfr.ko {parameters}"))?;
        Ok(guest)
    }
}

/// A machine that has loaded the module.
pub struct KvmfrGuest {
    machine: Machine,
    shell: Shell,
}

impl KvmfrGuest {
    /// Runs a line of shell that has not much to do, and returns what it printed.
    ///
    /// # Errors
    /// As [`KvmfrGuest::run_for`].
    pub fn run(&mut self, line: &str) -> anyhow::Result<String> {
        self.run_for(line, COMMAND)
    }

    /// Runs a line of shell and returns what it printed.
    ///
    /// # Errors
    /// If it fails or does not end within `limit`; the error holds what came over the console.
    pub fn run_for(&mut self, line: &str, limit: Duration) -> anyhow::Result<String> {
        let said = self.shell.run(&format!("{line} 2>&1"), limit);
        said.with_context(|| format!("the guest's console:\n{}", self.machine.console()))
    }

    /// Fetches a file; a hundred kilobytes are much.
    ///
    /// # Errors
    /// If there is none, or it does not come through.
    pub fn read(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        let text = self.run(&format!("xxd -p {path}"))?;
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let (pairs, rest) = digits.as_chunks::<2>();
        ensure!(rest.is_empty(), "{path}: half a byte");
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.with_context(|| format!("{path}: no bytes"))
    }

    /// What the kernel has said that is worth a look: warnings and worse.
    ///
    /// # Errors
    /// If the guest does not tell.
    pub fn kernel_complaints(&mut self) -> anyhow::Result<Vec<String>> {
        let bad = [
            "WARNING:",
            "BUG",
            "Oops",
            "Call Trace",
            "refcount",
            "hung task",
            "segfault",
        ];
        let said = self.run("dmesg")?;
        let lines = said
            .lines()
            .filter(|line| bad.iter().any(|word| line.contains(word)));
        Ok(lines.map(str::to_owned).collect())
    }
}
