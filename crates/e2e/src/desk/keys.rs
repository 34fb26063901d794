//! Keys: the guest's, and those with the escape key.

use std::time::Duration;

use client::input::binds::{self, Context};
use picture::StatusText;
use testkit::programs::SharedFile;
use testkit::spice_server::{INPUTS, MAIN};

use super::wire::{self, Input};
use super::{
    CONSOLE, Desk, ESCAPE, LETTERS, LIMIT, MARKER, SCREEN, SIZE, Seat, Setup, ink_at_the_bottom,
    watch,
};
use Input::{Down, Locks, Up};

const A: u32 = 30;
const B: u32 = 48;
const LEFT_SHIFT: u32 = 42;
const LEFT_CTRL: u32 = 29;
const CAPS_LOCK: u32 = 58;
const NUM_LOCK: u32 = 69;

/// What arrives of A, B, left Shift and left Ctrl (spice.md 4.2).
const A_CODE: u32 = 0x1e;
const B_CODE: u32 = 0x30;
const SHIFT_CODE: u32 = 0x2a;
const CTRL_CODE: u32 = 0x1d;

/// Every key of the table arrives as its scancode; keys that overlap arrive in order, and a held one once.
///
/// # Errors
/// If not.
pub fn every_key_arrives_in_order<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let mut desk = Desk::open(seat, &SharedFile::create(16)?, Setup::default())?;
    desk.inputs()?;
    let mut expected = Vec::new();
    let typed = wire::table()
        .filter(|(evdev, _)| ![ESCAPE, MARKER].contains(evdev) && !S::BOUND.contains(evdev));
    for (evdev, code) in typed {
        desk.seat.tap(evdev)?;
        expected.extend([Down(code), Up(code)]);
    }
    assert_eq!(
        expected.len(),
        2 * (179 - S::BOUND.len()),
        "the whole table"
    );
    assert_eq!(desk.inputs()?, expected);

    for (evdev, pressed) in [(LEFT_SHIFT, true), (A, true), (B, true)] {
        desk.seat.key(evdev, pressed)?;
    }
    // Long enough for an X server to repeat the last one.
    std::thread::sleep(Duration::from_millis(400));
    for (evdev, pressed) in [(A, false), (LEFT_SHIFT, false), (B, false)] {
        desk.seat.key(evdev, pressed)?;
    }
    let codes = [Down(SHIFT_CODE), Down(A_CODE), Down(B_CODE)];
    let releases = [Up(A_CODE), Up(SHIFT_CODE), Up(B_CODE)];
    assert_eq!(desk.inputs()?, [codes, releases].concat());
    Ok(())
}

/// What is held when the focus goes is released in the guest, and stays so.
///
/// # Errors
/// If not.
pub fn held_keys_are_released_with_the_focus<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let mut desk = Desk::open(seat, &SharedFile::create(16)?, Setup::default())?;
    desk.inputs()?;
    for key in [LEFT_SHIFT, LEFT_CTRL, A] {
        desk.seat.key(key, true)?;
    }
    desk.expect_input("held keys", |all| all.contains(&Down(A_CODE)))?;
    desk.server.forget_arrivals();
    desk.seat.take_focus()?;
    desk.expect_input("releases", |all| all.len() >= 3)?;
    let mut released = desk.arrived();
    released.sort_by_key(|input| format!("{input:?}"));
    let mut expected = [Up(SHIFT_CODE), Up(CTRL_CODE), Up(A_CODE)];
    expected.sort_by_key(|input| format!("{input:?}"));
    assert_eq!(released, expected);
    desk.server.forget_arrivals();
    // Typed elsewhere.
    desk.seat.tap(B)?;
    for key in [LEFT_SHIFT, LEFT_CTRL, A] {
        desk.seat.key(key, false)?;
    }
    desk.seat.give_focus()?;
    desk.expect_window()?;
    assert_eq!(desk.inputs()?, []);
    Ok(())
}

/// The guest's lock keys are brought to the user's when the focus comes, and only then.
///
/// # Errors
/// If not.
pub fn lock_keys_are_told_with_the_focus<S: Seat>() -> anyhow::Result<()> {
    let Some(mut seat) = S::start()? else {
        return Ok(());
    };
    seat.tap(CAPS_LOCK)?;
    seat.tap(NUM_LOCK)?;
    let setup = Setup {
        has_keys: false,
        ..Setup::default()
    };
    let mut desk = Desk::open(seat, &SharedFile::create(16)?, setup)?;
    desk.expect_input("lock keys", |all| all.contains(&Locks(6)))?;
    assert_eq!(desk.inputs()?, [Locks(6)], "once");
    desk.server.send(INPUTS, 102, &[6, 0]);

    desk.seat.take_focus()?;
    desk.seat.tap(CAPS_LOCK)?;
    desk.seat.give_focus()?;
    desk.expect_window()?;
    desk.expect_input("lock keys", |all| all.contains(&Locks(2)))?;
    assert_eq!(desk.inputs()?, [Locks(2)]);
    desk.server.send(INPUTS, 102, &[2, 0]);

    desk.seat.take_focus()?;
    desk.seat.give_focus()?;
    desk.expect_window()?;
    assert_eq!(desk.inputs()?, [], "nothing has changed");
    Ok(())
}

/// The escape key shows its list, its binds work, and nothing of all that reaches the guest but what is meant to.
///
/// # Errors
/// If not.
pub fn binds_do_what_their_list_says<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let _host = watch::host(&shm)?;
    let mut desk = Desk::open(seat, &shm, Setup::default())?;
    desk.expect_picture("host's picture", |image| watch::stamp(image).is_some())?;
    desk.inputs()?;
    help(&mut desk)?;
    client_binds(&mut desk)?;
    guest_binds(&mut desk)?;
    picture_binds(&mut desk)?;
    let escape = wire::code(ESCAPE);
    let arrived = desk.arrived();
    let is_escape = |input: &Input| matches!(input, Down(code) | Up(code) if Some(*code) == escape);
    assert!(!arrived.iter().any(is_escape), "{arrived:?}");
    // Q.
    desk.seat.key(LEFT_SHIFT, true)?;
    desk.seat.combine(ESCAPE, 16)?;
    let status = desk.client.wait(LIMIT);
    let output = desk.client.output();
    assert_eq!(status.and_then(|s| s.code()), Some(0), "{output}");
    assert!(desk.server.wait_for_no_channel(MAIN, LIMIT));
    let arrived = desk.arrived();
    assert_eq!(arrived.last(), Some(&Up(SHIFT_CODE)), "nothing stays down");
    Ok(())
}

fn help<S: Seat>(desk: &mut Desk<S>) -> anyhow::Result<()> {
    // The server has no sound card.
    let everything = Context {
        has_input: true,
        is_on: true,
        is_linux: true,
        can_record: false,
    };
    let lines = binds::help(ESCAPE, everything);
    let count = lines.len();
    let panel = StatusText::new(lines)
        .with_block(count)
        .with_height(LETTERS);
    desk.seat.key(ESCAPE, true)?;
    desk.expect_text(&panel)?;
    desk.seat.key(ESCAPE, false)?;
    desk.expect_picture("end of the list", |image| !super::is_read(image, &panel))?;
    Ok(())
}

/// Rates, sensitivity, input.
fn client_binds<S: Seat>(desk: &mut Desk<S>) -> anyhow::Result<()> {
    let (d, i, insert, delete) = (32, 23, 110, 111);
    desk.seat.combine(ESCAPE, d)?;
    desk.expect_message("Counting the pictures ...")?;
    desk.seat.combine(ESCAPE, d)?;
    desk.expect_picture("end of the rates", |image| ink_at_the_bottom(image) == 0)?;
    desk.seat.combine(ESCAPE, insert)?;
    desk.expect_message("Sensitivity: +1")?;
    desk.seat.combine(ESCAPE, delete)?;
    desk.expect_message("Sensitivity: +0")?;
    desk.seat.combine(ESCAPE, i)?;
    desk.expect_message("Keyboard and pointer: off")?;
    desk.seat.tap(A)?;
    desk.seat.tap(ESCAPE)?;
    desk.expect_message("No input to the guest: it is off (Scroll Lock + I)")?;
    desk.seat.combine(ESCAPE, i)?;
    desk.expect_message("Keyboard and pointer: on")?;
    assert_eq!(desk.inputs()?, [], "nothing of that was the guest's");
    Ok(())
}

/// Keys that the guest gets.
fn guest_binds<S: Seat>(desk: &mut Desk<S>) -> anyhow::Result<()> {
    let tap = |code: u32| vec![Down(code), Up(code)];
    let (up, down, m, left_super, right_super, f2) = (103, 108, 50, 125, 126, 60);
    for (key, expected) in [
        (up, tap(0x30e0)),
        (down, tap(0x2ee0)),
        (m, tap(0x20e0)),
        (left_super, tap(0x5be0)),
        (right_super, tap(0x5ce0)),
    ] {
        desk.seat.combine(ESCAPE, key)?;
        assert_eq!(desk.inputs()?, expected, "escape + {key}");
    }
    desk.seat.combine(ESCAPE, f2)?;
    let chord = [
        Down(0x1d),
        Down(0x38),
        Down(0x3c),
        Up(0x3c),
        Up(0x38),
        Up(0x1d),
    ];
    assert_eq!(desk.inputs()?, chord);
    Ok(())
}

/// Video, full screen, rotation.
fn picture_binds<S: Seat>(desk: &mut Desk<S>) -> anyhow::Result<()> {
    let (v, f, r) = (47, 33, 19);
    desk.seat.combine(ESCAPE, v)?;
    desk.expect_colour((5, 5), CONSOLE)?;
    desk.seat.combine(ESCAPE, v)?;
    desk.expect_picture("the host's picture again", |image| {
        watch::stamp(image).is_some()
    })?;
    let beside = |desk: &mut Desk<S>| desk.seat.shoot().map(|screen| screen.rgb(3, 300));
    let desktop = beside(desk)?;
    for size in [SCREEN, SIZE] {
        desk.seat.combine(ESCAPE, f)?;
        let mut seen = None;
        let is_so = testkit::wait_until(LIMIT, || {
            let is_desktop = beside(desk).is_ok_and(|colour| colour == desktop);
            seen = desk.seat.window_size().ok();
            // Not before the client knows as well, and has drawn.
            seen == Some(size) && is_desktop == (size == SIZE)
        });
        assert!(is_so, "a window of {size:?}, not {seen:?}");
    }
    desk.expect_window()?;
    desk.seat.combine(ESCAPE, r)?;
    desk.expect_picture("picture turned by 90 degrees", |image| {
        // 480 x 640 pixels, which fill the height: 360 x 480 between two bars.
        let is_dark = |column: u32| (0..SIZE.height).all(|y| image.rgb(column, y) == Some([0; 3]));
        is_dark(0) && is_dark(139) && !is_dark(141) && !is_dark(498) && is_dark(500) && is_dark(639)
    })?;
    Ok(())
}
