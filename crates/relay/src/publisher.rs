//! The host's side: sets the memory up, publishes frames and the pointer, and serves the clients.
//!
//! A [`Publisher`] belongs to the thread that captures. Its [`Service`] belongs to another, which only ticks: the
//! heartbeat then goes on however long a capture takes. Neither ever waits for the other, except while a new session
//! is set up because somebody wiped the memory.
//!
//! A frame is posted before its pixels are written; the write pointer in front of them says how far they are, so that
//! readers copy right behind the writer (kvmfr.md 4.7). Two blocks take turns, and each frame also brings into its
//! block what only the other one got, so that a block is always the whole picture.
//!
//! Nothing is allocated once running. Sources: kvmfr.md 2 to 6 and H5, H8, H9, H12; lgmp.md 6, 7 and H16.

mod copy;
mod error;
mod frames;
mod image;
mod pace;
mod pointer;
mod service;
mod session;

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, MonotonicClock};
use ivshmem::SharedMemory;
use kvmfr::{SessionDescription, Version};
use picture::FrameRect;

use crate::translate::PointerUpdate;
use frames::Frames;
use pace::millis;
use pointer::Pointer;
use session::Shared;

pub use error::PublishError;
pub use image::{Image, Pixels};
pub use kvmfr::FrameFlags;
pub use service::{ClientRequest, Service, Tick};

/// How long a publication waits for clients by default: a little more than one frame at 60 Hz.
const PATIENCE: Duration = Duration::from_millis(20);

/// The longest that a pointer message waits: positions are soon replaced by newer ones.
const POINTER_PATIENCE: Duration = Duration::from_millis(2);

/// What a publisher is made of.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// The KVMFR version to speak; the LGMP version follows.
    pub version: Version,
    /// What clients are told about this host.
    pub description: SessionDescription,
}

/// A frame that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its serial.
    pub serial: u32,
    /// Subscribers that got it; with 0 it only lies ready for new ones.
    pub recipients: u32,
    /// Rows that were sent; fewer than the picture has if the memory is too small.
    pub rows: u32,
    /// Bytes that had to be copied.
    pub bytes: usize,
}

/// The clock, and how long to wait by it.
#[derive(Clone)]
struct Pace {
    clock: Arc<dyn Clock>,
    patience: Duration,
}

impl Pace {
    fn pointer_patience(&self) -> Duration {
        self.patience.min(POINTER_PATIENCE)
    }
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// Publishes frames and the pointer into a shared memory.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    pace: Pace,
    frames: Frames,
    pointer: Pointer,
}

impl Publisher {
    /// Takes the memory over and begins a session in it; whatever session was there before ends.
    ///
    /// # Errors
    /// If the memory is too small or gone.
    pub fn new(memory: Arc<SharedMemory>, options: PublisherOptions) -> Result<Self, PublishError> {
        Self::with_clock(memory, options, Arc::new(MonotonicClock))
    }

    /// As [`Publisher::new`], with a clock of the caller's. The times given to [`Service::tick`] must be of it.
    ///
    /// # Errors
    /// As for [`Publisher::new`].
    pub fn with_clock(
        memory: Arc<SharedMemory>,
        options: PublisherOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PublishError> {
        let PublisherOptions {
            version,
            description,
        } = options;
        let udata = description.encode(version);
        let shared = Shared::new(memory, version, udata, millis(clock.now()))?;
        Ok(Self {
            shared: Arc::new(shared),
            pace: Pace {
                clock,
                patience: PATIENCE,
            },
            frames: Frames::new(),
            pointer: Pointer::new(),
        })
    }

    /// What the tick thread calls; one is enough.
    #[must_use]
    pub fn service(&self) -> Service {
        Service::new(Arc::clone(&self.shared))
    }

    /// The version that is spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.shared.version
    }

    /// Changes how long a frame waits for room before it fails with [`PublishError::Busy`]; 20 ms at first.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.pace.patience = patience;
    }

    /// Tells whether a frame would be taken at once. Asking before capturing keeps the captured picture fresh.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.session().frames.pending() < kvmfr::FRAME_QUEUE.length
    }

    /// Publishes a picture: posts it at once, then copies what changed, readers following.
    ///
    /// Waits for the clients as long as [`Publisher::set_patience`] says. Rows for which the memory is too small are
    /// left out, and the frame says so.
    ///
    /// # Errors
    /// See [`PublishError`]. The damage of a frame that was not published is added to the next one's.
    pub fn publish(&mut self, image: &Image<'_>) -> Result<Published, PublishError> {
        self.frames.publish(&self.shared, image, None, &self.pace)
    }

    /// As [`Publisher::publish`], for tests of readers: the frame says that `rects` changed, which may be outside the
    /// picture, empty, or on one another. Together they must cover the image's damage.
    ///
    /// They are left out where they would be wrong: if everything changed, or an earlier frame was not published.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn publish_telling(
        &mut self,
        image: &Image<'_>,
        rects: &[FrameRect],
    ) -> Result<Published, PublishError> {
        self.frames
            .publish(&self.shared, image, Some(rects), &self.pace)
    }

    /// Publishes a change of the pointer; nothing if nothing changed.
    ///
    /// Waits up to 2 ms for the clients. Colour shapes must have straight alpha.
    ///
    /// # Errors
    /// See [`PublishError`]. What was not published goes out with the next call, or by
    /// [`Publisher::serve_new_subscribers`].
    pub fn publish_pointer(&mut self, update: &PointerUpdate<'_>) -> Result<(), PublishError> {
        self.pointer.publish(&self.shared, update, &self.pace)
    }

    /// Tells whether anybody healthy is subscribed to either queue.
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        let session = self.shared.session();
        session.frames.has_subscribers() || session.pointer.has_subscribers()
    }

    /// Sends the last frame and the pointer to those who have subscribed since; call it when no frame came for a while.
    ///
    /// Returns whether anything was posted. If clients are busy, the next call tries again.
    pub fn serve_new_subscribers(&mut self) -> bool {
        let frame = self.frames.serve(&self.shared, &self.pace);
        let pointer = self.pointer.send(&self.shared, &self.pace);
        let is_served = |result: Result<bool, PublishError>| {
            result.unwrap_or_else(|error| {
                tracing::debug!(%error, "new subscribers have to wait");
                false
            })
        };
        // Both are asked: `|` instead of `||`.
        is_served(frame) | is_served(pointer)
    }

    /// Tells whether there is no frame to send to new subscribers: a picture has to be captured even if none changed.
    ///
    /// So it is at the start, after [`Publisher::forget_frame`], and in a new session after the memory was wiped.
    #[must_use]
    pub fn needs_frame(&mut self) -> bool {
        self.frames.sync(&self.shared.session());
        !self.frames.has_frame()
    }

    /// Makes the next frame stand for itself, because the capture began anew: new subscribers are not sent an old one.
    pub const fn forget_frame(&mut self) {
        self.frames.forget();
    }
}

#[cfg(test)]
mod tests;
