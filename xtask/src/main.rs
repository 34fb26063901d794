//! `cargo xtask`: one place that starts builds, tests, the demo and the benchmarks.
//!
//! Holds no logic of the product and depends on none of its crates, so that it builds in seconds on a fresh machine.

#![forbid(unsafe_code)]

mod bench;
mod check;
mod ci;
mod demo;
mod packages;
mod pipewire;
mod run;
mod test;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Demo, tests and benchmarks of Looking Glass"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Relays a live picture through shared memory into a window, or without a display into a PNG.
    Demo(demo::Options),
    /// Installs what the tests need (as root on Debian), then runs all of them.
    Test(test::Options),
    /// Everything that must pass before a change lands: formatting, lints, documentation, house rules, tests.
    Ci,
    /// Only the house rules: layers, sizes of files and functions.
    Check,
    /// Runs a benchmark in release mode.
    Bench(bench::Options),
    /// By hand before a release: licences and advisories, spelling, each feature alone (tools from crates.io).
    Audit,
}

fn main() -> anyhow::Result<()> {
    std::env::set_current_dir(workspace())?;
    match Arguments::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Ci => ci::run(),
        Task::Check => check::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Audit => ci::audit(),
    }
}

/// The root of the workspace.
fn workspace() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .map_or_else(|| manifest.clone(), PathBuf::from)
}
