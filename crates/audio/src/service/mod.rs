//! The thread that runs sound, and what others tell it.
//!
//! ```text
//!  SPICE thread ──(copies of packets, stamped)──► thread `audio` ──(ring)──► device's callback
//!       ▲                                          │        ▲                       │
//!       └──(pieces of the microphone)─ outlet ◄────┘        └───────(ticks)─────────┘
//!                                                  │ ▲
//!                              threads `audio-out` and `audio-in`: open, close, volume: all that may block
//! ```
//!
//! [`SoundHandle`] never waits for anybody. What the thread decides is in `model`, which is told letters and times and
//! answers with actions, so that it is tested without a thread or a device; [`Playback`](crate::playback::Playback)
//! decides about each frame. A server that hangs holds a worker and nothing else.
//!
//! The microphone is opened for one recording of the guest, when the user has allowed that one, and is closed with it.

mod inbox;
mod life;
mod mixer;
mod model;
mod pieces;
mod publish;
mod settings;
mod thread;
mod trace;
mod worker;

pub use mixer::Mixer;
pub use settings::{Microphone, Outlet, SoundEvent, SoundSettings, SoundStatus};
pub use thread::{Sound, SoundHandle};
