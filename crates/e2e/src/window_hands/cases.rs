//! What is to arrive from a window, and only from a window.

use anyhow::ensure;

use super::{LIMIT, Pointer, WindowHands};
use crate::machine_input::{Arrived, Button, Hands as _, Recorder, is_up, presses, relative};

const KEY_LEFTCTRL: u16 = 29;
const KEY_LEFTSHIFT: u16 = 42;
const KEY_CAPSLOCK: u16 = 58;
const KEY_NUMLOCK: u16 = 69;
const KEY_A: u16 = 30;
const KEY_B: u16 = 48;

/// Waits until the guest's Caps Lock and Num Lock are off, as they are on a fresh display server.
///
/// # Errors
/// If they never are.
pub fn settle_locks(recorder: &mut Recorder, hands: &mut WindowHands<'_>) -> anyhow::Result<()> {
    let mut lights = recorder.lights()?;
    (lights.caps, lights.num) = (false, false);
    recorder.wait_for_lights(lights)?;
    // The light goes out before its key is up.
    recorder.tap(hands, KEY_B)
}

/// What is switched elsewhere while the client has not got the focus, is so in the guest when it has.
///
/// # Errors
/// If it is not.
pub fn lock_states_follow(
    recorder: &mut Recorder,
    hands: &mut WindowHands<'_>,
) -> anyhow::Result<()> {
    let mut expected = recorder.lights()?;
    for switched in [
        &[KEY_CAPSLOCK][..],
        &[KEY_NUMLOCK, KEY_CAPSLOCK],
        &[KEY_NUMLOCK],
    ] {
        hands.focus(false)?;
        recorder.forget();
        for &key in switched {
            hands.key(key, true)?;
            hands.key(key, false)?;
            match key {
                KEY_CAPSLOCK => expected.caps = !expected.caps,
                _ => expected.num = !expected.num,
            }
        }
        hands.focus(true)?;
        recorder.wait_for_lights(expected)?;
        recorder.tap(hands, KEY_B)?;
    }
    Ok(())
}

/// Keys and buttons that are held when the focus goes, in capture or not, go up in the guest and stay up.
///
/// # Errors
/// If they do not.
pub fn held_keys_go_up_with_the_focus(
    recorder: &mut Recorder,
    hands: &mut WindowHands<'_>,
) -> anyhow::Result<()> {
    for in_capture in [false, true] {
        hands.use_positions(!in_capture)?;
        let held = [KEY_LEFTCTRL, KEY_LEFTSHIFT, KEY_A];
        let button = Button::Left;
        recorder.forget();
        for key in held {
            hands.key(key, true)?;
        }
        if in_capture {
            hands.button(button, true)?;
        }
        let count = held.len() + usize::from(in_capture);
        recorder.wait("held keys", |events| presses(events).len() == count)?;
        hands.focus(false)?;
        recorder.wait("their release", |events| {
            let is_up = |key: &u16| is_up(events, *key);
            held.iter().all(is_up) && (!in_capture || is_up(&(button as u16)))
        })?;
        for key in held {
            hands.key(key, false)?;
        }
        if in_capture {
            hands.button(button, false)?;
        }
        hands.focus(true)?;
        recorder.tap(hands, KEY_B)?;
        let events = presses(&recorder.events());
        let expected = 2 * count + 2;
        ensure!(events.len() == expected, "{events:?} with {held:?} held");
    }
    Ok(())
}

/// However far the captured pointer is pushed, it is in the window, and where it was when it is released.
///
/// # Errors
/// If it is not.
pub fn capture_holds_the_pointer(
    recorder: &mut Recorder,
    hands: &mut WindowHands<'_>,
) -> anyhow::Result<()> {
    let (x, y) = (hands.screen.0 / 2, hands.screen.1 / 2);
    let step = hands.seat.window().0 / hands.screen.0;
    hands.use_positions(true)?;
    hands.position(x, y)?;
    // Beyond any edge; QEMU cuts it into pieces, and keeps only so many for a guest.
    for (dx, dy) in [(1600, 900), (-1500, -1600)] {
        hands.use_positions(false)?;
        recorder.forget();
        hands.motion(dx, dy)?;
        let is_there = |events: &[Arrived]| relative(events) == (dx, dy);
        recorder.wait("a far push", is_there)?;
        ensure!(
            hands.seat.pointer()? != Pointer::Outside,
            "the pointer is pushed out of the window"
        );
    }
    hands.use_positions(true)?;
    recorder.forget();
    hands.seat.push(i32::try_from(step)?, 0)?;
    recorder.expect_position((x + 1, y), hands.screen)?;
    // It can leave again.
    hands.seat.push(-9000, -9000)?;
    ensure!(
        hands.seat.pointer()? != Pointer::Inside,
        "the pointer does not leave the window"
    );
    Ok(())
}

/// Without a tablet the guest's pointer goes as far as the local one, along each of these ways over the guest's screen.
///
/// # Errors
/// If it does not.
pub fn motion_follows_the_pointer(
    recorder: &mut Recorder,
    hands: &mut WindowHands<'_>,
) -> anyhow::Result<()> {
    hands.use_positions(true)?;
    hands.expect_mode("Relative")?;
    let (width, height) = hands.screen;
    let mut at = find_the_picture(recorder, hands)?;
    recorder.tap(hands, KEY_B)?;
    recorder.forget();
    let mut sum = (0, 0);
    let ways = (1..60_u32).map(|i| (i * 37 % width, i * 59 % height));
    let ways: Vec<(u32, u32)> = ways.chain([(0, 0), (width - 1, height - 1)]).collect();
    for some in ways.chunks(8) {
        for &(x, y) in some {
            hands.position(x, y)?;
            sum.0 += i32::try_from(x)? - i32::try_from(at.0)?;
            sum.1 += i32::try_from(y)? - i32::try_from(at.1)?;
            at = (x, y);
        }
        recorder.wait(&format!("{sum:?}"), |events| relative(events) == sum)?;
    }
    recorder.tap(hands, KEY_B)?;
    let arrived = relative(&recorder.events());
    ensure!(arrived == sum, "{arrived:?}, not {sum:?}");
    Ok(())
}

/// Moves the pointer to and fro until the guest's follows, as it does over a picture; returns where it is.
fn find_the_picture(
    recorder: &mut Recorder,
    hands: &mut WindowHands<'_>,
) -> anyhow::Result<(u32, u32)> {
    let mut at = (hands.screen.0 / 2, hands.screen.1 / 2);
    recorder.forget();
    let mut result = Ok(());
    let follows = testkit::wait_until(LIMIT, || {
        at.0 ^= 1;
        result = hands.position(at.0, at.1);
        relative(&recorder.events()) != (0, 0) || result.is_err()
    });
    result?;
    ensure!(follows, "the guest's pointer never follows");
    Ok(at)
}
