//! `app` and `test`: what the host on Linux has.

use options::{OptionSpec, Since};

use crate::config::check;

pub(super) static APP: [OptionSpec; 4] = [
    OptionSpec::text(
        "app",
        "capture",
        Some(""),
        "Capture back end; empty chooses by itself",
    )
    .values("XCB, test")
    .check(check::capture)
    .works(),
    OptionSpec::int(
        "app",
        "throttleFPS",
        0,
        "Highest capture rate; 0 is no limit",
    )
    .check(check::not_negative)
    .works(),
    OptionSpec::text("app", "shmFile", None, "Shared memory to open")
        .short('f')
        .values("an existing file, kvmfrN, pci, pci:ADDRESS, fd:N")
        .check(check::shared_memory)
        .works(),
    OptionSpec::int("app", "kvmfrVersion", 20, "Protocol version to speak")
        .values("16, 19, 20")
        .check(check::version)
        .since(Since::Ours)
        .works(),
];

pub(super) static TEST: [OptionSpec; 11] = [
    test(OptionSpec::int(
        "test",
        "width",
        1920,
        "Width of the test pattern",
    ))
    .check(check::side),
    test(OptionSpec::int("test", "height", 1080, "Its height")).check(check::side),
    test(OptionSpec::int("test", "frameRate", 60, "Its rate")).check(check::rate),
    test(OptionSpec::int(
        "test",
        "frameCount",
        0,
        "Its length in frames; 0 is endless",
    ))
    .check(check::not_negative),
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
        "Its row length in elements; 0 is packed",
    ))
    .check(check::stride),
    test(OptionSpec::switch(
        "test",
        "hdr",
        false,
        "Mark it as HDR where the format allows",
    ))
    .since(Since::Ours),
    test(OptionSpec::int(
        "test",
        "rotation",
        0,
        "The turn it asks the client for",
    ))
    .values("0, 90, 180, 270")
    .check(check::rotation)
    .since(Since::Ours),
    test(OptionSpec::choice(
        "test",
        "pointer",
        &["none", "colour", "mono", "masked", "cycle"],
        "colour",
        "Its pointer",
    ))
    .since(Since::Ours),
    test(OptionSpec::int(
        "test",
        "damageShare",
        0,
        "Percent of it that changes; 0 is what moves by itself",
    ))
    .check(check::percent)
    .since(Since::Ours),
];

const fn test(spec: OptionSpec) -> OptionSpec {
    spec.since(Since::Head).works()
}
