//! All tests, by one command.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::run::{cargo, has_program, step};
use crate::{packages, pipewire};

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only this part.
    part: Option<Part>,
    /// Only these crates (default: all).
    #[arg(long = "package", short = 'p')]
    packages: Vec<String>,
}

/// A part that is worth a name of its own.
#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// The kernel module: built against Debian's kernels, tried in a virtual machine of each, and used in several.
    KvmfrModule,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    packages::ensure()?;
    // The end-to-end tests start the real programs; build them first, in the profile of the tests.
    let mut programs = cargo();
    programs.args(["build", "--workspace", "--bins"]);
    pipewire::enable(&mut programs, &[]);
    step("programs", &mut programs)?;
    let skips = skip_log();
    let _ = std::fs::remove_file(&skips);
    if let Some(missing) = pipewire::missing() {
        let line = format!("SKIPPED PipeWire's own protocol, not built: {missing} missing\n");
        std::fs::write(&skips, line)?;
    }
    let mut command = cargo();
    // nextest limits the time of each test and the number of heavy ones at once; plain cargo does without.
    if has_program("cargo-nextest") {
        command.args(["nextest", "run"]);
    } else {
        println!("(cargo-nextest is not installed: plain `cargo test`, no time limits)");
        command.arg("test").env("RUST_TEST_THREADS", "1");
    }
    if let Some(Part::KvmfrModule) = options.part {
        command.args(["--package", "e2e"]);
        for test in ["kvmfr_module", "vm_to_vm", "zero_copy"] {
            command.args(["--test", test]);
        }
    } else if options.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.packages {
        command.args(["--package", package]);
    }
    if options.part.is_none() {
        pipewire::enable(&mut command, &options.packages);
    }
    command.env("LG_SKIP_LOG", &skips);
    let tests = step("tests", &mut command);
    report_skips(&skips);
    tests?;
    let is_all = options.packages.is_empty() && options.part.is_none();
    for package in MODELLED {
        if is_all || options.packages.iter().any(|name| name == package) {
            loom(package)?;
        }
    }
    Ok(())
}

/// The crates whose lock-free parts have models: the queue of frames, the ring of samples.
const MODELLED: [&str; 2] = ["lgmp", "audio"];

/// The models of a crate under every interleaving, in a build of their own.
fn loom(package: &str) -> anyhow::Result<()> {
    step(
        &format!("loom models of {package}"),
        cargo()
            .args(["test", "--package", package, "--test", "loom", "--release"])
            .env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", target_dir().join("loom")),
    )
}

/// Where tests append a line for each thing they could not test; passing tests' own output is hidden.
fn skip_log() -> PathBuf {
    target_dir().join("skipped-tests.txt")
}

pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::workspace().join("target"), PathBuf::from)
}

fn report_skips(log: &Path) {
    match std::fs::read_to_string(log) {
        Ok(text) if !text.trim().is_empty() => {
            println!("\n!!! NOT TESTED on this machine:");
            text.lines().for_each(|line| println!("!!!   {line}"));
        }
        _ => println!("\nNothing was skipped."),
    }
}
