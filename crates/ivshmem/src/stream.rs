//! Pixels that another process is still writing.

use crate::SharedSlice;

/// The writer made no progress within the reader's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the writer stalled at {available} of {wanted} bytes")]
pub struct Stalled {
    /// Bytes that are final.
    pub available: usize,
    /// Bytes that were waited for.
    pub wanted: usize,
}

/// A run of shared bytes that becomes final from its start on.
///
/// Lets an uploader copy while the host is still writing, without knowing any protocol.
pub trait PixelStream {
    /// All the bytes, final or not.
    fn pixels(&self) -> SharedSlice<'_>;

    /// Waits until at least the first `bytes` are final; returns how many are, at most the whole run.
    ///
    /// # Errors
    /// [`Stalled`] if the writer stops for longer than the stream's patience.
    fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled>;
}
