//! `win`: the window and what is shown in it.

use options::{OptionSpec, Since};

use crate::config::check;

pub(super) static WIN: [OptionSpec; 30] = [
    OptionSpec::text(
        "win",
        "title",
        Some("Looking Glass (client)"),
        "Window title",
    )
    .works(),
    OptionSpec::text(
        "win",
        "appId",
        Some("looking-glass-client"),
        "Application id or window class",
    )
    .since(Since::B7)
    .works(),
    OptionSpec::text("win", "position", Some("center"), "Where the window starts")
        .values("center or <x>x<y>")
        .check(check::position)
        .works(),
    OptionSpec::text(
        "win",
        "size",
        Some("1024x768"),
        "Size of the window at start",
    )
    .values("<w>x<h>, each 1 or more")
    .check(check::size)
    .works(),
    OptionSpec::switch(
        "win",
        "autoResize",
        false,
        "The window follows the guest's resolution",
    )
    .short('a')
    .works(),
    OptionSpec::switch("win", "allowResize", true, "The user may resize the window")
        .short('n')
        .works(),
    OptionSpec::switch(
        "win",
        "keepAspect",
        true,
        "The picture keeps its shape, with bars",
    )
    .short('r')
    .works(),
    OptionSpec::switch(
        "win",
        "forceAspect",
        true,
        "The window itself is held to the picture's shape",
    ),
    OptionSpec::switch(
        "win",
        "dontUpscale",
        false,
        "Never show the picture larger than 1:1",
    )
    .works(),
    OptionSpec::switch("win", "intUpscale", false, "Enlarge by whole numbers only")
        .since(Since::B6),
    OptionSpec::switch(
        "win",
        "shrinkOnUpscale",
        false,
        "With dontUpscale, shrink the window to the picture",
    ),
    OptionSpec::switch("win", "borderless", false, "No window frame")
        .short('d')
        .works(),
    OptionSpec::switch("win", "fullScreen", false, "Start full screen")
        .short('F')
        .works(),
    OptionSpec::switch("win", "maximize", false, "Start maximised")
        .short('T')
        .works(),
    OptionSpec::switch(
        "win",
        "minimizeOnFocusLoss",
        false,
        "Minimise when focus leaves",
    ),
    OptionSpec::int("win", "fpsMin", -1, "Lowest redraw rate")
        .short('K')
        .values("-1 automatic, 0 never force, or a rate"),
    OptionSpec::switch(
        "win",
        "ignoreQuit",
        false,
        "Ignore close requests while the pointer is in the view",
    )
    .short('Q'),
    OptionSpec::switch(
        "win",
        "noScreensaver",
        false,
        "Hold off screen blanking while the client runs",
    )
    .short('S')
    .values("not with autoScreensaver")
    .works(),
    OptionSpec::switch(
        "win",
        "autoScreensaver",
        false,
        "Hold off screen blanking while a guest program asks",
    )
    .values("not with noScreensaver")
    .works(),
    OptionSpec::switch("win", "alerts", true, "Show pop-up notes")
        .short('q')
        .works(),
    OptionSpec::switch("win", "quickSplash", false, "No fade of the splash").works(),
    OptionSpec::switch(
        "win",
        "overlayDimsDesktop",
        true,
        "Darken the guest in overlay mode",
    )
    .since(Since::B6),
    OptionSpec::int("win", "rotate", 0, "Turn the picture clockwise")
        .values("0, 90, 180, 270")
        .check(check::rotation)
        .works(),
    OptionSpec::text(
        "win",
        "uiFont",
        Some("DejaVu Sans Mono"),
        "Font of the user interface",
    ),
    OptionSpec::int("win", "uiSize", 14, "Size of that font"),
    OptionSpec::switch(
        "win",
        "jitRender",
        false,
        "Draw just before the display needs the frame",
    ),
    OptionSpec::switch(
        "win",
        "requestActivation",
        true,
        "Ask for attention when the guest does",
    )
    .since(Since::B7),
    OptionSpec::switch("win", "showFPS", false, "Show the rates at start").short('k'),
    OptionSpec::switch(
        "win",
        "setGuestRes",
        true,
        "Ask the guest to match the window",
    )
    .since(Since::Head),
    OptionSpec::switch(
        "win",
        "disableWaitingMessage",
        false,
        "Hide the note that the host is awaited",
    )
    .since(Since::Head),
];
