//! `app`: where the picture comes from and how it is drawn.

use options::{OptionSpec, Since};

use crate::config::check;

pub(super) static APP: [OptionSpec; 9] = [
    OptionSpec::text(
        "app",
        "configFile",
        None,
        "Extra ini file, read after everything else",
    )
    .short('C')
    .values("path")
    .works(),
    OptionSpec::choice(
        "app",
        "renderer",
        &["auto", "EGL", "OpenGL", "software"],
        "auto",
        "How the picture is drawn (OpenGL stands for EGL for now)",
    )
    .short('g')
    .works(),
    OptionSpec::switch("app", "license", false, "Print the licence and leave")
        .short('l')
        .works(),
    OptionSpec::int(
        "app",
        "cursorPollInterval",
        1000,
        "Delay between looks at the pointer queue (µs)",
    )
    .values("above 0")
    .aliases(&["lgmp:cursorPollInterval"])
    .works(),
    OptionSpec::int(
        "app",
        "framePollInterval",
        1000,
        "Delay between looks at the frame queue (µs); not set: as the frames come",
    )
    .values("above 0")
    .aliases(&["lgmp:framePollInterval"])
    .works(),
    OptionSpec::switch(
        "app",
        "allowDMA",
        true,
        "Let the GPU read pictures in place, without a copy, if it can",
    )
    .aliases(&["lgmp:allowDMA"])
    .works(),
    OptionSpec::text("app", "shmFile", None, "Shared memory to open")
        .short('f')
        .values("an existing file, kvmfrN, pci, pci:ADDRESS, fd:N")
        .check(check::shared_memory)
        .aliases(&["lgmp:shmDevice"])
        .works(),
    OptionSpec::choice(
        "app",
        "transport",
        &["lgmp", "spice", "test"],
        "lgmp",
        "Source of video and events",
    )
    .since(Since::Head)
    .works(),
    OptionSpec::choice(
        "app",
        "onVmExit",
        &["quit", "wait"],
        "quit",
        "What to do when the virtual machine has ended",
    )
    .since(Since::Ours)
    .works(),
];
