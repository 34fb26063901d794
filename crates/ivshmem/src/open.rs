//! Opening and mapping each kind of [`Source`].
//!
//! Sources: `kvmfr.md` 7.1 to 7.3; the kernel's `Documentation/PCI/sysfs-pci.rst`; PCI Local Bus Specification 3.0,
//! 6.2.2 (command register); QEMU's `docs/specs/ivshmem-spec.rst` (device id, BARs).

mod error;
mod pci;
mod system;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

pub use error::{OpenError, Remedy};
pub(crate) use system::Linux;
use system::System;

use crate::{Caching, SharedMemory, Source};

/// Opens and maps what `source` names.
pub(crate) fn open(source: &Source, system: &impl System) -> Result<SharedMemory, OpenError> {
    let memory = match source {
        Source::File(path) => open_path(path, Kind::File, system),
        Source::KvmfrDevice(path) => open_path(path, Kind::Device, system),
        Source::Fd(fd) => open_fd(*fd, system),
        Source::Pci(address) => pci::open(*address, system),
    }?;
    tracing::debug!(%source, bytes = memory.len(), "mapped the shared memory");
    Ok(memory)
}

/// Checks that a memory of `len` bytes has room for `needed`.
///
/// # Errors
/// [`OpenError::TooSmall`] otherwise, with the size to configure.
pub fn check_size(len: usize, needed: usize) -> Result<(), OpenError> {
    if len < needed {
        return Err(OpenError::TooSmall { len, needed });
    }
    Ok(())
}

/// What the user means to open, which decides on the remedy if it cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file of QEMU's.
    File,
    /// A device of the kernel module.
    Device,
}

/// Opens and maps a file or a device node.
fn open_path(path: &Path, kind: Kind, system: &impl System) -> Result<SharedMemory, OpenError> {
    let fd = system.open(path).map_err(|errno| match (errno, kind) {
        (Errno::NOENT, Kind::File) => OpenError::MissingFile { path: path.into() },
        // A node whose driver is gone, or was made for a number that no device has.
        (Errno::NOENT | Errno::NXIO | Errno::NODEV, Kind::Device) => {
            OpenError::MissingDevice { path: path.into() }
        }
        (Errno::ACCESS | Errno::PERM | Errno::ROFS, _) => OpenError::denied(path, kind, errno),
        (Errno::ISDIR, _) => OpenError::NotMemory {
            name: path.display().to_string(),
            what: "directory",
        },
        _ => OpenError::system("opening", path.display(), errno),
    })?;
    let name = path.display().to_string();
    let kind = match kind {
        Kind::Device => Kind::Device,
        // A link to the device is as good as its own name.
        Kind::File => kind_of(&fd, &name)?,
    };
    map(fd, name, kind, caching_of(path), system)
}

/// Maps a descriptor that the process was given; it stays open and belongs to whoever opened it.
fn open_fd(fd: RawFd, system: &impl System) -> Result<SharedMemory, OpenError> {
    let name = Source::Fd(fd).to_string();
    let own = system.duplicate(fd).map_err(|errno| match errno {
        Errno::BADF => OpenError::BadDescriptor { fd },
        _ => OpenError::system("duplicating", &name, errno),
    })?;
    let kind = kind_of(&own, &name)?;
    map(own, name, kind, Caching::WriteBack, system)
}

/// Tells a file from a device; refuses everything else.
fn kind_of(fd: &OwnedFd, name: &str) -> Result<Kind, OpenError> {
    let stat =
        fstat(fd).map_err(|errno| OpenError::system("asking for the size of", name, errno))?;
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(Kind::File),
        FileType::CharacterDevice => return Ok(Kind::Device),
        FileType::Directory => "directory",
        FileType::BlockDevice => "block device",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        _ => "special file",
    };
    Err(OpenError::NotMemory {
        name: name.to_owned(),
        what,
    })
}

/// How the kernel maps a file: by the names that sysfs gives a device's memory.
fn caching_of(path: &Path) -> Caching {
    let in_sysfs = path.starts_with("/sys");
    match path.file_name().and_then(|name| name.to_str()) {
        Some("resource2_wc") if in_sysfs => Caching::WriteCombined,
        Some("resource2") if in_sysfs => Caching::Uncached,
        _ => Caching::WriteBack,
    }
}

/// Maps all of an open memory.
fn map(
    fd: OwnedFd,
    name: String,
    kind: Kind,
    caching: Caching,
    system: &impl System,
) -> Result<SharedMemory, OpenError> {
    let bytes = match kind {
        Kind::File => system
            .file_size(fd.as_fd())
            .map_err(|errno| OpenError::system("asking for the size of", &name, errno))?,
        Kind::Device => device_size(&fd, &name, system)?,
    };
    let page = rustix::param::page_size();
    let len = match usize::try_from(bytes) {
        Ok(0) => return Err(OpenError::Empty { name }),
        Ok(len) if len.is_multiple_of(page) => len,
        _ => return Err(OpenError::PartialPage { name, bytes, page }),
    };
    let mapping = system.map(fd.as_fd(), len).map_err(|errno| match errno {
        // mmap(2): a shared writable mapping of a descriptor that is not open for both.
        Errno::ACCESS => OpenError::NotWritable { name: name.clone() },
        _ => OpenError::system("mapping", &name, errno),
    })?;
    Ok(SharedMemory::new(mapping, caching, fd))
}

/// The size of the module's region: by `lseek`, which has no limit but only newer modules answer, else by `ioctl`.
fn device_size(fd: &OwnedFd, name: &str, system: &impl System) -> Result<u64, OpenError> {
    match system.seek_end(fd.as_fd()) {
        // Character devices without an answer of their own fail or say 0, depending on the kernel.
        Ok(0) | Err(_) => {}
        Ok(bytes) => return Ok(bytes),
    }
    system.region_size(fd.as_fd()).map_err(|errno| match errno {
        Errno::NOTTY => OpenError::NotMemory {
            name: name.to_owned(),
            what: "device of another kind",
        },
        _ => OpenError::system("asking for the size of", name, errno),
    })
}
