//! The SPICE session comes, goes, changes its mouse mode and is taken over.

use super::*;

const BOTH: &[MouseMode] = &[MouseMode::Relative, MouseMode::Absolute];

fn modes(supported: &[MouseMode], current: MouseMode) -> SpiceInput {
    SpiceInput::Mouse(MouseModes::new(supported, current))
}

/// The machine's own screen, and a server that grants absolute mode.
fn console() -> Desk {
    let mut desk = Desk::new(Preferences::default());
    desk.view(|view| view.source = PictureSource::Console);
    desk.spice(modes(BOTH, MouseMode::Relative));
    assert_eq!(desk.sent(), [Command::UseMouse(MouseMode::Absolute)]);
    desk.spice(modes(BOTH, MouseMode::Absolute));
    desk
}

#[test]
fn machines_own_screen_takes_positions_once_they_are_granted() {
    let mut desk = Desk::new(Preferences::default());
    desk.spice(modes(BOTH, MouseMode::Relative));
    desk.done();
    desk.view(|view| view.source = PictureSource::Console);
    desk.move_to(10.0, 260.0);
    desk.move_to(11.0, 260.0);
    let wanted = Command::UseMouse(MouseMode::Absolute);
    assert_eq!(desk.sent(), [wanted, motion(10, 10), motion(1, 0)]);
    desk.spice(modes(BOTH, MouseMode::Absolute));
    assert_eq!(desk.sent(), [Command::Position { x: 11, y: 10 }]);
    desk.move_to(11.5, 260.0);
    desk.move_to(999.0, 749.0);
    assert_eq!(desk.sent(), [Command::Position { x: 999, y: 499 }]);
}

#[test]
fn positions_are_not_asked_for_where_there_are_none() {
    let mut desk = Desk::new(Preferences::default());
    desk.spice(modes(&[MouseMode::Relative], MouseMode::Relative));
    desk.view(|view| view.source = PictureSource::Console);
    assert_eq!(desk.sent(), [Command::UseMouse(MouseMode::Relative)]);
}

#[test]
fn revoked_positions_become_motion() {
    let mut desk = console();
    desk.move_to(10.0, 260.0);
    desk.done();
    desk.view(|view| view.pointer = Some(GuestPoint { x: 10, y: 10 }));
    desk.spice(modes(&[MouseMode::Relative], MouseMode::Relative));
    desk.move_to(13.0, 260.0);
    assert_eq!(
        desk.sent(),
        [Command::UseMouse(MouseMode::Relative), motion(3, 0)]
    );
}

#[test]
fn hosts_picture_and_capture_take_motion() {
    let mut desk = console();
    desk.move_to(10.0, 260.0);
    desk.done();
    desk.view(|view| view.source = PictureSource::Relay);
    assert_eq!(desk.sent(), [Command::UseMouse(MouseMode::Relative)]);
    // The server is not there yet: motion would be lost.
    desk.move_to(12.0, 260.0);
    assert_eq!(desk.sent(), []);
    desk.view(|view| view.pointer = Some(GuestPoint { x: 10, y: 10 }));
    desk.spice(modes(BOTH, MouseMode::Relative));
    assert_eq!(desk.sent(), [motion(2, 0)]);

    let mut desk = console();
    desk.tap(ESCAPE);
    assert_eq!(desk.sent(), [Command::UseMouse(MouseMode::Relative)]);
    desk.event(WindowEvent::PointerCaptured(true));
    desk.push(9.0, 9.0);
    assert_eq!(desk.sent(), []);
    desk.spice(modes(BOTH, MouseMode::Relative));
    desk.push(9.0, 9.0);
    assert_eq!(desk.sent(), [motion(9, 9)]);
}

#[test]
fn drag_in_positions_goes_on_outside_within_the_screen() {
    let mut desk = console();
    desk.move_to(10.0, 260.0);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.move_to(-20.0, 1e6);
    assert_eq!(desk.sent(), [Command::Position { x: 0, y: 499 }]);
}

#[test]
fn new_session_starts_in_relative_mode() {
    let mut desk = console();
    desk.spice(SpiceInput::Lost);
    desk.spice(SpiceInput::Ready);
    assert_eq!(desk.sent(), []);
    desk.spice(modes(BOTH, MouseMode::Relative));
    assert_eq!(desk.sent(), [Command::UseMouse(MouseMode::Absolute)]);
}

#[test]
fn lost_session_takes_what_was_held_with_it() {
    let mut desk = Desk::new(Preferences::default());
    desk.move_to(500.0, 500.0);
    desk.press(SHIFT);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.spice(SpiceInput::Lost);
    assert_eq!(desk.done(), [Action::ShowLocalPointer(true)]);
    desk.spice(SpiceInput::Ready);
    desk.release(SHIFT);
    desk.button(BTN_LEFT, false);
    // Only the alignment, once the button is up.
    assert_eq!(desk.sent(), [motion(500, 250)]);
}

/// What happens when a key is pressed and when a button is, both without a session.
fn ask(desk: &mut Desk) -> [Vec<Action>; 2] {
    desk.tap(A);
    let key = desk.done();
    desk.button(BTN_LEFT, true);
    desk.button(BTN_LEFT, false);
    [key, desk.done()]
}

#[test]
fn each_key_and_click_without_a_session_asks_for_one() {
    let mut desk = Desk::new(Preferences::default());
    desk.spice(SpiceInput::Lost);
    desk.done();
    // The first may have been in vain.
    for _ in 0..2 {
        assert_eq!(ask(&mut desk), [[Action::Reconnect], [Action::Reconnect]]);
    }
    desk.bind(F);
    assert_eq!(desk.done(), [Action::Bind(Bind::FullScreen)]);
    desk.press(A);
    desk.press(SHIFT);
    desk.done();
    desk.spice(SpiceInput::Ready);
    desk.release(A);
    desk.release(SHIFT);
    assert_eq!(desk.done(), []);
    desk.tap(A);
    assert_eq!(desk.done().len(), 2);
}

#[test]
fn session_is_asked_for_although_no_input_goes_to_the_guest() {
    let mut desk = Desk::new(Preferences {
        to_guest: false,
        ..Preferences::default()
    });
    desk.spice(SpiceInput::Lost);
    desk.done();
    assert_eq!(ask(&mut desk), [[Action::Reconnect], [Action::Reconnect]]);

    let mut desk = Desk::new(Preferences::default());
    desk.bind(I);
    desk.spice(SpiceInput::Lost);
    desk.done();
    assert_eq!(ask(&mut desk), [[Action::Reconnect], [Action::Reconnect]]);
}

#[test]
fn session_whose_inputs_were_lost_for_a_moment_is_told_its_mode_again() {
    let mut desk = console();
    desk.spice(SpiceInput::Lost);
    desk.view(|view| view.source = PictureSource::Relay);
    desk.done();
    desk.spice(SpiceInput::Ready);
    desk.spice(modes(BOTH, MouseMode::Absolute));
    assert_eq!(desk.sent(), [Command::UseMouse(MouseMode::Relative)]);
    desk.spice(modes(BOTH, MouseMode::Relative));
    desk.move_to(10.0, 260.0);
    assert_eq!(desk.sent(), [motion(10, 10)]);
}
