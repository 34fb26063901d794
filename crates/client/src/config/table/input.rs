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
    .since(Since::B7),
    OptionSpec::switch(
        "input",
        "grabKeyboard",
        true,
        "Capture takes the keyboard too",
    )
    .short('G'),
    OptionSpec::switch(
        "input",
        "grabKeyboardOnFocus",
        false,
        "Take the keyboard whenever focused",
    ),
    OptionSpec::switch(
        "input",
        "releaseKeysOnFocusLoss",
        true,
        "Held keys go up when focus leaves",
    ),
    OptionSpec::text(
        "input",
        "escapeKey",
        Some("KEY_SCROLLLOCK"),
        "Key that leads key binds",
    )
    .short('m')
    .values("a number below 767 or a KEY_ name; help lists the names")
    .check(check::key),
    OptionSpec::switch(
        "input",
        "ignoreWindowsKeys",
        false,
        "Do not send the Super keys",
    ),
    OptionSpec::switch(
        "input",
        "hideCursor",
        true,
        "Hide the local pointer over the view",
    )
    .short('M'),
    OptionSpec::int(
        "input",
        "mouseSens",
        0,
        "Pointer sensitivity in capture at start",
    )
    .values("-9 to 9"),
    OptionSpec::switch("input", "mouseSmoothing", true, "Average small movements"),
    OptionSpec::switch("input", "rawMouse", false, "No acceleration in capture"),
    OptionSpec::switch(
        "input",
        "mouseRedraw",
        true,
        "Pointer movement causes a redraw",
    ),
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
    ),
    OptionSpec::int(
        "input",
        "helpMenuDelay",
        200,
        "How long to hold the escape key for help (ms)",
    ),
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
    OptionSpec::switch("spice", "enable", true, "Use the SPICE connection at all").short('s'),
    OptionSpec::text("spice", "host", Some("127.0.0.1"), "SPICE server")
        .short('c')
        .values("host or socket path"),
    OptionSpec::int("spice", "port", 5900, "Its port")
        .short('p')
        .values("0: the host is a unix socket"),
    OptionSpec::switch("spice", "input", true, "Keyboard and pointer"),
    OptionSpec::switch("spice", "clipboard", true, "Clipboard"),
    OptionSpec::switch("spice", "clipboardToVM", true, "Clipboard to the guest")
        .aliases(&["clipboard:toVM"]),
    OptionSpec::switch(
        "spice",
        "clipboardToLocal",
        true,
        "Clipboard from the guest",
    )
    .aliases(&["clipboard:toLocal"]),
    OptionSpec::switch("spice", "audio", true, "Sound"),
    OptionSpec::switch(
        "spice",
        "scaleCursor",
        true,
        "Scale pointer movement to the picture",
    )
    .short('j')
    .aliases(&["input:scaleCursor"]),
    OptionSpec::switch("spice", "captureOnStart", false, "Capture at start")
        .aliases(&["input:captureOnStart"]),
    OptionSpec::switch(
        "spice",
        "alwaysShowCursor",
        false,
        "Never hide the local pointer",
    )
    .aliases(&["input:alwaysShowCursor"]),
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
    .since(Since::Head),
    OptionSpec::switch("spice", "usbAudio", true, "Sound by an emulated USB device")
        .since(Since::Head),
    OptionSpec::choice(
        "spice",
        "display",
        &["auto", "force", "off"],
        "auto",
        "When to show the picture of SPICE",
    )
    .since(Since::Ours),
    OptionSpec::text("spice", "password", None, "Ticket for the SPICE server")
        .secret()
        .since(Since::Ours),
    OptionSpec::text("spice", "passwordFile", None, "File that holds the ticket")
        .since(Since::Ours),
];

pub(super) static CLIPBOARD: [OptionSpec; 1] = [OptionSpec::int(
    "clipboard",
    "maxSize",
    64,
    "Largest transfer in either direction (MiB)",
)
.since(Since::Ours)];
