//! Looks over a lane's shoulder: where sound went, and what of it was lost.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use audio::{Counters, Input, Lane, Phase, Tick};

use super::player::Breaks;

/// What was written since the last question.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    /// Input frames.
    pub frames: u32,
    /// Position at which the next one will be heard, with fractions and the resampler's delay.
    pub end: f64,
    /// The ratio that was asked for last.
    pub ratio: f64,
}

/// What a probe has seen; clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Log(Rc<Cell<(Written, Breaks)>>);

impl Log {
    /// What was written since the last question.
    #[must_use]
    pub fn take_written(&self) -> Written {
        let (written, breaks) = self.0.get();
        self.0.set((Written::default(), breaks));
        written
    }

    /// What was broken since the last question.
    #[must_use]
    pub fn take_breaks(&self) -> Breaks {
        let (written, breaks) = self.0.get();
        self.0.set((written, Breaks::default()));
        breaks
    }

    fn note(&self, change: impl FnOnce(&mut Breaks)) {
        let (written, mut breaks) = self.0.get();
        change(&mut breaks);
        self.0.set((written, breaks));
    }
}

/// A lane that is watched.
#[derive(Debug)]
pub struct Probed<L> {
    lane: L,
    log: Log,
    phase: Phase,
    /// What the resampler still owes, if it does as it says.
    owed: f64,
    last_ratio: Option<f64>,
    /// Silence between sound that nobody has read yet.
    gaps: VecDeque<(u64, u64)>,
}

impl<L: Lane> Probed<L> {
    /// Watches `lane`.
    #[must_use]
    pub fn new(lane: L) -> (Self, Log) {
        let log = Log::default();
        let probed = Self {
            lane,
            log: log.clone(),
            phase: Phase::Idle,
            owed: 0.0,
            last_ratio: None,
            gaps: VecDeque::new(),
        };
        (probed, log)
    }
}

impl<L: Lane> Lane for Probed<L> {
    fn write(&mut self, input: Input<'_>, ratio: f64) -> u64 {
        let mean = f64::midpoint(self.last_ratio.unwrap_or(ratio), ratio);
        self.last_ratio = Some(ratio);
        let made = f64::from(input.frames) * mean + self.owed;
        let stored = self.lane.write(input, ratio);
        self.owed = made - stored as f64;
        // The resampler may make a frame sooner or later than it should; more is the ring's refusal.
        if self.owed >= 2.0 {
            let lost = self.owed as u64;
            self.log.note(|breaks| breaks.lost_frames += lost);
            self.owed = 0.0;
        }
        let (mut written, breaks) = self.log.0.get();
        written.frames += input.frames;
        // On average half a frame is owed, which the resampler's delay has in it.
        written.end = self.lane.position() as f64 + self.owed - 0.5 + self.lane.delay_frames();
        written.ratio = ratio;
        self.log.0.set((written, breaks));
        stored
    }

    fn position(&self) -> u64 {
        self.lane.position()
    }

    fn read_position(&self) -> u64 {
        self.lane.read_position()
    }

    fn jump(&mut self, to: u64) {
        let (write, read) = (self.position(), self.read_position());
        self.lane.jump(to);
        let to = self.position();
        if to > write {
            self.gaps.retain(|&(_, end)| end > read);
            self.gaps.push_back((write, to));
            let is_heard = self.phase == Phase::Run;
            let silent = to.saturating_sub(write.max(read));
            self.log.note(|breaks| {
                breaks.begins_anew = true;
                breaks.silent_frames += if is_heard { silent } else { 0 };
            });
        }
    }

    fn skip_reader(&mut self, to: u64) {
        let before = self.read_position();
        self.lane.skip_reader(to);
        let after = self.read_position();
        let inside = |&(from, to): &(u64, u64)| to.min(after).saturating_sub(from.max(before));
        let silent: u64 = self.gaps.iter().map(inside).sum();
        let is_heard = self.phase == Phase::Run;
        let lost = (after - before).saturating_sub(silent);
        self.log.note(|breaks| {
            breaks.begins_anew |= after > before;
            breaks.lost_frames += if is_heard { lost } else { 0 };
        });
    }

    fn capacity(&self) -> u64 {
        self.lane.capacity()
    }

    fn delay_frames(&self) -> f64 {
        self.lane.delay_frames()
    }

    fn reset(&mut self) {
        self.lane.reset();
        self.log.note(|breaks| breaks.begins_anew = true);
        self.owed = 0.0;
        self.last_ratio = None;
    }

    fn next_tick(&mut self) -> Option<Tick> {
        self.lane.next_tick()
    }

    fn set_phase(&mut self, phase: Phase) {
        self.lane.set_phase(phase);
        self.phase = phase;
    }

    fn counters(&self) -> Counters {
        self.lane.counters()
    }
}

#[cfg(test)]
mod tests {
    use super::super::lane::lane;
    use super::*;

    #[test]
    fn a_skip_loses_what_it_passes_over_but_not_silence() {
        let (lane, _device) = lane(4_800);
        let (mut lane, log) = Probed::new(lane);
        lane.set_phase(Phase::Run);
        lane.write(Input::counted(100), 1.0);
        lane.jump(300);
        assert_eq!(log.take_breaks().silent_frames, 200);
        lane.write(Input::counted(100), 1.0);
        lane.skip_reader(350);
        assert_eq!(lane.read_position(), 350);
        let breaks = log.take_breaks();
        assert_eq!((breaks.lost_frames, breaks.begins_anew), (150, true));
        assert_eq!(log.take_breaks(), Breaks::default());
    }

    #[test]
    fn what_the_ring_refuses_is_lost() {
        let (lane, _device) = lane(500);
        let (mut lane, log) = Probed::new(lane);
        assert_eq!(lane.write(Input::counted(400), 1.0), 400);
        assert_eq!(log.take_breaks(), Breaks::default());
        assert_eq!(lane.write(Input::counted(400), 1.0), 100);
        assert_eq!(log.take_breaks().lost_frames, 300);
    }

    #[test]
    fn the_place_of_a_frame_has_fractions_and_the_delay() {
        let (lane, _device) = lane(1 << 30);
        let (mut lane, log) = Probed::new(lane);
        for _ in 0..1_000 {
            lane.write(Input::counted(480), 1.000_01);
        }
        let written = log.take_written();
        assert_eq!((written.frames, written.ratio), (480_000, 1.000_01));
        assert!((written.end - 480_004.8 - 33.0).abs() < 1e-3, "{written:?}");
    }
}
