//! What has to be drawn anew, in a back buffer that may be some swaps old.

use picture::{BufferDamage, BufferRect, Size};

/// How many swaps are remembered; drivers have three or four buffers.
const REMEMBERED: usize = 4;

/// What changed at the last swaps, newest first.
#[derive(Debug)]
pub(crate) struct History {
    frames: [BufferDamage; REMEMBERED],
    len: usize,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self {
            frames: [const { BufferDamage::NONE }; REMEMBERED],
            len: 0,
        }
    }

    /// Forgets everything: no old buffer can be used.
    pub(crate) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Remembers what changed with the picture that is now swapped.
    pub(crate) fn push(&mut self, damage: &BufferDamage) {
        self.frames.rotate_right(1);
        self.frames[0].clone_from(damage);
        self.len = (self.len + 1).min(REMEMBERED);
    }

    /// Adds to `region` what a buffer drawn `age` swaps ago lacks; false if it is unknown, then all is to be drawn.
    pub(crate) fn add_since(&self, age: usize, region: &mut BufferDamage) -> bool {
        // The buffer of the last swap has everything up to then; each swap more adds one frame's changes.
        if age == 0 || age > self.len {
            return false;
        }
        for frame in self.frames.iter().take(age - 1) {
            region.merge(frame);
        }
        true
    }
}

/// The parts of a buffer that `target` does not cover, at most four, none of them empty.
pub(crate) fn bars(buffer: Size, target: BufferRect) -> impl Iterator<Item = BufferRect> {
    let side = |value: i64| u32::try_from(value).unwrap_or(0);
    let int = |value: i64| i32::try_from(value).unwrap_or(0);
    let (width, height) = (i64::from(buffer.width), i64::from(buffer.height));
    let (left, top) = (i64::from(target.x), i64::from(target.y));
    let right = left + i64::from(target.width);
    let bottom = top + i64::from(target.height);
    let rect = move |x: i64, y: i64, end_x: i64, end_y: i64| {
        BufferRect::new(int(x), int(y), side(end_x - x), side(end_y - y))
    };
    [
        rect(0, 0, width, top),
        rect(0, bottom, width, height),
        rect(0, top, left, bottom),
        rect(right, top, width, bottom),
    ]
    .into_iter()
    .filter(|rect| !rect.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(x: i32) -> BufferDamage {
        let mut damage = BufferDamage::NONE;
        damage.add(BufferRect::new(x, 0, 1, 1));
        damage
    }

    #[test]
    fn an_older_buffer_lacks_the_changes_of_every_swap_since() {
        let mut history = History::new();
        history.push(&damage(10));
        history.push(&damage(20));
        history.push(&damage(30));
        let lacking = |age| {
            let mut region = damage(40);
            let known = history.add_since(age, &mut region);
            let mut columns: Vec<i32> = region.rects().iter().map(|rect| rect.x).collect();
            columns.sort_unstable();
            (known, columns)
        };
        assert_eq!(lacking(1), (true, vec![40]));
        assert_eq!(lacking(2), (true, vec![30, 40]));
        assert_eq!(lacking(3), (true, vec![20, 30, 40]));
        assert!(!lacking(4).0, "nobody knows what was before the first swap");
        assert!(!lacking(0).0, "age 0 means that the contents are lost");
    }

    #[test]
    fn nothing_is_known_after_clearing() {
        let mut history = History::new();
        history.push(&damage(1));
        history.clear();
        assert!(!history.add_since(1, &mut BufferDamage::default()));
    }

    #[test]
    fn more_swaps_than_are_remembered_mean_everything() {
        let mut history = History::new();
        (0..10).for_each(|x| history.push(&damage(x)));
        assert!(history.add_since(REMEMBERED, &mut BufferDamage::default()));
        assert!(!history.add_since(REMEMBERED + 1, &mut BufferDamage::default()));
    }

    #[test]
    fn bars_and_target_cover_every_pixel_once() {
        let buffer = Size::new(7, 5);
        for target in [
            BufferRect::new(0, 0, 7, 5),
            BufferRect::new(2, 0, 3, 5),
            BufferRect::new(0, 1, 7, 2),
            BufferRect::new(1, 1, 2, 2),
            BufferRect::new(0, 0, 0, 0),
        ] {
            let mut covered = [0_u32; 35];
            let rects = bars(buffer, target).chain([target]);
            for rect in rects {
                for y in 0..rect.height {
                    for x in 0..rect.width {
                        let (x, y) = (x + rect.x as u32, y + rect.y as u32);
                        covered[(y * 7 + x) as usize] += 1;
                    }
                }
            }
            assert_eq!(covered, [1; 35], "{target:?}");
        }
    }
}
