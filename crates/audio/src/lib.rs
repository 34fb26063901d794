//! Sound between a virtual machine and the desktop, held in time.
//!
//! The guest's sound is paced by one clock, the sound card by another; this crate plays the one on the other without
//! ever running dry or falling behind, by resampling in a ratio that follows both.

#![deny(unsafe_code)]

pub mod capture;
pub mod device;
mod format;
pub mod lane;
pub mod playback;
mod primitive;
pub mod pull;
pub mod reference;
pub mod resample;
pub mod ring;
pub mod sample_lane;
pub mod service;
pub mod ticks;
mod urgency;

pub use capture::{Capture, Push, capture};
pub use format::{Format, FormatError};
pub use lane::{Input, Lane};
pub use pull::{Counters, Feed, Phase, Pull, stream};
pub use resample::{MAX_DEVIATION, Resampler, ResamplerError};
pub use ring::{Read, Reader, Writer, ring};
pub use sample_lane::SampleLane;
pub use service::{Microphone, Outlet, Sound, SoundEvent, SoundHandle, SoundSettings, SoundStatus};
pub use ticks::{Tick, TickReceiver, TickSender, ticks};
