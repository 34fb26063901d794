//! One mapping of the shared memory.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::sigbus::Registration;
use crate::{Caching, OpenError, SharedSlice, Source};

/// The whole shared memory, mapped readable and writable until this value and all its [`DmaBufs`](crate::DmaBufs) are
/// dropped.
#[derive(Debug)]
pub struct SharedMemory {
    mapping: Arc<Mapping>,
    caching: Caching,
    fd: OwnedFd,
}

impl SharedMemory {
    /// Opens and maps the memory that `source` names.
    ///
    /// # Errors
    /// If it is not there, may not be opened, or is not usable; the message names the remedy.
    pub fn open(source: &Source) -> Result<Self, OpenError> {
        crate::open::open(source, &crate::open::Linux::default())
    }

    /// Makes an anonymous memory of `len` bytes that can be handed to other processes by its descriptor.
    ///
    /// It is sealed against shrinking, so that no peer can pull it from under us.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn create(name: &str, len: usize) -> Result<Self, Errno> {
        let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, len as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK)?;
        Self::map_fd(fd)
    }

    /// Maps all of an open file.
    ///
    /// # Errors
    /// If the kernel refuses, or the file is empty.
    pub fn map_fd(fd: OwnedFd) -> Result<Self, Errno> {
        let len = usize::try_from(fstat(&fd)?.st_size).map_err(|_| Errno::OVERFLOW)?;
        let mapping = Mapping::shared(fd.as_fd(), len)?;
        Ok(Self::new(mapping, Caching::WriteBack, fd))
    }

    /// Puts a mapping and its descriptor together.
    pub(crate) fn new(mapping: Mapping, caching: Caching, fd: OwnedFd) -> Self {
        Self {
            mapping: Arc::new(mapping),
            caching,
            fd,
        }
    }

    /// Bytes of the mapping.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mapping.len
    }

    /// Tells whether the mapping is empty; it never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mapping.len == 0
    }

    /// How the pages are cached.
    #[must_use]
    pub const fn caching(&self) -> Caching {
        self.caching
    }

    /// The window over all of it.
    #[must_use]
    pub fn as_slice(&self) -> SharedSlice<'_> {
        // SAFETY: the mapping lives as long as `self`, which the lifetime of the window borrows.
        unsafe { SharedSlice::from_raw(self.mapping.start, self.mapping.len) }
            .with_caching(self.caching)
    }

    /// Tells whether an access found no memory behind the mapping, because the file was cut. Once true it stays so:
    /// the missing part reads as zeros and nobody else sees what is written there, so it has to be opened anew.
    ///
    /// Only ever true with [`sigbus::install_handler`](crate::sigbus::install_handler); without it such an access
    /// ends the process.
    #[must_use]
    pub fn is_faulted(&self) -> bool {
        self.mapping
            .registration
            .as_ref()
            .is_some_and(Registration::is_faulted)
    }

    /// The mapping, for whoever must outlive this.
    pub(crate) const fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// Checks that the memory has room for `needed` bytes.
    ///
    /// # Errors
    /// [`OpenError::TooSmall`] otherwise.
    pub fn check_size(&self, needed: usize) -> Result<(), OpenError> {
        crate::open::check_size(self.len(), needed)
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A mapping, known to the `SIGBUS` handler and unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    /// Present until `drop` takes it.
    registration: Option<Registration>,
}

// SAFETY: the mapping belongs to no thread, and access to it goes through `SharedSlice` only.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of a file, shared.
    pub(crate) fn shared(fd: BorrowedFd<'_>, len: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping at an address of the kernel's choice; nothing else refers to it.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                fd,
                0,
            )
        }?;
        let mut mapping = Self {
            start: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?,
            len,
            registration: None,
        };
        // Without a place in the handler's table the mapping would not be safe against its owner.
        let registration = Registration::new(start.expose_provenance(), len);
        mapping.registration = Some(registration.ok_or(Errno::MFILE)?);
        Ok(mapping)
    }
}

impl Mapping {
    /// Where it begins.
    pub(crate) fn address(&self) -> usize {
        self.start.addr().get()
    }

    /// Its bytes.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // First: the address range may belong to somebody else as soon as it is unmapped.
        drop(self.registration.take());
        // SAFETY: exactly the range that `mmap` returned; every window's lifetime has ended.
        if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), self.len) } {
            tracing::warn!(%error, "unmapping the shared memory");
        }
    }
}
