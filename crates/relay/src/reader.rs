//! The reader: attaches to a host, waits for what happens, and hands it out.
//!
//! One thread owns a [`Reader`] and calls [`Reader::next`] in a loop. Whatever the host does, or whoever else writes
//! the memory, the reader reports what is missing ([`Link`]) and attaches again by itself.

mod attach;
mod chase;
mod cursor;
mod frame;
mod ledger;
mod link;
pub(crate) mod plan;
mod pointer;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

use clock::{Clock, Nanos};
use ivshmem::SharedMemory;
use kvmfr::{Features, SessionDescription, Version};
use lgmp::{Client, QueueError, Subscription, WireVersion};

pub use cursor::{CursorPosition, SetCursorError};
pub use frame::{Discarded, Frame};
pub use link::{Link, Status};

use crate::Waker;
use crate::translate::PointerUpdate;
use attach::Attachment;
use chase::Patience;
use cursor::Request;
use frame::{Found, FrameFeed};
use plan::WaitPlan;
use pointer::PointerFeed;

/// How often a session is checked while it is read from; 100 ms would be enough (lgmp.md 8.3).
const CHECK: Nanos = Nanos::from_millis(10);
/// A first frame that takes longer is reported as missing; hosts send one again within about a second.
const FIRST_FRAME: Nanos = Nanos::from_millis(1_500);

/// How a reader waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Distance of looks at the frame queue as set by the user; `None` lets the reader predict.
    pub frame_poll: Option<Duration>,
    /// Distance of looks at the pointer queue while the pointer moves.
    pub pointer_poll: Duration,
    /// How long a frame may make no progress.
    pub stall: Duration,
    /// How long a frame is waited for in all.
    pub frame_budget: Duration,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            frame_poll: None,
            pointer_poll: Duration::from_millis(1),
            stall: Duration::from_millis(100),
            frame_budget: Duration::from_secs(1),
        }
    }
}

/// The session that a reader is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Version of the queues.
    pub lgmp: WireVersion,
    /// Version of the messages in them.
    pub kvmfr: Version,
    /// The host's number of the session.
    pub session_id: u32,
    /// What the host says about itself and its machine; all texts are cleaned.
    pub description: SessionDescription,
}

impl SessionInfo {
    /// The guest's UUID in the order in which it is written, if the host knows it.
    #[must_use]
    pub fn uuid(&self) -> Option<[u8; 16]> {
        self.description.vm.as_ref()?.uuid
    }

    /// What the host can do beyond showing.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.description.features
    }

    /// The host's version, for people.
    #[must_use]
    pub fn host_version(&self) -> &str {
        &self.description.host_version
    }
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session began. Frame and pointer of an earlier one are void.
    Connected(&'a SessionInfo),
    /// A new frame.
    Frame(Frame<'a>),
    /// The pointer moved, hid or changed.
    Pointer(PointerUpdate<'a>),
    /// Something is waited for; anything but [`Link::FirstFrame`] also means that there is no session (any more).
    Missing(Link),
    /// What became of the last [`Reader::set_cursor_position`].
    CursorPosition(CursorPosition),
    /// The waker was rung.
    Woken,
    /// The deadline has come.
    Deadline,
}

/// What happened, without the borrowed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    Connected,
    Frame,
    Pointer,
    Missing(Link),
    CursorPosition(CursorPosition),
}

/// Reads frames and pointer of whatever host runs behind a memory.
pub struct Reader {
    memory: Arc<SharedMemory>,
    clock: Box<dyn Clock>,
    patience: Patience,
    client: Client,
    attachment: Attachment,
    frames: FrameFeed,
    pointer: PointerFeed,
    plan: WaitPlan,
    request: Option<Request>,
    wants_frames: bool,
    /// Which queue comes first in the next look; they take turns, so that neither can starve the other.
    is_pointer_first: bool,
    /// The thread whose timers were made exact.
    exact: Option<ThreadId>,
}

impl Reader {
    /// Makes a reader of `memory`; it attaches when [`Self::next`] is called.
    #[must_use]
    pub fn new(
        memory: Arc<SharedMemory>,
        options: ReaderOptions,
        clock: impl Clock + 'static,
    ) -> Self {
        Self {
            client: Client::new(Arc::clone(&memory)),
            memory,
            clock: Box::new(clock),
            patience: Patience {
                stall: options.stall.into(),
                total: options.frame_budget.into(),
            },
            attachment: Attachment::new(),
            frames: FrameFeed::new(),
            pointer: PointerFeed::new(),
            plan: WaitPlan::new(options.frame_poll, options.pointer_poll),
            request: None,
            wants_frames: true,
            is_pointer_first: false,
            exact: None,
        }
    }

    /// How far the reader has come.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.attachment.status()
    }

    /// The session, if there is one.
    #[must_use]
    pub const fn session(&self) -> Option<&SessionInfo> {
        self.attachment.info()
    }

    /// Waits for the next thing to happen.
    ///
    /// Returns by `deadline` at the latest, or at once when `waker` is rung; a deadline in the past makes one look
    /// without waiting. `waker` serves this reader only. Makes the timers of the calling thread exact.
    pub fn next(&mut self, waker: &Waker, deadline: Option<Nanos>) -> Event<'_> {
        self.make_timers_exact();
        let mut may_ring = true;
        loop {
            let now = self.clock.now();
            if may_ring && waker.take() {
                self.plan.woken(now);
                return Event::Woken;
            }
            if let Some(happened) = self.step(now) {
                return self.event(happened);
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Event::Deadline;
            }
            let look = self.next_look(now);
            let until = deadline.map_or(look, |deadline| look.min(deadline));
            may_ring = waker.wait((until - self.clock.now()).to_duration());
        }
    }

    /// Timers of ordinary threads may come 50 µs late to save power; that would be most of the wait.
    fn make_timers_exact(&mut self) {
        let this = std::thread::current().id();
        if self.exact == Some(this) {
            return;
        }
        self.exact = Some(this);
        if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)) {
            tracing::debug!(%error, "timers stay inexact");
        }
    }

    /// One look at everything.
    fn step(&mut self, now: Nanos) -> Option<Happened> {
        if let Some(happened) = self.keep_attached(now) {
            return Some(happened);
        }
        if !self.attachment.is_connected() {
            return self.abandon_request();
        }
        let found = if self.is_pointer_first {
            self.step_pointer(now).or_else(|| self.step_frames(now))
        } else {
            self.step_frames(now).or_else(|| self.step_pointer(now))
        };
        if let Some(happened) = found {
            self.is_pointer_first = happened == Happened::Frame;
            return found;
        }
        self.step_request(now).or_else(|| {
            let is_awaited = self.wants_frames;
            is_awaited
                .then(|| self.attachment.report_late_frame(now, FIRST_FRAME))
                .flatten()
        })
    }

    fn step_frames(&mut self, now: Nanos) -> Option<Happened> {
        match self.frames.look(&self.memory, now) {
            Ok(Found::Frame) => {
                self.plan.found_frame(now);
                self.attachment.first_frame();
                Some(Happened::Frame)
            }
            Ok(Found::Nothing) => {
                self.plan.found_nothing(now);
                None
            }
            Err(error) => {
                let ended = self.frames.subscription.take();
                self.frames.restart(None, Version::V20);
                end("frame", error, ended, now);
                None
            }
        }
    }

    fn step_pointer(&mut self, now: Nanos) -> Option<Happened> {
        match self.pointer.look(&self.memory, now) {
            Ok(false) => {}
            Ok(true) => self.plan.found_pointer(now),
            Err(error) => end("pointer", error, self.pointer.subscription.take(), now),
        }
        self.pointer.has_news().then_some(Happened::Pointer)
    }

    fn next_look(&self, now: Nanos) -> Nanos {
        let look = self.attachment.next_look(now);
        if !self.attachment.is_connected() {
            return look;
        }
        let look = look.min(self.plan.next_look(now));
        match &self.request {
            Some(request) => look.min(request.next_look(now)),
            None => look,
        }
    }

    fn event(&mut self, happened: Happened) -> Event<'_> {
        match happened {
            Happened::Connected => match self.attachment.info() {
                Some(info) => Event::Connected(info),
                None => Event::Missing(self.attachment.link()),
            },
            Happened::Frame => {
                let frame = self
                    .frames
                    .hand_out(&self.memory, &*self.clock, self.patience);
                // The frame was found in this very step, so it is there.
                frame.map_or(Event::Missing(Link::FirstFrame), Event::Frame)
            }
            Happened::Pointer => Event::Pointer(self.pointer.update()),
            Happened::Missing(link) => Event::Missing(link),
            Happened::CursorPosition(result) => Event::CursorPosition(result),
        }
    }
}

/// A subscription ended; the next step gets a new one.
///
/// One that only met nonsense still has its subscriber bit, and gives it back: else a hostile guest could make its reader
/// take all 32 of them. The wait for the lock is bounded as that for the new subscription is.
fn end(queue: &str, error: QueueError, ended: Option<Subscription>, now: Nanos) {
    tracing::debug!(%error, queue, "the subscription ended");
    if error == QueueError::Corrupted
        && let Some(Err(error)) = ended.map(|ended| ended.unsubscribe(millis(now)))
    {
        tracing::debug!(%error, queue, "unsubscribing");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.leave(now);
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("status", &self.status())
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}

/// The clock as LGMP wants it.
fn millis(now: Nanos) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
