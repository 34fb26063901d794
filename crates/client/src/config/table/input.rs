//! `input`, `spice` and `clipboard`: everything that goes to and fro besides the picture.

use options::{OptionSpec, Since};

use crate::config::check;

pub(super) static INPUT: [OptionSpec; 17] = [
    OptionSpec::switch(
        "input",
        "captureOnFocus",
        false,
        "Capture when the window gains focus",
    )
    .since(Since::B7)
    .works(),
    OptionSpec::switch(
        "input",
        "grabKeyboard",
        true,
        "Capture takes the keyboard too",
    )
    .short('G')
    .works(),
    OptionSpec::switch(
        "input",
        "grabKeyboardOnFocus",
        false,
        "Take the keyboard whenever focused",
    )
    .works(),
    OptionSpec::switch(
        "input",
        "releaseKeysOnFocusLoss",
        true,
        "Held keys go up when focus leaves",
    )
    .works(),
    OptionSpec::text(
        "input",
        "escapeKey",
        Some("KEY_SCROLLLOCK"),
        "Key that leads key binds",
    )
    .short('m')
    .values("a number below 767 or a KEY_ name; help lists the names")
    .check(check::key)
    .works(),
    OptionSpec::switch(
        "input",
        "ignoreWindowsKeys",
        false,
        "Do not send the Super keys",
    )
    .works(),
    OptionSpec::switch(
        "input",
        "hideCursor",
        true,
        "Hide the local pointer over the view",
    )
    .short('M')
    .works(),
    OptionSpec::int(
        "input",
        "mouseSens",
        0,
        "Pointer sensitivity in capture at start",
    )
    .values("held to -9 to 9")
    .works(),
    OptionSpec::switch("input", "mouseSmoothing", true, "Average small movements").works(),
    OptionSpec::switch("input", "rawMouse", false, "No acceleration in capture").works(),
    OptionSpec::switch(
        "input",
        "mouseRedraw",
        true,
        "Pointer movement causes a redraw",
    )
    .works(),
    OptionSpec::switch(
        "input",
        "autoCapture",
        false,
        "Hold the pointer in when the guest seems to want it",
    ),
    OptionSpec::switch(
        "input",
        "captureOnly",
        false,
        "Send nothing unless captured",
    )
    .works(),
    OptionSpec::int(
        "input",
        "helpMenuDelay",
        200,
        "How long to hold the escape key for help (ms)",
    )
    .works(),
    OptionSpec::text("input", "evdev", None, "Devices to read in capture")
        .values("comma list of devices")
        .since(Since::Head),
    OptionSpec::switch(
        "input",
        "evdevExclusive",
        true,
        "Only those devices in capture",
    )
    .since(Since::Head),
    OptionSpec::switch("input", "mouseTrace", false, "Log pointer decisions").since(Since::Head),
];

pub(super) static SPICE: [OptionSpec; 18] = [
    OptionSpec::switch("spice", "enable", true, "Use the SPICE connection at all")
        .short('s')
        .works(),
    OptionSpec::text("spice", "host", Some("127.0.0.1"), "SPICE server")
        .short('c')
        .values("host or socket path")
        .works(),
    OptionSpec::int("spice", "port", 5900, "Its port")
        .short('p')
        .values("0 to 65535; 0: the host is a unix socket")
        .check(check::port)
        .works(),
    OptionSpec::switch("spice", "input", true, "Keyboard and pointer").works(),
    OptionSpec::switch("spice", "clipboard", true, "Clipboard").works(),
    OptionSpec::switch("spice", "clipboardToVM", true, "Clipboard to the guest")
        .aliases(&["clipboard:toVM"])
        .works(),
    OptionSpec::switch(
        "spice",
        "clipboardToLocal",
        true,
        "Clipboard from the guest",
    )
    .aliases(&["clipboard:toLocal"])
    .works(),
    OptionSpec::switch("spice", "audio", true, "Sound").works(),
    OptionSpec::switch(
        "spice",
        "scaleCursor",
        true,
        "Scale pointer movement to the picture",
    )
    .short('j')
    .aliases(&["input:scaleCursor"])
    .works(),
    OptionSpec::switch("spice", "captureOnStart", false, "Capture at start")
        .aliases(&["input:captureOnStart"])
        .works(),
    OptionSpec::switch(
        "spice",
        "alwaysShowCursor",
        false,
        "Never hide the local pointer",
    )
    .aliases(&["input:alwaysShowCursor"])
    .works(),
    OptionSpec::switch(
        "spice",
        "showCursorDot",
        true,
        "Show a dot while not focused",
    )
    .aliases(&["input:showCursorDot"]),
    OptionSpec::switch("spice", "largeCursorDot", false, "A bigger dot")
        .aliases(&["input:largeCursorDot"])
        .since(Since::B7),
    OptionSpec::switch(
        "spice",
        "waitForServer",
        true,
        "Keep trying while the server is away",
    )
    .since(Since::Head)
    .works(),
    OptionSpec::switch("spice", "usbAudio", true, "Sound by an emulated USB device")
        .since(Since::Head),
    OptionSpec::choice(
        "spice",
        "display",
        &["auto", "force", "off"],
        "auto",
        "When to show the picture of SPICE",
    )
    .since(Since::Ours)
    .works(),
    OptionSpec::text("spice", "password", None, "Ticket for the SPICE server")
        .secret()
        .since(Since::Ours)
        .works(),
    OptionSpec::text("spice", "passwordFile", None, "File that holds the ticket")
        .since(Since::Ours)
        .works(),
];

pub(super) static CLIPBOARD: [OptionSpec; 1] = [OptionSpec::int(
    "clipboard",
    "maxSize",
    64,
    "Largest transfer in either direction (MiB)",
)
.values("1 to 1024")
.check(check::mebibytes)
.since(Since::Ours)
.works()];
