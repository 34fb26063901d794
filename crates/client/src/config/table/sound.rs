//! `audio` and `pipewire`.

use options::{OptionSpec, Since};

pub(super) static AUDIO: [OptionSpec; 8] = [
    OptionSpec::int(
        "audio",
        "periodSize",
        512,
        "Device period to ask for, in samples; 0 is 10 ms. 2048 up to B7: less is sooner heard",
    )
    .values("0, or held to 32 to 8192")
    .since(Since::B6)
    .works(),
    OptionSpec::int(
        "audio",
        "bufferLatency",
        13,
        "Least time to allow for late packets, however early they come (ms)",
    )
    .values("held to 0 to 500")
    .since(Since::B6)
    .works(),
    OptionSpec::int(
        "audio",
        "latencyOffset",
        6,
        "Time to allow on top of the measured lateness of packets (ms)",
    )
    .values("held to 0 to 500")
    .since(Since::Head)
    .works(),
    OptionSpec::choice(
        "audio",
        "micDefault",
        &["prompt", "allow", "deny"],
        "prompt",
        "What to do when the guest opens the microphone",
    )
    .since(Since::B6)
    .works(),
    OptionSpec::switch(
        "audio",
        "micShowIndicator",
        true,
        "Say so on the screen while recording",
    )
    .since(Since::B6)
    .works(),
    OptionSpec::switch(
        "audio",
        "syncVolume",
        true,
        "Follow the guest's volume and mute",
    )
    .since(Since::B7)
    .works(),
    OptionSpec::switch("audio", "debug", false, "Log synchronisation")
        .since(Since::Head)
        .works(),
    OptionSpec::choice(
        "audio",
        "resampler",
        &["auto", "libsamplerate", "backend"],
        "auto",
        "Accepted; the client's own sinc resampler does it, whatever is chosen",
    )
    .since(Since::Head)
    .works(),
];

pub(super) static PIPEWIRE: [OptionSpec; 2] = [
    OptionSpec::text(
        "pipewire",
        "outDevice",
        None,
        "Device to play on; not set: the desktop's default",
    )
    .values("a node's name, with PulseAudio a sink's")
    .since(Since::B7)
    .works(),
    OptionSpec::text(
        "pipewire",
        "recDevice",
        None,
        "Device to record from; not set: the desktop's default",
    )
    .values("a node's name, with PulseAudio a source's")
    .since(Since::B7)
    .works(),
];
