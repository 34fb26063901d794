//! The machine's sound card: a tone that its own clock paces, and what the guest's mixer says (spice.md 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use clock::{Clock as _, MonotonicClock, Nanos};

use super::{Connection, PLAYBACK, RECORD, Shared, SpiceServer, words};

const DATA: u16 = 101;
const MODE: u16 = 102;
const START: u16 = 103;
const STOP: u16 = 104;
const VOLUME: u16 = 105;
const MUTE: u16 = 106;
const RECORD_START: u16 = 101;
const RECORD_STOP: u16 = 102;
const RECORD_VOLUME: u16 = 103;
const RECORD_MUTE: u16 = 104;
/// Raw samples, and 16 bits of them.
const RAW: u16 = 1;
const S16: u16 = 1;
/// What QEMU sends at once.
const PACKETS_PER_SECOND: u32 = 100;

/// The shape of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundFormat {
    /// Channels.
    pub channels: u32,
    /// Frames a second.
    pub rate_hz: u32,
}

impl SoundFormat {
    /// What QEMU sends.
    pub const USUAL: Self = Self {
        channels: 2,
        rate_hz: 48_000,
    };

    /// The message START of PLAYBACK.
    fn start(self, time_ms: u32) -> Vec<u8> {
        let mut payload = words(&[self.channels]);
        payload.extend(S16.to_le_bytes());
        payload.extend(words(&[self.rate_hz, time_ms]));
        payload
    }
}

/// A sine, the same on all channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// The shape of the stream.
    pub format: SoundFormat,
    /// Periods a second, by the machine's clock.
    pub pitch_hz: f64,
    /// 0 to 1.
    pub amplitude: f64,
    /// By how much the machine's clock is faster than ours.
    pub skew_ppm: f64,
}

impl Tone {
    /// The sample of that frame.
    #[must_use]
    pub fn sample(&self, frame: u64) -> i16 {
        let turns = self.pitch_hz * frame as f64 / f64::from(self.format.rate_hz);
        let value = self.amplitude * (turns.fract() * std::f64::consts::TAU).sin();
        (value * 32_767.0).round() as i16
    }

    /// `frames` of it, as they are on the wire.
    #[must_use]
    pub fn samples(&self, first: u64, frames: u32) -> Vec<u8> {
        let channels = self.format.channels as usize;
        (first..first + u64::from(frames))
            .flat_map(|frame| self.sample(frame).to_le_bytes().repeat(channels))
            .collect()
    }
}

/// A tone that is being sent; dropping it stops the stream.
pub struct Playing {
    shared: Arc<Shared>,
    is_over: Arc<AtomicBool>,
    stall_ms: Arc<AtomicU32>,
    thread: Option<JoinHandle<u64>>,
}

impl Playing {
    /// Keeps silent for that time from now on; what the machine plays meanwhile is lost.
    pub fn stall(&self, ms: u32) {
        self.stall_ms.store(ms, Ordering::SeqCst);
    }

    /// Stops the stream and returns how many frames were sent.
    pub fn stop(mut self) -> u64 {
        self.end()
    }

    fn end(&mut self) -> u64 {
        self.is_over.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else {
            return 0;
        };
        let frames = thread.join().unwrap_or(0);
        self.shared.send(PLAYBACK, STOP, &[]);
        frames
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.end();
    }
}

impl SpiceServer {
    /// Begins a stream on PLAYBACK and sends the tone in packets of 10 ms, paced by the machine's clock.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn play(&self, tone: Tone) -> std::io::Result<Playing> {
        let (is_over, stall_ms) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let shared = Arc::clone(&self.shared);
        let (over, stall) = (Arc::clone(&is_over), Arc::clone(&stall_ms));
        shared.send(
            PLAYBACK,
            START,
            &tone.format.start(now_ms(MonotonicClock.now())),
        );
        let thread = std::thread::Builder::new()
            .name("spice-tone".into())
            .spawn(move || send_tone(&shared, &tone, &over, &stall))?;
        Ok(Playing {
            shared: Arc::clone(&self.shared),
            is_over,
            stall_ms,
            thread: Some(thread),
        })
    }

    /// Tells the guest's mixer for what it plays: levels of all channels, and whether it is muted.
    pub fn set_playback_volume(&self, levels: &[u16], is_muted: bool) {
        self.send(PLAYBACK, VOLUME, &volume(levels));
        self.send(PLAYBACK, MUTE, &[is_muted.into()]);
    }

    /// Tells the guest's mixer for what it records.
    pub fn set_record_volume(&self, levels: &[u16], is_muted: bool) {
        self.send(RECORD, RECORD_VOLUME, &volume(levels));
        self.send(RECORD, RECORD_MUTE, &[is_muted.into()]);
    }

    /// The guest opens its microphone.
    pub fn start_recording(&self, format: SoundFormat) {
        let start = format.start(0);
        // The same without the time.
        self.send(RECORD, RECORD_START, start.get(..10).unwrap_or_default());
    }

    /// The guest closes its microphone.
    pub fn stop_recording(&self) {
        self.send(RECORD, RECORD_STOP, &[]);
    }

    /// The samples that have arrived for the guest's microphone.
    #[must_use]
    pub fn recorded(&self) -> Vec<i16> {
        let arrivals = self.arrivals(RECORD);
        let data = arrivals.iter().filter(|arrival| arrival.kind == DATA);
        data.filter_map(|arrival| arrival.payload.get(4..))
            .flat_map(|samples| samples.chunks_exact(2))
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }
}

impl Shared {
    fn send(&self, channel: u8, kind: u16, payload: &[u8]) {
        for connection in self.connections(channel) {
            // A client that has gone is noticed by its reader.
            let _ = connection.send(kind, payload);
        }
    }
}

/// What a server says first on PLAYBACK and RECORD.
pub(super) fn begin(connection: &Connection) -> std::io::Result<()> {
    if connection.channel == PLAYBACK {
        let mut mode = words(&[0]);
        mode.extend(RAW.to_le_bytes());
        connection.send(MODE, &mode)?;
        connection.send(VOLUME, &volume(&[0xffff, 0xffff]))?;
        return connection.send(MUTE, &[0]);
    }
    connection.send(RECORD_VOLUME, &volume(&[0xffff, 0xffff]))?;
    connection.send(RECORD_MUTE, &[0])
}

fn volume(levels: &[u16]) -> Vec<u8> {
    let mut payload = vec![u8::try_from(levels.len()).unwrap_or(u8::MAX)];
    payload.extend(levels.iter().flat_map(|level| level.to_le_bytes()));
    payload
}

/// The server's multimedia clock, which wraps.
fn now_ms(now: Nanos) -> u32 {
    now.as_millis() as u32
}

/// Sends packets until it is over; returns the frames sent.
fn send_tone(shared: &Shared, tone: &Tone, is_over: &AtomicBool, stall_ms: &AtomicU32) -> u64 {
    let frames = tone.format.rate_hz / PACKETS_PER_SECOND;
    let true_rate = f64::from(tone.format.rate_hz) * (1.0 + tone.skew_ppm * 1e-6);
    let start = MonotonicClock.now();
    let (mut first, mut sent) = (0, 0);
    let mut silent_until = start;
    while !is_over.load(Ordering::SeqCst) {
        first += u64::from(frames);
        // A packet is sent when its last frame has been played by the machine.
        let due = start + Nanos::from_secs_f64(first as f64 / true_rate);
        std::thread::sleep((due - MonotonicClock.now()).to_duration());
        let now = MonotonicClock.now();
        let stall = stall_ms.swap(0, Ordering::SeqCst);
        if stall > 0 {
            silent_until = now + Nanos::from_millis(stall.into());
        }
        if now < silent_until {
            continue;
        }
        let mut payload = words(&[now_ms(now)]);
        payload.extend(tone.samples(first - u64::from(frames), frames));
        shared.send(PLAYBACK, DATA, &payload);
        sent += u64::from(frames);
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_pitch_and_amplitude() {
        let tone = Tone {
            format: SoundFormat::USUAL,
            pitch_hz: 1_000.0,
            amplitude: 0.5,
            skew_ppm: 0.0,
        };
        assert_eq!(tone.sample(0), 0);
        assert_eq!(tone.sample(12), 16_384);
        assert_eq!(tone.sample(36), -16_384);
        assert_eq!(tone.sample(12), tone.sample(12 + 48 * 1_000_000));
        let samples = tone.samples(12, 2);
        let first = 16_384_i16.to_le_bytes();
        assert_eq!(samples.len(), 8);
        assert_eq!(samples[..4], [first, first].concat());
    }
}
