//! Sums the fine steps of a wheel to detents.

use spice::inputs::Wheel;

/// What the window counts as one detent.
const DETENT: i32 = 120;
/// Detents that one event may bring; a hand turns no faster.
const MOST: i32 = 32;

/// The part of a detent that the wheel has turned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WheelSum(i32);

impl WheelSum {
    /// Adds 120ths of a detent towards the user, and gives the detents that this fills.
    pub(super) fn add(&mut self, y_120: i32) -> impl Iterator<Item = Wheel> + use<> {
        let y_120 = y_120.clamp(-MOST * DETENT, MOST * DETENT);
        if self.0.signum() * y_120.signum() < 0 {
            // Who turns back wants nothing of the old direction.
            self.0 = 0;
        }
        self.0 += y_120;
        let detents = self.0 / DETENT;
        self.0 %= DETENT;
        let wheel = if detents > 0 { Wheel::Down } else { Wheel::Up };
        (0..detents.abs()).map(move |_| wheel)
    }

    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(steps: &[i32]) -> Vec<Wheel> {
        let mut sum = WheelSum::default();
        steps.iter().flat_map(|step| sum.add(*step)).collect()
    }

    #[test]
    fn whole_steps_are_detents() {
        assert_eq!(turned(&[120]), [Wheel::Down]);
        assert_eq!(turned(&[-240]), [Wheel::Up, Wheel::Up]);
    }

    #[test]
    fn small_steps_add_up() {
        assert_eq!(turned(&[50, 50]), []);
        assert_eq!(turned(&[50, 50, 50, 90]), [Wheel::Down, Wheel::Down]);
        assert_eq!(turned(&[-119, 0, -1]), [Wheel::Up]);
    }

    #[test]
    fn change_of_direction_starts_afresh() {
        assert_eq!(turned(&[110, -110, -9]), []);
        assert_eq!(turned(&[110, -110, -10]), [Wheel::Up]);
    }

    #[test]
    fn absurd_steps_are_bounded() {
        assert_eq!(turned(&[i32::MAX]).len(), 32);
        assert_eq!(turned(&[i32::MIN]).len(), 32);
    }
}
