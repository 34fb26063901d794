//! Why something was not published.

use ivshmem::AccessError;
use kvmfr::{CursorError, Version};
use lgmp::{InitError, PostError};
use picture::{FrameLayout, PixelFormat, Transfer};

/// Why something was not published, or the memory not set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The memory cannot hold queues and blocks.
    #[error("the shared memory cannot be initialised")]
    Init(#[from] InitError),
    /// Queues and pointer blocks leave nothing for frames.
    #[error("a shared memory of {0} bytes leaves no room for frames; it needs at least 16 MiB")]
    NoFrameRoom(usize),
    /// The file of the memory shrank under the mapping; only opening it again helps.
    #[error("the shared memory was made smaller while in use; open it again")]
    Faulted,
    /// The version has no word for these pixels; capture something else.
    #[error("{version} cannot carry {format:?} pixels with {transfer:?} values")]
    Unsupported {
        /// The version that is spoken.
        version: Version,
        /// How the pixels are stored.
        format: PixelFormat,
        /// What they mean.
        transfer: Transfer,
    },
    /// A size, pitch or screen that no client would accept.
    #[error("impossible frame layout {0:?}")]
    Layout(Box<FrameLayout>),
    /// The pixels end before the picture does.
    #[error("an image of {available} bytes where its layout needs {needed}")]
    ShortImage {
        /// Bytes of the layout.
        needed: usize,
        /// Bytes that were given.
        available: usize,
    },
    /// Not even one row fits.
    #[error("the shared memory is too small for this picture; it needs {needed_mib} MiB")]
    TooSmall {
        /// A size that would do.
        needed_mib: u64,
    },
    /// Some client has not released its messages yet; what was to be published is owed to the next call.
    #[error("the clients are busy")]
    Busy,
    /// A client held the lock of the queue; what was to be published is owed to the next call.
    #[error("a client holds the lock of a queue")]
    LockTimeout,
    /// Someone overwrote the header; the service sets up a new session at its next tick.
    #[error("the session in the shared memory was overwritten")]
    SessionLost,
    /// A pointer picture that no client would accept.
    #[error("impossible pointer shape")]
    Shape(#[from] CursorError),
    /// A pointer picture with less data than its rows need.
    #[error("a pointer shape of {available} bytes where its rows need {needed}")]
    ShortShape {
        /// Bytes of the rows.
        needed: u64,
        /// Bytes that were given.
        available: usize,
    },
    /// A range outside the memory: the image was swapped for a smaller one while it was read.
    #[error("copying left the memory")]
    Access(#[from] AccessError),
}

impl From<PostError> for PublishError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Full => Self::Busy,
            PostError::LockTimeout => Self::LockTimeout,
            _ => Self::SessionLost,
        }
    }
}
