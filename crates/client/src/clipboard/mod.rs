//! One clipboard for host and guest.
//!
//! [`Bridge`] decides, without I/O: events of [`window::clipboard`] and of [`spice::agent`] in, commands for both out.
//! [`ClipboardThread`] runs it on a thread of its own, where large texts are converted, too.
//!
//! What the agent's module of `spice` does is not done again here: one question at a time in each direction, refusing
//! questions for selections that nobody holds, time limits for both, the sizes that it and the agent allow.

mod bridge;
mod thread;

pub use bridge::{Action, Bridge};
pub use thread::{ClipboardHandle, ClipboardThread};

/// What may be copied where. Looked at whenever something moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipboardPolicy {
    /// From here to the guest (`clipboard:toVM`).
    pub to_vm: bool,
    /// From the guest to here (`clipboard:toLocal`).
    pub to_local: bool,
    /// The most that is copied at once, in bytes (`clipboard:maxSize`).
    pub max_bytes: usize,
}
