//! DMA-BUFs of parts of the shared memory, so that a graphics card reads the guest's frames where they are.
//!
//! Two makers are known: a device of the kernel module `kvmfr`, and the kernel's `/dev/udmabuf` for a memory that is a
//! sealed memfd, such as QEMU's `memory-backend-memfd`. Nothing else has them: files in `/dev/shm` cannot be sealed.
//!
//! A DMA-BUF covers whole pages and gives whoever gets it access to all of them, for as long as it is held and whatever
//! becomes of the protocol in the memory. So ranges are to come from validated messages only, and the buffers and what
//! was imported from them are to be closed when the session ends (`kvmfr.md` 8, H11).
//!
//! Sources: `module/kvmfr.h`; `kvmfr.md` 7.2; the kernel's `include/uapi/linux/udmabuf.h`, `include/uapi/linux/dma-buf.h`
//! and `drivers/dma-buf/udmabuf.c` (what it demands of the seals); fcntl(2), memfd_create(2).

#[expect(unsafe_code, reason = "ioctl, which rustix has no safe form of")]
mod kernel;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, SealFlags, fcntl_get_seals, fstat};
use rustix::io::Errno;

use crate::memory::Mapping;
use crate::{SharedMemory, SharedSlice};

/// The device that turns memfds into DMA-BUFs.
const UDMABUF: &str = "/dev/udmabuf";

/// A part of the memory did not become a DMA-BUF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DmaBufError {
    /// The memory is of a kind that has none.
    #[error(
        "this kind of memory has no DMA-BUFs; they need the kernel module kvmfr (/dev/kvmfr0) or QEMU's \
         memory-backend-memfd"
    )]
    NoSource,
    /// The memory could be made smaller, which the kernel does not allow a DMA-BUF's.
    #[error(
        "the memory is a memfd that is not sealed against shrinking; QEMU does that with seal=on"
    )]
    Unsealed,
    /// The memory may not be written by anybody, which the kernel does not allow a DMA-BUF's.
    #[error("the memory is a memfd that is sealed against writing")]
    WriteSealed,
    /// The kernel's maker of DMA-BUFs cannot be opened.
    #[error("{UDMABUF} cannot be opened{}", hint(source))]
    NoUdmabuf {
        /// What the kernel says.
        #[source]
        source: Errno,
    },
    /// The range is empty or leaves the memory.
    #[error("bytes {start} to {end} are no part of a memory of {memory} bytes in pages of {page}")]
    Range {
        /// First byte.
        start: usize,
        /// Behind the last byte.
        end: usize,
        /// Bytes of the memory.
        memory: usize,
        /// Bytes of a page.
        page: usize,
    },
    /// The kernel refuses.
    #[error("{doing} failed")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the kernel says.
        #[source]
        source: Errno,
    },
}

/// What may help against an error of opening the device.
fn hint(error: &Errno) -> &'static str {
    match *error {
        Errno::ACCESS | Errno::PERM => "; on most systems it belongs to the group kvm",
        Errno::NOENT | Errno::NXIO | Errno::NODEV => "; the kernel needs CONFIG_UDMABUF",
        _ => "",
    }
}

/// Who makes the DMA-BUFs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DmaBufSource {
    /// The kernel module.
    Kvmfr,
    /// The kernel, from a sealed memfd.
    Udmabuf,
    /// A test.
    Other,
}

impl fmt::Display for DmaBufSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvmfr => "kvmfr",
            Self::Udmabuf => "udmabuf",
            Self::Other => "other",
        })
    }
}

/// Makes a DMA-BUF of whole pages; what differs between the makers.
pub trait Export: Send + Sync {
    /// Makes one of `len` bytes from `offset` on; both are multiples of the page size and inside of the memory.
    ///
    /// # Errors
    /// If the kernel refuses.
    fn export(&self, offset: u64, len: u64) -> Result<OwnedFd, Errno>;
}

/// A maker of DMA-BUFs of one shared memory, which stays mapped as long as this lives.
pub struct DmaBufs {
    source: DmaBufSource,
    export: Box<dyn Export>,
    /// Held so that no other memory can come to lie at its addresses.
    mapping: Arc<Mapping>,
}

impl fmt::Debug for DmaBufs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaBufs")
            .field("source", &self.source)
            .field("len", &self.mapping.len())
            .finish_non_exhaustive()
    }
}

impl SharedMemory {
    /// Finds out how DMA-BUFs of this memory are made.
    ///
    /// # Errors
    /// If there is no way; the message names what is missing.
    pub fn dma_bufs(&self) -> Result<DmaBufs, DmaBufError> {
        self.dma_bufs_by(Path::new(UDMABUF))
    }

    /// The same with a device node of one's own.
    fn dma_bufs_by(&self, udmabuf: &Path) -> Result<DmaBufs, DmaBufError> {
        let failed = |doing| move |source| DmaBufError::System { doing, source };
        let stat = fstat(self).map_err(failed("asking for the kind of the memory"))?;
        let own = || {
            let fd = self.as_fd().try_clone_to_owned();
            let errno = |error: std::io::Error| {
                Errno::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO))
            };
            fd.map_err(|error| failed("duplicating the memory's descriptor")(errno(error)))
        };
        let (source, export): (_, Box<dyn Export>) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if kernel::is_kvmfr(self.as_fd()) => {
                (DmaBufSource::Kvmfr, Box::new(kernel::Kvmfr(own()?)))
            }
            FileType::RegularFile => {
                check_seals(fcntl_get_seals(self))?;
                let flags = OFlags::RDWR | OFlags::CLOEXEC;
                let device = rustix::fs::open(udmabuf, flags, Mode::empty())
                    .map_err(|source| DmaBufError::NoUdmabuf { source })?;
                let memory = own()?;
                let export = kernel::Udmabuf { device, memory };
                (DmaBufSource::Udmabuf, Box::new(export))
            }
            _ => return Err(DmaBufError::NoSource),
        };
        Ok(DmaBufs::new(self, source, export))
    }
}

/// Checks the seals of a file as the kernel will, for a better message than its.
fn check_seals(seals: Result<SealFlags, Errno>) -> Result<(), DmaBufError> {
    // Files of tmpfs answer too, and say that they cannot be sealed any more; others do not answer.
    let seals = seals.map_err(|_| DmaBufError::NoSource)?;
    if seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE) {
        Err(DmaBufError::WriteSealed)
    } else if seals.contains(SealFlags::SHRINK) {
        Ok(())
    } else if seals == SealFlags::SEAL {
        Err(DmaBufError::NoSource)
    } else {
        Err(DmaBufError::Unsealed)
    }
}

impl DmaBufs {
    /// A maker that goes by another way; for tests of what is built on this.
    #[must_use]
    pub fn with_export(memory: &SharedMemory, export: Box<dyn Export>) -> Self {
        Self::new(memory, DmaBufSource::Other, export)
    }

    fn new(memory: &SharedMemory, source: DmaBufSource, export: Box<dyn Export>) -> Self {
        let mapping = Arc::clone(memory.mapping());
        Self {
            source,
            export,
            mapping,
        }
    }

    /// Who makes them.
    #[must_use]
    pub const fn source(&self) -> DmaBufSource {
        self.source
    }

    /// Which bytes of the memory a window covers; `None` if it is a window into something else.
    #[must_use]
    pub fn range_of(&self, window: SharedSlice<'_>) -> Option<Range<usize>> {
        let start = window.as_ptr().addr().checked_sub(self.mapping.address())?;
        let end = start.checked_add(window.len())?;
        (end <= self.mapping.len()).then_some(start..end)
    }

    /// Makes a DMA-BUF of the pages that `range` lies in.
    ///
    /// Whoever gets it may read and write those pages: `range` has to come from validated values.
    ///
    /// # Errors
    /// [`DmaBufError::Range`] if the range is empty or leaves the memory, and [`DmaBufError::System`] if the kernel
    /// refuses.
    pub fn create(&self, range: Range<usize>) -> Result<DmaBuf, DmaBufError> {
        let page = rustix::param::page_size();
        let pages = pages_of(&range, self.mapping.len(), page)?;
        let (offset, len) = (pages.start, pages.end - pages.start);
        let fd = self.export.export(offset as u64, len as u64);
        let fd = fd.map_err(|source| DmaBufError::System {
            doing: doing(self.source, len, source),
            source,
        })?;
        Ok(DmaBuf {
            fd,
            offset: range.start - pages.start,
            len,
        })
    }
}

/// What failed, for an error's text.
const fn doing(source: DmaBufSource, len: usize, error: Errno) -> &'static str {
    /// The kernel's `size_limit_mb`, if nobody has changed it.
    const LIMIT: usize = 64 << 20;
    match source {
        DmaBufSource::Udmabuf if len > LIMIT && error.raw_os_error() == libc::EINVAL => {
            "making a DMA-BUF by /dev/udmabuf (larger than 64 MiB: raise size_limit_mb of the kernel's module udmabuf)"
        }
        DmaBufSource::Udmabuf => "making a DMA-BUF by /dev/udmabuf",
        DmaBufSource::Kvmfr => "making a DMA-BUF by kvmfr",
        DmaBufSource::Other => "making a DMA-BUF",
    }
}

/// The whole pages that a range lies in, if it is one.
fn pages_of(range: &Range<usize>, memory: usize, page: usize) -> Result<Range<usize>, DmaBufError> {
    let start = range.start - range.start % page;
    match range.end.checked_next_multiple_of(page) {
        Some(end) if range.start < range.end && end <= memory => Ok(start..end),
        _ => Err(DmaBufError::Range {
            start: range.start,
            end: range.end,
            memory,
            page,
        }),
    }
}

/// Some pages of the shared memory as a DMA-BUF, closed when dropped; what was imported from it stays.
#[derive(Debug)]
pub struct DmaBuf {
    fd: OwnedFd,
    offset: usize,
    len: usize,
}

impl DmaBuf {
    /// Where the range that was asked for begins in the buffer, in bytes: less than a page.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes of the buffer: whole pages.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tells whether the buffer is empty; it never is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tells the drivers that have the buffer that the CPU is going to access its bytes, until what is returned is
    /// dropped (`DMA_BUF_IOCTL_SYNC`). It does not keep other processes from writing.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn access_by_cpu(&self, access: CpuAccess) -> Result<CpuAccessing<'_>, Errno> {
        kernel::sync(self.as_fd(), access as u64)?;
        Ok(CpuAccessing {
            buffer: self,
            access,
        })
    }
}

impl AsFd for DmaBuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What the CPU does with a buffer; the values are those of `DMA_BUF_SYNC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum CpuAccess {
    /// Reads.
    Read = 1,
    /// Writes.
    Write = 2,
    /// Both.
    ReadWrite = 3,
}

/// The CPU accesses a buffer until this is dropped.
#[derive(Debug)]
pub struct CpuAccessing<'a> {
    buffer: &'a DmaBuf,
    access: CpuAccess,
}

impl Drop for CpuAccessing<'_> {
    fn drop(&mut self) {
        if let Err(error) = kernel::sync(self.buffer.as_fd(), self.access as u64 | kernel::SYNC_END)
        {
            tracing::debug!(%error, "ending the access to a DMA-BUF");
        }
    }
}
