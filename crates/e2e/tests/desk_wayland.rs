//! A user of sway at the real client, before a SPICE server that notes what arrives.

use e2e::desk::{Seat as _, Wayland, console, keys, pointer};

#[test]
fn every_key_arrives_in_order() -> anyhow::Result<()> {
    keys::every_key_arrives_in_order::<Wayland>()
}

#[test]
fn held_keys_are_released_with_the_focus() -> anyhow::Result<()> {
    keys::held_keys_are_released_with_the_focus::<Wayland>()
}

#[test]
fn lock_keys_are_told_with_the_focus() -> anyhow::Result<()> {
    keys::lock_keys_are_told_with_the_focus::<Wayland>()
}

#[test]
fn binds_do_what_their_list_says() -> anyhow::Result<()> {
    keys::binds_do_what_their_list_says::<Wayland>()
}

#[test]
fn the_guests_pointer_is_under_the_local_one() -> anyhow::Result<()> {
    pointer::the_guests_pointer_is_under_the_local_one::<Wayland>()
}

#[test]
fn motion_leads_the_pointer_of_a_host_that_cannot_set_it() -> anyhow::Result<()> {
    pointer::motion_leads_the_pointer_of_a_host_that_cannot_set_it::<Wayland>()
}

#[test]
fn buttons_wheel_and_drags_arrive() -> anyhow::Result<()> {
    pointer::buttons_wheel_and_drags_arrive::<Wayland>()
}

#[test]
fn capture_takes_pointer_and_keyboard() -> anyhow::Result<()> {
    pointer::capture_takes_pointer_and_keyboard::<Wayland>(|_| Ok(None), |_| Ok(None))
}

#[test]
fn capture_only_keeps_all_else_from_the_guest() -> anyhow::Result<()> {
    pointer::capture_only_keeps_all_else_from_the_guest::<Wayland>(|desk| {
        for bound in Wayland::BOUND {
            desk.seat.tap(*bound)?;
        }
        assert_eq!(desk.inputs()?, [], "sway keeps what it has bound");
        Ok(())
    })
}

#[test]
fn positions_are_for_the_machines_own_screen() -> anyhow::Result<()> {
    pointer::positions_are_for_the_machines_own_screen::<Wayland>()
}

#[test]
fn screens_take_turns_without_garbage() -> anyhow::Result<()> {
    console::screens_take_turns_without_garbage::<Wayland>()
}

#[test]
fn a_new_surface_takes_the_place_of_the_old_one() -> anyhow::Result<()> {
    console::a_new_surface_takes_the_place_of_the_old_one::<Wayland>()
}
