//! Time as a value: clocks that tests set by hand, and what is computed from time stamps.
//!
//! Lowest layer: no other crate of the workspace is used. `relay` waits by [`PostPredictor`], which follows a rhythm by
//! [`Dll`]; audio finds its two clocks by [`EarliestLine`], allows for [`Lateness`] and steers by [`Pi`] and [`Slew`];
//! and whatever is measured ends in [`Percentiles`].
//!
//! ```
//! use clock::{Nanos, PostPredictor};
//!
//! let mut predictor = PostPredictor::new();
//! for frame in 0..20 {
//!     let at = Nanos::from_millis(frame * 10);
//!     predictor.observe(at - Nanos::from_micros(20), at);
//! }
//! let window = predictor.window(Nanos::from_millis(192)).expect("a steady rhythm");
//! assert!(window.start < Nanos::from_millis(200) && Nanos::from_millis(200) < window.end);
//! ```
//!
//! Threads and clocks: nothing here starts a thread. [`MonotonicClock`] reads `CLOCK_MONOTONIC`; everything else takes
//! the time as an argument.
//!
//! Sources: F. Adriaensen, *Using a DLL to filter time* (2005) and *Controlling adaptive resampling* (2012); S. Moon,
//! P. Skelly and D. Towsley, *Estimation and removal of clock skew from network delay measurements* (1999); the project's
//! timing.md, sections 2, 10 and 11.

#![forbid(unsafe_code)]

pub mod control;
pub mod dll;
pub mod earliest;
pub mod lateness;
pub mod percentiles;
pub mod predict;
pub mod time;

pub use control::{Pi, PiSettings, Slew};
pub use dll::{Dll, Gains};
pub use earliest::{EarliestLine, LineSettings, Moved};
pub use lateness::Lateness;
pub use percentiles::Percentiles;
pub use predict::{PostPredictor, Window};
pub use time::{Clock, ManualClock, MonotonicClock, Nanos};
