//! Sending to the host.

use std::sync::atomic::Ordering;

use ivshmem::AccessError;

use super::session::SessionLost;
use super::subscribe::CLIENT_PATIENCE;
use super::subscription::{QueueError, Subscription};
use crate::layout::{CLIENT_MESSAGE_BYTES, MAILBOX_SLOTS, MAX_QUEUES, NUM_QUEUES_AT, WireVersion};
use crate::slots::{Slots, Word};
use crate::words::QueueWords;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A mailbox slot holds 64 bytes.
    #[error("a message of {0} bytes is longer than 64")]
    TooLong(usize),
    /// The host has ten messages to read already.
    #[error("the host has not read its messages yet")]
    Full,
    /// The lock of the mailbox was not to be had for 250 ms.
    #[error("the lock of the mailbox is stuck")]
    LockTimeout,
    /// In version 4 this queue's mailbox overlaps what lies behind it (H7).
    #[error("a version 4 host cannot receive on this queue")]
    Unsafe,
    /// The mailbox contradicts itself.
    #[error("the mailbox is corrupted")]
    Corrupted,
    /// This process stood still while it sent.
    #[error("this process stood still for too long")]
    Thawed,
    /// The subscription is over.
    #[error("the subscription is over")]
    Ended(#[source] QueueError),
}

impl From<AccessError> for SendError {
    fn from(_: AccessError) -> Self {
        Self::Corrupted
    }
}

impl<M: Slots> Subscription<M> {
    /// Sends up to 64 bytes to the host and returns the serial by which [`Subscription::is_acknowledged`] asks.
    ///
    /// Waits at most 250 ms for the lock.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, message: &[u8]) -> Result<u32, SendError> {
        if message.len() > CLIENT_MESSAGE_BYTES {
            return Err(SendError::TooLong(message.len()));
        }
        if !self.is_still_mine() {
            let error = self.status().err();
            return Err(SendError::Ended(error.unwrap_or(QueueError::Unsubscribed)));
        }
        if !self.is_mailbox_safe()? {
            return Err(SendError::Unsafe);
        }
        let words = self.words();
        match words.cm_avail()?.load(Ordering::Acquire) {
            0 => return Err(SendError::Full),
            1..=MAILBOX_SLOTS => {}
            _ => return Err(SendError::Corrupted),
        }
        let Some(guard) = words.mailbox_lock().take(CLIENT_PATIENCE)? else {
            return Err(SendError::LockTimeout);
        };
        let serial = write_message(&words, message)?;
        guard.release().map_err(|_| SendError::Thawed)?;
        Ok(serial)
    }

    /// Tells whether the host has acted on the message with this serial.
    ///
    /// # Errors
    /// [`SessionLost`] if the session of the serial is over.
    pub fn is_acknowledged(&self, serial: u32) -> Result<bool, SessionLost> {
        if let Err(QueueError::SessionLost(lost)) = self.status() {
            return Err(lost);
        }
        let read = self
            .words()
            .cm_rserial()
            .map_err(|_| SessionLost::Faulted)?;
        // Acquire pairs with the host's release; wrapping, as serials run through all 32 bits.
        let distance = read.load(Ordering::Acquire).wrapping_sub(serial);
        Ok(distance.cast_signed() >= 0)
    }

    /// In version 4 the eleventh message goes into the next queue's header (H7).
    fn is_mailbox_safe(&self) -> Result<bool, AccessError> {
        if self.geometry().version != WireVersion::V4 {
            return Ok(true);
        }
        let queues = self.memory.u32(NUM_QUEUES_AT)?.load(Ordering::Acquire);
        let next = self.place.index + 1;
        Ok(next >= queues && next < MAX_QUEUES)
    }
}

/// Puts a message into the mailbox; under its lock.
fn write_message<M: Slots>(words: &QueueWords<'_, M>, message: &[u8]) -> Result<u32, SendError> {
    let cycle = words.geometry.mailbox_cycle;
    let write = words.cm_wpos()?.load(Ordering::Acquire);
    match words.cm_avail()?.load(Ordering::Acquire) {
        0 => return Err(SendError::Full),
        1..=MAILBOX_SLOTS if write < cycle => {}
        _ => return Err(SendError::Corrupted),
    }
    let at = words.mailbox_slot(write);
    let len = message.len() as u32;
    words.memory.u32(at)?.store(len, Ordering::Relaxed);
    words.memory.copy_in(at + 4, message)?;
    // In this order a host can finish what a killed sender began: position, free slots, serial.
    words
        .cm_wpos()?
        .store((write + 1) % cycle, Ordering::Release);
    words.cm_avail()?.fetch_sub(1, Ordering::AcqRel);
    let serial = words.cm_wserial()?.fetch_add(1, Ordering::AcqRel);
    Ok(serial.wrapping_add(1))
}
