//! Everything that must pass before a change lands.

use anyhow::bail;

use crate::run::{cargo, has_program, step};
use crate::{check, packages, pipewire, test};

pub(crate) fn run() -> anyhow::Result<()> {
    packages::ensure()?;
    step("rustfmt", cargo().args(["fmt", "--all", "--check"]))?;
    pipewire::warn();
    let mut lints = cargo();
    lints.args(["clippy", "--workspace", "--all-targets"]);
    pipewire::enable(&mut lints, &[]);
    step("clippy", lints.args(["--", "-D", "warnings"]))?;
    if pipewire::missing().is_none() {
        // The default build, which most people make, is without it.
        step(
            "clippy without PipeWire",
            cargo().args([
                "clippy", "-p", "audio", "-p", "client", "--", "-D", "warnings",
            ]),
        )?;
    }
    let mut pages = cargo();
    pages.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    pipewire::enable(&mut pages, &[]);
    step("documentation", pages.env("RUSTDOCFLAGS", "-D warnings"))?;
    check::run()?;
    test::run(&test::Options::default())
}

/// Checks that need tools beyond the toolchain; run by hand before a release.
pub(crate) fn audit() -> anyhow::Result<()> {
    let tools = [
        ("cargo-deny", "cargo install cargo-deny"),
        ("typos", "cargo install typos-cli"),
    ];
    let missing: Vec<_> = tools
        .iter()
        .filter(|(tool, _)| !has_program(tool))
        .collect();
    if !missing.is_empty() {
        for (tool, install) in missing {
            println!("{tool} is missing: {install}");
        }
        bail!("the audit needs these tools");
    }
    step(
        "licences, bans, sources",
        cargo().args(["deny", "check", "licenses", "bans", "sources"]),
    )?;
    step("spelling", &mut std::process::Command::new("typos"))
}
