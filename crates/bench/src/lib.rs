//! The benchmarks behind cargo xtask bench.
