//! The pointer queue: all waiting messages become one update.

use clock::Nanos;
use ivshmem::SharedMemory;
use kvmfr::{CursorHeader, PointerFlags, SHAPE_DATA_BYTES, ShapeHeader};
use lgmp::{Message, QueueError, Subscription};
use picture::pointer::PointerKind;
use picture::{GuestPoint, PointerShape, PointerState};

use super::millis;
use crate::translate::{self, PointerUpdate};

/// Most messages taken in one go; an honest queue holds twenty.
const MESSAGES: u32 = 64;

/// The pointer queue of one session and the pointer as last heard of.
#[derive(Debug)]
pub(super) struct PointerFeed {
    pub(super) subscription: Option<Subscription>,
    state: PointerState,
    shape: PointerShape,
    scratch: PointerShape,
    has_shape: bool,
    /// Nothing was told yet: the next message is news whatever it says.
    is_fresh: bool,
    is_state_new: bool,
    is_shape_new: bool,
}

impl PointerFeed {
    pub(super) fn new() -> Self {
        let empty = || PointerShape {
            kind: PointerKind::Colour,
            width: 0,
            height: 0,
            pitch_bytes: 0,
            hot_spot: (0, 0),
            // The largest shape of a real host, so that none costs an allocation.
            data: Vec::with_capacity(SHAPE_DATA_BYTES as usize),
        };
        Self {
            subscription: None,
            state: PointerState::default(),
            shape: empty(),
            scratch: empty(),
            has_shape: false,
            is_fresh: true,
            is_state_new: false,
            is_shape_new: false,
        }
    }

    /// Forgets the pointer of the last session.
    pub(super) fn reset(&mut self) {
        self.subscription = None;
        self.state = PointerState::default();
        self.has_shape = false;
        self.is_fresh = true;
        self.is_state_new = false;
        self.is_shape_new = false;
    }

    /// Takes all waiting messages; tells whether there were any. See [`Self::has_news`].
    pub(super) fn look(&mut self, memory: &SharedMemory, now: Nanos) -> Result<bool, QueueError> {
        let Some(mut subscription) = self.subscription.take() else {
            return Ok(false);
        };
        let result = self.look_in(&mut subscription, memory, millis(now));
        self.subscription = Some(subscription);
        result
    }

    fn look_in(
        &mut self,
        subscription: &mut Subscription,
        memory: &SharedMemory,
        now_ms: u64,
    ) -> Result<bool, QueueError> {
        for taken in 0..MESSAGES {
            let Some(message) = subscription.peek(now_ms)? else {
                return Ok(taken > 0);
            };
            if self.take(memory, message).is_none() {
                tracing::debug!(?message, "a pointer message of no use");
            }
            subscription.release(now_ms)?;
        }
        Ok(true)
    }

    /// Copies one message out and takes what it says; `None` if it makes no sense.
    fn take(&mut self, memory: &SharedMemory, message: Message) -> Option<()> {
        let mut header = [0; CursorHeader::BYTES];
        let offset = usize::try_from(message.offset).ok()?;
        let block = memory
            .as_slice()
            .subslice(offset, usize::try_from(message.size).ok()?)
            .ok()?;
        block.copy_to(0, &mut header).ok()?;
        let flags = PointerFlags::from_bits_retain(message.udata);
        let header = CursorHeader::parse(flags, &header, message.size)
            .inspect_err(|error| tracing::debug!(%error, "a pointer message"))
            .ok()?;
        let mut state = self.state;
        if flags.contains(PointerFlags::POSITION) {
            state.position = GuestPoint {
                x: i32::from(header.x),
                y: i32::from(header.y),
            };
        }
        state.is_visible = flags.contains(PointerFlags::VISIBLE);
        if let Some(shape) = header.shape {
            self.take_shape(&shape, block)?;
        }
        self.is_state_new |= state != self.state || self.is_fresh;
        self.is_fresh = false;
        self.state = state;
        Some(())
    }

    /// Copies the rows without their padding, which bounds the memory whatever the pitch.
    fn take_shape(&mut self, shape: &ShapeHeader, block: ivshmem::SharedSlice<'_>) -> Option<()> {
        let row_bytes = usize::try_from(shape.kind.row_bytes(shape.width)).ok()?;
        let pitch = usize::try_from(shape.pitch).ok()?;
        let rows = usize::try_from(shape.height).ok()?;
        let packed = ShapeHeader {
            pitch: u32::try_from(row_bytes).ok()?,
            ..*shape
        };
        let mut data = std::mem::take(&mut self.scratch.data);
        data.resize(rows.checked_mul(row_bytes)?, 0);
        self.scratch = translate::pointer_shape(&packed, data);
        let mut from = CursorHeader::BYTES;
        for row in self.scratch.data.chunks_exact_mut(row_bytes.max(1)) {
            block.copy_to(from, row).ok()?;
            from = from.checked_add(pitch)?;
        }
        // A new subscriber makes the host send the same shape to everybody again.
        if !self.has_shape || self.shape != self.scratch {
            std::mem::swap(&mut self.shape, &mut self.scratch);
            self.has_shape = true;
            self.is_shape_new = true;
        }
        Some(())
    }

    /// Tells whether [`Self::update`] has anything to say.
    pub(super) const fn has_news(&self) -> bool {
        self.is_state_new || self.is_shape_new
    }

    /// What changed since the last call.
    pub(super) fn update(&mut self) -> PointerUpdate<'_> {
        let is_shape_new = std::mem::take(&mut self.is_shape_new);
        self.is_state_new = false;
        PointerUpdate {
            state: self.state,
            shape: is_shape_new.then_some(&self.shape),
        }
    }
}
