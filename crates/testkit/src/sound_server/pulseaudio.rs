//! A private PulseAudio.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{Home, LIMIT, Player, Recording, SINK, SOURCE, Tone};
use crate::process::{self, Process};

/// The sink behind [`SOURCE`]: what is played to it is what the source records.
const SOURCE_INPUT: &str = "test-source-input";

/// A private PulseAudio: [`SINK`] and [`SOURCE`], floats at 48 kHz, two channels each.
pub struct PulseAudio {
    home: Home,
    process: Option<Process>,
}

impl PulseAudio {
    /// Starts one. Skips loudly (`None`) if a program is missing.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let programs = ["pulseaudio", "pactl", "parec", "paplay"];
        if !programs
            .iter()
            .all(|name| crate::has_program(name, "PulseAudio"))
        {
            return Ok(None);
        }
        let mut server = Self {
            home: Home::new()?,
            process: None,
        };
        // Clients must not start a server of their own when this one is killed.
        server
            .home
            .write("config/pulse/client.conf", "autospawn = no\n")?;
        server.restart()?;
        Ok(Some(server))
    }

    /// Starts it again with nothing but [`SINK`] and [`SOURCE`], in the same folder; one that runs is killed before.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        let socket = self.pulse_socket();
        if let Some(folder) = socket.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut command = self.home.command("pulseaudio");
        command.args([
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
        ]);
        command.args(["--disallow-exit=yes", "--log-target=stderr"]);
        for module in [
            format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                socket.display()
            ),
            null_sink(SINK),
            null_sink(SOURCE_INPUT),
            format!("module-remap-source source_name={SOURCE} master={SOURCE_INPUT}.monitor"),
        ] {
            command.args(["-L", &module]);
        }
        self.process = Some(Process::start(&mut command)?);
        self.wait_for("its source", |server| server.has("sources", SOURCE))?;
        self.pactl(&["set-default-sink", SINK])?;
        self.pactl(&["set-default-source", SOURCE])
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.process = None;
        let _ = std::fs::remove_file(self.pulse_socket());
    }

    /// Stops it without ending it: it hangs, with its connections, until it is killed.
    pub fn freeze(&self) {
        if let Some(server) = &self.process {
            server.signal(rustix::process::Signal::STOP);
        }
    }

    /// Where clients connect to: the value of `PULSE_SERVER`, with `unix:` before it.
    #[must_use]
    pub fn pulse_socket(&self) -> PathBuf {
        self.home.path("run/pulse/native")
    }

    /// Points a program at this server.
    pub fn use_for(&self, command: &mut Command) {
        self.home.use_for(command);
    }

    /// A program that talks to this server.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.home.command(program)
    }

    /// Adds a sink like [`SINK`] under another name.
    ///
    /// # Errors
    /// If it does not appear.
    pub fn add_sink(&self, name: &str) -> anyhow::Result<()> {
        let module = null_sink(name);
        let words: Vec<&str> = module.split_whitespace().collect();
        self.pactl(&[&["load-module"], words.as_slice()].concat())?;
        self.wait_for("a new sink", |server| server.has("sinks", name))
    }

    /// Takes a sink away.
    ///
    /// # Errors
    /// If it does not go.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        let modules = process::run(self.command("pactl").args(["list", "short", "modules"]))?;
        let modules = String::from_utf8(modules)?;
        let wanted = format!("sink_name={name}");
        let is_wanted = |line: &&str| line.split_whitespace().any(|word| word == wanted);
        let line = modules.lines().find(is_wanted).context("no such sink")?;
        let index = line.split_whitespace().next().unwrap_or_default();
        self.pactl(&["unload-module", index])?;
        self.wait_for("a sink's end", |server| !server.has("sinks", name))
    }

    /// Makes another sink the default.
    ///
    /// # Errors
    /// If it does not become that.
    pub fn set_default_sink(&self, name: &str) -> anyhow::Result<()> {
        self.pactl(&["set-default-sink", name])
    }

    /// Records what comes out of a sink, or a source itself; it runs when this returns.
    ///
    /// # Errors
    /// If nothing comes.
    pub fn record(&self, name: &str, rate_hz: u32, channels: usize) -> anyhow::Result<Recording> {
        let device = if name == SOURCE {
            name.to_owned()
        } else {
            format!("{name}.monitor")
        };
        let mut recorder = self.command("parec");
        recorder.args(["--raw", "--format=float32le", "--latency-msec=5"]);
        recorder.arg(format!("--device={device}"));
        recorder.arg(format!("--rate={rate_hz}"));
        recorder.arg(format!("--channels={channels}"));
        let recording = Recording::start(recorder, channels)?;
        if !recording.wait_for_frames(1, LIMIT) {
            bail!("nothing is recorded from {name}: {}", recording.output());
        }
        Ok(recording)
    }

    /// Plays a tone into [`SOURCE`].
    ///
    /// # Errors
    /// If the player cannot be started.
    pub fn play_into_source(&self, tone: Tone) -> anyhow::Result<Player> {
        let mut player = self.command("paplay");
        player.arg(format!("--device={SOURCE_INPUT}"));
        Player::start(player, tone)
    }

    /// What the server has printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.process
            .as_ref()
            .map_or_else(String::new, Process::output)
    }

    fn pactl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        process::run(self.command("pactl").args(arguments)).map(drop)
    }

    fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        crate::wait_until(LIMIT, || {
            let is_there = is_there(self);
            if !is_there {
                std::thread::sleep(Duration::from_millis(10));
            }
            is_there
        })
        .then_some(())
        .with_context(|| format!("PulseAudio: waited for {what}; it says: {}", self.output()))
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        process::run(self.command("pactl").args(["list", "short", kind])).is_ok_and(|said| {
            let said = String::from_utf8_lossy(&said);
            said.split_whitespace().any(|word| word == name)
        })
    }
}

/// A sink that plays to nothing, in floats so that a recording of its monitor is exact.
fn null_sink(name: &str) -> String {
    format!("module-null-sink sink_name={name} format=float32le rate=48000 channels=2")
}
