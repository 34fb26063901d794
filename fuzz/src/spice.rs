//! SPICE: what a server may send on each channel, and the agent in the guest behind it.

use std::time::{Duration, Instant};

use spice::agent::clipboard::{ClipboardKind, Selection};
use spice::display::DisplayEvent;
use spice::inputs::{MouseButton, Scancode};
use spice::session::ChannelState;
use spice::{
    Action, ChannelId, ChannelKind, Command, Event, Password, Screen, Session, SessionOptions,
};

/// What a real QEMU said on MAIN: the link reply with its key, and the start of a session with all channels.
const MAIN: &[u8] = include_bytes!("../../crates/spice/tests/data/main");
/// The link replies of the others differ in one capability word, of which only DISPLAY's matters.
const DISPLAY: &[u8] = include_bytes!("../../crates/spice/tests/data/display");
/// Link reply and result.
const HANDSHAKE: usize = 16 + 186 + 4;

const MAX_CLIPBOARD: usize = 4096;
/// More than this never waits to be sent.
const MAX_OUTPUT: usize = 4 << 20;
/// Pictures with more pixels are not drawn here: whoever shows them decides what is too large.
const MAX_PIXELS: u64 = 1 << 20;

struct Rig {
    session: Session,
    screen: Screen,
    is_drawn: bool,
    /// The channels that have opened.
    open: Vec<ChannelKind>,
    now: Instant,
}

impl Rig {
    /// A session whose connection for MAIN stands.
    fn new(password: &[u8]) -> Self {
        let now = Instant::now();
        let options = SessionOptions {
            password: Password::new(password),
            playback: true,
            record: true,
            max_clipboard: MAX_CLIPBOARD,
            ..SessionOptions::default()
        };
        let mut rig = Self {
            session: Session::new(options, now),
            screen: Screen::new(),
            is_drawn: false,
            open: Vec::new(),
            now,
        };
        rig.session.connected(ChannelId::MAIN, now);
        rig
    }

    /// A session in which that channel is open.
    fn open(kind: ChannelKind) -> (Self, ChannelId) {
        let mut rig = Self::new(b"");
        let id = ChannelId { kind, id: 0 };
        if kind == ChannelKind::Main {
            rig.feed(id, &MAIN[..HANDSHAKE]);
        } else {
            rig.feed(ChannelId::MAIN, MAIN);
            while rig.session.next_action().is_some() {}
            rig.session.connected(id, rig.now);
            rig.feed(id, &DISPLAY[..HANDSHAKE]);
        }
        assert!(rig.open.contains(&kind), "{id} is not open");
        (rig, id)
    }

    fn feed(&mut self, id: ChannelId, bytes: &[u8]) {
        let (screen, is_drawn) = (&mut self.screen, &mut self.is_drawn);
        let open = &mut self.open;
        self.session.receive(id, bytes, self.now, &mut |event| {
            check(&event, bytes.len());
            if let Event::Channel {
                kind,
                state: ChannelState::Open,
            } = event
            {
                open.push(kind);
            }
            let Event::Display(event) = event else {
                return;
            };
            if let DisplayEvent::Created(size) = event {
                *is_drawn = u64::from(size.width) * u64::from(size.height) <= MAX_PIXELS;
            }
            if *is_drawn && let Some(rect) = screen.apply(&event) {
                let size = screen.size();
                let right = u64::from(rect.left) + u64::from(rect.width);
                let bottom = u64::from(rect.top) + u64::from(rect.height);
                assert!(right <= size.width.into() && bottom <= size.height.into());
            }
        });
        let waiting = self.session.output(id).len();
        assert!(waiting < MAX_OUTPUT, "{waiting} bytes wait for {id}");
        self.session.written(id, waiting, self.now, &mut |_| ());
    }

    fn command(&mut self, command: Command) {
        self.session.command(command, self.now, &mut |_| ());
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.tick(self.now, &mut |_| ());
    }

    /// The connection closes, and the session ends.
    fn end(mut self, id: ChannelId) {
        self.session.closed(id, self.now, &mut |_| ());
        self.pass(Duration::from_secs(1));
        self.command(Command::Close);
        self.pass(Duration::from_secs(1));
        assert!(self.session.ended().is_some());
        assert!(
            std::iter::from_fn(|| self.session.next_action())
                .all(|action| !matches!(action, Action::Open(_)))
        );
    }
}

/// Texts are cleaned, and what is handed on has arrived.
fn check(event: &Event<'_>, arrived: usize) {
    match event {
        Event::Name(text) | Event::Notice { text, .. } => {
            assert!(
                text.len() <= 4096 && !text.contains(char::is_control),
                "{text:?}"
            );
        }
        Event::Cursor(spice::cursor::CursorEvent::Shape(shape)) => {
            assert!(shape.width <= 1024 && shape.height <= 1024);
            assert!(shape.hot_x <= shape.width && shape.hot_y <= shape.height);
        }
        Event::Playback(spice::audio::PlaybackEvent::Samples { samples, .. }) => {
            assert!(samples.len() <= arrived.max(1 << 20));
        }
        _ => {}
    }
}

/// How large the pieces are that arrive, and what arrives.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (step, bytes) = data.split_first().unwrap_or((&0, &[]));
    let step = match step {
        0 => usize::MAX,
        step => usize::from(*step),
    };
    bytes.chunks(step)
}

fn channel(kind: ChannelKind, data: &[u8]) {
    let (mut rig, id) = Rig::open(kind);
    for piece in pieces(data) {
        rig.feed(id, piece);
    }
    rig.end(id);
}

/// The handshake of MAIN.
pub fn spice_link(data: &[u8]) {
    let mut rig = Rig::new(b"a password");
    for piece in pieces(data) {
        rig.feed(ChannelId::MAIN, piece);
    }
    rig.end(ChannelId::MAIN);
}

/// MAIN.
pub fn spice_main(data: &[u8]) {
    channel(ChannelKind::Main, data);
}

/// DISPLAY.
pub fn spice_display(data: &[u8]) {
    channel(ChannelKind::Display, data);
}

/// CURSOR.
pub fn spice_cursor(data: &[u8]) {
    channel(ChannelKind::Cursor, data);
}

/// PLAYBACK.
pub fn spice_playback(data: &[u8]) {
    channel(ChannelKind::Playback, data);
}

/// RECORD.
pub fn spice_record(data: &[u8]) {
    channel(ChannelKind::Record, data);
}

/// INPUTS, while somebody types.
pub fn spice_inputs(data: &[u8]) {
    let (mut rig, id) = Rig::open(ChannelKind::Inputs);
    for (index, piece) in pieces(data).enumerate() {
        let is_pressed = index % 2 == 0;
        if let Some(key) = Scancode::new(1 + (index / 2 % 80) as u8, false) {
            rig.command(Command::Key { key, is_pressed });
        }
        let button = MouseButton::Left;
        rig.command(Command::Button { button, is_pressed });
        rig.command(Command::Motion {
            dx: i32::MAX,
            dy: index as i32,
        });
        rig.feed(id, piece);
        rig.pass(Duration::from_millis(1));
    }
    rig.end(id);
}

/// The stream of an agent, while both sides copy and paste.
pub fn spice_agent(data: &[u8]) {
    let (mut rig, id) = Rig::open(ChannelKind::Main);
    rig.feed(id, &MAIN[HANDSHAKE..]);
    let tokens = [115, 0, 4, 0, 0, 0, 10, 0, 0, 0];
    rig.feed(id, &tokens);
    let selection = Selection::Clipboard;
    for (index, piece) in pieces(data)
        .flat_map(|piece| piece.chunks(2048))
        .enumerate()
    {
        let size = u32::try_from(piece.len()).unwrap_or(0).to_le_bytes();
        rig.feed(id, &[&[109, 0][..], &size, piece].concat());
        match index % 4 {
            0 => rig.command(Command::RequestClipboard {
                selection,
                kind: ClipboardKind::Text,
            }),
            1 => rig.command(Command::GrabClipboard {
                selection,
                kinds: vec![ClipboardKind::Text, ClipboardKind::Png],
            }),
            2 => rig.command(Command::AnswerClipboard {
                selection,
                kind: ClipboardKind::Text,
                data: Some(vec![b'x'; MAX_CLIPBOARD]),
            }),
            _ => rig.pass(Duration::from_secs(3)),
        }
    }
    rig.end(id);
}
