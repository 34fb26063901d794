//! Sound between a SPICE server and the real client: what the user decides, sees and reads of it, and what reaches the
//! sound server. (How well it sounds is judged elsewhere.)

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::Viewer;
use e2e::desk::{self, LETTERS};
use e2e::spice_desk::{Desk, LIMIT};
use picture::png::{self, RgbImage};
use picture::{Size, StatusText, TextPlace};
use serde_json::Value;
use testkit::grab::Grabber;
use testkit::process;
use testkit::programs::{self, SharedFile};
use testkit::sound_server::{self, PipeWire, PulseAudio, SINK};
use testkit::spice_server::{PLAYBACK, RECORD, ServerOptions, SoundFormat, SpiceServer, Tone};

const ESCAPE: u32 = 70;
const KEY_C: u32 = 46;
const KEY_D: u32 = 32;
const KEY_E: u32 = 18;
/// The window, of 640 x 480, is in the middle of the screen.
const PLACE: (u32, u32) = (80, 60);
/// What the machine shows: any pixel of the lower part that is not this belongs to a text.
const BACKGROUND: [u8; 3] = [0x20, 0x40, 0x80];
const QUESTION: &str = "The guest wants to use the microphone: Scroll Lock + E allows it, Scroll Lock + C changes the policy";
const HEARS: &str = "The guest hears the microphone (Scroll Lock + E: off)";
/// Longer than the client takes to do what it was told not to.
const WHILE: Duration = Duration::from_millis(700);

fn options() -> ServerOptions {
    ServerOptions {
        has_sound: true,
        ..ServerOptions::default()
    }
}

fn server() -> anyhow::Result<SpiceServer> {
    SpiceServer::start(options())
}

fn tone() -> Tone {
    Tone {
        format: SoundFormat::USUAL,
        pitch_hz: 1_000.0,
        amplitude: 0.5,
        skew_ppm: 0.0,
    }
}

/// A client without a window on that server.
fn listener(
    server: &SpiceServer,
    further: &[&str],
    prepare: impl FnOnce(&mut Command),
) -> anyhow::Result<Viewer> {
    let shm = SharedFile::create(1)?;
    let mut command = programs::client(&shm)?;
    prepare(&mut command);
    command
        .args(["--headless", "app:transport=spice"])
        .args(server.client_options())
        .args(further);
    Viewer::start(command)
}

/// No sound server can be found from there.
fn nowhere(command: &mut Command) {
    command
        .env("XDG_RUNTIME_DIR", "/nonexistent")
        .env("HOME", "/nonexistent")
        .env("PULSE_SERVER", "unix:/nonexistent/pulse")
        .env("PIPEWIRE_REMOTE", "/nonexistent/pipewire");
}

/// Waits until the client has the channel of the guest's sound.
fn expect_channel(server: &SpiceServer, channel: u8, viewer: &Viewer) -> anyhow::Result<()> {
    let is_open = server.wait_for_channel(channel, LIMIT);
    ensure!(is_open, "no channel {channel}: {}", viewer.process.output());
    Ok(())
}

fn is_running(figures: &Value) -> bool {
    figures["sound"]["state"] == "running"
}

#[test]
fn without_a_sound_server_sound_is_taken_and_counted_all_the_same() -> anyhow::Result<()> {
    let server = server()?;
    let mut viewer = listener(&server, &["audio:debug=yes"], nowhere)?;
    expect_channel(&server, PLAYBACK, &viewer)?;
    let playing = server.play(tone())?;
    let is_steady = |figures: &Value| {
        let sound = &figures["sound"];
        let (latency, target) = (sound["latency_ms"].as_f64(), sound["target_ms"].as_f64());
        let error = latency
            .zip(target)
            .map(|(latency, target)| latency - target);
        is_running(figures)
            && sound["packets"].as_u64() > Some(100)
            && error.is_some_and(|error| error.abs() < 10.0)
            && sound["ratio_ppm"]
                .as_f64()
                .is_some_and(|ppm| ppm.abs() <= 5_000.0)
    };
    viewer.wait_for("steady sound", LIMIT, is_steady)?;
    let said = viewer.process.output();
    ensure!(said.contains("Running: latency"), "audio:debug: {said}");
    playing.stop();
    viewer.wait_for("rest", LIMIT, |figures| {
        ["idle", "stopped"].contains(&figures["sound"]["state"].as_str().unwrap_or_default())
    })?;
    // The same device goes on with the next sound.
    let playing = server.play(tone())?;
    viewer.wait_for("sound again", LIMIT, is_running)?;
    drop((playing, server));
    let status = viewer.process.wait(LIMIT).context("it goes on")?;
    ensure!(status.success(), "{}", viewer.process.output());
    Ok(())
}

#[test]
fn the_next_session_plays_where_the_last_one_was_cut_off() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("spice.sock");
    let start = || SpiceServer::listen(&path, options(), None);
    let server = start()?;
    let mut viewer = listener(&server, &["app:onVmExit=wait"], nowhere)?;
    expect_channel(&server, PLAYBACK, &viewer)?;
    let playing = server.play(tone())?;
    viewer.wait_for("sound", LIMIT, is_running)?;
    drop((playing, server));
    viewer.wait_for("rest", LIMIT, |figures| !is_running(figures))?;
    // The first one took its socket with it, or left it.
    let _ = std::fs::remove_file(&path);
    let server = start()?;
    expect_channel(&server, PLAYBACK, &viewer)?;
    let _playing = server.play(tone())?;
    viewer.wait_for("sound again", LIMIT, is_running)?;
    Ok(())
}

#[test]
fn with_the_option_off_no_channel_of_sound_is_opened() -> anyhow::Result<()> {
    let server = server()?;
    let mut viewer = listener(&server, &["spice:audio=no"], nowhere)?;
    viewer.wait_for("figures", LIMIT, |_| true)?;
    viewer.wait_for("figures", LIMIT, |_| true)?;
    for channel in [PLAYBACK, RECORD] {
        ensure!(server.wait_for_no_channel(channel, Duration::ZERO));
    }
    Ok(())
}

/// What `pactl list` says of all streams of a kind.
fn streams(sound: &PulseAudio, kind: &str) -> String {
    let said = process::run(sound.command("pactl").args(["list", kind]));
    said.map_or_else(
        |error| error.to_string(),
        |said| String::from_utf8_lossy(&said).into_owned(),
    )
}

fn expect_streams(
    sound: &PulseAudio,
    kind: &str,
    what: &str,
    viewer: &Viewer,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let is_there = testkit::wait_until(LIMIT, || {
        std::thread::sleep(Duration::from_millis(20));
        is_wanted(&streams(sound, kind))
    });
    let said = viewer.process.output();
    ensure!(
        is_there,
        "{what}: {}\nclient:\n{said}",
        streams(sound, kind)
    );
    Ok(())
}

#[test]
fn the_guests_mixer_is_that_of_the_stream_at_the_sound_server() -> anyhow::Result<()> {
    let Some(sound) = PulseAudio::start()? else {
        return Ok(());
    };
    let server = server()?;
    let mut viewer = listener(&server, &[], |command| sound.use_for(command))?;
    expect_channel(&server, PLAYBACK, &viewer)?;
    let playing = server.play(tone())?;
    viewer.wait_for("sound", LIMIT, is_running)?;
    server.set_playback_volume(&[0x8000, 0x8000], false);
    let expect = |what: &str, is_wanted: &dyn Fn(&str) -> bool| {
        expect_streams(&sound, "sink-inputs", what, &viewer, is_wanted)
    };
    expect("half the volume", &|said| {
        said.contains("/  50% /") && said.contains("Mute: no")
    })?;
    server.set_playback_volume(&[0xffff, 0x4000], true);
    let is_set = |said: &str| {
        said.contains("/ 100% /") && said.contains("/  25% /") && said.contains("Mute: yes")
    };
    expect("one channel at a quarter, muted", &is_set)?;
    // Another format has another stream, and the volume goes on.
    playing.stop();
    let mono = SoundFormat {
        channels: 1,
        rate_hz: 44_100,
    };
    let _playing = server.play(Tone {
        format: mono,
        ..tone()
    })?;
    expect("a muted mono stream", &|said| {
        said.contains("44100Hz") && said.contains("Mute: yes")
    })
}

/// The device that is played on, as the figures have it.
fn is_on(figures: &Value, device: &str) -> bool {
    let name = figures["sound"]["device"].as_str();
    is_running(figures) && name.is_some_and(|name| name.contains(device))
}

#[test]
fn a_sound_server_may_go_and_come_while_it_plays() -> anyhow::Result<()> {
    let Some(mut sound) = PulseAudio::start()? else {
        return Ok(());
    };
    let server = server()?;
    let mut viewer = listener(&server, &[], |command| sound.use_for(command))?;
    expect_channel(&server, PLAYBACK, &viewer)?;
    let _playing = server.play(tone())?;
    viewer.wait_for("sound", LIMIT, |figures| is_on(figures, "PulseAudio"))?;
    sound.kill();
    viewer.wait_for("a stand-in", LIMIT, |figures| {
        is_running(figures) && !is_on(figures, "PulseAudio")
    })?;
    sound.restart()?;
    viewer.wait_for("sound again", LIMIT, |figures| is_on(figures, "PulseAudio"))?;
    let recording = sound.record(SINK, 48_000, 2)?;
    let is_heard = testkit::wait_until(LIMIT, || {
        std::thread::sleep(Duration::from_millis(50));
        recording.samples().iter().any(|sample| sample.abs() > 0.4)
    });
    ensure!(is_heard, "{}", viewer.process.output());
    Ok(())
}

#[test]
fn pipewire_is_played_on_natively_or_by_its_pulseaudio_server() -> anyhow::Result<()> {
    let Some(mut sound) = PipeWire::start_with_pulse()? else {
        return Ok(());
    };
    let server = server()?;
    let mut viewer = listener(&server, &[], |command| sound.use_for(command))?;
    expect_channel(&server, PLAYBACK, &viewer)?;
    let _playing = server.play(tone())?;
    let is_there = |figures: &Value| is_on(figures, "PipeWire") || is_on(figures, "PulseAudio");
    viewer.wait_for("sound", LIMIT, is_there)?;
    sound.kill();
    viewer.wait_for("a stand-in", LIMIT, |figures| {
        is_running(figures) && !is_there(figures)
    })?;
    sound.restart()?;
    viewer.wait_for("sound again", LIMIT, is_there)?;
    let recording = sound.record(SINK, 48_000, 2)?;
    let is_heard = testkit::wait_until(LIMIT, || {
        std::thread::sleep(Duration::from_millis(50));
        recording.samples().iter().any(|sample| sample.abs() > 0.4)
    });
    ensure!(is_heard, "{}", viewer.process.output());
    Ok(())
}

#[test]
fn the_users_own_volume_is_left_alone_if_he_wants_so() -> anyhow::Result<()> {
    let Some(sound) = PulseAudio::start()? else {
        return Ok(());
    };
    let server = server()?;
    let further = ["audio:syncVolume=no"];
    let mut viewer = listener(&server, &further, |command| sound.use_for(command))?;
    expect_channel(&server, PLAYBACK, &viewer)?;
    server.set_playback_volume(&[0x1000, 0x1000], true);
    let _playing = server.play(tone())?;
    viewer.wait_for("sound", LIMIT, is_running)?;
    server.set_playback_volume(&[0x1000, 0x1000], true);
    viewer.wait_for("figures", LIMIT, is_running)?;
    let said = streams(&sound, "sink-inputs");
    ensure!(
        said.contains("Mute: no") && said.contains("100% /"),
        "{said}"
    );
    Ok(())
}

/// A user at the window of a client whose guest has a microphone.
struct Seat {
    desk: Desk,
    grabber: Grabber,
    server: SpiceServer,
    sound: PulseAudio,
    shots: u32,
}

impl Seat {
    fn open(options: &[&str]) -> anyhow::Result<Option<Self>> {
        let Some(sound) = PulseAudio::start()? else {
            return Ok(None);
        };
        let server = server()?;
        let shm = SharedFile::create(1)?;
        let further = [&["app:transport=spice", "win:alerts=no"], options].concat();
        let options: Vec<_> = server
            .client_options()
            .into_iter()
            .chain(further.into_iter().map(str::to_owned))
            .collect();
        let desk = Desk::open_with(&shm, &options, |command| sound.use_for(command))?;
        let Some(mut desk) = desk else {
            return Ok(None);
        };
        desk.type_into(&server)?;
        expect_channel(&server, RECORD, &desk.viewer)?;
        let grabber = Grabber::open(desk.screen.display(), PLACE, Size::new(640, 480))?;
        let mut seat = Self {
            desk,
            grabber,
            server,
            sound,
            shots: 0,
        };
        seat.expect_text(false, "empty picture")?;
        Ok(Some(seat))
    }

    fn bind(&self, key: u32) -> anyhow::Result<()> {
        self.desk.user.key(ESCAPE, true)?;
        self.desk.user.tap(key)?;
        self.desk.user.key(ESCAPE, false)?;
        Ok(())
    }

    /// Waits until a text is over the picture, or none. With `LG_SHOTS` set, the picture is written into that folder.
    fn expect_text(&mut self, is_wanted: bool, what: &str) -> anyhow::Result<()> {
        let mut last = None;
        let is_there = testkit::wait_until(LIMIT, || {
            std::thread::sleep(Duration::from_millis(10));
            last = self.grabber.grab().ok();
            last.as_ref()
                .is_some_and(|image| has_text(image) == is_wanted)
        });
        let image = last.context("no picture")?;
        self.shots += 1;
        if let Some(folder) = std::env::var_os("LG_SHOTS").map(PathBuf::from) {
            let name = format!("{}-{}.png", self.shots, what.replace(' ', "-"));
            std::fs::write(folder.join(name), png::encode(&image)?)?;
        }
        ensure!(is_there, "no {what}: {}", self.desk.said());
        Ok(())
    }

    /// Waits until just these lines are at the lower edge.
    fn expect_lines(&mut self, lines: &[&str]) -> anyhow::Result<()> {
        let text = StatusText::new(lines.iter().copied());
        let text = text.with_height(LETTERS).at(TextPlace::Bottom);
        let is_there = testkit::wait_until(LIMIT, || {
            std::thread::sleep(Duration::from_millis(10));
            let image = self.grabber.grab();
            image.is_ok_and(|image| desk::is_read(&image, &text))
        });
        self.expect_text(true, lines.first().unwrap_or(&""))?;
        ensure!(is_there, "not read: {lines:?}: {}", self.desk.said());
        Ok(())
    }

    /// Nothing of the microphone reaches the guest, and no stream is open that could.
    fn expect_deaf(&self) -> anyhow::Result<()> {
        let is_closed = |said: &str| !said.contains("Looking Glass");
        let sound = &self.sound;
        let viewer = &self.desk.viewer;
        expect_streams(
            sound,
            "source-outputs",
            "a closed microphone",
            viewer,
            is_closed,
        )?;
        self.server.forget_arrivals();
        std::thread::sleep(WHILE);
        let recorded = self.server.recorded();
        ensure!(recorded.is_empty(), "{} samples", recorded.len());
        ensure!(
            is_closed(&streams(sound, "source-outputs")),
            "it was opened"
        );
        Ok(())
    }

    /// The tone of the microphone reaches the guest.
    fn expect_hearing(&self) -> anyhow::Result<()> {
        let is_loud = || {
            let recorded = self.server.recorded();
            recorded.len() > 48_000 && recorded.iter().any(|sample| sample.abs() > 3_000)
        };
        let is_heard = testkit::wait_until(LIMIT, is_loud);
        ensure!(is_heard, "nothing is heard: {}", self.desk.said());
        Ok(())
    }
}

fn has_text(image: &RgbImage) -> bool {
    let places = (240..480).flat_map(|y| (0..640).map(move |x| (x, y)));
    places
        .filter(|(x, y)| image.rgb(*x, *y) != Some(BACKGROUND))
        .count()
        > 100
}

fn play_into_microphone(sound: &PulseAudio) -> anyhow::Result<sound_server::Player> {
    sound.play_into_source(sound_server::Tone {
        hz: 440.0,
        amplitude: 0.5,
        seconds: 120.0,
        rate_hz: 48_000,
        channels: 2,
    })
}

#[test]
fn the_guest_hears_the_microphone_when_the_user_says_so_and_no_longer() -> anyhow::Result<()> {
    let Some(mut seat) = Seat::open(&[])? else {
        return Ok(());
    };
    let _voice = play_into_microphone(&seat.sound)?;
    seat.server.start_recording(SoundFormat::USUAL);
    seat.expect_lines(&[QUESTION])?;
    seat.expect_deaf()?;
    seat.bind(KEY_E)?;
    seat.expect_lines(&[HEARS, "Microphone: on"])?;
    seat.expect_hearing()?;
    seat.expect_lines(&[HEARS])?;
    seat.bind(KEY_E)?;
    seat.expect_lines(&["Microphone: off"])?;
    seat.expect_deaf()?;
    seat.expect_text(false, "end of the message")?;
    // The guest closes it by itself.
    seat.bind(KEY_E)?;
    seat.expect_hearing()?;
    seat.server.stop_recording();
    seat.expect_deaf()?;
    seat.expect_text(false, "end of the recording")
}

#[test]
fn the_policy_can_be_changed_while_the_guest_asks() -> anyhow::Result<()> {
    let Some(mut seat) = Seat::open(&["audio:micDefault=deny"])? else {
        return Ok(());
    };
    let _voice = play_into_microphone(&seat.sound)?;
    seat.server.start_recording(SoundFormat::USUAL);
    seat.expect_deaf()?;
    seat.expect_text(false, "silence about a denied microphone")?;
    // Deny, prompt: the question comes.
    seat.bind(KEY_C)?;
    let asks = "Microphone: the guest has to ask for it each time";
    seat.expect_lines(&[QUESTION, asks])?;
    seat.expect_deaf()?;
    // Prompt, allow: it opens after a moment.
    seat.bind(KEY_C)?;
    seat.expect_lines(&["Microphone: the guest may always use it"])?;
    seat.expect_hearing()?;
    seat.expect_lines(&[HEARS])?;
    // Allow, deny: closed.
    seat.bind(KEY_C)?;
    seat.expect_lines(&["Microphone: the guest may not use it"])?;
    seat.expect_deaf()?;
    seat.expect_text(false, "denied microphone")
}

#[test]
fn a_muted_microphone_is_silent_and_the_indicator_can_be_off() -> anyhow::Result<()> {
    let options = ["audio:micDefault=allow", "audio:micShowIndicator=no"];
    let Some(mut seat) = Seat::open(&options)? else {
        return Ok(());
    };
    let _voice = play_into_microphone(&seat.sound)?;
    seat.server.set_record_volume(&[0x8000, 0x8000], true);
    seat.server.start_recording(SoundFormat::USUAL);
    let is_muted = |said: &str| said.contains("Mute: yes") && said.contains("/  50% /");
    let viewer = &seat.desk.viewer;
    expect_streams(&seat.sound, "source-outputs", "mute", viewer, is_muted)?;
    seat.expect_text(false, "no indicator")?;
    seat.server.set_record_volume(&[0xffff, 0xffff], false);
    seat.expect_hearing()
}

#[test]
fn the_numbers_are_on_the_screen_and_in_the_statistics() -> anyhow::Result<()> {
    let Some(mut seat) = Seat::open(&[])? else {
        return Ok(());
    };
    let _playing = seat.server.play(tone())?;
    let has_numbers = |figures: &Value| {
        let sound = &figures["sound"];
        is_running(figures)
            && sound["latency_ms"].is_number()
            && sound["jitter_ms"].is_number()
            && sound["underruns"].is_number()
            && sound["device"]
                .as_str()
                .is_some_and(|device| device.contains("PulseAudio"))
    };
    seat.desk.viewer.wait_for("numbers", LIMIT, has_numbers)?;
    seat.bind(KEY_D)?;
    // The first second is for counting.
    std::thread::sleep(Duration::from_millis(1500));
    seat.expect_text(true, "numbers")?;
    seat.bind(KEY_D)?;
    seat.expect_text(false, "no numbers")
}
