//! Which frames are imported and which are not, apart from how.

use ivshmem::{AccessError, DmaBuf, DmaBufError, DmaBufs, SharedSlice};
use picture::FrameLayout;
use rustix::io::Errno;

use super::source::ImageSource;
use super::{Failure, Fault};

/// Most images at a time. Hosts have two frame blocks; one more for each in case that they move.
const MAX_IMAGES: usize = 4;

/// So many layouts that were tried in one session and failed for good, and nothing is tried any more until the next.
const MAX_FAILURES: u32 = 6;

/// What is said then.
const GIVEN_UP: &str =
    "importing has failed with too many layouts, so it is not tried any more in this session";

/// What is said before the first session.
const NO_MEMORY: &str = "no memory to import from was named";

/// Most layouts whose failure is remembered.
const MAX_REFUSED: usize = 16;

/// Frames that are copied after a failure that may pass: the first time, and at most. It doubles with each.
const PAUSES: (u32, u32) = (60, 7680);

/// Closes images; the driver, or a test.
pub(super) trait CloseImages {
    /// An image of a DMA-BUF.
    type Image;

    /// Gives one back.
    fn close(&mut self, image: Self::Image);
}

/// Makes images of DMA-BUFs as well.
pub(super) trait MakeImages: CloseImages {
    /// Makes one; an error says why that is not possible.
    fn make(&mut self, buffer: &DmaBuf, source: &ImageSource) -> Result<Self::Image, Failure>;
}

/// What is to be done with a frame.
pub(super) enum Found<'a, I> {
    /// It can be read in place.
    Image(&'a Entry<I>),
    /// It is to be copied, since importing failed or is not possible.
    Refused,
    /// It does not lie in the memory.
    Foreign,
}

/// A frame block that is imported.
pub(super) struct Entry<I> {
    /// Where its pixels begin in the memory.
    offset: usize,
    pub(super) buffer: DmaBuf,
    pub(super) source: ImageSource,
    pub(super) image: I,
    /// Its picture was compared, or that of another of the same layout.
    pub(super) is_checked: bool,
}

/// What is imported, and what is not to be.
pub(super) struct Ladder<I> {
    buffers: Result<DmaBufs, String>,
    /// All of one layout; the one that was used last is at the end.
    entries: Vec<Entry<I>>,
    layout: Option<FrameLayout>,
    /// Layouts that failed for good, and how.
    refused: Vec<(FrameLayout, String)>,
    /// Why the last frame that was not imported was not.
    told: Option<String>,
    /// How many of them were tried.
    failures: u32,
    /// Frames that are still to be copied before it is tried again.
    pause: u32,
    /// How many that will be after the next failure that may pass.
    next_pause: u32,
    /// Frames that were imported since the last one.
    good: u32,
    is_checked: bool,
    imports: u64,
}

impl<I> Ladder<I> {
    pub(super) fn new() -> Self {
        Self {
            buffers: Err(NO_MEMORY.to_owned()),
            entries: Vec::with_capacity(MAX_IMAGES + 1),
            layout: None,
            refused: Vec::new(),
            told: None,
            failures: 0,
            pause: 0,
            next_pause: PAUSES.0,
            good: 0,
            is_checked: false,
            imports: 0,
        }
    }

    /// Begins a session; everything must be closed.
    pub(super) fn begin(&mut self, buffers: Result<DmaBufs, String>) {
        self.buffers = buffers;
        self.refused.clear();
        self.told = None;
        self.failures = 0;
        (self.pause, self.next_pause, self.good) = (0, PAUSES.0, 0);
    }

    /// Closes all images.
    pub(super) fn close(&mut self, closer: &mut impl CloseImages<Image = I>) {
        close_all(&mut self.entries, closer);
        self.layout = None;
        self.is_checked = false;
    }

    /// Why frames are copied, or were the last time.
    pub(super) fn reason(&self) -> Option<&str> {
        match &self.buffers {
            Err(reason) => Some(reason),
            Ok(_) => self.told.as_deref(),
        }
    }

    /// Why the memory of this session has no DMA-BUFs, if that was said.
    pub(super) fn no_buffers(&self) -> Option<&str> {
        let reason = self.buffers.as_ref().err()?;
        (reason != NO_MEMORY).then_some(reason)
    }

    /// Who makes the DMA-BUFs, in words.
    pub(super) fn buffers_from(&self) -> String {
        let buffers = self.buffers.as_ref();
        buffers.map_or_else(|_| String::new(), |buffers| buffers.source().to_string())
    }

    pub(super) const fn imports(&self) -> u64 {
        self.imports
    }

    /// Finds the image of a frame, or makes it.
    pub(super) fn find(
        &mut self,
        maker: &mut impl MakeImages<Image = I>,
        pixels: SharedSlice<'_>,
        layout: &FrameLayout,
        source: impl FnOnce(&FrameLayout) -> Result<ImageSource, String>,
    ) -> Result<Found<'_, I>, Failure> {
        let Ok(buffers) = &self.buffers else {
            return Ok(Found::Refused);
        };
        // Pictures of other sources come the same way, and are copied.
        let Some(range) = buffers.range_of(pixels) else {
            return Ok(Found::Foreign);
        };
        if self.pause > 0 {
            self.pause -= 1;
            return Ok(Found::Refused);
        }
        let refused = self.refused.iter().find(|(refused, _)| refused == layout);
        let why = match refused {
            _ if self.failures >= MAX_FAILURES => Some(GIVEN_UP),
            Some((_, reason)) => Some(reason.as_str()),
            None => None,
        };
        if let Some(why) = why {
            if self.told.as_deref() != Some(why) {
                self.told = Some(why.to_owned());
            }
            return Ok(Found::Refused);
        }
        let needed = usize::try_from(layout.data_bytes()).unwrap_or(usize::MAX);
        if needed > pixels.len() {
            let (offset, window) = (0, pixels.len());
            let len = needed;
            let error = AccessError::OutOfBounds {
                offset,
                len,
                window,
            };
            return Err(Failure::Frame(error.into()));
        }
        if self.layout.as_ref() != Some(layout) {
            close_all(&mut self.entries, maker);
            self.layout = Some(*layout);
            self.is_checked = false;
        }
        let offset = range.start;
        match self.entries.iter().position(|entry| entry.offset == offset) {
            Some(index) => {
                let entry = self.entries.remove(index);
                self.entries.push(entry);
            }
            None => {
                let source =
                    source(layout).map_err(|reason| Failure::Rung(Fault::Layout(reason)))?;
                let buffer = buffers.create(offset..offset + needed).map_err(refusal)?;
                let image = maker.make(&buffer, &source)?;
                self.imports += 1;
                if self.entries.len() >= MAX_IMAGES {
                    maker.close(self.entries.remove(0).image);
                }
                self.entries.push(Entry {
                    offset,
                    buffer,
                    source,
                    image,
                    is_checked: self.is_checked,
                });
            }
        }
        Ok(self.entries.last().map_or(Found::Refused, Found::Image))
    }

    /// The picture that was imported last was the right one.
    pub(super) fn checked(&mut self) {
        self.is_checked = true;
        self.entries
            .iter_mut()
            .for_each(|entry| entry.is_checked = true);
    }

    /// A frame was imported.
    pub(super) fn taken(&mut self) {
        self.good = self.good.saturating_add(1);
        if self.good >= self.next_pause {
            // What had passed has not come back for as long.
            self.next_pause = PAUSES.0;
        }
    }

    /// Remembers that a layout cannot be imported, or nothing can for a while, and closes everything.
    pub(super) fn fail(
        &mut self,
        closer: &mut impl CloseImages<Image = I>,
        layout: &FrameLayout,
        fault: Fault,
    ) {
        self.close(closer);
        let reason = match fault {
            Fault::Passing(reason) => {
                self.pause = self.next_pause;
                self.next_pause = self.next_pause.saturating_mul(2).min(PAUSES.1);
                self.good = 0;
                self.told = Some(format!("{reason}; it is tried again later"));
                return;
            }
            Fault::Lasting(reason) => {
                self.failures = self.failures.saturating_add(1);
                reason
            }
            Fault::Layout(reason) => reason,
        };
        if self.refused.len() >= MAX_REFUSED {
            self.refused.remove(0);
        }
        self.told = Some(match self.failures {
            MAX_FAILURES.. => GIVEN_UP.to_owned(),
            _ => reason.clone(),
        });
        self.refused.push((*layout, reason));
    }
}

fn close_all<I>(entries: &mut Vec<Entry<I>>, closer: &mut impl CloseImages<Image = I>) {
    entries
        .drain(..)
        .for_each(|entry| closer.close(entry.image));
}

/// Why there is no DMA-BUF.
fn refusal(error: DmaBufError) -> Failure {
    let may_pass = matches!(
        error,
        DmaBufError::System {
            source: Errno::NOMEM
                | Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::AGAIN
                | Errno::BUSY
                | Errno::INTR,
            ..
        }
    );
    let text = chain(error);
    Failure::Rung(match may_pass {
        true => Fault::Passing(text),
        false => Fault::Lasting(text),
    })
}

/// An error and its causes in one line.
fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
