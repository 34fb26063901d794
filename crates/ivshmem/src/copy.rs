//! Copies between private memory and memory that someone else writes at the same time.
//!
//! A racing writer is allowed to tear what we read, but it must not be able to break the program. Rust's memory model
//! gives no such promise for `ptr::copy_nonoverlapping`, nor for the `core::arch` vector intrinsics: both are ordinary
//! accesses, which the compiler may repeat, split or remove because it takes for granted that nobody else writes.
//! So every byte here is moved by a raw pointer and an instruction the compiler cannot see through: inline assembly
//! on x86-64 (chosen at run time: AVX2, else SSE2), volatile accesses elsewhere and under Miri. Each shared byte that
//! is asked for is read or written by the machine, into or from memory the caller named; a byte has no invalid value.
//!
//! Streaming (non-temporal) stores do not take part in the ordering of the other stores. A copy that used them ends
//! with a store fence, so that callers may rely on `Release` stores alone as long as the mapping is cached.

#[cfg(any(not(target_arch = "x86_64"), miri, test))]
mod portable;
#[cfg(any(not(target_arch = "x86_64"), miri))]
use portable as machine;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use x86_64 as machine;

#[cfg(test)]
mod tests;

use crate::Rows;

/// From this many bytes in all, a copy out of the mapping is better streamed.
///
/// Measured by `examples/copy_bandwidth.rs` (32 MiB of level 3 cache, reader following the writer by 1 MiB, GB/s
/// cached to streaming): 1920x1080 17.4 to 14.7, 2560x1440 11.2 to 13.7, 16 MiB 9.7 to 12.0, 3840x2160 8.0 to 9.1.
pub const STREAM_READS_FROM: usize = 12 << 20;

/// From this many bytes in all, a copy into the mapping is better streamed.
///
/// Later than for reads: a reader that follows closely finds cached pieces in the level 3 cache. Same measurement,
/// reader streaming, writer cached to streaming: 2560x1440 13.7 to 9.9, 16 MiB 12.0 to 9.3, 3840x2160 9.1 to 9.1, and
/// the writer itself needs a third less time there.
pub const STREAM_WRITES_FROM: usize = 24 << 20;

/// Shorter rows than this are stored through the cache even when streaming is asked for: too few whole lines.
const STREAM_ROW: usize = 1024;

/// How a mapping's pages are cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caching {
    /// Like ordinary memory.
    #[default]
    WriteBack,
    /// Stores are gathered in small buffers and leave in any order; loads are slow unless streaming. This is
    /// `resource2_wc` of a PCI device.
    WriteCombined,
    /// Each access goes to the device. This is `resource2` of a PCI device.
    Uncached,
}

/// Which stores a copy uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stores {
    /// Decides by the size of the one copy.
    #[default]
    Auto,
    /// Ordinary stores: the copy is in the cache afterwards.
    Cached,
    /// Non-temporal stores: the destination's lines are neither fetched nor kept.
    Streaming,
}

impl Stores {
    /// The better kind for copying `bytes` in all out of the mapping, for callers that do it in pieces.
    #[must_use]
    pub const fn for_reading(bytes: usize) -> Self {
        Self::from_limit(bytes, STREAM_READS_FROM)
    }

    /// The better kind for copying `bytes` in all into the mapping, for callers that do it in pieces.
    #[must_use]
    pub const fn for_writing(bytes: usize) -> Self {
        Self::from_limit(bytes, STREAM_WRITES_FROM)
    }

    /// Streams from `limit` bytes on.
    const fn from_limit(bytes: usize, limit: usize) -> Self {
        if bytes >= limit {
            Self::Streaming
        } else {
            Self::Cached
        }
    }
}

/// Waits until every earlier store of this thread is on its way to memory before any later one.
///
/// On a cached mapping this is never needed: `Release` stores order everything before them, and copies with streaming
/// stores end with this fence themselves. On a [`Caching::WriteCombined`] mapping it must stand between the pixels
/// and the store of the write pointer that announces them, whatever that store's ordering, and once more after it
/// when it should be seen without delay.
pub fn store_fence() {
    machine::store_fence();
}

/// What a copy does to the caches, once decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Loads with the non-temporal hint, which fetch a whole line of write-combined memory at once.
    stream_loads: bool,
    /// Non-temporal stores.
    stream_stores: bool,
    /// Ends with a store fence.
    fence: bool,
}

impl Plan {
    /// Decides for `rows` out of memory of one kind into private memory.
    pub(crate) fn reading(rows: &Rows, stores: Stores, from: Caching) -> Self {
        let stores = match stores {
            Stores::Auto => Stores::for_reading(rows.total()),
            given => given,
        };
        Self::new(rows, stores, from, Caching::WriteBack)
    }

    /// Decides for `rows` from memory of one kind into shared memory of another.
    pub(crate) fn writing(rows: &Rows, stores: Stores, from: Caching, into: Caching) -> Self {
        let stores = match stores {
            Stores::Auto => Stores::for_writing(rows.total()),
            given => given,
        };
        Self::new(rows, stores, from, into)
    }

    /// The plan once the stores are known.
    fn new(rows: &Rows, stores: Stores, from: Caching, into: Caching) -> Self {
        let run = if rows.is_contiguous() {
            rows.total()
        } else {
            rows.row_bytes
        };
        let stream_stores = stores == Stores::Streaming && run >= STREAM_ROW;
        Self {
            stream_loads: from == Caching::WriteCombined,
            stream_stores,
            fence: stream_stores || into == Caching::WriteCombined,
        }
    }
}

/// Copies rows.
///
/// # Safety
/// `rows.src_len()` bytes from `from` on must be readable, `rows.dst_len()` bytes from `into` on writable, and no
/// reference but the caller's own exclusive one may cover the latter. Either may be written by others meanwhile if it
/// is shared memory. The pitches are at least `row_bytes`.
pub(crate) unsafe fn rows(from: *const u8, into: *mut u8, rows: &Rows, plan: Plan) {
    if plan.stream_loads {
        // Streaming loads of write-combined memory are ordered with nothing. The earlier load of the write pointer
        // has to come before them, and the later one of the serial, which tells whether they were torn, after.
        machine::full_fence();
    }
    if rows.is_contiguous() {
        let len = rows.total();
        // SAFETY: pitches equal to the row make both ranges `rows * row_bytes` long, which the caller vouches for.
        unsafe { machine::copy(from, into, len, plan.stream_loads, plan.stream_stores) };
    } else {
        for row in 0..rows.rows {
            let from = from.wrapping_add(row * rows.src_pitch);
            let into = into.wrapping_add(row * rows.dst_pitch);
            // SAFETY: row `row` of both sides lies inside the ranges the caller vouches for.
            unsafe {
                machine::copy(
                    from,
                    into,
                    rows.row_bytes,
                    plan.stream_loads,
                    plan.stream_stores,
                );
            }
        }
    }
    if plan.stream_loads {
        machine::full_fence();
    } else if plan.fence {
        store_fence();
    }
}

/// Sets shared bytes to zero.
///
/// # Safety
/// `len` bytes from `into` on must be mapped and writable.
pub(crate) unsafe fn zero(into: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { machine::zero(into, len) };
}
