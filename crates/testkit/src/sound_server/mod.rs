//! Sound servers of their own: PipeWire and PulseAudio, each with a sink whose output is recorded and a microphone to play into.
//!
//! Each lives in a folder of its own, touches no sound card, and is gone with the test. [`PipeWire`] and [`PulseAudio`] have
//! the same methods.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use testkit::sound_server::{PipeWire, SINK};
//! # use std::time::Duration;
//! let Some(server) = PipeWire::start()? else { return Ok(()) };
//! let recording = server.record(SINK, 48_000, 2)?;
//! // Something plays to `server.socket()`.
//! assert!(recording.wait_for_frames(48_000, Duration::from_secs(5)));
//! let heard: Vec<f32> = recording.samples();
//! # Ok(()) }
//! ```

mod pipewire;
mod pulseaudio;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

pub use pipewire::PipeWire;
pub use pulseaudio::PulseAudio;

use crate::process::Process;

/// The name of the sink that is there from the start, and the default.
pub const SINK: &str = "test-sink";
/// The name of the source that is there from the start, and the default.
pub const SOURCE: &str = "test-source";

/// How long a server may take to come up, or to do what it is told.
const LIMIT: Duration = Duration::from_secs(10);

/// What comes out of a sink, written down while it plays. Ends when dropped.
pub struct Recording {
    process: Process,
    file: PathBuf,
    channels: usize,
    _folder: tempfile::TempDir,
}

impl Recording {
    /// Starts a program that writes float samples to its output; what it says goes elsewhere.
    fn start(recorder: Command, channels: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("samples");
        let mut shell = promptly(&recorder, r#"file=$1; shift; exec > "$file""#, Some(&file));
        Ok(Self {
            process: Process::start(&mut shell)?,
            file,
            channels,
            _folder: folder,
        })
    }

    /// Interleaved samples so far, whole frames only.
    #[must_use]
    pub fn samples(&self) -> Vec<f32> {
        let bytes = std::fs::read(&self.file).unwrap_or_default();
        let frame_bytes = self.channels * size_of::<f32>();
        let whole = bytes.len() / frame_bytes * frame_bytes;
        let (samples, _) = bytes[..whole].as_chunks();
        samples
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    /// Frames so far.
    #[must_use]
    pub fn frames(&self) -> usize {
        let bytes = std::fs::metadata(&self.file).map_or(0, |file| file.len());
        usize::try_from(bytes).unwrap_or(usize::MAX) / (self.channels * size_of::<f32>())
    }

    /// Waits until it has so many frames, silent ones included.
    #[must_use]
    pub fn wait_for_frames(&self, frames: usize, limit: Duration) -> bool {
        crate::wait_until(limit, || self.frames() >= frames)
    }

    /// Waits for so many further frames.
    #[must_use]
    pub fn wait_for_more(&self, frames: usize, limit: Duration) -> bool {
        self.wait_for_frames(self.frames() + frames, limit)
    }

    /// What the recording program says, to look for the reason when nothing comes.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// A sine on all channels, to be played into a source.
#[derive(Clone, Copy, Debug)]
pub struct Tone {
    /// Frequency in Hz.
    pub hz: f64,
    /// Peak; 1 is full scale.
    pub amplitude: f32,
    /// How long it lasts, in seconds.
    pub seconds: f64,
    /// Frames a second.
    pub rate_hz: u32,
    /// Channels, all the same.
    pub channels: u16,
}

impl Tone {
    /// The frame of that number, without its beginning or end.
    #[must_use]
    pub fn at(&self, frame: f64) -> f32 {
        let phase = std::f64::consts::TAU * self.hz * frame / f64::from(self.rate_hz);
        (phase.sin() * f64::from(self.amplitude)) as f32
    }

    /// Writes it as a WAV file of floats.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let frames = (self.seconds * f64::from(self.rate_hz)) as u32;
        let frame_bytes = self.channels * 4;
        let data_bytes = frames * u32::from(frame_bytes);
        let mut file = Vec::new();
        file.extend(b"RIFF");
        file.extend((50 + data_bytes).to_le_bytes());
        // 18 bytes of format: IEEE floats (3), of 32 bits; then the number of frames, which this format wants to know.
        file.extend(b"WAVEfmt \x12\0\0\0\x03\0");
        file.extend(self.channels.to_le_bytes());
        file.extend(self.rate_hz.to_le_bytes());
        file.extend((self.rate_hz * u32::from(frame_bytes)).to_le_bytes());
        file.extend(frame_bytes.to_le_bytes());
        file.extend(b"\x20\0\0\0fact\x04\0\0\0");
        file.extend(frames.to_le_bytes());
        file.extend(b"data");
        file.extend(data_bytes.to_le_bytes());
        for frame in 0..frames {
            let sample = self.at(f64::from(frame)).to_le_bytes();
            (0..self.channels).for_each(|_| file.extend(sample));
        }
        File::create(path)?.write_all(&file)?;
        Ok(())
    }
}

/// A tone that a program plays into a source. Ends when dropped.
pub struct Player {
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Player {
    /// Starts a program with the tone's file as its last argument.
    fn start(mut player: Command, tone: Tone) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("tone.wav");
        tone.write(&file)?;
        player.arg(file);
        Ok(Self {
            _process: Process::start(&mut promptly(&player, "", None))?,
            _folder: folder,
        })
    }
}

/// A program, started by a shell that gives it a real-time priority if it may, so that it keeps up on a machine whose
/// processors are busy with other tests; `before` is what the shell does before that, with `argument` as its `$1`.
fn promptly(program: &Command, before: &str, argument: Option<&Path>) -> Command {
    let script =
        format!("{before}\nchrt -f 10 true 2>/dev/null && exec chrt -f 10 \"$@\"\nexec \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).args(argument);
    shell.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// The folder of a server: sockets, settings, state.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["run", "config", "state", "home"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and the folders that it is in.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Points a program at this folder, whatever the user's own settings are.
    fn use_for(&self, command: &mut Command) {
        for name in [
            "PIPEWIRE_REMOTE",
            "PIPEWIRE_CONFIG_DIR",
            "PIPEWIRE_RUNTIME_DIR",
            "PULSE_SERVER",
            "PULSE_RUNTIME_PATH",
            "PULSE_SINK",
            "PULSE_SOURCE",
            "DISPLAY",
        ] {
            command.env_remove(name);
        }
        let bus = format!("unix:path={}", self.path("run/bus").display());
        command
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("HOME", self.path("home"))
            .env("DBUS_SESSION_BUS_ADDRESS", bus);
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.use_for(&mut command);
        command
    }
}

#[cfg(test)]
mod tests;
