//! A SPICE server without a machine: plays what a test tells it, and notes what arrives and when.
//!
//! Written from spice.md alone; shares nothing with the crate `spice`. Threads wait in the kernel, one for each
//! connection, so that the time of an arrival is the time at which the bytes could be read.

mod agent;
mod link;
mod sound;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clock::{Clock as _, MonotonicClock, Nanos};

use agent::Agent;
pub use sound::{Playing, SoundFormat, Tone};

/// Channel types (spice.md 1.6).
pub const MAIN: u8 = 1;
/// The picture.
pub const DISPLAY: u8 = 2;
/// Keyboard and pointer.
pub const INPUTS: u8 = 3;
/// The pointer's shape.
pub const CURSOR: u8 = 4;
/// Sound that the guest plays.
pub const PLAYBACK: u8 = 5;
/// Sound that the guest records.
pub const RECORD: u8 = 6;

/// One motion acknowledgement for this many messages (spice.md 4.4).
const MOTIONS_PER_ACK: u32 = 4;

/// What the server is to be.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The ticket; empty for none.
    pub password: String,
    /// The machine's UUID.
    pub uuid: [u8; 16],
    /// Whether absolute positions can be had.
    pub has_tablet: bool,
    /// Whether an agent runs in the guest.
    pub has_agent: bool,
    /// Whether the machine has a sound card.
    pub has_sound: bool,
    /// Size and colour (0x00RRGGBB) of the picture.
    pub picture: (u32, u32, u32),
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            password: String::new(),
            uuid: [0; 16],
            has_tablet: false,
            has_agent: false,
            has_sound: false,
            picture: (640, 480, 0x0020_4080),
        }
    }
}

/// A message that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it could be read.
    pub time: Nanos,
    /// The type of the channel.
    pub channel: u8,
    /// The type of the message.
    pub kind: u16,
    /// What it holds. Of AGENT_DATA nothing: see [`SpiceServer::pasted`].
    pub payload: Vec<u8>,
}

/// A running server; dropping it closes everything.
pub struct SpiceServer {
    shared: Arc<Shared>,
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

/// Called with each arrival, on the thread that read it.
type Listener = Box<dyn Fn(&Arrival) + Send + Sync>;

struct Shared {
    options: ServerOptions,
    state: Mutex<State>,
    changed: Condvar,
    listener: Option<Listener>,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    arrivals: Vec<Arrival>,
    agent: Agent,
    sessions: u32,
    handshakes: u32,
    mouse_mode: u16,
    /// Absolute positions can be had at the moment.
    has_tablet: bool,
    is_closed: bool,
    /// New connections are closed at once.
    refuses: bool,
}

#[derive(Clone)]
struct Connection {
    channel: u8,
    writer: Arc<Mutex<UnixStream>>,
    socket: Arc<UnixStream>,
}

impl SpiceServer {
    /// Listens on a socket in a folder of its own.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(options: ServerOptions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("spice.sock");
        let mut server = Self::listen(&path, options, None)?;
        server._folder = Some(folder);
        Ok(server)
    }

    /// Listens on that socket, and tells `listener` of what arrives.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn listen(
        path: &Path,
        options: ServerOptions,
        listener: Option<Listener>,
    ) -> anyhow::Result<Self> {
        let socket = UnixListener::bind(path)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                has_tablet: options.has_tablet,
                ..State::default()
            }),
            options,
            changed: Condvar::new(),
            listener,
        });
        let accepting = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("spice-server".into())
            .spawn(move || accept(&socket, &accepting))?;
        Ok(Self {
            shared,
            path: path.to_owned(),
            _folder: None,
        })
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The options with which our client finds it.
    #[must_use]
    pub fn client_options(&self) -> [String; 3] {
        [
            "spice:enable=yes".into(),
            format!("spice:host={}", self.path.display()),
            "spice:port=0".into(),
        ]
    }

    /// What has arrived on that channel so far.
    #[must_use]
    pub fn arrivals(&self, channel: u8) -> Vec<Arrival> {
        let state = self.shared.state();
        let all = state.arrivals.iter();
        all.filter(|arrival| arrival.channel == channel)
            .cloned()
            .collect()
    }

    /// Forgets what has arrived.
    pub fn forget_arrivals(&self) {
        self.shared.state().arrivals.clear();
    }

    /// Waits until the arrivals on that channel satisfy `is_done`; false if they do not within `limit`.
    pub fn wait_for(
        &self,
        channel: u8,
        limit: Duration,
        mut is_done: impl FnMut(&[Arrival]) -> bool,
    ) -> bool {
        self.shared.wait(limit, |state| {
            let all = state.arrivals.iter();
            let of_channel: Vec<Arrival> = all
                .filter(|arrival| arrival.channel == channel)
                .cloned()
                .collect();
            is_done(&of_channel)
        })
    }

    /// Waits until a client has opened that channel; false if none does within `limit`.
    pub fn wait_for_channel(&self, channel: u8, limit: Duration) -> bool {
        self.shared.wait(limit, |state| {
            state.connections.iter().any(|c| c.channel == channel)
        })
    }

    /// Waits until no client has that channel open; false if one still has after `limit`.
    pub fn wait_for_no_channel(&self, channel: u8, limit: Duration) -> bool {
        self.shared.wait(limit, |state| {
            !state.connections.iter().any(|c| c.channel == channel)
        })
    }

    /// How many sessions clients have begun.
    #[must_use]
    pub fn sessions(&self) -> u32 {
        self.shared.state().sessions
    }

    /// How many handshakes clients have begun, with whatever end. Connections on which nothing was said do not count.
    #[must_use]
    pub fn handshakes(&self) -> u32 {
        self.shared.state().handshakes
    }

    /// Sends a message on that channel to whoever has it open.
    pub fn send(&self, channel: u8, kind: u16, payload: &[u8]) {
        self.send_raw(channel, &message(kind, payload));
    }

    /// Sends bytes as they are, whole messages or not.
    pub fn send_raw(&self, channel: u8, bytes: &[u8]) {
        for connection in self.shared.connections(channel) {
            // A client that has gone is noticed by its reader.
            let _ = connection.write(bytes);
        }
    }

    /// Closes that channel.
    pub fn drop_channel(&self, channel: u8) {
        for connection in self.shared.connections(channel) {
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
    }

    /// Sends bytes, then closes that channel alone: the others stay open even without MAIN, as where a connection breaks
    /// on its way.
    pub fn cut(&self, channel: u8, bytes: &[u8]) {
        let mut state = self.shared.state();
        let all = std::mem::take(&mut state.connections);
        let (cut, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| c.channel == channel);
        state.connections = kept;
        drop(state);
        for connection in cut {
            let _ = connection.write(bytes);
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
    }

    /// Closes all channels, as when another client takes over; the socket goes on listening.
    pub fn drop_session(&self) {
        for connection in self.shared.state().connections.clone() {
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
    }

    /// Closes new connections at once, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.shared.state().refuses = refuses;
    }

    /// Lets absolute positions be had, or no longer, as when the guest's driver for them comes or goes.
    pub fn set_tablet(&self, has_tablet: bool) {
        let mut state = self.shared.state();
        state.has_tablet = has_tablet;
        if !has_tablet {
            state.mouse_mode = 1;
        }
        let mode = mouse_mode(&state);
        drop(state);
        self.send(MAIN, 105, &mode);
    }

    /// Fills a rectangle of the picture: left, top, width, height and 0x00RRGGBB.
    pub fn draw(&self, rect: [u32; 4], color: u32) {
        self.send(DISPLAY, 304, &draw_copy(rect, color));
    }
}

impl Drop for SpiceServer {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.drop_session();
        // Wakes the thread that accepts, which then ends.
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self, channel: u8) -> Vec<Connection> {
        let state = self.state();
        let all = state.connections.iter();
        all.filter(|c| c.channel == channel).cloned().collect()
    }

    /// Waits until the state satisfies `is_done`.
    fn wait(&self, limit: Duration, mut is_done: impl FnMut(&State) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.state();
        while !is_done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

impl Connection {
    fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(bytes)
    }

    fn send(&self, kind: u16, payload: &[u8]) -> std::io::Result<()> {
        self.write(&message(kind, payload))
    }
}

/// A message with its short header (spice.md 1.7).
#[must_use]
pub fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    [&kind.to_le_bytes()[..], &size.to_le_bytes(), payload].concat()
}

/// Words as they are on the wire.
#[must_use]
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What MOUSE_MODE tells: the modes there are, and the one in force.
fn mouse_mode(state: &State) -> Vec<u8> {
    let modes: u16 = if state.has_tablet { 3 } else { 1 };
    [modes, state.mouse_mode]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// DRAW_COPY of one colour, as QEMU sends it (spice.md 5.5, 12): left, top, width, height and 0x00RRGGBB.
#[must_use]
pub fn draw_copy([left, top, width, height]: [u32; 4], color: u32) -> Vec<u8> {
    let mut payload = words(&[0, top, left, top + height, left + width]);
    payload.push(0);
    payload.extend(words(&[57, 0, 0, height, width]));
    payload.extend([8, 0, 0, 0]);
    payload.extend(words(&[0, 0, 0]));
    payload.resize(57, 0);
    payload.extend(1_u64.to_le_bytes());
    payload.extend([0, 0]);
    payload.extend(words(&[width, height]));
    payload.extend([8, 4]);
    payload.extend(words(&[width, height, width * 4, 0]));
    let pixels = usize::try_from(width * height).unwrap_or(0);
    payload.extend(color.to_le_bytes().repeat(pixels));
    payload
}

fn accept(socket: &UnixListener, shared: &Arc<Shared>) {
    for stream in socket.incoming() {
        let Ok(stream) = stream else {
            return;
        };
        let state = shared.state();
        if state.is_closed {
            return;
        }
        if state.refuses {
            continue;
        }
        drop(state);
        let shared = Arc::clone(shared);
        let serve = move || {
            // Whatever a client does wrong ends its connection.
            let _ = serve(stream, &shared);
        };
        let _ = std::thread::Builder::new()
            .name("spice-channel".into())
            .spawn(serve);
    }
}

fn serve(mut stream: UnixStream, shared: &Arc<Shared>) -> anyhow::Result<()> {
    let begun = || shared.state().handshakes += 1;
    let Some(channel) = link::greet(&mut stream, &shared.options.password, begun)? else {
        return Ok(());
    };
    let connection = Connection {
        channel,
        writer: Arc::new(Mutex::new(stream.try_clone()?)),
        socket: Arc::new(stream.try_clone()?),
    };
    begin(&connection, shared)?;
    let result = read(&mut stream, &connection, shared);
    let mut state = shared.state();
    let known = state.connections.len();
    state
        .connections
        .retain(|c| !Arc::ptr_eq(&c.writer, &connection.writer));
    if channel == MAIN && state.connections.len() < known {
        // With MAIN all channels of the session go (spice.md 10).
        for other in std::mem::take(&mut state.connections) {
            let _ = other.socket.shutdown(Shutdown::Both);
        }
    }
    drop(state);
    shared.changed.notify_all();
    result
}

/// Notes the new channel and says what a server says first.
fn begin(connection: &Connection, shared: &Arc<Shared>) -> anyhow::Result<()> {
    let options = &shared.options;
    let mut state = shared.state();
    if connection.channel == MAIN {
        // Another client takes over: the older session is closed (spice.md 10).
        for other in std::mem::take(&mut state.connections) {
            let _ = other.socket.shutdown(Shutdown::Both);
        }
        state.sessions += 1;
        state.mouse_mode = 1;
        state.agent = Agent::default();
    }
    let session = 0x1f00 + state.sessions;
    state.connections.push(connection.clone());
    drop(state);
    shared.changed.notify_all();
    match connection.channel {
        MAIN => {
            let modes = if shared.state().has_tablet { 3 } else { 1 };
            let agent = u32::from(options.has_agent);
            connection.send(103, &words(&[session, 1, modes, 1, agent, 10, 0, 0]))?;
            connection.send(113, &[&words(&[5])[..], b"test\0"].concat())?;
            connection.send(114, &options.uuid)?;
        }
        INPUTS => connection.send(101, &[0, 0])?,
        CURSOR => {
            connection.send(3, &words(&[1, 20]))?;
            connection.send(101, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0])?;
        }
        PLAYBACK | RECORD => sound::begin(connection)?,
        _ => {}
    }
    Ok(())
}

fn read(
    stream: &mut UnixStream,
    connection: &Connection,
    shared: &Arc<Shared>,
) -> anyhow::Result<()> {
    let mut motions = 0;
    loop {
        let mut header = [0; 6];
        stream.read_exact(&mut header)?;
        let time = MonotonicClock.now();
        let kind = u16::from_le_bytes([header[0], header[1]]);
        let size = u32::from_le_bytes([header[2], header[3], header[4], header[5]]);
        anyhow::ensure!(size <= 1 << 16, "no client message is that long");
        let mut payload = vec![0; size as usize];
        stream.read_exact(&mut payload)?;
        let is_agent = connection.channel == MAIN && kind == 107;
        let mut arrival = Arrival {
            time,
            channel: connection.channel,
            kind,
            payload,
        };
        if let Some(listener) = &shared.listener {
            listener(&arrival);
        }
        answer(&arrival, connection, shared, &mut motions)?;
        if is_agent {
            arrival.payload = Vec::new();
        }
        shared.state().arrivals.push(arrival);
        shared.changed.notify_all();
    }
}

/// Says what a server says to a message.
fn answer(
    arrival: &Arrival,
    connection: &Connection,
    shared: &Arc<Shared>,
    motions: &mut u32,
) -> anyhow::Result<()> {
    match (arrival.channel, arrival.kind) {
        (MAIN, 104) => {
            let mut channels = vec![DISPLAY, CURSOR, INPUTS];
            if shared.options.has_sound {
                channels.extend([PLAYBACK, RECORD]);
            }
            let mut list = words(&[u32::try_from(channels.len())?]);
            list.extend(channels.iter().flat_map(|&channel| [channel, 0]));
            connection.send(104, &list)?;
        }
        (MAIN, 105) => {
            let mode = u16::from_le_bytes([arrival.payload[0], arrival.payload[1]]);
            let mut state = shared.state();
            // Without a tablet there is no answer (spice.md 3.4).
            if state.has_tablet {
                state.mouse_mode = mode;
                let answer = mouse_mode(&state);
                drop(state);
                connection.send(105, &answer)?;
            }
        }
        (MAIN, 106..=108) => agent::receive(arrival, connection, shared)?,
        (INPUTS, 111 | 112) => {
            *motions += 1;
            if motions.is_multiple_of(MOTIONS_PER_ACK) {
                connection.send(111, &[])?;
            }
        }
        (DISPLAY, 101) => {
            let (width, height, color) = shared.options.picture;
            connection.send(3, &words(&[1, 20]))?;
            connection.send(314, &words(&[0, width, height, 32, 1]))?;
            connection.send(304, &draw_copy([0, 0, width, height], color))?;
            connection.send(102, &[])?;
        }
        _ => {}
    }
    Ok(())
}
