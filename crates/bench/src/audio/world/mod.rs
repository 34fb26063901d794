//! The world of the simulation: two crystals, what a virtual machine sends, and what a sound card asks for.
//!
//! Nothing in here knows how sound is held in time; it only says, in true time, what happens. True time is the host's
//! monotonic clock; both crystals are off against it.

pub mod device;
pub mod source;

use clock::Nanos;

/// Something that happens to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The source makes nothing for this long, and goes on where it stopped.
    Stall(Nanos),
    /// What the source makes is held back for this long, and then comes at once.
    Hold(Nanos),
    /// So many packets are sent at once, at the time of the last one, with one time stamp.
    Hiccup(u32),
    /// The source sends so many frames at once more than its clock says: an offset.
    Extra(u32),
    /// The device neither plays nor asks for this long.
    Pause(Nanos),
    /// The host sleeps: neither packets nor requests, and the clocks have jumped after it.
    Suspend(Nanos),
    /// The guest ends its stream, and begins again after this time.
    Rest(Nanos),
    /// The device asks for so many frames from now on.
    Period(u32),
}

/// When something happens.
pub type Schedule = Vec<(Nanos, Happening)>;

/// A crystal: frames a second, as they truly are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crystal {
    /// Frames a second of true time.
    pub rate_hz: f64,
}

impl Crystal {
    /// A crystal that should give `rate_hz` frames a second and gives `ppm` millionths more.
    #[must_use]
    pub fn new(rate_hz: u32, ppm: f64) -> Self {
        Self {
            rate_hz: f64::from(rate_hz) * (1.0 + ppm * 1e-6),
        }
    }

    /// True nanoseconds that `frames` last.
    #[must_use]
    pub fn nanos(self, frames: f64) -> f64 {
        frames * 1e9 / self.rate_hz
    }
}

/// A point of true time, which may be negative and has fractions, as the clock shows it.
#[must_use]
pub fn shown(time_ns: f64) -> Nanos {
    // 53 bits hold a hundred days in nanoseconds.
    Nanos(time_ns.floor() as i64)
}

/// Nanoseconds with fractions.
#[must_use]
pub fn ns(time: Nanos) -> f64 {
    time.0 as f64
}
