//! The machine's own screen: when it is shown, and what of it.

use std::path::Path;
use std::time::Duration;

use picture::png::{self, RgbImage};
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::spice_server::{DISPLAY, SpiceServer, words};

use super::watch::{self, Eye, Seen};
use super::{CONSOLE, Desk, ESCAPE, LIMIT, SIZE, Seat, Setup, server};

const V: u32 = 47;

const OWN: Seen = Seen::Console { is_dimmed: false };
const HOSTS: Seen = Seen::Host { is_dimmed: false };

/// The machine's own screen is shown while there is no host, or the user wants it, and nothing else is ever seen between.
///
/// # Errors
/// If not.
pub fn screens_take_turns_without_garbage<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let setup = Setup {
        options: &["win:alerts=no"],
        ..Setup::default()
    };
    let mut desk = Desk::open(seat, &shm, setup)?;
    let mut eye = Eye::new();
    let start = watch::until(&mut desk, &mut eye, OWN, LIMIT)?;
    assert!(
        start.ends_with(&[OWN]) && !start.contains(&HOSTS),
        "{start:?}"
    );

    for round in 0..2 {
        let mut host = watch::host(&shm)?;
        let begun = watch::until(&mut desk, &mut eye, HOSTS, LIMIT)?;
        // Who looks slowly may miss the last moment of the former.
        let is_direct = [&[OWN, HOSTS][..], &[HOSTS]].contains(&begun.as_slice());
        assert!(is_direct, "round {round}: the host begins: {begun:?}");
        if round == 0 {
            for (wanted, before) in [(OWN, HOSTS), (HOSTS, OWN)] {
                desk.seat.combine(ESCAPE, V)?;
                let seen = watch::until(&mut desk, &mut eye, wanted, LIMIT)?;
                let direct = [before, wanted];
                let dimmed = seen.iter().filter(|seen| !direct.contains(seen));
                let all_dimmed = dimmed
                    .into_iter()
                    .all(|seen| matches!(seen, Seen::Host { is_dimmed: true }));
                assert!(all_dimmed && seen.ends_with(&[wanted]), "key V: {seen:?}");
            }
            host.kill();
        } else {
            // It says goodbye.
            host.signal(rustix::process::Signal::TERM);
            host.wait(LIMIT);
        }
        let seen = watch::until(&mut desk, &mut eye, OWN, LIMIT)?;
        let allowed = [HOSTS, Seen::Host { is_dimmed: true }, OWN];
        let is_clean = seen.iter().all(|seen| allowed.contains(seen));
        assert!(is_clean, "round {round}: the host ends: {seen:?}");
        // It came once, and for good.
        let changes = seen.iter().filter(|seen| **seen == OWN).count();
        assert_eq!(changes, 1, "{seen:?}");
    }
    Ok(())
}

/// `spice:display=force` shows the machine's own screen beside a live host, `off` never.
///
/// # Errors
/// If not.
pub fn the_user_may_force_or_forbid_the_machines_own_screen<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let shm = SharedFile::create(32)?;
    let host = watch::host(&shm)?;
    let setup = Setup {
        options: &["spice:display=force", "win:alerts=no"],
        ..Setup::default()
    };
    let mut eye = Eye::new();
    let mut desk = Desk::open(seat, &shm, setup)?;
    let seen = watch::until(&mut desk, &mut eye, OWN, LIMIT)?;
    assert!(!seen.contains(&HOSTS), "{seen:?}");
    desk.seat.combine(ESCAPE, V)?;
    desk.expect_message("There is no relayed video: spice:display is force.")?;
    assert_eq!(watch::until(&mut desk, &mut eye, OWN, LIMIT)?, [OWN]);
    let Desk { client, seat, .. } = desk;
    drop((client, host));

    let setup = Setup {
        options: &["spice:display=off", "win:alerts=no"],
        ..Setup::default()
    };
    let shm = SharedFile::create(32)?;
    let mut desk = Desk::open(seat, &shm, setup)?;
    desk.inputs()?;
    std::thread::sleep(Duration::from_millis(1200));
    assert!(!desk.server.wait_for_channel(DISPLAY, Duration::ZERO));
    let _host = watch::host(&shm)?;
    let seen = watch::until(&mut desk, &mut eye, HOSTS, LIMIT)?;
    assert_eq!(seen, [Seen::Nothing, HOSTS]);
    Ok(())
}

/// The machine's own screen may change its size, and lose and get a picture, without a black moment.
///
/// # Errors
/// If not.
pub fn a_new_surface_takes_the_place_of_the_old_one<S: Seat>() -> anyhow::Result<()> {
    let Some(seat) = S::start()? else {
        return Ok(());
    };
    let setup = Setup {
        options: &["app:transport=spice", "win:alerts=no"],
        ..Setup::default()
    };
    let mut desk = Desk::open(seat, &SharedFile::create(16)?, setup)?;
    desk.expect_colour((5, 5), CONSOLE)?;
    let mut old = CONSOLE;
    for (width, height, new) in [
        (1024, 768, [0x11, 0xaa, 0x33]),
        (320, 240, [0xee, 0xbb, 0x00]),
        (640, 480, [0x00, 0x55, 0xcc]),
    ] {
        desk.server.send(DISPLAY, 315, &words(&[0]));
        let seen = colours(&mut desk, Duration::from_millis(150), |_| false)?;
        assert_eq!(seen, [old], "the old picture stays");
        desk.server
            .send(DISPLAY, 314, &words(&[0, width, height, 32, 1]));
        let [r, g, b] = new;
        let whole = [0, 0, width, height];
        desk.server.draw(whole, u32::from_be_bytes([0, r, g, b]));
        desk.server.send(DISPLAY, 102, &[]);
        let seen = colours(&mut desk, LIMIT, |colour| colour == new)?;
        assert!(seen == [old, new] || seen == [new], "{seen:x?}");
        old = new;
    }
    // Only what is drawn changes.
    desk.server.draw([10, 20, 30, 40], 0x00ff_ffff);
    let image =
        desk.expect_picture("a white part", |image| image.rgb(10, 20) == Some([0xff; 3]))?;
    assert_eq!(count(&image, [0xff; 3]), 30 * 40);
    assert_eq!(count(&image, old), SIZE.area() as usize - 30 * 40);
    Ok(())
}

/// The colours that a window has, all of it, one after the other, until `is_last`.
fn colours<S: Seat>(
    desk: &mut Desk<S>,
    limit: Duration,
    is_last: impl Fn([u8; 3]) -> bool,
) -> anyhow::Result<Vec<[u8; 3]>> {
    let mut seen: Vec<[u8; 3]> = Vec::new();
    let mut failure = None;
    testkit::wait_until(limit, || {
        let image = match desk.shoot() {
            Ok(image) => image,
            Err(error) => {
                failure = Some(error);
                return true;
            }
        };
        let colour = image.rgb(0, 0).unwrap_or_default();
        if count(&image, colour) != SIZE.area() as usize {
            failure = Some(anyhow::anyhow!("a mixed picture with {colour:x?}"));
        }
        if seen.last() != Some(&colour) {
            seen.push(colour);
        }
        failure.is_some() || is_last(colour)
    });
    failure.map_or(Ok(seen), Err)
}

fn count(image: &RgbImage, colour: [u8; 3]) -> usize {
    let (pixels, _) = image.bytes().as_chunks::<3>();
    pixels.iter().filter(|pixel| **pixel == colour).count()
}

/// Takes a screenshot of the machine's own screen without any display server; its pixels.
///
/// # Errors
/// If the client does not take one.
pub fn screenshot(folder: &Path) -> anyhow::Result<RgbImage> {
    let server = SpiceServer::start(server())?;
    let file = folder.join("console.png");
    let mut command = programs::client(&SharedFile::create(1)?)?;
    command
        .args(server.client_options())
        .args([
            "app:transport=spice",
            "--headless",
            "--timeout",
            "20",
            "--screenshot",
        ])
        .arg(&file);
    let mut client = Process::start(&mut command)?;
    let status = client.wait(LIMIT);
    let is_good = status.is_some_and(|status| status.success());
    anyhow::ensure!(is_good, "{status:?}: {}", client.output());
    Ok(png::decode(&std::fs::read(file)?)?)
}
