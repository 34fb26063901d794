//! A virtual machine with a sound card that plays and records tones, and SPICE at its other end.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use spice::audio::{AudioFormat, PlaybackEvent, RecordEvent};
use spice::transport::{Address, Client, Report};
use spice::{Command, Event, SessionOptions};
use testkit::guest::{GuestImage, GuestSpec};
use testkit::machine::{Hardware, Machine, Shell, Spice};
use testkit::tone::{self, Oscillator};

use crate::machine_input::BOOT;

/// Frames a second, in the guest and at the other end.
pub const RATE: u32 = 48_000;
/// Channels, all the same.
pub const CHANNELS: usize = 2;
/// The tone: not whole cycles in any packet, so that a lost one is seen.
pub const TONE_HZ: f64 = 997.0;
/// Its peak.
pub const AMPLITUDE: f64 = 0.25;
/// In cycles a sample.
pub const FREQUENCY: f64 = TONE_HZ / RATE as f64;

/// How long the guest's tone is, in seconds; it is played again and again.
const TONE_SECONDS: usize = 20;

/// What is sent before its time, so that a thread that gets no time for a moment leaves no gap.
pub const LEAD: Duration = Duration::from_millis(150);

/// Frames of a piece that is sent: a power of two. The SPICE server (0.15.1) keeps 16 384 frames in a ring, and a piece that
/// crosses its end arrives spoilt; seen with 480 frames, at the same places each time.
pub const PIECE_FRAMES: u32 = 512;

/// The longest that a command in the guest may take.
const LIMIT: Duration = Duration::from_secs(90);

/// A driver mutes its card at first.
const SCRIPT: &str = "
n=0; while [ ! -e /dev/snd/pcmC0D0p ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n+1)); done
for control in Master PCM Capture; do
    amixer -q -c 0 sset $control 100% unmute cap 2>/dev/null
    amixer -q -c 0 sset $control 100% 2>/dev/null
done
amixer -c 0
";

/// The sound card, as in the documentation of the existing program. Its frequency is fixed to that of the guest's tone, so
/// that QEMU, which only joins samples by straight lines, has nothing to convert.
const CARD: &[&str] = &[
    "-audiodev",
    "spice,id=sound,out.frequency=48000,in.frequency=48000",
    "-device",
    "intel-hda",
    "-device",
    "hda-duplex,audiodev=sound",
];

/// A machine with a sound card.
pub struct SoundGuest {
    /// The machine.
    pub machine: Machine,
    /// A shell in its guest.
    pub shell: Shell,
}

impl SoundGuest {
    /// Boots it; `None`, loudly, where that is not possible.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn boot() -> anyhow::Result<Option<Self>> {
        let mut programs = Vec::new();
        for name in ["aplay", "arecord", "amixer"] {
            if !testkit::has_program(name, "sound of a guest") {
                return Ok(None);
            }
            programs.push(testkit::find_program(name).context("a program")?);
        }
        let programs: Vec<&Path> = programs.iter().map(AsRef::as_ref).collect();
        let folder = tempfile::tempdir()?;
        let mut tone = Vec::new();
        Oscillator::new(FREQUENCY, AMPLITUDE).write_s16le(
            TONE_SECONDS * RATE as usize,
            CHANNELS,
            &mut tone,
        );
        std::fs::write(folder.path().join("tone"), tone)?;
        let alsa = Path::new("/usr/share/alsa");
        let spec = GuestSpec {
            programs: &programs,
            files: &[(folder.path(), "/tones"), (alsa, "/usr/share/alsa")],
            // The codec first: the card looks for it once, and nothing loads it on demand here.
            modules: &["snd_hda_codec_generic", "snd_hda_intel"],
            script: SCRIPT,
            ..GuestSpec::default()
        };
        let Some(image) = GuestImage::build(&spec)? else {
            return Ok(None);
        };
        let hardware = Hardware {
            guest: Some(&image),
            spice: Some(Spice::default()),
            arguments: CARD,
            ..Hardware::default()
        };
        let Some(mut machine) = Machine::start(&hardware)? else {
            return Ok(None);
        };
        machine.expect("GUEST: script ended", BOOT)?;
        let shell = machine.shell(BOOT)?;
        Ok(Some(Self { machine, shell }))
    }

    /// Starts to play the tone.
    ///
    /// # Errors
    /// If the guest does not.
    pub fn play(&mut self) -> anyhow::Result<()> {
        // With a buffer that a busy machine does not run dry.
        let line = format!(
            "(while true; do cat /tones/tone; done) | aplay -q -D hw:0,0 -t raw -f S16_LE -r {RATE} -c {CHANNELS} \
             --buffer-time=500000 >/tmp/aplay.log 2>&1 & echo $! >/tmp/aplay.pid"
        );
        self.shell.run(&line, LIMIT).map(drop)
    }

    /// Ends the tone.
    ///
    /// # Errors
    /// If the guest does not.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let line = "kill $(cat /tmp/aplay.pid)";
        self.shell.run(line, LIMIT).map(drop)
    }

    /// Records for so many seconds, and returns the last one of them as the guest heard it in its first channel.
    ///
    /// # Errors
    /// If the guest does not.
    pub fn record(&mut self, seconds: u32) -> anyhow::Result<Vec<f32>> {
        ensure!(seconds >= 1, "at least a second");
        let line = format!(
            "arecord -q -D hw:0,0 -t raw -f S16_LE -r {RATE} -c {CHANNELS} -d {seconds} --buffer-time=500000 /tmp/heard 2>&1 \
             && tail -c {} /tmp/heard | base64",
            RATE as usize * CHANNELS * 2,
        );
        let text = self.shell.run(&line, LIMIT)?;
        let bytes = from_base64(&text);
        let samples = tone::from_s16le(&bytes);
        Ok(tone::channel(&samples, CHANNELS, 0))
    }

    /// What there is to say when something fails.
    pub fn log(&mut self) -> String {
        let line = "cat /tmp/aplay.log /proc/asound/card0/pcm0p/sub0/status /proc/asound/card0/pcm0c/sub0/status; true";
        let said = self.shell.run(line, LIMIT);
        said.unwrap_or_else(|error| format!("{error:#}"))
    }
}

/// The bytes of a text in base64; what is none of its letters is passed over.
fn from_base64(text: &str) -> Vec<u8> {
    let values = text.bytes().filter_map(|letter| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for value in values {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// One packet of sound.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When it came.
    pub at: Instant,
    /// The server's time stamp.
    pub time_ms: u32,
    /// Samples as sent.
    pub samples: Vec<u8>,
}

/// What SPICE told.
#[derive(Debug, Default)]
pub struct Heard {
    /// The shape of what the guest plays now.
    pub playing: Option<AudioFormat>,
    /// The shape of what the guest records now.
    pub recording: Option<AudioFormat>,
    /// All packets since the stream began.
    pub packets: Vec<Packet>,
    /// Why the session ended.
    pub end: Option<String>,
}

impl Heard {
    /// All samples of the first channel since the stream began.
    #[must_use]
    pub fn samples(&self) -> Vec<f32> {
        let bytes: Vec<u8> = self
            .packets
            .iter()
            .flat_map(|p| p.samples.clone())
            .collect();
        tone::channel(&tone::from_s16le(&bytes), CHANNELS, 0)
    }
}

/// The other end of the sound card, without our client.
pub struct SpiceSound {
    client: Client,
    heard: Arc<Mutex<Heard>>,
}

impl SpiceSound {
    /// Connects with a machine.
    ///
    /// # Errors
    /// If that does not work.
    pub fn connect(machine: &Machine) -> anyhow::Result<Self> {
        let address = Address::unix(machine.spice_socket())?;
        let options = SessionOptions {
            display: false,
            playback: true,
            record: true,
            ..SessionOptions::default()
        };
        let heard = Arc::new(Mutex::new(Heard::default()));
        let written = Arc::clone(&heard);
        let client = Client::connect(address, options, move |report| {
            let mut heard = written.lock().unwrap_or_else(PoisonError::into_inner);
            match report {
                Report::Event(Event::Playback(event)) => heard.playback(event),
                Report::Event(Event::Record(event)) => heard.record(event),
                Report::Finished(outcome) => heard.end = Some(outcome.to_string()),
                Report::Event(_) => {}
            }
        })?;
        Ok(Self { client, heard })
    }

    /// Looks at what was heard.
    pub fn look<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something was heard; false if it was not within `limit`.
    #[must_use]
    pub fn hears(&self, limit: Duration, mut is_it: impl FnMut(&mut Heard) -> bool) -> bool {
        testkit::wait_until(limit, || self.look(&mut is_it))
    }

    /// Sends the tone as a microphone would, paced by the clock in pieces of [`PIECE_FRAMES`], as long as `goes_on` says so; the
    /// server has [`LEAD`] of it in hand.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn send_tone(&self, goes_on: impl Fn() -> bool) -> anyhow::Result<()> {
        let mut tone = Oscillator::new(FREQUENCY, AMPLITUDE);
        let begin = Instant::now();
        let mut sent = 0;
        while goes_on() {
            let time_ms = sent * 1000 / RATE;
            let mut samples = Vec::new();
            tone.write_s16le(PIECE_FRAMES as usize, CHANNELS, &mut samples);
            let piece = Command::Record { time_ms, samples };
            self.client.handle().send(piece)?;
            sent += PIECE_FRAMES;
            let due = Duration::from_secs_f64(f64::from(sent) / f64::from(RATE));
            let next = begin + due.saturating_sub(LEAD);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }
}

impl Heard {
    fn playback(&mut self, event: PlaybackEvent<'_>) {
        match event {
            PlaybackEvent::Started(format) => {
                self.playing = Some(format);
                self.packets.clear();
            }
            PlaybackEvent::Samples { time_ms, samples } => self.packets.push(Packet {
                at: Instant::now(),
                time_ms,
                samples: samples.to_vec(),
            }),
            PlaybackEvent::Stopped => self.playing = None,
            _ => {}
        }
    }

    fn record(&mut self, event: RecordEvent) {
        match event {
            RecordEvent::Started(format) => self.recording = Some(format),
            RecordEvent::Stopped => self.recording = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::from_base64;

    #[test]
    fn base64_is_read() {
        assert_eq!(from_base64("bGlnaHQg\nd29yay4="), b"light work.");
        assert_eq!(from_base64("/+8="), [0xff, 0xef]);
        assert!(from_base64("").is_empty());
    }
}
