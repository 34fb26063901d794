//! Sessions over LGMP and KVMFR: moves frames and the pointer from a host to its clients through shared memory.
//!
//! Sits above `lgmp` (queues) and `kvmfr` (messages), and speaks `picture`'s language upwards: neither a renderer nor
//! a capture ever sees a wire structure. [`reader`] is the client's side, [`publisher`] the host's.
//!
//! ```
//! use std::sync::Arc;
//! use clock::{Clock, MonotonicClock};
//! use picture::{Damage, FrameLayout, PixelFormat, Size};
//! use relay::publisher::{FrameFlags, Image, Pixels, Publisher, PublisherOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let memory = Arc::new(ivshmem::SharedMemory::create("example", 16 << 20)?);
//! let description = kvmfr::SessionDescription::default();
//! let options = PublisherOptions { version: kvmfr::Version::V20, description };
//! let mut publisher = Publisher::new(memory, options)?;
//! let mut service = publisher.service(); // belongs on a thread of its own
//! service.tick(MonotonicClock.now(), |request| println!("{request:?}"))?;
//! let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(64, 32));
//! let pixels = Pixels::Private(&[0x80; 64 * 32 * 4]);
//! let flags = FrameFlags::empty();
//! let published = publisher.publish(&Image { layout, pixels, damage: &Damage::FULL, flags })?;
//! assert_eq!((published.serial, published.recipients), (0, 0)); // waits for the first client
//! # Ok(())
//! # }
//! ```
//!
//! # Threads and clocks
//! No thread of its own. A [`Reader`] belongs to one thread, which it lets sleep until a [`Waker`] or a frame; a
//! publisher to the capturing thread, its service to a ticking one. Both read the clock they are given; all times are
//! of `CLOCK_MONOTONIC` outside tests.
//!
//! # Sources
//! The LGMP and KVMFR notes: kvmfr.md 2 to 6 and 8, lgmp.md 6 to 9 and 14; timing.md 2 for the prediction of posts.

#![deny(unsafe_code)]

pub mod publisher;
pub mod reader;
mod translate;
mod waker;

pub use reader::{
    CursorPosition, Discarded, Event, Frame, Link, Reader, ReaderOptions, SessionInfo,
    SetCursorError, Status,
};
pub use translate::PointerUpdate;
pub use waker::Waker;
