//! The frame queue: finding the newest frame, and handing it out while the host may still be writing it.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use clock::{Clock, Nanos};
use ivshmem::{PixelStream, SharedMemory, SharedSlice, Stalled};
use kvmfr::{FrameFlags, FrameHeader, MAX_FRAME_HEADER_BYTES, Version};
use lgmp::{Message, QueueError, Subscription};
use picture::{Damage, FrameLayout, PixelFormat};

use super::chase::{Chase, Look, Patience};
use super::ledger::Ledger;
use super::millis;
use crate::translate;

/// Most looks at the queue in one go; two messages fit into an honest one.
const MESSAGES: u32 = 8;
/// Looks at a write pointer that spin before the first sleep: a few microseconds, for a host that is just ahead.
const SPINS: u32 = 100;
/// Sleep between looks at a write pointer; a host writes about 100 KiB meanwhile.
const NAP: Duration = Duration::from_micros(20);
/// Most looks for one wait, so that it ends even if the clock stands still.
const LOOKS: u32 = 60_000;

/// What a look at the frame queue found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No message, or only such as are of no use.
    Nothing,
    /// A new frame, kept for [`FrameFeed::hand_out`].
    Frame,
}

/// A frame that was found: its slot is not released yet.
#[derive(Clone, Copy, Debug)]
struct Held {
    message: Message,
    serial: u32,
    layout: FrameLayout,
    flags: FrameFlags,
    write_pointer_at: usize,
    data_at: usize,
    data_len: usize,
    recommended_size_mib: u64,
}

/// The frame queue of one session and what this reader knows about its frames.
#[derive(Debug)]
pub(super) struct FrameFeed {
    pub(super) subscription: Option<Subscription>,
    version: Version,
    ledger: Ledger,
    held: Option<Held>,
    header: Box<[u8; MAX_FRAME_HEADER_BYTES]>,
    /// Headers that were refused since the start, for the log.
    refused: u64,
}

impl FrameFeed {
    pub(super) fn new() -> Self {
        Self {
            subscription: None,
            version: Version::V20,
            ledger: Ledger::default(),
            held: None,
            header: Box::new([0; MAX_FRAME_HEADER_BYTES]),
            refused: 0,
        }
    }

    /// Goes to a new subscription, or to none; the next frame is the first one.
    pub(super) fn restart(&mut self, subscription: Option<Subscription>, version: Version) {
        self.subscription = subscription;
        self.version = version;
        self.held = None;
        self.ledger.reset();
    }

    /// Looks for a frame that was not consumed yet; skips to the newest one.
    pub(super) fn look(&mut self, memory: &SharedMemory, now: Nanos) -> Result<Found, QueueError> {
        let Some(mut subscription) = self.subscription.take() else {
            return Ok(Found::Nothing);
        };
        let found = self.look_in(&mut subscription, memory, millis(now));
        self.subscription = Some(subscription);
        found
    }

    fn look_in(
        &mut self,
        subscription: &mut Subscription,
        memory: &SharedMemory,
        now_ms: u64,
    ) -> Result<Found, QueueError> {
        self.held = None;
        for _ in 0..MESSAGES {
            let Some(message) = subscription.peek(now_ms)? else {
                return Ok(Found::Nothing);
            };
            let mut found = self.read(memory, message);
            // The frames in between are not shown, but their damage counts.
            if subscription.skip_to_last(now_ms)? > 0
                && let Some(newest) = subscription.peek(now_ms)?
            {
                found = self.read(memory, newest);
            }
            if found.is_some() {
                self.held = found;
                return Ok(Found::Frame);
            }
            subscription.release(now_ms)?;
        }
        Ok(Found::Nothing)
    }

    /// Copies and checks a header, and enters the frame into the ledger; `None` for a repeat or nonsense.
    fn read(&mut self, memory: &SharedMemory, message: Message) -> Option<Held> {
        match self.checked(memory, message) {
            Some((held, damage)) => {
                if self.ledger.is_repeat(held.serial, &held.layout) {
                    return None;
                }
                self.ledger.arrive(held.serial, &held.layout, &damage);
                Some(held)
            }
            None => {
                self.refused += 1;
                self.ledger.spoil();
                None
            }
        }
    }

    fn checked(&mut self, memory: &SharedMemory, message: Message) -> Option<(Held, Damage)> {
        let offset = usize::try_from(message.offset).ok()?;
        let room = memory.len().checked_sub(offset)? as u64;
        // The write pointer must be aligned, and the serial is read again after the pixels.
        if !message.offset.is_multiple_of(4) {
            return None;
        }
        let header = self.header.get_mut(..self.version.frame_header_bytes())?;
        memory.as_slice().copy_to(offset, header).ok()?;
        let header = FrameHeader::parse(self.version, header, message.size, room)
            .inspect_err(|error| tracing::debug!(%error, refused = self.refused, "a frame header"))
            .ok()?;
        let layout = translate::frame_layout(self.version, &header);
        let held = Held {
            message,
            serial: header.serial,
            layout,
            flags: header.flags,
            write_pointer_at: offset.checked_add(usize::try_from(header.fb_offset).ok()?)?,
            data_at: offset.checked_add(usize::try_from(header.data_offset()).ok()?)?,
            data_len: usize::try_from(header.data_bytes()).ok()?,
            recommended_size_mib: kvmfr::recommended_memory_mib(
                u64::from(header.frame.height) * u64::from(header.pitch),
            ),
        };
        let whole = memory.as_slice();
        whole.subslice(held.data_at, held.data_len).ok()?;
        whole.atomic_u32(held.write_pointer_at).ok()?;
        Some((held, translate::damage(&header.damage)))
    }

    /// The frame that [`Self::look`] found.
    pub(super) fn hand_out<'a>(
        &'a mut self,
        memory: &'a SharedMemory,
        clock: &'a dyn Clock,
        patience: Patience,
    ) -> Option<Frame<'a>> {
        let held = self.held.take()?;
        let pixels = memory.as_slice().subslice(held.data_at, held.data_len);
        Some(Frame {
            pixels: pixels.ok()?,
            chase: Chase::new(held.data_len, patience),
            memory,
            clock,
            held,
            feed: self,
        })
    }
}

/// Why a frame that was read must not be shown. What changed is reported again with the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Discarded {
    /// The host gave up on this reader and may have overwritten the frame while it was read.
    #[error("the frame was taken back while it was read")]
    Evicted,
    /// The host put another frame in its place.
    #[error("the frame was overwritten while it was read")]
    Overwritten,
    /// The host did not finish it in time.
    #[error("the host did not finish the frame")]
    Stalled,
}

/// A new frame. The host may still be writing its pixels: take them through [`PixelStream`].
///
/// Holds the frame's slot: finish or drop it within a small fraction of a second. Dropping it means that it was not
/// consumed: the next frame's damage includes this one's.
pub struct Frame<'a> {
    feed: &'a mut FrameFeed,
    memory: &'a SharedMemory,
    clock: &'a dyn Clock,
    pixels: SharedSlice<'a>,
    held: Held,
    chase: Chase,
}

impl Frame<'_> {
    /// How the pixels are stored and shown.
    #[must_use]
    pub const fn layout(&self) -> &FrameLayout {
        &self.held.layout
    }

    /// What changed since the frame that this reader consumed last.
    #[must_use]
    pub const fn damage(&self) -> &Damage {
        self.feed.ledger.damage()
    }

    /// The host's number of the frame.
    #[must_use]
    pub const fn serial(&self) -> u32 {
        self.held.serial
    }

    /// Tells whether the shared memory was too small for all the rows.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        // Some hosts do not set the flag; packed rows may be one fewer by their nature (kvmfr.md 4.3, 6).
        let layout = &self.held.layout;
        self.held.flags.contains(FrameFlags::TRUNCATED)
            || (layout.format != PixelFormat::Bgr24Packed && layout.is_truncated())
    }

    /// Tells whether the guest asks to keep the screen saver off.
    #[must_use]
    pub fn wants_screensaver_inhibited(&self) -> bool {
        self.held.flags.contains(FrameFlags::BLOCK_SCREENSAVER)
    }

    /// Tells whether the guest asks for the window to be raised; limit how often that is granted (H13).
    #[must_use]
    pub fn wants_activation(&self) -> bool {
        self.held.flags.contains(FrameFlags::REQUEST_ACTIVATION)
    }

    /// The size of shared memory in MiB that would hold two whole frames of this kind.
    #[must_use]
    pub const fn recommended_size_mib(&self) -> u64 {
        self.held.recommended_size_mib
    }

    /// Ends the reading; only now the damage counts as consumed.
    ///
    /// # Errors
    /// [`Discarded`] if what was read may not be this frame; then show nothing of it.
    pub fn finish(self) -> Result<(), Discarded> {
        let result = self.check();
        if result.is_ok() {
            self.feed.ledger.consume();
        } else {
            self.feed.ledger.spoil();
        }
        // Dropping releases the slot.
        result
    }

    /// Tells whether the slot still held this frame after its last byte was read (H3, H11).
    fn check(&self) -> Result<(), Discarded> {
        if self.chase.is_lost() {
            return Err(Discarded::Stalled);
        }
        // The pixels are read before the serial and the subscription are looked at again.
        fence(Ordering::Acquire);
        let serial = self.read_word(self.held.message.offset as usize + SERIAL_AT);
        if serial != Some(self.held.serial) {
            return Err(Discarded::Overwritten);
        }
        let is_mine = |s: &Subscription| s.is_still_mine();
        if !self.feed.subscription.as_ref().is_some_and(is_mine) {
            return Err(Discarded::Evicted);
        }
        Ok(())
    }

    fn read_word(&self, at: usize) -> Option<u32> {
        let word = self.memory.as_slice().atomic_u32(at).ok()?;
        // Acquire pairs with the host's release: with the pointer come the bytes before it.
        Some(word.load(Ordering::Acquire))
    }
}

/// `frameSerial` in all three layouts.
const SERIAL_AT: usize = 4;

impl PixelStream for Frame<'_> {
    fn pixels(&self) -> SharedSlice<'_> {
        self.pixels
    }

    fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled> {
        let wanted = bytes.min(self.held.data_len);
        if self.chase.available() >= wanted && !self.chase.is_lost() {
            return Ok(self.chase.available());
        }
        let stalled = |chase: &Chase| Stalled {
            available: chase.available(),
            wanted,
        };
        let mut wait = Chase::begin(self.clock.now());
        for attempt in 0..LOOKS {
            let Some(raw) = self.read_word(self.held.write_pointer_at) else {
                break;
            };
            let now = self.clock.now();
            match self.chase.look(&mut wait, raw, wanted, now) {
                Look::Ready => return Ok(self.chase.available()),
                Look::Lost => return Err(stalled(&self.chase)),
                Look::Waiting if attempt < SPINS => std::hint::spin_loop(),
                Look::Waiting => std::thread::sleep(NAP),
            }
        }
        self.chase.give_up();
        Err(stalled(&self.chase))
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        if self.chase.is_lost() {
            self.feed.ledger.spoil();
        }
        if let Some(subscription) = &mut self.feed.subscription {
            // A subscription that died meanwhile says so again at the next look.
            let _ = subscription.release(millis(self.clock.now()));
        }
    }
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("serial", &self.held.serial)
            .field("layout", &self.held.layout)
            .field("damage", self.damage())
            .finish_non_exhaustive()
    }
}
