use super::*;

fn set(x: i32, y: i32) -> Action {
    Action::SetPointer(GuestPoint { x, y })
}

fn desk() -> Desk {
    Desk::new(Preferences::default())
}

/// One whose host can put the pointer in its place.
fn host_desk() -> Desk {
    let mut desk = desk();
    desk.view(|view| view.can_set_pointer = true);
    desk.done();
    desk
}

#[test]
fn pointer_enters_from_where_the_guest_says_it_is() {
    let mut desk = desk();
    desk.view(|view| view.pointer = Some(GuestPoint { x: 90, y: 300 }));
    desk.done();
    desk.move_to(100.0, 400.0);
    assert_eq!(
        desk.done(),
        [
            Action::Spice(motion(10, -150)),
            Action::ShowLocalPointer(false)
        ]
    );
    desk.move_to(101.5, 400.0);
    desk.move_to(101.75, 399.0);
    assert_eq!(desk.sent(), [motion(1, 0), motion(0, -1)]);
}

#[test]
fn bars_are_outside() {
    let mut desk = desk();
    desk.event(WindowEvent::PointerEntered(SurfacePoint {
        x: 10.0,
        y: 249.9,
    }));
    desk.button(BTN_LEFT, true);
    desk.button(BTN_LEFT, false);
    assert_eq!(desk.done(), []);
    desk.move_to(10.0, 250.0);
    desk.done();
    // Out again: the guest's pointer is left at the edge.
    desk.move_to(30.0, 100.0);
    assert_eq!(
        desk.done(),
        [Action::Spice(motion(20, 0)), Action::ShowLocalPointer(true)]
    );
    desk.move_to(40.0, 100.0);
    assert_eq!(desk.done(), []);
}

#[test]
fn host_puts_the_pointer_in_its_place_and_motion_waits_for_that() {
    let mut desk = host_desk();
    desk.move_to(100.0, 400.0);
    assert_eq!(
        desk.done(),
        [set(100, 150), Action::ShowLocalPointer(false)]
    );
    desk.move_to(110.0, 400.0);
    desk.move_to(120.0, 420.0);
    assert_eq!(desk.done(), []);
    desk.realigned(true);
    assert_eq!(desk.sent(), [motion(20, 20)]);
    desk.move_to(121.0, 420.0);
    assert_eq!(desk.sent(), [motion(1, 0)]);
}

#[test]
fn pointer_that_is_said_to_be_there_already_is_put_all_the_same() {
    let mut desk = host_desk();
    // A frame ago: the guest may have moved it since.
    desk.view(|view| view.pointer = Some(GuestPoint { x: 100, y: 150 }));
    desk.move_to(100.0, 400.0);
    assert_eq!(
        desk.done(),
        [set(100, 150), Action::ShowLocalPointer(false)]
    );
    desk.realigned(true);
    desk.move_to(100.0, 401.0);
    assert_eq!(desk.sent(), [motion(0, 1)]);
}

#[test]
fn click_waits_for_the_pointer_and_keys_wait_behind_it() {
    let mut desk = host_desk();
    desk.move_to(100.0, 400.0);
    desk.press(29);
    desk.button(BTN_LEFT, true);
    desk.move_to(130.0, 400.0);
    desk.event(WindowEvent::Wheel {
        x_120: 0,
        y_120: 120,
    });
    desk.button(BTN_LEFT, false);
    desk.release(29);
    assert_eq!(desk.sent(), [key(29, true)]);
    desk.realigned(true);
    assert_eq!(
        desk.sent(),
        [
            click(true),
            motion(30, 0),
            Command::Wheel(Wheel::Down),
            click(false),
            key(29, false)
        ]
    );
}

#[test]
fn host_that_refuses_is_replaced_by_motion() {
    let mut desk = host_desk();
    desk.view(|view| view.pointer = Some(GuestPoint { x: 400, y: 400 }));
    desk.move_to(100.0, 400.0);
    desk.button(BTN_LEFT, true);
    desk.move_to(101.0, 400.0);
    desk.done();
    desk.realigned(false);
    assert_eq!(desk.sent(), [motion(-300, -250), click(true), motion(1, 0)]);
}

#[test]
fn host_that_does_not_answer_holds_the_pointer_for_a_moment_only() {
    let mut desk = host_desk();
    desk.move_to(100.0, 400.0);
    desk.button(BTN_LEFT, true);
    desk.done();
    assert_eq!(desk.wait(299), Some(MS(1300)));
    assert_eq!(desk.sent(), []);
    assert_eq!(desk.wait(1), None);
    assert_eq!(desk.sent(), [motion(100, 150), click(true)]);
    // Late, and of no use.
    desk.realigned(true);
    assert_eq!(desk.done(), []);
}

#[test]
fn pointer_that_comes_back_while_the_host_works_is_not_put_again() {
    let mut desk = host_desk();
    desk.move_to(100.0, 250.0);
    desk.event(WindowEvent::PointerLeft);
    desk.event(WindowEvent::PointerEntered(SurfacePoint {
        x: 110.0,
        y: 250.0,
    }));
    let puts = desk.done();
    assert_eq!(
        puts.iter().filter(|action| **action == set(100, 0)).count(),
        1
    );
    desk.realigned(true);
    assert_eq!(desk.sent(), [motion(10, 0)]);
}

#[test]
fn what_waits_is_bounded() {
    let mut desk = host_desk();
    desk.move_to(100.0, 400.0);
    for _ in 0..40 {
        desk.button(BTN_LEFT, true);
        desk.button(BTN_LEFT, false);
    }
    assert_eq!(desk.sent().len(), 80);
}

#[test]
fn wait_for_the_host_ends_with_the_session() {
    let mut desk = host_desk();
    desk.move_to(100.0, 400.0);
    desk.button(BTN_LEFT, true);
    desk.button(BTN_LEFT, false);
    desk.spice(SpiceInput::Lost);
    desk.done();
    desk.spice(SpiceInput::Ready);
    desk.realigned(true);
    assert_eq!(desk.sent(), []);
}

#[test]
fn drag_goes_on_outside_and_ends_there() {
    let mut desk = desk();
    desk.move_to(10.0, 300.0);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.move_to(10.0, 100.0);
    desk.event(WindowEvent::PointerLeft);
    desk.move_to(-50.0, 300.0);
    desk.move_to(20.0, 260.0);
    assert_eq!(
        desk.sent(),
        [motion(0, -50), motion(-10, 50), motion(20, -40)]
    );
    desk.move_to(20.0, 100.0);
    desk.done();
    desk.button(BTN_LEFT, false);
    assert_eq!(
        desk.done(),
        [Action::Spice(click(false)), Action::ShowLocalPointer(true)]
    );
}

#[test]
fn drag_from_outside_does_not_enter() {
    let mut desk = desk();
    desk.move_to(10.0, 100.0);
    desk.button(BTN_LEFT, true);
    desk.move_to(10.0, 300.0);
    assert_eq!(desk.sent(), []);
    desk.button(BTN_LEFT, false);
    assert_eq!(desk.sent(), [motion(10, 50)]);
}

#[test]
fn button_released_after_the_window_was_left_is_released_in_the_guest() {
    let mut desk = desk();
    desk.move_to(10.0, 300.0);
    desk.button(BTN_LEFT, true);
    desk.event(WindowEvent::PointerLeft);
    desk.done();
    desk.button(BTN_LEFT, false);
    assert_eq!(
        desk.done(),
        [Action::Spice(click(false)), Action::ShowLocalPointer(true)]
    );
}

#[test]
fn wheel_turns_only_over_the_picture() {
    let mut desk = desk();
    let turn = |y_120| WindowEvent::Wheel { x_120: 500, y_120 };
    desk.event(turn(120));
    desk.move_to(10.0, 100.0);
    desk.event(turn(120));
    assert_eq!(desk.guest.wheel, 0);
    desk.move_to(10.0, 300.0);
    desk.event(turn(60));
    desk.event(turn(60));
    desk.event(turn(-360));
    assert_eq!(desk.guest.wheel, 1 - 3);
}

#[test]
fn positions_are_scaled_to_the_guest() {
    let mut desk = desk();
    desk.scale = 2.0;
    desk.view(|view| {
        view.placement = Some(placed(Size::new(4000, 4000), Rotation::Deg90));
    });
    // Half of the window to the right, a quarter down, in logical units; turned back.
    desk.move_to(250.0, 125.0);
    assert_eq!(desk.sent(), [motion(1000, 1999)]);
}

#[test]
fn without_scaling_motion_is_pixel_for_pixel() {
    let mut desk = Desk::new(Preferences {
        scale_cursor: false,
        ..Preferences::default()
    });
    desk.view(|view| {
        view.placement = Some(placed(Size::new(4000, 2000), Rotation::Deg180));
    });
    desk.move_to(500.0, 500.0);
    assert_eq!(desk.sent(), [motion(1999, 999)]);
    desk.move_to(510.0, 495.0);
    assert_eq!(desk.sent(), [motion(-10, 5)]);
}

#[test]
fn changed_placement_aligns_anew() {
    let mut desk = desk();
    desk.move_to(100.0, 300.0);
    desk.done();
    desk.view(|view| {
        view.pointer = Some(GuestPoint { x: 100, y: 50 });
        view.placement = Some(placed(Size::new(2000, 2000), Rotation::Deg0));
    });
    assert_eq!(desk.sent(), [motion(100, 550)]);
    // It only moves: nothing to align.
    desk.view(|view| view.pointer = Some(GuestPoint { x: 777, y: 7 }));
    assert_eq!(desk.sent(), []);
}

#[test]
fn changed_placement_does_not_jump_while_a_button_is_held() {
    let mut desk = desk();
    desk.move_to(100.0, 300.0);
    desk.button(BTN_LEFT, true);
    desk.done();
    desk.view(|view| {
        view.pointer = Some(GuestPoint { x: 100, y: 50 });
        view.placement = Some(placed(Size::new(2000, 2000), Rotation::Deg0));
    });
    desk.move_to(101.0, 300.0);
    assert_eq!(desk.sent(), [motion(2, 0)]);
    desk.button(BTN_LEFT, false);
    assert_eq!(desk.sent(), [click(false), motion(102, 550)]);
}

#[test]
fn pointer_of_unknown_place_is_aligned_once_it_is_known() {
    let mut desk = desk();
    desk.view(|view| view.pointer = None);
    desk.move_to(100.0, 300.0);
    desk.move_to(103.0, 300.0);
    assert_eq!(desk.sent(), [motion(3, 0)]);
    desk.view(|view| view.pointer = Some(GuestPoint { x: 3, y: 0 }));
    assert_eq!(desk.sent(), [motion(100, 50)]);
    desk.view(|view| view.pointer = Some(GuestPoint { x: 4, y: 0 }));
    assert_eq!(desk.sent(), []);
}

#[test]
fn local_pointer_is_hidden_as_the_user_wants() {
    let shown = |preferences: Preferences| {
        let mut desk = Desk::new(preferences);
        desk.move_to(100.0, 300.0);
        desk.done().contains(&Action::ShowLocalPointer(false))
    };
    let preferences = Preferences::default();
    assert!(shown(preferences));
    assert!(!shown(Preferences {
        hide_cursor: false,
        ..preferences
    }));
    assert!(!shown(Preferences {
        always_show_cursor: true,
        ..preferences
    }));
}

#[test]
fn picture_that_goes_ends_the_following() {
    let mut desk = desk();
    desk.move_to(100.0, 300.0);
    desk.done();
    desk.view(|view| *view = GuestView::default());
    assert_eq!(desk.done(), [Action::ShowLocalPointer(true)]);
    desk.button(BTN_LEFT, true);
    assert_eq!(desk.done(), []);
}

#[test]
fn places_that_are_no_numbers_are_ignored() {
    let mut desk = desk();
    desk.move_to(f64::NAN, 300.0);
    desk.move_to(100.0, f64::INFINITY);
    assert_eq!(desk.done(), []);
}

#[test]
fn release_that_waits_behind_a_click_is_not_lost_with_the_focus() {
    let mut desk = host_desk();
    desk.press(29);
    desk.move_to(100.0, 400.0);
    desk.button(BTN_LEFT, true);
    desk.button(BTN_LEFT, false);
    desk.release(29);
    assert!(desk.guest.has_anything_down());
    desk.event(WindowEvent::Focused(false));
    assert!(!desk.guest.has_anything_down());
    desk.realigned(true);
    assert!(!desk.guest.has_anything_down());
}
