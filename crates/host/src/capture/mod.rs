//! Where pictures come from: one trait, a back end beside it for each source.

mod test;
mod wait;
mod xcb;

use clock::Nanos;
use picture::{Damage, FrameLayout};
use relay::publisher::Pixels;
use relay::{PointerUpdate, Waker};

pub use test::TestCapture;
pub use xcb::XcbCapture;

/// What a source has to show after a wait; parts that did not change are `None`.
#[derive(Default)]
pub struct Captured<'a> {
    /// The whole current picture, if any of it changed.
    pub image: Option<CapturedImage<'a>>,
    /// Where the pointer is, if it moved or changed.
    pub pointer: Option<PointerUpdate<'a>>,
}

/// A complete picture and what of it is new.
pub struct CapturedImage<'a> {
    /// Its shape.
    pub layout: FrameLayout,
    /// All its rows, at the pitch of the layout.
    pub pixels: Pixels<'a>,
    /// What changed since the image before.
    pub damage: &'a Damage,
}

/// Why a source has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The display server went away; it may come back.
    #[error("the connection to the display server was lost: {0}")]
    Lost(String),
    /// The source can never be captured.
    #[error("{0}")]
    Unusable(String),
    /// The pattern has shown as many frames as it was asked for.
    #[error("the test pattern has ended")]
    Ended,
}

/// A source of pictures, used by the capture thread alone.
pub trait Capture {
    /// The name that the client's user sees.
    fn name(&self) -> &'static str;

    /// Waits until something changed, `waker` rings or `deadline` has come, and returns what changed.
    ///
    /// # Errors
    /// [`CaptureError`] if the source has ended.
    fn next(&mut self, waker: &Waker, deadline: Nanos) -> Result<Captured<'_>, CaptureError>;

    /// Makes the next call return the whole picture and the pointer with its shape, as after a pause.
    fn invalidate(&mut self);
}
