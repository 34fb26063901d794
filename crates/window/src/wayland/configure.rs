//! What the compositor asked for and what has been answered: the state machine, without the compositor.

use std::collections::VecDeque;

use picture::Size;

use crate::geometry::Scale;

/// Most unanswered configure events that are remembered; answering a later one answers those before it.
const MAX_PENDING: usize = 32;

/// How large the window shall be, and how dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Size in logical units.
    pub(crate) logical: Size,
    /// Pixels per unit.
    pub(crate) scale: Scale,
}

impl Target {
    /// The buffer that meets it.
    pub(crate) fn buffer(&self) -> Size {
        self.scale.buffer_size(self.logical)
    }
}

/// What to tell the compositor right before a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The configure event to acknowledge.
    pub(crate) serial: Option<u32>,
    /// What the buffer meets, if that is new.
    pub(crate) target: Option<Target>,
    /// The buffer fits no whole scale: it has to be shown at scale 1 until the right one comes.
    pub(crate) unscaled: bool,
}

/// A wish that no buffer has met yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// The configure event that made it; none if the scale or the program did.
    serial: Option<u32>,
    target: Target,
}

/// Keeps wishes and commits together.
#[derive(Clone, Debug)]
pub(crate) struct Tracker {
    pending: VecDeque<Pending>,
    newest: Target,
    applied: Option<Target>,
    has_answered: bool,
}

impl Tracker {
    /// Starts with what the program wants.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            pending: VecDeque::with_capacity(MAX_PENDING),
            newest: target,
            applied: None,
            has_answered: false,
        }
    }

    /// The newest wish.
    pub(crate) const fn target(&self) -> Target {
        self.newest
    }

    /// The logical size on screen.
    pub(crate) fn applied_size(&self) -> Option<Size> {
        self.applied.map(|target| target.logical)
    }

    /// Tells whether what is on screen meets the newest wish, so that nothing needs a commit.
    pub(crate) fn is_met(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes a configure event. It is answered by a commit even if the size stays: only a commit brings its states into
    /// force, and weston loses the next change of state if an acknowledgement comes without one.
    pub(crate) fn configured(&mut self, serial: u32, logical: Size) {
        let target = Target {
            logical,
            ..self.newest
        };
        self.push(Some(serial), target);
    }

    /// Takes a scale that the compositor prefers now.
    pub(crate) fn rescaled(&mut self, scale: Scale) {
        let target = Target {
            scale,
            ..self.newest
        };
        if target != self.newest {
            self.push(None, target);
        }
    }

    /// Takes a size that the program wants.
    pub(crate) fn resized(&mut self, logical: Size) {
        let target = Target {
            logical,
            ..self.newest
        };
        if target != self.newest {
            self.push(None, target);
        }
    }

    /// Remembers a wish.
    fn push(&mut self, serial: Option<u32>, target: Target) {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
        }
        self.newest = target;
        self.pending.push_back(Pending { serial, target });
    }

    /// Finds out what a commit of a buffer of `size` answers: the newest wish that it meets and all before that.
    #[must_use]
    pub(crate) fn commit(&mut self, size: Size) -> Answer {
        let met = self.pending.iter().rposition(|p| p.target.buffer() == size);
        let Some(met) = met else {
            return self.unmet(size);
        };
        let mut serial = None;
        let mut target = None;
        for pending in self.pending.drain(..=met) {
            serial = pending.serial.or(serial);
            target = Some(pending.target);
        }
        let target = target.filter(|t| self.applied != Some(*t));
        self.applied = target.or(self.applied);
        self.has_answered |= serial.is_some();
        Answer {
            serial,
            target,
            unscaled: false,
        }
    }

    /// A buffer that meets no wish keeps the old state, unless that would be a protocol error.
    fn unmet(&mut self, size: Size) -> Answer {
        let unscaled = match self.applied.map(|t| t.scale) {
            Some(Scale::Whole(n)) if n > 1 => {
                !(size.width.is_multiple_of(n) && size.height.is_multiple_of(n))
            }
            _ => false,
        };
        if unscaled {
            self.applied = Some(Target {
                logical: size,
                scale: Scale::Whole(1),
            });
        }
        // The first commit must answer the first configure event, whatever its size is.
        let first = self.pending.front().filter(|_| !self.has_answered);
        let serial = first.and_then(|p| p.serial);
        if serial.is_some() {
            self.has_answered = true;
            self.pending.pop_front();
        }
        Answer {
            serial,
            target: None,
            unscaled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Size = Size::new(640, 480);
    const LARGE: Size = Size::new(800, 600);

    fn tracker() -> Tracker {
        Tracker::new(Target {
            logical: SMALL,
            scale: Scale::Whole(1),
        })
    }

    #[test]
    fn a_configure_is_acknowledged_by_the_commit_of_its_size_only() {
        let mut t = tracker();
        t.configured(1, SMALL);
        assert_eq!(t.commit(SMALL).serial, Some(1));
        t.configured(2, LARGE);
        // The render thread is late and still commits the old size.
        assert_eq!(t.commit(SMALL).serial, None);
        let answer = t.commit(LARGE);
        assert_eq!(answer.serial, Some(2));
        assert_eq!(answer.target.map(|t| t.logical), Some(LARGE));
    }

    #[test]
    fn the_newest_of_equal_sizes_is_acknowledged_once() {
        let mut t = tracker();
        for serial in 1..=3 {
            t.configured(serial, SMALL);
        }
        assert_eq!(t.commit(SMALL).serial, Some(3));
        assert_eq!(t.commit(SMALL).serial, None);
    }

    #[test]
    fn a_size_in_the_middle_answers_those_before_it_and_leaves_the_later_ones() {
        let mut t = tracker();
        t.configured(1, SMALL);
        t.configured(2, LARGE);
        t.configured(3, Size::new(900, 700));
        assert_eq!(t.commit(LARGE).serial, Some(2));
        assert_eq!(t.commit(SMALL).serial, None);
        assert_eq!(t.commit(Size::new(900, 700)).serial, Some(3));
    }

    #[test]
    fn a_configure_of_the_size_on_screen_waits_for_a_commit_too() {
        let mut t = tracker();
        t.configured(1, SMALL);
        assert_eq!(t.commit(SMALL).serial, Some(1));
        assert!(t.is_met());
        t.configured(2, SMALL);
        assert!(!t.is_met());
        let answer = t.commit(SMALL);
        assert_eq!((answer.serial, answer.target), (Some(2), None));
    }

    #[test]
    fn a_new_scale_waits_for_its_buffer_too() {
        let mut t = tracker();
        t.configured(1, SMALL);
        let _ = t.commit(SMALL);
        t.rescaled(Scale::Per120(180));
        assert_eq!(t.target().buffer(), Size::new(960, 720));
        assert_eq!(t.commit(SMALL).target, None);
        let answer = t.commit(Size::new(960, 720));
        assert_eq!(answer.serial, None);
        assert_eq!(answer.target.map(|t| t.scale), Some(Scale::Per120(180)));
    }

    #[test]
    fn an_odd_buffer_is_not_committed_at_scale_two() {
        let mut t = tracker();
        t.rescaled(Scale::Whole(2));
        t.configured(1, SMALL);
        let _ = t.commit(Size::new(1280, 960));
        assert!(!t.commit(Size::new(1280, 960)).unscaled);
        assert!(t.commit(Size::new(641, 480)).unscaled);
        // The right size afterwards has to set the scale again.
        t.configured(2, SMALL);
        assert_eq!(t.commit(Size::new(1280, 960)).target, Some(t.target()));
    }

    #[test]
    fn the_first_commit_answers_the_first_configure_whatever_its_size() {
        let mut t = tracker();
        t.configured(1, LARGE);
        t.configured(2, SMALL);
        assert_eq!(t.commit(Size::new(5, 5)).serial, Some(1));
        assert_eq!(t.commit(Size::new(5, 5)).serial, None);
        assert_eq!(t.commit(SMALL).serial, Some(2));
    }

    #[test]
    fn unanswered_wishes_are_bounded() {
        let mut t = tracker();
        for serial in 0..10_000 {
            t.configured(serial, Size::new(serial + 1, 1));
        }
        assert!(t.pending.len() <= MAX_PENDING);
        assert_eq!(t.commit(Size::new(10_000, 1)).serial, Some(9_999));
    }
}
