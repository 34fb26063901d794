use std::sync::LazyLock;

use rsa::{RsaPrivateKey, pkcs8::EncodePublicKey};

use super::*;
use crate::{
    ChannelError, MouseMode, Password,
    inputs::{HeldButtons, MouseButton, Scancode},
    wire::{Put, hex},
};

/// A link reply with a good key, and the result "go on".
static LINK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
    let der = key.to_public_key().to_public_key_der().unwrap();
    let mut reply = hex("52454451 02000000 02000000 ba000000 00000000");
    reply.put(der.as_bytes());
    reply.put(&hex("01000000 01000000 b2000000 0b000000 52100000"));
    reply
});
const OK: u32 = 0;

fn message(kind: u16, payload: &str) -> Vec<u8> {
    let payload = hex(payload);
    let mut bytes = Vec::new();
    bytes.put_u16(kind);
    bytes.put_u32(payload.len() as u32);
    bytes.put(&payload);
    bytes
}

fn id(kind: ChannelKind) -> ChannelId {
    ChannelId { kind, id: 0 }
}

const INPUTS: ChannelId = ChannelId {
    kind: ChannelKind::Inputs,
    id: 0,
};
const DISPLAY: ChannelId = ChannelId {
    kind: ChannelKind::Display,
    id: 0,
};

struct Talk {
    session: Session,
    events: Vec<String>,
    now: Instant,
}

impl Talk {
    fn new(options: SessionOptions) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(options, now),
            events: Vec::new(),
            now,
        }
    }

    /// A session with MAIN, INPUTS, DISPLAY and CURSOR open, and nothing left to say.
    fn open() -> Self {
        let mut talk = Self::new(SessionOptions::default());
        talk.open_all();
        talk.write_all();
        talk.events.clear();
        talk
    }

    fn open_all(&mut self) {
        self.start();
        for action in self.actions() {
            let Action::Open(id) = action else {
                panic!("{action:?}");
            };
            self.link(id, OK);
        }
    }

    /// Up to the channel list, which has all kinds.
    fn start(&mut self) {
        assert_eq!(self.actions(), [Action::Open(ChannelId::MAIN)]);
        self.link(ChannelId::MAIN, OK);
        let init = "bad11b1f 01000000 03000000 01000000 00000000 0a000000 c6850f00 00000001";
        self.receive(ChannelId::MAIN, &message(103, init));
        let list = "06000000 0200 0400 0600 0500 0300 0201";
        self.receive(ChannelId::MAIN, &message(104, list));
    }

    fn link(&mut self, id: ChannelId, result: u32) {
        self.session.connected(id, self.now);
        self.receive(id, &LINK);
        self.receive(id, &result.to_le_bytes());
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.next_action()).collect()
    }

    fn receive(&mut self, id: ChannelId, bytes: &[u8]) {
        let events = &mut self.events;
        let mut sink = |event: Event<'_>| events.push(format!("{event:?}"));
        self.session.receive(id, bytes, self.now, &mut sink);
    }

    fn closed(&mut self, id: ChannelId) {
        let events = &mut self.events;
        let mut sink = |event: Event<'_>| events.push(format!("{event:?}"));
        self.session.closed(id, self.now, &mut sink);
    }

    fn command(&mut self, command: Command) {
        let events = &mut self.events;
        let mut sink = |event: Event<'_>| events.push(format!("{event:?}"));
        self.session.command(command, self.now, &mut sink);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        let events = &mut self.events;
        let mut sink = |event: Event<'_>| events.push(format!("{event:?}"));
        self.session.tick(self.now, &mut sink);
    }

    /// Lets time pass to the next deadline.
    fn wait_for_deadline(&mut self) -> Duration {
        let time = self.session.deadline().unwrap() - self.now;
        self.wait(time);
        time
    }

    fn written(&mut self, id: ChannelId) -> Vec<u8> {
        let bytes = self.session.output(id).to_vec();
        let events = &mut self.events;
        let mut sink = |event: Event<'_>| events.push(format!("{event:?}"));
        self.session.written(id, bytes.len(), self.now, &mut sink);
        bytes
    }

    fn write_all(&mut self) {
        for kind in SUB_CHANNELS.into_iter().chain([ChannelKind::Main]) {
            self.written(id(kind));
        }
    }

    fn ended(&self) -> Option<Ended> {
        self.session.ended()
    }
}

#[test]
fn only_wanted_channels_are_opened_and_the_lowest_of_each_kind() {
    let mut talk = Talk::new(SessionOptions {
        display: false,
        playback: true,
        ..SessionOptions::default()
    });
    talk.start();
    let opened = [
        Action::Open(INPUTS),
        Action::Open(id(ChannelKind::Playback)),
    ];
    assert_eq!(talk.actions(), opened);
    assert!(talk.events.contains(&"Ready".to_owned()));
    // The connection id of INIT is in the link message, behind the header of 16 bytes.
    talk.session.connected(INPUTS, talk.now);
    assert_eq!(talk.session.output(INPUTS)[16..22], hex("bad11b1f 03 00"));
    // A repeated list opens nothing twice.
    let list = "02000000 0300 0500";
    talk.receive(ChannelId::MAIN, &message(104, list));
    assert!(talk.actions().is_empty());
}

#[test]
fn all_channels_closed_together_is_told_from_main_closed_alone() {
    let mut talk = Talk::open();
    talk.closed(DISPLAY);
    talk.closed(ChannelId::MAIN);
    talk.closed(id(ChannelKind::Cursor));
    assert_eq!(talk.ended(), None);
    talk.now += Duration::from_millis(50);
    talk.closed(INPUTS);
    assert_eq!(talk.ended(), Some(Ended::AllChannelsLost));
    assert!(talk.actions().is_empty());

    let mut talk = Talk::open();
    talk.closed(ChannelId::MAIN);
    assert_eq!(talk.wait_for_deadline(), TOGETHER);
    assert_eq!(talk.ended(), Some(Ended::Broken(Broken::MainLost)));
    assert_eq!(talk.actions().len(), 3);
    assert_eq!(talk.session.deadline(), None);
}

#[test]
fn a_lost_channel_is_opened_again_three_times_within_a_minute() {
    let mut talk = Talk::open();
    for delay in [100, 1000, 5000] {
        talk.closed(INPUTS);
        assert_eq!(talk.wait_for_deadline(), Duration::from_millis(delay));
        assert_eq!(talk.actions(), [Action::Open(INPUTS)]);
        talk.link(INPUTS, OK);
        talk.write_all();
    }
    talk.events.clear();
    talk.closed(INPUTS);
    assert_eq!(
        talk.events,
        ["Channel { kind: Inputs, state: Unavailable }"]
    );
    assert_eq!(talk.session.deadline(), None);
    assert_eq!(talk.ended(), None);
}

#[test]
fn losses_longer_ago_than_a_minute_are_forgotten() {
    let mut talk = Talk::open();
    for _ in 0..10 {
        talk.closed(INPUTS);
        assert_eq!(talk.wait_for_deadline(), Duration::from_millis(100));
        assert_eq!(talk.actions(), [Action::Open(INPUTS)]);
        talk.link(INPUTS, OK);
        talk.write_all();
        talk.now += Duration::from_secs(61);
    }
}

#[test]
fn a_channel_that_the_machine_does_not_have_leaves_the_session_alone() {
    let mut talk = Talk::new(SessionOptions::default());
    talk.start();
    talk.actions();
    // Closed without a word; refused by code.
    talk.session.connected(DISPLAY, talk.now);
    talk.closed(DISPLAY);
    talk.link(id(ChannelKind::Cursor), 9);
    let unavailable = talk.events.iter().filter(|e| e.contains("Unavailable"));
    assert_eq!(unavailable.count(), 2);
    assert_eq!(talk.ended(), None);
    assert_eq!(talk.actions().len(), 2);
}

#[test]
fn a_session_taken_over_while_its_channels_open_is_lost_as_a_whole() {
    let mut talk = Talk::new(SessionOptions::default());
    talk.start();
    talk.actions();
    for kind in [
        ChannelKind::Inputs,
        ChannelKind::Display,
        ChannelKind::Cursor,
    ] {
        talk.link(id(kind), 8);
    }
    assert_eq!(talk.ended(), None);
    talk.closed(ChannelId::MAIN);
    assert_eq!(talk.ended(), Some(Ended::AllChannelsLost));
    // And if MAIN stays, the session is gone all the same.
    let mut talk = Talk::new(SessionOptions::default());
    talk.start();
    talk.actions();
    talk.link(INPUTS, 8);
    talk.wait(TOGETHER);
    assert_eq!(talk.ended(), Some(Ended::Broken(Broken::SessionGone)));
}

#[test]
fn connecting_and_the_handshake_have_time_limits() {
    let mut talk = Talk::new(SessionOptions::default());
    assert_eq!(talk.wait_for_deadline(), Duration::from_secs(3));
    assert_eq!(talk.ended(), Some(Ended::Unreachable));

    let mut talk = Talk::new(SessionOptions::default());
    talk.session.connected(ChannelId::MAIN, talk.now);
    talk.written(ChannelId::MAIN);
    assert_eq!(talk.wait_for_deadline(), Duration::from_secs(5));
    assert_eq!(talk.ended(), Some(Ended::Refused(LinkError::TimedOut)));
}

#[test]
fn a_session_without_a_channel_list_is_given_up() {
    let mut talk = Talk::new(SessionOptions::default());
    talk.link(ChannelId::MAIN, OK);
    talk.written(ChannelId::MAIN);
    assert_eq!(talk.wait_for_deadline(), READY_TIMEOUT);
    assert_eq!(talk.ended(), Some(Ended::Refused(LinkError::TimedOut)));
}

#[test]
fn a_password_that_is_too_long_is_refused_before_anything_is_sent() {
    let mut talk = Talk::new(SessionOptions {
        password: Password::new("x".repeat(60)),
        ..SessionOptions::default()
    });
    talk.session.connected(ChannelId::MAIN, talk.now);
    assert!(talk.session.output(ChannelId::MAIN).is_empty());
    talk.wait(Duration::ZERO);
    let error = LinkError::PasswordTooLong { length: 60 };
    assert_eq!(talk.ended(), Some(Ended::Refused(error)));
}

#[test]
fn a_server_that_takes_nothing_for_five_seconds_ends_the_session() {
    let mut talk = Talk::open();
    let key = Scancode::new(0x1e, false).unwrap();
    talk.command(Command::Key {
        key,
        is_pressed: true,
    });
    assert_eq!(talk.session.output(INPUTS).len(), 10);
    talk.now += Duration::from_secs(4);
    // Some progress starts the time anew.
    talk.session.written(INPUTS, 1, talk.now, &mut |_| ());
    assert_eq!(talk.wait_for_deadline(), Duration::from_secs(5));
    assert_eq!(talk.ended(), Some(Ended::Broken(Broken::WriteStalled)));
}

#[test]
fn an_orderly_end_releases_writes_waits_and_closes_main_last() {
    let mut talk = Talk::open();
    let key = Scancode::new(0x1e, false).unwrap();
    talk.command(Command::Key {
        key,
        is_pressed: true,
    });
    talk.command(Command::Button {
        button: MouseButton::Left,
        is_pressed: true,
    });
    talk.write_all();
    talk.command(Command::Close);
    // Too late: nobody would release it.
    talk.command(Command::Button {
        button: MouseButton::Left,
        is_pressed: true,
    });
    let released = hex("6600 04000000 9e000000 7200 03000000 01 0000");
    assert_eq!(talk.written(INPUTS), released);
    let cursor = id(ChannelKind::Cursor);
    let shut_down = [INPUTS, DISPLAY, cursor].map(Action::ShutDown);
    assert_eq!(talk.actions(), shut_down);
    talk.closed(cursor);
    talk.closed(DISPLAY);
    assert_eq!(talk.ended(), None);
    talk.closed(INPUTS);
    assert_eq!(talk.ended(), Some(Ended::Closed));
    assert_eq!(talk.actions(), [Action::Close(ChannelId::MAIN)]);

    // A server that does not answer is not waited for.
    let mut talk = Talk::open();
    talk.command(Command::Close);
    assert_eq!(talk.actions().len(), 3);
    assert_eq!(talk.wait_for_deadline(), CLOSE_TIMEOUT);
    assert_eq!(talk.ended(), Some(Ended::Closed));
    let closed = [cursor, DISPLAY, INPUTS, ChannelId::MAIN].map(Action::Close);
    assert_eq!(talk.actions(), closed);
}

#[test]
fn closing_while_connecting_ends_at_once() {
    let mut talk = Talk::new(SessionOptions::default());
    talk.command(Command::Close);
    assert_eq!(talk.ended(), Some(Ended::Closed));
    assert_eq!(talk.actions(), [Action::Close(ChannelId::MAIN)]);
}

#[test]
fn the_wanted_mouse_mode_is_asked_for_and_motion_goes_only_where_it_is_heard() {
    let mut talk = Talk::open();
    talk.receive(
        DISPLAY,
        &message(314, "00000000 d0020000 90010000 20000000 01000000"),
    );
    talk.command(Command::Position { x: 1, y: 1 });
    assert!(talk.written(INPUTS).is_empty());
    talk.command(Command::UseMouse(MouseMode::Absolute));
    assert_eq!(talk.written(ChannelId::MAIN), hex("6900 02000000 0200"));
    talk.receive(ChannelId::MAIN, &message(105, "0300 0200"));
    assert!(talk.written(ChannelId::MAIN).is_empty());
    talk.command(Command::Motion { dx: 1, dy: 1 });
    assert!(talk.written(INPUTS).is_empty());
    talk.command(Command::Position { x: 5000, y: 399 });
    let clamped = hex("7000 0b000000 cf020000 8f010000 0000 00");
    assert_eq!(talk.written(INPUTS), clamped);
    // Revoked: relative mode is in force and nothing is asked for, until absolute mode can be had again.
    talk.receive(ChannelId::MAIN, &message(105, "0100 0100"));
    assert!(talk.written(ChannelId::MAIN).is_empty());
    talk.receive(ChannelId::MAIN, &message(105, "0300 0100"));
    assert_eq!(talk.written(ChannelId::MAIN), hex("6900 02000000 0200"));
    talk.command(Command::Motion { dx: 1, dy: 1 });
    talk.wait(Duration::from_millis(1));
    assert_eq!(talk.written(INPUTS).len(), 16);
}

#[test]
fn a_message_before_init_or_a_migration_ends_the_session() {
    let mut talk = Talk::new(SessionOptions::default());
    talk.link(ChannelId::MAIN, OK);
    talk.receive(ChannelId::MAIN, &message(105, "0300 0200"));
    let broken = |error| Some(Ended::Broken(Broken::Protocol(error)));
    assert_eq!(talk.ended(), broken(ChannelError::BeforeInit(105)));

    let mut talk = Talk::open();
    talk.receive(ChannelId::MAIN, &message(1, "00000000"));
    assert_eq!(talk.ended(), broken(ChannelError::Migrating));
}

#[test]
fn a_broken_sub_channel_is_closed_and_opened_again() {
    let mut talk = Talk::open();
    talk.receive(
        DISPLAY,
        &message(314, "00000000 d0020000 90010000 20000000 01000000"),
    );
    talk.events.clear();
    talk.receive(DISPLAY, &hex("3001 ffffffff"));
    assert_eq!(talk.actions(), [Action::Close(DISPLAY)]);
    assert_eq!(
        talk.events,
        [
            "Display(Destroyed)",
            "Channel { kind: Display, state: Lost }"
        ]
    );
    talk.wait(Duration::from_millis(100));
    assert_eq!(talk.actions(), [Action::Open(DISPLAY)]);
}

#[test]
fn the_display_is_closed_and_opened_by_command() {
    let mut talk = Talk::open();
    let cursor = id(ChannelKind::Cursor);
    talk.command(Command::ShowDisplay(false));
    assert_eq!(talk.actions(), [DISPLAY, cursor].map(Action::Close));
    assert!(talk.events.iter().any(|event| event.contains("Closed")));
    // Bytes that were still on their way mean nothing.
    talk.receive(DISPLAY, &hex("3001 ffffffff"));
    talk.closed(DISPLAY);
    assert!(talk.actions().is_empty());
    talk.command(Command::ShowDisplay(true));
    assert_eq!(talk.actions(), [DISPLAY, cursor].map(Action::Open));
}

/// What a session that is not there any more left behind.
fn next_options(ended: Session, now: Instant) -> SessionOptions {
    let mut held_buttons = HeldButtons::default();
    let mut session = ended;
    let mut sink = |event: Event<'_>| {
        if let Event::HeldButtons(held) = event {
            held_buttons = held;
        }
    };
    session.closed(ChannelId::MAIN, now, &mut sink);
    session.tick(now + TOGETHER, &mut sink);
    assert!(session.ended().is_some());
    SessionOptions {
        held_buttons,
        ..SessionOptions::default()
    }
}

fn left(is_pressed: bool) -> Command {
    Command::Button {
        button: MouseButton::Left,
        is_pressed,
    }
}

#[test]
fn buttons_that_were_down_in_a_lost_session_are_released_by_the_next() {
    let mut talk = Talk::open();
    talk.command(left(true));
    talk.write_all();
    let mut options = next_options(talk.session, talk.now);
    // A session that does not even reach the server hands them on.
    options = next_options(Session::new(options, talk.now), talk.now);
    let mut talk = Talk::new(options);
    talk.open_all();
    assert!(
        talk.session
            .output(INPUTS)
            .ends_with(&hex("7200 03000000 01 0000"))
    );
    // Once.
    talk.write_all();
    let mut talk = Talk::new(next_options(talk.session, talk.now));
    talk.open_all();
    assert!(!talk.session.output(INPUTS).ends_with(&hex("01 0000")));
}

#[test]
fn a_button_whose_release_the_server_never_took_counts_as_down() {
    let mut talk = Talk::open();
    talk.command(left(true));
    talk.write_all();
    talk.command(left(false));
    let mut talk = Talk::new(next_options(talk.session, talk.now));
    talk.open_all();
    assert!(
        talk.session
            .output(INPUTS)
            .ends_with(&hex("7200 03000000 01 0000"))
    );
}

impl Talk {
    /// Presses and releases a key.
    fn tap(&mut self) {
        let key = Scancode::new(0x1e, false).unwrap();
        for is_pressed in [true, false] {
            self.command(Command::Key { key, is_pressed });
        }
        self.write_all();
    }

    /// The server says something on a channel: here that it does nothing, by MARK and KEY_MODIFIERS.
    fn hear(&mut self, id: ChannelId) {
        match id.kind {
            ChannelKind::Display => self.receive(id, &message(102, "")),
            _ => self.receive(id, &message(102, "0000")),
        }
    }

    fn is_reopened(&mut self) -> bool {
        if self.actions() != [Action::Close(DISPLAY)] {
            return false;
        }
        self.wait(Duration::from_millis(100));
        assert_eq!(self.actions(), [Action::Open(DISPLAY)]);
        self.link(DISPLAY, OK);
        self.write_all();
        true
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_picture_silent_for_ten_seconds_after_a_key_is_opened_again_if_the_server_lives() {
    let mut talk = Talk::open();
    talk.wait(60 * SECOND);
    talk.tap();
    talk.wait(9 * SECOND);
    talk.tap();
    talk.hear(INPUTS);
    assert!(!talk.is_reopened());
    talk.wait(2 * SECOND);
    // The whole server may be stopped.
    assert!(!talk.is_reopened());
    talk.hear(INPUTS);
    assert!(talk.is_reopened());
}

#[test]
fn a_picture_is_not_opened_again_without_a_key_or_while_it_moves() {
    let mut talk = Talk::open();
    talk.wait(60 * SECOND);
    talk.hear(INPUTS);
    assert!(!talk.is_reopened());
    talk.tap();
    talk.wait(5 * SECOND);
    talk.hear(DISPLAY);
    talk.wait(60 * SECOND);
    talk.hear(INPUTS);
    assert!(!talk.is_reopened());
}

#[test]
fn a_static_picture_is_opened_again_once_however_much_is_typed() {
    let mut talk = Talk::open();
    let mut reopened = 0;
    for _ in 0..20 {
        talk.tap();
        talk.wait(10 * SECOND);
        talk.hear(INPUTS);
        if talk.is_reopened() {
            reopened += 1;
            // The same picture comes as at any start.
            talk.hear(DISPLAY);
        }
    }
    assert_eq!(reopened, 1);
    // It moves, and falls silent again.
    talk.hear(DISPLAY);
    talk.tap();
    talk.wait(10 * SECOND);
    talk.hear(INPUTS);
    assert!(talk.is_reopened());
}
