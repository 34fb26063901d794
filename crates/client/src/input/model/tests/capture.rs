use super::*;

fn desk() -> Desk {
    Desk::new(Preferences {
        smoothing: false,
        ..Preferences::default()
    })
}

#[test]
fn tap_captures_and_releases() {
    let mut desk = desk();
    desk.tap(ESCAPE);
    assert_eq!(
        desk.done(),
        [
            Action::CapturePointer,
            Action::GrabKeyboard(true),
            Action::ShowLocalPointer(false)
        ]
    );
    desk.event(WindowEvent::PointerCaptured(true));
    assert_eq!(
        desk.messages(),
        ["The pointer is captured; Scroll Lock releases it"]
    );
    desk.tap(ESCAPE);
    let done = desk.done();
    let released = done
        .iter()
        .filter(|action| matches!(action, Action::ReleasePointer(_)));
    assert_eq!(released.count(), 1);
    assert!(done.contains(&Action::GrabKeyboard(false)));
    desk.event(WindowEvent::PointerCaptured(false));
    desk.capture();
    desk.push(3.0, 4.0);
    assert!(desk.sent().contains(&motion(3, 4)));
}

#[test]
fn keyboard_is_not_taken_if_the_user_says_so() {
    let mut desk = Desk::new(Preferences {
        grab_keyboard: false,
        ..Preferences::default()
    });
    desk.capture();
    assert!(!desk.done().contains(&Action::GrabKeyboard(true)));
}

#[test]
fn keyboard_is_taken_with_the_focus_if_the_user_says_so() {
    let mut desk = Desk::new(Preferences {
        grab_keyboard_on_focus: true,
        ..Preferences::default()
    });
    desk.event(WindowEvent::Focused(false));
    assert_eq!(desk.done(), [Action::GrabKeyboard(false)]);
    desk.event(WindowEvent::Focused(true));
    assert_eq!(desk.done(), [Action::GrabKeyboard(true)]);
    // Not without a session: the user must be able to go elsewhere.
    desk.spice(SpiceInput::Lost);
    assert_eq!(desk.done(), [Action::GrabKeyboard(false)]);
    desk.spice(SpiceInput::Ready);
    assert_eq!(desk.done(), [Action::GrabKeyboard(true)]);
}

#[test]
fn pushes_count_only_while_the_capture_is_granted() {
    let mut desk = desk();
    desk.push(5.0, 5.0);
    desk.tap(ESCAPE);
    desk.push(5.0, 5.0);
    assert_eq!(desk.sent(), []);
    desk.event(WindowEvent::PointerCaptured(true));
    desk.push(5.0, 6.0);
    assert_eq!(desk.sent(), [motion(5, 6)]);
    desk.tap(ESCAPE);
    desk.push(5.0, 5.0);
    assert_eq!(desk.sent(), []);
}

#[test]
fn places_mean_nothing_in_capture() {
    let mut desk = desk();
    desk.capture();
    desk.done();
    desk.move_to(500.0, 500.0);
    desk.event(WindowEvent::PointerLeft);
    assert_eq!(desk.done(), []);
    desk.button(BTN_LEFT, true);
    desk.event(WindowEvent::Wheel {
        x_120: 0,
        y_120: -120,
    });
    assert_eq!(desk.sent(), [click(true), Command::Wheel(Wheel::Up)]);
}

#[test]
fn capture_that_is_refused_is_told() {
    let mut desk = desk();
    desk.tap(ESCAPE);
    desk.done();
    desk.event(WindowEvent::PointerCaptured(false));
    let done = desk.done();
    assert!(done.contains(&Action::GrabKeyboard(false)));
    assert!(matches!(done.first(), Some(Action::Message(_))));
    desk.move_to(500.0, 500.0);
    assert_eq!(desk.sent(), [motion(500, 250)]);
}

#[test]
fn refusal_says_what_the_user_can_do() {
    let refused = |desk: &mut Desk| {
        desk.tap(ESCAPE);
        desk.event(WindowEvent::PointerCaptured(false));
        desk.messages()
    };
    let elsewhere = ["The pointer is not over the picture: move it there first"];
    let mut desk = desk();
    assert_eq!(refused(&mut desk), elsewhere);
    desk.move_to(500.0, 500.0);
    assert_eq!(
        refused(&mut desk),
        ["The display server does not let the pointer be captured"]
    );
    desk.event(WindowEvent::PointerLeft);
    assert_eq!(refused(&mut desk), elsewhere);
}

#[test]
fn everything_is_released_with_the_capture() {
    let mut desk = desk();
    desk.capture();
    desk.press(SHIFT);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.tap(ESCAPE);
    assert!(!desk.guest.has_anything_down());
    let done = desk.done();
    assert_eq!(done.first(), Some(&Action::Spice(Command::ReleaseAll)));
    desk.button(BTN_LEFT, false);
    desk.release(SHIFT);
    assert_eq!(desk.sent(), []);
}

#[test]
fn capture_taken_away_releases_everything() {
    let mut desk = desk();
    desk.capture();
    desk.press(SHIFT);
    desk.done();
    desk.event(WindowEvent::PointerCaptured(false));
    let done = desk.done();
    assert_eq!(done.first(), Some(&Action::Spice(Command::ReleaseAll)));
    assert!(done.contains(&Action::GrabKeyboard(false)));
    desk.push(5.0, 5.0);
    assert_eq!(desk.sent(), []);
}

#[test]
fn keyboard_is_given_back_with_the_focus_even_if_it_is_granted_late() {
    let mut desk = desk();
    desk.capture();
    desk.done();
    desk.event(WindowEvent::Focused(false));
    assert!(desk.done().contains(&Action::GrabKeyboard(false)));
    desk.event(WindowEvent::KeyboardGrabbed(false));
    assert_eq!(desk.done(), []);
    desk.event(WindowEvent::KeyboardGrabbed(true));
    assert_eq!(desk.done(), [Action::GrabKeyboard(false)]);
    desk.event(WindowEvent::Focused(true));
    desk.capture();
    desk.done();
    desk.event(WindowEvent::KeyboardGrabbed(true));
    assert_eq!(desk.done(), []);
}

#[test]
fn focus_loss_ends_the_capture_without_asking_for_it() {
    let mut desk = Desk::new(Preferences {
        release_on_focus_loss: false,
        ..Preferences::default()
    });
    desk.capture();
    desk.press(A);
    desk.done();
    desk.event(WindowEvent::Focused(false));
    let done = desk.done();
    assert_eq!(done.first(), Some(&Action::Spice(Command::ReleaseAll)));
    assert!(
        !done
            .iter()
            .any(|action| matches!(action, Action::ReleasePointer(_)))
    );
    // Granted too late: nobody wants it any more.
    desk.event(WindowEvent::PointerCaptured(true));
    assert_eq!(desk.done(), [Action::ReleasePointer(None)]);
}

#[test]
fn local_pointer_is_left_where_the_guests_is() {
    let mut desk = desk();
    desk.view(|view| view.can_set_pointer = true);
    desk.scale = 2.0;
    desk.capture();
    desk.view(|view| view.pointer = Some(GuestPoint { x: 100, y: 50 }));
    desk.done();
    desk.tap(ESCAPE);
    let left_at = SurfacePoint {
        x: 50.25,
        y: 150.25,
    };
    assert!(desk.done().contains(&Action::ReleasePointer(Some(left_at))));
    desk.move_to(3.0, 3.0);
    desk.event(WindowEvent::PointerCaptured(false));
    // The guest may have moved its pointer meanwhile, so the host sees to it before a click.
    let set = Action::SetPointer(GuestPoint { x: 100, y: 50 });
    assert!(desk.done().contains(&set));
    desk.button(BTN_LEFT, true);
    assert_eq!(desk.done(), []);
    desk.realigned(true);
    assert_eq!(desk.sent(), [click(true)]);
}

#[test]
fn local_pointer_is_left_alone_where_the_guests_is_unknown() {
    let mut desk = desk();
    desk.capture();
    desk.view(|view| view.pointer = None);
    desk.done();
    desk.tap(ESCAPE);
    assert!(desk.done().contains(&Action::ReleasePointer(None)));
    desk.event(WindowEvent::PointerCaptured(false));
    desk.button(BTN_LEFT, true);
    assert_eq!(desk.sent(), []);
}

#[test]
fn smoothed_rest_goes_before_a_click_or_by_itself() {
    let mut desk = Desk::new(Preferences::default());
    desk.capture();
    desk.done();
    desk.push(4.0, 0.0);
    desk.button(BTN_LEFT, true);
    assert_eq!(desk.sent(), [motion(2, 0), motion(2, 0), click(true)]);
    desk.push(2.0, 2.0);
    assert_eq!(desk.wait(19), Some(MS(1020)));
    assert_eq!(desk.sent(), [motion(1, 1)]);
    assert_eq!(desk.wait(1), None);
    assert_eq!(desk.sent(), [motion(1, 1)]);
}

#[test]
fn capture_comes_with_the_first_picture_if_the_user_says_so() {
    let mut desk = Desk::bare(Preferences {
        capture_on_start: true,
        ..Preferences::default()
    });
    desk.event(WindowEvent::Focused(true));
    desk.spice(SpiceInput::Ready);
    assert!(!desk.done().contains(&Action::CapturePointer));
    desk.view(|view| view.source = PictureSource::Relay);
    assert!(desk.done().contains(&Action::CapturePointer));
    // Once.
    desk.event(WindowEvent::PointerCaptured(true));
    desk.event(WindowEvent::Focused(false));
    desk.event(WindowEvent::Focused(true));
    assert!(!desk.done().contains(&Action::CapturePointer));
}

#[test]
fn capture_comes_with_the_focus_if_the_user_says_so() {
    let mut desk = Desk::new(Preferences {
        capture_on_focus: true,
        ..Preferences::default()
    });
    for _ in 0..2 {
        desk.event(WindowEvent::Focused(false));
        desk.done();
        desk.event(WindowEvent::Focused(true));
        assert!(desk.done().contains(&Action::CapturePointer));
        desk.event(WindowEvent::PointerCaptured(true));
    }
    // Released by hand, it stays so.
    desk.tap(ESCAPE);
    desk.event(WindowEvent::PointerCaptured(false));
    desk.done();
    desk.tap(A);
    assert!(!desk.done().contains(&Action::CapturePointer));
}

#[test]
fn lost_session_ends_the_capture() {
    let mut desk = desk();
    desk.capture();
    desk.done();
    desk.spice(SpiceInput::Lost);
    let done = desk.done();
    assert!(done.contains(&Action::GrabKeyboard(false)));
    assert!(
        done.iter()
            .any(|action| matches!(action, Action::ReleasePointer(_)))
    );
}

#[test]
fn without_a_session_a_tap_says_why_nothing_happens() {
    let mut desk = desk();
    desk.spice(SpiceInput::Lost);
    desk.tap(ESCAPE);
    assert_eq!(
        desk.messages(),
        ["No input to the guest: there is no SPICE connection"]
    );
}

#[test]
fn release_all_frees_everything() {
    let mut desk = desk();
    desk.capture();
    desk.press(SHIFT);
    desk.press(ESCAPE);
    desk.wait(500);
    desk.done();
    desk.release_all();
    assert_eq!(
        desk.done(),
        [
            Action::Spice(Command::ReleaseAll),
            Action::ReleasePointer(Some(SurfacePoint { x: 0.5, y: 250.5 })),
            Action::Help(None),
            Action::GrabKeyboard(false)
        ]
    );
    desk.release_all();
    assert_eq!(desk.done(), []);
}
