//! looking-glass-client: shows a guest's desktop in a window.

#![forbid(unsafe_code)]

pub mod config;
pub mod session;
