//! The place of the sound's threads among the others of the machine.

use rustix::process::{getpriority_process, setpriority_process};

/// Ahead of ordinary threads by this much, as PulseAudio's own are ("nice-level = -11" in its daemon.conf).
const AHEAD: i32 = 11;
/// The most that there is.
const MOST: i32 = -20;

/// Puts the calling thread ahead of ordinary ones, if this user may do that; a desktop that does not allow it is still
/// served, with a little more jitter.
pub(crate) fn hurry() {
    // On Linux, a thread has a priority of its own.
    let thread = Some(rustix::thread::gettid());
    let hurried = getpriority_process(thread)
        .and_then(|nice| setpriority_process(thread, nice.saturating_sub(AHEAD).max(MOST)));
    if let Err(error) = hurried {
        tracing::debug!("sound: no higher priority: {error}");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hurries_alone_and_only_if_it_may() {
        let nice = |thread| getpriority_process(thread).unwrap();
        let own = Some(rustix::thread::gettid());
        let before = nice(own);
        let after = std::thread::spawn(|| {
            let thread = Some(rustix::thread::gettid());
            hurry();
            let after = getpriority_process(thread).unwrap();
            let may = setpriority_process(thread, after.max(MOST + 1) - 1).is_ok();
            (after, may)
        });
        let (after, may) = after.join().unwrap();
        let expected = if may {
            (before - AHEAD).max(MOST)
        } else {
            before
        };
        assert_eq!(after, expected);
        assert_eq!(nice(own), before);
    }
}
