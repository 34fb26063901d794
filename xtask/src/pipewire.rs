//! The cargo feature `pipewire`: on wherever this machine can build it.
//!
//! It needs PipeWire's headers and libclang, which reads them. Without it PipeWire is reached through its PulseAudio server:
//! the programs work, with about 20 ms more latency.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::has_program;

/// The oldest version that tells what the `pipewire` device asks (`v0_3_50` in the workspace's `Cargo.toml`).
const VERSION: &str = "0.3.50";

/// The crates that have the feature.
const CRATES: [&str; 2] = ["audio", "client"];

/// Turns the feature on for the chosen crates, all if none is named, if it can be built here.
pub(crate) fn enable(command: &mut Command, packages: &[String]) {
    if missing().is_some() {
        return;
    }
    if packages.is_empty() {
        command.args(["--features", "client/pipewire"]);
    }
    for package in packages {
        if CRATES.contains(&package.as_str()) {
            command.args(["--features", &format!("{package}/pipewire")]);
        }
    }
}

/// What is missing to build it; `None` if nothing is.
pub(crate) fn missing() -> Option<String> {
    let headers = format!("--atleast-version={VERSION}");
    let has_headers = Command::new("pkg-config")
        .args([&headers, "libpipewire-0.3"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut missing = Vec::new();
    if !has_headers {
        missing.push("libpipewire-0.3-dev (0.3.50 or newer) and pkg-config");
    }
    if !has_libclang() {
        missing.push("libclang-dev");
    }
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// Says loudly what is missing.
pub(crate) fn warn() {
    if let Some(missing) = missing() {
        println!("\n!!! Built WITHOUT PipeWire's own protocol: {missing} missing.");
    }
}

/// Looks where bindgen does.
fn has_libclang() -> bool {
    let is_named = std::env::var_os("LIBCLANG_PATH").is_some() || has_program("llvm-config");
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new);
    is_named || folders.into_iter().any(|folder| has_file(folder, 2))
}

/// Tells whether there is a libclang in a folder, or at most so many folders deeper.
fn has_file(folder: &Path, depth: u32) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_library = (name.starts_with("libclang.so") || name.starts_with("libclang-"))
            && name.contains(".so")
            && !name.starts_with("libclang-cpp");
        // Only LLVM's own folders, and that of the architecture, are looked into.
        let is_inside = name.starts_with("llvm") || name == "lib" || name.contains("-linux-");
        is_library || (depth > 0 && is_inside && has_file(&entry.path(), depth - 1))
    })
}
