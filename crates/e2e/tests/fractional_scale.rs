//! Outputs whose scale is no whole number: the client's buffers have the output's own pixels, so the picture is sharp.
//!
//! On the sway of Debian 13: that of Debian 12 knows no wp-fractional-scale.

use std::time::Duration;

use e2e::Viewer;
use e2e::painted::PaintedScreen;
use picture::Size;
use testkit::compositor::Sway;

const LIMIT: Duration = Duration::from_secs(30);

/// Divisible by all scales below: grim rounds the sizes of others down.
const OUTPUT: Size = Size::new(1200, 720);

fn start_sway() -> anyhow::Result<Option<Sway>> {
    let configuration = "output HEADLESS-1 scale 1.5\ndefault_border none\n\
                         for_window [app_id=.*] floating enable";
    Sway::start_newer(OUTPUT.width, OUTPUT.height, configuration)
}

fn set_scale(sway: &Sway, scale: &str) -> anyhow::Result<()> {
    sway.message(&["output", "HEADLESS-1", "scale", scale])
        .map(drop)
}

#[test]
fn a_full_screen_guest_is_sharp_at_every_scale_that_comes() -> anyhow::Result<()> {
    let (Some(source), Some(sway)) = (PaintedScreen::start(OUTPUT)?, start_sway()?) else {
        return Ok(());
    };
    for renderer in ["software", "EGL"] {
        let mut command = source.client(renderer, &["win:fullScreen=yes"])?;
        sway.use_for(&mut command);
        let mut viewer = Viewer::start(command)?;
        for scale in ["1.5", "1.25", "2", "1", "1.5"] {
            set_scale(&sway, scale)?;
            let shown = source.expect_shown(&mut viewer, (0, 0), || sway.grab());
            shown.map_err(|error| error.context(format!("{renderer} at scale {scale}")))?;
        }
    }
    Ok(())
}

#[test]
fn a_window_has_the_outputs_pixels_through_a_viewport() -> anyhow::Result<()> {
    // 402 x 302 units at 1.5, and 482 x 362 at 1.25: the latter are halves of pixels, which count as whole ones.
    let size = Size::new(603, 453);
    let (Some(source), Some(sway)) = (PaintedScreen::start(size)?, start_sway()?) else {
        return Ok(());
    };
    for renderer in ["software", "EGL"] {
        set_scale(&sway, "1.5")?;
        let mut command = source.client(renderer, &["win:size=402x302"])?;
        sway.use_for(command.env("WAYLAND_DEBUG", "client"));
        let mut viewer = Viewer::start(command)?;
        viewer.wait_for("a picture", LIMIT, |figures| figures["missing"].is_null())?;
        // A place at whole pixels of both scales.
        let moved = sway.message(&["[app_id=.*] move absolute position 100 60"]);
        moved.map_err(|error| error.context(viewer.process.output()))?;
        source.expect_shown(&mut viewer, (150, 90), || sway.grab())?;
        let asked = viewer.process.output();
        assert!(asked.contains("set_destination(402, 302)"), "{asked}");
        assert!(!asked.contains("set_buffer_scale"), "{asked}");
        set_scale(&sway, "1.25")?;
        sway.message(&["[app_id=.*] resize set 482 362, move absolute position 100 60"])?;
        source.expect_shown(&mut viewer, (125, 75), || sway.grab())?;
        let asked = viewer.process.output();
        assert!(asked.contains("set_destination(482, 362)"), "{asked}");
    }
    Ok(())
}
