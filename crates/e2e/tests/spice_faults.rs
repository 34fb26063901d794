//! The SPICE connection with the other side killed, frozen, replaced or wrong: the window goes on, no key stays down, and
//! the user is told.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::pattern;
use e2e::spice_desk::{Desk, KEY_A, KeyTrace, LIMIT, held, keys};
use picture::png;
use rustix::process::Signal;
use testkit::compositor::Sway;
use testkit::handmade::{Description, Frame, Image, Record, Wire};
use testkit::machine::{Hardware, Machine, Spice};
use testkit::played::{Player, Programme};
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::spice_server::{
    CURSOR, DISPLAY, INPUTS, MAIN, ServerOptions, SpiceServer, draw_copy, message, words,
};
use testkit::wayland_input::WaylandInput;

/// As a scancode.
const SCANCODE_A: u8 = 0x1e;
/// Longer than anything that a client does by itself takes.
const WHILE: Duration = Duration::from_secs(3);
const UUID: [u8; 16] = *b"0123456789abcdef";

/// The options for that server, and further ones.
fn options(server: &SpiceServer, further: &[&str]) -> Vec<String> {
    let further = further.iter().map(|option| (*option).to_owned());
    server.client_options().into_iter().chain(further).collect()
}

/// A client that has no memory to share, on that server.
fn spice_alone(server: &SpiceServer, further: &[&str]) -> anyhow::Result<Option<Desk>> {
    let shm = SharedFile::create(1)?;
    let further = [&["app:transport=spice"], further].concat();
    Desk::open(&shm, &options(server, &further))
}

fn server() -> anyhow::Result<SpiceServer> {
    SpiceServer::start(ServerOptions::default())
}

#[test]
fn the_end_of_the_machine_ends_the_client_in_peace() -> anyhow::Result<()> {
    let server = server()?;
    let Some(mut desk) = spice_alone(&server, &[])? else {
        return Ok(());
    };
    desk.type_into(&server)?;
    drop(server);
    assert_eq!(desk.end()?, 0, "{}", desk.said());
    Ok(())
}

#[test]
fn a_client_outlives_its_server_for_as_long_as_a_host_lives() -> anyhow::Result<()> {
    let shm = SharedFile::create(32)?;
    let host = pattern(&shm, &[])?;
    let server = server()?;
    let Some(mut desk) = Desk::open(&shm, &options(&server, &[]))? else {
        return Ok(());
    };
    desk.viewer.expect_frames(LIMIT)?;
    desk.type_into(&server)?;
    drop(server);
    desk.expect_said("the virtual machine ended")?;
    std::thread::sleep(WHILE);
    desk.viewer.expect_frames(LIMIT)?;
    let start = Instant::now();
    drop(host);
    assert_eq!(desk.end()?, 0, "{}", desk.said());
    let quiet = start.elapsed();
    assert!(quiet >= Duration::from_secs(2), "it ended after {quiet:?}");
    Ok(())
}

#[test]
fn a_machine_is_waited_for_through_freezes_and_restarts() -> anyhow::Result<()> {
    let trace = KeyTrace::create()?;
    let arguments = trace.arguments();
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let hardware = Hardware {
        spice: Some(Spice::default()),
        vga: Some("std"),
        arguments: &arguments,
        ..Hardware::default()
    };
    let Some(mut machine) = Machine::start(&hardware)? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let _host = pattern(&shm, &[])?;
    let wait = "app:onVmExit=wait".to_owned();
    let options: Vec<_> = machine.spice_options().into_iter().chain([wait]).collect();
    let Some(mut desk) = Desk::open(&shm, &options)? else {
        return Ok(());
    };
    let typed = |desk: &mut Desk, times: usize| {
        let wait = || testkit::wait_until(Duration::from_millis(300), || trace.has_typed(times));
        desk.type_until("key", wait)
    };
    typed(&mut desk, 1)?;

    // Frozen for a moment, which nobody notices: the keys are there afterwards.
    let before = trace.presses();
    machine.process().signal(Signal::STOP);
    desk.user.tap(KEY_A)?;
    desk.user.key(KEY_A, true)?;
    desk.viewer.expect_frames(LIMIT)?;
    desk.user.key(KEY_A, false)?;
    machine.process().signal(Signal::CONT);
    let is_there = testkit::wait_until(LIMIT, || trace.has_typed(before + 2));
    ensure!(is_there, "{:?}\n{}", trace.keys(), desk.said());

    // Frozen for longer than is borne, with more keys than the socket holds.
    machine.process().signal(Signal::STOP);
    for _ in 0..1000 {
        desk.user.tap(KEY_A)?;
    }
    desk.user.key(KEY_A, true)?;
    desk.viewer.expect_frames(LIMIT)?;
    desk.expect_said("is not responding")?;
    desk.viewer.expect_frames(LIMIT)?;
    machine.process().signal(Signal::CONT);
    let is_up = testkit::wait_until(LIMIT, || trace.has_typed(before + 3));
    ensure!(is_up, "{:?}\n{}", trace.keys().last(), desk.said());
    desk.user.key(KEY_A, false)?;
    let before = trace.presses();
    typed(&mut desk, before + 1)?;

    // The machine ends, and another takes its place.
    machine.process().kill();
    desk.expect_said("the virtual machine ended")?;
    std::thread::sleep(WHILE);
    desk.viewer.expect_frames(LIMIT)?;
    machine.restart()?;
    typed(&mut desk, 1)
}

#[test]
fn a_wrong_password_is_told_and_never_tried_again() -> anyhow::Result<()> {
    let locked = || {
        SpiceServer::start(ServerOptions {
            password: "open sesame".into(),
            ..ServerOptions::default()
        })
    };
    let server = locked()?;
    let Some(mut desk) = spice_alone(&server, &["spice:password=sesame"])? else {
        return Ok(());
    };
    desk.expect_said("refused the password")?;
    std::thread::sleep(WHILE);
    desk.user.tap(KEY_A)?;
    assert_eq!((server.handshakes(), server.sessions()), (1, 0));
    assert!(!desk.viewer.process.has_ended(), "{}", desk.said());
    assert!(!desk.said().contains("sesame"), "{}", desk.said());

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ticket");
    std::fs::write(&file, "open sesame\n")?;
    let by_file = format!("spice:passwordFile={}", file.display());
    for option in ["spice:password=open sesame", &by_file] {
        let server = locked()?;
        let Some(mut desk) = spice_alone(&server, &[option])? else {
            return Ok(());
        };
        desk.type_into(&server)?;
        assert!(!desk.said().contains("sesame"), "{}", desk.said());
    }
    Ok(())
}

#[test]
fn without_a_server_the_client_waits_or_fails_as_is_wanted() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("spice.sock");
    let host = format!("spice:host={}", socket.display());
    let mut options = ["spice:enable=yes", &host, "spice:port=0"].map(str::to_owned);
    let shm = SharedFile::create(1)?;
    let Some(mut desk) = Desk::open(&shm, &options)? else {
        return Ok(());
    };
    std::thread::sleep(Duration::from_secs(1));
    let server = SpiceServer::listen(&socket, ServerOptions::default(), None)?;
    desk.type_into(&server)?;
    drop(server);

    // A server that does not answer is no reason to wait at the end.
    let _silent = UnixListener::bind(&socket)?;
    let Some(mut desk) = Desk::open(&shm, &options)? else {
        return Ok(());
    };
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    desk.viewer.process.signal(Signal::TERM);
    assert_eq!(desk.end()?, 0, "{}", desk.said());
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(2), "the end took {taken:?}");

    options[1] = format!("{host}.none");
    // While the view still prepares whatever renderer it likes best.
    let mut command = programs::client(&shm)?;
    command.args(&options).arg("spice:waitForServer=no");
    command.env("DISPLAY", desk.screen.display());
    let mut client = Process::start(&mut command)?;
    let status = client.wait(LIMIT).and_then(|status| status.code());
    assert_eq!(status, Some(255), "{}", client.output());
    let said = client.output();
    assert!(said.contains("start the virtual machine first"), "{said}");
    Ok(())
}

/// A message of each type that a server sends, by channel: all of them are sound.
fn messages(channel: u8) -> Vec<(u16, Vec<u8>)> {
    let base = [&words(&[0, 0, 0, 9, 9])[..], &[0]].concat();
    match channel {
        MAIN => vec![
            (103, words(&[1, 1, 1, 1, 0, 10, 0, 0])),
            (104, [&words(&[2])[..], &[3, 0, 2, 0]].concat()),
            (105, words(&[0x0001_0001])),
            (106, words(&[77])),
            (107, vec![]),
            (108, words(&[0])),
            (109, words(&[1, 6, 0, 0, 8, 1, 0x60])),
            (110, words(&[5])),
            (113, [&words(&[5])[..], b"name\0"].concat()),
            (114, vec![7; 16]),
            (115, words(&[10])),
            (4, vec![1; 4000]),
            (7, [&[0; 20], &words(&[4])[..], b"text\0"].concat()),
        ],
        INPUTS => vec![(101, vec![0; 2]), (102, vec![0; 2]), (111, vec![])],
        DISPLAY => vec![
            (102, vec![]),
            (103, vec![]),
            (104, [&base[..], &[0; 8]].concat()),
            (108, vec![]),
            (125, words(&[1])),
            (126, vec![]),
            (302, [&base[..], &[1, 0, 0, 0, 0, 8, 0], &[0; 13]].concat()),
            (303, vec![0; 80]),
            (304, draw_copy([3, 4, 90, 50], 0x00ff_0000)),
            (307, [&base[..], &[0; 13]].concat()),
            (314, words(&[0, 640, 480, 32, 1])),
            (315, words(&[0])),
            (
                317,
                [&[1, 0, 1, 0], &words(&[0, 0, 640, 480, 0, 0, 0])[..]].concat(),
            ),
        ],
        _ => vec![
            (101, [&[0; 8], &[1, 1, 0][..]].concat()),
            (102, vec![]),
            (103, cursor_set()),
            (104, words(&[0x0040_0030])),
            (105, vec![]),
            (106, words(&[0])),
            (107, vec![0; 8]),
            (108, vec![]),
        ],
    }
}

/// CURSOR SET of 16x16 pixels with alpha (spice.md 12).
fn cursor_set() -> Vec<u8> {
    let mut payload = vec![3, 0, 4, 0, 1, 0, 0];
    payload.extend(100_u64.to_le_bytes());
    payload.extend([0, 16, 0, 16, 0, 3, 0, 4, 0]);
    payload.resize(payload.len() + 16 * 16 * 4, 0x80);
    payload
}

/// Cuts a message off: in its header, behind it, or in its payload.
fn beginning(number: usize, (kind, payload): &(u16, Vec<u8>)) -> Vec<u8> {
    let mut bytes = message(*kind, payload);
    let len = match number % 3 {
        0 if payload.len() > 1 => 6 + payload.len() / 2,
        1 => 3,
        _ => 6.min(bytes.len() - 1),
    };
    bytes.truncate(len);
    bytes
}

/// Waits until a channel is open.
fn expect_channel(server: &SpiceServer, channel: u8, desk: &Desk) -> anyhow::Result<()> {
    let is_open = server.wait_for_channel(channel, LIMIT);
    ensure!(is_open, "channel {channel} stays closed:\n{}", desk.said());
    Ok(())
}

#[test]
fn a_link_that_drops_in_the_middle_of_any_message_is_made_again() -> anyhow::Result<()> {
    let server = server()?;
    let Some(mut desk) = spice_alone(&server, &[])? else {
        return Ok(());
    };
    desk.type_into(&server)?;
    let mut number = 0;
    let rounds = messages(MAIN).len();
    for round in 0..rounds {
        // A channel that breaks three times in a session is given up: each breaks once, then the session.
        for channel in [INPUTS, DISPLAY, CURSOR, MAIN] {
            let messages = messages(channel);
            assert!(messages.len() <= rounds);
            expect_channel(&server, channel, &desk)?;
            let (sessions, opened) = (server.sessions(), server.handshakes());
            server.cut(
                channel,
                &beginning(number, &messages[round % messages.len()]),
            );
            number += 1;
            let is_back = testkit::wait_until(LIMIT, || {
                server.handshakes() > opened && (channel != MAIN || server.sessions() > sessions)
            });
            ensure!(is_back, "{channel} is not made again:\n{}", desk.said());
        }
        desk.type_into(&server)?;
    }
    expect_channel(&server, DISPLAY, &desk)?;
    expect_channel(&server, CURSOR, &desk)
}

#[test]
fn the_server_of_another_machine_gets_no_key() -> anyhow::Result<()> {
    let description = Description {
        host_version: "by hand",
        features: 0,
        records: vec![Record::Vm {
            uuid: UUID,
            capture: "by hand",
            cpus: 1,
            cores: 1,
            sockets: 1,
            model: "Example CPU",
        }],
    };
    let mut image = Image::new(Wire::V20, &description);
    image.frames[0] = Some(Frame::new(1, (19, 7), 1));
    let programme = Programme {
        frames: vec![(Duration::ZERO, image.frame_slot(0).into())],
        pointer: None,
    };
    let player = Player::start(&image, programme)?;
    let of_uuid = |uuid| {
        SpiceServer::start(ServerOptions {
            uuid,
            ..ServerOptions::default()
        })
    };
    for uuid in [UUID, [0; 16]] {
        let server = of_uuid(uuid)?;
        let Some(mut desk) = Desk::open(player.shm(), &options(&server, &[]))? else {
            return Ok(());
        };
        desk.viewer
            .wait_for("first frame", LIMIT, |figures| figures["missing"].is_null())?;
        desk.type_into(&server)?;
    }
    let server = of_uuid(*b"0123456789abcdeF")?;
    let Some(mut desk) = Desk::open(player.shm(), &options(&server, &[]))? else {
        return Ok(());
    };
    desk.expect_said("belongs to another virtual machine")?;
    assert!(server.wait_for_no_channel(MAIN, LIMIT), "{}", desk.said());
    server.forget_arrivals();
    let sessions = server.sessions();
    let until = Instant::now() + WHILE;
    while Instant::now() < until {
        desk.user.tap(KEY_A)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.arrivals(INPUTS), []);
    assert_eq!(server.sessions(), sessions, "{}", desk.said());
    Ok(())
}

/// How many pixels of a screen are light; those of the server's picture are not.
fn light_pixels(desk: &Desk) -> anyhow::Result<usize> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("screen.png");
    desk.screen.screenshot(&file)?;
    let picture = png::decode(&std::fs::read(file)?)?;
    let (pixels, _) = picture.bytes().as_chunks::<3>();
    let light = pixels
        .iter()
        .filter(|pixel| pixel.iter().all(|c| *c > 0xc0));
    Ok(light.count())
}

#[test]
fn the_loser_of_two_clients_says_so_and_takes_back_only_what_is_asked_for() -> anyhow::Result<()> {
    let server = server()?;
    let Some(mut first) = spice_alone(&server, &[])? else {
        return Ok(());
    };
    first.type_into(&server)?;
    let Some(mut second) = spice_alone(&server, &[])? else {
        return Ok(());
    };
    second.type_into(&server)?;
    let mut sessions = server.sessions();
    assert_eq!(sessions, 2, "{}", first.said());
    for round in 1..=2 {
        let (loser, winner) = if round == 1 {
            (&mut first, &mut second)
        } else {
            (&mut second, &mut first)
        };
        loser.expect_said("another client took over")?;
        let is_shown =
            testkit::wait_until(LIMIT, || light_pixels(loser).is_ok_and(|count| count > 200));
        assert!(is_shown, "nothing is to be read:\n{}", loser.said());
        std::thread::sleep(WHILE);
        assert_eq!(server.sessions(), sessions, "{}", loser.said());
        winner.type_into(&server)?;
        assert_eq!(server.sessions(), sessions, "{}", winner.said());
        loser.type_into(&server)?;
        sessions += 1;
        assert_eq!(server.sessions(), sessions, "{}", loser.said());
    }
    Ok(())
}

/// Waits until the key A is down at the server (`true`), or everything is up again.
fn expect_held(server: &SpiceServer, is_down: bool, said: &str) -> anyhow::Result<()> {
    let wanted: &[u8] = if is_down { &[SCANCODE_A] } else { &[] };
    let is_there = server.wait_for(INPUTS, LIMIT, |all| {
        let keys = keys(all);
        keys.contains(&(SCANCODE_A, true)) && held(&keys) == wanted
    });
    ensure!(is_there, "{:?}\n{said}", server.arrivals(INPUTS));
    Ok(())
}

#[test]
fn a_client_that_is_ended_leaves_no_key_down() -> anyhow::Result<()> {
    let server = server()?;
    let signals = [Signal::TERM, Signal::INT];
    for signal in signals {
        let Some(mut desk) = spice_alone(&server, &[])? else {
            return Ok(());
        };
        desk.type_into(&server)?;
        server.forget_arrivals();
        desk.user.key(KEY_A, true)?;
        expect_held(&server, true, &desk.said())?;
        desk.viewer.process.signal(signal);
        expect_held(&server, false, &desk.said())?;
        assert_eq!(desk.end()?, 0, "{}", desk.said());
    }
    Ok(())
}

#[test]
fn a_display_server_that_dies_leaves_no_key_down() -> anyhow::Result<()> {
    let server = server()?;
    let Some(mut desk) = spice_alone(&server, &[])? else {
        return Ok(());
    };
    desk.type_into(&server)?;
    server.forget_arrivals();
    desk.user.key(KEY_A, true)?;
    expect_held(&server, true, &desk.said())?;
    desk.screen.process().signal(Signal::KILL);
    expect_held(&server, false, &desk.said())?;
    assert_eq!(desk.end()?, 255, "{}", desk.said());
    Ok(())
}

#[test]
fn a_compositor_that_dies_leaves_no_key_down() -> anyhow::Result<()> {
    let (width, height) = (640, 480);
    let server = server()?;
    let Some(mut sway) = Sway::start(width, height, "")? else {
        return Ok(());
    };
    let mut user = WaylandInput::connect(&sway.socket(), width, height)?;
    let shm = SharedFile::create(1)?;
    let mut command = programs::client(&shm)?;
    command.args(["app:renderer=software", "app:transport=spice"]);
    command.args(server.client_options());
    sway.use_for(&mut command);
    let mut client = Process::start(&mut command)?;
    let until = Instant::now() + LIMIT;
    while !server.wait_for(INPUTS, Duration::from_millis(300), |all| {
        !keys(all).is_empty() && held(&keys(all)).is_empty()
    }) {
        ensure!(Instant::now() < until, "{}", client.output());
        user.tap(KEY_A)?;
    }
    server.forget_arrivals();
    user.key(KEY_A, true)?;
    expect_held(&server, true, &client.output())?;
    sway.process().signal(Signal::KILL);
    expect_held(&server, false, &client.output())?;
    let status = client.wait(LIMIT).and_then(|status| status.code());
    let said = client.output();
    assert_eq!(status, Some(255), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    Ok(())
}
