//! `egl`, `eglFilter` and `opengl`: the renderers.

use options::{OptionSpec, Since};

use crate::config::check;

pub(super) static EGL: [OptionSpec; 15] = [
    OptionSpec::switch("egl", "vsync", false, "Wait for the display").works(),
    OptionSpec::switch(
        "egl",
        "doubleBuffer",
        false,
        "Use two buffers instead of drawing to the front",
    )
    .works(),
    OptionSpec::switch("egl", "multisample", true, "Smooth edges"),
    OptionSpec::int("egl", "nvGainMax", 1, "Highest night vision step"),
    OptionSpec::int("egl", "nvGain", 0, "Night vision step at start"),
    OptionSpec::int("egl", "cbMode", 0, "Colour-blind filter")
        .values("0 off, 1 protan, 2 deutan, 3 tritan"),
    OptionSpec::int("egl", "scale", 0, "How the picture is scaled")
        .values("0 auto, 1 nearest, 2 linear")
        .check(check::scale)
        .works(),
    OptionSpec::switch("egl", "debug", false, "Log the driver's messages").works(),
    OptionSpec::switch("egl", "noBufferAge", false, "Always draw the whole window").works(),
    OptionSpec::switch(
        "egl",
        "noSwapDamage",
        false,
        "Always present the whole window",
    )
    .works(),
    OptionSpec::switch(
        "egl",
        "scalePointer",
        true,
        "Keep the pointer 1:1 when the picture is reduced",
    ),
    OptionSpec::text("egl", "preset", None, "Filter preset at start").values("name of a preset"),
    OptionSpec::switch("egl", "mapHDRtoSDR", true, "Map HDR to the local screen").since(Since::B7),
    OptionSpec::int(
        "egl",
        "peakLuminance",
        250,
        "Brightness of the local screen (nits)",
    )
    .since(Since::B7),
    OptionSpec::int("egl", "maxCLL", 10000, "Brightest content (nits)").since(Since::B7),
];

pub(super) static FILTER: [OptionSpec; 12] = [
    OptionSpec::text("eglFilter", "order", Some(""), "Order of the filters")
        .values("filter ids between semicolons")
        .hidden(),
    OptionSpec::switch("eglFilter", "downscale", false, "Downscaler").hidden(),
    OptionSpec::float(
        "eglFilter",
        "downscalePixelSize",
        2.0,
        "Source pixels for each output pixel",
    )
    .hidden(),
    OptionSpec::float("eglFilter", "downscaleHOffset", 0.0, "Horizontal shift").hidden(),
    OptionSpec::float("eglFilter", "downscaleVOffset", 0.0, "Vertical shift").hidden(),
    OptionSpec::int("eglFilter", "downscaleFilter", 0, "Sampling")
        .values("0 nearest, 1 linear, 2 Lanczos")
        .hidden(),
    OptionSpec::switch("eglFilter", "ffxFSR", false, "Edge-adaptive upscaling").hidden(),
    OptionSpec::float("eglFilter", "ffxFSRSharpness", 1.0, "Its sharpness").hidden(),
    OptionSpec::switch("eglFilter", "ffxCAS", false, "Adaptive sharpening").hidden(),
    OptionSpec::float("eglFilter", "ffxCASSharpness", 0.0, "Its strength").hidden(),
    OptionSpec::text(
        "eglFilter",
        "glslPath",
        Some(""),
        "Directory of the user's shaders",
    )
    .hidden()
    .since(Since::Head),
    OptionSpec::text("eglFilter", "glslEnabled", Some(""), "Which of them are on")
        .hidden()
        .since(Since::Head),
];

pub(super) static OPENGL: [OptionSpec; 4] = [
    OptionSpec::switch("opengl", "mipmap", true, "Better quality when reduced"),
    OptionSpec::switch("opengl", "vsync", false, "Wait for the display"),
    OptionSpec::switch(
        "opengl",
        "preventBuffer",
        true,
        "Stop the driver queueing frames",
    ),
    OptionSpec::switch(
        "opengl",
        "amdPinnedMem",
        true,
        "Use AMD's pinned memory if offered",
    ),
];
