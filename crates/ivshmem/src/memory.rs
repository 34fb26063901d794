//! One mapping of the shared memory.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::SharedSlice;

/// The whole shared memory, mapped readable and writable until this value is dropped.
#[derive(Debug)]
pub struct SharedMemory {
    start: NonNull<u8>,
    len: usize,
    fd: OwnedFd,
}

// SAFETY: the mapping belongs to no thread, and access to it goes through `SharedSlice` only.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Makes an anonymous memory of `len` bytes that can be handed to other processes by its descriptor.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn create(name: &str, len: usize) -> Result<Self, Errno> {
        let fd = memfd_create(name, MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, len as u64)?;
        Self::map_fd(fd)
    }

    /// Maps all of an open file.
    ///
    /// # Errors
    /// If the kernel refuses, or the file is empty.
    pub fn map_fd(fd: OwnedFd) -> Result<Self, Errno> {
        let len = usize::try_from(fstat(&fd)?.st_size).map_err(|_| Errno::OVERFLOW)?;
        // SAFETY: a new mapping at an address of the kernel's choice; nothing else refers to it.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &fd,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len, fd })
    }

    /// Bytes of the mapping.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tells whether the mapping is empty; it never is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The window over all of it.
    #[must_use]
    pub const fn as_slice(&self) -> SharedSlice<'_> {
        // SAFETY: the mapping lives as long as `self`, which the lifetime of the window borrows.
        unsafe { SharedSlice::from_raw(self.start, self.len) }
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `mmap` returned; every window's lifetime has ended.
        if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), self.len) } {
            tracing::warn!(%error, "unmapping the shared memory");
        }
    }
}
