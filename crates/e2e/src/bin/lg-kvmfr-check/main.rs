//! Runs in a test's guest: tries everything that the kernel module kvmfr promises, and ends with the first promise that
//! is broken. Its driver is `tests/kvmfr_module.rs`.

#![deny(unsafe_code)]

mod importer;
#[expect(
    unsafe_code,
    reason = "the module's system calls, and mappings at offsets"
)]
mod raw;
mod region;
mod removal;

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use ivshmem::{SharedMemory, Source};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["region", device, mib] => region::check(Path::new(device), mib.parse()?),
        ["no-device", node] => no_device(Path::new(node)),
        ["peek", device, offset] => {
            println!(
                "{:#x}",
                open(device)?.as_slice().read::<u64>(offset.parse()?)?
            );
            Ok(())
        }
        ["poke", device, offset, value] => Ok(open(device)?
            .as_slice()
            .write::<u64>(offset.parse()?, &value.parse()?)?),
        ["second-process", fd, offset, value] => {
            region::second_process(fd.parse()?, offset.parse()?, value.parse()?)
        }
        ["in-use", device] => removal::module_stays(Path::new(device)),
        ["removal", device, address] => removal::device_goes(Path::new(device), address),
        ["unplug", device] => removal::device_is_unplugged(Path::new(device)),
        _ => bail!("unknown arguments {words:?}"),
    }
}

/// Opens and maps a device as our programs do.
fn open(device: &str) -> anyhow::Result<SharedMemory> {
    Ok(SharedMemory::open(&Source::parse(device)?)?)
}

/// A device without our crate, for what it does not do.
fn file(device: &Path) -> anyhow::Result<File> {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .open(device)
        .with_context(|| device.display().to_string())
}

/// Checks that something failed as it must.
fn fails<T>(
    what: &str,
    result: Result<T, rustix::io::Errno>,
    errno: rustix::io::Errno,
) -> anyhow::Result<()> {
    match result {
        Ok(_) => bail!("{what} succeeded"),
        Err(error) => {
            ensure!(error == errno, "{what}: {error} instead of {errno}");
            Ok(())
        }
    }
}

/// A node whose minor has no device.
fn no_device(node: &Path) -> anyhow::Result<()> {
    let error = File::open(node)
        .err()
        .context("a node without device was opened")?;
    ensure!(error.raw_os_error() == Some(libc::EINVAL), "{error}");
    Ok(())
}
