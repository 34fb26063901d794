//! What is to arrive.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};

use super::recorder::{Arrived, Recorder, is_up, presses, relative};
use super::{Button, EV_REL, Hands, passed_keys};

/// Keys or motions that are sent before the guest has taken them: its kernel keeps only 64 events for a reader, and a key
/// that goes down and up makes four, a motion three. More at once than anybody types is its loss, not ours.
const AT_ONCE: usize = 8;

/// Numbers of linux/input-event-codes.h.
const REL_WHEEL: u16 = 8;
const KEY_LEFTCTRL: u16 = 29;
const KEY_LEFTSHIFT: u16 = 42;
const KEY_CAPSLOCK: u16 = 58;
const KEY_NUMLOCK: u16 = 69;
const KEY_SCROLLLOCK: u16 = 70;
const KEY_A: u16 = 30;

/// Each key but those of `left_out` arrives with its own code, pressed and released, and in order.
///
/// # Errors
/// If one does not.
pub fn every_key_arrives(
    recorder: &mut Recorder,
    hands: &mut dyn Hands,
    left_out: &[u16],
) -> anyhow::Result<()> {
    let mut keys = passed_keys()?;
    keys.retain(|key| !left_out.contains(&key.code));
    for some in keys.chunks(AT_ONCE) {
        recorder.forget();
        let mut expected = Vec::new();
        for key in some {
            hands.key(key.code, true)?;
            hands.key(key.code, false)?;
            expected.extend([(key.code, 1), (key.code, 0)]);
        }
        let is_complete = |events: &[Arrived]| presses(events).len() >= expected.len();
        let events = recorder.wait(&format!("{expected:?}"), is_complete)?;
        ensure!(
            presses(&events) == expected,
            "{:?} instead of {expected:?}",
            presses(&events)
        );
    }
    Ok(())
}

/// Modifiers stay down while other keys are pressed.
///
/// # Errors
/// If they do not.
pub fn chords_arrive(recorder: &mut Recorder, hands: &mut dyn Hands) -> anyhow::Result<()> {
    recorder.forget();
    let chord = [KEY_LEFTCTRL, KEY_LEFTSHIFT, KEY_A];
    for code in chord {
        hands.key(code, true)?;
    }
    for code in chord.iter().rev() {
        hands.key(*code, false)?;
    }
    let events = recorder.wait("a chord", |events| is_up(events, KEY_LEFTCTRL))?;
    let downs = chord.iter().map(|code| (*code, 1));
    let ups = chord.iter().rev().map(|code| (*code, 0));
    let expected: Vec<(u16, i32)> = downs.chain(ups).collect();
    ensure!(presses(&events) == expected, "{:?}", presses(&events));
    Ok(())
}

/// Each lock key switches its light in the guest, on and off.
///
/// # Errors
/// If one does not.
pub fn lock_keys_switch_lights(
    recorder: &mut Recorder,
    hands: &mut dyn Hands,
    left_out: &[u16],
) -> anyhow::Result<()> {
    for key in [KEY_NUMLOCK, KEY_CAPSLOCK, KEY_SCROLLLOCK] {
        if left_out.contains(&key) {
            continue;
        }
        for _ in 0..2 {
            let mut expected = recorder.lights()?;
            let light = match key {
                KEY_NUMLOCK => &mut expected.num,
                KEY_CAPSLOCK => &mut expected.caps,
                _ => &mut expected.scroll,
            };
            *light = !*light;
            recorder.tap(hands, key)?;
            recorder
                .wait_for_lights(expected)
                .with_context(|| format!("key {key}"))?;
        }
    }
    Ok(())
}

/// The sum of all motion is what the guest gets, to the pixel.
///
/// # Errors
/// If it is not.
pub fn motion_sums_exactly(recorder: &mut Recorder, hands: &mut dyn Hands) -> anyhow::Result<()> {
    recorder.forget();
    let small = (0..300).map(|i| ((i * 7) % 23 - 9, (i * 5) % 17 - 11));
    // Larger than what an emulated mouse reports at once.
    let large = [(1000, -700), (-333, 512), (1, 0), (0, -1), (127, 128)];
    let steps: Vec<(i32, i32)> = small.chain(large).collect();
    let mut sum = (0, 0);
    for some in steps.chunks(AT_ONCE) {
        for &(dx, dy) in some {
            hands.motion(dx, dy)?;
            sum = (sum.0 + dx, sum.1 + dy);
        }
        recorder.wait(&format!("{sum:?}"), |events| relative(events) == sum)?;
    }
    // Nothing more comes after it: whatever is sent next is the next to arrive.
    recorder.tap(hands, KEY_A)?;
    let events = recorder.events();
    ensure!(
        relative(&events) == sum,
        "{:?}, not {sum:?}",
        relative(&events)
    );
    Ok(())
}

/// Buttons, wheel and the side buttons.
///
/// # Errors
/// If one does not arrive.
pub fn buttons_and_wheel_arrive(
    recorder: &mut Recorder,
    hands: &mut dyn Hands,
) -> anyhow::Result<()> {
    recorder.forget();
    let mut expected = Vec::new();
    for button in Button::ALL {
        hands.button(button, true)?;
        hands.button(button, false)?;
        expected.extend([(button as u16, 1), (button as u16, 0)]);
    }
    // Two at once, released in the other order.
    for (button, is_pressed) in [
        (Button::Left, true),
        (Button::Right, true),
        (Button::Left, false),
        (Button::Right, false),
    ] {
        hands.button(button, is_pressed)?;
        expected.push((button as u16, i32::from(is_pressed)));
    }
    let is_complete = |events: &[Arrived]| presses(events).len() >= expected.len();
    let events = recorder.wait("buttons", is_complete)?;
    ensure!(presses(&events) == expected, "{:?}", presses(&events));
    recorder.forget();
    for detents in [3, -2, 1] {
        hands.wheel(detents)?;
    }
    let detents = |events: &[Arrived]| -> Vec<i32> {
        let wheel = events
            .iter()
            .filter(|event| (event.kind, event.code) == (EV_REL, REL_WHEEL));
        wheel.map(|event| event.value).collect()
    };
    let events = recorder.wait("wheel", |events| detents(events).len() >= 6)?;
    ensure!(
        detents(&events) == [1, 1, 1, -1, -1, 1],
        "{:?}",
        detents(&events)
    );
    Ok(())
}

/// Each position of `points`, on a screen of that size, is where the guest's tablet is put.
///
/// # Errors
/// If one is not.
pub fn positions_are_hit(
    recorder: &mut Recorder,
    hands: &mut dyn Hands,
    size: (u32, u32),
    points: &BTreeSet<(u32, u32)>,
) -> anyhow::Result<()> {
    hands.use_positions(true)?;
    // The pointer may be there already, and then nothing is told.
    for (x, y) in [(size.0 / 3, size.1 / 3), (size.0 / 2, size.1 / 2)] {
        hands.position(x, y)?;
    }
    recorder.expect_position((size.0 / 2, size.1 / 2), size)?;
    for &point in points {
        recorder.forget();
        hands.position(point.0, point.1)?;
        recorder.expect_position(point, size)?;
    }
    Ok(())
}
