//! looking-glass-host: captures a desktop inside a guest and relays it.
//!
//! A library so that tests and benchmarks can link it; `main.rs` only reads the configuration and ends with the right
//! status. [`service`] runs the threads, [`capture`] has a back end for each source of pictures; both sit on top of
//! `relay::publisher`, which writes the shared memory.
//!
//! ```
//! use clock::Nanos;
//! use host::capture::{Capture, TestCapture};
//! use host::config::{self, Environment};
//! use relay::Waker;
//!
//! let arguments = ["app:capture=test", "test:width=320", "test:height=64", "app:shmFile=fd:3"];
//! let loaded = config::load(arguments.map(Into::into), &Environment::default()).expect("good options");
//! let mut source = TestCapture::new(&loaded.settings.test);
//! let due = source.wait(&Waker::new()?, Nanos::ZERO, Nanos::ZERO)?;
//! assert!(due.image);
//! let image = source.image()?.expect("a pattern always has one");
//! assert_eq!(image.layout.frame.width, 320);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads and clocks
//! The main thread ticks every 10 ms (heartbeat, evictions, newcomers) and never waits for the other. The capture
//! thread sleeps on its source's connection and a waker; what it waits for in the display server may hang, which holds
//! up neither the heartbeat nor the end of the program. All times are `CLOCK_MONOTONIC`, which the stamps of the test
//! pattern are compared with.
//!
//! # Sources
//! `kvmfr.md` 1.2 (identity), `options.md` 9 and 11 (options and statuses); those of the back ends are named there.

#![forbid(unsafe_code)]

pub mod capture;
pub mod config;
mod identity;
mod pace;
pub mod service;
mod stats;
