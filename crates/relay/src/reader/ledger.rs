//! What changed since this reader last consumed a frame.

use picture::{Damage, FrameLayout};

/// Adds up the damage of frames that were seen, until one of them is consumed.
///
/// A frame names what changed since the serial before it (kvmfr.md 4.6). If the reader sees every serial, it can add
/// up; after a gap, a change of layout or a new subscription only "everything" is true.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    consumed: Option<(u32, FrameLayout)>,
    seen: Option<(u32, FrameLayout)>,
    missed: Damage,
}

impl Ledger {
    /// Forgets everything: the next frame is fully damaged.
    pub(super) fn reset(&mut self) {
        self.consumed = None;
        self.seen = None;
    }

    /// Makes the next frame fully damaged, because what was read of this one is in doubt.
    pub(super) fn spoil(&mut self) {
        self.reset();
    }

    /// Tells whether this very frame was consumed last and nothing was seen since: a resent one.
    pub(super) fn is_repeat(&self, serial: u32, layout: &FrameLayout) -> bool {
        self.consumed == Some((serial, *layout)) && self.seen == self.consumed
    }

    /// Takes note of a frame; `damage` is relative to the serial before it.
    pub(super) fn arrive(&mut self, serial: u32, layout: &FrameLayout, damage: &Damage) {
        match self.seen {
            // Seen, but not consumed, and sent again: its damage is already counted.
            Some((seen, old)) if old == *layout && seen == serial => {}
            Some((seen, old)) if old == *layout && seen.wrapping_add(1) == serial => {
                self.missed.merge(damage);
            }
            _ => self.missed = Damage::FULL,
        }
        if self.consumed.is_none_or(|(_, old)| old != *layout) {
            self.missed = Damage::FULL;
        }
        self.seen = Some((serial, *layout));
    }

    /// What changed since the last consumed frame, up to the last one that arrived.
    pub(super) const fn damage(&self) -> &Damage {
        &self.missed
    }

    /// The last frame that arrived was consumed.
    pub(super) fn consume(&mut self) {
        self.consumed = self.seen;
        self.missed = Damage::NONE;
    }
}

#[cfg(test)]
mod tests {
    use picture::{FrameRect, PixelFormat, Size};

    use super::*;

    const A: FrameRect = FrameRect::new(1, 2, 3, 4);
    const B: FrameRect = FrameRect::new(50, 60, 7, 8);

    fn layout(width: u32) -> FrameLayout {
        FrameLayout::packed(PixelFormat::Bgra8, Size::new(width, 100))
    }

    fn damage(rect: FrameRect) -> Damage {
        let mut damage = Damage::NONE;
        damage.add(rect);
        damage
    }

    fn consumed(serial: u32) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.arrive(serial, &layout(100), &damage(A));
        ledger.consume();
        ledger
    }

    #[test]
    fn the_first_frame_is_fully_damaged() {
        let mut ledger = Ledger::default();
        ledger.arrive(7, &layout(100), &damage(A));
        assert!(ledger.damage().is_full());
    }

    #[test]
    fn the_next_serial_has_its_own_damage_only() {
        let mut ledger = consumed(7);
        ledger.arrive(8, &layout(100), &damage(B));
        assert_eq!(ledger.damage().rects(), [B]);
    }

    #[test]
    fn skipped_frames_add_up() {
        let mut ledger = consumed(u32::MAX - 1);
        ledger.arrive(u32::MAX, &layout(100), &damage(A));
        ledger.arrive(0, &layout(100), &damage(B));
        assert_eq!(ledger.damage().rects(), [A, B]);
        ledger.consume();
        ledger.arrive(1, &layout(100), &damage(A));
        assert_eq!(ledger.damage().rects(), [A]);
    }

    #[test]
    fn a_missing_serial_damages_everything() {
        for serial in [9, 6, 1_000] {
            let mut ledger = consumed(7);
            ledger.arrive(serial, &layout(100), &damage(A));
            assert!(ledger.damage().is_full(), "7 then {serial}");
        }
    }

    #[test]
    fn a_change_of_layout_damages_everything_even_if_it_changes_back() {
        let mut ledger = consumed(7);
        ledger.arrive(8, &layout(101), &damage(A));
        assert!(ledger.damage().is_full());
        ledger.arrive(9, &layout(100), &damage(A));
        assert!(ledger.damage().is_full());
    }

    #[test]
    fn a_frame_sent_again_is_a_repeat_only_if_it_was_consumed() {
        let mut ledger = consumed(7);
        assert!(ledger.is_repeat(7, &layout(100)));
        assert!(!ledger.is_repeat(7, &layout(101)));
        ledger.arrive(8, &layout(100), &damage(B));
        assert!(!ledger.is_repeat(8, &layout(100)));
        assert!(!ledger.is_repeat(7, &layout(100)));
        ledger.arrive(8, &layout(100), &damage(B));
        assert_eq!(ledger.damage().rects(), [B]);
    }

    #[test]
    fn a_spoilt_frame_damages_the_next_fully_and_is_no_repeat() {
        let mut ledger = consumed(7);
        ledger.arrive(8, &layout(100), &damage(B));
        ledger.spoil();
        assert!(!ledger.is_repeat(8, &layout(100)));
        ledger.arrive(9, &layout(100), &damage(A));
        assert!(ledger.damage().is_full());
    }
}
