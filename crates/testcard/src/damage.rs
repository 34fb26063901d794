//! What a test source tells about what changed (`test:damage`).

use picture::{Damage, FrameRect, Size};

/// How the change is told, or what changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DamageMode {
    /// One region moves, and exactly what changed is told.
    #[default]
    Moving,
    /// The whole picture changes every time.
    Full,
    /// As moving, told as rectangles that overlap.
    Overlap,
    /// 63 separate regions change, with the stamp as many rectangles as a frame can carry.
    Max,
    /// As moving, with rectangles outside the picture among the true ones.
    Invalid,
    /// As moving, but no rectangles are told: everything counts as changed.
    Null,
    /// As moving, with rectangles without pixels among the true ones.
    Zero,
}

impl DamageMode {
    /// All modes, in the order of the option table.
    pub const ALL: [Self; 7] = [
        Self::Moving,
        Self::Full,
        Self::Overlap,
        Self::Max,
        Self::Invalid,
        Self::Null,
        Self::Zero,
    ];

    /// The mode's name as an option value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Full => "full",
            Self::Overlap => "overlap",
            Self::Max => "max",
            Self::Invalid => "invalid",
            Self::Null => "null",
            Self::Zero => "zero",
        }
    }

    /// The mode of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Tells whether what goes on the wire are [`Self::raw_rects`]: rectangles that no sane source would tell.
    #[must_use]
    pub const fn is_raw(self) -> bool {
        matches!(self, Self::Overlap | Self::Invalid | Self::Zero)
    }

    /// The rectangles that go on the wire for what `changed` in a picture of `size`; none stand for everything.
    ///
    /// They may overlap, be empty, or lie outside, but cover what changed.
    #[must_use]
    pub fn raw_rects(self, changed: &Damage, size: Size) -> Vec<FrameRect> {
        if changed.is_full() || matches!(self, Self::Full | Self::Null) {
            return Vec::new();
        }
        let mut rects = changed.rects().to_vec();
        match self {
            Self::Overlap => {
                for i in 0..rects.len().min(20) {
                    let FrameRect {
                        x,
                        y,
                        width,
                        height,
                    } = rects[i];
                    let (w, h) = (width.div_ceil(2) + 8, height.div_ceil(2) + 8);
                    rects.push(FrameRect::new(x.saturating_sub(8), y, w, h).clamped(size));
                    rects.push(FrameRect::new(x, y.saturating_sub(8), w, h).clamped(size));
                }
            }
            Self::Invalid => {
                rects.push(FrameRect::new(size.width, size.height, 16, 16));
                rects.push(FrameRect::new(size.width.saturating_sub(4), 0, 64, 4));
                rects.push(FrameRect::new(u32::MAX, u32::MAX, u32::MAX, u32::MAX));
            }
            Self::Zero => {
                rects.insert(0, FrameRect::default());
                rects.push(FrameRect::new(5, 5, 0, 10));
                rects.push(FrameRect::new(5, 5, 10, 0));
            }
            Self::Moving | Self::Full | Self::Max | Self::Null => {}
        }
        rects.truncate(picture::damage::MAX_RECTS);
        rects
    }

    /// What is told for what `changed` in a picture of `size`; always covers it.
    #[must_use]
    pub fn told(self, changed: &Damage, size: Size) -> Damage {
        match self {
            _ if changed.is_full() => return Damage::FULL,
            Self::Full | Self::Null => return Damage::FULL,
            Self::Moving | Self::Max => return changed.clone(),
            Self::Overlap | Self::Invalid | Self::Zero => {}
        }
        let rects = self.raw_rects(changed, size);
        let mut damage = Damage::NONE;
        rects.into_iter().for_each(|rect| damage.add(rect));
        damage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(100, 80);

    fn changed() -> Damage {
        let mut damage = Damage::NONE;
        damage.add(FrameRect::new(10, 10, 20, 20));
        damage.add(FrameRect::new(60, 50, 10, 10));
        damage
    }

    #[test]
    fn names_lead_back_to_their_modes() {
        for mode in DamageMode::ALL {
            assert_eq!(DamageMode::from_name(mode.name()), Some(mode));
        }
        assert_eq!(DamageMode::from_name("nothing"), None);
    }

    #[test]
    fn every_mode_covers_what_changed() {
        let changed = changed();
        for mode in DamageMode::ALL {
            let mut told = mode.told(&changed, SIZE);
            told.clamp(SIZE);
            for y in 0..SIZE.height {
                for x in 0..SIZE.width {
                    let pixel = FrameRect::new(x, y, 1, 1);
                    let covers = |d: &Damage| d.rects_in(SIZE).any(|r| r.contains(pixel));
                    assert!(!covers(&changed) || covers(&told), "{mode:?} {x} {y}");
                }
            }
        }
    }

    #[test]
    fn bad_rectangles_are_really_sent() {
        let raw = |mode: DamageMode| mode.raw_rects(&changed(), SIZE);
        assert!(raw(DamageMode::Zero).iter().any(|r| r.is_empty()));
        assert!(raw(DamageMode::Invalid).iter().any(|r| r.right() > 100));
        assert!(raw(DamageMode::Null).is_empty());
        assert!(raw(DamageMode::Full).is_empty());
        let overlapping = raw(DamageMode::Overlap);
        let pairs = overlapping.iter().enumerate();
        assert!(
            pairs
                .flat_map(|(i, a)| overlapping[i + 1..].iter().map(move |b| (a, b)))
                .any(|(a, b)| !a.intersection(*b).is_empty())
        );
    }
}
