//! Sound between a virtual machine and the desktop, held in time.
//!
//! The guest's sound is paced by one clock, the sound card by another; this crate plays the one on the other without
//! ever running dry or falling behind, by resampling in a ratio that follows both.
//!
//! Of the workspace it uses `clock` only; `client` starts a [`Sound`] and tells its [`SoundHandle`] what comes over SPICE.
//! [`service`] is the thread and what it decides, [`playback`] the state machine and the controller of a stream, [`device`]
//! the sound servers; [`mod@ring`], [`mod@ticks`] and [`pull`] lie between the thread and a device's callback.
//!
//! ```no_run
//! use audio::{Format, Sound, SoundEvent, SoundSettings};
//!
//! let outlet = |event: SoundEvent<'_>| println!("{event:?}");
//! let sound = Sound::start(SoundSettings::default(), Box::new(outlet))?;
//! sound.handle().started(Format::new(2, 48_000)?);
//! for packet in 0..100 {
//!     sound.handle().packet(packet * 10, &[0; 480 * 4]);
//!     std::thread::sleep(std::time::Duration::from_millis(10));
//! }
//! sound.handle().stopped();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Threads and clocks: `audio` decides; `audio-out` and `audio-in` do all that may block, and each device has a thread or a
//! real-time callback of its own, which takes no memory and no lock. Those read [`clock::MonotonicClock`]; [`playback`] and
//! the ring are told the time.
//!
//! Sources: the project's timing.md, sections 1 to 7, 10 (the hazards that comments call T1 to T12) and 11, and spice.md,
//! section 7; F. Adriaensen, *Controlling adaptive resampling* (2012); PulseAudio's `PROTOCOL`; PipeWire's `stream.h` and
//! `keys.h`.

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
