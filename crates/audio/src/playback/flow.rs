//! The flow of packets into the lane: which position, which ratio.
//!
//! For each packet the latency that it would have is known before it is written:
//!
//! ```text
//! latency = (time at which the next position is played) − (time at which the packet was due) − (one longest period)
//! ```
//!
//! Both times are points of filtered lines, so it is as smooth as they are. If it is near its target the ratio takes
//! care of the rest. If it is not, or if sound is missing anyway, the flow is *placed*: what comes next is put where the
//! latency is right at once, by silence in front of it or by dropping what was to be played before it.

use clock::Nanos;

use super::control::Controller;
use super::device::{DeviceClock, Request};
use super::source::SourceClock;
use super::status::{PlaybackSettings, Status};
use super::target::Target;
use crate::Format;
use crate::lane::{Input, Lane};

/// Errors beyond this are placed: by the ratio they would take 40 s and more.
const PLACE_BEYOND_S: f64 = 0.2;
/// With sound missing anyway, errors beyond this are placed: a gap that is heard already is the cheapest place.
const PLACE_STARVED_BEYOND_S: f64 = 3e-3;
/// After a discontinuity of either clock, errors beyond this are placed.
const PLACE_BROKEN_BEYOND_S: f64 = 20e-3;
/// For so long after a placing, packets that come too fast are a backlog and are dropped instead of played faster.
const SETTLE: Nanos = Nanos::from_millis(500);
/// A backlog is more than the jitter of packets could be at first; once one is seen, each packet of it counts.
const BACKLOG_S: f64 = 50e-3;
const BACKLOG_MORE_S: f64 = 5e-3;
/// Packets that have been coming too late to be heard for so long will go on to do so.
const LATE_LIMIT: Nanos = Nanos::from_millis(250);
/// Latency within this of its target for this long is converged (timing.md 10).
const CONVERGED_S: (f64, f64) = (2e-3, 10.0);
/// The largest piece that is handled at once, in seconds (timing.md T5).
const PIECE_S: f64 = 0.1;
/// At most this share of the ring may be aimed at; the rest is room for what comes at once.
const RING_SHARE: f64 = 0.5;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It could not be written: there is no device, or it does not run.
    Dropped,
    /// It waits in the ring for the device's first request.
    Waiting,
    /// It is played, or was too late.
    Played,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u64,
    overruns: u64,
    resyncs: u64,
    dropped_frames: u64,
}

/// Where and when frames go.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    format: Format,
    settings: PlaybackSettings,
    source: SourceClock,
    device: DeviceClock,
    target: Target,
    controller: Controller,
    counts: Counts,
    /// The next packet is placed.
    is_loose: bool,
    /// One of the clocks has stepped: a gap was heard, or sound is missing.
    is_broken: bool,
    /// When a backlog is no longer expected.
    settled_at: Nanos,
    is_backlog: bool,
    /// Since when packets are too late to be heard.
    late_since: Option<Nanos>,
    latency_s: Option<f64>,
    near_for_s: f64,
}

impl Flow {
    pub(super) fn new(format: Format, settings: PlaybackSettings) -> Self {
        let mut flow = Self {
            format,
            settings,
            source: SourceClock::new(format.rate_hz()),
            device: DeviceClock::new(format.rate_hz(), settings.period_frames),
            target: Target::default(),
            controller: Controller::new(),
            counts: Counts::default(),
            is_loose: true,
            is_broken: false,
            settled_at: Nanos(i64::MIN),
            is_backlog: false,
            late_since: None,
            latency_s: None,
            near_for_s: 0.0,
        };
        flow.target.begin(flow.needed_s(0.0, f64::INFINITY));
        flow
    }

    /// Begins with another device. What is written before it asks stands behind a silence of the target, so that there
    /// is always room to begin.
    pub(super) fn attach<L: Lane>(&mut self, lane: &mut L, max_period_frames: u32) {
        self.device = DeviceClock::new(self.format.rate_hz(), max_period_frames);
        let room_s = self.ring_s(lane);
        self.target.begin(self.needed_s(self.delay_s(lane), room_s));
        self.loosen();
        let front = self.format.frames(self.target.seconds());
        lane.jump(lane.position().saturating_add(frames(front)));
    }

    /// Has the next packet placed: what was before it has nothing to do with it.
    pub(super) fn loosen(&mut self) {
        self.is_loose = true;
        self.latency_s = None;
        self.near_for_s = 0.0;
    }

    /// The source rests: how long is not to be learned from.
    pub(super) fn rest(&mut self) {
        self.source.rest();
        self.loosen();
    }

    pub(super) fn promise(&mut self, max_period_frames: u32) {
        self.device.promise(max_period_frames);
    }

    /// Learns from all requests of the device that were not seen yet.
    pub(super) fn look<L: Lane>(&mut self, lane: &mut L) {
        while let Some(tick) = lane.next_tick() {
            match self.device.request(tick) {
                Request::Usual => {}
                // Needs more at once than there is.
                Request::Longer => self.is_loose = true,
                // It was silent for a while, so what is far off is put right at once.
                Request::Anew => self.is_broken = true,
            }
        }
    }

    pub(super) fn is_device_running(&self, now: Nanos) -> bool {
        self.device.is_running(now)
    }

    /// Learns from a packet and writes it, in pieces if it is long.
    pub(super) fn packet<L: Lane>(
        &mut self,
        lane: Option<&mut L>,
        arrived: Nanos,
        time_ms: u32,
        input: Input<'_>,
    ) -> Fate {
        self.counts.packets += 1;
        if !self.source.packet(arrived, time_ms) {
            self.is_broken = true;
        }
        let Some(lane) = lane else {
            self.source.advance(input.frames);
            self.drop(input.frames);
            return Fate::Dropped;
        };
        let longest = frames(self.format.frames(PIECE_S)).max(1);
        let longest = u32::try_from(longest).unwrap_or(u32::MAX);
        let mut fate = Fate::Dropped;
        let mut rest = input;
        while rest.frames > 0 {
            let (piece, others) = rest.split_at(longest);
            fate = self.piece(lane, arrived, piece);
            self.source.advance(piece.frames);
            rest = others;
        }
        fate
    }

    fn piece<L: Lane>(&mut self, lane: &mut L, arrived: Nanos, input: Input<'_>) -> Fate {
        if !self.device.has_run() {
            self.write(lane, input, 1.0);
            return Fate::Waiting;
        }
        if !self.device.is_running(arrived) {
            // Where it would be played is not known; after the pause everything is placed anyway (T1, T9).
            self.loosen();
            self.drop(input.frames);
            return Fate::Dropped;
        }
        let dt_s = self.format.seconds(f64::from(input.frames));
        let needed_s = self.needed_s(self.delay_s(lane), self.ring_s(lane));
        let offset_s = self.settings.latency_offset.as_secs_f64();
        self.target.follow(needed_s, offset_s, dt_s);
        if !self.place_if_due(lane, arrived, input.frames) {
            self.drop(input.frames);
            return Fate::Played;
        }
        let error_s = self.error_s(lane).unwrap_or(0.0);
        self.latency_s = Some(self.target.seconds() + error_s);
        let (near_s, _) = CONVERGED_S;
        self.near_for_s = if error_s.abs() < near_s {
            self.near_for_s + dt_s
        } else {
            0.0
        };
        let ratio = self.controller.step(self.rate(), error_s, dt_s);
        self.write(lane, input, ratio);
        Fate::Played
    }

    /// Places the flow if that is better than to leave it to the ratio; says whether the packet is to be written.
    fn place_if_due<L: Lane>(&mut self, lane: &mut L, arrived: Nanos, frames: u32) -> bool {
        let is_starved = lane.read_position() > lane.position();
        if !is_starved && !self.is_loose {
            self.late_since = None;
        }
        let error_s = self.error_s(lane).unwrap_or(0.0);
        let is_broken = std::mem::take(&mut self.is_broken);
        let is_due = self.is_loose
            || error_s.abs() > PLACE_BEYOND_S
            || is_broken && error_s.abs() > PLACE_BROKEN_BEYOND_S
            || is_starved && error_s < -PLACE_STARVED_BEYOND_S;
        if is_due {
            return self.place(lane, arrived, frames);
        }
        if is_starved && self.is_late_for_long(arrived) {
            self.source.restart(arrived);
            return self.place(lane, arrived, frames);
        }
        let bound_s = if self.is_backlog {
            BACKLOG_MORE_S
        } else {
            BACKLOG_S
        };
        if arrived < self.settled_at && error_s > bound_s {
            self.is_backlog = true;
            self.skip(lane, self.format.frames(error_s));
        }
        true
    }

    /// Puts what comes next where its latency is the target. False if it should have been played already.
    fn place<L: Lane>(&mut self, lane: &mut L, arrived: Nanos, frames: u32) -> bool {
        let mut to = self.slot(lane);
        if to + f64::from(frames) <= lane.read_position() as f64 {
            if !self.is_late_for_long(arrived) {
                self.is_loose = true;
                return false;
            }
            self.source.restart(arrived);
            to = self.slot(lane);
        }
        self.late_since = None;
        let ahead = to - lane.position() as f64;
        let is_moved = if self::frames(ahead) > 0 {
            lane.reset();
            lane.jump(lane.position().saturating_add(self::frames(ahead)));
            true
        } else {
            self.skip(lane, -ahead)
        };
        self.counts.resyncs += 1;
        if is_moved {
            // Only where the sound breaks off anyway may the pitch do so too.
            self.controller.restart(self.rate());
        }
        self.is_loose = false;
        self.is_backlog = false;
        self.settled_at = arrived + SETTLE;
        self.near_for_s = 0.0;
        true
    }

    /// Notes that a packet is too late to be heard; says whether that has been so for too long.
    fn is_late_for_long(&mut self, arrived: Nanos) -> bool {
        let since = *self.late_since.get_or_insert(arrived);
        arrived - since > LATE_LIMIT
    }

    /// Has the device leave out `count` frames, or all there are; says whether there were any.
    fn skip<L: Lane>(&mut self, lane: &mut L, count: f64) -> bool {
        let from = lane.read_position();
        let to = from.saturating_add(frames(count)).min(lane.position());
        if to > from {
            lane.skip_reader(to);
            self.device.skip(from, to);
            self.drop(u32::try_from(to - from).unwrap_or(u32::MAX));
        }
        to > from
    }

    fn write<L: Lane>(&mut self, lane: &mut L, input: Input<'_>, ratio: f64) {
        let appended = lane.write(input, ratio);
        let expected = frames(f64::from(input.frames) * ratio);
        // A resampler may be a frame or two ahead or behind.
        let refused = expected.saturating_sub(appended);
        if refused > 8 {
            self.counts.overruns += 1;
            self.drop(u32::try_from(refused).unwrap_or(u32::MAX));
        }
    }

    fn drop(&mut self, frames: u32) {
        self.counts.dropped_frames += u64::from(frames);
    }

    /// Latency less target, in seconds, of what is written next; `None` before the device has asked.
    fn error_s<L: Lane>(&self, lane: &L) -> Option<f64> {
        self.device.pace()?;
        let content = lane.position() as f64 + lane.delay_frames();
        let latency = self.device.played_s(content) - self.source.due_s() - self.device.longest_s();
        Some(latency - self.target.seconds())
    }

    /// The position at which the latency of the present packet is the target.
    fn slot<L: Lane>(&self, lane: &L) -> f64 {
        let played = self.source.due_s() + self.target.seconds() + self.device.longest_s();
        self.device.position(played) - lane.delay_frames()
    }

    /// The ratio that both clocks ask for, less one, and what the target does on its own.
    fn rate(&self) -> f64 {
        let source = self.source.pace().unwrap_or(1.0);
        let device = self.device.pace().unwrap_or(1.0);
        source / device - 1.0 + self.target.pace()
    }

    fn delay_s<L: Lane>(&self, lane: &L) -> f64 {
        self.format.seconds(lane.delay_frames())
    }

    fn ring_s<L: Lane>(&self, lane: &L) -> f64 {
        self.format.seconds(lane.capacity() as f64)
    }

    fn needed_s(&self, delay_s: f64, ring_s: f64) -> f64 {
        let needed_s = self.device.longest_s() + self.allowance_s() + delay_s;
        needed_s.clamp(0.0, RING_SHARE * ring_s)
    }

    /// For packets that are late, and for what is not measured.
    fn allowance_s(&self) -> f64 {
        let offset_s = self.settings.latency_offset.as_secs_f64();
        let least_s = self.settings.buffer_latency.as_secs_f64();
        (self.source.jitter_s() + offset_s).max(least_s)
    }

    /// Fills in what the flow knows.
    pub(super) fn describe(&self, status: &mut Status) {
        let fast_ppm = |pace: f64| (1.0 / pace - 1.0) * 1e6;
        status.latency_ms = self.latency_s.map(|s| s * 1e3);
        status.target_ms = self.target.seconds() * 1e3;
        status.ratio_ppm = (self.controller.ratio() - 1.0) * 1e6;
        status.source_ppm = self.source.pace().map(fast_ppm);
        status.device_ppm = self.device.pace().map(fast_ppm);
        status.jitter_ms = self.source.jitter_s() * 1e3;
        status.period_frames = self.device.period_frames();
        status.is_converged = self.near_for_s >= CONVERGED_S.1;
        status.overruns = self.counts.overruns;
        status.resyncs = self.counts.resyncs;
        status.dropped_frames = self.counts.dropped_frames;
        status.packets = self.counts.packets;
    }
}

/// The nearest whole number of frames, none if negative.
fn frames(count: f64) -> u64 {
    // `as` saturates, and makes nothing of what is not a number.
    count.round() as u64
}
