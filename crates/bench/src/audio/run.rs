//! Runs one scenario: the world's events in their order, until the virtual time is over.

use std::collections::VecDeque;

use clock::Nanos;

use super::judge::{Judge, Verdict};
use super::player::{Beliefs, Placed, Player, Reference, Served};
use super::scenario::Scenario;
use super::world::device::{Device, Request};
use super::world::source::{Message, Packet, Source};
use super::world::{Happening, Schedule, ns};

/// Where streams begin: clocks do not start at nothing.
pub const START: Nanos = Nanos::from_millis(1_000);

/// A point of a plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds since the start.
    pub at_s: f64,
    /// Latency less its target, in milliseconds.
    pub error_ms: f64,
    /// Ratio less one, in millionths.
    pub ratio_ppm: f64,
    /// The target, in milliseconds.
    pub target_ms: f64,
    /// What the algorithm takes for the truth.
    pub beliefs: Beliefs,
}

/// The line on which a device plays, as of its last request.
#[derive(Clone, Copy, Debug)]
struct PlayLine {
    request: Request,
    served: Served,
}

/// A scenario that runs.
struct Run<'a, P> {
    scenario: &'a Scenario,
    schedule: Schedule,
    /// When the host sleeps, from and until.
    sleeps: VecDeque<(Nanos, Nanos)>,
    player: P,
    judge: Judge,
    source: Source,
    device: Option<Device>,
    line: Option<PlayLine>,
    max_period: u32,
    late: MeanLateness,
    trace: Option<Vec<Point>>,
}

/// How late packets are on average.
#[derive(Clone, Copy, Debug, Default)]
struct MeanLateness {
    sum_ns: f64,
    count: f64,
}

impl MeanLateness {
    fn add(&mut self, late_ns: f64) {
        // Of the last quarter of an hour or so: a stall's backlog is forgotten.
        let keep = if self.count > 100_000.0 { 0.99999 } else { 1.0 };
        self.sum_ns = self.sum_ns * keep + late_ns;
        self.count = self.count * keep + 1.0;
    }

    fn mean_ns(self) -> f64 {
        self.sum_ns / self.count.max(1.0)
    }
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome<P> {
    /// How it was.
    pub verdict: Verdict,
    /// What played.
    pub player: P,
    /// Its course, if that was wanted.
    pub trace: Vec<Point>,
}

/// Runs a scenario for `length` of virtual time; a `traced` one notes every packet.
#[must_use]
pub fn run<P: Player>(scenario: &Scenario, player: P, length: Nanos, traced: bool) -> Outcome<P> {
    let schedule = scenario.schedule(START, length);
    let source = &scenario.source;
    let packet_ns = source.packet_ns();
    let true_ratio = scenario.device.crystal.rate_hz / source.crystal.rate_hz;
    let sleep = |&(from, happening): &(Nanos, Happening)| match happening {
        Happening::Suspend(length) => Some((from, from + length)),
        _ => None,
    };
    let mut run = Run {
        sleeps: schedule.iter().filter_map(sleep).collect(),
        judge: Judge::new(START, true_ratio, packet_ns, &schedule),
        source: Source::new(source.clone(), START, &schedule, scenario.seed),
        scenario,
        schedule,
        player,
        device: None,
        line: None,
        max_period: scenario.device.max_period_frames,
        late: MeanLateness::default(),
        trace: traced.then(Vec::new),
    };
    let end = START + length;
    let mut now = START;
    while now < end {
        now = run.step(now);
    }
    Outcome {
        verdict: run.judge.finish(now),
        player: run.player,
        trace: run.trace.unwrap_or_default(),
    }
}

impl<P: Player> Run<'_, P> {
    /// Handles the next event and returns its time.
    fn step(&mut self, now: Nanos) -> Nanos {
        while self.sleeps.front().is_some_and(|&(_, until)| until <= now) {
            self.sleeps.pop_front();
        }
        let packet = self.source.next_at();
        let request = self.device.as_ref().map(|device| device.next().at);
        let deadline = self.player.deadline().map(|at| self.awake(at.max(now)));
        let first = [Some(packet), request, deadline]
            .into_iter()
            .flatten()
            .min();
        let now = first.unwrap_or(packet).max(now);
        if deadline == Some(now) {
            self.player.wake(now);
        } else if request == Some(now) {
            self.ask();
        } else {
            self.hear_source();
        }
        self.judge.breaks(now, self.player.take_breaks());
        self.open_or_close(now);
        now
    }

    /// When a timer that should fire at `at` does: not while the host sleeps.
    fn awake(&self, at: Nanos) -> Nanos {
        match self.sleeps.front() {
            Some(&(from, until)) if from < at && at < until => until,
            _ => at,
        }
    }

    fn ask(&mut self) {
        let Some(device) = &mut self.device else {
            return;
        };
        let request = device.take();
        let served = self.player.request(&request);
        self.max_period = self.max_period.max(request.frames);
        self.line = Some(PlayLine { request, served });
        self.judge.request(request.at, served.missing);
    }

    fn hear_source(&mut self) {
        match self.source.take() {
            (at, Message::Started) => self.player.started(at),
            (at, Message::Stopped) => self.player.stopped(at),
            (at, Message::Packet(packet)) => {
                self.late.add(ns(at) - packet.line_ns);
                let placed = self.player.packet(&packet, at);
                self.judge.breaks(at, self.player.take_breaks());
                self.judge_packet(&packet, placed, at);
            }
        }
    }

    fn judge_packet(&mut self, packet: &Packet, placed: Placed, now: Nanos) {
        let Some(line) = self.line else { return };
        let target_ms = self.player.target_s() * 1e3;
        let error_ms = placed
            .content
            .map(|content| self.latency_ns(&line, packet, content) / 1e6 - target_ms);
        self.judge
            .packet(now, packet.frames, placed.ratio, error_ms, target_ms);
        if let Some(trace) = &mut self.trace {
            trace.push(Point {
                at_s: (now - START).as_secs_f64(),
                error_ms: error_ms.unwrap_or(f64::NAN),
                ratio_ppm: (placed.ratio - 1.0) * 1e6,
                target_ms,
                beliefs: self.player.beliefs(),
            });
        }
    }

    /// From the true time of a packet's coming, were it on time, to that of its first frame's being taken: when it is heard, less
    /// what always lies between the two, the longest period.
    fn latency_ns(&self, line: &PlayLine, packet: &Packet, content: f64) -> f64 {
        let crystal = self.scenario.device.crystal;
        let ahead = content - line.served.position as f64;
        let heard_ns = line.request.heard_ns + crystal.nanos(ahead);
        let behind_ns = crystal.nanos(f64::from(self.max_period));
        let late_ns = match self.player.reference() {
            Reference::Earliest => 0.0,
            Reference::Mean => self.late.mean_ns(),
        };
        heard_ns - behind_ns - packet.line_ns - late_ns
    }

    fn open_or_close(&mut self, now: Nanos) {
        let wants = self.player.wants_device();
        if wants && self.device.is_none() {
            let plan = self.scenario.device.clone();
            let at = now + plan.opens_after;
            self.player.opened(now, plan.max_period_frames);
            let device = Device::open(plan, at, &self.schedule, self.scenario.seed);
            self.device = Some(device);
        } else if !wants && self.device.take().is_some() {
            self.line = None;
            self.player.closed(now);
        }
    }
}

#[cfg(test)]
mod tests;
