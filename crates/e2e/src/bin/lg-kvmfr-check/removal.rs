//! What happens when the module or a device is to go while somebody uses it.

use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ivshmem::{SharedMemory, Source};
use rustix::io::Errno;

use crate::importer::Importer;
use crate::raw::{self, Window};
use crate::{fails, file};

const PAGE: usize = 4096;
const DRIVER: &str = "/sys/bus/pci/drivers/kvmfr";
/// What a device that may go takes at most, in a slow guest.
const SOON: Duration = Duration::from_secs(20);

/// The module cannot be unloaded while any of its things is held.
pub(crate) fn module_stays(device: &Path) -> anyhow::Result<()> {
    let open = file(device)?;
    stays("an open device")?;
    let window = Window::map(&open, 0, PAGE, true)?;
    drop(open);
    stays("a mapping")?;
    let open = file(device)?;
    let buffer = raw::create(&open, 1, 0, PAGE as u64)?;
    drop((window, open));
    stays("a buffer")?;
    let window = Window::map(&buffer, 0, PAGE, true)?;
    drop(buffer);
    window.write(0, 1);
    stays("a buffer's mapping")?;
    let open = file(device)?;
    let buffer = raw::create(&open, 1, 0, PAGE as u64)?;
    let mut importer = Importer::new()?;
    importer.attach(&buffer).context("attaching")?;
    drop((window, open, buffer));
    stays("a driver that is attached")?;
    importer.tell("detach")?;
    println!("the module stays while it is used");
    Ok(())
}

fn stays(what: &str) -> anyhow::Result<()> {
    let mut rmmod = Command::new("rmmod");
    let rmmod = rmmod.arg("kvmfr").stderr(Stdio::null()).status()?;
    ensure!(!rmmod.success(), "unloaded despite {what}");
    ensure!(
        Path::new("/sys/module/kvmfr").exists(),
        "gone despite {what}"
    );
    Ok(())
}

/// What a program holds of a device.
struct Held {
    memory: SharedMemory,
    buffer: OwnedFd,
    mapped: SharedMemory,
    _untouched: Window,
}

impl Held {
    /// Takes everything, and leaves a mark in the memory.
    fn take(source: &Source) -> anyhow::Result<Self> {
        ivshmem::sigbus::install_handler()?;
        let memory = SharedMemory::open(source)?;
        let buffer = raw::create(&memory, 1, PAGE as u64, 4 * PAGE as u64)?;
        let mapped = SharedMemory::map_fd(buffer.try_clone()?)?;
        let untouched = Window::map(&memory, 0, PAGE, true)?;
        memory.as_slice().write(PAGE, &0xfeed_u64)?;
        ensure!(mapped.as_slice().read::<u64>(0)? == 0xfeed, "a buffer");
        Ok(Self {
            memory,
            buffer,
            mapped,
            _untouched: untouched,
        })
    }

    /// Checks that nothing of it can be used any more.
    fn expect_dead(&self) -> anyhow::Result<()> {
        let Self {
            memory,
            buffer,
            mapped,
            ..
        } = self;
        for (what, memory) in [("the device", memory), ("the buffer", mapped)] {
            ensure!(!memory.is_faulted(), "faulted early: {what}");
            memory.as_slice().read::<u64>(0)?;
            ensure!(memory.is_faulted(), "no SIGBUS for {what}");
        }
        let page = PAGE as u64;
        fails("a size", raw::size(memory), Errno::NODEV)?;
        fails("a buffer", raw::create(memory, 1, 0, page), Errno::NODEV)?;
        for (what, fd) in [
            ("a mapping", memory.as_fd()),
            ("a buffer's mapping", buffer.as_fd()),
        ] {
            fails(what, Window::map(fd, 0, PAGE, true), Errno::NODEV)?;
        }
        let mut importer = Importer::new()?;
        importer
            .attach(buffer)
            .context("attaching to a dead buffer")?;
        fails(
            "a table of a dead buffer",
            importer.tell("map"),
            Errno::NODEV,
        )?;
        // Not "vmap": the kernel prints a stack trace whenever that fails, whoever is to blame.
        raw::sync(buffer, 3)?;
        raw::sync(buffer, 7)?;
        Ok(())
    }

    /// Checks that the same device has come again with the same memory, and lets go of the old one.
    fn replaced_by(self, again: &SharedMemory) -> anyhow::Result<()> {
        ensure!(
            again.as_slice().read::<u64>(PAGE)? == 0xfeed,
            "the memory was kept"
        );
        let old = raw::size(&self.memory);
        fails("a size of the dead one", old, Errno::NODEV)?;
        drop(self);
        ensure!(!again.is_faulted(), "the new one fell with the old one");
        again.as_slice().write(PAGE, &0xbeef_u64)?;
        Ok(())
    }
}

/// A PCI device goes and comes back, with mappings and buffers alive.
pub(crate) fn device_goes(device: &Path, address: &str) -> anyhow::Result<()> {
    let source = Source::KvmfrDevice(device.into());
    let held = Held::take(&source)?;
    write("unbind", address)?;
    ensure!(!device.exists(), "the node is still there");
    held.expect_dead()?;
    // The same device again, while the dead one's things are still held.
    write("bind", address)?;
    let again = SharedMemory::open(&source)?;
    held.replaced_by(&again)?;
    waits_for_the_kernel(address)?;
    fails("a size of the dead one", raw::size(&again), Errno::NODEV)?;
    drop(again);
    goes_under_load(address)?;
    println!("devices go and come");
    Ok(())
}

/// Somebody outside takes the device out of the machine when this has said HELD, and puts it in again after DEAD.
pub(crate) fn device_is_unplugged(device: &Path) -> anyhow::Result<()> {
    let source = Source::KvmfrDevice(device.into());
    let held = Held::take(&source)?;
    println!("HELD");
    ensure!(wait(|| !device.exists()), "nobody took the device out");
    held.expect_dead()?;
    println!("DEAD");
    ensure!(wait(|| device.exists()), "nobody put it in again");
    held.replaced_by(&SharedMemory::open(&source)?)?;
    println!("REPLACED");
    Ok(())
}

/// A device whose pages the kernel has cannot go before it lets them go.
fn waits_for_the_kernel(address: &str) -> anyhow::Result<()> {
    for (take, look, give) in [("map", "look 0", "unmap"), ("vmap", "peek 0", "vunmap")] {
        let memory = SharedMemory::open(&Source::parse("kvmfr0")?)?;
        let buffer = raw::create(&memory, 1, 0, 64 * PAGE as u64)?;
        let mut importer = Importer::new()?;
        importer.attach(&buffer).context("attaching")?;
        importer.tell(take).context("mapping")?;
        waits(&memory, take, address, || {
            importer.ask(look).context("the driver's own access")?;
            importer.tell(give).context("unmapping")
        })?;
    }
    // A page that a pipe holds, of the device and of a buffer.
    let memory = SharedMemory::open(&Source::parse("kvmfr0")?)?;
    let buffer = raw::create(&memory, 1, PAGE as u64, PAGE as u64)?;
    let (mut reader, writer) = std::io::pipe()?;
    for (at, fd) in [(0, memory.as_fd()), (PAGE, buffer.as_fd())] {
        memory.as_slice().write(at, &0xabcd_u64)?;
        Window::map(fd, 0, PAGE, true)?
            .lend(&writer, 8)
            .context("lending")?;
    }
    waits(&memory, "pipe", address, || {
        for _ in 0..2 {
            let mut word = [0; 8];
            reader.read_exact(&mut word)?;
            ensure!(u64::from_ne_bytes(word) == 0xabcd, "{word:x?} in the pipe");
        }
        Ok(())
    })
}

/// Checks that unbinding waits until `give` was called; binds it again.
fn waits(
    memory: &SharedMemory,
    what: &str,
    address: &str,
    give: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let line = format!("echo {address} >{DRIVER}/unbind");
    let mut unbind = Command::new("sh").args(["-c", &line]).spawn()?;
    let is_revoked = wait(|| raw::size(memory) == Err(Errno::NODEV));
    ensure!(is_revoked, "{what}: the device is still there");
    std::thread::sleep(Duration::from_millis(300));
    ensure!(unbind.try_wait()?.is_none(), "{what}: the pages are gone");
    give().context(what.to_owned())?;
    ensure!(unbind.wait()?.success(), "{what}: unbinding");
    write("bind", address)
}

/// Processes that use a device all the time while it goes and comes; what counts is that the kernel survives.
fn goes_under_load(address: &str) -> anyhow::Result<()> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = use_once();
                }
            });
        }
        let cycles = (0..15).try_for_each(|_| {
            write("unbind", address)?;
            write("bind", address)
        });
        is_over.store(true, Ordering::Relaxed);
        cycles
    })
}

/// Opens, exports, maps and touches; whatever fails.
fn use_once() -> anyhow::Result<()> {
    let memory = SharedMemory::open(&Source::parse("kvmfr0")?)?;
    let buffer = SharedMemory::map_fd(raw::create(&memory, 1, 0, 256 * PAGE as u64)?)?;
    for page in 0..256 {
        memory.as_slice().write(page * PAGE, &1_u64)?;
        buffer.as_slice().read::<u64>(page * PAGE)?;
    }
    Ok(())
}

fn wait(is_done: impl Fn() -> bool) -> bool {
    let start = std::time::Instant::now();
    while start.elapsed() < SOON {
        if is_done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn write(what: &str, address: &str) -> anyhow::Result<()> {
    std::fs::write(format!("{DRIVER}/{what}"), address).with_context(|| format!("{what} {address}"))
}
