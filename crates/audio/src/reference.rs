//! The controller that this crate has to be better than: that of the original program of January 2022.
//!
//! Written after its description (timing.md 2 to 6), and not used to play anything: `cargo xtask bench audio` runs it
//! beside [`Playback`](crate::playback::Playback). It follows both clocks by a delay-locked loop each, filters the
//! difference of the two positions by a third, and lets a PI controller find the ratio:
//!
//! ```text
//! raw   = target − (source position − device position)
//! off  += b·d + i,   i += c·d,   d = raw − off
//! ratio = 1 + kp·off + ki·∫ off dt        kp = 0.5e-6 per frame, ki = 1e-16 per frame and second
//! ```
//!
//! Only positions are kept; its ring went on counting where there was no sound, so they say everything.

use std::collections::VecDeque;

use clock::{Dll, Gains, Nanos};

use crate::Format;

/// Bandwidth of both clocks' loops.
const BANDWIDTH_HZ: f64 = 0.05;
/// Errors from this on restart a loop.
const RESTART_S: f64 = 0.2;
/// Milliseconds that were aimed at.
const TARGET_MS: i64 = 70;
/// Change of the ratio for each frame of offset.
const KP: f64 = 0.5e-6;
/// The same for each frame and second.
const KI: f64 = 1.0e-16;
/// Ticks that wait to be read; a new one is dropped when they are that many.
const TICKS: usize = 16;

/// The offset filter and the PI controller (timing.md 4.4, 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OffsetControl {
    offset: f64,
    slope: f64,
    integral: f64,
    used: f64,
}

impl OffsetControl {
    /// Takes how many frames too few are buffered, by the gains and the period of the source's loop; gives the ratio.
    ///
    /// Without an offset, as long as the device's position is unknown, the last one is used again.
    pub fn step(&mut self, raw: Option<f64>, gains: Gains, period_s: f64) -> f64 {
        if let Some(raw) = raw {
            self.used = self.offset;
            let error = raw - self.offset;
            self.offset += gains.b * error + self.slope;
            self.slope += gains.c * error;
        }
        self.integral += self.used * period_s;
        1.0 + KP * self.used + KI * self.integral
    }
}

/// Where a stream is in its life (timing.md 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferenceState {
    /// No stream.
    #[default]
    Stop,
    /// Packets are gathered; no device yet.
    Setup,
    /// The device plays.
    Run,
    /// The rest is played.
    Drain,
}

/// Where a packet went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferencePlaced {
    /// Position of its first frame.
    pub position: f64,
    /// The ratio that was applied.
    pub ratio: f64,
    /// Frames that were dropped because the ring was full.
    pub lost_frames: u64,
    /// Frames that were left out (negative) or put in as silence, to be where the clock says.
    pub shift_frames: i64,
}

/// What a request found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferencePulled {
    /// Position of its first frame.
    pub position: i64,
    /// Frames that were not there.
    pub missing: u32,
}

/// One clock's loop: its nominal packet or period, and the loop itself.
#[derive(Clone, Copy, Debug, Default)]
struct Loop {
    frames: u32,
    dll: Option<Dll>,
}

/// What a loop made of an event.
enum Heard {
    /// It was at this filtered time.
    At(Nanos),
    /// It was off by so many seconds; the loop has begun anew.
    Restarted(f64),
}

impl Loop {
    fn event(&mut self, now: Nanos, frames: u32, rate: u32) -> Heard {
        let period_s = f64::from(frames) / f64::from(rate);
        let gains = Gains::for_frames(frames, rate, BANDWIDTH_HZ);
        let next = |from: Nanos| Dll::new(from + Nanos::from_secs_f64(period_s), period_s, gains);
        match &mut self.dll {
            Some(dll) if self.frames == frames => {
                let error = dll.error_s(now);
                if error.abs() < RESTART_S {
                    return Heard::At(dll.update(now));
                }
                self.dll = Some(next(now));
                Heard::Restarted(error)
            }
            known => {
                let at = known.map_or(now, |dll| dll.next());
                self.dll = Some(next(at));
                self.frames = frames;
                Heard::At(at)
            }
        }
    }
}

/// The whole of it, over positions.
#[derive(Clone, Debug)]
pub struct Reference {
    rate_hz: u32,
    state: ReferenceState,
    source: Loop,
    device: Loop,
    source_position: i64,
    device_position: i64,
    /// Part of a frame that the resampler owes.
    owed: f64,
    ticks: VecDeque<(Nanos, i64)>,
    last_ticks: [Option<(Nanos, i64)>; 2],
    control: OffsetControl,
}

impl Reference {
    /// Makes a stopped stream.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            rate_hz: format.rate_hz(),
            state: ReferenceState::Stop,
            source: Loop::default(),
            device: Loop::default(),
            source_position: 0,
            device_position: 0,
            owed: 0.0,
            ticks: VecDeque::with_capacity(TICKS),
            last_ticks: [None; 2],
            control: OffsetControl::default(),
        }
    }

    /// Where it is in its life. The device is open in [`ReferenceState::Run`] and [`ReferenceState::Drain`].
    #[must_use]
    pub const fn state(&self) -> ReferenceState {
        self.state
    }

    /// Frames between the source's and the device's position that are aimed at.
    #[must_use]
    pub fn target_frames(&self) -> i64 {
        TARGET_MS * i64::from(self.rate_hz) / 1_000
    }

    /// The source has started: everything begins anew.
    pub fn started(&mut self) {
        let rate_hz = self.rate_hz;
        *self = Self {
            rate_hz,
            state: ReferenceState::Setup,
            source: Loop::default(),
            device: Loop::default(),
            source_position: 0,
            device_position: 0,
            owed: 0.0,
            ticks: VecDeque::with_capacity(TICKS),
            last_ticks: [None; 2],
            control: OffsetControl::default(),
        };
    }

    /// The source has stopped.
    pub fn stopped(&mut self) {
        if self.state != ReferenceState::Stop {
            self.state = ReferenceState::Drain;
        }
    }

    /// A packet has come; `None` if nothing is played.
    pub fn packet(&mut self, now: Nanos, frames: u32) -> Option<ReferencePlaced> {
        if !matches!(self.state, ReferenceState::Setup | ReferenceState::Run) || frames == 0 {
            return None;
        }
        for tick in self.ticks.drain(..) {
            self.last_ticks = [self.last_ticks[1], Some(tick)];
        }
        let (time, shift_frames) = match self.source.event(now, frames, self.rate_hz) {
            Heard::At(time) => (time, 0),
            Heard::Restarted(error_s) => {
                let shift = (error_s * f64::from(self.rate_hz)).round() as i64;
                self.source_position += shift;
                (now, shift)
            }
        };
        let dll = self.source.dll?;
        let target = self.target_frames() as f64;
        let raw = self
            .device_position_at(time)
            .map(|device| target - (self.source_position as f64 - device));
        let ratio = self.control.step(raw, dll.gains(), dll.period_s());
        let position = self.source_position as f64 + self.owed;
        // What is no number, or no speed, would have stopped the original as well.
        let made = self.owed + f64::from(frames) * ratio.clamp(0.5, 2.0);
        let lost_frames = self.append(made.floor() as i64);
        self.owed = made.fract();
        if self.state == ReferenceState::Setup && self.count() >= i64::from(self.rate_hz / 20) {
            self.state = ReferenceState::Run;
        }
        Some(ReferencePlaced {
            position,
            ratio,
            lost_frames,
            shift_frames,
        })
    }

    /// The device asks for `frames`.
    pub fn pull(&mut self, now: Nanos, frames: u32) -> ReferencePulled {
        if let Heard::Restarted(error_s) = self.device.event(now, frames, self.rate_hz) {
            let skipped = (error_s * f64::from(self.rate_hz)).round() as i64;
            self.device_position += skipped;
        }
        let position = self.device_position;
        let available = self.count().clamp(0, i64::from(frames));
        self.device_position += i64::from(frames);
        if let Some(dll) = self.device.dll
            && self.ticks.len() < TICKS
        {
            self.ticks.push_back((dll.next(), self.device_position));
        }
        if self.state == ReferenceState::Drain && self.count() <= 0 {
            self.state = ReferenceState::Stop;
        }
        // Between nothing and all of the request.
        let missing = frames - available as u32;
        ReferencePulled { position, missing }
    }

    /// Frames buffered; below zero if the device is ahead.
    const fn count(&self) -> i64 {
        self.source_position - self.device_position
    }

    /// Advances by all frames and tells how many of them were not stored (timing.md 6; the ring holds a second).
    fn append(&mut self, frames: i64) -> u64 {
        let free = (i64::from(self.rate_hz) - self.count().max(0)).max(0);
        let late = (-self.count()).clamp(0, frames);
        self.source_position += frames;
        (frames - late - free).max(0).unsigned_abs()
    }

    /// The device's position by its last two ticks.
    fn device_position_at(&self, time: Nanos) -> Option<f64> {
        let [Some((from, first)), Some((to, last))] = self.last_ticks else {
            return None;
        };
        // Equal times gave an infinite ratio (timing.md T1).
        let length = (to - from).as_secs_f64();
        let share = (time - from).as_secs_f64() / length;
        (length != 0.0).then(|| first as f64 + (last - first) as f64 * share)
    }
}

#[cfg(test)]
mod tests;
