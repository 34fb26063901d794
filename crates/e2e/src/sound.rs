//! A machine that plays a tone, a client, and somebody who listens at the sound server.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use testkit::programs;
use testkit::sound_server::{PipeWire, PulseAudio, Recording, SINK};
use testkit::spice_server::{PLAYBACK, Playing, ServerOptions, SoundFormat, SpiceServer, Tone};
use testkit::tone::{self, Break};

use crate::Viewer;

/// Far more than anything here should take, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Twice what the worst start takes on a quiet machine, with the ten seconds that it has to hold.
const CONVERGE_LIMIT: Duration = Duration::from_secs(90);
/// No whole number of periods in a packet, so that none can be lost unseen.
const PITCH_HZ: f64 = 997.0;
const AMPLITUDE: f64 = 0.5;
/// A tenth of a second: short enough for a moving ratio, long enough for a cent.
const WINDOW: usize = 4_800;

/// A sound server to listen at.
pub trait Ears {
    /// Points a program at it.
    fn use_for(&self, command: &mut Command);
    /// Records what the default sink plays.
    ///
    /// # Errors
    /// If nothing comes.
    fn listen(&self) -> anyhow::Result<Recording>;
}

impl Ears for PipeWire {
    fn use_for(&self, command: &mut Command) {
        Self::use_for(self, command);
    }

    fn listen(&self) -> anyhow::Result<Recording> {
        self.record(SINK, SoundFormat::USUAL.rate_hz, 2)
    }
}

impl Ears for PulseAudio {
    fn use_for(&self, command: &mut Command) {
        Self::use_for(self, command);
    }

    fn listen(&self) -> anyhow::Result<Recording> {
        self.record(SINK, SoundFormat::USUAL.rate_hz, 2)
    }
}

/// A client that plays what a machine sends.
pub struct Scene {
    /// The client.
    pub viewer: Viewer,
    /// The machine.
    pub machine: SpiceServer,
}

impl Scene {
    /// Starts both, with further options of the client; the channel for its sound is open when this returns.
    ///
    /// # Errors
    /// If the client does not open it.
    pub fn start(ears: &dyn Ears, options: &[&str]) -> anyhow::Result<Self> {
        let machine = SpiceServer::start(ServerOptions {
            has_sound: true,
            ..ServerOptions::default()
        })?;
        let viewer = Self::client(ears, &machine, options)?;
        Ok(Self { viewer, machine })
    }

    /// Kills the client and starts another.
    ///
    /// # Errors
    /// If it does not open the channel for sound.
    pub fn restart_client(&mut self, ears: &dyn Ears, options: &[&str]) -> anyhow::Result<()> {
        self.viewer.process.kill();
        ensure!(
            self.machine.wait_for_no_channel(PLAYBACK, LIMIT),
            "the dead client's channel"
        );
        self.viewer = Self::client(ears, &self.machine, options)?;
        Ok(())
    }

    fn client(ears: &dyn Ears, machine: &SpiceServer, options: &[&str]) -> anyhow::Result<Viewer> {
        let mut command = programs::spice_client(machine)?;
        command.arg("--headless").args(options);
        ears.use_for(&mut command);
        let viewer = Viewer::start(command)?;
        let is_open = machine.wait_for_channel(PLAYBACK, LIMIT);
        ensure!(is_open, "no channel:\n{}", viewer.process.output());
        Ok(viewer)
    }

    /// Plays a tone by a clock that is fast by `skew_ppm`.
    ///
    /// # Errors
    /// If it cannot.
    pub fn play(&self, skew_ppm: f64) -> anyhow::Result<Playing> {
        Ok(self.machine.play(tone(skew_ppm))?)
    }

    /// Waits until both clocks are known and the latency holds.
    ///
    /// # Errors
    /// If that does not come, or the client ends.
    pub fn converge(&mut self) -> anyhow::Result<()> {
        let is_converged = |figures: &Value| figures["sound"]["is_converged"] == true;
        self.viewer
            .wait_for("hold of the latency", CONVERGE_LIMIT, is_converged)?;
        Ok(())
    }

    /// The figures of the sound that the client wrote last.
    ///
    /// # Errors
    /// If there are none.
    pub fn figures(&self) -> anyhow::Result<Value> {
        let figures = self.viewer.figures();
        let last = figures.last().map(|line| line["sound"].clone());
        last.filter(Value::is_object)
            .with_context(|| format!("no figures of the sound:\n{}", self.viewer.process.output()))
    }
}

/// The tone that machines play here.
#[must_use]
pub const fn tone(skew_ppm: f64) -> Tone {
    Tone {
        format: SoundFormat::USUAL,
        pitch_hz: PITCH_HZ,
        amplitude: AMPLITUDE,
        skew_ppm,
    }
}

/// What was heard in a stretch of a recording.
#[derive(Clone, Debug)]
pub struct Heard {
    /// How far the pitch is from the one that was played, in cents: the mean of the whole stretch.
    pub cents: f64,
    /// The same for the tenth of a second that is furthest from it.
    pub worst_cents: f64,
    /// What is not the tone, against it, in the worst tenth of a second.
    pub noise_db: f64,
    /// Loudness against the one that was played: the mean of the stretch.
    pub gain: f64,
    /// Gaps and clicks.
    pub breaks: Vec<Break>,
}

/// Judges a stretch of interleaved stereo that should be the tone, played by a clock that is fast by `skew_ppm`.
///
/// # Errors
/// If it is too short to be judged.
pub fn judge(stereo: &[f32], skew_ppm: f64) -> anyhow::Result<Heard> {
    let samples = tone::channel(stereo, 2, 0);
    let rate_hz = f64::from(SoundFormat::USUAL.rate_hz);
    let played = PITCH_HZ * (1.0 + skew_ppm * 1e-6) / rate_hz;
    let track = tone::track(&samples, played, WINDOW, WINDOW / 2);
    let end = samples.len() as f64;
    let pitch = track
        .frequency(0.0, end)
        .context("too short to be judged")?;
    let steps = track.points.windows(2).map(|pair| {
        let frequency = played + (pair[1].cycles - pair[0].cycles) / (pair[1].at - pair[0].at);
        tone::cents(frequency, played)
    });
    let loudness = track
        .points
        .iter()
        .map(|point| point.amplitude)
        .sum::<f64>();
    // Each window by its own pitch: how far that is off is judged above.
    let noise = samples.chunks_exact(WINDOW).map(|window| {
        let (_, fit) = tone::fit_frequency(window, pitch);
        fit.noise_db()
    });
    Ok(Heard {
        cents: tone::cents(pitch, played),
        worst_cents: steps
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(f64::NAN),
        noise_db: noise.fold(f64::NEG_INFINITY, f64::max),
        gain: loudness / track.points.len() as f64 / AMPLITUDE,
        breaks: tone::breaks(&samples, played, AMPLITUDE),
    })
}
