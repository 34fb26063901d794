//! One surface of the machine's display: its pixels, and what was drawn on it.

use std::sync::Arc;

use ivshmem::{AccessError, SharedMemory};
use picture::{Damage, FrameLayout, FrameRect, PixelFormat, Size};
use rustix::io::Errno;
use spice::Rect;
use spice::display::DisplayEvent;

/// A black picture, and what was drawn on it since.
pub(super) struct Surface {
    /// Not touched before it is drawn on, however large the server says that it is.
    memory: Arc<SharedMemory>,
    layout: FrameLayout,
    pub(super) is_marked: bool,
    is_covered: bool,
    /// All that was ever drawn.
    drawn: Damage,
    /// What the view has not taken yet.
    pending: Damage,
    /// One row, for what cannot be copied directly.
    row: Vec<u8>,
}

impl Surface {
    /// Makes a surface of a size that the SPICE crate has checked.
    pub(super) fn new(size: spice::Size) -> Result<Self, Errno> {
        let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(size.width, size.height));
        let bytes = usize::try_from(layout.data_bytes()).map_err(|_| Errno::OVERFLOW)?;
        Ok(Self {
            memory: Arc::new(SharedMemory::create("looking-glass-console", bytes)?),
            layout,
            is_marked: false,
            is_covered: false,
            drawn: Damage::NONE,
            pending: Damage::NONE,
            row: Vec::new(),
        })
    }

    pub(super) const fn layout(&self) -> FrameLayout {
        self.layout
    }

    pub(super) const fn has_damage(&self) -> bool {
        !self.pending.is_none()
    }

    /// Tells whether all of it was drawn on.
    pub(super) const fn is_covered(&self) -> bool {
        self.is_covered
    }

    /// What is to be copied, and from where; `None` if there is nothing.
    pub(super) fn take(&mut self, is_whole: bool) -> Option<(Damage, Arc<SharedMemory>)> {
        let pending = std::mem::take(&mut self.pending);
        let damage = if is_whole {
            self.drawn.clone()
        } else {
            pending
        };
        if damage.is_none() && !is_whole {
            return None;
        }
        Some((damage, Arc::clone(&self.memory)))
    }

    /// Draws what changes pixels.
    pub(super) fn draw(&mut self, event: &DisplayEvent<'_>) -> Result<(), AccessError> {
        let rect = match event {
            DisplayEvent::Pixels(pixels) => {
                let rect = pixels.rect();
                for (y, row) in (rect.top..).zip(pixels.rows()) {
                    let at = self.offset(rect.left, y);
                    self.memory.as_slice().copy_from(at, row)?;
                }
                rect
            }
            DisplayEvent::Fill { rect, color } => {
                self.fill(*rect, *color)?;
                *rect
            }
            DisplayEvent::Copy {
                from_left,
                from_top,
                to,
            } => {
                self.copy(*from_left, *from_top, *to)?;
                *to
            }
            _ => return Ok(()),
        };
        self.add_damage(rect);
        Ok(())
    }

    fn fill(&mut self, rect: Rect, color: u32) -> Result<(), AccessError> {
        let width = usize::try_from(rect.width).unwrap_or(0);
        self.row.clear();
        self.row
            .extend(std::iter::repeat_n(color.to_le_bytes(), width).flatten());
        for y in rect.top..rect.top.saturating_add(rect.height) {
            let at = self.offset(rect.left, y);
            self.memory.as_slice().copy_from(at, &self.row)?;
        }
        Ok(())
    }

    /// Moves a part, which may overlap where it goes.
    fn copy(&mut self, from_left: u32, from_top: u32, to: Rect) -> Result<(), AccessError> {
        let bytes = usize::try_from(to.width).unwrap_or(0).saturating_mul(4);
        self.row.resize(bytes, 0);
        for step in 0..to.height {
            // Rows that are yet to be read must not be overwritten.
            let row = if from_top < to.top {
                to.height - 1 - step
            } else {
                step
            };
            let from = self.offset(from_left, from_top.saturating_add(row));
            let into = self.offset(to.left, to.top.saturating_add(row));
            let memory = self.memory.as_slice();
            memory.copy_to(from, &mut self.row)?;
            memory.copy_from(into, &self.row)?;
        }
        Ok(())
    }

    fn add_damage(&mut self, rect: Rect) {
        let Rect {
            left,
            top,
            width,
            height,
        } = rect;
        let rect = FrameRect::new(left, top, width, height);
        self.pending.add(rect);
        if self.is_covered {
            return;
        }
        self.drawn.add(rect);
        // What lies inside another rectangle is dropped, so what is drawn again and again counts once.
        let area: u64 = self.drawn.rects().iter().map(|rect| rect.area()).sum();
        if area >= self.layout.frame.area() {
            self.is_covered = true;
            self.drawn = Damage::FULL;
        }
    }

    /// Where a pixel lies. Out of the memory for what is out of the surface, at the worst.
    fn offset(&self, x: u32, y: u32) -> usize {
        let at = u64::from(y) * u64::from(self.layout.pitch_bytes) + u64::from(x) * 4;
        usize::try_from(at).unwrap_or(usize::MAX)
    }
}
