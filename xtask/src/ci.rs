//! Everything that must pass before a change lands.

use anyhow::bail;

use crate::run::{cargo, has_program, step};
use crate::{check, packages, test};

pub(crate) fn run() -> anyhow::Result<()> {
    packages::ensure()?;
    step("rustfmt", cargo().args(["fmt", "--all", "--check"]))?;
    step(
        "clippy",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    step(
        "documentation",
        cargo()
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
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
