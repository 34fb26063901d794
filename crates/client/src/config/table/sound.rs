//! `audio` and `pipewire`.

use options::{OptionSpec, Since};

pub(super) static AUDIO: [OptionSpec; 8] = [
    OptionSpec::int(
        "audio",
        "periodSize",
        2048,
        "Device period to ask for (samples)",
    )
    .since(Since::B6),
    OptionSpec::int("audio", "bufferLatency", 13, "Extra buffering (ms)").since(Since::B6),
    OptionSpec::int(
        "audio",
        "latencyOffset",
        6,
        "Added to the least latency (ms)",
    )
    .since(Since::Head),
    OptionSpec::choice(
        "audio",
        "micDefault",
        &["prompt", "allow", "deny"],
        "prompt",
        "What to do when the guest opens the microphone",
    )
    .since(Since::B6),
    OptionSpec::switch(
        "audio",
        "micShowIndicator",
        true,
        "Show an icon while recording",
    )
    .since(Since::B6),
    OptionSpec::switch("audio", "syncVolume", true, "Follow the guest's volume").since(Since::B7),
    OptionSpec::switch("audio", "debug", false, "Log synchronisation").since(Since::Head),
    OptionSpec::choice(
        "audio",
        "resampler",
        &["auto", "libsamplerate", "backend"],
        "auto",
        "Who resamples",
    )
    .since(Since::Head),
];

pub(super) static PIPEWIRE: [OptionSpec; 2] = [
    OptionSpec::text("pipewire", "outDevice", None, "Playback target").since(Since::B7),
    OptionSpec::text("pipewire", "recDevice", None, "Recording target").since(Since::B7),
];
