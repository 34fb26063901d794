//! PulseAudio, and PipeWire through its PulseAudio server.
//!
//! The `pulseaudio` crate reads and writes the protocol. Its own client is not used: it passes over all that happens to a
//! stream (moved, ended, another buffer), cannot set a volume, clears a megabyte for each message, and waits without end
//! for a server that says nothing. The connection here is one thread for each stream, which waits for the server and for
//! the stream's owner.
//!
//! The server's buffer plays from the first moment on and never stops (`prebuf` 0), so the number of frames that it asks
//! for is its device's clock. The thread has no real-time priority: PulseAudio's own has, and between its asking and its
//! needing lies the buffer of `layout::playback_buffer`.
//!
//! Sources: PulseAudio's protocol as `pulseaudio` 0.3 documents it, `PROTOCOL` and `src/pulse/def.h` of PulseAudio 16.

mod address;
mod capture;
mod layout;
mod link;
mod playback;
mod stream;
mod timing;

use std::ffi::{CStr, CString};
use std::path::PathBuf;

use clock::{Clock as _, MonotonicClock, Nanos};
use pulseaudio::protocol::{CreatePlaybackStreamReply, CreateRecordStreamReply, Prop, Props};

use self::link::{Link, LinkError};
use self::stream::Shared;
use super::{
    Backend, CaptureDevice, CaptureRequest, DeviceError, Events, OPEN_LIMIT, PlaybackDevice,
    PlaybackRequest,
};
use crate::{Pull, Push};

/// What the server's mixer shows for all our streams.
const APPLICATION_NAME: &CStr = c"Looking Glass";

/// Its name in messages.
const NAME: &str = "PulseAudio";

/// PulseAudio's server, or PipeWire's that speaks its protocol.
#[derive(Debug)]
pub struct PulseAudio {
    sockets: Vec<PathBuf>,
}

impl PulseAudio {
    /// The server that the environment names: `PULSE_SERVER`, else the user's own.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            sockets: address::sockets(|name| std::env::var_os(name)),
        }
    }

    /// The server that listens on that socket.
    #[must_use]
    pub fn at(socket: PathBuf) -> Self {
        Self {
            sockets: vec![socket],
        }
    }

    /// Where it may listen, in the order that is tried.
    #[must_use]
    pub fn sockets(&self) -> &[PathBuf] {
        &self.sockets
    }

    /// Connects to the first server that takes us.
    fn connect(&self, deadline: Nanos) -> Result<Link, DeviceError> {
        let mut reasons = Vec::new();
        for socket in &self.sockets {
            match Link::connect(socket, APPLICATION_NAME, address::cookie(), deadline) {
                Ok(link) => return Ok(link),
                Err(error) => reasons.push(format!("{}: {error}", socket.display())),
            }
        }
        if reasons.is_empty() {
            reasons.push("PULSE_SERVER names none on this machine".to_owned());
        }
        Err(DeviceError::NoServer {
            server: NAME,
            reason: reasons.join("; "),
        })
    }
}

impl Backend for PulseAudio {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open_playback(
        &mut self,
        request: &PlaybackRequest,
        pull: Pull,
        events: Events,
    ) -> Result<Box<dyn PlaybackDevice>, DeviceError> {
        let deadline = MonotonicClock.now() + OPEN_LIMIT;
        let target = target(request.target.as_deref())?;
        let is_named = target.is_some();
        let create = playback::create(request, target);
        let mut link = self.connect(deadline)?;
        let mut reply = link.request::<CreatePlaybackStreamReply>(&create, deadline);
        if let Err(LinkError::Refused(why)) = &reply
            && is_named
        {
            // As PipeWire does by itself: sound from elsewhere is better than none.
            let name = request.target.as_deref().unwrap_or_default();
            tracing::info!("sound: {NAME} does not play on {name} ({why}); its default is used");
            reply = link.request(&playback::create(request, None), deadline);
        }
        let reply = reply.map_err(refused)?;
        let player = playback::Player::new(&reply, request, pull);
        let channels = request.format.channels();
        let shared = Shared::new(player.max_period());
        let handle = stream::start(link, player, channels, shared, events);
        let handle = handle.map_err(DeviceError::Thread)?;
        let name = describe(reply.sink_name.as_deref());
        Ok(Box::new(playback::Device { handle, name }))
    }

    fn open_capture(
        &mut self,
        request: &CaptureRequest,
        push: Push,
        events: Events,
    ) -> Result<Box<dyn CaptureDevice>, DeviceError> {
        let deadline = MonotonicClock.now() + OPEN_LIMIT;
        let target = target(request.target.as_deref())?;
        let is_pinned = target.is_some();
        let create = capture::create(request, target);
        let mut link = self.connect(deadline)?;
        let reply: CreateRecordStreamReply = link.request(&create, deadline).map_err(refused)?;
        let recorder = capture::Recorder::new(&reply, push, is_pinned);
        let channels = request.format.channels();
        let handle = stream::start(link, recorder, channels, Shared::new(0), events);
        let handle = handle.map_err(DeviceError::Thread)?;
        let name = describe(reply.sink_name.as_deref());
        Ok(Box::new(capture::Device { handle, name }))
    }
}

/// A device's name as the protocol has it.
fn target(name: Option<&str>) -> Result<Option<CString>, DeviceError> {
    let name = name.filter(|name| !name.is_empty()).map(CString::new);
    name.transpose().map_err(|error| DeviceError::Request {
        what: "the device's name",
        reason: error.to_string(),
    })
}

/// What the server's mixer shows for one stream.
fn stream_props(name: &str) -> Props {
    let mut props = Props::new();
    let visible: String = name.chars().filter(|c| *c != '\0').collect();
    props.set(Prop::MediaName, CString::new(visible).unwrap_or_default());
    props
}

/// The server and the name of its device, for the user.
fn describe(device: Option<&CStr>) -> String {
    match device {
        Some(device) => format!("{NAME}, {}", device.to_string_lossy()),
        None => NAME.to_owned(),
    }
}

fn refused(error: LinkError) -> DeviceError {
    match error {
        LinkError::Late => DeviceError::Late {
            server: NAME,
            what: "open a stream",
            limit_ms: OPEN_LIMIT.as_millis().unsigned_abs(),
        },
        error => DeviceError::Refused {
            server: NAME,
            reason: error.to_string(),
        },
    }
}
