//! The system calls of the module.

use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::ptr::NonNull;

use rustix::io::Errno;

const CREATE: u64 = 0x4018_7542;
const GET_SIZE: u64 = 0x7544;
/// `DMA_BUF_IOCTL_SYNC` of linux/dma-buf.h.
const SYNC: u64 = 0x4008_6200;

/// Any request with an address or a number for its argument.
fn ioctl(fd: impl AsFd, request: u64, argument: usize) -> Result<i64, Errno> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the callers in this file pass addresses of values that outlive the call, or such as the kernel must refuse.
    let answer = unsafe { libc::syscall(libc::SYS_ioctl, fd, request, argument) };
    if answer == -1 {
        Err(last_error())
    } else {
        Ok(answer)
    }
}

fn last_error() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Makes a DMA-BUF of a part of the region.
pub(crate) fn create(fd: impl AsFd, flags: u8, offset: u64, size: u64) -> Result<OwnedFd, Errno> {
    // Whatever lies in the padding is nobody's business.
    let first = u64::from_ne_bytes([flags, 1, 2, 3, 4, 5, 6, 7]);
    let argument = [first, offset, size];
    let new = ioctl(fd, CREATE, argument.as_ptr().addr())?;
    let new = RawFd::try_from(new).map_err(|_| Errno::BADF)?;
    // SAFETY: a new descriptor that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// Asks for one from an address that is none.
pub(crate) fn create_from_nowhere(fd: impl AsFd) -> Result<i64, Errno> {
    ioctl(fd, CREATE, 8)
}

/// The size of the region.
pub(crate) fn size(fd: impl AsFd) -> Result<u64, Errno> {
    let size = ioctl(fd, GET_SIZE, 0)?;
    u64::try_from(size).map_err(|_| Errno::OVERFLOW)
}

/// A request that the module does not know.
pub(crate) fn unknown(fd: impl AsFd) -> Result<i64, Errno> {
    ioctl(fd, 0x7543, 0)
}

/// Begins (0) or ends (4) access by the CPU, for reading (1), writing (2) or both.
pub(crate) fn sync(fd: impl AsFd, flags: u64) -> Result<i64, Errno> {
    let argument = flags;
    ioctl(fd, SYNC, std::ptr::from_ref(&argument).addr())
}

/// The descriptor of that number, which this process was started with.
pub(crate) fn inherited(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller, who started this process for it, left it open for this purpose.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A mapping of a part of something.
pub(crate) struct Window {
    start: NonNull<libc::c_void>,
    len: usize,
}

impl Window {
    /// Maps `len` bytes from `offset` on, for others to see or not.
    pub(crate) fn map(
        fd: impl AsFd,
        offset: u64,
        len: usize,
        is_shared: bool,
    ) -> Result<Self, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let kind = if is_shared {
            libc::MAP_SHARED
        } else {
            libc::MAP_PRIVATE
        };
        let fd = fd.as_fd().as_raw_fd();
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::OVERFLOW)?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, kind, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(last_error());
        }
        let start = NonNull::new(start).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len })
    }

    /// Tries to double it.
    pub(crate) fn grow(&self) -> Result<(), Errno> {
        // SAFETY: the range of this mapping; it may move, but then the test fails, and nothing of it is used any more.
        let new = unsafe {
            libc::mremap(
                self.start.as_ptr(),
                self.len,
                self.len * 2,
                libc::MREMAP_MAYMOVE,
            )
        };
        if new == libc::MAP_FAILED {
            Err(last_error())
        } else {
            Ok(())
        }
    }

    /// Puts the first bytes into a pipe, which holds the page itself and no copy.
    pub(crate) fn lend(&self, pipe: impl AsFd, len: usize) -> Result<(), Errno> {
        assert!(len <= self.len);
        let part = libc::iovec {
            iov_base: self.start.as_ptr(),
            iov_len: len,
        };
        // SAFETY: one part, inside of the mapping, which the kernel only reads.
        let done = unsafe { libc::vmsplice(pipe.as_fd().as_raw_fd(), &raw const part, 1, 0) };
        if done == -1 {
            return Err(last_error());
        }
        Ok(())
    }

    fn at(&self, offset: usize) -> *mut u64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len);
        self.start.as_ptr().cast::<u64>().wrapping_byte_add(offset)
    }

    /// The word at a place.
    pub(crate) fn read(&self, offset: usize) -> u64 {
        // SAFETY: aligned and inside, by `at`.
        unsafe { self.at(offset).read_volatile() }
    }

    /// Changes the word at a place.
    pub(crate) fn write(&self, offset: usize, value: u64) {
        // SAFETY: aligned and inside, by `at`.
        unsafe { self.at(offset).write_volatile(value) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: exactly the range that was mapped; no reference into it exists.
        unsafe { libc::munmap(self.start.as_ptr(), self.len) };
    }
}
