//! Where pictures come from: one trait, a back end beside it for each source.
//!
//! Waiting and fetching are apart, so that a picture is only fetched when somebody can take it: what changes meanwhile
//! goes into the same damage.

mod test;
mod wait;
mod xcb;

use clock::Nanos;
use picture::{Damage, FrameLayout, FrameRect, GuestPoint};
use relay::publisher::Pixels;
use relay::{PointerUpdate, Waker};

pub use test::TestCapture;
pub use xcb::XcbCapture;

/// What can be fetched after a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Something of the picture changed.
    pub image: bool,
    /// The pointer moved, or may have.
    pub pointer: bool,
}

/// A complete picture and what of it is new.
pub struct CapturedImage<'a> {
    /// Its shape.
    pub layout: FrameLayout,
    /// All its rows, at the pitch of the layout.
    pub pixels: Pixels<'a>,
    /// What changed since the image before.
    pub damage: &'a Damage,
    /// What clients are told of it instead, for tests of clients; covers it.
    pub told: Option<&'a [FrameRect]>,
}

/// Why a source has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// There is no connection to the display server; it may come up later.
    #[error("cannot reach the X server: {0} (is DISPLAY set, and is the server running?)")]
    Unreachable(String),
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

/// Moves the pointer of a source, from another thread than the one that captures.
pub trait PointerMover {
    /// Puts the pointer's click point at `point`, and waits a few milliseconds until it is there.
    ///
    /// # Errors
    /// [`CaptureError`] if the display server is gone.
    fn move_to(&mut self, point: GuestPoint) -> Result<(), CaptureError>;

    /// Does what an earlier call could not do in time; never waits.
    ///
    /// # Errors
    /// [`CaptureError`] if the display server is gone.
    fn catch_up(&mut self) -> Result<(), CaptureError>;
}

/// A source of pictures, used by the capture thread alone.
pub trait Capture {
    /// The name that the client's user sees.
    fn name(&self) -> &'static str;

    /// Waits until there is something to fetch, `waker` rings or `deadline` has come.
    ///
    /// A changed picture counts from `image_from` on; until then its changes add up.
    ///
    /// # Errors
    /// [`CaptureError`] if the source has ended.
    fn wait(
        &mut self,
        waker: &Waker,
        image_from: Nanos,
        deadline: Nanos,
    ) -> Result<Due, CaptureError>;

    /// Fetches the picture; `None` if that did not work this time and is to be tried again.
    ///
    /// # Errors
    /// [`CaptureError`] if the source has ended.
    fn image(&mut self) -> Result<Option<CapturedImage<'_>>, CaptureError>;

    /// Fetches the pointer; `None` if it is as before.
    ///
    /// # Errors
    /// [`CaptureError`] if the source has ended.
    fn pointer(&mut self) -> Result<Option<PointerUpdate<'_>>, CaptureError>;

    /// Counts the whole picture as changed.
    fn invalidate(&mut self);

    /// What moves this source's pointer; `None` if nobody can.
    fn mover(&self) -> Option<Box<dyn PointerMover + Send>>;

    /// Takes note of what has happened, without waiting or fetching; called now and then while nobody looks.
    ///
    /// # Errors
    /// [`CaptureError`] if the source has ended.
    fn rest(&mut self) -> Result<(), CaptureError>;
}
