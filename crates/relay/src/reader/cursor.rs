//! Asking the host to move the guest's pointer.

use clock::Nanos;
use kvmfr::{Features, SetCursorPos};
use lgmp::SendError;
use picture::GuestPoint;

use super::{Happened, Reader};

/// How long the host may take to act (kvmfr.md 5.3).
const PATIENCE: Nanos = Nanos::from_millis(250);
/// Distance of looks for the answer.
const STEP: Nanos = Nanos::from_millis(1);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorPosition {
    /// The host has acted on it.
    Acknowledged,
    /// The host did not act within 250 ms, or the session ended: use relative motion.
    Failed,
}

/// Why the host was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetCursorError {
    /// There is no session.
    #[error("not connected to a host")]
    NotConnected,
    /// The host does not offer it.
    #[error("the host does not set the pointer's position")]
    NotOffered,
    /// The message could not be left.
    #[error("sending to the host")]
    Send(#[source] SendError),
}

/// A request that the host has not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    serial: u32,
    until: Nanos,
}

impl Request {
    pub(super) fn next_look(&self, now: Nanos) -> Nanos {
        (now + STEP).min(self.until.max(now + Nanos::from_micros(10)))
    }
}

impl Reader {
    /// Asks the host to put the pointer's click point at `to`. Does not wait: what becomes of it arrives as
    /// [`Event::CursorPosition`](super::Event::CursorPosition), for the last request only.
    ///
    /// # Errors
    /// If the host cannot be asked.
    pub fn set_cursor_position(&mut self, to: GuestPoint) -> Result<(), SetCursorError> {
        let now = self.clock.now();
        let session = self.session().ok_or(SetCursorError::NotConnected)?;
        if !session.features().contains(Features::SET_CURSOR_POSITION) {
            return Err(SetCursorError::NotOffered);
        }
        let subscription = self.pointer.subscription.as_mut();
        let subscription = subscription.ok_or(SetCursorError::NotConnected)?;
        let message = SetCursorPos { x: to.x, y: to.y }.encode();
        let serial = subscription.send(&message).map_err(SetCursorError::Send)?;
        self.request = Some(Request {
            serial,
            until: now + PATIENCE,
        });
        Ok(())
    }

    /// Looks whether the host has answered.
    pub(super) fn step_request(&mut self, now: Nanos) -> Option<Happened> {
        let request = self.request?;
        let subscription = self.pointer.subscription.as_ref();
        // A lost subscription does not matter: the serials are the queue's.
        let answer = subscription.map_or(Ok(false), |s| s.is_acknowledged(request.serial));
        let result = match answer {
            Ok(true) => CursorPosition::Acknowledged,
            Ok(false) if now < request.until => return None,
            _ => CursorPosition::Failed,
        };
        self.request = None;
        Some(Happened::CursorPosition(result))
    }

    /// Without a session nobody will answer.
    pub(super) fn abandon_request(&mut self) -> Option<Happened> {
        self.request.take()?;
        Some(Happened::CursorPosition(CursorPosition::Failed))
    }
}
