//! What a region can do while its device is there.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use ivshmem::{CpuAccess, DmaBufError, DmaBufSource, SharedMemory, Source};
use rustix::io::{Errno, FdFlags, fcntl_getfd};

use crate::importer::Importer;
use crate::raw::{self, Window};
use crate::{fails, file};

const PAGE: u64 = 4096;
const CLOSE_ON_EXEC: u8 = 1;
/// Above what a fault maps at once.
const FAR: u64 = 100 * PAGE;

/// Tries all of it.
pub(crate) fn check(device: &Path, mib: u64) -> anyhow::Result<()> {
    let size = mib << 20;
    let memory = SharedMemory::open(&Source::KvmfrDevice(device.into()))?;
    ensure!(memory.len() as u64 == size, "mapped {} bytes", memory.len());
    sizes(&memory, size)?;
    if mib > 1024 {
        return last_page(&memory, size);
    }
    requests(device, size)?;
    windows(&memory, size)?;
    buffers(&memory, size)?;
    processes(&memory)?;
    driver(&memory, size)?;
    println!("{} keeps its promises", device.display());
    Ok(())
}

fn sizes(memory: &SharedMemory, size: u64) -> anyhow::Result<()> {
    use rustix::fs::{SeekFrom, seek};
    if size <= i32::MAX as u64 {
        ensure!(raw::size(memory)? == size, "the size by ioctl");
    } else {
        fails("a size beyond an int", raw::size(memory), Errno::OVERFLOW)?;
    }
    ensure!(seek(memory, SeekFrom::End(0))? == size, "the size by lseek");
    fails(
        "seeking beyond the end",
        seek(memory, SeekFrom::Start(size + 1)),
        Errno::INVAL,
    )
}

/// Offsets that do not fit 32 bits.
fn last_page(memory: &SharedMemory, size: u64) -> anyhow::Result<()> {
    let last = usize::try_from(size - 8)?;
    memory.as_slice().write(last, &0x1234_5678_u64)?;
    let buffer = raw::create(memory, 0, size - PAGE, PAGE)?;
    let window = Window::map(&buffer, 0, PAGE as usize, true)?;
    ensure!(
        window.read(PAGE as usize - 8) == 0x1234_5678,
        "the last word"
    );
    ensure!(memory.as_slice().read::<u64>(0)? == 0, "the first word");
    let all = raw::create(memory, 0, 0, size)?;
    let window = Window::map(&all, size - PAGE, PAGE as usize, true)?;
    ensure!(
        window.read(PAGE as usize - 8) == 0x1234_5678,
        "the last word of all"
    );
    println!("the last page is where it belongs");
    Ok(())
}

/// What requests refuse.
fn requests(device: &Path, size: u64) -> anyhow::Result<()> {
    let open = file(device)?;
    let refused = [
        ("an offset inside of a page", 0, 1, PAGE),
        ("a size inside of a page", 0, 0, PAGE - 1),
        ("nothing", 0, 0, 0),
        ("more than there is", 0, 0, size + PAGE),
        ("a part beyond the end", 0, size, PAGE),
        ("a part across the end", 0, size - PAGE, 2 * PAGE),
        ("a part that wraps around", 0, PAGE, u64::MAX - PAGE + 1),
        (
            "a part that wraps around to its start",
            0,
            u64::MAX - PAGE + 1,
            2 * PAGE,
        ),
        ("a part far beyond 32 bits", 0, 1 << 32, PAGE),
        ("a size of 32 bits' zero", 0, 0, (1 << 32) + PAGE),
        ("unknown flags", 2, 0, PAGE),
    ];
    for (what, flags, offset, size) in refused {
        fails(what, raw::create(&open, flags, offset, size), Errno::INVAL)?;
    }
    fails(
        "an address that is none",
        raw::create_from_nowhere(&open),
        Errno::FAULT,
    )?;
    fails("an unknown request", raw::unknown(&open), Errno::NOTTY)?;
    // Reading is enough for the size, not for a buffer that can be written.
    let reader = File::open(device)?;
    ensure!(raw::size(&reader)? == size, "the size for a reader");
    fails(
        "a reader's buffer",
        raw::create(&reader, 0, 0, PAGE),
        Errno::ACCESS,
    )?;
    let writer = File::options().write(true).open(device)?;
    fails(
        "a writer's buffer",
        raw::create(&writer, 0, 0, PAGE),
        Errno::ACCESS,
    )
}

/// Mappings of parts of the device.
fn windows(memory: &SharedMemory, size: u64) -> anyhow::Result<()> {
    let page = usize::try_from(PAGE)?;
    for offset in [0, PAGE, FAR, size - PAGE] {
        let place = usize::try_from(offset)? + 8;
        memory.as_slice().write(place, &(offset + 1))?;
        let window = Window::map(memory, offset, page, true)?;
        ensure!(window.read(8) == offset + 1, "the window at {offset}");
        window.write(16, offset + 2);
        ensure!(
            memory.as_slice().read::<u64>(place + 8)? == offset + 2,
            "back at {offset}"
        );
        fails("growing", window.grow(), Errno::FAULT)?;
    }
    for (offset, len) in [
        (size, page),
        (size - PAGE, 2 * page),
        (0, usize::try_from(size)? + 1),
    ] {
        fails(
            "a window across the end",
            Window::map(memory, offset, len, true),
            Errno::INVAL,
        )?;
    }
    // A mapping of one's own begins with what is there, and keeps what is written to itself.
    let own = Window::map(memory, FAR, page, false)?;
    ensure!(own.read(8) == FAR + 1, "the start of a private window");
    own.write(8, 7);
    ensure!(own.read(8) == 7, "a private window");
    ensure!(
        memory.as_slice().read::<u64>(usize::try_from(FAR)? + 8)? == FAR + 1,
        "a private window shows"
    );
    Ok(())
}

/// DMA-BUFs, mapped by us.
fn buffers(memory: &SharedMemory, size: u64) -> anyhow::Result<()> {
    let page = usize::try_from(PAGE)?;
    let open = raw::create(memory, 0, 0, PAGE)?;
    let closed = raw::create(memory, CLOSE_ON_EXEC, 0, PAGE)?;
    ensure!(
        !fcntl_getfd(&open)?.contains(FdFlags::CLOEXEC),
        "closed by exec"
    );
    ensure!(
        fcntl_getfd(&closed)?.contains(FdFlags::CLOEXEC),
        "not closed by exec"
    );
    let maker = memory.dma_bufs()?;
    ensure!(maker.source() == DmaBufSource::Kvmfr, "{maker:?}");
    let beyond = maker.create(memory.len() - 1..memory.len() + 1);
    ensure!(
        matches!(beyond, Err(DmaBufError::Range { .. })),
        "a range across the end: {beyond:?}"
    );
    let part = maker.create(page + 5..page + 6)?;
    ensure!((part.offset(), part.len()) == (5, page), "{part:?}");
    for (offset, len) in [(0, size), (FAR, 8 * PAGE), (size - PAGE, PAGE)] {
        let start = usize::try_from(offset)?;
        let buffer = maker.create(start..start + usize::try_from(len)?)?;
        ensure!(
            fcntl_getfd(&buffer)?.contains(FdFlags::CLOEXEC),
            "not closed by exec"
        );
        let mapped = SharedMemory::map_fd(buffer.as_fd().try_clone_to_owned()?)?;
        ensure!(
            mapped.len() as u64 == len,
            "a buffer of {} bytes",
            mapped.len()
        );
        let last = mapped.len() - 8;
        let access = buffer.access_by_cpu(CpuAccess::ReadWrite)?;
        mapped.as_slice().write(last, &(offset + 3))?;
        drop(access);
        let same = start + last;
        ensure!(
            memory.as_slice().read::<u64>(same)? == offset + 3,
            "a buffer at {offset}"
        );
        let window = Window::map(&buffer, len - PAGE, page, true)?;
        ensure!(window.read(page - 8) == offset + 3, "a window of a buffer");
        fails("growing", window.grow(), Errno::FAULT)?;
        fails(
            "a private buffer",
            Window::map(&buffer, 0, page, false),
            Errno::INVAL,
        )?;
        fails(
            "beyond the buffer",
            Window::map(&buffer, len, page, true),
            Errno::INVAL,
        )?;
        fails(
            "across its end",
            Window::map(&buffer, len - PAGE, 2 * page, true),
            Errno::INVAL,
        )?;
        // It goes on without its descriptor.
        drop(buffer);
        ensure!(
            window.read(page - 8) == offset + 3,
            "a buffer without descriptor"
        );
    }
    Ok(())
}

/// Another process, which has the device by its name and a buffer by inheritance.
fn processes(memory: &SharedMemory) -> anyhow::Result<()> {
    let buffer = raw::create(memory, 0, FAR, PAGE)?;
    let place = usize::try_from(FAR)?;
    memory.as_slice().write(place, &41_u64)?;
    let status = Command::new(std::env::current_exe()?)
        .arg("second-process")
        .args([buffer.as_raw_fd().to_string(), "0".into(), "41".into()])
        .status()?;
    ensure!(status.success(), "the second process: {status}");
    ensure!(
        memory.as_slice().read::<u64>(place)? == 42,
        "what the second process wrote"
    );
    Ok(())
}

/// What that process does.
pub(crate) fn second_process(fd: RawFd, offset: usize, value: u64) -> anyhow::Result<()> {
    let memory = SharedMemory::map_fd(raw::inherited(fd))?;
    let found: u64 = memory.as_slice().read(offset)?;
    ensure!(found == value, "{found} instead of {value}");
    memory.as_slice().write(offset, &(value + 1))?;
    Ok(())
}

/// A driver that uses a buffer: by its table of pages, and mapped into the kernel.
fn driver(memory: &SharedMemory, size: u64) -> anyhow::Result<()> {
    let slice = memory.as_slice();
    for (offset, len) in [(0, size), (FAR, 33 * PAGE)] {
        let buffer = raw::create(memory, CLOSE_ON_EXEC, offset, len)?;
        let mut importer = Importer::new()?;
        importer.attach(&buffer).context("attaching")?;
        importer.tell("map").context("mapping")?;
        importer.tell("vmap").context("mapping into the kernel")?;
        for place in [0, 17 * PAGE + 24, len - 8] {
            let here = usize::try_from(offset + place)?;
            slice.write(here, &(place + 5))?;
            ensure!(
                importer.ask(&format!("look {place}"))? == place + 5,
                "the table at {place}"
            );
            ensure!(
                importer.ask(&format!("peek {place}"))? == place + 5,
                "the kernel at {place}"
            );
            importer.tell(&format!("poke {place} {}", place + 6))?;
            ensure!(
                slice.read::<u64>(here)? == place + 6,
                "from the kernel at {place}"
            );
        }
        // Both directions, with the driver's mapping in place.
        raw::sync(&buffer, 3)?;
        raw::sync(&buffer, 7)?;
        // The buffer lives as long as the driver has it.
        drop(buffer);
        ensure!(
            importer.ask("peek 0")? == 6,
            "a buffer that only the driver has"
        );
        importer.tell("unmap")?;
        importer.tell("vunmap")?;
        importer.tell("detach")?;
    }
    Ok(())
}
