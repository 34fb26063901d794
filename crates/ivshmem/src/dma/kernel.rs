//! The system calls of both makers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use super::Export;

/// `KVMFR_DMABUF_CREATE`, `_IOW('u', 0x42, 24 bytes)` in `module/kvmfr.h`; `UDMABUF_CREATE` of linux/udmabuf.h is the
/// same number, by chance.
const CREATE: libc::c_ulong = 0x4018_7542;
/// `KVMFR_DMABUF_GETSIZE`, `_IO('u', 0x44)`.
const GET_SIZE: libc::c_ulong = 0x7544;
/// `DMA_BUF_IOCTL_SYNC` of linux/dma-buf.h.
const SYNC: libc::c_ulong = 0x4008_6200;
/// `DMA_BUF_SYNC_END`.
pub(super) const SYNC_END: u64 = 4;

/// `struct kvmfr_dmabuf_create`; the padding is written out.
#[repr(C)]
struct KvmfrCreate {
    flags: u8,
    padding: [u8; 7],
    offset: u64,
    size: u64,
}

/// `struct udmabuf_create`.
#[repr(C)]
struct UdmabufCreate {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

const _: () = assert!(size_of::<KvmfrCreate>() == 24 && size_of::<UdmabufCreate>() == 24);

/// `KVMFR_DMABUF_FLAG_CLOEXEC` and `UDMABUF_FLAGS_CLOEXEC`.
const CLOSE_ON_EXEC: u8 = 1;

/// A device of the kernel module.
pub(super) struct Kvmfr(pub(super) OwnedFd);

impl Export for Kvmfr {
    fn export(&self, offset: u64, len: u64) -> Result<OwnedFd, Errno> {
        let argument = KvmfrCreate {
            flags: CLOSE_ON_EXEC,
            padding: [0; 7],
            offset,
            size: len,
        };
        // SAFETY: the module's request reads 24 bytes, which are those of `argument`, and returns a new descriptor.
        unsafe { create(self.0.as_fd(), std::ptr::from_ref(&argument).cast()) }
    }
}

/// The kernel's device, and a sealed memfd.
pub(super) struct Udmabuf {
    pub(super) device: OwnedFd,
    pub(super) memory: OwnedFd,
}

impl Export for Udmabuf {
    fn export(&self, offset: u64, len: u64) -> Result<OwnedFd, Errno> {
        let argument = UdmabufCreate {
            memfd: u32::try_from(self.memory.as_raw_fd()).map_err(|_| Errno::BADF)?,
            flags: CLOSE_ON_EXEC.into(),
            offset,
            size: len,
        };
        // SAFETY: the device's request reads 24 bytes, which are those of `argument`, and returns a new descriptor.
        unsafe { create(self.device.as_fd(), std::ptr::from_ref(&argument).cast()) }
    }
}

/// Asks a device for a DMA-BUF.
///
/// # Safety
/// `argument` must point to as many bytes as the device's request reads, and the request must return a descriptor that
/// is the caller's.
unsafe fn create(device: BorrowedFd<'_>, argument: *const u8) -> Result<OwnedFd, Errno> {
    // SAFETY: the caller's promise; a descriptor of another kind answers with an error.
    let fd = unsafe { libc::syscall(libc::SYS_ioctl, device.as_raw_fd(), CREATE, argument) };
    if fd < 0 {
        return Err(last_errno());
    }
    let fd = RawFd::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: a new descriptor that nobody else knows, by the caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Tells whether a character device is the kernel module's.
pub(super) fn is_kvmfr(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: the request takes no argument and touches no memory of ours.
    let size = unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), GET_SIZE, 0_usize) };
    // From 2 GiB on our module refuses, and older ones give another negative number. Other devices do not know the
    // request.
    size != -1 || !matches!(last_errno(), Errno::NOTTY | Errno::INVAL | Errno::NODEV)
}

/// Begins or ends an access by the CPU.
pub(super) fn sync(fd: BorrowedFd<'_>, flags: u64) -> Result<(), Errno> {
    loop {
        // SAFETY: the request reads the eight bytes of `flags`, and a descriptor of another kind answers with an error.
        let done =
            unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), SYNC, &raw const flags) };
        match done {
            0.. => return Ok(()),
            // dma-buf.h demands to ask again after these two.
            _ => match last_errno() {
                Errno::INTR | Errno::AGAIN => {}
                error => return Err(error),
            },
        }
    }
}

/// The error of the last call into libc.
fn last_errno() -> Errno {
    let raw = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(raw.unwrap_or(libc::EIO))
}
