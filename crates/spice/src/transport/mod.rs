//! Sockets for a [`Session`](crate::Session): unix and TCP, one thread, everything non-blocking.
//!
//! Uses `poll` through rustix: a session has at most six sockets, and the `polling` crate's interface is unsafe.

mod address;
mod backoff;
mod client;
mod commands;
mod connect;
mod probe;

pub use address::{Address, AddressError};
pub use backoff::Backoff;
pub use client::{Client, Handle, Outcome, Report, Retry};
pub use commands::Overloaded;
