//! One client under attack, and the good hosts that it must find again.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use testkit::process::Process;
use testkit::programs::SharedFile;

use super::forge::Forger;
use super::image::Image;
use super::watch::{Limits, Watch};
use super::{Field, Pair, payload, words};
use crate::{Viewer, pattern};

/// Far more than a host takes to start on a busy machine.
const START: Duration = Duration::from_secs(20);
/// About a second, and some for a machine that runs other tests: when a good host's frames must be taken again.
const BACK: Duration = Duration::from_millis(1_500);
/// The figures that say so come each second.
const SHOWN: Duration = Duration::from_millis(3_500);
/// How long one bad value stays: the client looks at the session each 10 ms, frames come each 16 ms.
const HOLD: Duration = Duration::from_millis(30);

/// A client, the memory that it reads, and a watch over it.
pub struct Trial {
    /// The client.
    pub viewer: Viewer,
    /// The memory, for the attacker.
    pub image: Image,
    host: Option<Process>,
    watch: Watch,
    shm: SharedFile,
}

impl Trial {
    /// Starts a client by `start`, and a good host.
    ///
    /// # Errors
    /// If they do not come together.
    pub fn begin(
        pair: Pair,
        limits: Limits,
        start: impl FnOnce(&SharedFile) -> anyhow::Result<Viewer>,
    ) -> anyhow::Result<Self> {
        let shm = SharedFile::create(32)?;
        let mut viewer = start(&shm)?;
        viewer.expect_missing("", START)?;
        let image = Image::open(shm.path(), pair)?;
        let watch = Watch::begin(&viewer, limits);
        let mut trial = Self {
            viewer,
            image,
            host: None,
            watch,
            shm,
        };
        trial.recover("the start")?;
        Ok(trial)
    }

    /// Ends a group of attacks: starts a good host and expects its picture in about a second, and a client in health.
    ///
    /// # Errors
    /// If the client did not come through.
    pub fn recover(&mut self, group: &str) -> anyhow::Result<()> {
        println!("{}: {group}", self.image.pair.kvmfr());
        if let Some(host) = &mut self.host {
            let output = host.output();
            ensure!(
                !host.has_ended() && !output.contains("panicked"),
                "{group} killed the host:\n{output}"
            );
        }
        self.host = None;
        let old = self.image.word(words::SESSION_ID);
        // Else a session id that was spoilt could pass for the new host's.
        self.image.put(0, &[0; 4]);
        let option = format!("app:kvmfrVersion={}", self.image.pair.kvmfr());
        let mut host = pattern(&self.shm, &[&option])?;
        let is_up = self.image.wait_for_session(old, START);
        ensure!(
            is_up && !host.has_ended(),
            "the host did not start:\n{}",
            host.output()
        );
        let back = self.image.wait_until_served(BACK);
        self.host = Some(host);
        if back.is_none() {
            self.watch.check(&mut self.viewer, group)?;
        }
        let output = self.viewer.process.output();
        let back =
            back.with_context(|| format!("not back in {BACK:?} after {group}; client:\n{output}"))?;
        let shown = self.viewer.expect_frames(SHOWN);
        shown.with_context(|| format!("no picture after {group}"))?;
        println!("  back after {} ms", back.as_millis());
        self.watch.check(&mut self.viewer, group)
    }

    /// Stops the good host, because a forger takes its place.
    pub fn stop_host(&mut self) {
        self.host = None;
    }

    /// Holds every value of every field for a moment while a good host runs.
    ///
    /// # Errors
    /// If the client ends.
    pub fn attack(&mut self, fields: &[Field]) -> anyhow::Result<()> {
        for field in fields {
            for &value in &field.values {
                // Only a client that is in the middle of it can be hurt.
                if self
                    .image
                    .wait_until_served(Duration::from_millis(1_200))
                    .is_none()
                {
                    self.recover(&format!("a value before {} = {value:#x}", field.name))?;
                }
                self.image.hold(field, value, HOLD);
                let is_alive = !self.viewer.process.has_ended();
                ensure!(
                    is_alive,
                    "{} = {value:#x} ended the client:\n{}",
                    field.name,
                    self.viewer.process.output()
                );
            }
        }
        Ok(())
    }

    /// Starts a forger in the good host's place and waits until the client has come to it.
    ///
    /// # Errors
    /// If it does not come.
    pub fn forge(&mut self) -> anyhow::Result<Forger> {
        self.stop_host();
        let forger = Forger::start(&self.image, &payload::good_description(self.image.pair))?;
        ensure!(
            forger.has_client(START),
            "no client at the forger:\n{}",
            self.viewer.process.output()
        );
        Ok(forger)
    }
}
