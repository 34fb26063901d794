//! Somebody who looks at what a host publishes, and believes its damage.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::{PixelStream as _, SharedMemory, Source};
use picture::{Damage, FrameLayout, FrameRect, PointerShape, PointerState};
use relay::{CursorPosition, Event, Frame, Reader, ReaderOptions, Waker};

/// Assembles the picture from damage alone, so that it is right only if the damage was.
pub(crate) struct Observer {
    pub(crate) reader: Reader,
    waker: Waker,
    pub(crate) layout: Option<FrameLayout>,
    pixels: Vec<u8>,
    pub(crate) pointer: Option<PointerState>,
    pub(crate) shape: Option<PointerShape>,
    /// Damage and number of each frame so far.
    pub(crate) frames: Vec<(Damage, u32)>,
    /// What became of each wish to set the pointer's position.
    pub(crate) answers: Vec<CursorPosition>,
    pub(crate) sessions: u32,
    /// How often something was missing after the first frame.
    pub(crate) losses: u32,
}

impl Observer {
    pub(crate) fn open(memory: &Path) -> Self {
        let memory = SharedMemory::open(&Source::File(memory.into())).unwrap();
        Self::of(Arc::new(memory))
    }

    pub(crate) fn of(memory: Arc<SharedMemory>) -> Self {
        Self {
            reader: Reader::new(memory, ReaderOptions::default(), MonotonicClock),
            waker: Waker::new().unwrap(),
            layout: None,
            pixels: Vec::new(),
            pointer: None,
            shape: None,
            frames: Vec::new(),
            answers: Vec::new(),
            sessions: 0,
            losses: 0,
        }
    }

    /// Looks until `is_done`; false if it is not within `limit`.
    pub(crate) fn until(
        &mut self,
        limit: Duration,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> bool {
        let end = Instant::now() + limit;
        while !is_done(self) {
            if Instant::now() >= end {
                return false;
            }
            self.look(|_| {});
        }
        true
    }

    /// Looks for that long, whatever happens.
    pub(crate) fn watch(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    /// Waits for a frame, and does something while holding it.
    pub(crate) fn hold_a_frame(&mut self, act: impl FnOnce()) {
        let mut act = Some(act);
        let end = Instant::now() + super::LIMIT;
        while act.is_some() && Instant::now() < end {
            self.look(|_| {
                if let Some(act) = act.take() {
                    act();
                }
            });
        }
        assert!(act.is_none(), "no frame came");
    }

    /// One event, or none within a few milliseconds.
    fn look(&mut self, with_frame: impl FnOnce(&Frame<'_>)) {
        let deadline = MonotonicClock.now() + Nanos::from_millis(5);
        match self.reader.next(&self.waker, Some(deadline)) {
            Event::Connected(_) => {
                self.sessions += 1;
                (self.layout, self.pointer, self.shape) = (None, None, None);
            }
            Event::Frame(frame) => {
                with_frame(&frame);
                let (layout, damage, serial) =
                    (*frame.layout(), frame.damage().clone(), frame.serial());
                if self.layout != Some(layout) {
                    self.pixels = vec![0; layout.data_bytes() as usize];
                }
                if take(frame, &mut self.pixels) {
                    self.layout = Some(layout);
                    self.frames.push((damage, serial));
                }
            }
            Event::Pointer(update) => {
                self.pointer = Some(update.state);
                if let Some(shape) = update.shape {
                    self.shape = Some(shape.clone());
                }
            }
            Event::CursorPosition(answer) => self.answers.push(answer),
            Event::Missing(_) => self.losses += u32::from(!self.frames.is_empty()),
            _ => {}
        }
    }

    /// The colour (0xRRGGBB) of a pixel; `None` outside the picture.
    pub(crate) fn pixel(&self, x: u32, y: u32) -> Option<u32> {
        let layout = self.layout.filter(|layout| x < layout.frame.width)?;
        let at = y as usize * layout.pitch_bytes as usize + x as usize * 4;
        let bytes = self.pixels.get(at..at + 3)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]))
    }

    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        self.layout
            .map(|layout| (layout.frame.width, layout.frame.height))
    }

    pub(crate) fn last_serial(&self) -> Option<u32> {
        self.frames.last().map(|(_, serial)| *serial)
    }
}

/// Copies what is damaged; tells whether it was the frame to its end.
fn take(mut frame: Frame<'_>, pixels: &mut [u8]) -> bool {
    let layout = *frame.layout();
    let pitch = layout.pitch_bytes as usize;
    let rects: Vec<FrameRect> = frame.damage().rects_in(layout.frame).collect();
    for rect in rects {
        for row in rect.y..rect.y + rect.height {
            let start = row as usize * pitch + rect.x as usize * 4;
            let range = start..start + rect.width as usize * 4;
            if frame.wait_for(range.end).is_err() {
                return false;
            }
            let copied = frame.pixels().copy_to(range.start, &mut pixels[range]);
            copied.unwrap();
        }
    }
    frame.finish().is_ok()
}
