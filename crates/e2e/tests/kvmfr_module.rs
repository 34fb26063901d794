//! The kernel module in `module/`: built against Debian's kernels, and loaded in a virtual machine of each.
//!
//! What is tried in the machine is in `src/bin/lg-kvmfr-check`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ivshmem::{SharedMemory, Source};
use testkit::guest::{GuestImage, GuestSpec};
use testkit::kernel_module::{build, repository, sources};
use testkit::kernel_tree::{BOOKWORM, BOOKWORM_BACKPORTS, KernelTree, TRIXIE_BACKPORTS};
use testkit::machine::{Hardware, Machine, Shell};
use testkit::programs::{self, SharedFile};

/// TCG on two busy cores boots in 6 to 30 s.
const BOOT: Duration = Duration::from_secs(120);
/// One command in the guest.
const COMMAND: Duration = Duration::from_secs(60);

/// Memory of the PCI device in MiB.
const PCI_MIB: u64 = 32;

/// What the kernel may say while the tests run, by a part of the line.
const EXPECTED: &[&str] = &[
    "kvmfr: loading out-of-tree module taints kernel",
    "kvmfr_test: loading out-of-tree module taints kernel",
    "module verification failed: signature and/or required key missing - tainting kernel",
    // Of the driver that it has a device, and of what the test asks for in vain.
    ": 32 MiB",
    "kvmfr: a size in static_size_mb is 0",
    "kvmfr: 4294967295 MiB of static_size_mb are more than this machine has",
    "static_size_mb: can only take 10 arguments",
    "' invalid for parameter `static_size_mb'",
    "memmap_init_zone_device initialised",
    // Of the device that is put in again, and of the port that it is put into.
    "pci 0000:01:00.0: ",
    "pcieport 0000:00:",
    // The kernel's own, whenever it gets there.
    "random: crng init done",
    "clocksource:",
];

#[test]
fn the_module_keeps_its_promises_on_linux_6_1() -> anyhow::Result<()> {
    match KernelTree::get(&BOOKWORM)? {
        Some(kernel) => promises_are_kept(&kernel, 512),
        None => Ok(()),
    }
}

#[test]
fn the_module_keeps_its_promises_on_linux_6_12_with_more_than_2_gib() -> anyhow::Result<()> {
    match KernelTree::get(&BOOKWORM_BACKPORTS)? {
        Some(kernel) => promises_are_kept(&kernel, 3072),
        None => Ok(()),
    }
}

#[test]
fn the_module_compiles_for_the_newest_kernel_and_needs_nothing_that_this_lacks()
-> anyhow::Result<()> {
    let Some(kernel) = KernelTree::get(&TRIXIE_BACKPORTS)? else {
        return Ok(());
    };
    let folder = sources()?;
    let Some(text) = compile_only(&kernel, folder.path())? else {
        return Ok(());
    };
    ensure!(!text.contains("warning: ") || only_pahole(&text), "{text}");
    let symbols = std::fs::read_to_string(kernel.headers()?.join("Module.symvers"))?;
    let is_exported = |name: &str| {
        let mut lines = symbols.lines();
        lines.any(|line| line.split('\t').nth(1) == Some(name))
    };
    let nm = Command::new("nm")
        .args(["-u", "kvmfr.o"])
        .current_dir(&folder)
        .output()?;
    let needed = String::from_utf8(nm.stdout)?;
    let missing: Vec<&str> = needed
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        // Given to each module by the build.
        .filter(|name| !is_exported(name) && *name != "__this_module")
        .collect();
    ensure!(needed.lines().count() > 30, "{needed}");
    ensure!(missing.is_empty(), "{}: {missing:?}", kernel.version()?);
    Ok(())
}

/// Builds it, loads it and tries everything.
fn promises_are_kept(kernel: &KernelTree, mib: u64) -> anyhow::Result<()> {
    let folder = sources()?;
    let Some(modules) = build(kernel, folder.path())? else {
        return Ok(());
    };
    let check = programs::path("lg-kvmfr-check")?;
    let host = programs::path("looking-glass-host")?;
    let image = kernel.image()?;
    let spec = GuestSpec {
        programs: &[&check, &host],
        files: &[
            (&modules[0], "/lib/kvmfr.ko"),
            (&modules[1], "/lib/kvmfr_test.ko"),
        ],
        kernel: Some(&image),
        ..GuestSpec::default()
    };
    let Some(image) = GuestImage::build(&spec)? else {
        return Ok(());
    };
    let shm = SharedFile::create(PCI_MIB)?;
    let hardware = Hardware {
        guest: Some(&image),
        shared_memory: Some(shm.path()),
        can_unplug: true,
        arguments: &["-m", &mib.to_string()],
        kernel_line: "slub_debug=FZPU",
        ..Hardware::default()
    };
    let Some(mut machine) = Machine::start(&hardware)? else {
        return Ok(());
    };
    let mut guest = Guest {
        shell: machine.shell(BOOT)?,
        machine: &machine,
    };
    let tried = guest.try_everything(&shm, mib);
    let log = guest.kernel_log();
    if let Err(error) = tried {
        // After a crash there is only what came over the console.
        let said = log.unwrap_or_else(|_| machine.console());
        return Err(error.context(said));
    }
    let said = log?;
    let unexpected = |line: &&str| !EXPECTED.iter().any(|part| line.contains(part));
    let unexpected: Vec<&str> = said.lines().filter(unexpected).collect();
    ensure!(unexpected.is_empty(), "the kernel says {unexpected:#?}");
    Ok(())
}

struct Guest<'a> {
    shell: Shell,
    machine: &'a Machine,
}

impl Guest<'_> {
    fn run(&mut self, line: &str) -> anyhow::Result<String> {
        self.shell.run(&format!("{line} 2>&1"), COMMAND)
    }

    fn refuses(&mut self, line: &str) -> anyhow::Result<()> {
        self.run(&format!("! {line}")).map(drop)
    }

    /// What the kernel has said since the tests began.
    fn kernel_log(&mut self) -> anyhow::Result<String> {
        let all = self.run("dmesg")?;
        let (_, since) = all.split_once("TESTS BEGIN").context("no begin")?;
        Ok(since.trim_start().to_owned())
    }

    fn try_everything(&mut self, shm: &SharedFile, mib: u64) -> anyhow::Result<()> {
        self.run("echo TESTS BEGIN >/dev/kmsg && insmod /lib/kvmfr_test.ko")?;
        for sizes in ["0", "16,0", "4294967295", "-1", "1,1,1,1,1,1,1,1,1,1,1"] {
            self.refuses(&format!("insmod /lib/kvmfr.ko static_size_mb={sizes}"))?;
        }
        self.static_devices()?;
        if mib > 2048 + 512 {
            self.run("insmod /lib/kvmfr.ko static_size_mb=2049")?;
            self.run("lg-kvmfr-check region /dev/kvmfr0 2049")?;
            self.run("rmmod kvmfr")?;
        }
        self.pci_device(shm)?;
        // Each object that the debugging allocator still has is looked at once more.
        self.run("for cache in /sys/kernel/slab/*/validate; do echo 1 >$cache; done")?;
        self.run("rmmod kvmfr_test").map(drop)
    }

    fn static_devices(&mut self) -> anyhow::Result<()> {
        self.run("insmod /lib/kvmfr.ko static_size_mb=16,1")?;
        let nodes = self.run("cd /dev && ls kvmfr? && cd /")?;
        ensure!(
            nodes.split_whitespace().eq(["kvmfr0", "kvmfr1", "kvmfr2"]),
            "{nodes}"
        );
        let sizes = "/sys/module/kvmfr/parameters/static_size_mb";
        ensure!(
            self.run(&format!("cat {sizes}"))?.trim() == "16,1",
            "other sizes"
        );
        self.refuses(&format!("sh -c 'echo 8 >{sizes}'"))?;
        self.run("lg-kvmfr-check region /dev/kvmfr0 16")?;
        self.run("lg-kvmfr-check region /dev/kvmfr1 1")?;
        self.run(&format!("lg-kvmfr-check region /dev/kvmfr2 {PCI_MIB}"))?;
        self.run("mknod /tmp/node c $(cut -d: -f1 /sys/class/kvmfr/kvmfr0/dev) 9")?;
        self.run("lg-kvmfr-check no-device /tmp/node")?;
        self.run("lg-kvmfr-check in-use /dev/kvmfr1")?;
        self.run("lg-kvmfr-check in-use /dev/kvmfr2")?;
        self.run("rmmod kvmfr")?;
        // Fresh memory holds nothing of what was there before.
        self.run("insmod /lib/kvmfr.ko static_size_mb=16")?;
        let word = self.run("lg-kvmfr-check peek /dev/kvmfr0 8")?;
        ensure!(word.trim() == "0x0", "{word}");
        self.run("rmmod kvmfr").map(drop)
    }

    /// The memory that others have as well.
    fn pci_device(&mut self, shm: &SharedFile) -> anyhow::Result<()> {
        let outside = SharedMemory::open(&Source::File(shm.path().into()))?;
        self.run("insmod /lib/kvmfr.ko")?;
        let place = 5 << 20;
        outside.as_slice().write(place, &0x1122_3344_u64)?;
        let word = self.run(&format!("lg-kvmfr-check peek kvmfr0 {place}"))?;
        ensure!(word.trim() == "0x11223344", "{word}");
        self.run(&format!("lg-kvmfr-check poke kvmfr0 {place} 77"))?;
        ensure!(
            outside.as_slice().read::<u64>(place)? == 77,
            "not seen outside"
        );
        let address = self.run("cd /sys/bus/pci/drivers/kvmfr && echo 0000:* && cd /")?;
        self.run(&format!(
            "lg-kvmfr-check removal /dev/kvmfr0 {}",
            address.trim()
        ))?;
        self.unplugging(shm)?;
        self.host(shm)?;
        self.run("rmmod kvmfr").map(drop)
    }

    /// The device is taken out of the machine while a program holds everything of it, and put in again.
    fn unplugging(&mut self, shm: &SharedFile) -> anyhow::Result<()> {
        self.run("{ lg-kvmfr-check unplug /dev/kvmfr0 >/tmp/unplug; echo END $?; } >>/tmp/unplug 2>&1 & true")?;
        self.comes_to("HELD")?;
        self.machine.unplug()?;
        self.comes_to("DEAD")?;
        self.machine.plug(shm.path())?;
        self.comes_to("END 0")
    }

    /// Waits until the program that is unplugged has said so.
    fn comes_to(&mut self, word: &str) -> anyhow::Result<()> {
        self.run(&format!(
            "until grep -q -e '{word}' -e END /tmp/unplug; do sleep 0.1; done; cat /tmp/unplug; grep -q '{word}' /tmp/unplug"
        ))
        .map(drop)
    }

    /// Our host in the guest, and our client outside.
    fn host(&mut self, shm: &SharedFile) -> anyhow::Result<()> {
        let options = "app:shmFile=/dev/kvmfr0 app:capture=test test:width=320 test:height=200";
        self.run(&format!(
            "looking-glass-host {options} >/tmp/host.log & echo $! >/tmp/host.pid"
        ))?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("guest.png");
        let shot = programs::screenshot(shm, &file, COMMAND);
        let log =
            self.run("kill $(cat /tmp/host.pid); wait $(cat /tmp/host.pid); cat /tmp/host.log")?;
        shot.context(log)?;
        let picture = picture::png::decode(&std::fs::read(&file)?)?;
        ensure!(
            picture.size() == picture::Size::new(320, 200),
            "{:?}",
            picture.size()
        );
        Ok(())
    }
}

/// Compiles for a kernel whose own build programs do not run here, and whose compiler may be newer than ours.
fn compile_only(kernel: &KernelTree, folder: &Path) -> anyhow::Result<Option<String>> {
    for program in ["make", "gcc-12", "nm"] {
        if !testkit::has_program(program, "kernel module") {
            return Ok(None);
        }
    }
    let compiler = folder.join("compiler");
    std::fs::write(&compiler, COMPILER)?;
    let executable = Command::new("chmod").arg("755").arg(&compiler).status()?;
    ensure!(executable.success(), "chmod");
    let mut make = Command::new("make");
    make.arg("-C").arg(kernel.headers()?);
    make.arg(format!("M={}", folder.display()));
    make.arg(format!("CC={}", compiler.display()));
    make.args(["W=1", "objtool=true", "kvmfr.o"]);
    let output = make.env_remove("MAKEFLAGS").output()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{text}");
    Ok(Some(text.into_owned()))
}

/// Leaves out the options that only a newer compiler knows; none of them is about warnings.
const COMPILER: &str = r#"#!/bin/sh
for word; do
    shift
    case $word in
    -fmin-function-alignment=* | -fzero-init-padding-bits=*) ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec gcc-12 "$@"
"#;

/// Tells whether the only warning is about a program that writes debugging information.
fn only_pahole(text: &str) -> bool {
    let mut warnings = text.lines().filter(|line| line.contains("warning: "));
    warnings.all(|line| line.contains("pahole version differs"))
}

#[test]
fn the_policy_for_selinux_compiles() -> anyhow::Result<()> {
    if !testkit::has_program("checkmodule", "policy for SELinux") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let made = folder.path().join("kvmfr.mod");
    let mut compile = Command::new("checkmodule");
    compile.args(["-M", "-m", "-o"]).arg(&made);
    compile.arg(repository().join("contrib/selinux/kvmfr.te"));
    testkit::process::run(&mut compile)?;
    ensure!(made.metadata()?.len() > 100, "an empty policy");
    Ok(())
}

#[test]
fn dkms_the_documentation_and_the_module_agree_on_its_version() -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read_to_string(repository().join("module").join(name));
    let dkms = read("dkms.conf")?;
    let version = dkms.split("PACKAGE_VERSION=\"").nth(1);
    let version = version
        .and_then(|rest| rest.split('"').next())
        .context("a version")?;
    ensure!(read("main.c")?.contains(&format!("MODULE_VERSION(\"{version}\")")));
    ensure!(read("README.md")?.contains(&format!("kvmfr/{version}\n")));
    Ok(())
}
