//! What other threads tell a clipboard's thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clock::Nanos;
use rustix::event::{EventfdFlags, PollFd, Timespec, eventfd, poll};

/// A queue with a bell that a thread can wait for together with sockets.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    waiting: Mutex<Waiting<T>>,
    bell: OwnedFd,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            waiting: Mutex::new(Waiting {
                items: VecDeque::new(),
                is_closed: false,
            }),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Puts something in, in place of everything there that it makes pointless.
    pub(super) fn push(&self, item: T, is_replaced: impl Fn(&T) -> bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_closed {
            return;
        }
        waiting.items.retain(|old| !is_replaced(old));
        waiting.items.push_back(item);
        let is_first = waiting.items.len() == 1;
        drop(waiting);
        if is_first {
            self.ring();
        }
    }

    /// Takes the next; `Err` when nothing will come any more.
    pub(super) fn pop(&self) -> Result<Option<T>, Closed> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_closed {
            return Err(Closed);
        }
        Ok(waiting.items.pop_front())
    }

    /// Ends the thread that reads this.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_closed = true;
        waiting.items.clear();
        drop(waiting);
        self.ring();
    }

    /// How many of a kind wait.
    pub(super) fn count(&self, is_counted: impl Fn(&T) -> bool) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.items.iter().filter(|item| is_counted(item)).count()
    }

    /// What becomes readable when it rings.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Makes the bell still, before the queue is looked through.
    pub(super) fn silence(&self) {
        let mut count = [0; 8];
        // Nothing to read: it did not ring.
        let _ = rustix::io::read(&self.bell, &mut count);
    }

    fn ring(&self) {
        // Fails only when it has rung very often and was not heard yet: it will be.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}

/// The inbox is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed;

/// Waits until a descriptor is ready or a deadline is over.
pub(super) fn wait(fds: &mut [PollFd<'_>], deadline: Option<Nanos>, now: Nanos) {
    let left = deadline.map(|deadline| (deadline - now).to_duration() + Duration::from_micros(1));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    // Interrupted: the caller looks round and comes back.
    let _ = poll(fds, left.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_is_gone_and_the_rest_keeps_its_order() {
        let inbox = Inbox::new().unwrap();
        for item in [1, 12, 3, 14] {
            inbox.push(item, |old| item > 10 && *old > 10);
        }
        assert_eq!(inbox.count(|item| *item > 10), 1);
        let taken: Vec<_> = std::iter::from_fn(|| inbox.pop().unwrap()).collect();
        assert_eq!(taken, [1, 3, 14]);
        inbox.push(1, |_| false);
        inbox.close();
        assert!(inbox.pop().is_err());
    }

    #[test]
    fn the_bell_ends_a_wait_without_a_deadline() {
        let inbox = Inbox::new().unwrap();
        inbox.push(1, |_| false);
        let flags = rustix::event::PollFlags::IN;
        wait(
            &mut [PollFd::from_borrowed_fd(inbox.bell(), flags)],
            None,
            Nanos::ZERO,
        );
        inbox.silence();
        let mut fds = [PollFd::from_borrowed_fd(inbox.bell(), flags)];
        wait(&mut fds, Some(Nanos::ZERO), Nanos::ZERO);
        assert!(fds[0].revents().is_empty());
    }
}
