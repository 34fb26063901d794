//! What is typed, moved and clicked arrives in a Linux guest: event by event, as its kernel sees it.

use std::collections::BTreeSet;

use e2e::machine_input::{
    BOOT, Lights, Recorder, buttons_and_wheel_arrive, chords_arrive, every_key_arrives,
    lock_keys_switch_lights, motion_sums_exactly, positions_are_hit,
};
use e2e::spice_hands::SpiceHands;
use spice::Command;
use spice::inputs::Locks;

/// SeaBIOS's text screen, which Linux leaves as it is.
const SCREEN: (u32, u32) = (720, 400);

fn points() -> BTreeSet<(u32, u32)> {
    BTreeSet::from([(0, 0), (719, 399), (360, 200), (1, 398), (511, 7)])
}

#[test]
fn what_is_sent_by_spice_arrives_in_the_guest() -> anyhow::Result<()> {
    let Some(mut recorder) = Recorder::boot()? else {
        return Ok(());
    };
    let mut hands = SpiceHands::connect(&recorder.machine)?;
    lock_keys_switch_lights(&mut recorder, &mut hands, &[])?;
    server_presses_lock_keys(&mut recorder, &mut hands)?;
    every_key_arrives(&mut recorder, &mut hands, &[])?;
    chords_arrive(&mut recorder, &mut hands)?;
    motion_sums_exactly(&mut recorder, &mut hands)?;
    buttons_and_wheel_arrive(&mut recorder, &mut hands)?;
    positions_are_hit(&mut recorder, &mut hands, SCREEN, &points())?;
    Ok(())
}

/// What the server is told of the lights, the guest does; and what the guest does, the server tells.
fn server_presses_lock_keys(recorder: &mut Recorder, hands: &mut SpiceHands) -> anyhow::Result<()> {
    for on in [true, false, true] {
        let locks = Locks {
            caps: on,
            num: !on,
            scroll: on,
        };
        hands.send(Command::SetLocks(locks))?;
        recorder.wait_for_lights(Lights {
            caps: on,
            num: !on,
            scroll: on,
        })?;
        let is_told = testkit::wait_until(BOOT, || hands.locks() == Some(locks));
        anyhow::ensure!(is_told, "{:?} instead of {locks:?}", hands.locks());
    }
    Ok(())
}
