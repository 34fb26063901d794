//! The shared memory: opened, mapped, and the only sound access to it.
//!
//! The lowest layer: it depends on no other crate of the workspace, knows no protocol, and is the only one that maps
//! memory. `lgmp` and `kvmfr` put their structures into it, `relay` moves frames through it, and `render` and `window`
//! copy pixels out of it or into memory that is shared with a display server.
//!
//! The guest, the host program or another client writes into the mapping at any time. So nothing here ever makes a
//! reference or a slice into it, references to atomics apart: bytes are copied in and out through [`SharedSlice`],
//! every range is checked, and a reader copies a header once and trusts only its copy.
//!
//! ```no_run
//! use ivshmem::{SharedMemory, Source, Stores, Rows, check_size};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! ivshmem::sigbus::install_handler()?; // programs only, once
//! let memory = SharedMemory::open(&Source::parse("kvmfr0")?)?;
//! check_size(memory.len(), 32 << 20)?;
//! let header: [u32; 4] = memory.as_slice().read(0)?; // one copy, any alignment
//! let rows = Rows { rows: 1080, row_bytes: 7680, src_pitch: 8192, dst_pitch: 7680 };
//! let mut picture = vec![0; 7680 * 1080];
//! let stores = Stores::for_reading(picture.len());
//! memory.as_slice().read_rows_with(1 << 20, &rows, &mut picture, stores)?;
//! assert!(!memory.is_faulted(), "the file was cut; open it anew ({header:?})");
//! # Ok(())
//! # }
//! ```
//!
//! # Threads and clocks
//! No thread of its own and no clock. [`SharedMemory`] and [`SharedSlice`] may be used from any thread; ordering
//! between threads and processes is the caller's, by atomics in the mapping, and by [`store_fence`] where the mapping
//! is write-combined. [`sigbus::install_handler`] changes the handling of `SIGBUS` for the whole process.
//!
//! # Sources
//! The LGMP and KVMFR notes (`lgmp.md` 10, `kvmfr.md` 6 to 8); QEMU's `ivshmem-spec`; the kernel's `sysfs-pci`;
//! mmap(2), memfd_create(2), sigaction(2), signal-safety(7); Intel SDM volume 3A, 12.3 (memory types).

#![deny(unsafe_code)]

#[expect(
    unsafe_code,
    reason = "copies by raw pointers; ranges are checked by the windows"
)]
mod copy;
mod dma;
#[expect(unsafe_code, reason = "maps and unmaps")]
mod memory;
#[expect(
    unsafe_code,
    reason = "two system calls that rustix has no safe form of"
)]
mod open;
#[expect(unsafe_code, reason = "calls the copies with ranges it has checked")]
mod rows;
#[expect(unsafe_code, reason = "a signal handler, and the pages it replaces")]
pub mod sigbus;
#[expect(unsafe_code, reason = "checked windows over raw memory")]
mod slice;
mod source;
mod stream;

pub use copy::{Caching, STREAM_READS_FROM, STREAM_WRITES_FROM, Stores, store_fence};
pub use dma::{CpuAccess, CpuAccessing, DmaBuf, DmaBufError, DmaBufSource, DmaBufs, Export};
pub use memory::SharedMemory;
pub use open::{OpenError, Remedy, check_size};
pub use rows::Rows;
pub use slice::{AccessError, SharedSlice};
pub use source::{AddressError, PciAddress, Source, SourceError};
pub use stream::{PixelStream, Stalled};
