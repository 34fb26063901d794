//! The client against a real QEMU without any guest: SeaBIOS shows a screen and takes input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod machine;

use std::{
    collections::VecDeque,
    sync::mpsc,
    time::{Duration, Instant},
};

use machine::Machine;
use spice::{
    ChannelKind, Command, Event, LinkError, Password, Screen, SessionOptions,
    display::DisplayEvent,
    inputs::{HeldButtons, MouseButton, Scancode, Wheel},
    session::ChannelState,
    transport::{Address, Client, Outcome, Report, Retry},
};

/// A generous limit: two cores run many machines.
const LIMIT: Duration = Duration::from_secs(60);

/// What the tests want to know, owned.
#[derive(Debug)]
enum Seen {
    Ready,
    Uuid([u8; 16]),
    Name(String),
    Channel(ChannelKind, ChannelState),
    /// The picture after a change: its size and whether it has any light.
    Screen(u32, u32, bool),
    Marked,
    HeldButtons(HeldButtons),
    Finished(String, Retry),
}

/// A client with what it said.
struct Connection {
    client: Client,
    seen: mpsc::Receiver<Seen>,
    unused: VecDeque<Seen>,
}

impl Connection {
    fn new(address: Address, options: SessionOptions) -> Self {
        let (sender, seen) = mpsc::channel();
        let mut screen = Screen::new();
        let client = Client::connect(address, options, move |report| {
            let seen = match report {
                Report::Finished(outcome) => {
                    Seen::Finished(format!("{outcome:?}"), outcome.retry())
                }
                Report::Event(event) => match event {
                    Event::Ready => Seen::Ready,
                    Event::Uuid(uuid) => Seen::Uuid(uuid),
                    Event::Name(name) => Seen::Name(name),
                    Event::HeldButtons(held) => Seen::HeldButtons(held),
                    Event::Channel { kind, state } => Seen::Channel(kind, state),
                    Event::Display(DisplayEvent::Marked) => Seen::Marked,
                    Event::Display(event) => {
                        if screen.apply(&event).is_none() {
                            return;
                        }
                        let is_lit = screen.pixels().iter().any(|byte| *byte != 0);
                        Seen::Screen(screen.size().width, screen.size().height, is_lit)
                    }
                    _ => return,
                },
            };
            let _ = sender.send(seen);
        });
        Self {
            client: client.unwrap(),
            seen,
            unused: VecDeque::new(),
        }
    }

    fn send(&self, command: Command) {
        self.client.handle().send(command).unwrap();
    }

    /// Waits for something; what comes before it is kept for later.
    fn wait<T>(&mut self, what: &str, find: impl Fn(&Seen) -> Option<T>) -> T {
        if let Some(at) = self.unused.iter().position(|seen| find(seen).is_some()) {
            return find(&self.unused.remove(at).unwrap()).unwrap();
        }
        let until = Instant::now() + LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.seen.recv_timeout(left) {
                Ok(seen) => match find(&seen) {
                    Some(found) => return found,
                    None => self.unused.push_back(seen),
                },
                Err(_) => panic!("no {what}; there was {:?}", self.unused),
            }
        }
    }

    fn wait_open(&mut self, wanted: ChannelKind) {
        self.wait(&format!("{wanted:?}"), |seen| {
            matches!(seen, Seen::Channel(kind, ChannelState::Open) if *kind == wanted).then_some(())
        });
    }

    fn wait_held_buttons(&mut self) -> HeldButtons {
        self.wait("held buttons", |seen| match seen {
            Seen::HeldButtons(held) => Some(*held),
            _ => None,
        })
    }

    fn wait_finished(&mut self) -> (String, Retry) {
        self.wait("end", |seen| match seen {
            Seen::Finished(outcome, retry) => Some((outcome.clone(), *retry)),
            _ => None,
        })
    }
}

const UNTICKETED: &str = "disable-ticketing=on";
const STD: &[&str] = &["-vga", "std"];

#[test]
fn the_bios_screen_is_shown_with_name_and_uuid() {
    let uuid = "12345678-1234-5678-9abc-def012345678";
    let arguments = ["-vga", "std", "-uuid", uuid, "-name", "probe"];
    let Some(machine) = Machine::start(UNTICKETED, &arguments) else {
        return;
    };
    let mut connection = Connection::new(machine.address(), SessionOptions::default());
    connection.wait("ready", |seen| matches!(seen, Seen::Ready).then_some(()));
    let name = connection.wait("name", |seen| match seen {
        Seen::Name(name) => Some(name.clone()),
        _ => None,
    });
    assert_eq!(name, "probe");
    let uuid = connection.wait("uuid", |seen| match seen {
        Seen::Uuid(uuid) => Some(*uuid),
        _ => None,
    });
    assert_eq!(uuid[..4], [0x12, 0x34, 0x56, 0x78]);
    // SeaBIOS writes light grey text into 720x400.
    connection.wait("text screen", |seen| {
        matches!(seen, Seen::Screen(720, 400, true)).then_some(())
    });
    connection.wait("mark", |seen| matches!(seen, Seen::Marked).then_some(()));
    connection.send(Command::Close);
    assert_eq!(connection.wait_finished(), ("Closed".into(), Retry::Never));
}

#[test]
fn the_display_can_be_closed_and_opened_again() {
    for card in ["std", "qxl"] {
        let Some(machine) = Machine::start(UNTICKETED, &["-vga", card]) else {
            return;
        };
        let options = SessionOptions {
            display: false,
            ..SessionOptions::default()
        };
        let mut connection = Connection::new(machine.address(), options);
        connection.wait_open(ChannelKind::Inputs);
        for _ in 0..3 {
            connection.send(Command::ShowDisplay(true));
            connection.wait("text screen", |seen| {
                matches!(seen, Seen::Screen(720, 400, true)).then_some(())
            });
            connection.send(Command::ShowDisplay(false));
            connection.wait("closed display", |seen| {
                let closed = ChannelState::Closed;
                matches!(seen, Seen::Channel(ChannelKind::Display, state) if *state == closed)
                    .then_some(())
            });
            connection.unused.clear();
        }
    }
}

#[test]
fn keys_buttons_and_motion_reach_the_machine() {
    let Some(machine) = Machine::start(UNTICKETED, STD) else {
        return;
    };
    let mut connection = Connection::new(machine.address(), SessionOptions::default());
    connection.wait_open(ChannelKind::Inputs);
    let key = |code, is_extended, is_pressed| Command::Key {
        key: Scancode::new(code, is_extended).unwrap(),
        is_pressed,
    };
    let button = |button, is_pressed| Command::Button { button, is_pressed };
    connection.send(key(0x1e, false, true));
    connection.send(key(0x1e, false, false));
    connection.send(key(0x1d, true, true));
    for _ in 0..1000 {
        connection.send(Command::Motion { dx: 3, dy: -2 });
    }
    connection.send(button(MouseButton::Left, true));
    connection.send(button(MouseButton::Side, true));
    connection.send(button(MouseButton::Left, false));
    connection.send(Command::Wheel(Wheel::Up));
    // The Ctrl key and the side button are still down.
    connection.send(Command::ReleaseAll);
    let trace = machine.wait_for_trace(|trace| trace.contains("button side, down 0"));
    let keys: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.split_once("key qcode ").map(|(_, key)| key))
        .collect();
    assert_eq!(
        keys,
        ["a, down 1", "a, down 0", "ctrl_r, down 1", "ctrl_r, down 0"]
    );
    let sum = |axis: &str| -> i64 {
        let values = trace.lines().filter_map(|line| line.split_once(axis));
        values
            .map(|(_, value)| value.trim().parse::<i64>().unwrap())
            .sum()
    };
    assert_eq!(
        (sum("axis x, value "), sum("axis y, value ")),
        (3000, -2000)
    );
    let buttons: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.split_once("button ").map(|(_, button)| button))
        .collect();
    assert_eq!(
        buttons,
        [
            "left, down 1",
            "side, down 1",
            "left, down 0",
            "wheel-up, down 1",
            "wheel-up, down 0",
            "side, down 0"
        ]
    );
}

#[test]
fn a_password_is_asked_for_over_tcp_and_unix() {
    let Some(machine) = Machine::start("password=s3cret", STD) else {
        return;
    };
    let with = |password: &str| SessionOptions {
        password: Password::new(password),
        ..SessionOptions::default()
    };
    let refused = |error: LinkError| format!("Refused({error:?})");
    let mut right = Connection::new(machine.address(), with("s3cret"));
    right.wait("ready", |seen| matches!(seen, Seen::Ready).then_some(()));
    drop(right);
    for wrong in ["", "S3cret"] {
        let mut wrong = Connection::new(machine.address(), with(wrong));
        let expected = (refused(LinkError::PermissionDenied), Retry::Never);
        assert_eq!(wrong.wait_finished(), expected);
    }
    let mut long = Connection::new(machine.address(), with(&"x".repeat(60)));
    let error = LinkError::PasswordTooLong { length: 60 };
    assert_eq!(long.wait_finished(), (refused(error), Retry::Never));
}

#[test]
fn tcp_works_with_its_pings_and_is_kept_alive() {
    let Some((machine, port)) = Machine::start_tcp(UNTICKETED, STD) else {
        return;
    };
    let address = Address::tcp("localhost", port).unwrap();
    let mut connection = Connection::new(address, SessionOptions::default());
    connection.wait("text screen", |seen| {
        matches!(seen, Seen::Screen(720, 400, true)).then_some(())
    });
    drop(connection);
    drop(machine);
    let address = Address::tcp("127.0.0.1", port).unwrap();
    let mut nobody = Connection::new(address, SessionOptions::default());
    let (outcome, retry) = nobody.wait_finished();
    assert!(outcome.contains("Unreachable"), "{outcome}");
    assert_eq!(retry, Retry::Later);
}

#[test]
fn a_server_that_demands_tls_is_named_as_such() {
    let Some((_machine, port)) = Machine::start_secured() else {
        return;
    };
    let address = Address::tcp("127.0.0.1", port).unwrap();
    let mut connection = Connection::new(address, SessionOptions::default());
    let expected = (format!("Refused({:?})", LinkError::NeedsTls), Retry::Never);
    assert_eq!(connection.wait_finished(), expected);
}

#[test]
fn a_machine_started_anew_at_the_same_place_is_told_from_a_takeover() {
    let Some(mut machine) = Machine::start(UNTICKETED, STD) else {
        return;
    };
    let mut connection = Connection::new(machine.address(), SessionOptions::default());
    connection.wait_open(ChannelKind::Display);
    machine.replace();
    let restarted = ("ServerRestarted".into(), Retry::AtOnce);
    assert_eq!(connection.wait_finished(), restarted);
    let mut again = Connection::new(machine.address(), SessionOptions::default());
    again.wait_open(ChannelKind::Display);
}

#[test]
fn the_loser_of_two_clients_is_told_and_does_not_fight_back() {
    let Some(machine) = Machine::start(UNTICKETED, STD) else {
        return;
    };
    let mut first = Connection::new(machine.address(), SessionOptions::default());
    first.wait_open(ChannelKind::Display);
    let mut second = Connection::new(machine.address(), SessionOptions::default());
    second.wait_open(ChannelKind::Display);
    assert_eq!(
        first.wait_finished(),
        ("TakenOver".into(), Retry::OnRequest)
    );
    second.send(Command::Close);
    assert_eq!(second.wait_finished().0, "Closed");
}

#[test]
fn a_button_down_when_another_client_takes_over_is_left_to_the_next_session() {
    let Some(machine) = Machine::start(UNTICKETED, STD) else {
        return;
    };
    let options = SessionOptions {
        display: false,
        ..SessionOptions::default()
    };
    let mut first = Connection::new(machine.address(), options.clone());
    first.wait_open(ChannelKind::Inputs);
    first.send(Command::Button {
        button: MouseButton::Left,
        is_pressed: true,
    });
    let mut second = Connection::new(machine.address(), options.clone());
    second.wait_open(ChannelKind::Inputs);
    let held_buttons = first.wait_held_buttons();
    assert_ne!(held_buttons, HeldButtons::default());
    let options = SessionOptions {
        held_buttons,
        ..options
    };
    let mut third = Connection::new(machine.address(), options);
    third.wait_open(ChannelKind::Inputs);
    third.send(Command::Close);
    assert_eq!(third.wait_held_buttons(), HeldButtons::default());
}

#[test]
fn the_end_of_the_machine_is_told() {
    let Some(mut machine) = Machine::start(UNTICKETED, STD) else {
        return;
    };
    let mut connection = Connection::new(machine.address(), SessionOptions::default());
    connection.wait_open(ChannelKind::Display);
    machine.kill();
    assert_eq!(
        connection.wait_finished(),
        ("MachineEnded".into(), Retry::Later)
    );
}

#[test]
fn a_stopped_machine_blocks_nobody() {
    let Some(machine) = Machine::start(UNTICKETED, STD) else {
        return;
    };
    let mut connection = Connection::new(machine.address(), SessionOptions::default());
    connection.wait_open(ChannelKind::Inputs);
    machine.stop();
    // Far more than the sockets hold.
    let key = Scancode::new(0x1e, false).unwrap();
    let start = Instant::now();
    for index in 0..200_000_u32 {
        let is_pressed = index % 2 == 0;
        let _ = connection
            .client
            .handle()
            .send(Command::Key { key, is_pressed });
    }
    assert!(start.elapsed() < Duration::from_secs(3), "sending waited");
    // A second client gets no answer, and says so in time.
    let second = Connection::new(machine.address(), SessionOptions::default());
    let start = Instant::now();
    second.client.handle().close();
    let outcome = second.client.join();
    assert!(matches!(outcome, Outcome::Closed), "{outcome:?}");
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "giving up took long"
    );
    let (outcome, _) = connection.wait_finished();
    assert_eq!(outcome, "Broken(WriteStalled)");
}

#[test]
fn a_server_that_never_answers_is_given_up_after_five_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("silent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let address = Address::unix(path).unwrap();
    let mut connection = Connection::new(address, SessionOptions::default());
    let expected = (format!("Refused({:?})", LinkError::TimedOut), Retry::Later);
    assert_eq!(connection.wait_finished(), expected);
}
