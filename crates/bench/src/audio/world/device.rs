//! The device: a sound card with two buffers that asks for the next one whenever one begins to play.

use std::collections::VecDeque;

use clock::Nanos;

use super::{Crystal, Happening, Schedule, ns, shown};
use crate::random::Random;

/// How a device asks.
#[derive(Clone, Debug)]
pub struct DevicePlan {
    /// Its clock.
    pub crystal: Crystal,
    /// Frames it asks for at first.
    pub period_frames: u32,
    /// The most that it promises to ask for.
    pub max_period_frames: u32,
    /// A request comes late by anything from nothing to this.
    pub jitter: Nanos,
    /// From the wish to open it to its first request.
    pub opens_after: Nanos,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// When it is made.
    pub at: Nanos,
    /// Frames asked for.
    pub frames: u32,
    /// True time at which the first of them is heard.
    pub heard_ns: f64,
}

/// An open device, as an endless sequence of requests.
#[derive(Clone, Debug)]
pub struct Device {
    plan: DevicePlan,
    schedule: VecDeque<(Nanos, Happening)>,
    random: Random,
    /// When the next request is due, and the frames that begin to play then.
    due_ns: f64,
    playing_frames: u32,
    next: Request,
}

impl Device {
    /// Opens a device that makes its first request at `at`.
    #[must_use]
    pub fn open(plan: DevicePlan, at: Nanos, schedule: &Schedule, seed: u64) -> Self {
        let past = schedule.iter().copied().filter(|&(time, _)| time <= at);
        let period = past.fold(
            plan.period_frames,
            |period, (_, happening)| match happening {
                Happening::Period(frames) => frames,
                _ => period,
            },
        );
        let mut device = Self {
            schedule: schedule.iter().copied().filter(|&(t, _)| t > at).collect(),
            random: Random::new(seed ^ 0x0064_6576_6963_6500),
            due_ns: ns(at),
            playing_frames: period,
            next: Request {
                at,
                frames: 0,
                heard_ns: 0.0,
            },
            plan: DevicePlan {
                period_frames: period,
                ..plan
            },
        };
        device.ask();
        device
    }

    /// The next request.
    #[must_use]
    pub const fn next(&self) -> &Request {
        &self.next
    }

    /// Takes the next request.
    pub fn take(&mut self) -> Request {
        let request = self.next;
        // While this one is filled, the one before it plays; then it is asked again.
        self.due_ns = request.heard_ns;
        self.playing_frames = request.frames;
        self.ask();
        request
    }

    fn ask(&mut self) {
        while let Some(&(at, happening)) = self.schedule.front() {
            if ns(at) > self.due_ns {
                break;
            }
            self.schedule.pop_front();
            match happening {
                Happening::Pause(length) | Happening::Suspend(length) => {
                    self.due_ns += ns(length);
                }
                Happening::Period(frames) => self.plan.period_frames = frames.max(1),
                _ => {}
            }
        }
        let playing_ns = self.plan.crystal.nanos(f64::from(self.playing_frames));
        // A thread that comes later than the buffer lasts would be the device's own underrun.
        let most = ns(self.plan.jitter).min(playing_ns / 2.0).max(0.0) as u64;
        let late_ns = self.random.below(most) as f64;
        let heard_ns = self.due_ns + playing_ns;
        let at = shown(self.due_ns + late_ns);
        self.next = Request {
            at,
            frames: self.plan.period_frames,
            heard_ns,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> DevicePlan {
        DevicePlan {
            crystal: Crystal::new(48_000, 0.0),
            period_frames: 480,
            max_period_frames: 960,
            jitter: Nanos::ZERO,
            opens_after: Nanos::ZERO,
        }
    }

    fn requests(plan: DevicePlan, schedule: &Schedule, count: usize) -> Vec<Request> {
        let mut device = Device::open(plan, Nanos::ZERO, schedule, 1);
        (0..count).map(|_| device.take()).collect()
    }

    #[test]
    fn what_is_asked_for_is_heard_without_a_gap() {
        let schedule = vec![
            (Nanos::from_millis(101), Happening::Period(960)),
            (Nanos::from_millis(301), Happening::Period(128)),
        ];
        let made = requests(plan(), &schedule, 200);
        for pair in made.windows(2) {
            let lasts = f64::from(pair[0].frames) * 1e9 / 48_000.0;
            assert!((pair[1].heard_ns - pair[0].heard_ns - lasts).abs() < 1e-3);
            assert_eq!(pair[1].at, shown(pair[0].heard_ns));
        }
        assert!(made.iter().any(|r| r.frames == 960) && made[199].frames == 128);
    }

    #[test]
    fn the_request_after_a_change_comes_when_the_old_buffer_ends() {
        let schedule = vec![(Nanos::from_millis(25), Happening::Period(960))];
        let at: Vec<i64> = requests(plan(), &schedule, 7)
            .iter()
            .map(|r| r.at.as_millis())
            .collect();
        assert_eq!(at, [0, 10, 20, 30, 40, 60, 80]);
    }

    #[test]
    fn a_slow_crystal_asks_later_and_late_callbacks_do_not_add_up() {
        let plan = DevicePlan {
            crystal: Crystal::new(48_000, -500.0),
            jitter: Nanos::from_millis(4),
            ..plan()
        };
        let made = requests(plan, &Vec::new(), 100_001);
        let line = |i: f64| i * 1e10 / (1e3 * (1.0 - 500e-6));
        for (i, request) in (0_i32..).zip(&made) {
            let late = ns(request.at) - line(f64::from(i));
            assert!((-1.0..4e6).contains(&late), "{late}");
        }
        assert!((made[100_000].heard_ns - line(100_001.0)).abs() < 1e3);
    }

    #[test]
    fn a_pause_moves_everything_after_it() {
        let schedule = vec![(
            Nanos::from_millis(95),
            Happening::Pause(Nanos::from_millis(300)),
        )];
        let made = requests(plan(), &schedule, 12);
        assert_eq!(made[9].at.as_millis(), 90);
        assert_eq!(made[10].at.as_millis(), 400);
    }
}
