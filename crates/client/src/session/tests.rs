//! The rules of the session, without time passing.

mod switching;
mod texts;

use picture::{GuestPoint, PixelFormat, PointerKind, Rotation};

use super::*;

fn notes(width: u32, height: u32) -> FrameNotes {
    FrameNotes {
        layout: FrameLayout::packed(PixelFormat::Bgra8, Size::new(width, height)),
        wants_screen_on: false,
        wants_attention: false,
        is_truncated: false,
        recommended_mib: 128,
    }
}

fn session(change: impl FnOnce(&mut Preferences)) -> Session {
    let mut preferences = Preferences::default();
    change(&mut preferences);
    Session::new(preferences)
}

fn commands(session: &mut Session) -> Vec<WindowCommand> {
    let of_window = |request| match request {
        Request::Window(command) => Some(command),
        _ => None,
    };
    session.take_requests().filter_map(of_window).collect()
}

fn first_line(session: &Session) -> Option<&str> {
    session
        .status
        .as_ref()
        .and_then(|text| text.lines().last())
        .map(String::as_str)
}

const MS: fn(i64) -> Nanos = Nanos::from_millis;

#[test]
fn an_empty_window_names_what_it_waits_for_at_once() {
    let mut session = session(|_| ());
    session.missing("waiting for the host".into(), false, MS(0));
    assert_eq!(session.tick(MS(0)), None);
    assert_eq!(first_line(&session), Some("waiting for the host"));
    assert_eq!(session.missing_link(), Some("waiting for the host"));
}

#[test]
fn a_lost_picture_is_dimmed_after_a_moment_and_kept() {
    let mut session = session(|p| p.quick_splash = true);
    session.frame(&notes(64, 48), MS(0));
    session.tick(MS(0));
    session.missing("the host stopped".into(), false, MS(1000));
    assert_eq!(session.tick(MS(1000)), Some(MS(1150)));
    assert!(!session.scene().dimmed);
    assert_eq!(session.tick(MS(1150)), None);
    assert!(session.scene().dimmed);
    assert!(session.scene().layout.is_some(), "the last picture stays");
    session.frame(&notes(64, 48), MS(2000));
    session.tick(MS(2000));
    assert!(!session.scene().dimmed);
    assert_eq!(session.status, None);
}

#[test]
fn changing_links_do_not_restart_the_wait() {
    let mut session = session(|_| ());
    session.frame(&notes(64, 48), MS(0));
    session.missing("heartbeat".into(), false, MS(100));
    session.missing("magic".into(), false, MS(240));
    session.tick(MS(250));
    assert_eq!(first_line(&session), Some("magic"));
}

#[test]
fn the_splash_stays_a_moment_unless_the_user_is_in_a_hurry() {
    for (quick, until) in [(false, Some(MS(410))), (true, None)] {
        let mut session = session(|p| p.quick_splash = quick);
        session.missing("waiting".into(), false, MS(0));
        session.tick(MS(0));
        session.frame(&notes(64, 48), MS(10));
        assert_eq!(session.tick(MS(10)), until);
        assert_eq!(session.status.is_some(), !quick);
        assert!(
            !session.scene().dimmed,
            "the picture itself is bright at once"
        );
        session.tick(MS(500));
        assert_eq!(session.status, None);
    }
}

#[test]
fn a_cut_picture_says_how_much_memory_it_needs() {
    let mut cut = notes(64, 48);
    cut.layout.rows = 40;
    cut.is_truncated = true;
    for (alerts, line) in [
        (
            true,
            Some("Give the virtual machine 128 MiB of shared memory."),
        ),
        (false, None),
    ] {
        let mut session = session(|p| p.alerts = alerts);
        session.frame(&cut, MS(0));
        session.tick(MS(0));
        assert_eq!(first_line(&session), line);
        session.frame(&notes(64, 48), MS(1));
        session.tick(MS(1));
        assert_eq!(first_line(&session), None);
    }
}

#[test]
fn the_window_follows_the_guest_only_if_asked_to() {
    let mut still = session(|_| ());
    still.frame(&notes(64, 48), MS(0));
    assert_eq!(commands(&mut still), []);

    let mut follows = session(|p| {
        p.auto_resize = true;
        p.view.rotation = Rotation::Deg90;
    });
    follows.frame(&notes(64, 48), MS(0));
    follows.frame(&notes(64, 48), MS(1));
    assert_eq!(
        commands(&mut follows),
        [WindowCommand::Resize(Size::new(48, 64))]
    );
    let mut turned = notes(64, 48);
    turned.layout.rotation = Rotation::Deg90;
    follows.frame(&turned, MS(2));
    assert_eq!(
        commands(&mut follows),
        [WindowCommand::Resize(Size::new(64, 48))]
    );
}

#[test]
fn the_screen_stays_on_while_the_guest_asks_and_lives() {
    let mut session = session(|p| p.auto_screensaver = true);
    let wish = FrameNotes {
        wants_screen_on: true,
        ..notes(64, 48)
    };
    session.frame(&wish, MS(0));
    session.frame(&wish, MS(1));
    assert_eq!(commands(&mut session), [WindowCommand::KeepScreenOn(true)]);
    session.missing("gone".into(), false, MS(2));
    assert_eq!(commands(&mut session), [WindowCommand::KeepScreenOn(false)]);
}

#[test]
fn attention_is_rationed() {
    let mut session = session(|_| ());
    let wish = FrameNotes {
        wants_attention: true,
        ..notes(64, 48)
    };
    (0..100).for_each(|i| session.frame(&wish, MS(i * 100)));
    assert_eq!(commands(&mut session), [WindowCommand::DemandAttention]);
    session.frame(&wish, MS(10_000));
    assert_eq!(commands(&mut session), [WindowCommand::DemandAttention]);
}

#[test]
fn a_pointer_that_stands_still_costs_no_drawing() {
    let mut session = session(|_| ());
    let shape = PointerShape {
        kind: PointerKind::Colour,
        width: 1,
        height: 1,
        pitch_bytes: 4,
        hot_spot: (0, 0),
        data: vec![0; 4],
    };
    let state = PointerState {
        position: GuestPoint { x: 1, y: 2 },
        is_visible: true,
    };
    assert!(session.take_needs_draw());
    session.pointer(state, Some(&shape));
    assert!(session.take_needs_draw());
    session.pointer(state, None);
    assert!(!session.take_needs_draw());
    assert_eq!(session.shape(), Some(&shape));
    session.connected(HostFacts::default());
    assert_eq!(
        session.shape(),
        None,
        "a new session starts without a pointer"
    );
}

#[test]
fn a_pointer_that_moves_waits_for_the_next_picture_if_the_user_wants_it() {
    for (redraw, is_drawn) in [(true, true), (false, false)] {
        let mut session = session(|p| p.mouse_redraw = redraw);
        session.frame(&notes(64, 48), MS(0));
        session.take_needs_draw();
        let moved = PointerState {
            position: picture::GuestPoint { x: 3, y: 4 },
            is_visible: true,
        };
        session.pointer(moved, None);
        assert_eq!(session.take_needs_draw(), is_drawn);
        session.frame(&notes(64, 48), MS(1));
        assert!(session.take_needs_draw(), "with the picture in any case");
    }
}
