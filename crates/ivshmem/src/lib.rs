//! The shared memory: opened, mapped, and the only sound access to it.
//!
//! The guest (or another process) writes into the mapping at any time. So nothing here ever makes a reference or
//! a slice into it, references to atomics apart: bytes are copied in and out through [`SharedSlice`].

mod copy;
mod memory;
mod slice;
mod stream;

pub use memory::SharedMemory;
pub use slice::{AccessError, SharedSlice};
pub use stream::{PixelStream, Stalled};
