//! The memory as the algorithm sees it: numbered atomic words.
//!
//! The algorithm is written once over [`Slots`]. The real implementation is [`SharedMemory`]; `tests/loom.rs` has one
//! made of loom's atomics, which cannot live in mapped memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use ivshmem::{AccessError, SharedMemory};

/// An atomic word of the memory.
#[expect(
    clippy::missing_errors_doc,
    reason = "the error is the found value, as in the standard library"
)]
pub trait Word<T>: Send + Sync {
    /// Reads it.
    fn load(&self, order: Ordering) -> T;
    /// Writes it.
    fn store(&self, value: T, order: Ordering);
    /// Writes it and returns what was there; a locked operation, so it drains write-combining buffers.
    fn swap(&self, value: T, order: Ordering) -> T;
    /// Writes `new` if `current` is there.
    fn compare_exchange(&self, current: T, new: T, ok: Ordering, failed: Ordering) -> Result<T, T>;
    /// Adds and returns what was there.
    fn fetch_add(&self, value: T, order: Ordering) -> T;
    /// Subtracts and returns what was there.
    fn fetch_sub(&self, value: T, order: Ordering) -> T;
    /// Masks and returns what was there.
    fn fetch_and(&self, value: T, order: Ordering) -> T;
}

/// Memory that several processes change at any time, addressed by byte offsets.
pub trait Slots: Send + Sync {
    /// A byte.
    type U8: Word<u8>;
    /// Four bytes.
    type U32: Word<u32>;
    /// Eight bytes.
    type U64: Word<u64>;

    /// Bytes that there are.
    fn size(&self) -> usize;

    /// The byte at an offset.
    ///
    /// # Errors
    /// If it leaves the memory.
    fn u8(&self, at: usize) -> Result<&Self::U8, AccessError>;

    /// The word at an offset.
    ///
    /// # Errors
    /// If it leaves the memory or is misaligned.
    fn u32(&self, at: usize) -> Result<&Self::U32, AccessError>;

    /// The double word at an offset.
    ///
    /// # Errors
    /// If it leaves the memory or is misaligned.
    fn u64(&self, at: usize) -> Result<&Self::U64, AccessError>;

    /// Copies bytes out.
    ///
    /// # Errors
    /// If the range leaves the memory.
    fn copy_out(&self, at: usize, into: &mut [u8]) -> Result<(), AccessError>;

    /// Copies bytes in.
    ///
    /// # Errors
    /// If the range leaves the memory.
    fn copy_in(&self, at: usize, from: &[u8]) -> Result<(), AccessError>;

    /// Sets bytes to zero.
    ///
    /// # Errors
    /// If the range leaves the memory.
    fn zero(&self, at: usize, len: usize) -> Result<(), AccessError>;

    /// Orders memory accesses of this thread; a sequentially consistent fence also drains write-combining buffers.
    fn fence(&self, order: Ordering);

    /// Tells whether an access failed because the memory shrank under the mapping.
    fn is_faulted(&self) -> bool;

    /// Monotonic time since some start, only to bound waits for locks and to notice that this process stood still.
    fn uptime(&self) -> Duration;

    /// Passes the time before try number `attempt` (from 0) at a lock.
    fn relax(&self, attempt: u32);
}

macro_rules! word {
    ($atomic:ty, $int:ty) => {
        impl Word<$int> for $atomic {
            fn load(&self, order: Ordering) -> $int {
                self.load(order)
            }
            fn store(&self, value: $int, order: Ordering) {
                self.store(value, order);
            }
            fn swap(&self, value: $int, order: Ordering) -> $int {
                self.swap(value, order)
            }
            fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                ok: Ordering,
                failed: Ordering,
            ) -> Result<$int, $int> {
                self.compare_exchange(current, new, ok, failed)
            }
            fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                self.fetch_add(value, order)
            }
            fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                self.fetch_sub(value, order)
            }
            fn fetch_and(&self, value: $int, order: Ordering) -> $int {
                self.fetch_and(value, order)
            }
        }
    };
}

word!(AtomicU8, u8);
word!(AtomicU32, u32);
word!(AtomicU64, u64);

/// Tries that spin before a waiter gives its processor away.
const SPINS: u32 = 64;
/// Tries that yield before a waiter sleeps.
const YIELDS: u32 = 64;
/// One sleep between tries: short beside the shortest limit, 2 ms.
const NAP: Duration = Duration::from_micros(50);

impl Slots for SharedMemory {
    type U8 = AtomicU8;
    type U32 = AtomicU32;
    type U64 = AtomicU64;

    fn size(&self) -> usize {
        self.len()
    }

    fn u8(&self, at: usize) -> Result<&AtomicU8, AccessError> {
        self.as_slice().atomic_u8(at)
    }

    fn u32(&self, at: usize) -> Result<&AtomicU32, AccessError> {
        self.as_slice().atomic_u32(at)
    }

    fn u64(&self, at: usize) -> Result<&AtomicU64, AccessError> {
        self.as_slice().atomic_u64(at)
    }

    fn copy_out(&self, at: usize, into: &mut [u8]) -> Result<(), AccessError> {
        self.as_slice().copy_to(at, into)
    }

    fn copy_in(&self, at: usize, from: &[u8]) -> Result<(), AccessError> {
        self.as_slice().copy_from(at, from)
    }

    fn zero(&self, at: usize, len: usize) -> Result<(), AccessError> {
        self.as_slice().zero(at, len)
    }

    fn fence(&self, order: Ordering) {
        if order == Ordering::SeqCst {
            // Streaming stores are outside Rust's memory model, so its fence alone promises nothing about them.
            ivshmem::store_fence();
        }
        fence(order);
    }

    fn is_faulted(&self) -> bool {
        self.is_faulted()
    }

    fn uptime(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn relax(&self, attempt: u32) {
        if attempt < SPINS {
            std::hint::spin_loop();
        } else if attempt < SPINS + YIELDS {
            std::thread::yield_now();
        } else {
            std::thread::sleep(NAP);
        }
    }
}
