//! Validators of the host's options, and the reading of the values they let through.

use std::io::ErrorKind;

use ivshmem::Source;
use kvmfr::Version;
use options::{Check, Value};
use picture::Rotation;

use super::settings::CaptureChoice;

/// The largest side of a test picture.
pub(super) const LARGEST_SIDE: i64 = 16384;

/// The highest rate of a test picture.
pub(super) const HIGHEST_RATE: i64 = 10_000;

/// Back ends of the existing hosts that this build does not have.
const NOT_BUILT: [&str; 4] = ["pipewire", "D12", "DXGI", "NvFBC"];

/// Finds a back end by its name in any case; empty chooses automatically.
pub(super) fn capture_from(name: &str) -> Option<CaptureChoice> {
    let is = |word: &str| word.eq_ignore_ascii_case(name);
    if name.is_empty() || is("XCB") {
        Some(CaptureChoice::Xcb)
    } else if is("test") {
        Some(CaptureChoice::Test)
    } else {
        None
    }
}

pub(super) fn capture(value: &Value) -> Check {
    let Value::Text(Some(name)) = value else {
        return Check::Good;
    };
    if capture_from(name).is_some() {
        return Check::Good;
    }
    let mut known = NOT_BUILT
        .iter()
        .filter(|word| word.eq_ignore_ascii_case(name));
    Check::Bad(match known.next() {
        Some(word) => format!("the capture back end {word} is not built into this host"),
        None => format!("there is no capture back end \"{name}\""),
    })
}

pub(super) fn shared_memory(value: &Value) -> Check {
    let Value::Text(Some(text)) = value else {
        return Check::Good;
    };
    // Whether a device works is decided by opening it, where the error names the remedy.
    let path = match Source::parse(text) {
        Ok(Source::File(path)) => path,
        Ok(_) => return Check::Good,
        Err(error) => return Check::Bad(error.to_string()),
    };
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Check::Bad(format!("{shown} is a directory")),
        Ok(_) => Check::Good,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Check::Bad(format!("{shown} does not exist"))
        }
        Err(error) => Check::Bad(format!("{shown} cannot be used: {error}")),
    }
}

pub(super) fn version_from(number: i64) -> Option<Version> {
    u32::try_from(number).ok().and_then(Version::from_wire)
}

pub(super) fn version(value: &Value) -> Check {
    judge(
        value,
        |number| version_from(number).is_some(),
        "is no KVMFR version that is spoken here",
    )
}

pub(super) fn rotation_from(degrees: i64) -> Option<Rotation> {
    match degrees {
        0 => Some(Rotation::Deg0),
        90 => Some(Rotation::Deg90),
        180 => Some(Rotation::Deg180),
        270 => Some(Rotation::Deg270),
        _ => None,
    }
}

pub(super) fn rotation(value: &Value) -> Check {
    judge(
        value,
        |degrees| rotation_from(degrees).is_some(),
        "is not a quarter turn",
    )
}

pub(super) fn side(value: &Value) -> Check {
    judge(
        value,
        |side| (1..=LARGEST_SIDE).contains(&side),
        "is not from 1 to 16384",
    )
}

pub(super) fn stride(value: &Value) -> Check {
    let is_good = |stride| (0..=2 * LARGEST_SIDE).contains(&stride);
    judge(value, is_good, "is not from 0 to 32768")
}

pub(super) fn rate(value: &Value) -> Check {
    judge(
        value,
        |rate| (1..=HIGHEST_RATE).contains(&rate),
        "is not from 1 to 10000",
    )
}

pub(super) fn not_negative(value: &Value) -> Check {
    judge(value, |number| number >= 0, "is below 0")
}

pub(super) fn percent(value: &Value) -> Check {
    judge(
        value,
        |share| (0..=100).contains(&share),
        "is not from 0 to 100",
    )
}

fn judge(value: &Value, is_good: impl Fn(i64) -> bool, reason: &str) -> Check {
    match value {
        Value::Int(number) if is_good(*number) => Check::Good,
        other => Check::Bad(format!("{other} {reason}")),
    }
}
