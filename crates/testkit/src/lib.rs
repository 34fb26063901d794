//! What tests and benchmarks start or compare with: X servers, compositors, sound servers, virtual machines, our own programs, a painter and a
//! watcher of X screens, and the naive picture that the renderers are measured against.
//!
//! Tests only: a fixture that cannot be had on this machine is skipped loudly with [`skip`], never passed over.

#![deny(unsafe_code)]

pub mod allocations;
mod apt;
pub mod compositor;
pub mod golden;
pub mod grab;
pub mod guest;
pub mod handmade;
pub mod kernel_module;
pub mod kernel_tree;
pub mod kvmfr_guest;
pub mod machine;
pub mod paint;
pub mod played;
mod ppm;
pub mod process;
pub mod programs;
pub mod reference;
mod segment;
pub mod sound_server;
pub mod spice_server;
pub mod tone;
pub mod trixie;
pub mod watch;
pub mod wayland_input;
pub mod window_manager;
pub mod x_input;
pub mod x_server;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Says that something is not tested on this machine, on stderr and in the file named by `LG_SKIP_LOG`.
///
/// `cargo xtask test` prints that file at its end, because the output of passing tests is hidden.
pub fn skip(what: &str, why: &str) {
    let line = format!("SKIPPED {what}: {why}");
    eprintln!("{line}");
    if let Some(log) = std::env::var_os("LG_SKIP_LOG") {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log);
        if let Ok(mut file) = file {
            let _ = writeln!(file, "{line}");
        }
    }
}

/// Tells whether a program of that name is in the PATH; if not, says that `what` is skipped.
#[must_use]
pub fn has_program(name: &str, what: &str) -> bool {
    let is_there = find_program(name).is_some();
    if !is_there {
        skip(what, &format!("there is no {name} in the PATH"));
    }
    is_there
}

/// Where a program of that name is.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Waits until `is_done` is true, looking every few milliseconds; false if it is not within `limit`.
pub fn wait_until(limit: Duration, mut is_done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if is_done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    is_done()
}

/// The memory images of real hosts: `LG_GOLDEN`, else `../shared/golden` beside the checkout.
///
/// Skips loudly if there are none.
#[must_use]
pub fn golden_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("LG_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden"),
        PathBuf::from,
    );
    let is_there = folder.join("layout-b7.json").is_file();
    if !is_there {
        skip(
            "golden images",
            &format!("{} has none (set LG_GOLDEN)", folder.display()),
        );
    }
    is_there.then_some(folder)
}

/// Every memory image of a real host, unpacked one after the other. None, with a loud word, if there is no folder of them.
///
/// # Panics
/// If one of them is missing or damaged.
pub fn golden_images() -> impl Iterator<Item = golden::Image> {
    let folder = golden_folder();
    let names = folder.as_deref().map_or_else(Vec::new, |folder| {
        let names = golden::Image::names(folder).expect("a readable folder");
        assert!(names.len() >= 12, "only {} images", names.len());
        names
    });
    names.into_iter().map(move |name| {
        let folder = folder.as_deref().unwrap_or(Path::new(""));
        golden::Image::load(folder, &name).unwrap_or_else(|error| panic!("{name}: {error:#}"))
    })
}
