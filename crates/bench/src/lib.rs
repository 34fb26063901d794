//! The benchmarks behind `cargo xtask bench`.
//!
//! The highest layer: uses everything, is used by nothing. One module per measurement; each measures one run and
//! returns [`report::Sample`]s, and [`relay_bench`] repeats the runs and puts medians and spread into one
//! [`report::Report`]; [`audio`] simulates instead, in virtual time, and judges. What they mean and what was measured is
//! in `docs/performance.md`.
//!
//! ```
//! use bench::report::{Report, Sample};
//!
//! let mut report = Report::new("some machine".into(), |_| "done".into());
//! report.add(Sample::new("copy", "4K ratio", "", 1.2));
//! report.add(Sample::new("copy", "4K ratio", "", 1.4));
//! report.add(Sample::new("copy", "4K ratio", "", 1.3));
//! assert_eq!(report.median("copy", "4K ratio"), Some(1.3));
//! ```
//!
//! Threads and clocks: the publisher of the relay's benchmarks is a process of its own ([`publisher`]); all times are
//! `CLOCK_MONOTONIC`, which processes share.
//!
//! Sources: the project's testbed.md 10 (what can be measured here), timing.md 2 (waiting).

#![deny(unsafe_code)]

pub mod audio;
pub mod copy;
pub mod follower;
pub mod growth;
pub mod input;
pub mod machine;
pub mod path;
#[expect(unsafe_code, reason = "the copy that everything is compared with")]
mod plain;
pub mod programs;
pub mod publisher;
pub mod random;
pub mod relay_bench;
pub mod report;
pub mod spread;
pub mod stand_in;
pub mod wake;
pub mod zero_copy;
