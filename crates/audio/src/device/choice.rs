//! Which sound server is used: the first that runs of PipeWire, PulseAudio and, if none does, [`Null`].
//!
//! Each time that a device is opened the choice is made anew, so a server that comes back is used again. Running means
//! that something listens on the server's socket. A server that listens but gives no stream, as a PipeWire that only
//! carries screens does, is passed over for [`RETRY_AFTER`].

use std::path::{Path, PathBuf};

use clock::{Clock as _, MonotonicClock, Nanos};

use super::null::Null;
use super::pulseaudio::PulseAudio;
use super::{
    Backend, CaptureDevice, CaptureRequest, DeviceError, Events, PlaybackDevice, PlaybackRequest,
};
use crate::{Pull, Push};

/// How long a server is passed over that listens but gave no stream.
pub const RETRY_AFTER: Nanos = Nanos::from_millis(10_000);

/// All sound servers, best first, as one.
pub struct Choice {
    servers: Vec<Server>,
    null: Null,
    /// What the log was told last.
    said: String,
}

/// A server, and what is known of it.
struct Server {
    backend: Box<dyn Backend>,
    /// Where it may listen.
    sockets: Vec<PathBuf>,
    /// When it last gave no stream, and why.
    failure: Option<(Nanos, String)>,
}

/// What is known of a server when one is to be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It runs.
    Runs,
    /// Nothing listens there.
    Absent(String),
    /// It listens, but gave no stream so long ago.
    Failed(Nanos, String),
}

impl State {
    /// Why it is not worth trying.
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Runs => None,
            Self::Failed(ago, _) if *ago >= RETRY_AFTER => None,
            Self::Absent(why) | Self::Failed(_, why) => Some(why),
        }
    }
}

/// The first server worth trying; `None` is [`Null`].
fn choose(states: &[State]) -> Option<usize> {
    states.iter().position(|state| state.reason().is_none())
}

/// What the log says: what is used, and why not what would be better.
fn explain(chosen: &str, states: &[(&str, State)]) -> String {
    let passed: Vec<String> = states
        .iter()
        .take_while(|(name, _)| *name != chosen)
        .filter_map(|(name, state)| Some(format!("{name}: {}", state.reason()?)))
        .collect();
    match passed.as_slice() {
        [] => format!("sound: {chosen}"),
        passed => format!("sound: {chosen} (not {})", passed.join("; not ")),
    }
}

impl Choice {
    /// The servers that the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        let mut servers: Vec<(Box<dyn Backend>, Vec<PathBuf>)> = Vec::new();
        #[cfg(feature = "pipewire")]
        servers.push((
            Box::new(super::pipewire::PipeWire::new()),
            pipewire_sockets(|name| std::env::var_os(name)),
        ));
        let pulse = PulseAudio::from_environment();
        let sockets = pulse.sockets().to_vec();
        servers.push((Box::new(pulse), sockets));
        Self::of(servers)
    }

    /// Those servers with the sockets they may listen on, best first.
    #[must_use]
    pub fn of(servers: Vec<(Box<dyn Backend>, Vec<PathBuf>)>) -> Self {
        let server = |(backend, sockets)| Server {
            backend,
            sockets,
            failure: None,
        };
        Self {
            servers: servers.into_iter().map(server).collect(),
            null: Null::new(),
            said: String::new(),
        }
    }

    /// Chooses, opens, and remembers a failure.
    fn open<T>(
        &mut self,
        open: impl FnOnce(&mut dyn Backend) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let now = MonotonicClock.now();
        let states: Vec<_> = self
            .servers
            .iter()
            .map(|server| server.state(now))
            .collect();
        let chosen = choose(&states);
        let names = self.servers.iter().map(|server| server.backend.name());
        let named: Vec<_> = names.zip(states).collect();
        let Some(server) = chosen.and_then(|index| self.servers.get_mut(index)) else {
            say(&mut self.said, explain(self.null.name(), &named));
            return open(&mut self.null);
        };
        let said = explain(server.backend.name(), &named);
        let result = open(server.backend.as_mut());
        match &result {
            Ok(_) => {
                server.failure = None;
                say(&mut self.said, said);
            }
            Err(error) => server.failure = Some((now, error.to_string())),
        }
        result
    }
}

/// Tells the log, once.
fn say(said: &mut String, text: String) {
    if *said != text {
        tracing::info!("{text}");
        *said = text;
    }
}

impl Server {
    fn state(&self, now: Nanos) -> State {
        let mut reasons = Vec::new();
        for socket in &self.sockets {
            match listens(socket) {
                Ok(()) => {
                    return match &self.failure {
                        Some((at, why)) => State::Failed(now - *at, why.clone()),
                        None => State::Runs,
                    };
                }
                Err(error) => reasons.push(format!("{}: {error}", socket.display())),
            }
        }
        if reasons.is_empty() {
            reasons.push("no socket to look at".to_owned());
        }
        State::Absent(reasons.join(", "))
    }
}

/// Whether something takes connections there, without waiting for it.
fn listens(socket: &Path) -> Result<(), rustix::io::Errno> {
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let mine = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&mine, &SocketAddrUnix::new(socket)?) {
        // Its queue of guests is full: it listens.
        Ok(()) | Err(Errno::AGAIN) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Where PipeWire listens (pipewire(1), `PIPEWIRE_REMOTE`).
#[cfg(any(test, feature = "pipewire"))]
fn pipewire_sockets(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Vec<PathBuf> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let name = variable("PIPEWIRE_REMOTE").unwrap_or_else(|| "pipewire-0".into());
    if Path::new(&name).is_absolute() {
        return vec![name.into()];
    }
    ["PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR"]
        .into_iter()
        .filter_map(variable)
        .map(|folder| PathBuf::from(folder).join(&name))
        .collect()
}

impl Backend for Choice {
    fn name(&self) -> &'static str {
        "the best server"
    }

    fn open_playback(
        &mut self,
        request: &PlaybackRequest,
        pull: Pull,
        events: Events,
    ) -> Result<Box<dyn PlaybackDevice>, DeviceError> {
        self.open(|backend| backend.open_playback(request, pull, events))
    }

    fn open_capture(
        &mut self,
        request: &CaptureRequest,
        push: Push,
        events: Events,
    ) -> Result<Box<dyn CaptureDevice>, DeviceError> {
        self.open(|backend| backend.open_capture(request, push, events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> State {
        State::Absent("No such file or directory".to_owned())
    }

    fn failed(ago_ms: i64) -> State {
        State::Failed(Nanos::from_millis(ago_ms), "no session manager".to_owned())
    }

    #[test]
    fn the_first_that_runs_is_used() {
        assert_eq!(choose(&[State::Runs, State::Runs]), Some(0));
        assert_eq!(choose(&[absent(), State::Runs]), Some(1));
        assert_eq!(choose(&[absent(), absent()]), None);
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn one_that_gave_no_stream_is_passed_over_and_tried_again_later() {
        assert_eq!(choose(&[failed(100), State::Runs]), Some(1));
        assert_eq!(choose(&[failed(100), absent()]), None);
        assert_eq!(
            choose(&[failed(RETRY_AFTER.as_millis()), State::Runs]),
            Some(0)
        );
    }

    #[test]
    fn the_log_says_why_not_what_would_be_better() {
        let states = |first| [("PipeWire", first), ("PulseAudio", State::Runs)];
        assert_eq!(explain("PipeWire", &states(State::Runs)), "sound: PipeWire");
        assert_eq!(
            explain("PulseAudio", &states(absent())),
            "sound: PulseAudio (not PipeWire: No such file or directory)"
        );
        let none = [("PipeWire", failed(1)), ("PulseAudio", absent())];
        assert_eq!(
            explain("null", &none),
            "sound: null (not PipeWire: no session manager; not PulseAudio: No such file or directory)"
        );
    }

    #[test]
    fn a_file_or_nothing_does_not_listen_but_a_socket_does() {
        let folder = std::env::temp_dir().join(format!("lg-listens-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("socket");
        assert!(listens(&socket).is_err());
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(listens(&socket).is_ok());
        drop(listener);
        assert!(listens(&socket).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn pipewire_is_where_its_variables_say() {
        let with = |variables: &[(&str, &str)]| {
            pipewire_sockets(|name| {
                let found = variables.iter().find(|(given, _)| *given == name);
                found.map(|(_, value)| value.into())
            })
        };
        let runtime = ("XDG_RUNTIME_DIR", "/run/user/7");
        assert_eq!(with(&[runtime]), [Path::new("/run/user/7/pipewire-0")]);
        assert_eq!(
            with(&[runtime, ("PIPEWIRE_REMOTE", "other")]),
            [Path::new("/run/user/7/other")]
        );
        assert_eq!(
            with(&[runtime, ("PIPEWIRE_REMOTE", "/tmp/socket")]),
            [Path::new("/tmp/socket")]
        );
        assert!(with(&[]).is_empty());
    }
}
