//! LGMP queues in shared memory: wire versions 4, 5 and 6.
//!
//! A [`Host`] writes messages, small descriptors of payload that lies elsewhere in the same memory, into up to five
//! queues; up to 32 [`Subscription`]s per queue read them and give them back. Clients send the host up to 64 bytes at
//! a time. One algorithm serves the three versions; what differs is in [`Geometry`].
//!
//! It sits on `ivshmem`, which maps the memory, and under `kvmfr`, which says what the payload means.
//!
//! ```
//! use std::sync::Arc;
//! use lgmp::{Client, HostBuilder, QueueSpec, WireVersion};
//!
//! let memory = Arc::new(ivshmem::SharedMemory::create("example", 1 << 20)?);
//! let mut builder = HostBuilder::new(Arc::clone(&memory), WireVersion::V6, b"hello")?;
//! let queue = builder.queue(QueueSpec { id: 1, length: 2, max_time_ms: 1000 })?;
//! let block = builder.block(4096, 64)?;
//! let host = builder.publish(0)?;
//!
//! let mut client = Client::new(memory);
//! host.tick(10)?; // the proof of life that a client waits for
//! let session = client.start(0)?;
//! assert_eq!(session.udata, b"hello");
//! let mut reader = client.subscribe(1, 0)?;
//!
//! queue.post(42, block, 20)?;
//! let message = reader.peek(10)?.ok_or("no message")?;
//! assert_eq!((message.udata, message.offset), (42, block.offset));
//! reader.release(10)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads and clocks
//!
//! [`Host`] and [`HostQueue`] may be used from several threads at once, typically one that posts and one that ticks.
//! A [`Client`] or [`Subscription`] belongs to one thread at a time. Nothing here starts a thread.
//!
//! Every `now_ms` is the caller's own monotonic clock in milliseconds; the host's also is the clock that the memory
//! shows to clients. Besides that, the process's monotonic clock bounds waits for locks: 2 ms in the host, 250 ms in
//! a client. After starting up nothing allocates but [`Client::start`].
//!
//! # Trust
//!
//! The other side may write anything at any time. Each word is copied once and the copy validated; every loop is
//! bounded by the ring; the only references into the memory are to atomics. The hazards H1 to H16 of the
//! specification are handled and named where they are.
//!
//! # Sources
//!
//! LGMP interoperability specification (`shared/spec/lgmp.md`), sections 2 to 14; `shared/golden/layout-*.json`.

#![deny(unsafe_code)]

mod client;
mod host;
mod layout;
mod lock;
mod random;
mod slots;
mod words;

pub use client::{
    Client, Message, QueueError, SendError, Session, SessionLost, StartError, SubscribeError,
    Subscription,
};
pub use host::{
    Block, ClientMessage, Corrupted, Host, HostBuilder, HostQueue, InitError, PostError, Posted,
    QueueSpec,
};
pub use layout::{
    CLIENT_MESSAGE_BYTES, Geometry, LockWidth, MAGIC, MAILBOX_SLOTS, MAX_QUEUES, MAX_SUBSCRIBERS,
    QueueFields, WireVersion,
};
pub use slots::{Slots, Word};
