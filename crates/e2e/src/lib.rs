//! End-to-end tests of the real programs; everything is in `tests/`.
//!
//! They start the binaries that `cargo xtask test` has built, on private X servers, compositors and virtual machines.

#![forbid(unsafe_code)]
