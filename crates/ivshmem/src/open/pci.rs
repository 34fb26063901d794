//! The IVSHMEM device inside of a Linux guest, reached through sysfs without a driver.

use std::path::Path;

use rustix::io::Errno;

use super::{Kind, OpenError, System, map};
use crate::{Caching, PciAddress, SharedMemory};

/// Red Hat's vendor and the IVSHMEM device's number, as sysfs shows them.
const IVSHMEM: (&str, &str) = ("0x1af4", "0x1110");
/// The command register's place in the configuration space.
const COMMAND: usize = 4;
/// The command register's bit that lets the device answer to memory accesses.
const MEMORY_SPACE: u8 = 1 << 1;

/// Opens and maps BAR 2 of the device at an address, or of the first one.
pub(super) fn open(
    address: Option<PciAddress>,
    system: &impl System,
) -> Result<SharedMemory, OpenError> {
    let bus = system.sysfs().join("bus/pci/devices");
    let address = match address {
        Some(address) => address,
        None => find(&bus)?,
    };
    let device = bus.join(address.to_string());
    match identify(&device) {
        Some((vendor, number)) if is_ivshmem(&vendor, &number) => {}
        found => {
            return Err(OpenError::NotIvshmem {
                address,
                found: found.map_or_else(
                    || "absent".to_owned(),
                    |(vendor, number)| format!("{vendor}:{number}").replace("0x", ""),
                ),
            });
        }
    }
    enable(&device, address, system)?;
    map_memory(&device, address, system)
}

/// The lowest address of an IVSHMEM device.
fn find(bus: &Path) -> Result<PciAddress, OpenError> {
    let entries = std::fs::read_dir(bus).map_err(|_| OpenError::NoPciDevice)?;
    let mut found: Vec<PciAddress> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let (vendor, number) = identify(&entry.path())?;
            let address = entry.file_name().to_str()?.parse().ok()?;
            is_ivshmem(&vendor, &number).then_some(address)
        })
        .collect();
    found.sort_unstable();
    match found.as_slice() {
        [] => Err(OpenError::NoPciDevice),
        [only] => Ok(*only),
        [first, others @ ..] => {
            let others: Vec<String> = others.iter().map(|other| format!("pci:{other}")).collect();
            tracing::warn!(
                "several IVSHMEM devices: using pci:{first}, not {}",
                others.join(" or ")
            );
            Ok(*first)
        }
    }
}

/// Vendor and device number; `None` if there is no such device.
fn identify(device: &Path) -> Option<(String, String)> {
    let read = |name| {
        let text = std::fs::read_to_string(device.join(name)).ok()?;
        Some(text.trim().to_owned())
    };
    Some((read("vendor")?, read("device")?))
}

/// Tells an IVSHMEM device by its numbers.
fn is_ivshmem(vendor: &str, device: &str) -> bool {
    (vendor, device) == IVSHMEM
}

/// Makes sure that the device answers to memory accesses. One that does not reads as ones, as a firmware leaves it
/// when no driver has asked for the device.
fn enable(device: &Path, address: PciAddress, system: &impl System) -> Result<(), OpenError> {
    if is_decoding(device, address)? {
        return Ok(());
    }
    if let Err(error) = system.enable(&device.join("enable")) {
        // Whether it worked is seen below; the reason would be lost there. Callers try again and again.
        tracing::debug!(%address, %error, "enabling the IVSHMEM device");
    }
    if is_decoding(device, address)? {
        Ok(())
    } else {
        Err(OpenError::NotDecoding { address })
    }
}

/// Reads the command register.
fn is_decoding(device: &Path, address: PciAddress) -> Result<bool, OpenError> {
    use std::io::Read;

    let failed = |error: &std::io::Error| {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        OpenError::system("reading the configuration of", address, errno)
    };
    let mut start = [0; COMMAND + 1];
    let mut config = std::fs::File::open(device.join("config")).map_err(|error| failed(&error))?;
    config
        .read_exact(&mut start)
        .map_err(|error| failed(&error))?;
    let [.., command] = start;
    Ok(command & MEMORY_SPACE != 0)
}

/// Maps BAR 2, write-combined if the kernel offers that: uncached reads are many times slower.
fn map_memory(
    device: &Path,
    address: PciAddress,
    system: &impl System,
) -> Result<SharedMemory, OpenError> {
    let combined = device.join("resource2_wc");
    match map_bar(&combined, Caching::WriteCombined, system) {
        Err(Failure::Open(Errno::NOENT)) => {}
        Err(Failure::Open(errno @ (Errno::ACCESS | Errno::PERM))) => {
            return Err(OpenError::denied(&combined, Kind::File, errno));
        }
        Err(failure) => {
            tracing::warn!(%address, ?failure, "no write-combined mapping; trying the uncached one");
        }
        Ok(memory) => return Ok(memory),
    }
    let uncached = device.join("resource2");
    map_bar(&uncached, Caching::Uncached, system).map_err(|failure| match failure {
        Failure::Open(Errno::NOENT) => OpenError::NoBar { address },
        Failure::Open(errno @ (Errno::ACCESS | Errno::PERM)) => {
            OpenError::denied(&uncached, Kind::File, errno)
        }
        Failure::Open(errno) => OpenError::system("opening", uncached.display(), errno),
        Failure::Map(error) => error,
    })
}

/// Which step went wrong.
#[derive(Debug)]
enum Failure {
    Open(Errno),
    Map(OpenError),
}

/// Opens and maps one view of BAR 2.
fn map_bar(path: &Path, caching: Caching, system: &impl System) -> Result<SharedMemory, Failure> {
    let fd = system.open(path).map_err(Failure::Open)?;
    let name = path.display().to_string();
    map(fd, name, Kind::File, caching, system).map_err(|error| match error {
        // In lockdown mode the kernel lets the file be opened but not mapped.
        OpenError::System {
            source: source @ Errno::PERM,
            ..
        } => Failure::Open(source),
        error => Failure::Map(error),
    })
}
