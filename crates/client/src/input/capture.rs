//! The pointer in capture: whose it is, and how its pushes become the guest's motion.

use clock::Nanos;
use picture::Rotation;
use spice::Command;

use super::place;
use super::preferences::{Preferences, SENSITIVITY};

/// Who has the local pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Capture {
    /// The user's desktop.
    #[default]
    Off,
    /// The display server was asked, and has not answered yet.
    Asked,
    /// The guest.
    On,
    /// The guest still, until the display server says that it is over.
    Ending,
}

/// Pushes below this on both axes are smoothed, in logical units.
const SMALL: f64 = 5.0;
/// The second half of a small push follows at the latest after this.
const SMOOTHING: Nanos = Nanos::from_millis(20);
/// No hand pushes further at once.
const MOST: f64 = 1e5;

/// Makes motion of pushes.
///
/// A push counts `1 + sensitivity / 10` times, so 0.1 times at -9 and 1.9 times at 9. Smoothing averages a small push with
/// the one before: half of it goes now and half with the next one, or soon by itself, so that the way as a whole is kept.
/// Fractions of pixels are kept exactly, as tenths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pushes {
    sensitivity: i32,
    is_smooth: bool,
    is_raw: bool,
    /// Tenths of pixels of the guest that were not sent.
    tenths: (f64, f64),
    /// Halves that go with the next push.
    late: (f64, f64),
    deadline: Option<Nanos>,
}

impl Pushes {
    pub(super) fn new(preferences: &Preferences) -> Self {
        let mut pushes = Self {
            sensitivity: 0,
            is_smooth: preferences.smoothing && !preferences.raw,
            is_raw: preferences.raw,
            tenths: (0.0, 0.0),
            late: (0.0, 0.0),
            deadline: None,
        };
        pushes.set_sensitivity(preferences.sensitivity);
        pushes.reset();
        pushes
    }

    /// A new capture begins.
    pub(super) fn reset(&mut self) {
        // The middle of a pixel: the smallest way to and fro moves nothing.
        self.tenths = (5.0, 5.0);
        self.late = (0.0, 0.0);
        self.deadline = None;
    }

    pub(super) fn sensitivity(&self) -> i32 {
        self.sensitivity
    }

    pub(super) fn set_sensitivity(&mut self, sensitivity: i32) {
        self.sensitivity = sensitivity.clamp(*SENSITIVITY.start(), *SENSITIVITY.end());
    }

    /// Takes one push, accelerated by the user's desktop and raw, and gives the motion that it makes.
    pub(super) fn push(
        &mut self,
        accelerated: (f64, f64),
        raw: (f64, f64),
        turn: Rotation,
        now: Nanos,
    ) -> Option<Command> {
        let (dx, dy) = if self.is_raw { raw } else { accelerated };
        let (dx, dy) = (sane(dx), sane(dy));
        let late = self.late;
        let is_small = self.is_smooth && dx.abs() < SMALL && dy.abs() < SMALL;
        let (part, rest) = if is_small { (0.5, 0.5) } else { (1.0, 0.0) };
        self.late = (dx * rest, dy * rest);
        self.deadline = is_small.then(|| now + SMOOTHING);
        self.motion((dx * part + late.0, dy * part + late.1), turn)
    }

    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.deadline
    }

    /// Gives what smoothing has kept back.
    pub(super) fn flush(&mut self, turn: Rotation) -> Option<Command> {
        self.deadline = None;
        let late = std::mem::take(&mut self.late);
        self.motion(late, turn)
    }

    fn motion(&mut self, way: (f64, f64), turn: Rotation) -> Option<Command> {
        let (dx, dy) = place::turned_back(turn, way);
        let factor = f64::from(10 + self.sensitivity);
        let x = step(&mut self.tenths.0, dx * factor);
        let y = step(&mut self.tenths.1, dy * factor);
        (x != 0 || y != 0).then_some(Command::Motion { dx: x, dy: y })
    }
}

fn sane(push: f64) -> f64 {
    if push.is_finite() {
        push.clamp(-MOST, MOST)
    } else {
        0.0
    }
}

/// Adds tenths, and takes the whole pixels out.
fn step(tenths: &mut f64, more: f64) -> i32 {
    *tenths += more;
    let whole = place::whole(*tenths / 10.0);
    *tenths -= f64::from(whole) * 10.0;
    whole
}

#[cfg(test)]
mod tests;
