//! Time, as the publisher needs it.

use std::thread;
use std::time::Duration;

use clock::{Clock, Nanos};

/// How often a wait looks again; a tenth of the time that a client needs for a frame.
const STEP: Duration = Duration::from_micros(50);

/// Milliseconds of the publisher's clock, as LGMP counts.
pub(super) const fn millis(now: Nanos) -> u64 {
    let ms = now.as_millis();
    if ms < 0 { 0 } else { ms as u64 }
}

/// Waits until `is_ready`, but no longer than `patience`; tells whether it is.
///
/// Both the clock and the number of looks bound it, so that a clock that stands still cannot hold it.
pub(super) fn wait_until(
    clock: &dyn Clock,
    patience: Duration,
    mut is_ready: impl FnMut() -> bool,
) -> bool {
    let end = clock.now() + Nanos::from(patience);
    let looks = patience.as_nanos() / STEP.as_nanos();
    for _ in 0..looks {
        if is_ready() {
            return true;
        }
        if clock.now() >= end {
            return false;
        }
        thread::sleep(STEP);
    }
    is_ready()
}
