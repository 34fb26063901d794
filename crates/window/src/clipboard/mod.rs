//! The clipboard of the desktop: offering to it and asking of it.
//!
//! Data move only when somebody pastes. Every call returns at once; what comes of it, comes as a [`ClipboardEvent`], on
//! a thread of the clipboard's own (named `clipboard`). Whoever owns or asks for the clipboard is another program that
//! may be slow, dead or hostile: all waiting has a limit, and so has every size.
//!
//! Sources: ICCCM 2.0 section 2 (selections, INCR), XFixes 5 (selection tracking), Wayland core (`wl_data_device`).

mod format;
mod inbox;
mod limits;
pub(crate) mod wayland;
pub(crate) mod x11;

use std::sync::Arc;

pub use format::ClipboardFormat;
pub use limits::{ClipboardLimits, give_way};

/// How many may be served at the same time; more are refused.
const MAX_SERVED: usize = 32;

/// The desktop's clipboard. Dropping it gives up what was offered.
pub trait Clipboard: Send {
    /// Takes the clipboard over and offers these formats; [`ClipboardEvent::Wanted`] asks for the data. Replaces what
    /// was offered before.
    fn offer(&self, formats: &[ClipboardFormat]);

    /// Gives the clipboard up, if it is still ours.
    fn withdraw(&self);

    /// Asks whoever owns the clipboard for its data. [`ClipboardEvent::Received`] answers, once, unless
    /// [`Clipboard::cancel`] comes first. The caller chooses an `id` that is not in use.
    fn request(&self, id: u64, format: ClipboardFormat);

    /// Forgets a request: it is answered no more, unless the answer is already under way.
    fn cancel(&self, id: u64);

    /// Answers [`ClipboardEvent::Wanted`]; `None` if there is nothing to give. Text is UTF-8. An answer nobody waits
    /// for is dropped.
    fn supply(&self, id: u64, data: Option<Arc<[u8]>>);
}

/// What happens on the desktop's clipboard.
#[derive(Clone, PartialEq, Eq)]
pub enum ClipboardEvent {
    /// Another program has put something there that can be asked for in these formats, best first. Never our own.
    Offered(Vec<ClipboardFormat>),
    /// There is nothing any more, or nothing of a known format.
    Cleared,
    /// Somebody pastes what we offer: answer by [`Clipboard::supply`].
    Wanted {
        /// Names the question.
        id: u64,
        /// The format, one of the offered ones.
        format: ClipboardFormat,
    },
    /// Nobody waits for that answer any more.
    WantedNoMore {
        /// Which question.
        id: u64,
    },
    /// The answer to [`Clipboard::request`].
    Received {
        /// Which request.
        id: u64,
        /// The data; text is UTF-8 if the owner keeps to what it says.
        data: Result<Vec<u8>, ClipboardError>,
    },
}

/// Contents of the clipboard are nobody else's business: they are never printed.
impl std::fmt::Debug for ClipboardEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Offered(formats) => write!(f, "Offered({formats:?})"),
            Self::Cleared => f.write_str("Cleared"),
            Self::Wanted { id, format } => write!(f, "Wanted({id}, {format:?})"),
            Self::WantedNoMore { id } => write!(f, "WantedNoMore({id})"),
            Self::Received { id, data } => match data {
                Ok(data) => write!(f, "Received({id}, {} bytes)", data.len()),
                Err(error) => write!(f, "Received({id}, {error:?})"),
            },
        }
    }
}

/// Why the clipboard's data did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClipboardError {
    /// There is nothing, or not in that format.
    #[error("the clipboard has nothing of that kind")]
    Refused,
    /// The owner does not answer, or too slowly.
    #[error("the owner of the clipboard does not answer")]
    TimedOut,
    /// There is more than the limit allows.
    #[error("the clipboard holds more than is allowed")]
    TooLarge,
    /// The owner or the display server is gone.
    #[error("the owner of the clipboard is gone")]
    Gone,
}

/// What takes [`ClipboardEvent`]s: called on the clipboard's thread, and must not wait for anything.
pub type ClipboardSink = Box<dyn FnMut(ClipboardEvent) + Send>;
