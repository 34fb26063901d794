//! Time as a value: clocks that tests set by hand, and what is computed from time stamps.

#![forbid(unsafe_code)]

pub mod time;

pub use time::{Clock, ManualClock, MonotonicClock, Nanos};
