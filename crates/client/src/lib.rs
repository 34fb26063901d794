//! looking-glass-client: shows a guest's desktop in a window.
//!
//! A library so that tests, benchmarks and fuzz targets can link it; `main.rs` only reads the configuration and ends
//! with the right status. [`app`] starts the threads, [`view`] is the one that works, [`session`] decides what is seen.

#![forbid(unsafe_code)]

pub mod app;
pub mod clipboard;
pub mod config;
pub mod console;
pub mod guest_view;
pub mod headless;
pub mod input;
pub mod machine;
pub mod memory;
pub mod renderer;
pub mod session;
pub mod sound;
pub mod stats;
pub mod unattended;
pub mod view;
