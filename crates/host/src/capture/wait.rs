//! Sleeping until a descriptor has something, the waker rings, or the time has come.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use clock::{Clock, MonotonicClock, Nanos};
use relay::Waker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Sleeps at most until `deadline`; a signal may end the sleep early.
pub(super) fn sleep(source: Option<BorrowedFd<'_>>, waker: &Waker, deadline: Nanos) {
    let left = (deadline - MonotonicClock.now()).to_duration();
    let Ok(timeout) = Timespec::try_from(left) else {
        return;
    };
    let on = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let result = match source {
        Some(source) => poll(&mut [on(waker.as_fd()), on(source)], Some(&timeout)),
        None => poll(&mut [on(waker.as_fd())], Some(&timeout)),
    };
    match result {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => {
            tracing::debug!(%error, "waiting");
            // Whatever is wrong, the caller must not turn into a spin.
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
    }
    waker.take();
}
