//! PipeWire by its own protocol (feature `pipewire`).
//!
//! Each device has a thread of its own with a connection of its own: PipeWire's objects belong to one thread. That
//! thread opens the stream, waits for commands and for what the server says, and takes everything down again. A second
//! thread, which the library makes and gives real-time priority, calls our callback (modules `playback` and `capture`) when the
//! graph asks for frames or has some.
//!
//! - **Period.** `node.latency` asks for the wanted period; the server decides on one for all its clients, the
//!   quantum, and may change it at any time. A request is for what the library says that the cycle needs, the quantum or
//!   what its resampler makes a quantum of, and not for what fits in the buffer.
//! - **Time.** A request carries the time that the graph's driver woke up at, which jitters less than our own wake-up.
//! - **Device.** `target.object` names it. If it is not there, or goes, the session manager links the stream to the
//!   default, and to it again when it comes back; without any sink the stream waits, and asks for nothing. A recording of
//!   a named device is not taken elsewhere (`node.dont-reconnect`): it is refused, or lost.
//! - **End.** When the connection breaks the device is [`Lost`](super::DeviceEvent::Lost), and of no use any more.
//!
//! Sources: PipeWire's `pipewire/stream.h`, `pipewire/keys.h`; `spa/node/io.h` for the clock.

mod capture;
mod ffi;
mod format;
mod graph;
mod playback;
mod stream;
mod worker;

use std::path::PathBuf;

use clock::Nanos;

use super::{
    Backend, CaptureDevice, CaptureRequest, DeviceError, DeviceTiming, Events, PlaybackDevice,
    PlaybackRequest,
};
use crate::{Pull, Push};
use capture::Recorder;
use playback::Player;
use stream::{Direction, Handle, Order};

/// What errors call the server.
const SERVER: &str = "PipeWire";

/// PipeWire, as a place to open devices at. Holds no connection: a server that comes back is simply used again.
#[derive(Clone, Debug, Default)]
pub struct PipeWire {
    /// Where the server is; `None` leaves that to `PIPEWIRE_REMOTE` and the library.
    remote: Option<PathBuf>,
}

impl PipeWire {
    /// The user's own server.
    #[must_use]
    pub const fn new() -> Self {
        Self { remote: None }
    }

    /// The server at that socket.
    #[must_use]
    pub const fn at(socket: PathBuf) -> Self {
        Self {
            remote: Some(socket),
        }
    }
}

impl Backend for PipeWire {
    fn name(&self) -> &'static str {
        SERVER
    }

    fn open_playback(
        &mut self,
        request: &PlaybackRequest,
        pull: Pull,
        events: Events,
    ) -> Result<Box<dyn PlaybackDevice>, DeviceError> {
        let order = Order {
            direction: Direction::Playback,
            remote: self.remote.clone(),
            period_frames: request.period_frames,
            target: request.target.clone(),
            name: request.stream_name.clone(),
        };
        let handle = Handle::open(order, Player::new(pull, request.period_frames), events)?;
        Ok(Box::new(Device {
            handle,
            period_frames: request.period_frames,
        }))
    }

    fn open_capture(
        &mut self,
        request: &CaptureRequest,
        push: Push,
        events: Events,
    ) -> Result<Box<dyn CaptureDevice>, DeviceError> {
        let order = Order {
            direction: Direction::Capture,
            remote: self.remote.clone(),
            period_frames: request.period_frames,
            target: request.target.clone(),
            name: request.stream_name.clone(),
        };
        let handle = Handle::open(order, Recorder::new(push), events)?;
        Ok(Box::new(Device {
            handle,
            period_frames: request.period_frames,
        }))
    }
}

/// An open stream.
struct Device {
    handle: Handle,
    /// As asked.
    period_frames: u32,
}

impl PlaybackDevice for Device {
    /// At least what was asked: a shorter quantum is another client's wish, and goes when that client goes.
    fn timing(&self) -> DeviceTiming {
        let seen = self.handle.figures().longest_frames();
        DeviceTiming {
            max_period_frames: seen.max(self.period_frames),
        }
    }

    fn set_volume(&mut self, levels: &[f32], mute: bool) {
        self.handle.set_volume(levels, mute);
    }

    fn latency(&self) -> Option<Nanos> {
        self.handle.figures().latency()
    }

    fn description(&self) -> String {
        SERVER.to_owned()
    }
}

impl CaptureDevice for Device {
    fn set_volume(&mut self, levels: &[f32], mute: bool) {
        self.handle.set_volume(levels, mute);
    }

    fn description(&self) -> String {
        SERVER.to_owned()
    }
}
