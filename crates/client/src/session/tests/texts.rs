//! What there is to be read.

use super::*;

fn lines(session: &Session) -> Vec<&str> {
    let text = session.status.as_ref();
    text.map_or(vec![], |text| {
        text.lines().iter().map(String::as_str).collect()
    })
}

#[test]
fn a_message_goes_after_two_seconds_whether_alerts_are_wanted_or_not() {
    for alerts in [true, false] {
        let mut session = session(|p| p.alerts = alerts);
        session.message("sensitivity 3".into(), MS(100));
        assert_eq!(session.tick(MS(100)), Some(MS(2100)));
        assert_eq!(lines(&session), ["sensitivity 3"]);
        session.message("sensitivity 4".into(), MS(2000));
        assert_eq!(session.tick(MS(2100)), Some(MS(4000)));
        assert_eq!(lines(&session), ["sensitivity 4"], "its own two seconds");
        session.take_needs_draw();
        assert_eq!(session.tick(MS(4000)), None);
        assert_eq!(session.status, None);
        assert!(session.take_needs_draw());
    }
}

#[test]
fn a_panel_stays_until_it_is_taken_away_and_hides_what_is_waited_for() {
    let mut session = session(|_| ());
    session.missing("waiting".into(), false, MS(0));
    session.panel(Some(vec!["F  full screen".into(), "Q  quit".into()]));
    session.tick(MS(60_000));
    assert_eq!(lines(&session), ["F  full screen", "Q  quit"]);
    session.panel(None);
    session.tick(MS(60_001));
    assert_eq!(lines(&session), ["Looking Glass", "waiting"]);
}

#[test]
fn a_notice_stands_beside_whatever_else_there_is() {
    let mut session = session(|_| ());
    session.notice(Some("another client took over".into()));
    session.message("hello".into(), MS(0));
    session.tick(MS(0));
    assert_eq!(lines(&session), ["another client took over", "hello"]);
    session.missing("waiting".into(), false, MS(1));
    session.tick(MS(2001));
    let all = ["Looking Glass", "waiting", "another client took over"];
    assert_eq!(lines(&session), all);
    session.notice(None);
    session.tick(MS(2002));
    assert_eq!(lines(&session), all[..2]);
}

#[test]
fn rates_are_counted_while_they_are_shown() {
    let mut session = session(|_| ());
    session.toggle_rates(MS(0));
    assert_eq!(session.tick(MS(0)), Some(MS(1000)));
    for i in 0..30 {
        session.frame(&notes(64, 48), MS(i * 30));
        if i % 2 == 0 {
            session.drawn();
        }
    }
    session.tick(MS(1000));
    let want = "15.0 pictures/s shown, 30.0 received";
    assert_eq!(lines(&session), [want]);
    session.drawn();
    session.take_needs_draw();
    session.tick(MS(2000));
    session.take_needs_draw();
    session.drawn();
    session.tick(MS(3000));
    let want = "0.0 pictures/s shown, 0.0 received";
    assert_eq!(lines(&session), [want], "the figures' own drawing is none");
    session.take_needs_draw();
    session.tick(MS(4000));
    assert!(!session.take_needs_draw(), "nothing new to be read");
    session.toggle_rates(MS(4500));
    assert_eq!(session.tick(MS(4500)), None);
    assert_eq!(session.status, None);
}

#[test]
fn an_incomplete_console_says_so_while_it_is_shown() {
    use crate::console::SurfaceState;
    use spice::display::Unsupported;

    let mut session = session(|p| p.console = ConsolePolicy::Auto);
    let look = Look {
        surface: Some(SurfaceState {
            serial: 1,
            is_marked: true,
            is_covered: true,
            incomplete: Some(Unsupported::Scaling),
        }),
        has_damage: true,
        pointer: PointerState::default(),
        shape: None,
        missing: None,
    };
    session.missing("no host".into(), false, MS(0));
    session.console(&look, MS(0));
    session.console_shown(1, notes(8, 8).layout, MS(0));
    session.tick(MS(0));
    let text = "The machine's own screen is incomplete: scaled images.";
    assert_eq!(lines(&session), [text]);
    session.frame(&notes(64, 48), MS(1));
    session.tick(MS(1));
    assert_eq!(lines(&session), Vec::<&str>::new());
}
