//! looking-glass-host: captures a desktop inside a guest and relays it.
//!
//! A library so that tests and benchmarks can link it; `main.rs` only reads the configuration and ends with the right
//! status. [`service`] runs the two threads, [`capture`] has a back end for each source of pictures.

#![forbid(unsafe_code)]

pub mod capture;
pub mod config;
mod identity;
mod pace;
pub mod service;
mod stats;
