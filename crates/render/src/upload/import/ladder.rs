//! Which frames are imported and which are not, apart from how.

use ivshmem::{AccessError, DmaBuf, DmaBufs, SharedSlice};
use picture::FrameLayout;

use super::Failure;
use super::source::ImageSource;

/// Most images at a time. Hosts have two frame blocks; one more for each in case that they move.
const MAX_IMAGES: usize = 4;

/// So many failures in one session, whatever the layouts, and nothing is tried any more until the next.
const MAX_FAILURES: u32 = 6;

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
    /// The layout that failed last, and how.
    refused: Option<(FrameLayout, String)>,
    failures: u32,
    is_checked: bool,
    imports: u64,
}

impl<I> Ladder<I> {
    pub(super) fn new() -> Self {
        Self {
            buffers: Err("no memory to import from was named".to_owned()),
            entries: Vec::with_capacity(MAX_IMAGES + 1),
            layout: None,
            refused: None,
            failures: 0,
            is_checked: false,
            imports: 0,
        }
    }

    /// Begins a session; everything must be closed.
    pub(super) fn begin(&mut self, buffers: Result<DmaBufs, String>) {
        self.buffers = buffers;
        self.refused = None;
        self.failures = 0;
    }

    /// Closes all images.
    pub(super) fn close(&mut self, closer: &mut impl CloseImages<Image = I>) {
        close_all(&mut self.entries, closer);
        self.layout = None;
        self.is_checked = false;
    }

    /// Why frames are copied, or were the last time.
    pub(super) fn reason(&self) -> Option<&str> {
        match (&self.buffers, &self.refused) {
            (Err(reason), _) | (_, Some((_, reason))) => Some(reason),
            _ => None,
        }
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
        let is_refused = |(refused, _): &(FrameLayout, String)| refused == layout;
        if self.failures >= MAX_FAILURES || self.refused.as_ref().is_some_and(is_refused) {
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
                let source = source(layout)?;
                let buffer = buffers.create(offset..offset + needed).map_err(chain)?;
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

    /// Remembers that a layout cannot be imported, and closes everything.
    pub(super) fn fail(
        &mut self,
        closer: &mut impl CloseImages<Image = I>,
        layout: &FrameLayout,
        reason: String,
    ) {
        self.close(closer);
        self.failures = self.failures.saturating_add(1);
        self.refused = Some((*layout, reason));
    }
}

fn close_all<I>(entries: &mut Vec<Entry<I>>, closer: &mut impl CloseImages<Image = I>) {
    entries
        .drain(..)
        .for_each(|entry| closer.close(entry.image));
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
