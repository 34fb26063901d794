//! Ends a reader's wait from another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Wakes one waiting thread; clones ring the same bell.
///
/// Ringing before the wait begins counts too, and ringing twice before it ends counts once. The state is the kernel's
/// alone: a flag beside it that spared the system calls would have to be kept in step with it, which two threads cannot.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Makes a waker.
    ///
    /// # Errors
    /// If the process may not open another descriptor.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }

    /// Ends the wait; any thread may call this at any time, and it never blocks.
    pub fn wake(&self) {
        // It fails only if nobody has taken 2^64 rings: then the bell is ringing anyway.
        if let Err(error) = rustix::io::write(&*self.0, &1_u64.to_ne_bytes()) {
            tracing::debug!(%error, "ringing the waker");
        }
    }

    /// Tells whether it was rung since the last call, and silences it.
    pub fn take(&self) -> bool {
        let mut count = [0; 8];
        rustix::io::read(&*self.0, &mut count).is_ok()
    }

    /// Waits until it is rung or `timeout` has passed; may also return early for no reason.
    ///
    /// Returns false only if there is nothing to [`Self::take`], which spares a system call.
    pub fn wait(&self, timeout: Duration) -> bool {
        let Ok(timeout_spec) = Timespec::try_from(timeout) else {
            return true;
        };
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&timeout_spec)) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::debug!(%error, "waiting for the waker");
                // Whatever is wrong, the caller must not turn into a spin.
                std::thread::sleep(timeout.min(Duration::from_millis(10)));
            }
        }
        true
    }
}

/// Readable from a ring until the next [`Waker::take`], for callers that wait for other descriptors too.
impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    const FOREVER: Duration = Duration::from_secs(60);

    #[test]
    fn a_ring_before_the_wait_ends_it() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.wait(FOREVER);
        assert!(waker.take());
        assert!(!waker.take());
    }

    #[test]
    fn a_ring_from_another_thread_ends_the_wait() {
        let waker = Waker::new().unwrap();
        let other = waker.clone();
        let ringer = std::thread::spawn(move || other.wake());
        while !waker.take() {
            waker.wait(FOREVER);
        }
        ringer.join().unwrap();
    }

    #[test]
    fn two_rings_count_once() {
        let waker = Waker::new().unwrap();
        waker.wake();
        waker.wake();
        assert!(waker.take());
        assert!(!waker.take());
        waker.wake();
        assert!(waker.take());
    }

    #[test]
    fn no_ring_is_lost_between_threads() {
        let waker = Waker::new().unwrap();
        let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let (other, counter) = (waker.clone(), done.clone());
        let ringer = std::thread::spawn(move || {
            for round in 1..=2_000 {
                counter.store(round, Ordering::Relaxed);
                other.wake();
            }
        });
        let mut seen = 0;
        while seen < 2_000 {
            waker.wait(FOREVER);
            if waker.take() {
                seen = done.load(Ordering::Relaxed);
            }
        }
        ringer.join().unwrap();
    }
}
