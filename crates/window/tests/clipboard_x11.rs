//! The clipboard of a real X server, shared with xclip and with programs that behave badly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;
use std::time::Duration;

use picture::Size;
use support::clipboard::{Board, Pasting, TEXT, long_text, png};
use support::screen::Screen;
use support::wait_for;
use testkit::process::Process;
use window::clipboard::{ClipboardError, ClipboardEvent, ClipboardFormat, ClipboardLimits};
use window::{Backend, Window, WindowConfig};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Property,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window as XWindow,
    WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use ClipboardFormat::{Jpeg, Png, Text};

const MIB: usize = 1 << 20;

/// A server with a window whose clipboard takes that much, and waits for so long.
fn board_with(limits: ClipboardLimits) -> Option<(Screen, Board)> {
    if !testkit::has_program("xclip", "the clipboard on X11") {
        return None;
    }
    let server = Screen::start()?;
    let config = WindowConfig {
        size: Size::new(200, 100),
        display: Some(server.display()),
        ..WindowConfig::default()
    };
    let window = Window::open(&config, Some(Backend::X11)).unwrap();
    Some((server, Board::new(window, limits)))
}

fn board() -> Option<(Screen, Board)> {
    board_with(ClipboardLimits::new(64 * MIB))
}

/// A board that waits for others for half a second only.
fn impatient_board(max_bytes: usize) -> Option<(Screen, Board)> {
    board_with(ClipboardLimits {
        max_bytes,
        patience: Duration::from_millis(500),
    })
}

fn xclip(server: &Screen, arguments: &[&str]) -> Command {
    let mut command = Command::new("xclip");
    command.args(["-selection", "clipboard"]).args(arguments);
    command.env("DISPLAY", server.display());
    command
}

/// Copies by xclip, which lives as long as what this returns.
fn copy(server: &Screen, target: &str, data: &[u8]) -> (Process, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let mut command = xclip(server, &["-quiet", "-t", target, "-i"]);
    (Process::start(command.arg(file.path())).unwrap(), file)
}

/// Waits until we are the owner.
fn offer(server: &Screen, board: &Board, formats: &[ClipboardFormat]) {
    board.clipboard.offer(formats);
    wait_for("the ownership", || owner(server).filter(|o| *o != 0));
}

fn owner(server: &Screen) -> Option<XWindow> {
    let clipboard = server.atom("CLIPBOARD");
    let reply = server.conn.get_selection_owner(clipboard).unwrap().reply();
    reply.ok().map(|reply| reply.owner)
}

#[test]
fn text_and_pictures_that_others_copy_are_offered_and_read() {
    let Some((server, mut board)) = board() else {
        return;
    };
    let first = copy(&server, "UTF8_STRING", TEXT.as_bytes());
    board.expect_offer(&[Text]);
    board.clipboard.request(7, Text);
    assert_eq!(board.expect_answer(7), Ok(TEXT.as_bytes().to_vec()));
    board.clipboard.request(8, Png);
    assert_eq!(board.expect_answer(8), Err(ClipboardError::Refused));

    let _second = copy(&server, "image/png", &png());
    board.expect_offer(&[Png]);
    board.clipboard.request(9, Png);
    assert_eq!(board.expect_answer(9), Ok(png()));
    drop(first);
}

#[test]
fn what_was_copied_before_the_start_is_offered_too() {
    let Some(server) = Screen::start() else {
        return;
    };
    if !testkit::has_program("xclip", "the clipboard on X11") {
        return;
    }
    let _copied = copy(&server, "STRING", b"Gr\xfc\xdfe");
    wait_for("the owner", || owner(&server).filter(|o| *o != 0));
    let config = WindowConfig {
        display: Some(server.display()),
        ..WindowConfig::default()
    };
    let window = Window::open(&config, Some(Backend::X11)).unwrap();
    let mut board = Board::new(window, ClipboardLimits::new(MIB));
    board.expect_offer(&[Text]);
    // An owner's STRING is ISO 8859-1.
    board.clipboard.request(1, Text);
    assert_eq!(board.expect_answer(1), Ok("Grüße".as_bytes().to_vec()));
}

#[test]
fn others_paste_text_under_all_its_names_and_pictures() {
    let Some((server, mut board)) = board() else {
        return;
    };
    offer(&server, &board, &[Text, Png]);
    let listed = xclip(&server, &["-o", "-t", "TARGETS"]);
    let listed = testkit::process::run(&mut { listed }).unwrap();
    let listed = String::from_utf8(listed).unwrap();
    for name in ["TARGETS", "TIMESTAMP", "MULTIPLE"] {
        assert!(listed.lines().any(|line| line == name), "{listed}");
    }
    for name in Text.names().chain(Png.names()) {
        assert!(listed.lines().any(|line| line == name), "{listed}");
    }
    assert!(!listed.contains("image/jpeg"), "{listed}");

    for name in Text.names().filter(|name| *name != "STRING") {
        let pasted = board.paste(xclip(&server, &["-o", "-t", name]), Text, TEXT.as_bytes());
        assert_eq!(pasted, TEXT.as_bytes(), "{name}");
    }
    let pasted = board.paste(
        xclip(&server, &["-o", "-t", "STRING"]),
        Text,
        "ü☃".as_bytes(),
    );
    assert_eq!(pasted, b"\xfc?");
    let pasted = board.paste(xclip(&server, &["-o", "-t", "image/png"]), Png, &png());
    assert_eq!(pasted, png());

    // Nothing to give: no paste, and no wait.
    let pasting = Pasting::start(&mut xclip(&server, &["-o", "-t", "TEXT"]));
    let id = board.expect_wanted(Text);
    board.clipboard.supply(id, None);
    assert_eq!(pasting.finish(&mut board), b"");
}

#[test]
fn eight_mebibytes_travel_both_ways_in_pieces() {
    let Some((server, mut board)) = board() else {
        return;
    };
    let long = long_text(8 * MIB);
    let copied = copy(&server, "UTF8_STRING", &long);
    board.expect_offer(&[Text]);
    board.clipboard.request(1, Text);
    assert!(board.expect_answer(1).as_ref() == Ok(&long), "other bytes");

    board.clipboard.offer(&[Text]);
    let first = owner(&server);
    wait_for("our turn", || (owner(&server) != first).then_some(()));
    let pasted = board.paste(xclip(&server, &["-o", "-t", "UTF8_STRING"]), Text, &long);
    assert!(pasted == long, "{} other bytes", pasted.len());
    drop(copied);
}

#[test]
fn our_own_offers_are_not_reported_and_others_are() {
    let Some((server, mut board)) = board() else {
        return;
    };
    offer(&server, &board, &[Text]);
    offer(&server, &board, &[Png]);
    assert_eq!(board.next_within(Duration::from_millis(200)), None);
    let copied = copy(&server, "UTF8_STRING", b"x");
    board.expect_offer(&[Text]);
    // Too late: it is not ours any more.
    board.clipboard.withdraw();
    board.clipboard.request(1, Text);
    assert_eq!(board.expect_answer(1), Ok(b"x".to_vec()));
    // The owner ends.
    drop(copied);
    assert_eq!(board.next("nothing"), ClipboardEvent::Cleared);
    board.clipboard.request(2, Text);
    assert_eq!(board.expect_answer(2), Err(ClipboardError::Refused));

    offer(&server, &board, &[Text]);
    board.clipboard.request(3, Text);
    assert_eq!(board.expect_answer(3), Err(ClipboardError::Refused));
    board.clipboard.withdraw();
    wait_for("no owner", || owner(&server).filter(|o| *o == 0));
}

#[test]
fn a_dropped_clipboard_gives_up_what_it_offered() {
    let Some((server, board)) = board() else {
        return;
    };
    offer(&server, &board, &[Text]);
    drop(board.clipboard);
    wait_for("no owner", || owner(&server).filter(|o| *o == 0));
}

#[test]
fn a_dead_server_is_an_answer_too() {
    let Some((mut server, mut board)) = board() else {
        return;
    };
    offer(&server, &board, &[Text]);
    let pasting = Pasting::start(&mut xclip(&server, &["-o"]));
    let id = board.expect_wanted(Text);
    server.kill();
    assert_eq!(board.next("no more"), ClipboardEvent::WantedNoMore { id });
    assert_eq!(board.next("nothing"), ClipboardEvent::Cleared);
    board.clipboard.request(1, Text);
    assert_eq!(board.expect_answer(1), Err(ClipboardError::Gone));
    pasting.finish(&mut board);
}

/// Another program, played by the test.
struct Peer {
    conn: RustConnection,
    window: XWindow,
    clipboard: Atom,
    property: Atom,
}

impl Peer {
    fn new(server: &Screen) -> Self {
        let (conn, screen) = RustConnection::connect(Some(&server.display())).unwrap();
        let window = conn.generate_id().unwrap();
        let root = conn.setup().roots[screen].root;
        let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        let class = WindowClass::INPUT_ONLY;
        conn.create_window(0, window, root, 0, 0, 1, 1, 0, class, 0, &aux)
            .unwrap();
        conn.sync().unwrap();
        Self {
            conn,
            window,
            clipboard: server.atom("CLIPBOARD"),
            property: server.atom("PEER"),
        }
    }

    fn own(&self) {
        let (window, selection) = (self.window, self.clipboard);
        let time = x11rb::CURRENT_TIME;
        let sent = self.conn.set_selection_owner(window, selection, time);
        sent.unwrap().check().unwrap();
    }

    /// Asks the owner for something, to be put into a property.
    fn ask(&self, target: Atom, property: Atom) {
        let (window, selection) = (self.window, self.clipboard);
        let time = x11rb::CURRENT_TIME;
        let sent = self
            .conn
            .convert_selection(window, selection, target, property, time);
        sent.unwrap().check().unwrap();
    }

    /// Waits for an event, letting the board do its part meanwhile.
    fn wait<T>(
        &self,
        board: &mut Board,
        what: &str,
        mut find: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        wait_for(what, || {
            board.turn();
            while let Some(event) = self.conn.poll_for_event().unwrap() {
                if let Some(found) = find(&event) {
                    return Some(found);
                }
            }
            None
        })
    }

    /// Waits for a question.
    fn asked(&self, board: &mut Board) -> SelectionRequestEvent {
        self.wait(board, "a question", |event| match event {
            Event::SelectionRequest(event) => Some(*event),
            _ => None,
        })
    }

    /// Waits for the answer to our own question: the property it names.
    fn answered(&self, board: &mut Board) -> Atom {
        self.wait(board, "an answer", |event| match event {
            Event::SelectionNotify(event) => Some(event.property),
            _ => None,
        })
    }

    /// Answers a question with what has been put into the property.
    fn answer(&self, asked: &SelectionRequestEvent) {
        let event = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: asked.time,
            requestor: asked.requestor,
            selection: asked.selection,
            target: asked.target,
            property: asked.property,
        };
        let mask = EventMask::NO_EVENT;
        let sent = self.conn.send_event(false, asked.requestor, mask, event);
        sent.unwrap().check().unwrap();
    }

    fn put(&self, asked: &SelectionRequestEvent, kind: Atom, bytes: &[u8]) {
        let (window, property) = (asked.requestor, asked.property);
        let mode = PropMode::REPLACE;
        let sent = self
            .conn
            .change_property8(mode, window, property, kind, bytes);
        sent.unwrap().check().unwrap();
    }

    fn put_words(&self, window: XWindow, property: Atom, kind: Atom, words: &[u32]) {
        let mode = PropMode::REPLACE;
        let sent = self
            .conn
            .change_property32(mode, window, property, kind, words);
        sent.unwrap().check().unwrap();
    }

    /// Takes the selection, and answers the question that follows with these targets.
    fn own_with(&self, board: &mut Board, targets: &[Atom]) {
        self.own();
        let asked = self.asked(board);
        let kind = AtomEnum::ATOM.into();
        self.put_words(asked.requestor, asked.property, kind, targets);
        self.answer(&asked);
    }

    /// Begins an answer in pieces.
    fn begin(&self, server: &Screen, asked: &SelectionRequestEvent, least: u32) {
        let aux = x11rb::protocol::xproto::ChangeWindowAttributesAux::new()
            .event_mask(EventMask::PROPERTY_CHANGE);
        let watched = self.conn.change_window_attributes(asked.requestor, &aux);
        watched.unwrap().check().unwrap();
        let incr = server.atom("INCR");
        self.put_words(asked.requestor, asked.property, incr, &[least]);
        self.answer(asked);
    }

    /// Waits until the last piece was taken.
    fn taken(&self, board: &mut Board, asked: &SelectionRequestEvent) {
        self.wait(board, "a reader", |event| {
            is_deletion(event, asked.requestor, asked.property).then_some(())
        });
    }
}

fn is_deletion(event: &Event, window: XWindow, property: Atom) -> bool {
    matches!(event, Event::PropertyNotify(e)
        if (e.window, e.atom, e.state) == (window, property, Property::DELETE))
}

#[test]
fn an_owner_that_never_answers_is_given_up() {
    let Some((server, mut board)) = impatient_board(MIB) else {
        return;
    };
    let peer = Peer::new(&server);
    peer.own();
    peer.asked(&mut board);
    assert_eq!(board.next("nothing"), ClipboardEvent::Cleared);

    let utf8 = server.atom("UTF8_STRING");
    peer.own_with(&mut board, &[utf8]);
    board.expect_offer(&[Text]);
    board.clipboard.request(1, Text);
    let late = peer.asked(&mut board);
    assert_eq!(board.expect_answer(1), Err(ClipboardError::TimedOut));
    // An answer that comes too late is nobody's.
    board.clipboard.request(2, Text);
    let asked = peer.asked(&mut board);
    peer.put(&late, utf8, b"late");
    peer.answer(&late);
    peer.put(&asked, utf8, b"in time");
    peer.answer(&asked);
    assert_eq!(board.expect_answer(2), Ok(b"in time".to_vec()));
    // One that begins and does not go on.
    board.clipboard.request(3, Text);
    let asked = peer.asked(&mut board);
    peer.begin(&server, &asked, 10);
    peer.taken(&mut board, &asked);
    peer.put(&asked, utf8, b"12345");
    assert_eq!(board.expect_answer(3), Err(ClipboardError::TimedOut));
}

#[test]
fn a_cancelled_request_is_answered_no_more() {
    let Some((server, mut board)) = impatient_board(MIB) else {
        return;
    };
    let peer = Peer::new(&server);
    let utf8 = server.atom("UTF8_STRING");
    peer.own_with(&mut board, &[utf8]);
    board.expect_offer(&[Text]);
    board.clipboard.request(1, Text);
    let asked = peer.asked(&mut board);
    board.clipboard.cancel(1);
    board.clipboard.request(2, Text);
    let second = peer.asked(&mut board);
    peer.put(&asked, utf8, b"1");
    peer.answer(&asked);
    peer.put(&second, utf8, b"2");
    peer.answer(&second);
    assert_eq!(board.expect_answer(2), Ok(b"2".to_vec()));
}

#[test]
fn the_limit_passes_and_one_byte_more_does_not() {
    let max_bytes = 300_000;
    let Some((server, mut board)) = impatient_board(max_bytes) else {
        return;
    };
    let peer = Peer::new(&server);
    let utf8 = server.atom("UTF8_STRING");
    peer.own_with(&mut board, &[utf8]);
    board.expect_offer(&[Text]);
    let mut next = 1;
    let mut ask = |board: &mut Board| {
        next += 1;
        board.clipboard.request(next, Text);
        (next, peer.asked(board))
    };
    let text = vec![b'x'; max_bytes + 1];
    // At once.
    for (size, is_let_in) in [(max_bytes, true), (max_bytes + 1, false)] {
        let (id, asked) = ask(&mut board);
        peer.put(&asked, utf8, &text[..size]);
        peer.answer(&asked);
        let expected = match is_let_in {
            true => Ok(size),
            false => Err(ClipboardError::TooLarge),
        };
        assert_eq!(board.expect_answer(id).map(|data| data.len()), expected);
    }
    // In pieces, announced or not.
    let (id, asked) = ask(&mut board);
    peer.begin(&server, &asked, 300_001);
    assert_eq!(board.expect_answer(id), Err(ClipboardError::TooLarge));
    let (id, asked) = ask(&mut board);
    peer.begin(&server, &asked, 300_000);
    for piece in [&text[..100_000], &text[..200_000], &[]] {
        peer.taken(&mut board, &asked);
        peer.put(&asked, utf8, piece);
    }
    let answer = board.expect_answer(id).map(|data| data.len());
    assert_eq!(answer, Ok(max_bytes));
    let (id, asked) = ask(&mut board);
    peer.begin(&server, &asked, 0);
    for piece in [&text[..100_000], &text[..200_000], &text[..1]] {
        peer.taken(&mut board, &asked);
        peer.put(&asked, utf8, piece);
    }
    assert_eq!(board.expect_answer(id), Err(ClipboardError::TooLarge));
    // And no more is read of it.
    board.next_within(Duration::from_millis(100));
    while let Some(event) = peer.conn.poll_for_event().unwrap() {
        assert!(
            !is_deletion(&event, asked.requestor, asked.property),
            "{event:?}"
        );
    }
}

#[test]
fn an_owner_that_dies_is_gone() {
    let Some((server, mut board)) = board() else {
        return;
    };
    let peer = Peer::new(&server);
    peer.own_with(&mut board, &[server.atom("image/jpeg")]);
    board.expect_offer(&[Jpeg]);
    board.clipboard.request(1, Jpeg);
    peer.asked(&mut board);
    drop(peer);
    assert_eq!(board.expect_answer(1), Err(ClipboardError::Gone));
    assert_eq!(board.next("nothing"), ClipboardEvent::Cleared);
}

#[test]
fn one_who_does_not_read_is_given_up_and_holds_up_nobody() {
    let Some((server, mut board)) = impatient_board(MIB) else {
        return;
    };
    offer(&server, &board, &[Text]);
    let utf8 = server.atom("UTF8_STRING");
    let long = long_text(MIB);
    let lazy = Peer::new(&server);
    lazy.ask(utf8, lazy.property);
    let id = board.expect_wanted(Text);
    board.supply(id, &long);
    assert_eq!(lazy.answered(&mut board), lazy.property);
    // It reads one piece and then no more.
    let take = || {
        let deleted = lazy.conn.delete_property(lazy.window, lazy.property);
        deleted.unwrap().check().unwrap();
    };
    take();
    wait_for("the first piece", || {
        let piece = server.bytes(lazy.window, lazy.property);
        long.starts_with(&piece)
            .then_some(piece)
            .filter(|p| !p.is_empty())
    });
    let pasted = board.paste(xclip(&server, &["-o", "-t", "UTF8_STRING"]), Text, &long);
    assert!(pasted == long);
    assert_eq!(board.next_within(Duration::from_millis(700)), None);
    take();
    board.next_within(Duration::from_millis(100));
    assert_eq!(server.bytes(lazy.window, lazy.property), b"");
}

#[test]
fn one_who_reads_a_piece_now_and_then_is_given_up_in_the_end() {
    let Some((server, mut board)) = impatient_board(MIB) else {
        return;
    };
    offer(&server, &board, &[Text]);
    let peer = Peer::new(&server);
    peer.ask(server.atom("UTF8_STRING"), peer.property);
    let id = board.expect_wanted(Text);
    board.supply(id, &long_text(MIB));
    assert_eq!(peer.answered(&mut board), peer.property);
    // A second and a half for all of it, and one of eight pieces each 0.3 s.
    let mut pieces = 0;
    loop {
        let deleted = peer.conn.delete_property(peer.window, peer.property);
        deleted.unwrap().check().unwrap();
        board.next_within(Duration::from_millis(300));
        if server.bytes(peer.window, peer.property).is_empty() {
            break;
        }
        pieces += 1;
    }
    assert!((2..8).contains(&pieces), "{pieces} pieces");
}

#[test]
fn what_is_held_for_readers_is_limited_in_all() {
    let size = 300_000;
    let Some((server, mut board)) = board_with(ClipboardLimits::new(size)) else {
        return;
    };
    offer(&server, &board, &[Text]);
    let utf8 = server.atom("UTF8_STRING");
    let long = long_text(size);
    let ask = |board: &mut Board, peer: &Peer, property: &str, data: &[u8]| {
        let property = server.atom(property);
        peer.ask(utf8, property);
        let id = board.expect_wanted(Text);
        board.supply(id, data);
        peer.answered(board) == property
    };
    let [first, second] = [Peer::new(&server), Peer::new(&server)];
    assert!(ask(&mut board, &first, "PEER_A", &long));
    assert!(ask(&mut board, &second, "PEER_A", &long));
    assert!(!ask(&mut board, &second, "PEER_B", &long));
    // What fits into one piece is not held.
    assert!(ask(&mut board, &second, "PEER_B", b"short"));
    drop(first);
    let pasted = board.paste(xclip(&server, &["-o", "-t", "UTF8_STRING"]), Text, &long);
    assert!(pasted == long, "{} other bytes", pasted.len());
}

#[test]
fn one_who_vanishes_or_is_not_answered_wants_no_more() {
    let Some((server, mut board)) = impatient_board(MIB) else {
        return;
    };
    offer(&server, &board, &[Text]);
    let utf8 = server.atom("UTF8_STRING");
    let peer = Peer::new(&server);
    peer.ask(utf8, peer.property);
    let id = board.expect_wanted(Text);
    drop(peer);
    assert_eq!(board.next("no more"), ClipboardEvent::WantedNoMore { id });
    board.supply(id, b"nobody's");

    let peer = Peer::new(&server);
    peer.ask(utf8, peer.property);
    let id = board.expect_wanted(Text);
    // In the middle of its pieces.
    board.supply(id, &long_text(MIB));
    peer.answered(&mut board);
    drop(peer);

    let peer = Peer::new(&server);
    peer.ask(utf8, peer.property);
    let id = board.expect_wanted(Text);
    assert_eq!(board.next("no more"), ClipboardEvent::WantedNoMore { id });
    assert_eq!(peer.answered(&mut board), x11rb::NONE);
}

#[test]
fn several_things_are_asked_for_at_once() {
    let Some((server, mut board)) = board() else {
        return;
    };
    offer(&server, &board, &[Text, Png]);
    let peer = Peer::new(&server);
    let names = [
        "UTF8_STRING",
        "image/jpeg",
        "TARGETS",
        "image/png",
        "MULTIPLE",
    ];
    let properties = ["PEER_A", "PEER_B", "PEER_C", "PEER_D", "PEER_E"];
    let pairs: Vec<u32> = names
        .iter()
        .zip(properties)
        .flat_map(|(name, property)| [server.atom(name), server.atom(property)])
        .collect();
    let kind = server.atom("ATOM_PAIR");
    peer.put_words(peer.window, peer.property, kind, &pairs);
    peer.ask(server.atom("MULTIPLE"), peer.property);
    let text = board.expect_wanted(Text);
    let picture = board.expect_wanted(Png);
    board.supply(picture, b"png");
    board.supply(text, b"text");
    assert_eq!(peer.answered(&mut board), peer.property);
    let left = server.words(peer.window, peer.property);
    let mut expected = pairs.clone();
    (expected[3], expected[9]) = (x11rb::NONE, x11rb::NONE);
    assert_eq!(left, expected);
    let bytes = |property| server.bytes(peer.window, server.atom(property));
    assert_eq!(bytes("PEER_A"), b"text");
    assert_eq!(bytes("PEER_D"), b"png");
    let targets = server.words(peer.window, server.atom("PEER_C"));
    assert!(targets.contains(&server.atom("image/png")));

    // What is not offered, and an old request, are refused without asking anybody.
    peer.ask(server.atom("image/jpeg"), peer.property);
    assert_eq!(peer.answered(&mut board), x11rb::NONE);
    assert_eq!(board.next_within(Duration::from_millis(50)), None);
}

#[test]
fn those_who_ask_without_end_are_refused_and_the_others_are_served_again() {
    let Some((server, mut board)) = impatient_board(MIB) else {
        return;
    };
    offer(&server, &board, &[Text]);
    let peer = Peer::new(&server);
    let utf8 = server.atom("UTF8_STRING");
    for i in 0..100 {
        peer.ask(utf8, server.atom(&format!("PEER_{i}")));
    }
    let mut wanted = 0;
    let mut given_up = 0;
    while given_up < 32 {
        match board.next("all of them") {
            ClipboardEvent::Wanted { .. } => wanted += 1,
            ClipboardEvent::WantedNoMore { .. } => given_up += 1,
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(wanted, 32);
    let pasted = board.paste(xclip(&server, &["-o", "-t", "UTF8_STRING"]), Text, b"x");
    assert_eq!(pasted, b"x");
}
