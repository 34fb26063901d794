//! A source, a device and the truth about both; frames are counted, not heard.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use clock::Nanos;

use crate::lane::{Input, Lane};
use crate::playback::{
    DeviceTiming, LARGEST_CHANGE, Order, Packet, Playback, PlaybackSettings, State,
};
use crate::pull::{Counters, Phase};
use crate::{Format, Tick};

pub(super) const RATE: f64 = 48_000.0;

/// A small generator of even numbers from 0 to 1.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What both sides of a counted lane share.
#[derive(Debug, Default)]
pub(super) struct Positions {
    pub(super) write: u64,
    pub(super) read: u64,
    skip_to: u64,
    pub(super) consumed: u64,
    pub(super) phase: Phase,
    ticks: VecDeque<Tick>,
    pub(super) counters: Counters,
    is_starving: bool,
    has_played: bool,
    fraction: f64,
    /// Ratios as they were applied.
    pub(super) ratio: f64,
    /// Sum of input frames and of ratio times input frames.
    pub(super) input: f64,
    pub(super) output: f64,
    pub(super) jumps: u64,
    pub(super) skips: u64,
    pub(super) refused: u64,
}

impl Positions {
    pub(super) fn skipped(&self) -> i64 {
        (self.read.max(self.skip_to) - self.consumed) as i64
    }

    /// A request of the device; returns the frames that were missing.
    pub(super) fn request(&mut self, at: Nanos, frames: u32) -> u64 {
        self.read = self.read.max(self.skip_to);
        self.ticks.push_back(Tick {
            at,
            frames,
            consumed: self.consumed,
            position: self.read,
        });
        if self.ticks.len() > 16 {
            self.ticks.pop_front();
        }
        let frames = u64::from(frames);
        let missing = frames - self.write.saturating_sub(self.read).min(frames);
        self.read += frames;
        self.consumed += frames;
        self.counters.pulls += 1;
        self.has_played |= missing < frames && self.phase == Phase::Run;
        match self.phase {
            Phase::Run if missing > 0 && self.has_played => {
                self.counters.underruns += u64::from(!self.is_starving);
                self.counters.silent_frames += missing;
                self.is_starving = true;
                return missing;
            }
            Phase::Drain if missing > 0 => self.counters.is_drained = true,
            _ => self.is_starving = false,
        }
        0
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct CountedLane(pub(super) Rc<RefCell<Positions>>);

pub(super) const CAPACITY: u64 = 65_536;
pub(super) const DELAY: f64 = 16.5;

impl Lane for CountedLane {
    fn write(&mut self, input: Input<'_>, ratio: f64) -> u64 {
        let mut p = self.0.borrow_mut();
        assert!(
            (ratio - 1.0).abs() <= LARGEST_CHANGE + 1e-12,
            "ratio {ratio}"
        );
        p.ratio = ratio;
        p.input += f64::from(input.frames);
        p.output += f64::from(input.frames) * ratio;
        let exact = f64::from(input.frames) * ratio + p.fraction;
        p.fraction = exact.fract();
        let room = (p.read + CAPACITY).saturating_sub(p.write);
        let taken = (exact as u64).min(room);
        p.refused += exact as u64 - taken;
        p.write += taken;
        taken
    }
    fn position(&self) -> u64 {
        self.0.borrow().write
    }
    fn read_position(&self) -> u64 {
        let p = self.0.borrow();
        p.read.max(p.skip_to)
    }
    fn jump(&mut self, to: u64) {
        let mut p = self.0.borrow_mut();
        let to = to.min(p.read + CAPACITY);
        p.jumps += u64::from(to > p.write);
        p.write = p.write.max(to);
    }
    fn skip_reader(&mut self, to: u64) {
        let mut p = self.0.borrow_mut();
        assert!(to <= p.write, "a skip beyond what is written");
        p.skips += u64::from(to > p.read);
        p.skip_to = p.skip_to.max(to);
    }
    fn capacity(&self) -> u64 {
        CAPACITY
    }
    fn delay_frames(&self) -> f64 {
        DELAY
    }
    fn reset(&mut self) {}
    fn next_tick(&mut self) -> Option<Tick> {
        self.0.borrow_mut().ticks.pop_front()
    }
    fn set_phase(&mut self, phase: Phase) {
        let mut p = self.0.borrow_mut();
        if p.phase != phase {
            p.phase = phase;
            p.counters.is_drained = false;
            p.has_played = false;
            p.is_starving = false;
        }
    }
    fn counters(&self) -> Counters {
        self.0.borrow().counters
    }
}

/// The world as it is at first; tests change it while it runs.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) source_ppm: f64,
    pub(super) device_ppm: f64,
    /// How wrong the clock of the stamps is.
    pub(super) stamp_ppm: f64,
    pub(super) packet: u32,
    pub(super) burst: u32,
    /// Arrivals are late by up to this, in seconds.
    pub(super) jitter_s: f64,
    /// Requests are late by up to this, in seconds.
    pub(super) device_jitter_s: f64,
    pub(super) period: u32,
    pub(super) max_period: u32,
    /// From the order to open the device to its first request.
    pub(super) opening_s: f64,
    pub(super) backlog: u32,
    pub(super) settings: PlaybackSettings,
    pub(super) seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            source_ppm: 0.0,
            device_ppm: 0.0,
            stamp_ppm: 0.0,
            packet: 480,
            burst: 1,
            jitter_s: 0.002,
            device_jitter_s: 0.0005,
            period: 512,
            max_period: 512,
            opening_s: 0.05,
            backlog: 0,
            settings: PlaybackSettings::default(),
            seed: 1,
        }
    }
}

/// What a stretch of time was like.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// When latency was last further than 2 ms from its target, in seconds from the beginning of the stretch.
    pub(super) bad_until_s: f64,
    pub(super) worst_error_ms: f64,
    pub(super) missing: u64,
    pub(super) largest_change: f64,
    pub(super) largest_slew: f64,
    pub(super) error_ms: f64,
    pub(super) target_ms: f64,
    /// Largest error of the ratio's mean over 120 s, in millionths.
    pub(super) ratio_error_ppm: f64,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) playback: Playback<CountedLane>,
    pub(super) lane: CountedLane,
    pub(super) now: f64,
    random: Random,
    is_on: bool,
    /// When the next packet is due, and those that are on their way.
    due: f64,
    coming: VecDeque<(f64, f64, u32, u32)>,
    held_until: f64,
    last_arrival: f64,
    /// When the next buffer of the device begins to play, and the frames that will then be filled in.
    device_due: Option<f64>,
    playing: u32,
    asks_at: f64,
    /// Truth: when the frame that the device has taken last will be played.
    heard: (f64, u64),
    pub(super) longest: u32,
    marks: VecDeque<(f64, f64, f64)>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let format = Format::new(2, 48_000).unwrap();
        Self {
            playback: Playback::new(format, plan.settings),
            lane: CountedLane::default(),
            now: 1_000.0,
            random: Random(plan.seed),
            is_on: false,
            due: 1_000.0,
            coming: VecDeque::new(),
            held_until: 0.0,
            last_arrival: 0.0,
            device_due: None,
            playing: plan.period,
            asks_at: 0.0,
            heard: (0.0, 0),
            longest: plan.max_period,
            marks: VecDeque::new(),
            plan,
        }
    }

    pub(super) fn started(plan: Plan) -> Self {
        let mut world = Self::new(plan);
        world.start();
        world
    }

    pub(super) fn nanos(&self) -> Nanos {
        Nanos::from_secs_f64(self.now)
    }

    fn packet_s(&self) -> f64 {
        f64::from(self.plan.packet) / (RATE * (1.0 + self.plan.source_ppm * 1e-6))
    }

    fn device_rate(&self) -> f64 {
        RATE * (1.0 + self.plan.device_ppm * 1e-6)
    }

    pub(super) fn start(&mut self) {
        self.playback.started(self.nanos());
        self.is_on = true;
        self.due = self.now;
        if self.plan.backlog > 0 {
            self.due -= f64::from(self.plan.backlog) * self.packet_s();
            self.send(self.plan.backlog);
        }
    }

    pub(super) fn stop(&mut self) {
        self.playback.stopped(self.nanos());
        self.is_on = false;
        self.coming.clear();
    }

    /// The source makes nothing for so long.
    pub(super) fn stall(&mut self, seconds: f64) {
        self.due += seconds;
    }

    /// What is sent from now on comes after so many seconds, all at once.
    pub(super) fn hold(&mut self, seconds: f64) {
        self.held_until = self.now + seconds;
    }

    /// Packets come that the source's clock knows nothing of.
    pub(super) fn extra(&mut self, packets: u32) {
        let (made, frames) = (self.due, self.plan.packet);
        self.last_arrival = self.last_arrival.max(made);
        for _ in 0..packets {
            let stamp = self.stamp(made);
            self.coming
                .push_back((self.last_arrival, made, stamp, frames));
        }
    }

    /// The device neither plays nor asks for so long.
    pub(super) fn pause(&mut self, seconds: f64) {
        if let Some(due) = &mut self.device_due {
            *due += seconds;
            self.asks_at = *due;
            self.heard.0 += seconds;
        }
    }

    /// The host sleeps, and its clock has gone on when it wakes; packets on their way come then.
    pub(super) fn sleep(&mut self, seconds: f64) {
        self.now += seconds;
        self.due += seconds;
        self.last_arrival += seconds;
        for packet in &mut self.coming {
            packet.0 += seconds;
        }
        self.pause(seconds);
    }

    pub(super) fn lose_device(&mut self) {
        self.playback.detach();
        self.device_due = None;
    }

    /// Sends so many packets together, when the last of them is due.
    pub(super) fn send(&mut self, packets: u32) {
        let made = self.due + f64::from(packets - 1) * self.packet_s();
        for _ in 0..packets {
            let late = self.random.next() * self.plan.jitter_s;
            let arrival = (made + late).max(self.last_arrival).max(self.held_until);
            self.last_arrival = arrival;
            let due = self.due;
            self.coming
                .push_back((arrival, due, self.stamp(made), self.plan.packet));
            self.due += self.packet_s();
        }
    }

    fn stamp(&self, made: f64) -> u32 {
        ((made * (1.0 + self.plan.stamp_ppm * 1e-6) * 1e3).floor() as u64 + 4_294_000_000) as u32
    }

    fn open(&mut self) {
        self.lane = CountedLane::default();
        let timing = DeviceTiming {
            max_period_frames: self.plan.max_period,
        };
        let now = self.nanos();
        self.playback.attach(self.lane.clone(), timing, now);
        let first = self.now + self.plan.opening_s;
        self.device_due = Some(first);
        self.asks_at = first;
        self.playing = self.plan.period;
    }

    fn step(&mut self) {
        match self.playback.tick(self.nanos()).order {
            Order::Open => self.open(),
            Order::Close => self.lose_device(),
            Order::Keep => {}
        }
    }

    fn request(&mut self) -> u64 {
        let due = self.device_due.unwrap_or(self.now);
        let frames = self.plan.period;
        self.longest = self.longest.max(frames);
        let taken = self.lane.0.borrow().consumed;
        let missing = self.lane.0.borrow_mut().request(self.nanos(), frames);
        // While this is filled the one before plays.
        let next = due + f64::from(self.playing) / self.device_rate();
        self.heard = (next, taken);
        self.playing = frames;
        self.device_due = Some(next);
        self.asks_at = next + self.random.next() * self.plan.device_jitter_s;
        missing
    }

    /// Latency less target, in milliseconds, of what would be written now for a packet that was due then.
    fn error_ms(&self, due: f64) -> f64 {
        let lane = self.lane.0.borrow();
        let content = (lane.write as i64 - lane.skipped()) as f64 + DELAY;
        let (heard, taken) = self.heard;
        let played = heard + (content - taken as f64) / self.device_rate();
        let latency = played - due - f64::from(self.longest) / RATE;
        latency * 1e3 - self.playback.status().target_ms
    }

    /// Runs for so many seconds and says what was seen.
    pub(super) fn run(&mut self, seconds: f64) -> Seen {
        let (began, end) = (self.now, self.now + seconds);
        let mut seen = Seen::default();
        self.marks.clear();
        loop {
            if self.is_on && self.coming.is_empty() {
                self.send(self.plan.burst);
            }
            let packet_at = self.coming.front().map_or(f64::INFINITY, |p| p.0);
            let device_at = self.device_due.map_or(f64::INFINITY, |_| self.asks_at);
            let next = packet_at.min(device_at).min(self.now + 0.02);
            if next > end {
                self.now = end;
                return seen;
            }
            self.now = self.now.max(next);
            if device_at <= next {
                seen.missing += self.request();
            } else if packet_at <= next
                && let Some((_, due, stamp, frames)) = self.coming.pop_front()
            {
                self.packet(due, stamp, frames, &mut seen, began);
            }
            self.step();
        }
    }

    fn packet(&mut self, due: f64, time_ms: u32, frames: u32, seen: &mut Seen, began: f64) {
        let before = self.lane.0.borrow().ratio;
        let resyncs = self.playback.status().resyncs;
        self.playback.packet(Packet {
            arrived: self.nanos(),
            time_ms,
            input: Input::counted(frames),
        });
        let status = self.playback.status();
        if self.playback.state() != State::Running {
            seen.bad_until_s = self.now - began;
            return;
        }
        let after = self.lane.0.borrow().ratio;
        let next_due = due + f64::from(frames) / (RATE * (1.0 + self.plan.source_ppm * 1e-6));
        seen.error_ms = self.error_ms(next_due);
        seen.target_ms = status.target_ms;
        if seen.error_ms.abs() > 2.0 {
            seen.bad_until_s = self.now - began;
        }
        seen.worst_error_ms = seen.worst_error_ms.max(seen.error_ms.abs());
        seen.largest_change = seen.largest_change.max((after - 1.0).abs());
        if status.resyncs == resyncs && before > 0.0 {
            let slew = (after - before).abs() * RATE / f64::from(frames);
            seen.largest_slew = seen.largest_slew.max(slew);
        }
        let (input, output) = {
            let lane = self.lane.0.borrow();
            (lane.input, lane.output)
        };
        self.marks.push_back((self.now, input, output));
        while self.marks.len() > 2 && self.marks[1].0 < self.now - 120.0 {
            self.marks.pop_front();
        }
        let (at, from_input, from_output) = self.marks[0];
        if self.now - at >= 120.0 {
            let truth = (1.0 + self.plan.device_ppm * 1e-6) / (1.0 + self.plan.source_ppm * 1e-6);
            let mean = (output - from_output) / (input - from_input);
            seen.ratio_error_ppm = seen.ratio_error_ppm.max((mean / truth - 1.0).abs() * 1e6);
        }
    }

    pub(super) fn underruns(&self) -> u64 {
        self.playback.status().underruns
    }
}
