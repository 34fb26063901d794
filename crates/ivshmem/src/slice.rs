//! Checked windows into memory that someone else writes.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::copy;
use crate::{Caching, Rows, Stores};

#[cfg(test)]
mod tests;

/// An access that would leave the window or break alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The range leaves the window.
    #[error("{len} bytes at offset {offset} leave a window of {window} bytes")]
    OutOfBounds {
        /// First byte.
        offset: usize,
        /// Bytes wanted.
        len: usize,
        /// Bytes there are.
        window: usize,
    },
    /// An atomic does not lie on a multiple of its size.
    #[error("offset {offset} is not aligned for an atomic of {size} bytes")]
    Misaligned {
        /// First byte.
        offset: usize,
        /// Bytes of the atomic.
        size: usize,
    },
    /// The rows of a two-dimensional copy lie on top of each other.
    #[error("rows of {row_bytes} bytes overlap at a pitch of {pitch}")]
    Overlapping {
        /// Bytes of a row.
        row_bytes: usize,
        /// Bytes from one row to the next.
        pitch: usize,
    },
}

/// A window into shared memory: pointer, length and lifetime, never a reference.
///
/// Reading and writing both take `&self`: the memory is shared with other processes anyway, and what they write
/// meanwhile is theirs to decide. Bytes that race with a writer may be torn, never undefined.
#[derive(Clone, Copy)]
pub struct SharedSlice<'a> {
    start: NonNull<u8>,
    len: usize,
    caching: Caching,
    mapping: PhantomData<&'a ()>,
}

// SAFETY: a window is an address range of a mapping that outlives 'a; every access is volatile or atomic and
// tolerates concurrent writers, so it may be used from any thread.
unsafe impl Send for SharedSlice<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedSlice<'_> {}

impl<'a> SharedSlice<'a> {
    /// Makes a window over raw memory.
    ///
    /// # Safety
    /// `start..start + len` must be mapped readable and writable for all of `'a`, and no reference to any of it
    /// may exist in this process other than to atomics.
    #[must_use]
    pub const unsafe fn from_raw(start: NonNull<u8>, len: usize) -> Self {
        Self {
            start,
            len,
            caching: Caching::WriteBack,
            mapping: PhantomData,
        }
    }

    /// The same window, told how its pages are cached; this only chooses instructions.
    #[must_use]
    pub const fn with_caching(self, caching: Caching) -> Self {
        Self { caching, ..self }
    }

    /// How the pages are cached.
    #[must_use]
    pub const fn caching(&self) -> Caching {
        self.caching
    }

    /// Bytes in the window.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Tells whether the window is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of the first byte, for code of this crate and for FFI that copies by itself.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The address of `len` bytes at `offset`.
    pub(crate) fn at(&self, offset: usize, len: usize) -> Result<*mut u8, AccessError> {
        match offset.checked_add(len) {
            // SAFETY: offset <= offset + len <= self.len, so the result stays inside the mapped window.
            Some(end) if end <= self.len => Ok(unsafe { self.start.as_ptr().add(offset) }),
            _ => Err(AccessError::OutOfBounds {
                offset,
                len,
                window: self.len,
            }),
        }
    }

    /// The window of `len` bytes at `offset`.
    ///
    /// # Errors
    /// If the range leaves this window.
    pub fn subslice(&self, offset: usize, len: usize) -> Result<SharedSlice<'a>, AccessError> {
        let start = self.at(offset, len)?;
        // SAFETY: `at` returns an address inside a non-null mapping.
        let start = unsafe { NonNull::new_unchecked(start) };
        Ok(SharedSlice {
            start,
            len,
            ..*self
        })
    }

    /// Copies a value out, once; any alignment.
    ///
    /// # Errors
    /// If the value leaves the window.
    pub fn read<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, AccessError> {
        let mut value = T::new_zeroed();
        self.copy_to(offset, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Copies a value in; any alignment.
    ///
    /// # Errors
    /// If the value leaves the window.
    pub fn write<T: IntoBytes + Immutable>(
        &self,
        offset: usize,
        value: &T,
    ) -> Result<(), AccessError> {
        self.copy_from(offset, value.as_bytes())
    }

    /// Copies bytes out; [`Stores::Auto`].
    ///
    /// # Errors
    /// If the range leaves the window.
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) -> Result<(), AccessError> {
        self.read_rows_with(offset, &Rows::single(into.len()), into, Stores::Auto)
    }

    /// Copies bytes in; [`Stores::Auto`].
    ///
    /// # Errors
    /// If the range leaves the window.
    pub fn copy_from(&self, offset: usize, from: &[u8]) -> Result<(), AccessError> {
        self.write_rows(offset, &Rows::single(from.len()), from, Stores::Auto)
    }

    /// Sets `len` bytes at `offset` to zero.
    ///
    /// # Errors
    /// If the range leaves the window.
    pub fn zero(&self, offset: usize, len: usize) -> Result<(), AccessError> {
        let into = self.at(offset, len)?;
        // SAFETY: `at` checked that the range lies in the mapped window.
        unsafe { copy::zero(into, len) };
        Ok(())
    }

    /// The atomic byte at `offset`.
    ///
    /// # Errors
    /// If it leaves the window.
    pub fn atomic_u8(&self, offset: usize) -> Result<&'a AtomicU8, AccessError> {
        let at = self.at(offset, 1)?;
        // SAFETY: in bounds, mapped for 'a, and by this crate's rule only ever accessed atomically or by volatile copies.
        Ok(unsafe { AtomicU8::from_ptr(at) })
    }

    /// The atomic word at `offset`.
    ///
    /// # Errors
    /// If it leaves the window or is not aligned to 4 bytes.
    pub fn atomic_u32(&self, offset: usize) -> Result<&'a AtomicU32, AccessError> {
        let at = self.at(offset, 4)?.cast::<u32>();
        if !at.is_aligned() {
            return Err(AccessError::Misaligned { offset, size: 4 });
        }
        // SAFETY: in bounds, aligned, mapped for 'a; see `atomic_u8`.
        Ok(unsafe { AtomicU32::from_ptr(at) })
    }

    /// The atomic double word at `offset`.
    ///
    /// # Errors
    /// If it leaves the window or is not aligned to 8 bytes.
    pub fn atomic_u64(&self, offset: usize) -> Result<&'a AtomicU64, AccessError> {
        let at = self.at(offset, 8)?.cast::<u64>();
        if !at.is_aligned() {
            return Err(AccessError::Misaligned { offset, size: 8 });
        }
        // SAFETY: in bounds, aligned, mapped for 'a; see `atomic_u8`.
        Ok(unsafe { AtomicU64::from_ptr(at) })
    }
}

impl std::fmt::Debug for SharedSlice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedSlice({} bytes)", self.len)
    }
}
