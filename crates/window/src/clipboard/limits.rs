//! How much and how long.

use std::sync::Arc;
use std::time::Duration;

use clock::Nanos;
use rustix::process::{getpriority_process, setpriority_process};

/// The least that a reader has to take in a second, on the whole.
const BYTES_PER_SECOND: u64 = 1 << 20;
/// So many times the largest answer may be held for readers at the same time.
const HELD_ANSWERS: usize = 2;
/// How much nicer than others a thread of the clipboard is.
const NICER: i32 = 10;
/// The nicest there is.
const NICEST: i32 = 19;

/// How much and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipboardLimits {
    /// The most that is taken from an owner, in bytes. Twice as much is held for all that paste together: who comes when
    /// that is full, is refused.
    pub max_bytes: usize,
    /// How long an owner may take for all of its answer, we for ours, and a reader for taking the next bytes of it. For
    /// all of it, a reader has another second for each MiB.
    pub patience: Duration,
}

impl ClipboardLimits {
    /// Ten seconds, as SPICE agents wait.
    #[must_use]
    pub const fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            patience: Duration::from_secs(10),
        }
    }

    /// How long a reader may take for that many bytes.
    pub(super) fn reading(&self, bytes: usize) -> Nanos {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let seconds = Duration::from_secs(bytes.div_ceil(BYTES_PER_SECOND));
        self.patience.saturating_add(seconds).into()
    }

    /// Tells whether `more` may be held as well as what already is. What several readers share, counts once.
    pub(super) fn has_room<'d>(
        &self,
        held: impl Iterator<Item = &'d Arc<[u8]>>,
        more: &'d Arc<[u8]>,
    ) -> bool {
        let mut all = vec![more];
        for data in held {
            if !all.iter().any(|known| Arc::ptr_eq(known, data)) {
                all.push(data);
            }
        }
        let sizes = all.iter().map(|data| data.len());
        let bytes = sizes.fold(0, usize::saturating_add);
        bytes <= self.max_bytes.saturating_mul(HELD_ANSWERS)
    }
}

/// Has the calling thread, which moves large data for somebody who waits anyway, give way to those that draw. If that is
/// not allowed, it stays as it is.
pub fn give_way() {
    // On Linux, a thread has a priority of its own.
    let thread = Some(rustix::thread::gettid());
    let lowered = getpriority_process(thread)
        .and_then(|nice| setpriority_process(thread, nice.saturating_add(NICER).min(NICEST)));
    if let Err(error) = lowered {
        tracing::debug!(%error, "the priority of a thread of the clipboard stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_alone() {
        let nice = |thread| getpriority_process(thread).unwrap();
        let own = Some(rustix::thread::gettid());
        let before = nice(own);
        let after = std::thread::spawn(move || {
            give_way();
            nice(Some(rustix::thread::gettid()))
        });
        assert_eq!(after.join().unwrap(), (before + 10).min(19));
        assert_eq!(nice(own), before);
    }

    #[test]
    fn what_is_shared_counts_once() {
        let limits = ClipboardLimits::new(100);
        let [full, half]: [Arc<[u8]>; 2] = [vec![0; 100].into(), vec![0; 50].into()];
        let other: Arc<[u8]> = vec![0; 50].into();
        let held = || [&full, &half, &full, &half].into_iter();
        assert!(limits.has_room(held(), &full));
        assert!(limits.has_room(held(), &other));
        let all = || held().chain([&other]);
        assert!(limits.has_room(all(), &other));
        assert!(!limits.has_room(all(), &vec![0; 1].into()));
        // Whatever is offered by itself must keep to it, too.
        assert!(!limits.has_room(std::iter::empty(), &vec![0; 201].into()));
    }

    #[test]
    fn larger_answers_may_take_longer() {
        let limits = ClipboardLimits::new(100);
        assert_eq!(limits.reading(0), Nanos::from_millis(10_000));
        assert_eq!(limits.reading(1), Nanos::from_millis(11_000));
        assert_eq!(limits.reading(64 << 20), Nanos::from_millis(74_000));
    }
}
