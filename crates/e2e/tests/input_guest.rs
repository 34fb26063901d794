//! What is typed, moved and clicked arrives in a Linux guest: event by event, as its kernel sees it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use e2e::machine_input::{
    BOOT, Hands as _, Lights, Recorder, buttons_and_wheel_arrive, chords_arrive, every_key_arrives,
    lock_keys_switch_lights, motion_sums_exactly, positions_are_hit,
};
use e2e::spice_hands::SpiceHands;
use e2e::window_hands::{
    Seat, SwaySeat, WindowHands, XSeat, capture_holds_the_pointer, held_keys_go_up_with_the_focus,
    lock_states_follow, motion_follows_the_pointer, settle_locks,
};
use spice::Command;
use spice::inputs::Locks;

/// SeaBIOS's text screen, which Linux leaves as it is.
const SCREEN: (u32, u32) = (720, 400);

fn points() -> BTreeSet<(u32, u32)> {
    BTreeSet::from([(0, 0), (719, 399), (360, 200), (1, 398), (511, 7)])
}

/// One guest for all: it takes longest to boot.
#[test]
fn what_is_sent_by_spice_and_what_is_done_in_the_clients_window_arrives_in_the_guest()
-> anyhow::Result<()> {
    let Some(mut recorder) = Recorder::boot()? else {
        return Ok(());
    };
    by_spice(&mut recorder).context("by SPICE alone")?;
    let mut x_server = XSeat::start()?;
    if let Some(seat) = &mut x_server {
        with_tablet(&mut recorder, seat, true).context("on X11")?;
    }
    let mut sway = SwaySeat::start()?;
    if let Some(seat) = &mut sway {
        with_tablet(&mut recorder, seat, false).context("on sway")?;
    }
    recorder.remove_tablet()?;
    if let Some(seat) = &mut x_server {
        without_tablet(&mut recorder, seat).context("without a tablet, on X11")?;
    }
    if let Some(seat) = &mut sway {
        without_tablet(&mut recorder, seat).context("without a tablet, on sway")?;
    }
    Ok(())
}

/// Everything that a window can do, where the machine takes positions. Keys are typed in capture, which takes them from a
/// window manager, or without.
fn with_tablet(
    recorder: &mut Recorder,
    seat: &mut dyn Seat,
    in_capture: bool,
) -> anyhow::Result<()> {
    let mut hands = WindowHands::start(seat, &recorder.machine, SCREEN)?;
    let result = all_cases(recorder, &mut hands, in_capture);
    result.with_context(|| hands.log())?;
    hands.quit()
}

fn all_cases(
    recorder: &mut Recorder,
    hands: &mut WindowHands<'_>,
    in_capture: bool,
) -> anyhow::Result<()> {
    settle_locks(recorder, hands)?;
    positions_are_hit(recorder, hands, SCREEN, &points())?;
    buttons_and_wheel_arrive(recorder, hands).context("at positions")?;
    lock_states_follow(recorder, hands)?;
    held_keys_go_up_with_the_focus(recorder, hands)?;
    hands.use_positions(!in_capture)?;
    every_key_arrives(recorder, hands, &[])?;
    chords_arrive(recorder, hands)?;
    lock_keys_switch_lights(recorder, hands, &[])?;
    motion_sums_exactly(recorder, hands)?;
    buttons_and_wheel_arrive(recorder, hands).context("in capture")?;
    capture_holds_the_pointer(recorder, hands)
}

fn without_tablet(recorder: &mut Recorder, seat: &mut dyn Seat) -> anyhow::Result<()> {
    let mut hands = WindowHands::start(seat, &recorder.machine, SCREEN)?;
    let result = motion_follows_the_pointer(recorder, &mut hands);
    result.with_context(|| hands.log())?;
    hands.quit()
}

fn by_spice(recorder: &mut Recorder) -> anyhow::Result<()> {
    let mut hands = SpiceHands::connect(&recorder.machine)?;
    lock_keys_switch_lights(recorder, &mut hands, &[])?;
    server_presses_lock_keys(recorder, &mut hands)?;
    every_key_arrives(recorder, &mut hands, &[])?;
    chords_arrive(recorder, &mut hands)?;
    motion_sums_exactly(recorder, &mut hands)?;
    buttons_and_wheel_arrive(recorder, &mut hands)?;
    positions_are_hit(recorder, &mut hands, SCREEN, &points())?;
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
