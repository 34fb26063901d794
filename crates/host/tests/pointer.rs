//! Clients put the guest's pointer where they want it, through our host.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use picture::GuestPoint;
use relay::{CursorPosition, SetCursorError};
use rustix::process::Signal;
use support::hand::Hand;
use support::observer::Observer;
use support::xvfb::Xvfb;
use support::{Host, LIMIT, command};
use testkit::process::Process;
use testkit::programs::SharedFile;

/// A host on a display, and an observer that has seen picture and pointer.
fn host_and_observer(display: &str) -> (Host, Observer) {
    let host = Host::capture(display, &[]);
    let mut observer = host.observer();
    let is_shown = observer.until(LIMIT, |seen| {
        seen.layout.is_some() && seen.pointer.is_some()
    });
    assert!(is_shown, "{}", host.process.output());
    (host, observer)
}

/// Asks for a position and waits for the host's answer.
fn set(observer: &mut Observer, x: i32, y: i32) -> CursorPosition {
    let before = observer.answers.len();
    let wanted = GuestPoint { x, y };
    observer.reader.set_cursor_position(wanted).unwrap();
    assert!(observer.until(LIMIT, |seen| seen.answers.len() > before));
    observer.answers[before]
}

#[test]
fn the_pointer_is_where_a_client_wants_it_when_the_host_answers() {
    // Without XTEST it is warped.
    for arguments in [&[][..], &["-extension", "XTEST"]] {
        let Some(server) = Xvfb::start(arguments) else {
            return;
        };
        let hand = Hand::on(&server.display);
        let (_host, mut observer) = host_and_observer(&server.display);
        for (wanted, clamped) in [
            ((100, 60), (100, 60)),
            ((0, 0), (0, 0)),
            ((639, 479), (639, 479)),
            ((7, 470), (7, 470)),
            ((-5, 1000), (0, 479)),
            ((i32::MAX, i32::MIN), (639, 0)),
        ] {
            let answer = set(&mut observer, wanted.0, wanted.1);
            assert_eq!(answer, CursorPosition::Acknowledged, "{wanted:?}");
            assert_eq!(hand.pointer(), clamped, "{arguments:?} {wanted:?}");
        }
    }
}

#[test]
fn a_pointer_set_by_one_client_is_seen_by_all() {
    let Some(server) = Xvfb::start(&[]) else {
        return;
    };
    let hand = Hand::on(&server.display);
    hand.show_pointer((255, 0, 0), (3, 5));
    let (host, mut observer) = host_and_observer(&server.display);
    let mut other = host.observer();
    set(&mut observer, 50, 70);
    let is_at = |seen: &Observer| {
        let position = seen.pointer.map(|state| state.position);
        position.is_some_and(|at| (at.x, at.y) == (47, 65))
    };
    assert!(observer.until(LIMIT, is_at));
    assert!(other.until(LIMIT, is_at));
}

#[test]
fn a_server_that_hangs_is_asked_later_and_holds_no_heartbeat() {
    let Some(server) = Xvfb::start(&[]) else {
        return;
    };
    let hand = Hand::on(&server.display);
    let (_host, mut observer) = host_and_observer(&server.display);
    set(&mut observer, 10, 10);
    server.process.signal(Signal::STOP);
    for i in 0..100 {
        let wanted = GuestPoint { x: 100 + i, y: 200 };
        // The queue of messages is short; what does not fit is not waited for.
        let _ = observer.reader.set_cursor_position(wanted);
        observer.watch(Duration::from_millis(10));
    }
    set(&mut observer, 300, 40);
    assert_eq!((observer.sessions, observer.losses), (1, 0));
    server.process.signal(Signal::CONT);
    assert!(testkit::wait_until(LIMIT, || hand.pointer() == (300, 40)));
}

#[test]
fn the_pointer_can_be_set_on_a_server_that_came_back() {
    let Some(mut server) = Xvfb::start(&[]) else {
        return;
    };
    let (mut host, mut observer) = host_and_observer(&server.display);
    server.kill();
    assert!(host.process.prints("trying again each second", LIMIT));
    // Nobody is there to do it, and nobody is troubled by it.
    set(&mut observer, 5, 5);
    server.revive();
    assert!(host.process.prints("the display server is back", LIMIT));
    let hand = Hand::on(&server.display);
    let is_set = testkit::wait_until(LIMIT, || {
        set(&mut observer, 33, 44);
        hand.pointer() == (33, 44)
    });
    assert!(is_set, "{}", host.process.output());
    assert_eq!(observer.sessions, 1);
}

#[test]
fn the_test_pattern_moves_its_pointer_alone() {
    let memory = SharedFile::create(32).unwrap();
    let options = ["app:capture=test", "test:width=320", "test:height=200"];
    let _host = Process::start(&mut command(&memory.option(), &options)).unwrap();
    let mut observer = Observer::open(memory.path());
    assert!(observer.until(LIMIT, |seen| seen.layout.is_some()));
    let refused = observer
        .reader
        .set_cursor_position(GuestPoint { x: 1, y: 1 });
    assert!(
        matches!(refused, Err(SetCursorError::NotOffered)),
        "{refused:?}"
    );
}
