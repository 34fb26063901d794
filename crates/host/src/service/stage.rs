//! What the two threads share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use relay::Waker;
use relay::publisher::{ClientRequest, Publisher};

use crate::capture::{CaptureError, PointerMover};

type Mover = Box<dyn PointerMover + Send>;

/// The publisher, and how the threads reach each other.
///
/// The main thread wakes up every ten milliseconds anyway, so it also serves newcomers; the capture thread sleeps until
/// something is drawn. It has the publisher to itself but for that, and the main thread never waits for it.
pub(super) struct Stage {
    publisher: Mutex<Publisher>,
    /// For clients that move the pointer; `None` where that cannot be, and while the display server is gone. Used by the
    /// main thread; the capture thread replaces it.
    mover: Mutex<Option<Mover>>,
    /// Rung when the capture thread has to look at something else than its source.
    pub(super) waker: Waker,
    /// Set when everything has to end.
    pub(super) is_over: Arc<AtomicBool>,
}

impl Stage {
    pub(super) fn new(
        publisher: Publisher,
        mover: Option<Mover>,
        waker: Waker,
        is_over: Arc<AtomicBool>,
    ) -> Self {
        Self {
            publisher: Mutex::new(publisher),
            mover: Mutex::new(mover),
            waker,
            is_over,
        }
    }

    /// The publisher, for the capture thread. It waits for a newcomer to be served at most: a few milliseconds.
    pub(super) fn publisher(&self) -> MutexGuard<'_, Publisher> {
        self.publisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges what moves the pointer, because the capture began anew or ended.
    pub(super) fn set_mover(&self, mover: Option<Mover>) {
        *self.mover() = mover;
    }

    fn mover(&self) -> MutexGuard<'_, Option<Mover>> {
        self.mover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a client asks for. For the main thread; takes a few milliseconds at most.
    pub(super) fn act(&self, request: ClientRequest) {
        match request {
            ClientRequest::SetCursorPosition(point) => {
                self.with_mover(|mover| mover.move_to(point));
            }
            request => tracing::debug!(?request, "ignored"),
        }
    }

    /// Does what was asked for earlier and could not be done in time. For the main thread; does not wait.
    pub(super) fn catch_up(&self) {
        self.with_mover(|mover| mover.catch_up());
    }

    fn with_mover(&self, act: impl FnOnce(&mut Mover) -> Result<(), CaptureError>) {
        let mut mover = self.mover();
        if let Some(Err(error)) = mover.as_mut().map(act) {
            // The capture notices as well, and brings another.
            tracing::debug!(%error, "moving the pointer");
            *mover = None;
        }
    }

    /// Sends those who came since the last call what they missed; wakes the capture thread if nobody `was_watching`.
    ///
    /// Returns whether anybody watches now. For the main thread: while a picture is being published, the next tick is
    /// early enough.
    pub(super) fn serve_newcomers(&self, was_watching: bool) -> bool {
        let mut publisher = match self.publisher.try_lock() {
            Ok(publisher) => publisher,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return was_watching,
        };
        publisher.serve_new_subscribers();
        let is_watching = publisher.has_subscribers();
        drop(publisher);
        if is_watching && !was_watching {
            self.waker.wake();
        }
        is_watching
    }
}
