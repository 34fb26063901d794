use super::*;

#[test]
fn keys_go_to_the_guest_by_position() {
    let mut desk = Desk::new(Preferences::default());
    desk.press(SHIFT);
    desk.tap(A);
    desk.release(SHIFT);
    assert_eq!(
        desk.sent(),
        [
            key(SHIFT, true),
            key(A, true),
            key(A, false),
            key(SHIFT, false)
        ]
    );
}

#[test]
fn repetition_and_unknown_keys_are_not_sent() {
    let mut desk = Desk::new(Preferences::default());
    desk.press(A);
    desk.press(A);
    desk.tap(0x1ff);
    assert_eq!(desk.sent(), [key(A, true)]);
}

#[test]
fn release_of_a_key_that_was_not_sent_is_not_sent() {
    let mut desk = Desk::new(Preferences::default());
    desk.release(A);
    assert_eq!(desk.sent(), []);
}

#[test]
fn nothing_is_sent_without_a_session_or_against_the_users_will() {
    let mut desk = Desk::bare(Preferences::default());
    desk.event(WindowEvent::Focused(true));
    desk.tap(A);
    assert_eq!(desk.sent(), []);

    let mut desk = Desk::new(Preferences {
        to_guest: false,
        ..Preferences::default()
    });
    desk.tap(A);
    desk.move_to(500.0, 500.0);
    desk.button(BTN_LEFT, true);
    assert_eq!(desk.sent(), []);
}

#[test]
fn windows_keys_stay_here_if_the_user_says_so() {
    let mut desk = Desk::new(Preferences {
        ignore_windows_keys: true,
        ..Preferences::default()
    });
    desk.tap(125);
    desk.tap(126);
    assert_eq!(desk.sent(), []);
    let mut desk = Desk::new(Preferences::default());
    desk.tap(125);
    assert_eq!(desk.sent(), [key(125, true), key(125, false)]);
}

#[test]
fn held_keys_and_buttons_go_up_when_the_focus_leaves() {
    let mut desk = Desk::new(Preferences::default());
    desk.move_to(500.0, 500.0);
    desk.press(SHIFT);
    desk.press(A);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.event(WindowEvent::Focused(false));
    assert!(!desk.guest.has_anything_down());
    assert_eq!(desk.sent(), [Command::ReleaseAll]);
    desk.event(WindowEvent::Focused(true));
    desk.release(SHIFT);
    desk.button(BTN_LEFT, false);
    assert_eq!(desk.sent(), []);
}

#[test]
fn nothing_is_released_when_nothing_is_held() {
    let mut desk = Desk::new(Preferences::default());
    desk.tap(A);
    desk.done();
    desk.event(WindowEvent::Focused(false));
    desk.release_all();
    assert_eq!(desk.sent(), []);
}

#[test]
fn without_the_option_held_keys_stay_down_until_the_focus_is_back() {
    let mut desk = Desk::new(Preferences {
        release_on_focus_loss: false,
        ..Preferences::default()
    });
    desk.press(SHIFT);
    desk.event(WindowEvent::Focused(false));
    assert!(desk.guest.has_anything_down());
    desk.done();
    desk.event(WindowEvent::Focused(true));
    assert_eq!(desk.sent(), [key(SHIFT, false)]);
    assert_eq!(desk.guest.faults, 0);
}

#[test]
fn capture_only_sends_nothing_before_the_capture() {
    let mut desk = Desk::new(Preferences {
        capture_only: true,
        ..Preferences::default()
    });
    desk.tap(A);
    desk.move_to(500.0, 500.0);
    desk.button(BTN_LEFT, true);
    desk.button(BTN_LEFT, false);
    desk.tap(ESCAPE);
    desk.tap(A);
    assert_eq!(desk.sent(), []);
    desk.event(WindowEvent::PointerCaptured(true));
    desk.press(A);
    assert_eq!(desk.sent(), [key(A, true)]);
    desk.tap(ESCAPE);
    assert_eq!(desk.sent(), [Command::ReleaseAll]);
    desk.release(A);
    desk.tap(A);
    assert_eq!(desk.sent(), []);
}

#[test]
fn lock_states_follow_once_when_the_focus_comes() {
    let mut desk = Desk::new(Preferences::default());
    desk.event(WindowEvent::Focused(false));
    desk.event(WindowEvent::Locks(all_locks(true)));
    desk.event(WindowEvent::Focused(true));
    let told = Locks {
        caps: true,
        num: true,
        // The escape key's own state says nothing.
        scroll: false,
    };
    assert_eq!(desk.sent(), [Command::SetLocks(told)]);
    // The guest says nothing new, or something else: it is told nothing again.
    desk.spice(SpiceInput::Locks(Locks::default()));
    desk.event(WindowEvent::Locks(all_locks(false)));
    desk.tap(A);
    assert_eq!(desk.guest.locks.len(), 1);
}

#[test]
fn lock_states_are_told_to_a_new_session_as_soon_as_it_says_its_own() {
    let mut desk = Desk::bare(Preferences {
        escape_key: 1,
        ..Preferences::default()
    });
    desk.event(WindowEvent::Locks(all_locks(true)));
    desk.event(WindowEvent::Focused(true));
    desk.spice(SpiceInput::Ready);
    assert_eq!(desk.sent(), []);
    desk.spice(SpiceInput::Locks(Locks::default()));
    assert_eq!(desk.guest.locks.len(), 1);
    assert!(desk.guest.locks.iter().all(|locks| locks.scroll));
}

#[test]
fn lock_states_are_told_after_everything_was_released() {
    let mut desk = Desk::new(Preferences {
        release_on_focus_loss: false,
        ..Preferences::default()
    });
    desk.press(SHIFT);
    desk.event(WindowEvent::Focused(false));
    desk.event(WindowEvent::Locks(all_locks(true)));
    desk.event(WindowEvent::Focused(true));
    assert_eq!(desk.guest.locks.len(), 1);
    assert_eq!(desk.guest.faults, 0);
}

#[test]
fn capture_only_tells_the_lock_states_in_the_capture() {
    let mut desk = Desk::new(Preferences {
        capture_only: true,
        ..Preferences::default()
    });
    desk.event(WindowEvent::Focused(false));
    desk.event(WindowEvent::Locks(all_locks(true)));
    desk.event(WindowEvent::Focused(true));
    assert_eq!(desk.guest.locks.len(), 0);
    desk.capture();
    assert_eq!(desk.guest.locks.len(), 1);
}

#[test]
fn without_the_option_buttons_go_up_all_the_same_when_the_focus_leaves() {
    let mut desk = Desk::new(Preferences {
        release_on_focus_loss: false,
        ..Preferences::default()
    });
    desk.press(SHIFT);
    desk.move_to(500.0, 500.0);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.event(WindowEvent::Focused(false));
    assert_eq!(desk.sent(), [click(false)]);
    desk.button(BTN_LEFT, false);
    assert_eq!(desk.sent(), []);

    // A click that waits is not torn apart.
    desk.view(|view| view.can_set_pointer = true);
    desk.event(WindowEvent::Focused(true));
    desk.event(WindowEvent::PointerLeft);
    desk.move_to(600.0, 500.0);
    desk.button(BTN_LEFT, true);
    desk.event(WindowEvent::Focused(false));
    desk.done();
    desk.realigned(true);
    assert_eq!(desk.sent(), [click(true), click(false)]);
}

#[test]
fn lock_states_wait_behind_releases_that_wait() {
    let mut desk = Desk::new(Preferences {
        release_on_focus_loss: false,
        ..Preferences::default()
    });
    desk.view(|view| view.can_set_pointer = true);
    desk.press(A);
    desk.event(WindowEvent::Focused(false));
    desk.event(WindowEvent::Locks(all_locks(true)));
    desk.move_to(0.0, 300.0);
    desk.button(BTN_LEFT, true);
    desk.event(WindowEvent::Focused(true));
    assert!(desk.guest.has_anything_down());
    assert_eq!(desk.guest.locks.len(), 0);
    desk.realigned(true);
    assert_eq!(desk.guest.locks.len(), 1);
    assert_eq!(desk.guest.faults, 0);
}
