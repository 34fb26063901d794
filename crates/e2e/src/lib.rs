//! End-to-end tests of the real programs; the tests are in `tests/`, what they share is here.
//!
//! They start the binaries that `cargo xtask test` has built, on private X servers, compositors and virtual machines.

#![forbid(unsafe_code)]

pub mod agent_guest;
pub mod desk;
pub mod hostile;
pub mod machine_input;
pub mod matrix;
pub mod painted;
pub mod sound;
pub mod sound_guest;
pub mod spice_clipboard;
pub mod spice_desk;
pub mod spice_hands;
pub mod switching;
pub mod window_hands;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;
use testkit::process::Process;
use testkit::programs::{self, SharedFile};

/// A client that writes its figures each second, and the file it writes them into.
pub struct Viewer {
    /// The client.
    pub process: Process,
    stats: PathBuf,
    _folder: tempfile::TempDir,
}

impl Viewer {
    /// Starts a client without a window.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn headless(shm: &SharedFile) -> anyhow::Result<Self> {
        let mut command = programs::client(shm)?;
        command.arg("--headless");
        Self::start(command)
    }

    /// Starts that client, with figures.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let stats = folder.path().join("stats.json");
        let process = Process::start(command.arg("--stats").arg(&stats))?;
        Ok(Self {
            process,
            stats,
            _folder: folder,
        })
    }

    /// The file that its figures go into.
    #[must_use]
    pub fn stats_file(&self) -> &Path {
        &self.stats
    }

    /// All figures so far.
    #[must_use]
    pub fn figures(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.stats).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for figures, written after this call, of which `is_wanted` holds; returns how long that took.
    ///
    /// # Errors
    /// If there are none within `limit`, or the client ends; the error holds what it printed.
    pub fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let known = self.figures().len();
        let is_there = testkit::wait_until(limit, || {
            self.process.has_ended() || self.figures().iter().skip(known).any(&is_wanted)
        });
        if self.process.has_ended() || !is_there {
            let last = self.figures().pop();
            bail!(
                "no {what}; last figures {last:?}; client:\n{}",
                self.process.output()
            );
        }
        Ok(start.elapsed())
    }

    /// Waits until frames flow.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn expect_frames(&mut self, limit: Duration) -> anyhow::Result<Duration> {
        self.wait_for("frames", limit, |figures| {
            figures["missing"].is_null() && figures["frames_per_second"].as_f64() > Some(1.0)
        })
    }

    /// Waits until the client says what it waits for, in words that hold `text`.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn expect_missing(&mut self, text: &str, limit: Duration) -> anyhow::Result<Duration> {
        self.wait_for(&format!("missing link \"{text}\""), limit, |figures| {
            figures["missing"]
                .as_str()
                .is_some_and(|missing| missing.contains(text))
        })
    }
}

/// Starts our host with the test pattern.
///
/// # Errors
/// If it cannot be started.
pub fn pattern(shm: &SharedFile, options: &[&str]) -> anyhow::Result<Process> {
    let mut command = programs::host(shm)?;
    command
        .args(["app:capture=test", "test:width=640", "test:height=480"])
        .args(options);
    Process::start(&mut command)
}
