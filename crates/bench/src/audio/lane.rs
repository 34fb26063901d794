//! A lane of positions only: exact counts of what the real ring and resampler would hold, and not one sample.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use audio::{Counters, Input, Lane, Phase, Tick};

use super::world::device::Request;

/// Ticks that are kept for the audio thread, as in the real hand-over.
const TICKS: usize = 16;
/// What the real resampler holds back; a test compares them.
const DELAY_FRAMES: f64 = 33.5;

/// What the lane and the device share.
#[derive(Debug, Default)]
struct Positions {
    write: u64,
    /// Part of a frame that the resampler owes.
    owed: f64,
    /// The ratio that the last packet ended with, if the resampler was not emptied since.
    ratio: Option<f64>,
    read: u64,
    skip: u64,
    capacity: u64,
    consumed: u64,
    phase: Phase,
    has_played: bool,
    is_starving: bool,
    counters: Counters,
    ticks: VecDeque<Tick>,
}

/// The audio thread's side.
#[derive(Debug)]
pub struct PositionLane(Rc<RefCell<Positions>>);

/// The device's side.
#[derive(Clone, Debug)]
pub struct PositionDevice(Rc<RefCell<Positions>>);

/// Makes a lane whose ring holds `capacity` frames.
#[must_use]
pub fn lane(capacity: u64) -> (PositionLane, PositionDevice) {
    let shared = Rc::new(RefCell::new(Positions {
        capacity,
        ..Positions::default()
    }));
    (PositionLane(Rc::clone(&shared)), PositionDevice(shared))
}

impl PositionDevice {
    /// The device asks.
    pub fn request(&self, request: &Request) {
        self.0.borrow_mut().request(request);
    }
}

impl Positions {
    fn request(&mut self, request: &Request) {
        self.read = self.read.max(self.skip);
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
        });
        self.consumed += frames;
        self.read += frames;
        self.counters.pulls += 1;
        self.count(self.read.saturating_sub(self.write.max(position)), frames);
    }

    /// Counts what is missing, as the real callback does.
    fn count(&mut self, missing: u64, frames: u64) {
        match self.phase {
            Phase::Idle => {}
            Phase::Drain => self.counters.is_drained |= missing > 0 || self.read == self.write,
            Phase::Run => {
                self.has_played |= missing < frames;
                let is_starving = missing > 0 && self.has_played;
                if is_starving {
                    self.counters.underruns += u64::from(!self.is_starving);
                    self.counters.silent_frames += missing;
                }
                self.is_starving = is_starving;
            }
        }
    }
}

impl Lane for PositionLane {
    fn write(&mut self, input: Input<'_>, ratio: f64) -> u64 {
        let mut lane = self.0.borrow_mut();
        // The resampler goes evenly from one ratio to the next.
        let mean = f64::midpoint(lane.ratio.unwrap_or(ratio), ratio);
        lane.ratio = Some(ratio);
        let made = lane.owed + f64::from(input.frames) * mean;
        let whole = made.floor().max(0.0);
        lane.owed = made - whole;
        let room = (lane.read + lane.capacity).saturating_sub(lane.write);
        let stored = room.min(whole as u64);
        lane.write += stored;
        stored
    }

    fn position(&self) -> u64 {
        self.0.borrow().write
    }

    fn read_position(&self) -> u64 {
        let lane = self.0.borrow();
        lane.read.max(lane.skip)
    }

    fn jump(&mut self, to: u64) {
        let mut lane = self.0.borrow_mut();
        let most = lane.read + lane.capacity;
        lane.write = lane.write.max(to.min(most));
    }

    fn skip_reader(&mut self, to: u64) {
        let mut lane = self.0.borrow_mut();
        lane.skip = lane.skip.max(to.min(lane.write));
    }

    fn capacity(&self) -> u64 {
        self.0.borrow().capacity
    }

    fn delay_frames(&self) -> f64 {
        DELAY_FRAMES
    }

    fn reset(&mut self) {
        let mut lane = self.0.borrow_mut();
        lane.owed = 0.0;
        lane.ratio = None;
    }

    fn next_tick(&mut self) -> Option<Tick> {
        self.0.borrow_mut().ticks.pop_front()
    }

    fn set_phase(&mut self, phase: Phase) {
        let mut lane = self.0.borrow_mut();
        if phase != lane.phase {
            lane.phase = phase;
            lane.counters.is_drained = false;
            lane.has_played = false;
            lane.is_starving = false;
        }
    }

    fn counters(&self) -> Counters {
        self.0.borrow().counters
    }
}

#[cfg(test)]
mod tests {
    use audio::{Format, SampleLane};
    use clock::Nanos;

    use super::*;
    use crate::random::Random;

    fn request(frames: u32) -> Request {
        Request {
            at: Nanos::ZERO,
            frames,
            heard_ns: 0.0,
        }
    }

    /// One step of both lanes, chosen by chance.
    fn step(random: &mut Random, lane: &mut dyn Lane, ask: &mut dyn FnMut(u32)) {
        let amount = random.below(2_000);
        match random.below(12) {
            0 => lane.jump(lane.position() + amount / 2),
            1 => lane.skip_reader(lane.read_position() + amount / 2),
            2 => lane.set_phase(Phase::Run),
            3 if amount < 300 => lane.set_phase(Phase::Idle),
            4 => lane.reset(),
            5..=7 => {
                let ratio = 1.0 + (amount as f64 - 1_000.0) * 4e-6;
                lane.write(Input::counted(480), ratio);
            }
            _ => ask(amount as u32 % 700 + 1),
        }
    }

    #[test]
    fn the_real_lane_counts_the_same() {
        let format = Format::new(1, 48_000).unwrap();
        let (mut real, mut pull) = SampleLane::new(format, 4_096).unwrap();
        let (mut counted, device) = lane(4_096);
        let (mut one, mut two) = (Random::new(5), Random::new(5));
        for _ in 0..5_000 {
            step(&mut one, &mut real, &mut |frames| {
                pull.pass(frames as usize, Nanos::ZERO);
            });
            step(&mut two, &mut counted, &mut |frames| {
                device.request(&request(frames));
            });
            // A frame or two may come one packet sooner or later out of the real resampler.
            let apart = real.position().abs_diff(counted.position());
            assert!(apart <= 4, "{} {}", real.position(), counted.position());
            assert!(real.read_position().abs_diff(counted.read_position()) <= 4);
            // Both go on from the same place.
            let level = real.position().max(counted.position());
            real.jump(level);
            counted.jump(level);
            let level = real.read_position().max(counted.read_position());
            real.skip_reader(level);
            counted.skip_reader(level);
        }
        assert!((real.delay_frames() - counted.delay_frames()).abs() < 1e-9);
        let (a, b) = (real.counters(), counted.counters());
        assert_eq!(a.pulls, b.pulls);
        assert!(a.underruns > 20, "{a:?}");
        assert!(a.underruns.abs_diff(b.underruns) <= 5, "{a:?} {b:?}");
    }

    #[test]
    fn fractions_of_frames_add_up() {
        let (mut lane, _) = lane(1 << 40);
        for _ in 0..10_000 {
            lane.write(Input::counted(480), 1.000_1);
        }
        assert_eq!(lane.position(), 4_800_480);
    }

    #[test]
    fn what_is_missing_counts_in_run_only_and_once_an_episode() {
        let (mut lane, device) = lane(4_800);
        let missing = |lane: &PositionLane| {
            let before = lane.counters().silent_frames;
            device.request(&request(100));
            lane.counters().silent_frames - before
        };
        assert_eq!(missing(&lane), 0);
        lane.set_phase(Phase::Run);
        lane.write(Input::counted(250), 1.0);
        assert_eq!([0; 3].map(|_: u32| missing(&lane)), [0, 50, 100]);
        let counters = lane.counters();
        assert_eq!((counters.underruns, counters.silent_frames), (1, 150));
        let ticks: Vec<Tick> = std::iter::from_fn(|| lane.next_tick()).collect();
        assert_eq!(ticks.len(), 4);
        assert_eq!((ticks[3].position, ticks[3].consumed), (300, 300));
    }
}
