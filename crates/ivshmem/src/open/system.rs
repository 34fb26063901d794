//! The system calls that opening takes, so that tests can stand in for devices this machine does not have.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, SeekFrom, fstat, seek};
use rustix::io::Errno;

use crate::memory::Mapping;

/// `KVMFR_DMABUF_GETSIZE`, `_IO('u', 0x44)` in the module's header.
const GET_SIZE: libc::c_ulong = 0x7544;

/// What opening asks of the system.
pub(crate) trait System {
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> Result<OwnedFd, Errno>;
    /// Makes a descriptor of our own for a number we were given.
    fn duplicate(&self, fd: RawFd) -> Result<OwnedFd, Errno>;
    /// Bytes of a file, by `fstat`.
    fn file_size(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno>;
    /// Bytes of a device, by `lseek`.
    fn seek_end(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno>;
    /// Bytes of the kernel module's region, by `ioctl`.
    fn region_size(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno>;
    /// Maps the first `len` bytes, shared.
    fn map(&self, fd: BorrowedFd<'_>, len: usize) -> Result<Mapping, Errno>;
    /// Writes 1 to a PCI device's `enable`.
    fn enable(&self, file: &Path) -> std::io::Result<()>;
    /// Where sysfs is mounted.
    fn sysfs(&self) -> &Path;
}

/// The real system.
pub(crate) struct Linux {
    sysfs: PathBuf,
}

impl Default for Linux {
    fn default() -> Self {
        Self {
            sysfs: "/sys".into(),
        }
    }
}

impl System for Linux {
    fn open(&self, path: &Path) -> Result<OwnedFd, Errno> {
        // Should the path name a terminal or a pipe, opening it must neither adopt it nor wait.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        rustix::fs::open(path, flags, Mode::empty())
    }

    fn duplicate(&self, fd: RawFd) -> Result<OwnedFd, Errno> {
        // SAFETY: takes numbers only; a number that is no descriptor is answered with an error.
        let own = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
        if own < 0 {
            return Err(last_errno());
        }
        // SAFETY: a new descriptor that nobody else knows.
        Ok(unsafe { OwnedFd::from_raw_fd(own) })
    }

    fn file_size(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno> {
        u64::try_from(fstat(fd)?.st_size).map_err(|_| Errno::OVERFLOW)
    }

    fn seek_end(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno> {
        seek(fd, SeekFrom::End(0))
    }

    fn region_size(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno> {
        // The kernel cuts the answer to an `int`: from 2 GiB on an old module's looks negative, and ours fails.
        // SAFETY: the request takes no argument and touches no memory of ours.
        let size = unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), GET_SIZE, 0_usize) };
        if size == -1 {
            return Err(last_errno());
        }
        u64::try_from(size).map_err(|_| Errno::OVERFLOW)
    }

    fn map(&self, fd: BorrowedFd<'_>, len: usize) -> Result<Mapping, Errno> {
        Mapping::shared(fd, len)
    }

    fn enable(&self, file: &Path) -> std::io::Result<()> {
        std::fs::write(file, "1")
    }

    fn sysfs(&self) -> &Path {
        &self.sysfs
    }
}

/// The error of the last call into libc.
fn last_errno() -> Errno {
    let raw = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(raw.unwrap_or(libc::EIO))
}
