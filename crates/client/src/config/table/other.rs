//! `wayland`, `i3`, and the synthetic source of development builds.

use options::{OptionSpec, Since};

pub(super) static DESKTOPS: [OptionSpec; 3] = [
    OptionSpec::switch("wayland", "warpSupport", true, "Allow pointer warps"),
    OptionSpec::switch(
        "wayland",
        "fractionScale",
        true,
        "Exact scale that is no whole number",
    ),
    OptionSpec::switch(
        "i3",
        "globalFullScreen",
        false,
        "Full screen across all outputs under i3",
    )
    .since(Since::B7),
];

pub(super) static TEST: [OptionSpec; 12] = [
    test(OptionSpec::int(
        "test",
        "width",
        1920,
        "Width of the synthetic source",
    )),
    test(OptionSpec::int("test", "height", 1080, "Its height")),
    test(OptionSpec::int("test", "frameRate", 60, "Its rate")),
    test(OptionSpec::int(
        "test",
        "frameCount",
        0,
        "Its length; 0 is endless",
    )),
    test(OptionSpec::choice(
        "test",
        "format",
        &[
            "bgra", "rgba", "bgr32", "rgb24", "rgba10", "rgba16f", "cycle",
        ],
        "bgra",
        "Its pixel format",
    )),
    test(OptionSpec::choice(
        "test",
        "damage",
        &[
            "moving", "full", "overlap", "max", "invalid", "null", "zero",
        ],
        "moving",
        "Its damage",
    )),
    test(OptionSpec::int(
        "test",
        "stride",
        0,
        "Row length in elements; 0 is packed",
    )),
    test(OptionSpec::switch(
        "test",
        "realtime",
        true,
        "Pace by the clock",
    )),
    test(OptionSpec::switch(
        "test",
        "holdLastFrame",
        false,
        "Stay after the last frame",
    )),
    test(OptionSpec::text(
        "test",
        "captureFile",
        None,
        "File for the composed picture",
    )),
    test(OptionSpec::int(
        "test",
        "captureFrame",
        0,
        "Frame to write there",
    )),
    test(OptionSpec::int(
        "test",
        "captureDelay",
        4,
        "Frames to wait before",
    )),
];

/// In the existing program only its test builds have these.
const fn test(spec: OptionSpec) -> OptionSpec {
    spec.since(Since::Head).hidden()
}
