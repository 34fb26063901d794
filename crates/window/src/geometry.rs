//! Sizes and scales, without a display server.

use picture::{BufferPoint, BufferRect, Size};

/// Most rows or columns a window may have, the limit of X11 coordinates.
pub(crate) const MAX_SIDE: u32 = 32_767;

/// Physical pixels per logical unit, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// A whole number, applied by `wl_surface.set_buffer_scale`.
    Whole(u32),
    /// 120ths, as in wp-fractional-scale; applied by a viewport.
    Per120(u32),
}

impl Scale {
    /// Takes a whole scale that a compositor named; nonsense counts as 1.
    pub(crate) fn whole(factor: i32) -> Self {
        Self::Whole(u32::try_from(factor).unwrap_or(1).clamp(1, 16))
    }

    /// Takes a scale in 120ths that a compositor named.
    pub(crate) fn per_120(n: u32) -> Self {
        Self::Per120(n.clamp(30, 16 * 120))
    }

    /// The same in 120ths.
    const fn in_120ths(self) -> u64 {
        match self {
            Self::Whole(n) => n as u64 * 120,
            Self::Per120(n) => n as u64,
        }
    }

    /// As a number.
    pub(crate) fn as_f64(self) -> f64 {
        self.in_120ths() as f64 / 120.0
    }

    /// The buffer that fills `logical` units: rounded half away from zero, as wp-fractional-scale prescribes.
    pub(crate) fn buffer_size(self, logical: Size) -> Size {
        let side = |n: u32| clamp_side((u64::from(n) * self.in_120ths() + 60) / 120);
        Size::new(side(logical.width), side(logical.height))
    }

    /// The logical size whose buffer comes nearest to `buffer`.
    pub(crate) fn logical_size(self, buffer: Size) -> Size {
        let n = self.in_120ths();
        let side = |b: u32| clamp_side((u64::from(b) * 120 + n / 2) / n);
        Size::new(side(buffer.width), side(buffer.height))
    }
}

/// Brings a computed side into the range that a window can have.
fn clamp_side(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(MAX_SIDE).clamp(1, MAX_SIDE)
}

/// Brings a size into the range that a window can have.
pub(crate) fn clamp_size(size: Size) -> Size {
    Size::new(
        size.width.clamp(1, MAX_SIDE),
        size.height.clamp(1, MAX_SIDE),
    )
}

/// The largest size of the shape of `aspect` inside `size`; `size` itself if `aspect` is empty.
pub(crate) fn fit_aspect(size: Size, aspect: Size) -> Size {
    if aspect.is_empty() || size.is_empty() {
        return size;
    }
    let (w, h) = (u64::from(size.width), u64::from(size.height));
    let (aw, ah) = (u64::from(aspect.width), u64::from(aspect.height));
    if w * ah > h * aw {
        Size::new(clamp_side((h * aw + ah / 2) / ah), size.height)
    } else {
        Size::new(size.width, clamp_side((w * ah + aw / 2) / aw))
    }
}

/// Where a window of `size` has to start to stand in the middle of `area`; never left of or above it.
pub(crate) fn centred(area: BufferRect, size: Size) -> BufferPoint {
    let start = |at: i32, space: u32, len: u32| {
        at.saturating_add(i32::try_from(space.saturating_sub(len) / 2).unwrap_or(0))
    };
    BufferPoint {
        x: start(area.x, area.width, size.width),
        y: start(area.y, area.height, size.height),
    }
}

/// The area that holds most of `window`; the first one if none holds any.
pub(crate) fn area_of(window: BufferRect, areas: &[BufferRect]) -> Option<BufferRect> {
    let shared = |area: &BufferRect| {
        let part = area.intersection(window);
        u64::from(part.width) * u64::from(part.height)
    };
    let mut best: Option<BufferRect> = None;
    for area in areas {
        if best.is_none_or(|b| shared(area) > shared(&b)) {
            best = Some(*area);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractional_scale_rounds_half_away_from_zero() {
        // 1.5 times 683 is 1024.5.
        assert_eq!(
            Scale::per_120(180).buffer_size(Size::new(683, 100)),
            Size::new(1025, 150)
        );
        assert_eq!(
            Scale::per_120(150).buffer_size(Size::new(801, 602)),
            Size::new(1001, 753)
        );
        assert_eq!(
            Scale::whole(2).buffer_size(Size::new(640, 480)),
            Size::new(1280, 960)
        );
    }

    #[test]
    fn logical_size_gives_a_buffer_within_one_scale_step_of_the_wanted_one() {
        for n in [60, 120, 132, 150, 180, 210, 240, 360] {
            let scale = Scale::per_120(n);
            for side in 1..500_u32 {
                let back = scale.buffer_size(scale.logical_size(Size::new(side, side)));
                let off = f64::from(back.width.abs_diff(side));
                assert!(
                    off <= scale.as_f64().max(1.0),
                    "{n}/120, {side} -> {back:?}"
                );
            }
        }
    }

    #[test]
    fn nonsense_scales_are_brought_into_range() {
        assert_eq!(Scale::whole(-3), Scale::Whole(1));
        assert_eq!(Scale::whole(0), Scale::Whole(1));
        assert_eq!(Scale::per_120(0), Scale::Per120(30));
        let huge = Scale::per_120(u32::MAX).buffer_size(Size::new(u32::MAX, u32::MAX));
        assert_eq!(huge, Size::new(MAX_SIDE, MAX_SIDE));
    }

    #[test]
    fn aspect_shrinks_the_side_that_is_too_long() {
        let wide = Size::new(1920, 1080);
        assert_eq!(fit_aspect(Size::new(1920, 2000), wide), wide);
        assert_eq!(fit_aspect(Size::new(3000, 1080), wide), wide);
        assert_eq!(fit_aspect(Size::new(1, 1), wide), Size::new(1, 1));
        assert_eq!(
            fit_aspect(Size::new(7, 9), Size::new(0, 5)),
            Size::new(7, 9)
        );
    }

    #[test]
    fn centre_of_a_second_monitor() {
        let area = BufferRect::new(1920, 0, 1280, 720);
        let at = centred(area, Size::new(1024, 768));
        assert_eq!(at, BufferPoint { x: 2048, y: 0 });
    }

    #[test]
    fn window_belongs_to_the_monitor_with_most_of_it() {
        let left = BufferRect::new(0, 0, 1920, 1080);
        let right = BufferRect::new(1920, 0, 1280, 720);
        let at = |x| BufferRect::new(x, 10, 600, 400);
        assert_eq!(area_of(at(1500), &[left, right]), Some(left));
        assert_eq!(area_of(at(1700), &[left, right]), Some(right));
        assert_eq!(area_of(at(-5000), &[left, right]), Some(left));
        assert_eq!(area_of(at(0), &[]), None);
    }
}
