//! Sound from a hostile server, through the session and the player to the device's callback.
//!
//! The input is a list of steps, each a byte and what it takes; what is missing at the end is zeros:
//!
//! | byte, modulo 8 | takes | does |
//! |---|---|---|
//! | 0, 1 | kind, length (u16), payload | a message on PLAYBACK or RECORD, kind 100 to 115 |
//! | 2 | length, bytes | those bytes on PLAYBACK, in whatever message they lie |
//! | 3 | milliseconds (u16), exponent | time passes: that much, times two to the power of the low four bits |
//! | 4 | frames (u16), times | the device asks so often for so many frames, at its own pace |
//! | 5 | frames (u16), times, step | so many packets of noise arrive at their pace, stamps that much apart in ms |
//! | 6 | frames (u16) | the device is lost; the next one has such a period |
//! | 7 | length, bytes | recorded bytes for the guest |

use std::time::{Duration, Instant};

use audio::playback::{DeviceTiming, Order, Packet, Playback, PlaybackSettings, Status};
use audio::{Format, Input, Pull, SampleLane};
use clock::Nanos;
use spice::audio::{AudioFormat, PlaybackEvent};
use spice::{ChannelId, ChannelKind, Command, Event, Session, SessionOptions};

/// Of a link reply: magic, version 2.2, length; result, then an RSA key of 1024 bits, capabilities as QEMU's.
const LINK: &str = "52454451 02000000 02000000 ba000000 00000000 \
    30819f300d06092a864886f70d010101050003818d0030818902818100a2d9b9a6ce2bda3a25e774a50ce5712592e0db0644e00dee77d39e09\
    f697bc8650fcce70f104d44dc3b0353fa210c84fae55d269e1e74a66b00edb5f71c115c6b712c33c30998f38c9e257dd0fc7a95156f39ea8e2\
    a890c913ff9d06a50222903ce1bf3dde19da82734eb17f2d6f28907a30a981954ee959fe4450c4e8a5d4e70203010001 \
    01000000 01000000 b2000000 0b000000 52100000 00000000";
/// MAIN's init, and a list with PLAYBACK and RECORD.
const MAIN: &str = "6700 20000000 bad11b1f 01000000 03000000 01000000 00000000 0a000000 c6850f00 00000001 \
    6800 08000000 02000000 0500 0600";
const PLAYBACK: ChannelId = ChannelId {
    kind: ChannelKind::Playback,
    id: 0,
};
const RECORD: ChannelId = ChannelId {
    kind: ChannelKind::Record,
    id: 0,
};
/// Steps of one input, and requests or packets of one step.
const MAX_STEPS: usize = 64;
const MAX_TIMES: u8 = 32;

/// Any messages on the sound channels, at any times, to a device with any habits.
pub fn spice_sound(data: &[u8]) {
    let mut rest = Rest(data);
    let mut world = World::new();
    for _ in 0..MAX_STEPS {
        let Some(step) = rest.byte() else { break };
        match step % 8 {
            index @ (0 | 1) => {
                let channel = [PLAYBACK, RECORD][usize::from(index)];
                let kind = 100 + u16::from(rest.zero_or_byte() % 16);
                let length = rest.word();
                let payload = rest.take(length.into());
                let size = payload.len() as u32;
                let head = [kind.to_le_bytes().as_slice(), &size.to_le_bytes()].concat();
                world.receive(channel, &[&head, payload].concat());
            }
            2 => {
                let length = rest.zero_or_byte();
                world.receive(PLAYBACK, rest.take(length.into()));
            }
            3 => {
                let ms = i64::from(rest.word());
                world.pass(Nanos::from_millis(ms << (rest.zero_or_byte() % 16)));
            }
            4 => {
                let frames = usize::from(rest.word());
                let times = rest.zero_or_byte() % MAX_TIMES;
                for _ in 0..times {
                    world.pull(frames);
                }
            }
            5 => {
                let frames = rest.word() % 4_800;
                let times = rest.zero_or_byte() % MAX_TIMES;
                let step = rest.zero_or_byte();
                for _ in 0..times {
                    world.noise(frames.into(), step.into());
                }
            }
            6 => world.lose_device(rest.word().into()),
            _ => {
                let length = rest.zero_or_byte();
                world.record(rest.take(length.into()));
            }
        }
        world.check();
    }
}

/// What is left of an input.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn zero_or_byte(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.zero_or_byte(), self.zero_or_byte()])
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A stream as the service has it.
struct Stream {
    playback: Playback<SampleLane>,
    pull: Option<Pull>,
}

/// The client's sound without threads.
struct World {
    session: Session,
    started: Instant,
    now: Nanos,
    stamp_ms: u32,
    noise: u32,
    period: u32,
    format: Option<AudioFormat>,
    stream: Option<Stream>,
    out: Vec<f32>,
}

impl World {
    fn new() -> Self {
        let started = Instant::now();
        let options = SessionOptions {
            playback: true,
            record: true,
            ..SessionOptions::default()
        };
        let mut world = Self {
            session: Session::new(options, started),
            started,
            now: Nanos::ZERO,
            stamp_ms: 0,
            noise: 1,
            period: 512,
            format: None,
            stream: None,
            out: vec![0.0; 8 << 16],
        };
        let (link, main) = (bytes(LINK), bytes(MAIN));
        for (channel, and) in [(ChannelId::MAIN, &*main), (PLAYBACK, &[]), (RECORD, &[])] {
            while world.session.next_action().is_some() {}
            world.session.connected(channel, started);
            world.receive(channel, &link);
            world.receive(channel, and);
        }
        world
    }

    fn instant(&self) -> Instant {
        self.started + Duration::from_nanos(self.now.0.unsigned_abs())
    }

    /// Bytes from the server.
    fn receive(&mut self, channel: ChannelId, bytes: &[u8]) {
        let mut events = Vec::new();
        let now = self.instant();
        let mut sink = |event: Event<'_>| {
            if let Event::Playback(event) = event {
                events.push(match event {
                    PlaybackEvent::Started(format) => Heard::Started(format),
                    PlaybackEvent::Samples { time_ms, samples } => {
                        Heard::Samples(time_ms, samples.to_vec())
                    }
                    PlaybackEvent::Stopped => Heard::Stopped,
                    _ => return,
                });
            }
        };
        self.session.receive(channel, bytes, now, &mut sink);
        for event in events {
            self.hear(&event);
        }
        // What it says is not read, but must not pile up.
        let count = self.session.output(channel).len();
        self.session.written(channel, count, now, &mut |_| {});
    }

    fn hear(&mut self, event: &Heard) {
        match event {
            Heard::Started(shape) => {
                // The session lets pass what can be played, and nothing else.
                let format = Format::new(shape.channels.into(), shape.rate_hz).expect("a format");
                if self.format != Some(*shape) {
                    let playback = Playback::new(format, PlaybackSettings::default());
                    self.stream = Some(Stream {
                        playback,
                        pull: None,
                    });
                }
                self.format = Some(*shape);
                if let Some(stream) = &mut self.stream {
                    stream.playback.started(self.now);
                }
            }
            Heard::Samples(time_ms, samples) => {
                if let Some(Stream { playback, .. }) = &mut self.stream {
                    let input = Input::sampled(samples, playback.format().channels());
                    playback.packet(Packet {
                        arrived: self.now,
                        time_ms: *time_ms,
                        input,
                    });
                }
            }
            Heard::Stopped => {
                if let Some(stream) = &mut self.stream {
                    stream.playback.stopped(self.now);
                }
            }
        }
        self.obey();
    }

    /// Does what the stream orders, as often as it may order something new at one time.
    fn obey(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        for _ in 0..4 {
            match stream.playback.tick(self.now).order {
                Order::Keep => break,
                Order::Open => {
                    let format = stream.playback.format();
                    let capacity = format.frames(0.5) as usize;
                    let (lane, pull) = SampleLane::new(format, capacity).expect("a lane");
                    let timing = DeviceTiming {
                        max_period_frames: self.period,
                    };
                    stream.playback.attach(lane, timing, self.now);
                    stream.pull = Some(pull);
                }
                Order::Close => {
                    stream.playback.detach();
                    stream.pull = None;
                }
            }
        }
    }

    fn pass(&mut self, time: Nanos) {
        self.now = self.now + time;
        let now = self.instant();
        self.session.tick(now, &mut |_| {});
        self.obey();
    }

    fn pull(&mut self, frames: usize) {
        let Some(Stream {
            playback,
            pull: Some(pull),
        }) = &mut self.stream
        else {
            return;
        };
        let format = playback.format();
        let samples = (frames * format.channels()).min(self.out.len());
        let out = &mut self.out[..samples];
        out.fill(f32::NAN);
        pull.pull(out, self.now);
        // 16-bit samples cannot make more than their range times the filter's overshoot.
        assert!(out.iter().all(|sample| sample.abs() < 4.0));
        self.pass(Nanos::from_secs_f64(format.seconds(frames as f64)));
    }

    fn noise(&mut self, frames: usize, step_ms: u32) {
        let Some(format) = self.format else { return };
        let mut samples = vec![0; frames * format.frame_bytes()];
        for byte in &mut samples {
            self.noise = self
                .noise
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            *byte = self.noise.to_be_bytes()[0];
        }
        self.hear(&Heard::Samples(self.stamp_ms, samples));
        self.stamp_ms = self.stamp_ms.wrapping_add(step_ms);
        self.pass(Nanos::from_secs_f64(
            frames as f64 / f64::from(format.rate_hz),
        ));
    }

    fn lose_device(&mut self, period: u32) {
        self.period = period;
        if let Some(stream) = &mut self.stream {
            stream.playback.detach();
            stream.pull = None;
        }
        self.obey();
    }

    fn record(&mut self, samples: &[u8]) {
        let command = Command::Record {
            time_ms: self.stamp_ms,
            samples: samples.to_vec(),
        };
        let now = self.instant();
        self.session.command(command, now, &mut |_| {});
    }

    /// What holds at all times.
    fn check(&self) {
        let Some(stream) = &self.stream else { return };
        let Status {
            latency_ms,
            target_ms,
            ratio_ppm,
            jitter_ms,
            ..
        } = stream.playback.status();
        assert!(ratio_ppm.abs() <= 5_000.1, "{ratio_ppm} ppm");
        assert!(latency_ms.is_none_or(f64::is_finite), "{latency_ms:?}");
        assert!(target_ms.is_finite() && jitter_ms.is_finite());
    }
}

/// What of a session's events is sound, owned.
enum Heard {
    Started(AudioFormat),
    Samples(u32, Vec<u8>),
    Stopped,
}

/// The bytes that the digits name; blanks are left out.
fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .bytes()
        .filter(|digit| !digit.is_ascii_whitespace())
        .collect();
    let pairs = digits
        .chunks(2)
        .filter_map(|pair| str::from_utf8(pair).ok());
    pairs
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}
