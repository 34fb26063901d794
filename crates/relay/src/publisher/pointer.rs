//! The pointer side of a publisher.

use std::sync::atomic::Ordering;

use ivshmem::{AccessError, store_fence};
use kvmfr::{
    CURSOR_BLOCKS, CursorHeader, POINTER_QUEUE, PointerFlags, SHAPE_BLOCKS, SHAPE_DATA_BYTES,
    ShapeHeader,
};
use lgmp::Block;
use picture::{PointerShape, PointerState};

use super::pace::{millis, wait_until};
use super::session::{Session, Shared};
use super::{Pace, PublishError};
use crate::translate::{self, PointerUpdate};

/// What the publisher knows of the pointer.
#[derive(Debug)]
pub(super) struct Pointer {
    /// Session that the rest is about.
    epoch: u64,
    state: Option<PointerState>,
    /// The last shape, kept privately: it outlives sessions and full queues.
    shape: Option<ShapeHeader>,
    /// Room for the largest shape from the start.
    shape_data: Vec<u8>,
    /// What of the above no message has carried yet.
    is_state_due: bool,
    is_shape_due: bool,
    cursors: Ring<CURSOR_BLOCKS>,
    shapes: Ring<SHAPE_BLOCKS>,
    /// Block that holds the last shape, once it has been written in this session.
    shape_block: Option<usize>,
    /// Messages queued in this session.
    posted: u64,
    /// New subscribers that have not been served.
    new_subscribers: u32,
}

/// Blocks that are used in turn.
#[derive(Debug)]
struct Ring<const N: usize> {
    next: usize,
    /// For each block, which message of the session used it last; 0 for none.
    used_by: [u64; N],
}

impl<const N: usize> Ring<N> {
    const fn new() -> Self {
        Self {
            next: 0,
            used_by: [0; N],
        }
    }

    /// Tells whether the next block's last message has been retired, with `pending` of `posted` messages queued.
    fn is_free(&self, posted: u64, pending: u32) -> bool {
        let used_by = self.used_by.get(self.next).copied().unwrap_or(0);
        used_by == 0 || posted.saturating_sub(used_by) >= u64::from(pending)
    }

    /// The block at `index` was used by message number `message`.
    fn note(&mut self, index: usize, message: u64) {
        if let Some(used_by) = self.used_by.get_mut(index) {
            *used_by = message;
        }
    }

    const fn advance(&mut self) {
        self.next = (self.next + 1) % N;
    }
}

impl Pointer {
    pub(super) fn new() -> Self {
        Self {
            epoch: 0,
            state: None,
            shape: None,
            shape_data: Vec::with_capacity(SHAPE_DATA_BYTES as usize),
            is_state_due: false,
            is_shape_due: false,
            cursors: Ring::new(),
            shapes: Ring::new(),
            shape_block: None,
            posted: 0,
            new_subscribers: 0,
        }
    }

    /// Makes everything due again if another session has begun.
    fn sync(&mut self, session: &Session) {
        if self.epoch == session.epoch {
            return;
        }
        self.epoch = session.epoch;
        self.is_state_due = self.state.is_some();
        self.is_shape_due = self.shape.is_some();
        self.cursors = Ring::new();
        self.shapes = Ring::new();
        self.shape_block = None;
        self.posted = 0;
        self.new_subscribers = 0;
    }

    pub(super) fn publish(
        &mut self,
        shared: &Shared,
        update: &PointerUpdate<'_>,
        pace: &Pace,
    ) -> Result<(), PublishError> {
        if let Some(shape) = update.shape {
            self.remember(shape)?;
        }
        self.is_state_due |= self.state != Some(update.state);
        self.state = Some(update.state);
        self.send(shared, pace).map(|_| ())
    }

    /// Checks a shape and keeps a copy.
    fn remember(&mut self, shape: &PointerShape) -> Result<(), PublishError> {
        let header = translate::shape_header(shape);
        header.check(SHAPE_DATA_BYTES)?;
        let needed = header.data_bytes();
        let data = usize::try_from(needed)
            .ok()
            .and_then(|needed| shape.data.get(..needed))
            .ok_or(PublishError::ShortShape {
                needed,
                available: shape.data.len(),
            })?;
        self.shape_data.clear();
        self.shape_data.extend_from_slice(data);
        self.shape = Some(header);
        self.shape_block = None;
        self.is_shape_due = true;
        Ok(())
    }

    /// Posts what is due, and the last shape if somebody has subscribed since; tells whether it posted.
    pub(super) fn send(&mut self, shared: &Shared, pace: &Pace) -> Result<bool, PublishError> {
        {
            let session = shared.session();
            self.sync(&session);
            let fresh = session.pointer.take_new_subscribers();
            self.new_subscribers = self.new_subscribers.saturating_add(fresh);
        }
        let Some(state) = self.state else {
            return Ok(false);
        };
        let is_served = self.new_subscribers == 0;
        if is_served && !self.is_shape_due && !self.is_state_due {
            return Ok(false);
        }
        if !wait_until(&*pace.clock, pace.pointer_patience(), || {
            self.has_room(&shared.session())
        }) {
            return Err(PublishError::Busy);
        }
        let session = shared.session();
        if session.epoch != self.epoch {
            return Err(PublishError::SessionLost);
        }
        let flags = flags_of(state);
        let is_shape_wanted = self.shape.is_some() && (self.is_shape_due || !is_served);
        let recipients = if is_shape_wanted {
            let (index, block) = self.write_shape(shared, state)?;
            let flags = flags | PointerFlags::SHAPE;
            let recipients = post(&session, flags, block, pace)?;
            self.count(recipients);
            self.shapes.note(index, self.posted);
            self.is_shape_due = false;
            recipients
        } else {
            let (index, block) = self.write_state(shared, state)?;
            let recipients = post(&session, flags, block, pace)?;
            self.count(recipients);
            self.cursors.note(index, self.posted);
            self.cursors.advance();
            recipients
        };
        self.is_state_due = false;
        self.new_subscribers = 0;
        tracing::trace!(recipients, ?flags, "pointer posted");
        Ok(true)
    }

    /// Counts a message, if it was queued at all.
    const fn count(&mut self, recipients: u32) {
        if recipients > 0 {
            self.posted += 1;
        }
    }

    /// Tells whether the queue takes a message and the next blocks are free.
    fn has_room(&self, session: &Session) -> bool {
        let pending = session.pointer.pending();
        pending < POINTER_QUEUE.length
            && self.cursors.is_free(self.posted, pending)
            && (self.shape_block.is_some() || self.shapes.is_free(self.posted, pending))
    }

    /// Brings the block of the last shape up to date, or fills the next one with a new shape.
    fn write_shape(
        &mut self,
        shared: &Shared,
        state: PointerState,
    ) -> Result<(usize, Block), PublishError> {
        let memory = shared.memory.as_slice();
        if let Some(index) = self.shape_block
            && let Some(&block) = shared.blocks.shapes.get(index)
        {
            // Both halves in one store: an earlier message may still carry this block (H8).
            let (x, y) = position(state);
            let word = u32::from(x.cast_unsigned()) | u32::from(y.cast_unsigned()) << 16;
            memory
                .atomic_u32(block.offset as usize)?
                .store(word, Ordering::Relaxed);
            store_fence();
            return Ok((index, block));
        }
        let index = self.shapes.next;
        let block = *block_at(&shared.blocks.shapes, index)?;
        self.write_header(shared, block, state, self.shape)?;
        let data_at = block.offset as usize + CursorHeader::BYTES;
        memory.copy_from(data_at, &self.shape_data)?;
        store_fence();
        self.shapes.advance();
        self.shape_block = Some(index);
        Ok((index, block))
    }

    fn write_state(
        &self,
        shared: &Shared,
        state: PointerState,
    ) -> Result<(usize, Block), PublishError> {
        let index = self.cursors.next;
        let block = *block_at(&shared.blocks.cursors, index)?;
        self.write_header(shared, block, state, None)?;
        store_fence();
        Ok((index, block))
    }

    fn write_header(
        &self,
        shared: &Shared,
        block: Block,
        state: PointerState,
        shape: Option<ShapeHeader>,
    ) -> Result<(), AccessError> {
        let (x, y) = position(state);
        let header = CursorHeader { x, y, shape };
        shared
            .memory
            .as_slice()
            .copy_from(block.offset as usize, &header.encode())
    }
}

fn block_at(blocks: &[Block], index: usize) -> Result<&Block, PublishError> {
    blocks.get(index).ok_or(PublishError::SessionLost)
}

fn post(
    session: &Session,
    flags: PointerFlags,
    block: Block,
    pace: &Pace,
) -> Result<u32, PublishError> {
    let posted = session
        .pointer
        .post(flags.bits(), block, millis(pace.clock.now()))?;
    Ok(posted.recipients)
}

/// The position is always valid: a publisher knows it from its first update on.
const fn flags_of(state: PointerState) -> PointerFlags {
    if state.is_visible {
        PointerFlags::POSITION.union(PointerFlags::VISIBLE)
    } else {
        PointerFlags::POSITION
    }
}

/// The position in the range of the wire.
fn position(state: PointerState) -> (i16, i16) {
    let clamp = |at: i32| at.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    (clamp(state.position.x), clamp(state.position.y))
}
