//! A user of X11 at the real client, before a SPICE server that notes what arrives.

use e2e::desk::{CONSOLE, SIZE, X11, console, keys, pointer};

#[test]
fn every_key_arrives_in_order() -> anyhow::Result<()> {
    keys::every_key_arrives_in_order::<X11>()
}

#[test]
fn held_keys_are_released_with_the_focus() -> anyhow::Result<()> {
    keys::held_keys_are_released_with_the_focus::<X11>()
}

#[test]
fn lock_keys_are_told_with_the_focus() -> anyhow::Result<()> {
    keys::lock_keys_are_told_with_the_focus::<X11>()
}

#[test]
fn binds_do_what_their_list_says() -> anyhow::Result<()> {
    keys::binds_do_what_their_list_says::<X11>()
}

#[test]
fn the_guests_pointer_is_under_the_local_one() -> anyhow::Result<()> {
    pointer::the_guests_pointer_is_under_the_local_one::<X11>()
}

#[test]
fn motion_leads_the_pointer_of_a_host_that_cannot_set_it() -> anyhow::Result<()> {
    pointer::motion_leads_the_pointer_of_a_host_that_cannot_set_it::<X11>()
}

#[test]
fn buttons_wheel_and_drags_arrive() -> anyhow::Result<()> {
    pointer::buttons_wheel_and_drags_arrive::<X11>()
}

#[test]
fn capture_takes_pointer_and_keyboard() -> anyhow::Result<()> {
    pointer::capture_takes_pointer_and_keyboard::<X11>(
        |seat| {
            let user = &seat.user;
            Ok(Some((user.is_keyboard_free()?, user.is_pointer_free()?)))
        },
        |seat| {
            let (x, y) = seat.user.pointer()?;
            Ok(Some((u32::try_from(x)?, u32::try_from(y)?)))
        },
    )
}

#[test]
fn capture_only_keeps_all_else_from_the_guest() -> anyhow::Result<()> {
    pointer::capture_only_keeps_all_else_from_the_guest::<X11>(|desk| {
        assert!(desk.seat.user.is_keyboard_free()?);
        assert!(!desk.seat.user.is_pointer_free()?);
        Ok(())
    })
}

#[test]
fn positions_are_for_the_machines_own_screen() -> anyhow::Result<()> {
    pointer::positions_are_for_the_machines_own_screen::<X11>()
}

#[test]
fn the_local_pointer_is_hidden_over_the_picture() -> anyhow::Result<()> {
    pointer::the_local_pointer_is_hidden_over_the_picture::<X11>(|seat| {
        seat.user.is_pointer_blank()
    })
}

#[test]
fn screens_take_turns_without_garbage() -> anyhow::Result<()> {
    console::screens_take_turns_without_garbage::<X11>()
}

#[test]
fn the_user_may_force_or_forbid_the_machines_own_screen() -> anyhow::Result<()> {
    console::the_user_may_force_or_forbid_the_machines_own_screen::<X11>()
}

#[test]
fn a_new_surface_takes_the_place_of_the_old_one() -> anyhow::Result<()> {
    console::a_new_surface_takes_the_place_of_the_old_one::<X11>()
}

#[test]
fn the_machines_own_screen_is_in_a_screenshot() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let image = console::screenshot(folder.path())?;
    assert_eq!(image.size(), SIZE);
    assert!(
        image
            .bytes()
            .as_chunks::<3>()
            .0
            .iter()
            .all(|pixel| *pixel == CONSOLE)
    );
    Ok(())
}
