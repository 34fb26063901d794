//! `cargo xtask`: starts builds, tests, demo and benchmarks.

fn main() {}
