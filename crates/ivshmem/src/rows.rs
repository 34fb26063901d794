//! Copies of rectangles: rows of one length at a pitch of their own on each side.

use crate::copy::{self, Caching, Plan};
use crate::{AccessError, SharedSlice, Stores};

/// The shape of a two-dimensional copy, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// How many rows.
    pub rows: usize,
    /// Bytes copied of each row.
    pub row_bytes: usize,
    /// Bytes from the start of one row to the next where they come from.
    pub src_pitch: usize,
    /// Bytes from the start of one row to the next where they go to.
    pub dst_pitch: usize,
}

impl Rows {
    /// One run of `bytes`.
    #[must_use]
    pub const fn single(bytes: usize) -> Self {
        Self {
            rows: 1,
            row_bytes: bytes,
            src_pitch: bytes,
            dst_pitch: bytes,
        }
    }

    /// Tells whether the rows follow each other without a gap on both sides, so that they are one run.
    #[must_use]
    pub const fn is_contiguous(&self) -> bool {
        self.row_bytes == self.src_pitch && self.row_bytes == self.dst_pitch
    }

    /// Bytes from the first to behind the last one read; `None` if no memory could be that large.
    #[must_use]
    pub const fn src_len(&self) -> Option<usize> {
        self.extent(self.src_pitch)
    }

    /// Bytes from the first to behind the last one written; `None` if no memory could be that large.
    #[must_use]
    pub const fn dst_len(&self) -> Option<usize> {
        self.extent(self.dst_pitch)
    }

    /// Bytes from the first to behind the last one at `pitch`.
    const fn extent(&self, pitch: usize) -> Option<usize> {
        if self.rows == 0 || self.row_bytes == 0 {
            return Some(0);
        }
        match (self.rows - 1).checked_mul(pitch) {
            Some(before) => before.checked_add(self.row_bytes),
            None => None,
        }
    }

    /// Bytes that are copied.
    pub(crate) const fn total(&self) -> usize {
        self.rows.saturating_mul(self.row_bytes)
    }

    /// Tells whether there is nothing to copy.
    const fn is_empty(&self) -> bool {
        self.rows == 0 || self.row_bytes == 0
    }

    /// Refuses rows that would overlap each other.
    fn check(&self) -> Result<(), AccessError> {
        let pitch = self.src_pitch.min(self.dst_pitch);
        if self.rows > 1 && pitch < self.row_bytes {
            return Err(AccessError::Overlapping {
                row_bytes: self.row_bytes,
                pitch,
            });
        }
        Ok(())
    }
}

/// Checks that `needed` bytes fit into private memory of `len`.
fn check_private(needed: Option<usize>, len: usize) -> Result<(), AccessError> {
    match needed {
        Some(needed) if needed <= len => Ok(()),
        _ => Err(AccessError::OutOfBounds {
            offset: 0,
            len: needed.unwrap_or(usize::MAX),
            window: len,
        }),
    }
}

impl SharedSlice<'_> {
    /// Copies rows out, from `offset` on; [`Stores::Auto`].
    ///
    /// # Errors
    /// If the rows leave the window or `into`, or overlap each other.
    pub fn read_rows(
        &self,
        offset: usize,
        rows: &Rows,
        into: &mut [u8],
    ) -> Result<(), AccessError> {
        self.read_rows_with(offset, rows, into, Stores::Auto)
    }

    /// Copies rows out, from `offset` on, with stores of a kind.
    ///
    /// # Errors
    /// As for [`SharedSlice::read_rows`].
    pub fn read_rows_with(
        &self,
        offset: usize,
        rows: &Rows,
        into: &mut [u8],
        stores: Stores,
    ) -> Result<(), AccessError> {
        rows.check()?;
        let from = self.at(offset, rows.src_len().unwrap_or(usize::MAX))?;
        check_private(rows.dst_len(), into.len())?;
        if !rows.is_empty() {
            let plan = Plan::reading(rows, stores, self.caching());
            // SAFETY: both extents were just checked; `into` is exclusive and so cannot overlap the mapping.
            unsafe { copy::rows(from, into.as_mut_ptr(), rows, plan) };
        }
        Ok(())
    }

    /// Copies rows in, to `offset` on.
    ///
    /// # Errors
    /// If the rows leave `from` or the window, or overlap each other.
    pub fn write_rows(
        &self,
        offset: usize,
        rows: &Rows,
        from: &[u8],
        stores: Stores,
    ) -> Result<(), AccessError> {
        rows.check()?;
        check_private(rows.src_len(), from.len())?;
        let into = self.at(offset, rows.dst_len().unwrap_or(usize::MAX))?;
        if !rows.is_empty() {
            let plan = Plan::writing(rows, stores, Caching::WriteBack, self.caching());
            // SAFETY: both extents were just checked; no reference covers the mapping.
            unsafe { copy::rows(from.as_ptr(), into, rows, plan) };
        }
        Ok(())
    }

    /// Copies rows from this window, from `offset` on, to another, to `dst_offset` on.
    ///
    /// If the two ranges overlap, which bytes arrive is unspecified.
    ///
    /// # Errors
    /// If the rows leave a window or overlap each other.
    pub fn copy_rows_to(
        &self,
        offset: usize,
        rows: &Rows,
        dst: SharedSlice<'_>,
        dst_offset: usize,
        stores: Stores,
    ) -> Result<(), AccessError> {
        rows.check()?;
        let from = self.at(offset, rows.src_len().unwrap_or(usize::MAX))?;
        let into = dst.at(dst_offset, rows.dst_len().unwrap_or(usize::MAX))?;
        if !rows.is_empty() {
            let plan = Plan::writing(rows, stores, self.caching(), dst.caching());
            // SAFETY: both extents were just checked; no reference covers either mapping.
            unsafe { copy::rows(from, into, rows, plan) };
        }
        Ok(())
    }
}
