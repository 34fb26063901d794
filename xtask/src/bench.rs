//! Benchmarks, in release mode on an otherwise idle machine.

use clap::Args;

use crate::pipewire;
use crate::run::{cargo, step};

#[derive(Args)]
pub(crate) struct Options {
    /// Which benchmark: relay, input or audio.
    name: String,
    /// Handed on to the benchmark, for example `--json FILE`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut build = cargo();
    build.args(["build", "--release", "-p", "bench"]);
    if options.name != "audio" {
        // The others run the programs.
        build.args(["-p", "client", "-p", "host"]);
        pipewire::enable(&mut build, &[]);
    }
    step("build", &mut build)?;
    let mut command = cargo();
    command.args([
        "run",
        "--release",
        "--quiet",
        "-p",
        "bench",
        "--",
        &options.name,
    ]);
    step(
        &format!("bench {}", options.name),
        command.args(&options.arguments),
    )
}
