//! `os`, `dxgi`, `nvfbc` and `d12`: known, so that one file can serve all guests.

use options::{OptionSpec, Since};

pub(super) static OS: [OptionSpec; 4] = [
    OptionSpec::int("os", "shmDevice", 0, "Which IVSHMEM device").other_system(),
    OptionSpec::text("os", "logFile", None, "Log file")
        .values("stderr: no file")
        .other_system(),
    OptionSpec::text("os", "exitEvent", Some(""), "Event that ends the host").other_system(),
    b7(OptionSpec::switch(
        "os",
        "ods",
        false,
        "Also log debugger strings",
    )),
];

pub(super) static DXGI: [OptionSpec; 11] = [
    OptionSpec::text("dxgi", "adapter", None, "Graphics card")
        .values("part of the name")
        .other_system(),
    OptionSpec::text("dxgi", "output", None, "Its output")
        .values("part of the name")
        .other_system(),
    OptionSpec::int("dxgi", "maxTextures", 4, "Frames in flight").other_system(),
    OptionSpec::switch(
        "dxgi",
        "useAcquireLock",
        true,
        "Lock around frame acquisition",
    )
    .other_system(),
    OptionSpec::switch("dxgi", "dwmFlush", false, "Wait for the compositor").other_system(),
    OptionSpec::switch("dxgi", "disableDamage", false, "Copy full frames").other_system(),
    OptionSpec::switch("dxgi", "debug", false, "Validation layer").other_system(),
    OptionSpec::choice(
        "dxgi",
        "copyBackend",
        &["d3d11", "d3d12"],
        "d3d11",
        "Copy path",
    )
    .other_system(),
    OptionSpec::float(
        "dxgi",
        "d3d12CopySleep",
        5.0,
        "Wait before the d3d12 copy (ms)",
    )
    .other_system(),
    OptionSpec::text("dxgi", "downsample", None, "Reduce big pictures")
        .values(DOWNSAMPLE)
        .since(Since::B6)
        .other_system(),
    b7(OptionSpec::switch(
        "dxgi",
        "allowRGB24",
        true,
        "Pack to 24 bits",
    )),
];

pub(super) static NVFBC: [OptionSpec; 6] = [
    OptionSpec::switch("nvfbc", "decoupleCursor", true, "Pointer apart from frames").other_system(),
    OptionSpec::int("nvfbc", "diffRes", 128, "Size of difference blocks").other_system(),
    OptionSpec::int("nvfbc", "adapterIndex", -1, "Graphics card")
        .values("-1: try each")
        .other_system(),
    OptionSpec::switch("nvfbc", "dwmFlush", false, "Wait for the compositor").other_system(),
    OptionSpec::text("nvfbc", "downsample", None, "Reduce big pictures")
        .values(DOWNSAMPLE)
        .since(Since::B6)
        .other_system(),
    b7(OptionSpec::switch(
        "nvfbc",
        "noHDR",
        true,
        "SDR even if HDR",
    )),
];

pub(super) static D12: [OptionSpec; 8] = [
    b7(OptionSpec::text("d12", "adapter", None, "Graphics card")).values("part of the name"),
    b7(OptionSpec::text("d12", "output", None, "Its output")).values("part of the name"),
    b7(OptionSpec::switch(
        "d12",
        "trackDamage",
        true,
        "Copy what changed",
    )),
    b7(OptionSpec::switch("d12", "debug", false, "Validation")),
    b7(OptionSpec::switch(
        "d12",
        "indirectCopy",
        false,
        "Avoid direct writes to the memory",
    )),
    b7(OptionSpec::switch(
        "d12",
        "HDR16to10",
        true,
        "Half float to 10 bit",
    )),
    b7(OptionSpec::switch(
        "d12",
        "allowRGB24",
        false,
        "Pack to 24 bits",
    )),
    b7(OptionSpec::text(
        "d12",
        "downsample",
        None,
        "Reduce big pictures",
    ))
    .values(DOWNSAMPLE),
];

const DOWNSAMPLE: &str = "comma list of [>]WxH:TWxTH";

const fn b7(spec: OptionSpec) -> OptionSpec {
    spec.since(Since::B7).other_system()
}
