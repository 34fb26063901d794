//! What has to happen every ten milliseconds, whatever the capture does.

use std::sync::Arc;

use clock::Nanos;
use kvmfr::{ClientMessage, SetCursorPos};
use picture::{GuestPoint, Size};

use super::PublishError;
use super::pace::millis;
use super::session::Shared;

/// Least time between two set-ups of one memory: two hosts on one memory must not chase each other at full speed.
const RESTART_GAP: Nanos = Nanos::from_millis(1000);

/// What a client asks of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientRequest {
    /// Move the guest's pointer so that its click point is here; already inside the desktop (H12).
    SetCursorPosition(GuestPoint),
}

/// What a tick found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// The memory had been overwritten, and a new session has begun.
    pub has_restarted: bool,
    /// Messages of clients that were handled, known or not.
    pub messages: u32,
}

/// Keeps the session alive: heartbeat, eviction, the clients' messages, and a new session when the memory was wiped.
///
/// Belongs on a thread of its own that does nothing else, so that no slow capture stops the heartbeat.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    last_restart: Option<Nanos>,
}

impl Service {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            last_restart: None,
        }
    }

    /// Does what is due at `now`, of the publisher's clock; call it every 10 ms.
    ///
    /// `act` gets the requests of clients, at most ten; each is acknowledged when `act` returns.
    ///
    /// # Errors
    /// If a lost session cannot be set up again. Ticking on is harmless, and right unless the memory is
    /// [`PublishError::Faulted`].
    pub fn tick(
        &mut self,
        now: Nanos,
        act: impl FnMut(ClientRequest),
    ) -> Result<Tick, PublishError> {
        let is_lost = self.shared.session().host.tick(millis(now)).is_err();
        if is_lost {
            return self.restart(now);
        }
        Ok(Tick {
            has_restarted: false,
            messages: self.drain(act),
        })
    }

    fn restart(&mut self, now: Nanos) -> Result<Tick, PublishError> {
        let is_too_soon = |last: Nanos| now >= last && now - last < RESTART_GAP;
        if self.last_restart.is_some_and(is_too_soon) {
            return Err(PublishError::SessionLost);
        }
        self.last_restart = Some(now);
        self.shared.restart(millis(now))?;
        tracing::warn!("the shared memory was overwritten; began a new session");
        Ok(Tick {
            has_restarted: true,
            messages: 0,
        })
    }

    fn drain(&self, mut act: impl FnMut(ClientRequest)) -> u32 {
        // The queue's own handle, so that `act` may take its time without keeping a restart waiting.
        let queue = self.shared.session().pointer.clone();
        let mut messages = 0;
        // Ends by itself: the queue gives at most ten between two ticks.
        while let Some(message) = queue.next_message() {
            messages += 1;
            match (ClientMessage::parse(message.bytes()), self.shared.desktop()) {
                (Some(ClientMessage::SetCursorPos(wanted)), Some(desktop)) => {
                    act(ClientRequest::SetCursorPosition(inside(wanted, desktop)));
                }
                (parsed, _) => {
                    tracing::debug!(?parsed, len = message.len, "ignored a client's message");
                }
            }
            queue.acknowledge();
        }
        messages
    }
}

/// The nearest point of the desktop.
fn inside(wanted: SetCursorPos, desktop: Size) -> GuestPoint {
    let clamp = |at: i32, side: u32| {
        let last = i32::try_from(side.saturating_sub(1)).unwrap_or(i32::MAX);
        at.clamp(0, last)
    };
    GuestPoint {
        x: clamp(wanted.x, desktop.width),
        y: clamp(wanted.y, desktop.height),
    }
}
