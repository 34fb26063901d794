//! What the two threads share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use relay::Waker;
use relay::publisher::Publisher;

/// The publisher, and how the threads reach each other.
///
/// The main thread wakes up every ten milliseconds anyway, so it also serves newcomers; the capture thread sleeps until
/// something is drawn. It has the publisher to itself but for that, and the main thread never waits for it.
pub(super) struct Stage {
    publisher: Mutex<Publisher>,
    /// Rung when the capture thread has to look at something else than its source.
    pub(super) waker: Waker,
    /// Set when everything has to end.
    pub(super) is_over: Arc<AtomicBool>,
}

impl Stage {
    pub(super) fn new(publisher: Publisher, waker: Waker, is_over: Arc<AtomicBool>) -> Self {
        Self {
            publisher: Mutex::new(publisher),
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
