//! Why a shared memory could not be opened, and what to do about it.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Kind;
use crate::PciAddress;

/// A shared memory that could not be opened. Each message names the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file does not exist.
    #[error(
        "{} does not exist; start the virtual machine, with `-object memory-backend-file,id=ivshmem,share=on,\
         mem-path={},size=64M -device ivshmem-plain,memdev=ivshmem`",
        path.display(),
        path.display()
    )]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// The kernel module's device does not exist.
    #[error(
        "{} does not exist; load the module with `modprobe kvmfr static_size_mb=64`, or name a file instead",
        path.display()
    )]
    MissingDevice {
        /// The device.
        path: PathBuf,
    },
    /// This user may not open it.
    #[error("no permission to read and write {}; {}", path.display(), remedy)]
    Denied {
        /// The file or device.
        path: PathBuf,
        /// What to do.
        remedy: Remedy,
        /// What the kernel says.
        source: Errno,
    },
    /// There are no bytes in it.
    #[error(
        "{name} is empty; whoever makes it has to give it its size, as QEMU does with size= of its \
         memory-backend-file"
    )]
    Empty {
        /// The memory.
        name: String,
    },
    /// Its size is no whole number of pages, so that it cannot be a virtual machine's memory.
    #[error(
        "{name} has {bytes} bytes, not a multiple of the page size {page}; it has to be made by the virtual machine \
         or with a size such as `truncate -s 64M`"
    )]
    PartialPage {
        /// The memory.
        name: String,
        /// Its size.
        bytes: u64,
        /// Bytes of a page.
        page: usize,
    },
    /// It is not a kind of file that could be one.
    #[error("{name} is a {what}, not a shared memory; name a file, a kvmfr device or pci")]
    NotMemory {
        /// What was named.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// There is no such descriptor.
    #[error("descriptor {fd} is not open; whoever starts this program has to pass it on")]
    BadDescriptor {
        /// The descriptor.
        fd: i32,
    },
    /// It is open for reading or writing only.
    #[error("{name} cannot be mapped for reading and writing; open the descriptor for both")]
    NotWritable {
        /// The memory.
        name: String,
    },
    /// No PCI device is an IVSHMEM one.
    #[error(
        "no IVSHMEM device (1af4:1110) on the PCI bus; add `-device ivshmem-plain,memdev=ivshmem` to the virtual \
         machine, and run this inside of it"
    )]
    NoPciDevice,
    /// The PCI device at the address is absent or another one.
    #[error(
        "the PCI device at {address} is {found}, not an IVSHMEM device (1af4:1110); see `lspci -Dd 1af4:1110`"
    )]
    NotIvshmem {
        /// The address.
        address: PciAddress,
        /// Vendor and device, or "absent".
        found: String,
    },
    /// The PCI device has no shared memory.
    #[error(
        "the IVSHMEM device at {address} has no memory (BAR 2); its memory comes from memdev= of ivshmem-plain"
    )]
    NoBar {
        /// The address.
        address: PciAddress,
    },
    /// The PCI device does not answer to memory accesses.
    #[error(
        "memory decoding of the IVSHMEM device at {address} is off; as root, run `setpci -s {address} COMMAND=2:2`"
    )]
    NotDecoding {
        /// The address.
        address: PciAddress,
    },
    /// There is not enough of it.
    #[error(
        "the shared memory of {} is too small, {} are needed; set the size of the virtual machine's memory to {}M",
        Mebibytes(*len), Mebibytes(*needed), recommended_mib(*needed)
    )]
    TooSmall {
        /// Bytes there are.
        len: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The kernel refused for another reason.
    #[error("{doing} {name} failed")]
    System {
        /// What was tried.
        doing: &'static str,
        /// With what.
        name: String,
        /// What the kernel says.
        source: Errno,
    },
}

/// What gives a user the permission that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// A rule for systemd-tmpfiles that makes the file for this user.
    Tmpfiles {
        /// The file.
        path: PathBuf,
        /// The user.
        uid: u32,
    },
    /// A udev rule for the kernel module's devices.
    Udev {
        /// The user.
        uid: u32,
    },
    /// A udev rule for the PCI device's memory.
    UdevPci {
        /// The user.
        uid: u32,
    },
}

impl Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tmpfiles { path, uid } => write!(
                f,
                "put `f {} 0660 {uid} kvm -` into /etc/tmpfiles.d/10-looking-glass.conf, remove the file and run \
                 `systemd-tmpfiles --create`",
                path.display()
            ),
            Self::Udev { uid } => write!(
                f,
                "put `SUBSYSTEM==\"kvmfr\", OWNER=\"{uid}\", GROUP=\"kvm\", MODE=\"0660\"` into \
                 /etc/udev/rules.d/99-kvmfr.rules and load the module again"
            ),
            Self::UdevPci { uid } => write!(
                f,
                "run as root, or put `SUBSYSTEM==\"pci\", ATTR{{vendor}}==\"0x1af4\", ATTR{{device}}==\"0x1110\", \
                 RUN+=\"/bin/chown {uid} /sys%p/resource2_wc /sys%p/resource2 /sys%p/enable\"` into \
                 /etc/udev/rules.d/99-ivshmem.rules (in lockdown mode the kernel refuses root as well)"
            ),
        }
    }
}

impl OpenError {
    /// The error for a lack of permission.
    pub(super) fn denied(path: &Path, kind: Kind, source: Errno) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let in_sysfs = path
            .file_name()
            .is_some_and(|name| name == "resource2" || name == "resource2_wc");
        let remedy = match kind {
            Kind::Device => Remedy::Udev { uid },
            Kind::File if in_sysfs => Remedy::UdevPci { uid },
            Kind::File => Remedy::Tmpfiles {
                path: path.into(),
                uid,
            },
        };
        Self::Denied {
            path: path.into(),
            remedy,
            source,
        }
    }

    /// The error for everything unforeseen.
    pub(super) fn system(doing: &'static str, name: impl Display, source: Errno) -> Self {
        Self::System {
            doing,
            name: name.to_string(),
            source,
        }
    }
}

/// Shows a size in MiB, with a fraction only if it has one.
struct Mebibytes(usize);

impl Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: usize = 1 << 20;
        if self.0.is_multiple_of(MIB) {
            write!(f, "{} MiB", self.0 / MIB)
        } else {
            write!(f, "{:.1} MiB", self.0 as f64 / MIB as f64)
        }
    }
}

/// The size to configure in MiB: a power of two, because it becomes a PCI BAR.
fn recommended_mib(needed: usize) -> usize {
    needed
        .div_ceil(1 << 20)
        .checked_next_power_of_two()
        .unwrap_or(usize::MAX)
}
