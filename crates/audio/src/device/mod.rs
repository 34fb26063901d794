//! Sound servers behind two traits: [`Backend`] opens what plays and what records, the device does the rest by itself.
//!
//! A device owns the [`Pull`] or [`Push`] that it is given and calls it from its real-time thread; nothing else of ours
//! runs there. Everything else, opening and closing and setting a volume, is called from one thread and may block, but
//! only for a bounded time. A server is a foreign program: it may answer late, never, or go away at any moment.

pub mod choice;
pub mod null;
#[cfg(feature = "pipewire")]
pub mod pipewire;
mod places;
pub mod pulseaudio;

use std::ffi::CStr;
use std::sync::Arc;

use clock::Nanos;

pub use crate::playback::DeviceTiming;
use crate::{Format, Pull, Push};

/// A sound server, or something that takes its place.
pub trait Backend: Send {
    /// Its name, for the log and the user.
    fn name(&self) -> &'static str;

    /// Opens a device that plays; it asks `pull` for frames from now on.
    ///
    /// Takes at most [`OPEN_LIMIT`]. `events` is called from a thread of the device, never from its real-time thread.
    ///
    /// # Errors
    /// If there is no server, or it does not give us a stream in time.
    fn open_playback(
        &mut self,
        request: &PlaybackRequest,
        pull: Pull,
        events: Events,
    ) -> Result<Box<dyn PlaybackDevice>, DeviceError>;

    /// Opens a device that records; it hands frames to `push` from now on.
    ///
    /// Takes at most [`OPEN_LIMIT`]. `events` is called from a thread of the device, never from its real-time thread.
    ///
    /// # Errors
    /// If there is no server, or it does not give us a stream in time.
    fn open_capture(
        &mut self,
        request: &CaptureRequest,
        push: Push,
        events: Events,
    ) -> Result<Box<dyn CaptureDevice>, DeviceError>;
}

/// The longest that opening a device may take.
pub const OPEN_LIMIT: Nanos = Nanos::from_millis(2000);

/// What tells a session manager of PipeWire that a stream stays with the device it names: the first is that of PipeWire
/// 0.3 and WirePlumber 0.4 (which ends the stream if the device is not there or goes), all are known to WirePlumber 0.5.
const PINNED: [&CStr; 3] = [
    c"node.dont-reconnect",
    c"node.dont-fallback",
    c"node.dont-move",
];

/// Why a recording of a named device was ended.
const STOLEN: &str =
    "the server moved the recording to another device than the one that was chosen";

/// What is to be played, and where. The server converts rate and channels if its device has others.
#[derive(Clone, Debug)]
pub struct PlaybackRequest {
    /// The shape of what the callback gives.
    pub format: Format,
    /// Frames that each request of the device should have; a server may ask for more or less.
    pub period_frames: u32,
    /// The device's name as the server knows it; `None` leaves the choice to the server. If it is not there, or goes, the
    /// server's choice takes its place.
    pub target: Option<String>,
    /// What the server's mixer shows.
    pub stream_name: String,
}

/// What is to be recorded, and from where. The server converts rate and channels if its device has others.
#[derive(Clone, Debug)]
pub struct CaptureRequest {
    /// The shape of what the callback takes.
    pub format: Format,
    /// Frames that each piece of the device should have; a server may give more or less.
    pub period_frames: u32,
    /// The device's name as the server knows it; `None` leaves the choice to the server. No other is recorded in its
    /// place: if it is not there the request fails, and if it goes the device is lost.
    pub target: Option<String>,
    /// What the server's mixer shows.
    pub stream_name: String,
}

/// A device that plays. Dropping it closes it: its callback does not run any more when `drop` returns (timing.md T4).
pub trait PlaybackDevice: Send {
    /// What it promises about its requests.
    fn timing(&self) -> DeviceTiming;

    /// Sets the volume: a linear factor for each channel, 0 to 1, and whether nothing is heard at all.
    fn set_volume(&mut self, levels: &[f32], mute: bool);

    /// How long what the callback gives now takes to be heard; `None` if the server has not told.
    fn latency(&self) -> Option<Nanos>;

    /// What it is, for the user: its server and, where that is known, the device's name.
    fn description(&self) -> String {
        String::new()
    }

    /// It stands in for a server that is not there: nobody hears it.
    fn is_stand_in(&self) -> bool {
        false
    }
}

/// A device that records. Dropping it closes it: its callback does not run any more when `drop` returns (timing.md T4).
pub trait CaptureDevice: Send {
    /// Sets the volume: a linear factor for each channel, 0 to 1, and whether only silence is recorded.
    fn set_volume(&mut self, levels: &[f32], mute: bool);

    /// What it is, for the user: its server and, where that is known, the device's name.
    fn description(&self) -> String {
        String::new()
    }

    /// It stands in for a server that is not there: it records silence.
    fn is_stand_in(&self) -> bool {
        false
    }
}

/// Where a device reports what happens to it, from a thread of its own.
pub type Events = Arc<dyn Fn(DeviceEvent) + Send + Sync>;

/// What happens to an open device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// It is of no use any more and should be dropped; the text says why.
    Lost(String),
    /// The server has moved it to another piece of hardware; it goes on.
    Moved,
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No server answers.
    #[error("no {server} server: {reason}")]
    NoServer {
        /// Which kind of server.
        server: &'static str,
        /// What was tried and failed.
        reason: String,
    },
    /// The server answers but gives no stream.
    #[error("{server} gives no stream: {reason}")]
    Refused {
        /// Which kind of server.
        server: &'static str,
        /// What it said.
        reason: String,
    },
    /// The server did not finish in [`OPEN_LIMIT`].
    #[error("{server} did not {what} within {limit_ms} ms")]
    Late {
        /// Which kind of server.
        server: &'static str,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit_ms: u64,
    },
    /// The request itself cannot be expressed, for example a name with a zero byte.
    #[error("{what} cannot be used: {reason}")]
    Request {
        /// Which part of the request.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A thread could not be started.
    #[error("the thread of a sound device could not be started")]
    Thread(#[source] std::io::Error),
}
