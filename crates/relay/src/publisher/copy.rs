//! Copies what changed from an image into a frame block, from the top down, and says how far it got.

use std::sync::atomic::{AtomicU32, Ordering};

use ivshmem::{AccessError, Rows, SharedSlice, Stores, store_fence};
use picture::damage::MAX_RECTS;
use picture::{Damage, FrameRect, Size};

use super::image::Pixels;

/// Bytes of the first band: small, so that a reader begins at once.
const FIRST_BAND: usize = 64 << 10;

/// Bytes of every other band. A reader lags by the band that is being written, so that smaller is better for it, and
/// at this size the store of the write pointer still costs nothing.
const BAND: usize = 256 << 10;

/// From this many bytes in all, the stores bypass the cache.
///
/// Far earlier than [`Stores::for_writing`] says, because here a reader on another core follows within a band, and
/// fetching lines that are dirty in the writer's cache costs more than fetching them from memory. Measured by
/// `examples/hand_off.rs` on two EPYC cores under load, microseconds from post to the reader's last byte, cached to
/// streaming: 1920x1080 930 to 520, 2560x1440 1830 to 1110, 3840x2160 4000 to 2700 (one copy alone: 440, 1100, 2300).
const STREAM_FROM: usize = 1 << 20;

/// The stores for copying `bytes` in all, with a reader behind.
const fn stores_for(bytes: usize) -> Stores {
    if bytes >= STREAM_FROM {
        Stores::Streaming
    } else {
        Stores::Cached
    }
}

/// The word that tells readers how many bytes are final (kvmfr.md 4.7). Written here only.
#[derive(Clone, Copy, Debug)]
pub(super) struct WritePointer<'a>(&'a AtomicU32);

impl<'a> WritePointer<'a> {
    pub(super) const fn new(word: &'a AtomicU32) -> Self {
        Self(word)
    }

    /// Announces that the first `bytes` are final.
    fn announce(self, bytes: usize) {
        // The fence is for write-combined mappings, where no store waits for the ones before it (H5). Release pairs
        // with the readers' acquire.
        store_fence();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.0.store(bytes, Ordering::Release);
    }

    /// Takes everything back, before the block is posted.
    pub(super) fn reset(self) {
        self.0.store(0, Ordering::Release);
    }
}

/// A copy of one image into one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer<'a> {
    pub(super) pixels: Pixels<'a>,
    pub(super) src_pitch: usize,
    /// The pixels of the block.
    pub(super) into: SharedSlice<'a>,
    pub(super) dst_pitch: usize,
    pub(super) pixel_bytes: usize,
    /// Columns of the picture and rows that are sent.
    pub(super) size: Size,
}

impl Transfer<'_> {
    /// Copies what `damage` covers; the rest of the block is taken for final.
    ///
    /// Returns the bytes that were copied.
    pub(super) fn run(
        &self,
        damage: &Damage,
        pointer: WritePointer<'_>,
    ) -> Result<usize, AccessError> {
        // Rectangles cost more per byte than the whole, in one run, does.
        let is_mostly_damaged = damage.area_in(self.size) > self.size.area() / 4 * 3;
        let copied = if damage.is_full() || is_mostly_damaged {
            self.copy_all(pointer)?
        } else {
            self.copy_damage(damage, pointer)?
        };
        pointer.announce(self.rows() * self.dst_pitch);
        // On a write-combined mapping the last store of the pointer would wait for the next one.
        store_fence();
        Ok(copied)
    }

    const fn rows(&self) -> usize {
        self.size.height as usize
    }

    fn copy_all(&self, pointer: WritePointer<'_>) -> Result<usize, AccessError> {
        let rows = self.rows();
        let payload = self.size.width as usize * self.pixel_bytes;
        let is_one_run = self.src_pitch == self.dst_pitch
            && self.pixels.len() >= rows.saturating_mul(self.src_pitch);
        let row_bytes = if is_one_run { self.dst_pitch } else { payload };
        let stores = stores_for(rows * row_bytes);
        let mut row = 0;
        let mut band = FIRST_BAND;
        while row < rows {
            let count = (band / self.dst_pitch).max(1).min(rows - row);
            self.copy(row, count, 0, row_bytes, stores)?;
            row += count;
            if row < rows {
                pointer.announce(row * self.dst_pitch);
            }
            band = BAND;
        }
        Ok(rows * row_bytes)
    }

    /// Goes down over strips of rows in which the same columns changed.
    fn copy_damage(
        &self,
        damage: &Damage,
        pointer: WritePointer<'_>,
    ) -> Result<usize, AccessError> {
        let rects = Rects::new(damage, self.size);
        let edges = rects.edges();
        let stores = stores_for(damage.area_in(self.size) as usize * self.pixel_bytes);
        let mut copied = 0;
        for (&top, &bottom) in edges.iter().zip(edges.iter().skip(1)) {
            if top == bottom {
                continue;
            }
            let columns = rects.columns(top);
            let columns = columns.as_slice();
            let width: u32 = columns.iter().map(|(left, right)| right - left).sum();
            if width == 0 {
                continue;
            }
            let row_bytes = width as usize * self.pixel_bytes;
            let (mut row, bottom) = (top as usize, bottom as usize);
            // All above is final: copied, or not touched.
            pointer.announce(row * self.dst_pitch);
            while row < bottom {
                let count = (BAND / row_bytes).max(1).min(bottom - row);
                for (left, right) in columns {
                    let left = *left as usize * self.pixel_bytes;
                    let right = *right as usize * self.pixel_bytes;
                    self.copy(row, count, left, right - left, stores)?;
                }
                row += count;
                pointer.announce(row * self.dst_pitch);
            }
            copied += row_bytes * (bottom - top as usize);
        }
        Ok(copied)
    }

    /// Copies the bytes `left..left + row_bytes` of `count` rows from `row` on.
    fn copy(
        &self,
        row: usize,
        count: usize,
        left: usize,
        row_bytes: usize,
        stores: Stores,
    ) -> Result<(), AccessError> {
        let rows = Rows {
            rows: count,
            row_bytes,
            src_pitch: self.src_pitch,
            dst_pitch: self.dst_pitch,
        };
        let from = row * self.src_pitch + left;
        let to = row * self.dst_pitch + left;
        match self.pixels {
            Pixels::Private(bytes) => {
                let bytes = bytes.get(from..).unwrap_or_default();
                self.into.write_rows(to, &rows, bytes, stores)
            }
            Pixels::Shared(window) => window.copy_rows_to(from, &rows, self.into, to, stores),
        }
    }
}

/// At most `N` values in place.
struct List<T, const N: usize> {
    len: usize,
    items: [T; N],
}

impl<T: Copy, const N: usize> List<T, N> {
    const fn new(filler: T) -> Self {
        Self {
            len: 0,
            items: [filler; N],
        }
    }

    /// Adds a value; callers never add more than `N`.
    fn push(&mut self, item: T) {
        if let Some(place) = self.items.get_mut(self.len) {
            *place = item;
            self.len += 1;
        }
    }

    fn as_slice(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or_default()
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        self.items.get_mut(..self.len).unwrap_or_default()
    }
}

/// The changed rectangles inside the picture.
struct Rects(List<FrameRect, MAX_RECTS>);

impl Rects {
    fn new(damage: &Damage, size: Size) -> Self {
        let mut rects = List::new(FrameRect::default());
        damage.rects_in(size).for_each(|rect| rects.push(rect));
        Self(rects)
    }

    /// The rows at which the set of changed columns may change, from the top down.
    fn edges(&self) -> Edges {
        let mut edges = List::<u32, { 2 * MAX_RECTS }>::new(0);
        for rect in self.0.as_slice() {
            edges.push(rect.y);
            edges.push(rect.y + rect.height);
        }
        edges.as_mut_slice().sort_unstable();
        Edges(edges)
    }

    /// The columns that changed in the row `row`, as disjoint ranges from left to right.
    fn columns(&self, row: u32) -> List<(u32, u32), MAX_RECTS> {
        let mut ranges = List::<(u32, u32), MAX_RECTS>::new((0, 0));
        for rect in self.0.as_slice() {
            if rect.y <= row && row < rect.y + rect.height {
                ranges.push((rect.x, rect.x + rect.width));
            }
        }
        ranges.as_mut_slice().sort_unstable();
        let mut joined = List::<(u32, u32), MAX_RECTS>::new((0, 0));
        for &(left, right) in ranges.as_slice() {
            match joined.as_mut_slice().last_mut() {
                Some(last) if left <= last.1 => last.1 = last.1.max(right),
                _ => joined.push((left, right)),
            }
        }
        joined
    }
}

/// Sorted row numbers; equal neighbours bound an empty strip.
struct Edges(List<u32, { 2 * MAX_RECTS }>);

impl Edges {
    fn iter(&self) -> std::slice::Iter<'_, u32> {
        self.0.as_slice().iter()
    }
}
