//! A private PipeWire with its session manager, and with its PulseAudio server if that is wanted.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{Home, LIMIT, Player, Recording, SINK, SOURCE, Tone};
use crate::process::{self, Process};

/// The sink and the source that the server makes when it starts. Floats inside, so that a recording is exact.
const OBJECTS: &str = r#"context.objects = [
 { factory = adapter args = { factory.name = support.null-audio-sink node.name = "test-sink" media.class = Audio/Sink
   audio.position = [ FL FR ] monitor.channel-volumes = true object.linger = true } }
 { factory = adapter args = { factory.name = support.null-audio-sink node.name = "test-source" media.class = Audio/Source/Virtual
   audio.position = [ FL FR ] object.linger = true } }
]
"#;

/// No sound card, camera or headset of the machine is touched. WirePlumber 0.4 reads the first two, 0.5 the last.
const NO_DEVICES: [(&str, &str); 3] = [
    (
        "config/wireplumber/main.lua.d/51-no-devices.lua",
        "alsa_monitor.enabled = false\nv4l2_monitor.enabled = false\nlibcamera_monitor.enabled = false\n",
    ),
    (
        "config/wireplumber/bluetooth.lua.d/51-no-devices.lua",
        "bluez_monitor.enabled = false\nif bluez_midi_monitor then bluez_midi_monitor.enabled = false end\n",
    ),
    (
        "config/wireplumber/wireplumber.conf.d/51-no-devices.conf",
        "wireplumber.profiles = { main = { monitor.alsa = disabled monitor.alsa-midi = disabled \
         monitor.bluez = disabled monitor.bluez-midi = disabled monitor.v4l2 = disabled monitor.libcamera = disabled } }\n",
    ),
];

/// A private PipeWire: [`SINK`] and [`SOURCE`], floats at 48 kHz, two channels each.
pub struct PipeWire {
    home: Home,
    has_pulse: bool,
    /// The last one started is the first to be killed.
    processes: Vec<Process>,
}

impl PipeWire {
    /// Starts one. Skips loudly (`None`) if a program is missing.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start() -> anyhow::Result<Option<Self>> {
        Self::start_as(false)
    }

    /// As [`Self::start`], with its PulseAudio server.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_with_pulse() -> anyhow::Result<Option<Self>> {
        Self::start_as(true)
    }

    fn start_as(has_pulse: bool) -> anyhow::Result<Option<Self>> {
        let mut programs = vec![
            "dbus-daemon",
            "pipewire",
            "wireplumber",
            "pw-cli",
            "pw-record",
        ];
        if has_pulse {
            programs.extend(["pipewire-pulse", "pactl"]);
        }
        if !programs
            .iter()
            .all(|name| crate::has_program(name, "PipeWire"))
        {
            return Ok(None);
        }
        let home = Home::new()?;
        home.write("config/pipewire/pipewire.conf.d/10-test.conf", OBJECTS)?;
        for (name, text) in NO_DEVICES {
            home.write(name, text)?;
        }
        let mut server = Self {
            home,
            has_pulse,
            processes: Vec::new(),
        };
        server.restart()?;
        Ok(Some(server))
    }

    /// Starts it again with nothing but [`SINK`] and [`SOURCE`], in the same folder; one that runs is killed before.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        // WirePlumber does not stay without a session bus.
        let address = format!(
            "--address=unix:path={}",
            self.home.path("run/bus").display()
        );
        let mut bus = self.home.command("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", &address]);
        self.spawn(&mut bus, Some(self.home.path("run/bus")))?;
        let mut server = self.home.command("pipewire");
        self.spawn(&mut server, Some(self.socket()))?;
        let mut manager = self.home.command("wireplumber");
        self.spawn(&mut manager, None)?;
        self.wait_for("its sink and source", |server| {
            server.default_is("audio.sink", SINK) && server.default_is("audio.source", SOURCE)
        })?;
        if self.has_pulse {
            let mut pulse = self.home.command("pipewire-pulse");
            self.spawn(&mut pulse, Some(self.pulse_socket()))?;
            self.wait_for("an answer of pipewire-pulse", |server| {
                process::run(server.command("pactl").arg("info")).is_ok()
            })?;
        }
        Ok(())
    }

    /// Kills it at once, all its programs.
    pub fn kill(&mut self) {
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
        for socket in [
            self.home.path("run/bus"),
            self.socket(),
            self.pulse_socket(),
        ] {
            let _ = std::fs::remove_file(socket);
        }
    }

    /// Stops the server without ending it: clients can connect but get no answer, until it is killed.
    pub fn freeze(&self) {
        if let Some(server) = self.processes.get(1) {
            server.signal(rustix::process::Signal::STOP);
        }
    }

    /// Where clients connect to: the value of PipeWire's `remote.name` or `PIPEWIRE_REMOTE`.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.home.path("run/pipewire-0")
    }

    /// Where clients of PulseAudio connect to: the value of `PULSE_SERVER`, with `unix:` before it.
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

    /// Makes the server work in periods of so many frames; 0 lets it choose again.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn force_quantum(&self, frames: u32) -> anyhow::Result<()> {
        let mut tell = self.command("pw-metadata");
        tell.args(["-n", "settings", "0", "clock.force-quantum"]);
        process::run(tell.arg(frames.to_string())).map(drop)
    }

    /// Adds a sink like [`SINK`] under another name.
    ///
    /// # Errors
    /// If it does not appear.
    pub fn add_sink(&self, name: &str) -> anyhow::Result<()> {
        let properties = format!(
            "{{ factory.name=support.null-audio-sink node.name={name} media.class=Audio/Sink \
             audio.position=[FL FR] monitor.channel-volumes=true object.linger=true }}"
        );
        process::run(
            self.command("pw-cli")
                .args(["create-node", "adapter", &properties]),
        )?;
        self.wait_for("a new sink", |server| server.has_node(name))
    }

    /// Takes a sink or source away.
    ///
    /// # Errors
    /// If it does not go.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        process::run(self.command("pw-cli").args(["destroy", name]))?;
        self.wait_for("a sink's end", |server| !server.has_node(name))
    }

    /// Makes another sink the default, as a user does who chooses it.
    ///
    /// # Errors
    /// If it does not become that.
    pub fn set_default_sink(&self, name: &str) -> anyhow::Result<()> {
        let value = format!("{{ \"name\": \"{name}\" }}");
        process::run(self.command("pw-metadata").args([
            "0",
            "default.configured.audio.sink",
            &value,
            "Spa:String:JSON",
        ]))?;
        self.wait_for("a new default", |server| {
            server.default_is("audio.sink", name)
        })
    }

    /// Records what comes out of a sink, or a source itself; it runs when this returns.
    ///
    /// # Errors
    /// If nothing comes.
    pub fn record(&self, name: &str, rate_hz: u32, channels: usize) -> anyhow::Result<Recording> {
        let mut recorder = self.command("pw-record");
        recorder.args(["--target", name, "--format", "f32", "--latency", "8192"]);
        if name != SOURCE {
            recorder.args(["-P", "{ stream.capture.sink=true }"]);
        }
        recorder.args(["--rate", &rate_hz.to_string()]);
        recorder.args(["--channels", &channels.to_string(), "-"]);
        let recording = Recording::start(recorder, channels)?;
        if !recording.wait_for_frames(1, LIMIT) {
            bail!("nothing is recorded from {name}: {}", recording.output());
        }
        Ok(recording)
    }

    /// Plays a tone into [`SOURCE`]; it is linked when this returns.
    ///
    /// # Errors
    /// If it does not begin.
    pub fn play_into_source(&self, tone: Tone) -> anyhow::Result<Player> {
        // The session manager links players to sinks only.
        let mut player = self.command("pw-play");
        player.args(["--target", "0", "-P", "{ node.name=test-player }"]);
        let player = Player::start(player, tone)?;
        for channel in ["FL", "FR"] {
            let from = format!("test-player:output_{channel}");
            let to = format!("{SOURCE}:input_{channel}");
            self.wait_for("a player's port", |server| {
                process::run(server.command("pw-link").args([&from, &to])).is_ok()
            })?;
        }
        Ok(player)
    }

    /// What a program of the server has printed: 0 is the bus, 1 the server, 2 the session manager, 3 pipewire-pulse.
    #[must_use]
    pub fn output(&self, index: usize) -> String {
        self.processes
            .get(index)
            .map_or_else(String::new, Process::output)
    }

    fn spawn(&mut self, command: &mut Command, socket: Option<PathBuf>) -> anyhow::Result<()> {
        let mut process = Process::start(command)?;
        if let Some(socket) = socket {
            let is_up = crate::wait_until(LIMIT, || socket.exists() || process.has_ended());
            if !is_up || !socket.exists() {
                bail!("{command:?} does not come up: {}", process.output());
            }
        }
        self.processes.push(process);
        Ok(())
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
        .with_context(|| {
            let said: Vec<String> = self.processes.iter().map(Process::output).collect();
            format!("PipeWire: waited for {what}; it says: {}", said.join("\n"))
        })
    }

    fn default_is(&self, kind: &str, name: &str) -> bool {
        let mut ask = self.command("pw-metadata");
        ask.args(["0", &format!("default.{kind}")]);
        self.says(&mut ask, &format!("\"{name}\""))
    }

    fn has_node(&self, name: &str) -> bool {
        let mut ask = self.command("pw-cli");
        self.says(ask.args(["ls", "Node"]), &format!("node.name = \"{name}\""))
    }

    fn says(&self, ask: &mut Command, text: &str) -> bool {
        process::run(ask).is_ok_and(|said| String::from_utf8_lossy(&said).contains(text))
    }
}

impl Drop for PipeWire {
    fn drop(&mut self) {
        self.kill();
    }
}
