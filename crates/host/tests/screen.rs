//! Our host on real X servers, seen by a reader of its memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use picture::damage::MAX_RECTS;
use support::hand::Hand;
use support::observer::Observer;
use support::xvfb::Xvfb;
use support::{Host, LIMIT};
use testkit::x_server::XServer;

const RED: u32 = 0x00ff_0000;
const GREEN: u32 = 0x0000_ff00;
const BLUE: u32 = 0x0000_00ff;

fn server() -> Option<XServer> {
    XServer::start(640, 480).unwrap()
}

/// A host on a display, and an observer that has seen its first picture.
fn host_and_observer(display: &str, options: &[&str]) -> (Host, Observer) {
    let host = Host::capture(display, options);
    let mut observer = host.observer();
    let is_shown = observer.until(LIMIT, |seen| seen.layout.is_some());
    assert!(is_shown, "{}", host.process.output());
    (host, observer)
}

#[test]
fn what_is_drawn_arrives_by_its_damage() {
    let Some(server) = server() else { return };
    let (_host, mut observer) = host_and_observer(server.display(), &[]);
    assert_eq!(observer.size(), Some((640, 480)));
    let hand = Hand::on(server.display());
    for (i, colour) in [RED, GREEN, BLUE].into_iter().enumerate() {
        let (x, y) = (50 * i as i16, 40 * i as i16);
        hand.fill(colour, &[(x, y, 30, 20)]);
        let (x, y) = (x as u32, y as u32);
        assert!(observer.until(LIMIT, |seen| seen.pixel(x, y) == Some(colour)));
        assert_eq!(observer.pixel(x + 29, y + 19), Some(colour));
        assert_ne!(observer.pixel(x + 30, y), Some(colour));
        let (damage, _) = observer.frames.last().unwrap();
        assert!(!damage.is_full());
    }
}

#[test]
fn a_hundred_rectangles_make_few_pictures_and_no_more_damage_than_fits() {
    let Some(server) = server() else { return };
    let (_host, mut observer) = host_and_observer(server.display(), &[]);
    let rects: Vec<_> = (0..100)
        .map(|i| (i % 10 * 60, i / 10 * 45, 20, 15))
        .collect();
    let before = observer.frames.len();
    Hand::on(server.display()).fill(GREEN, &rects);
    let is_drawn = |seen: &Observer| {
        let shows = |&(x, y, w, h): &(i16, i16, u16, u16)| {
            let (x, y) = (x as u32, y as u32);
            let end = seen.pixel(x + u32::from(w) - 1, y + u32::from(h) - 1);
            seen.pixel(x, y) == Some(GREEN) && end == Some(GREEN)
        };
        rects.iter().all(shows)
    };
    assert!(observer.until(LIMIT, is_drawn));
    let frames = &observer.frames[before..];
    assert!(
        frames.len() <= 10,
        "{} pictures of one drawing",
        frames.len()
    );
    let most = frames.iter().map(|(damage, _)| damage.rects().len()).max();
    assert!(most <= Some(MAX_RECTS), "{most:?}");
    assert!(frames.iter().all(|(damage, _)| !damage.is_full()));
}

#[test]
fn a_server_without_mit_shm_is_captured_through_its_connection() {
    let Some(server) = Xvfb::start(&["-extension", "MIT-SHM"]) else {
        return;
    };
    let (host, mut observer) = host_and_observer(&server.display, &[]);
    assert!(host.process.output().contains("lacks MIT-SHM"));
    let hand = Hand::on(&server.display);
    hand.fill(BLUE, &[(0, 0, 640, 480)]);
    hand.fill(RED, &[(600, 400, 40, 80)]);
    assert!(
        observer.until(LIMIT, |seen| seen.pixel(639, 479) == Some(RED)
            && seen.pixel(599, 479) == Some(BLUE))
    );
}

#[test]
fn a_screen_is_followed_through_its_sizes() {
    let Some(server) = server() else { return };
    if !testkit::has_program("xrandr", "sizes of a screen") {
        return;
    }
    let (host, mut observer) = host_and_observer(server.display(), &[]);
    let hand = Hand::on(server.display());
    for (width, height) in [(320, 200), (640, 480), (512, 400)] {
        server.resize(width, height).unwrap();
        hand.fill(GREEN, &[(0, 0, width as u16, height as u16)]);
        let is_followed = observer.until(LIMIT, |seen| {
            seen.size() == Some((width, height)) && seen.pixel(width - 1, height - 1) == Some(GREEN)
        });
        assert!(is_followed, "{width} {height} {}", host.process.output());
    }
    assert_eq!(observer.sessions, 1);
}

#[test]
fn the_pointer_is_followed_however_it_is_moved() {
    let Some(server) = server() else { return };
    let hand = Hand::on(server.display());
    hand.show_pointer((255, 0, 0), (3, 5));
    let (_host, mut observer) = host_and_observer(server.display(), &[]);
    let is_at = |seen: &Observer, x: i32, y: i32| {
        let state = seen.pointer.filter(|state| state.is_visible);
        state.is_some_and(|state| (state.position.x, state.position.y) == (x - 3, y - 5))
    };
    hand.push(100, 60);
    assert!(observer.until(LIMIT, |seen| is_at(seen, 100, 60)));
    hand.warp(7, 470);
    assert!(observer.until(LIMIT, |seen| is_at(seen, 7, 470)));
    hand.push(0, 0);
    assert!(observer.until(LIMIT, |seen| is_at(seen, 0, 0)));
}

#[test]
fn a_new_pointer_picture_arrives_even_with_the_hot_spot_of_the_old() {
    let Some(server) = server() else { return };
    let hand = Hand::on(server.display());
    hand.push(200, 200);
    let (_host, mut observer) = host_and_observer(server.display(), &[]);
    for colour in [(255, 0, 0), (0, 0, 255), (10, 20, 30)] {
        hand.show_pointer(colour, (4, 4));
        let (r, g, b) = colour;
        let is_shown = observer.until(LIMIT, |seen| {
            let shape = seen.shape.as_ref();
            shape.is_some_and(|shape| shape.data.starts_with(&[b, g, r, 255]))
        });
        assert!(is_shown, "{colour:?}");
        let shape = observer.shape.as_ref().unwrap();
        assert_eq!(
            (shape.width, shape.height, shape.hot_spot),
            (16, 16, (4, 4))
        );
    }
}

#[test]
fn a_pointer_picture_whose_maker_is_gone_does_not_stop_the_capture() {
    let Some(server) = Xvfb::start(&["+extension", "SECURITY"]) else {
        return;
    };
    let hand = Hand::on(&server.display);
    hand.push(100, 100);
    let (host, mut observer) = host_and_observer(&server.display, &[]);
    // Made by a program that is gone at once.
    Hand::on(&server.display).show_pointer((255, 0, 0), (4, 4));
    if !testkit::wait_until(Duration::from_secs(2), || !hand.can_read_pointer()) {
        testkit::skip(
            "unreadable pointer",
            "this server hands it out all the same",
        );
        return;
    }
    let goes_on = |observer: &mut Observer, colour| {
        hand.fill(colour, &[(0, 0, 10, 10)]);
        observer.until(LIMIT, |seen| seen.pixel(9, 9) == Some(colour))
    };
    assert!(goes_on(&mut observer, GREEN), "{}", host.process.output());
    let before = observer.pointer;
    hand.push(300, 300);
    assert!(observer.until(LIMIT, |seen| seen.pointer != before));
    drop(host);
    // One that has never seen a pointer's picture.
    let (host, mut observer) = host_and_observer(&server.display, &[]);
    assert!(goes_on(&mut observer, BLUE), "{}", host.process.output());
    assert!(observer.until(LIMIT, |seen| seen.pointer.is_some()));
    hand.show_pointer((0, 255, 0), (4, 4));
    assert!(observer.until(LIMIT, |seen| seen.shape.is_some()));
}

#[test]
fn a_newcomer_gets_the_picture_of_a_still_screen() {
    let Some(server) = server() else { return };
    let hand = Hand::on(server.display());
    hand.fill(RED, &[(0, 0, 640, 480)]);
    let (host, _first) = host_and_observer(server.display(), &[]);
    let mut second = host.observer();
    assert!(second.until(LIMIT, |seen| seen.pixel(639, 479) == Some(RED)));
    assert!(second.until(LIMIT, |seen| seen.pointer.is_some()));
}

#[test]
fn what_changed_while_nobody_looked_is_seen_later() {
    let Some(server) = server() else { return };
    let hand = Hand::on(server.display());
    let (host, observer) = host_and_observer(server.display(), &[]);
    drop(observer);
    hand.fill(GREEN, &[(100, 100, 50, 50)]);
    hand.push(33, 44);
    let mut observer = host.observer();
    assert!(observer.until(LIMIT, |seen| seen.pixel(149, 149) == Some(GREEN)));
    hand.push(55, 66);
    let before = observer.pointer;
    assert!(observer.until(LIMIT, |seen| seen.pointer != before));
}

#[test]
fn changes_add_up_while_the_clients_are_busy() {
    let Some(server) = server() else { return };
    let (_host, mut observer) = host_and_observer(server.display(), &[]);
    let hand = Hand::on(server.display());
    let held = observer.last_serial().unwrap() + 1;
    hand.fill(RED, &[(0, 0, 10, 10)]);
    observer.hold_a_frame(|| {
        for i in 1..=20 {
            hand.fill(GREEN, &[(i * 20, i * 20, 10, 10)]);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let is_drawn =
        |seen: &Observer| (1..=20).all(|i| seen.pixel(i * 20 + 9, i * 20 + 9) == Some(GREEN));
    assert!(observer.until(LIMIT, is_drawn));
    // One more fits beside the held one; what came after that is in a single picture.
    let last = observer.last_serial().unwrap();
    assert!(last - held <= 3, "{} pictures", last - held);
}

#[test]
fn the_throttle_limits_the_rate_and_loses_nothing() {
    let Some(server) = server() else { return };
    let (_host, mut observer) = host_and_observer(server.display(), &["app:throttleFPS=20"]);
    let hand = Hand::on(server.display());
    observer.watch(Duration::from_millis(100));
    let (before, start) = (observer.frames.len(), std::time::Instant::now());
    for i in 0..100 {
        hand.fill(0x0001_0101 * i, &[(0, 0, 640, 480)]);
        observer.watch(Duration::from_millis(10));
    }
    let last = 0x0001_0101 * 99;
    assert!(observer.until(LIMIT, |seen| seen.pixel(639, 479) == Some(last)));
    let most = start.elapsed().as_secs_f64() * 20.0 + 2.0;
    let pictures = observer.frames.len() - before;
    assert!(pictures as f64 <= most, "{pictures} of {most}");
    assert!(pictures >= 10, "{pictures}");
}
