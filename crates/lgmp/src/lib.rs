//! LGMP queues in shared memory: wire versions 4, 5 and 6.
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
