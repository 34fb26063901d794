//! What users, files and command lines hand over.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use ivshmem::Source;
use options::{FlagSpec, OptionSpec, Options, ini};

/// One option of each kind.
static TABLE: [OptionSpec; 4] = [
    OptionSpec::switch("win", "fullScreen", false, "a switch")
        .short('F')
        .works(),
    OptionSpec::int("win", "fpsMin", -1, "a number")
        .short('K')
        .works(),
    OptionSpec::text("win", "title", Some("Looking Glass"), "a text").works(),
    OptionSpec::float("egl", "peakLuminance", 250.0, "a fraction").works(),
];
static FLAGS: [FlagSpec; 2] = [
    FlagSpec::new("headless", "a flag").letters(&['h']),
    FlagSpec::new("stats", "a flag with a value").value("FILE"),
];

fn check(mut options: Options) {
    assert!(
        options.take_notices().len() <= 101,
        "notices without an end"
    );
    if let Err(faults) = options.check() {
        assert!(!faults.to_string().is_empty());
    }
}

/// A configuration file.
pub fn options_ini(data: &[u8]) {
    let parsed = ini::parse(data);
    assert!(parsed.errors.len() <= ini::MOST_ERRORS);
    for assignment in &parsed.assignments {
        let texts = [&assignment.module, &assignment.name, &assignment.value];
        assert!(
            !texts
                .into_iter()
                .any(|text| text.contains(char::is_control))
        );
    }
    let mut options = Options::new(&TABLE);
    if let Err(broken) = options.apply_ini(Path::new("fuzz.ini"), data) {
        assert!(!broken.to_string().is_empty());
    }
    check(options);
}

/// A command line, one argument a line.
pub fn options_arguments(data: &[u8]) {
    let arguments: Vec<OsString> = data
        .split(|byte| *byte == b'\n')
        .map(|text| OsString::from_vec(text.to_vec()))
        .collect();
    let mut options = Options::new(&TABLE);
    let flags = options.apply_arguments(&arguments, &FLAGS);
    assert!(flags.incomplete().len() <= arguments.len());
    check(options);
}

/// The name of a shared memory.
pub fn shm_source(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(source) = Source::parse(name) {
        assert_eq!(Source::parse(&source.to_string()), Ok(source));
    }
}

/// A picture in a file.
pub fn png_decode(data: &[u8]) {
    if let Ok(image) = picture::png::decode(data) {
        assert_eq!(image.bytes().len() as u64, image.size().area() * 3);
    }
}
