//! The client under window managers of today and of long ago: openbox (EWMH), mwm (ICCCM and Motif), twm (ICCCM alone).

use std::time::Duration;

use e2e::Viewer;
use e2e::painted::PaintedScreen;
use picture::Size;
use picture::png::RgbImage;
use testkit::window_manager::WindowManager;
use testkit::x_input::XInput;
use testkit::x_server::XServer;

const LIMIT: Duration = Duration::from_secs(30);
const SCREEN: Size = Size::new(1000, 800);
const GUEST: Size = Size::new(480, 360);
/// What is on the screen where no window is.
const BACKGROUND: [u8; 3] = [0x20, 0x60, 0x40];

/// A managed screen in one colour.
fn start(manager: WindowManager) -> anyhow::Result<Option<XServer>> {
    let Some(mut screen) = XServer::start(SCREEN.width, SCREEN.height)? else {
        return Ok(None);
    };
    if !screen.manage_by(manager)? {
        return Ok(None);
    }
    let [r, g, b] = BACKGROUND;
    screen.run("xsetroot", &["-solid", &format!("#{r:02x}{g:02x}{b:02x}")])?;
    Ok(Some(screen))
}

/// A client of the guest on that screen, which keeps the picture's pixels whatever size its window has.
fn show(source: &PaintedScreen, screen: &XServer, options: &[&str]) -> anyhow::Result<Viewer> {
    let mut command = source.client("software", &["win:title=Guest", "win:dontUpscale=yes"])?;
    command.args(options).env("DISPLAY", screen.display());
    let mut viewer = Viewer::start(command)?;
    viewer.wait_for("a picture", LIMIT, |figures| figures["missing"].is_null())?;
    Ok(viewer)
}

/// Where the window's content begins on the screen, and its size.
fn content(screen: &XServer) -> anyhow::Result<[u32; 4]> {
    let text = screen.run("xwininfo", &["-name", "Guest"])?;
    let fields = [
        "Absolute upper-left X:",
        "Absolute upper-left Y:",
        "Width:",
        "Height:",
    ];
    let mut numbers = [0; 4];
    for (number, field) in numbers.iter_mut().zip(fields) {
        let value = text.split(field).nth(1).unwrap_or_default();
        *number = value
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .parse()?;
    }
    Ok(numbers)
}

/// Waits until a screenshot shows the whole guest in the middle of the window, wherever the manager has put that.
fn expect_guest(
    source: &PaintedScreen,
    screen: &XServer,
    viewer: &mut Viewer,
) -> anyhow::Result<()> {
    let mut last = Err("no screenshot".to_owned());
    testkit::wait_until(LIMIT, || {
        let look = || -> anyhow::Result<_> { Ok((content(screen)?, source.shoot(screen)?)) };
        last = look()
            .map_err(|e| format!("{e:#}"))
            .and_then(|([x, y, width, height], shot)| {
                let spare = |outer: u32, inner: u32| outer.saturating_sub(inner) / 2;
                let (left, top) = (spare(width, GUEST.width), spare(height, GUEST.height));
                let shown = source.is_shown(&shot, x + left, y + top);
                shown
                    .map_err(|error| format!("{error} of a window of {width}x{height} at {x}, {y}"))
            });
        last.is_ok() || viewer.process.has_ended()
    });
    last.map_err(|error| anyhow::anyhow!("{error}; client:\n{}", viewer.process.output()))
}

#[test]
fn a_client_is_moved_resized_and_closed_by_every_manager() -> anyhow::Result<()> {
    let Some(source) = PaintedScreen::start(GUEST)? else {
        return Ok(());
    };
    for manager in WindowManager::ALL {
        let Some(screen) = start(manager)? else {
            continue;
        };
        let user = XInput::connect(screen.display())?;
        let mut viewer = show(
            &source,
            &screen,
            &["win:size=480x360", "win:position=100x80"],
        )?;
        expect_guest(&source, &screen, &mut viewer)?;
        let [x, y, width, height] = content(&screen)?;
        assert_eq!([width, height], [GUEST.width, GUEST.height], "{manager:?}");
        let (place, size) = ((x as i16, y as i16), (width as i16, height as i16));
        manager.drag_corner(&user, place, size, (120, 90))?;
        let is_larger = testkit::wait_until(LIMIT, || {
            content(&screen).is_ok_and(|[_, _, w, h]| w > width + 80 && h > height + 50)
        });
        assert!(is_larger, "{manager:?}: {:?}", content(&screen)?);
        expect_guest(&source, &screen, &mut viewer)?;
        manager.close(&user, (place.0 + 30, place.1 + 30))?;
        let status = viewer.process.wait(LIMIT);
        let text = viewer.process.output();
        assert!(
            status.is_some_and(|s| s.success()),
            "{manager:?} {status:?}: {text}"
        );
    }
    Ok(())
}

#[test]
fn full_screen_covers_every_pixel_under_every_manager() -> anyhow::Result<()> {
    let Some(source) = PaintedScreen::start(SCREEN)? else {
        return Ok(());
    };
    for manager in WindowManager::ALL {
        let Some(screen) = start(manager)? else {
            continue;
        };
        let options = [
            "win:size=480x360",
            "win:position=100x80",
            "win:fullScreen=yes",
        ];
        let mut viewer = show(&source, &screen, &options)?;
        let shown = source.expect_shown(&mut viewer, (0, 0), || source.shoot(&screen));
        shown.map_err(|error| error.context(format!("under {manager:?}")))?;
    }
    Ok(())
}

/// Tells whether there is nothing but background around the window's content.
fn is_bare(shot: &RgbImage, [x, y, width, height]: [u32; 4]) -> bool {
    let left = (y..y + height).all(|y| shot.rgb(x - 1, y) == Some(BACKGROUND));
    let above = (x..x + width).all(|x| shot.rgb(x, y - 1) == Some(BACKGROUND));
    left && above
}

#[test]
fn a_borderless_window_has_no_frame_where_the_manager_knows_how() -> anyhow::Result<()> {
    let Some(source) = PaintedScreen::start(GUEST)? else {
        return Ok(());
    };
    for manager in WindowManager::ALL {
        let Some(screen) = start(manager)? else {
            continue;
        };
        for borderless in ["no", "yes"] {
            let option = format!("win:borderless={borderless}");
            let options = ["win:size=480x360", "win:position=100x80", &option];
            let mut viewer = show(&source, &screen, &options)?;
            expect_guest(&source, &screen, &mut viewer)?;
            let is_bare = is_bare(&source.shoot(&screen)?, content(&screen)?);
            // twm frames every window, whatever that asks for.
            let is_meant = borderless == "yes" && manager != WindowManager::Twm;
            assert_eq!(is_bare, is_meant, "{manager:?}, {option}");
        }
    }
    Ok(())
}
