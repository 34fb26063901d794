//! A server's side of a session, without sockets: plays what was recorded or made up.
//!
//! The recordings are whole streams of a real QEMU, one a channel, from the link reply on: `record_spice` in `crates/e2e`
//! made them.

use std::time::Instant;

use spice::{Action, ChannelId, ChannelKind, Event, Screen, Session, SessionOptions};

/// The most that a test's clipboard carries.
pub(crate) const MAX_CLIPBOARD: usize = 10_000;
/// Never so much waits to be sent: the session ends long before (its limit is 1 MiB a channel, spice.md 10).
const MAX_OUTPUT: usize = 4 << 20;

/// What QEMU sent on a channel.
pub(crate) struct Recording {
    pub(crate) name: &'static str,
    pub(crate) kind: ChannelKind,
    pub(crate) bytes: &'static [u8],
}

macro_rules! recording {
    ($name:literal, $kind:ident) => {
        Recording {
            name: $name,
            kind: ChannelKind::$kind,
            bytes: include_bytes!(concat!("../data/", $name)),
        }
    };
}

/// The first is MAIN's of a machine with all channels.
pub(crate) static RECORDINGS: [Recording; 7] = [
    recording!("main", Main),
    recording!("main-agent", Main),
    recording!("inputs", Inputs),
    recording!("display", Display),
    recording!("cursor", Cursor),
    recording!("playback", Playback),
    recording!("record", Record),
];

impl Recording {
    /// The link reply and the link result: what comes before the messages.
    pub(crate) fn handshake(&self) -> &'static [u8] {
        let size = self.bytes[12..16].try_into().map(u32::from_le_bytes);
        &self.bytes[..16 + size.unwrap() as usize + 4]
    }

    /// The messages.
    pub(crate) fn messages(&self) -> &'static [u8] {
        &self.bytes[self.handshake().len()..]
    }

    /// The channel.
    pub(crate) fn id(&self) -> ChannelId {
        ChannelId {
            kind: self.kind,
            id: 0,
        }
    }
}

/// The recording of a channel.
pub(crate) fn of(kind: ChannelKind) -> &'static Recording {
    let found = RECORDINGS.iter().find(|recording| recording.kind == kind);
    found.unwrap()
}

/// A session, and what its connections do.
pub(crate) struct Server {
    pub(crate) session: Session,
    pub(crate) screen: Screen,
    pub(crate) now: Instant,
    /// The channels that are connected.
    pub(crate) open: Vec<ChannelId>,
}

impl Server {
    /// A session that knows no server yet.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let options = SessionOptions {
            playback: true,
            record: true,
            max_clipboard: MAX_CLIPBOARD,
            ..SessionOptions::default()
        };
        Self {
            session: Session::new(options, now),
            screen: Screen::new(),
            now,
            open: Vec::new(),
        }
    }

    /// Does what the session wants; all connections come about, and the server's side of the handshake of those that
    /// `is_linked` chooses.
    pub(crate) fn act(&mut self, is_linked: impl Fn(ChannelId) -> bool) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Open(id) => {
                    self.open.push(id);
                    self.session.connected(id, self.now);
                    if is_linked(id) {
                        self.feed(id, of(id.kind).handshake());
                    }
                }
                Action::Close(id) => self.open.retain(|open| *open != id),
                Action::ShutDown(_) => {}
            }
        }
    }

    /// Bytes arrive; what the session answers is read at once.
    pub(crate) fn feed(&mut self, id: ChannelId, bytes: &[u8]) {
        self.feed_and_see(id, bytes, &mut |_| ());
    }

    /// As [`Self::feed`], but shows what comes of it.
    pub(crate) fn feed_and_see(
        &mut self,
        id: ChannelId,
        bytes: &[u8],
        see: &mut dyn FnMut(&Event<'_>),
    ) {
        let screen = &mut self.screen;
        self.session.receive(id, bytes, self.now, &mut |event| {
            see(&event);
            if let Event::Display(event) = event {
                screen.apply(&event);
            }
        });
        let waiting = self.session.output(id).len();
        assert!(waiting < MAX_OUTPUT, "{waiting} bytes wait for {id}");
        self.session.written(id, waiting, self.now, &mut |_| ());
    }
}
