use super::*;

fn helps(actions: Vec<Action>) -> Vec<Option<usize>> {
    let help = |action| match action {
        Action::Help(lines) => Some(lines.map(|lines| lines.len())),
        _ => None,
    };
    actions.into_iter().filter_map(help).collect()
}

#[test]
fn escape_and_key_run_a_bind_and_neither_reaches_the_guest() {
    let mut desk = Desk::new(Preferences::default());
    desk.bind(F);
    assert_eq!(desk.done(), [Action::Bind(Bind::FullScreen)]);
    // The key comes up after the escape key.
    desk.press(ESCAPE);
    desk.press(F);
    desk.release(ESCAPE);
    desk.release(F);
    assert_eq!(desk.done(), [Action::Bind(Bind::FullScreen)]);
}

#[test]
fn escape_and_unbound_key_do_nothing() {
    let mut desk = Desk::new(Preferences::default());
    desk.bind(A);
    assert_eq!(desk.done(), []);
}

#[test]
fn key_pressed_before_the_escape_key_is_released_in_the_guest() {
    let mut desk = Desk::new(Preferences::default());
    desk.press(A);
    desk.press(ESCAPE);
    desk.release(A);
    assert_eq!(desk.sent(), [key(A, true), key(A, false)]);
}

#[test]
fn binds_of_the_program_work_without_a_session() {
    let mut desk = Desk::bare(Preferences::default());
    for (evdev, bind) in [
        (33, Bind::FullScreen),
        (47, Bind::Video),
        (19, Bind::Rotate),
        (16, Bind::Quit),
        (32, Bind::Rates),
    ] {
        desk.done();
        desk.bind(evdev);
        assert!(desk.done().contains(&Action::Bind(bind)), "{bind:?}");
    }
    desk.bind(I);
    desk.bind(110);
    desk.bind(50);
    assert_eq!(desk.messages(), Vec::<String>::new());
    assert_eq!(desk.sent(), []);
}

#[test]
fn another_escape_key_can_be_chosen() {
    let mut desk = Desk::new(Preferences {
        escape_key: 97,
        ..Preferences::default()
    });
    desk.press(97);
    desk.tap(F);
    desk.release(97);
    assert_eq!(desk.done(), [Action::Bind(Bind::FullScreen)]);
    desk.tap(ESCAPE);
    assert_eq!(desk.sent(), [key(ESCAPE, true), key(ESCAPE, false)]);
}

#[test]
fn held_escape_shows_the_binds_and_captures_nothing() {
    let mut desk = Desk::new(Preferences::default());
    desk.press(ESCAPE);
    assert_eq!(desk.wait(0), Some(MS(1200)));
    assert_eq!(desk.wait(200), None);
    assert_eq!(helps(desk.done()), [Some(13)]);
    desk.release(ESCAPE);
    assert_eq!(desk.done(), [Action::Help(None)]);
}

#[test]
fn list_changes_with_what_works() {
    let mut desk = Desk::new(Preferences::default());
    desk.press(ESCAPE);
    desk.wait(200);
    desk.view(|view| view.is_linux = true);
    desk.tap(I);
    desk.spice(SpiceInput::Lost);
    let expected = [Some(13), Some(14), Some(8), Some(5)];
    assert_eq!(helps(desk.done()), expected);
}

#[test]
fn focus_loss_ends_the_escape_state() {
    let mut desk = Desk::new(Preferences::default());
    desk.press(ESCAPE);
    desk.wait(300);
    desk.done();
    desk.event(WindowEvent::Focused(false));
    assert_eq!(helps(desk.done()), [None]);
    desk.event(WindowEvent::Focused(true));
    desk.tap(F);
    assert_eq!(desk.sent(), [key(F, true), key(F, false)]);
    desk.release(ESCAPE);
    assert_eq!(desk.done(), []);
}

#[test]
fn volume_and_super_keys_are_sent_whole() {
    let mut desk = Desk::new(Preferences {
        ignore_windows_keys: true,
        ..Preferences::default()
    });
    for (bound, sent) in [(103, 115), (108, 114), (50, 113), (125, 125), (126, 126)] {
        desk.bind(bound);
        assert_eq!(desk.sent(), [key(sent, true), key(sent, false)]);
    }
}

#[test]
fn control_alt_and_function_key_go_to_linux_guests() {
    let mut desk = Desk::new(Preferences::default());
    desk.bind(60);
    assert_eq!(desk.sent(), []);
    desk.view(|view| view.is_linux = true);
    desk.bind(60);
    assert_eq!(
        desk.sent(),
        [
            key(29, true),
            key(56, true),
            key(60, true),
            key(60, false),
            key(56, false),
            key(29, false)
        ]
    );
}

#[test]
fn chord_leaves_keys_down_that_the_user_holds() {
    let mut desk = Desk::new(Preferences::default());
    desk.view(|view| view.is_linux = true);
    desk.press(29);
    desk.done();
    desk.bind(60);
    assert_eq!(
        desk.sent(),
        [key(56, true), key(60, true), key(60, false), key(56, false)]
    );
    desk.release(29);
    assert_eq!(desk.sent(), [key(29, false)]);
}

#[test]
fn sensitivity_is_changed_told_and_bounded() {
    let mut desk = Desk::new(Preferences {
        sensitivity: 8,
        ..Preferences::default()
    });
    for _ in 0..3 {
        desk.bind(110);
    }
    desk.bind(111);
    assert_eq!(
        desk.messages(),
        [
            "Sensitivity: +9",
            "Sensitivity: +9",
            "Sensitivity: +9",
            "Sensitivity: +8"
        ]
    );
}

#[test]
fn input_off_releases_everything_and_sends_nothing_until_it_is_on() {
    let mut desk = Desk::new(Preferences::default());
    desk.move_to(500.0, 500.0);
    desk.press(SHIFT);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.bind(I);
    assert!(!desk.guest.has_anything_down());
    let done = desk.done();
    assert!(done.contains(&Action::Spice(Command::ReleaseAll)));
    assert!(done.contains(&Action::ShowLocalPointer(true)));
    desk.release(SHIFT);
    desk.button(BTN_LEFT, false);
    desk.tap(A);
    desk.move_to(600.0, 500.0);
    desk.tap(ESCAPE);
    assert_eq!(
        desk.messages(),
        ["No input to the guest: it is off (Scroll Lock + I)"]
    );
    desk.bind(I);
    // The pointer is put where the local one is by now.
    let done = desk.done();
    assert!(done.contains(&Action::Spice(motion(600, 250))), "{done:?}");
    assert!(done.contains(&Action::ShowLocalPointer(false)));
}
