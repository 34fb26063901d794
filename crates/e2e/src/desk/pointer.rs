//! The pointer: over a relayed picture, captured, and over the machine's own screen.

use std::sync::Arc;

use picture::Size;
use testkit::spice_server::{MAIN, ServerOptions};

use super::guest::{StillGuest, XGuest};
use super::wire::{self, Input};
use super::{CONSOLE, Desk, LIMIT, PLACE, SCREEN, SIZE, Seat, Setup, server};
use Input::{Down, Motion, Position, Press, Release, Up};

const A: u32 = 30;
const A_CODE: u32 = 0x1e;

const LEFT: u32 = 0x110;
const RIGHT: u32 = 0x111;
const MIDDLE: u32 = 0x112;
const SIDE: u32 = 0x113;
const EXTRA: u32 = 0x114;

/// A place in the window, and the guest's pixel there.
type Pair = ((u32, u32), (i16, i16));

/// A guest and a window, and which of the guest's pixels is under which of the window's.
struct Fit {
    guest: Size,
    window: Size,
    options: &'static [&'static str],
    pairs: &'static [Pair],
}

const FITS: [Fit; 4] = [
    Fit {
        guest: SIZE,
        window: SIZE,
        options: &[],
        pairs: &[
            ((100, 50), (100, 50)),
            ((639, 479), (639, 479)),
            ((0, 0), (0, 0)),
        ],
    },
    // Reduced to the half.
    Fit {
        guest: Size::new(1280, 960),
        window: SIZE,
        options: &[],
        pairs: &[
            ((100, 50), (200, 100)),
            ((0, 0), (0, 0)),
            ((639, 479), (1279, 959)),
        ],
    },
    // Doubled, with bars of 30 pixels left and right.
    Fit {
        guest: Size::new(320, 240),
        window: Size::new(700, 480),
        options: &[],
        pairs: &[
            ((131, 51), (50, 25)),
            ((30, 0), (0, 0)),
            ((669, 479), (319, 239)),
        ],
    },
    // The guest's left edge is at the top.
    Fit {
        guest: Size::new(480, 640),
        window: SIZE,
        options: &["win:rotate=90"],
        pairs: &[
            ((100, 50), (50, 539)),
            ((639, 0), (0, 0)),
            ((0, 479), (479, 639)),
        ],
    },
];

/// Where the local pointer is outside the window.
const OUTSIDE: (u32, u32) = (10, 10);

/// The guest's pointer is put under the local one when that enters, and stays under it: to the pixel, whatever the scale,
/// the bars and the rotation.
///
/// # Errors
/// If not.
pub fn the_guests_pointer_is_under_the_local_one<S: Seat>() -> anyhow::Result<()> {
    let Some(mut seat) = S::start()? else {
        return Ok(());
    };
    for fit in FITS {
        let Some(guest) = XGuest::start(fit.guest)? else {
            return Ok(());
        };
        seat.move_to(OUTSIDE.0, OUTSIDE.1)?;
        let setup = Setup {
            window: fit.window,
            options: fit.options,
            listener: Some(guest.listener()),
            ..Setup::default()
        };
        let mut desk = Desk::open(seat, &guest.shm, setup)?;
        let Size { width, height } = fit.window;
        // Besides the guest's pointer, which is in the middle.
        desk.expect_colour((width / 2, height / 3), XGuest::COLOUR)?;
        let result = follow(&mut desk, &guest, &fit);
        let Size { width, height } = fit.guest;
        let what = format!("a guest of {width} x {height}, {:?}", fit.options);
        result.map_err(|error| error.context(what))?;
        seat = desk.seat;
    }
    Ok(())
}

fn follow<S: Seat>(desk: &mut Desk<S>, guest: &XGuest, fit: &Fit) -> anyhow::Result<()> {
    for (local, expected) in fit.pairs {
        let mut way = None;
        for _ in 0..3 {
            desk.seat.move_to(OUTSIDE.0, OUTSIDE.1)?;
            desk.inputs()?;
            guest.user.move_to(222, 111)?;
            // When it is seen to be gone from where it was, the client knows.
            desk.expect_colour(*local, XGuest::COLOUR)?;
            desk.seat.point(*local)?;
            guest.expect_pointer(*expected)?;
            way = Some(wire::way(&desk.inputs()?));
            // A host that was too slow is helped with motion.
            if way == Some((0, 0)) {
                break;
            }
        }
        assert_eq!(way, Some((0, 0)), "the host has put it there");
    }
    // Over the picture, and in few and in many steps.
    for steps in [2_u32, 40] {
        for pair in fit.pairs.windows(2) {
            let [(from, _), (to, expected)] = pair else {
                continue;
            };
            for step in 1..=steps {
                let along = |from: u32, to: u32| (from * (steps - step) + to * step) / steps;
                desk.seat
                    .point((along(from.0, to.0), along(from.1, to.1)))?;
            }
            guest.expect_pointer(*expected)?;
        }
    }
    Ok(())
}

/// Where the host cannot put the guest's pointer, motion brings it from where it is told to be, and sums exactly.
///
/// # Errors
/// If not.
pub fn motion_leads_the_pointer_of_a_host_that_cannot_set_it<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let guest = StillGuest::start(SIZE, (300, 200))?;
    let mut desk = Desk::open(seat, &guest.shm, Setup::default())?;
    // The pointer is in the picture as well: what is seen is known to the client.
    desk.expect_colour((300, 200), [0xff, 0, 0])?;
    desk.inputs()?;
    desk.seat.point((100, 50))?;
    let inputs = desk.inputs()?;
    assert_eq!(wire::way(&inputs), (-200, -150));
    let mut last = (100, 50);
    for place in [(101, 50), (639, 479), (638, 1), (0, 479), (77, 77)] {
        desk.seat.point(place)?;
        let inputs = desk.inputs()?;
        let way = (place.0 as i32 - last.0, place.1 as i32 - last.1);
        assert_eq!(wire::way(&inputs), way, "to {place:?}");
        let is_piece = |input: &Input| {
            matches!(input, Motion(dx, dy, 0)
                if dx.abs() <= 127 && dy.abs() <= 127 && (*dx, *dy) != (0, 0))
        };
        assert!(inputs.iter().all(is_piece), "{inputs:?}");
        last = (place.0 as i32, place.1 as i32);
    }
    // Out of the window and in again.
    desk.seat.move_to(OUTSIDE.0, OUTSIDE.1)?;
    desk.inputs()?;
    desk.seat.move_to(OUTSIDE.0 + 5, OUTSIDE.1 + 5)?;
    assert_eq!(desk.inputs()?, [], "nobody points at the guest");
    guest.set_pointer((20, 30))?;
    desk.expect_colour((20, 30), [0xff, 0, 0])?;
    desk.seat.point((320, 240))?;
    assert_eq!(wire::way(&desk.inputs()?), (300, 210));
    Ok(())
}

/// Buttons and wheel arrive, and a button that is held keeps the pointer the guest's beyond the window.
///
/// # Errors
/// If not.
pub fn buttons_wheel_and_drags_arrive<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let guest = StillGuest::start(SIZE, (100, 50))?;
    let mut desk = Desk::open(seat, &guest.shm, Setup::default())?;
    desk.expect_colour((100, 50), [0xff, 0, 0])?;
    desk.seat.point((100, 50))?;
    desk.inputs()?;
    for (button, id) in [(LEFT, 1), (MIDDLE, 2), (RIGHT, 3), (SIDE, 6), (EXTRA, 7)] {
        desk.seat.button(button, true)?;
        desk.seat.button(button, false)?;
        let bit = 1 << (id - 1);
        desk.expect_inputs(&[Press(id, bit), Release(id, 0)])?;
    }
    desk.seat.button(LEFT, true)?;
    desk.seat.button(RIGHT, true)?;
    desk.seat.button(LEFT, false)?;
    desk.seat.button(RIGHT, false)?;
    desk.expect_inputs(&[Press(1, 1), Press(3, 5), Release(1, 4), Release(3, 0)])?;
    for (clicks, id) in [(1, 5), (-2, 4), (3, 5)] {
        desk.seat.wheel(clicks)?;
        // The id says it all (spice.md 4.4).
        let detent = [Press(id, 0), Release(id, 0)];
        desk.expect_inputs(&detent.repeat(clicks.unsigned_abs() as usize))?;
    }
    drag(&mut desk)
}

fn drag<S: Seat>(desk: &mut Desk<S>) -> anyhow::Result<()> {
    desk.seat.point((100, 50))?;
    desk.inputs()?;
    desk.seat.button(LEFT, true)?;
    desk.expect_input("a press", |all| all.contains(&Press(1, 1)))?;
    desk.seat.point((200, 60))?;
    // Beyond the right edge, level with the window.
    desk.seat.move_to(SCREEN.width - 5, PLACE.1 + 70)?;
    let dragged = desk.inputs()?;
    assert_eq!(dragged.first(), Some(&Press(1, 1)));
    assert_eq!(wire::way(&dragged), (539, 20), "as far as the edge");
    let holds = |input: &Input| matches!(input, Motion(.., 1) | Press(1, 1));
    assert!(dragged.iter().all(holds), "{dragged:?}");
    desk.seat.move_to(PLACE.0 + 100, 5)?;
    let dragged = desk.inputs()?;
    assert_eq!(wire::way(&dragged), (-539, -70), "the view stays");
    desk.seat.button(LEFT, false)?;
    // Also outside.
    desk.expect_inputs(&[Release(1, 0)])?;
    desk.seat.move_to(PLACE.0 + 300, 5)?;
    // Not one that a window manager does something with.
    desk.seat.button(SIDE, true)?;
    desk.seat.button(SIDE, false)?;
    desk.seat.give_focus()?;
    desk.expect_window()?;
    assert_eq!(desk.inputs()?, [], "what is outside is not the guest's");
    Ok(())
}

/// In capture the pointer cannot leave, every push is the guest's, and the keyboard too; the local pointer comes back
/// where the guest's is. `is_free` tells whether other programs could have keyboard and pointer.
///
/// # Errors
/// If not.
pub fn capture_takes_pointer_and_keyboard<S: Seat>(
    is_free: impl Fn(&mut S) -> anyhow::Result<Option<(bool, bool)>>,
    local: impl Fn(&mut S) -> anyhow::Result<Option<(u32, u32)>>,
) -> anyhow::Result<()> {
    let (Some(seat), Some(guest)) = (S::start()?, XGuest::start(SIZE)?) else {
        return Ok(());
    };
    let setup = Setup {
        listener: Some(guest.listener()),
        options: &["input:mouseSmoothing=no"],
        ..Setup::default()
    };
    let mut desk = Desk::open(seat, &guest.shm, setup)?;
    desk.expect_colour((5, 5), XGuest::COLOUR)?;
    desk.seat.point((100, 50))?;
    guest.expect_pointer((100, 50))?;
    if let Some(free) = is_free(&mut desk.seat)? {
        assert_eq!(free, (true, true));
    }
    desk.capture()?;
    if let Some(free) = is_free(&mut desk.seat)? {
        assert_eq!(free, (false, false), "both are ours");
    }
    desk.inputs()?;
    let pushes = [(3, -2), (0, 7), (-90, 0), (400, 300), (0, 0), (1, 1)];
    for (dx, dy) in pushes {
        desk.seat.move_by(dx, dy)?;
    }
    let way = pushes
        .iter()
        .fold((0, 0), |(x, y), (dx, dy)| (x + dx, y + dy));
    let way = (i32::from(way.0), i32::from(way.1));
    assert_eq!(wire::way(&desk.inputs()?), way);
    let at = (100 + way.0 as i16, 50 + way.1 as i16);
    guest.expect_pointer(at)?;
    // Against the edge of the guest's screen, and of the window.
    for _ in 0..8 {
        desk.seat.move_by(500, 0)?;
        desk.inputs()?;
        if let Some((x, y)) = local(&mut desk.seat)? {
            let is_inside = |at: u32, from: u32, size: u32| (from..from + size).contains(&at);
            let is_there = is_inside(x, PLACE.0, SIZE.width) && is_inside(y, PLACE.1, SIZE.height);
            assert!(is_there, "the local pointer is at {x}, {y}");
        }
    }
    guest.expect_pointer((639, at.1))?;
    desk.seat.move_by(-300, 0)?;
    guest.expect_pointer((339, at.1))?;
    desk.inputs()?;
    for bound in S::BOUND {
        desk.seat.tap(*bound)?;
        let code = wire::code(*bound).unwrap_or_default();
        assert_eq!(desk.inputs()?, [Down(code), Up(code)], "all keys are ours");
    }
    // Where the client sees the guest's pointer, it knows it to be.
    let row = u32::from(at.1.cast_unsigned());
    desk.expect_picture("pointer of the guest", |image| {
        image.rgb(339, row) != Some(XGuest::COLOUR)
    })?;
    desk.release()?;
    if let Some((x, y)) = local(&mut desk.seat)? {
        assert_eq!((x, y), (PLACE.0 + 339, PLACE.1 + row));
    }
    desk.inputs()?;
    // Wherever the local pointer is now, the guest's is led from there.
    desk.seat.move_by(-10, 4)?;
    guest.expect_pointer((329, at.1 + 4))?;
    if let Some(free) = is_free(&mut desk.seat)? {
        assert_eq!(free, (true, true), "given back");
    }
    Ok(())
}

/// With `input:captureOnly` the guest gets nothing outside a capture; without `input:grabKeyboard` others may have the
/// keyboard in one.
///
/// # Errors
/// If not.
pub fn capture_only_keeps_all_else_from_the_guest<S: Seat>(
    expect_keyboard_free: impl Fn(&mut Desk<S>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let guest = StillGuest::start(SIZE, (100, 50))?;
    let setup = Setup {
        options: &["input:captureOnly=yes", "input:grabKeyboard=no"],
        has_keys: false,
        ..Setup::default()
    };
    let mut desk = Desk::open(seat, &guest.shm, setup)?;
    desk.expect_colour((100, 50), [0xff, 0, 0])?;
    desk.seat.point((200, 50))?;
    desk.capture()?;
    desk.inputs()?;
    desk.release()?;
    desk.seat.point((200, 50))?;
    desk.seat.point((210, 50))?;
    desk.seat.button(LEFT, true)?;
    desk.seat.button(LEFT, false)?;
    desk.seat.wheel(1)?;
    desk.seat.tap(A)?;
    desk.capture()?;
    assert_eq!(desk.inputs()?, [], "nothing came of that");
    desk.seat.tap(A)?;
    desk.seat.button(LEFT, true)?;
    desk.seat.button(LEFT, false)?;
    desk.seat.move_by(20, 0)?;
    let inputs = desk.inputs()?;
    assert_eq!(wire::way(&inputs), (20, 0));
    let others = wire::without_motion(&inputs);
    assert_eq!(
        others,
        [Down(A_CODE), Up(A_CODE), Press(1, 1), Release(1, 0)]
    );
    expect_keyboard_free(&mut desk)?;
    desk.release()?;
    desk.seat.tap(A)?;
    desk.seat.point((300, 300))?;
    desk.capture()?;
    assert_eq!(desk.inputs()?, []);
    Ok(())
}

/// The local pointer is not to be seen over the picture, but beside it and if the user wants it. `is_hidden` tells
/// whether it is.
///
/// # Errors
/// If not.
pub fn the_local_pointer_is_hidden_over_the_picture<S: Seat>(
    is_hidden: impl Fn(&mut S) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let Some(mut seat) = S::start()? else {
        return Ok(());
    };
    for (option, hides) in [
        ("input:hideCursor=yes", true),
        ("input:hideCursor=no", false),
    ] {
        let guest = StillGuest::start(SIZE, (300, 200))?;
        let setup = Setup {
            window: SIZE,
            options: &[option],
            ..Setup::default()
        };
        seat.move_to(OUTSIDE.0, OUTSIDE.1)?;
        let mut desk = Desk::open(seat, &guest.shm, setup)?;
        desk.expect_colour((300, 200), [0xff, 0, 0])?;
        for (is_inside, expected) in [(false, false), (true, hides), (false, false)] {
            match is_inside {
                true => desk.seat.point((100, 50))?,
                false => desk.seat.move_to(OUTSIDE.0, OUTSIDE.1)?,
            }
            desk.inputs()?;
            let mut seen = Ok(false);
            testkit::wait_until(LIMIT, || {
                seen = is_hidden(&mut desk.seat);
                seen.as_ref()
                    .map_or(true, |is_hidden| *is_hidden == expected)
            });
            assert_eq!(seen?, expected, "{option}, inside: {is_inside}");
        }
        seat = desk.seat;
    }
    Ok(())
}

/// Positions are sent over the machine's own screen, if the server grants it, and outside a capture; else motion.
///
/// # Errors
/// If not.
pub fn positions_are_for_the_machines_own_screen<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let guest = StillGuest::start(SIZE, (100, 50))?;
    let shm = Arc::clone(&guest.shm);
    let setup = Setup {
        server: ServerOptions {
            has_tablet: true,
            picture: (1280, 960, server().picture.2),
            ..server()
        },
        ..Setup::default()
    };
    let mut desk = Desk::open(seat, &shm, setup)?;
    desk.expect_colour((100, 50), [0xff, 0, 0])?;
    desk.seat.point((100, 50))?;
    desk.seat.point((150, 70))?;
    let inputs = desk.inputs()?;
    assert_eq!(wire::way(&inputs), (50, 20));
    assert!(inputs.iter().all(|input| is_motion(*input)), "{inputs:?}");
    drop(guest);

    desk.expect_colour((5, 5), CONSOLE)?;
    expect_mode(&mut desk, 2)?;
    wiggle_until(&mut desk, (50, 50), is_position)?;
    for (local, remote) in [
        ((100, 50), (200, 100)),
        ((639, 479), (1279, 959)),
        ((0, 0), (0, 0)),
    ] {
        desk.seat.point(local)?;
        let last = desk.inputs()?.last().copied();
        assert_eq!(last, Some(Position(remote.0, remote.1, 0)), "{local:?}");
    }
    desk.seat.point((320, 240))?;
    desk.inputs()?;
    desk.seat.button(LEFT, true)?;
    desk.seat.point((321, 240))?;
    desk.seat.button(LEFT, false)?;
    desk.expect_inputs(&[Press(1, 1), Position(642, 480, 1), Release(1, 0)])?;

    desk.server.forget_arrivals();
    desk.capture()?;
    expect_mode(&mut desk, 1)?;
    desk.inputs()?;
    desk.seat.move_by(30, 20)?;
    let inputs = desk.inputs()?;
    assert_eq!(wire::way(&inputs), (30, 20));
    assert!(inputs.iter().all(|input| is_motion(*input)), "{inputs:?}");
    desk.server.forget_arrivals();
    desk.release()?;
    expect_mode(&mut desk, 2)?;
    wiggle_until(&mut desk, (50, 50), is_position)?;
    desk.seat.point((60, 50))?;
    assert_eq!(desk.inputs()?, [Position(120, 100, 0)]);

    // The guest's driver for positions goes away, as in a restart.
    desk.server.forget_arrivals();
    desk.server.set_tablet(false);
    wiggle_until(&mut desk, (60, 50), is_motion)?;
    desk.seat.point((80, 60))?;
    let inputs = desk.inputs()?;
    assert!(inputs.iter().all(|input| is_motion(*input)), "{inputs:?}");
    assert_eq!(wire::way(&inputs), (40, 20), "pixels of the guest");
    desk.server.set_tablet(true);
    expect_mode(&mut desk, 2)?;
    wiggle_until(&mut desk, (70, 60), is_position)?;
    desk.seat.point((71, 60))?;
    assert_eq!(desk.inputs()?, [Position(142, 120, 0)]);
    Ok(())
}

fn is_motion(input: Input) -> bool {
    matches!(input, Motion(..))
}

fn is_position(input: Input) -> bool {
    matches!(input, Position(..))
}

/// Moves the pointer to and fro until the client sends such input, and leaves it at a place. Nothing else says that the
/// client knows of the mode that the server has granted.
fn wiggle_until<S: Seat>(
    desk: &mut Desk<S>,
    (x, y): (u32, u32),
    is_wanted: impl Fn(Input) -> bool,
) -> anyhow::Result<()> {
    let mut seen = Ok(Vec::new());
    testkit::wait_until(LIMIT, || {
        let moved = desk
            .seat
            .point((x - 1, y))
            .and_then(|()| desk.seat.point((x, y)));
        seen = moved.and_then(|()| desk.inputs());
        seen.as_ref()
            .map_or(true, |all| all.iter().any(|input| is_wanted(*input)))
    });
    let seen = seen?;
    let is_there = seen.iter().any(|input| is_wanted(*input));
    anyhow::ensure!(is_there, "only {seen:?}: {}", desk.client.output());
    Ok(())
}

/// Waits until the client has asked for a mouse mode last.
fn expect_mode<S: Seat>(desk: &mut Desk<S>, mode: u8) -> anyhow::Result<()> {
    let is_so = desk.server.wait_for(MAIN, LIMIT, |all| {
        let last = all.iter().rev().find(|arrival| arrival.kind == 105);
        last.is_some_and(|arrival| arrival.payload == [mode, 0])
    });
    anyhow::ensure!(
        is_so,
        "mode {mode} was not asked for: {}",
        desk.client.output()
    );
    Ok(())
}
