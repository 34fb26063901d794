//! looking-glass-host.

pub mod config;
