//! A lane of positions only: exact counts of what the real ring and resampler would hold, and not one sample.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use audio::{Counters, Input, Lane, Phase, Tick};

use super::player::{Breaks, Served};
use super::world::device::Request;

/// Ticks that are kept for the audio thread, as in the real hand-over.
const TICKS: usize = 16;

/// What the lane and the device share.
#[derive(Debug, Default)]
struct Positions {
    write: u64,
    /// Part of a frame that the resampler owes.
    owed: f64,
    read: u64,
    skip_to: u64,
    capacity: u64,
    delay_frames: f64,
    consumed: u64,
    phase: Phase,
    counters: Counters,
    is_starving: bool,
    ticks: VecDeque<Tick>,
    /// Silence between sound that nobody has read yet.
    gaps: VecDeque<(u64, u64)>,
    written: Written,
    breaks: Breaks,
}

/// What was written since the last question.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    /// Input frames.
    pub frames: u32,
    /// Position at which the last one will be heard, with fractions.
    pub end: f64,
    /// The ratio that was applied last.
    pub ratio: f64,
}

/// The audio thread's side.
#[derive(Debug)]
pub struct PositionLane(Rc<RefCell<Positions>>);

/// The device's side, and what the world wants to know.
#[derive(Clone, Debug)]
pub struct PositionDevice(Rc<RefCell<Positions>>);

/// Makes a lane whose ring holds `capacity` frames and whose resampler delays by `delay_frames`.
#[must_use]
pub fn lane(capacity: u64, delay_frames: f64) -> (PositionLane, PositionDevice) {
    let shared = Rc::new(RefCell::new(Positions {
        capacity,
        delay_frames,
        ..Positions::default()
    }));
    (PositionLane(Rc::clone(&shared)), PositionDevice(shared))
}

impl Positions {
    /// Applies a skip, and counts the sound that it passes over.
    fn skip(&mut self) {
        if self.skip_to <= self.read {
            return;
        }
        let end = self.skip_to.min(self.write);
        let silent: u64 = self
            .gaps
            .iter()
            .map(|&(from, to)| to.min(end).saturating_sub(from.max(self.read)))
            .sum();
        self.breaks.lost_frames += end.saturating_sub(self.read).saturating_sub(silent);
        self.read = self.skip_to;
    }

    fn request(&mut self, request: &Request) -> Served {
        self.skip();
        let position = self.read;
        let frames = u64::from(request.frames);
        if self.ticks.len() == TICKS {
            self.ticks.pop_front();
        }
        self.ticks.push_back(Tick {
            at: request.at,
            frames: request.frames,
            consumed: self.consumed,
            position,
            delay_frames: request.delay_frames,
        });
        self.consumed += frames;
        self.read += frames;
        self.counters.pulls += 1;
        let missing = self.read.saturating_sub(self.write.max(position));
        self.gaps.retain(|&(_, to)| to > self.read);
        if self.phase == Phase::Drain && missing > 0 {
            self.counters.is_drained = true;
        }
        let is_starving = self.phase == Phase::Run && missing > 0;
        if is_starving {
            self.counters.underruns += u64::from(!self.is_starving);
            self.counters.silent_frames += missing;
        }
        self.is_starving = is_starving;
        let missing = if is_starving { missing } else { 0 };
        Served {
            position,
            // No request is longer than its own frames.
            missing: missing as u32,
        }
    }
}

impl PositionDevice {
    /// The device asks.
    pub fn request(&self, request: &Request) -> Served {
        self.0.borrow_mut().request(request)
    }

    /// What was written since the last question.
    pub fn take_written(&self) -> Written {
        std::mem::take(&mut self.0.borrow_mut().written)
    }

    /// What was broken since the last question.
    pub fn take_breaks(&self) -> Breaks {
        std::mem::take(&mut self.0.borrow_mut().breaks)
    }
}

impl Lane for PositionLane {
    fn write(&mut self, input: Input<'_>, ratio: f64) -> u64 {
        let mut lane = self.0.borrow_mut();
        let made = lane.owed + f64::from(input.frames) * ratio;
        let whole = made.floor().max(0.0);
        lane.owed = made - whole;
        let whole = whole as u64;
        let used = lane.write.saturating_sub(lane.read);
        let stored = whole.min(lane.capacity.saturating_sub(used));
        lane.write += stored;
        lane.breaks.lost_frames += whole - stored;
        lane.written.frames += input.frames;
        lane.written.end = lane.write as f64 + lane.owed + lane.delay_frames;
        lane.written.ratio = ratio;
        stored
    }

    fn position(&self) -> u64 {
        self.0.borrow().write
    }

    fn read_position(&self) -> u64 {
        let lane = self.0.borrow();
        lane.read.max(lane.skip_to)
    }

    fn jump(&mut self, to: u64) {
        let mut lane = self.0.borrow_mut();
        if to <= lane.write {
            return;
        }
        let from = lane.write.max(lane.read);
        if lane.phase == Phase::Run {
            lane.breaks.silent_frames += to.saturating_sub(from);
        }
        let gap = (lane.write, to);
        lane.gaps.push_back(gap);
        lane.write = to;
    }

    fn skip_reader(&mut self, to: u64) {
        let mut lane = self.0.borrow_mut();
        lane.skip_to = lane.skip_to.max(to);
    }

    fn capacity(&self) -> u64 {
        self.0.borrow().capacity
    }

    fn delay_frames(&self) -> f64 {
        self.0.borrow().delay_frames
    }

    fn reset(&mut self) {
        self.0.borrow_mut().owed = 0.0;
    }

    fn next_tick(&mut self) -> Option<Tick> {
        self.0.borrow_mut().ticks.pop_front()
    }

    fn set_phase(&mut self, phase: Phase) {
        let mut lane = self.0.borrow_mut();
        lane.phase = phase;
        lane.counters.is_drained = false;
    }

    fn counters(&self) -> Counters {
        self.0.borrow().counters
    }
}

#[cfg(test)]
mod tests {
    use clock::Nanos;

    use super::*;

    fn ask(device: &PositionDevice, frames: u32) -> Served {
        device.request(&Request {
            at: Nanos::ZERO,
            frames,
            heard_ns: 0.0,
            delay_frames: None,
        })
    }

    #[test]
    fn fractions_of_frames_add_up() {
        let (mut lane, device) = lane(1 << 40, 10.0);
        for _ in 0..10_000 {
            lane.write(Input::counted(480), 1.000_1);
        }
        assert_eq!(lane.position(), 4_800_480);
        let written = device.take_written();
        assert_eq!(written.frames, 4_800_000);
        assert!((written.end - 4_800_490.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_missing_counts_in_run_only_and_once_an_episode() {
        let (mut lane, device) = lane(4_800, 0.0);
        assert_eq!(ask(&device, 100).missing, 0);
        lane.set_phase(Phase::Run);
        lane.write(Input::counted(250), 1.0);
        assert_eq!(ask(&device, 100).missing, 0);
        assert_eq!(ask(&device, 100).missing, 50);
        assert_eq!(ask(&device, 100).missing, 100);
        assert_eq!(lane.counters().underruns, 1);
        assert_eq!(lane.counters().silent_frames, 150);
        let ticks: Vec<Tick> = std::iter::from_fn(|| lane.next_tick()).collect();
        assert_eq!(ticks.len(), 4);
        assert_eq!((ticks[3].position, ticks[3].consumed), (300, 300));
    }

    #[test]
    fn a_skip_loses_what_it_passes_over_but_not_silence() {
        let (mut lane, device) = lane(4_800, 0.0);
        lane.set_phase(Phase::Run);
        lane.write(Input::counted(100), 1.0);
        lane.jump(300);
        assert_eq!(device.take_breaks().silent_frames, 200);
        lane.write(Input::counted(100), 1.0);
        lane.skip_reader(350);
        assert_eq!(lane.read_position(), 350);
        let served = ask(&device, 50);
        assert_eq!((served.position, served.missing), (350, 0));
        assert_eq!(device.take_breaks().lost_frames, 150);
        lane.next_tick();
        ask(&device, 10);
        let tick = lane.next_tick().unwrap();
        assert_eq!((tick.position, tick.consumed), (400, 50));
    }

    #[test]
    fn a_full_ring_refuses() {
        let (mut lane, device) = lane(500, 0.0);
        assert_eq!(lane.write(Input::counted(400), 1.0), 400);
        assert_eq!(lane.write(Input::counted(400), 1.0), 100);
        assert_eq!(device.take_breaks().lost_frames, 300);
    }
}
