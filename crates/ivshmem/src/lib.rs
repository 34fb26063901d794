//! The shared memory: opened, mapped, and the only sound access to it.
mod copy;
mod memory;
mod rows;
mod slice;
mod stream;

pub use copy::{Caching, STREAM_READS_FROM, STREAM_WRITES_FROM, Stores, store_fence};
pub use memory::SharedMemory;
pub use rows::Rows;
pub use slice::{AccessError, SharedSlice};
pub use stream::{PixelStream, Stalled};
