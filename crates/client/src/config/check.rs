//! Validators of the client's options, and the reading of the values they let through.

use std::io::ErrorKind;

use ivshmem::Source;
use options::{Check, Value, leading_int};
use picture::{BufferPoint, Rotation, ScaleFilter, Size};

use super::keys;

/// Beyond this no window system can go: X11 has 16-bit coordinates.
const LARGEST_SIDE: i64 = 32767;

/// Reads `<w>x<h>`; text after it is returned too.
pub(super) fn parse_size(text: &str) -> Option<(Size, &str)> {
    let (width, height, rest) = parse_pair(text)?;
    let side = |value: i64| {
        u32::try_from(value.min(LARGEST_SIDE))
            .ok()
            .filter(|side| *side > 0)
    };
    Some((Size::new(side(width)?, side(height)?), rest))
}

/// Reads `center` (`None`) or `<x>x<y>`; text after it is returned too.
pub(super) fn parse_position(text: &str) -> Option<(Option<BufferPoint>, &str)> {
    if text.eq_ignore_ascii_case("center") {
        return Some((None, ""));
    }
    let (x, y, rest) = parse_pair(text)?;
    let (x, y) = (i32::try_from(x).ok()?, i32::try_from(y).ok()?);
    Some((Some(BufferPoint { x, y }), rest))
}

/// Reads two whole numbers with an `x` between them.
fn parse_pair(text: &str) -> Option<(i64, i64, &str)> {
    let (first, rest) = some_int(text)?;
    let (second, rest) = some_int(rest.strip_prefix(['x', 'X'])?)?;
    Some((first, second, rest))
}

/// Reads a whole number that has at least one digit.
fn some_int(text: &str) -> Option<(i64, &str)> {
    let (value, rest) = leading_int(text);
    (rest.len() < text.len()).then_some((value, rest))
}

pub(super) fn size(value: &Value) -> Check {
    let reason = "is not a size such as 1024x768";
    leading(value, |text| parse_size(text).map(|(_, rest)| rest), reason)
}

pub(super) fn position(value: &Value) -> Check {
    let reason = "is neither center nor a position such as 10x20";
    leading(
        value,
        |text| parse_position(text).map(|(_, rest)| rest),
        reason,
    )
}

/// Judges a text of which `parse` reads the start and returns the rest.
fn leading(value: &Value, parse: impl Fn(&str) -> Option<&str>, reason: &str) -> Check {
    let text = text_of(value);
    match parse(text) {
        Some("") => Check::Good,
        Some(rest) => Check::Odd(format!("\"{rest}\" at the end of \"{text}\" is ignored")),
        None => Check::Bad(format!("\"{text}\" {reason}")),
    }
}

fn text_of(value: &Value) -> &str {
    match value {
        Value::Text(Some(text)) => text,
        _ => "",
    }
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
    match value {
        Value::Int(degrees) if rotation_from(*degrees).is_some() => Check::Good,
        other => Check::Bad(format!("{other} is not a quarter turn")),
    }
}

pub(super) fn scale_from(number: i64) -> Option<ScaleFilter> {
    match number {
        0 => Some(ScaleFilter::Auto),
        1 => Some(ScaleFilter::Nearest),
        2 => Some(ScaleFilter::Linear),
        _ => None,
    }
}

pub(super) fn scale(value: &Value) -> Check {
    match value {
        Value::Int(number) if scale_from(*number).is_some() => Check::Good,
        other => Check::Bad(format!("there is no scaling {other}")),
    }
}

pub(super) fn key(value: &Value) -> Check {
    let text = text_of(value);
    if keys::code(text).is_some() {
        return Check::Good;
    }
    let names: Vec<&str> = keys::all().map(|(_, name)| name).collect();
    let reason = if text.eq_ignore_ascii_case("help") {
        String::from("help was asked for")
    } else {
        format!("\"{text}\" is no key")
    };
    Check::Bad(format!("{reason}; the names are: {}", names.join(" ")))
}

pub(super) fn port(value: &Value) -> Check {
    within(value, 0..=65535, "is no port")
}

pub(super) fn mebibytes(value: &Value) -> Check {
    within(value, 1..=1024, "is not from 1 to 1024")
}

fn within(value: &Value, range: std::ops::RangeInclusive<i64>, reason: &str) -> Check {
    match value {
        Value::Int(number) if range.contains(number) => Check::Good,
        other => Check::Bad(format!("{other} {reason}")),
    }
}

pub(super) fn shared_memory(value: &Value) -> Check {
    // Whether a device works is decided by opening it, where the error names the remedy.
    let path = match Source::parse(text_of(value)) {
        Ok(Source::File(path)) => path,
        Ok(_) => return Check::Good,
        Err(error) => return Check::Bad(error.to_string()),
    };
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Check::Bad(format!("{shown} is a directory")),
        Ok(_) => Check::Good,
        Err(error) if error.kind() == ErrorKind::NotFound => Check::Bad(format!(
            "{shown} does not exist; QEMU creates it when the virtual machine starts"
        )),
        Err(error) => Check::Bad(format!("{shown} cannot be used: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(Some(text.to_owned()))
    }

    #[test]
    fn sizes_have_two_sides_of_at_least_one() {
        assert_eq!(parse_size("800x600"), Some((Size::new(800, 600), "")));
        assert_eq!(parse_size("1x1@60"), Some((Size::new(1, 1), "@60")));
        assert_eq!(parse_size("99999999999x1"), Some((Size::new(32767, 1), "")));
        for bad in ["", "800", "800x", "x600", "0x5", "5x-1", "a x b", "800*600"] {
            assert!(matches!(size(&text(bad)), Check::Bad(_)), "{bad}");
        }
        assert_eq!(size(&text("1024x768")), Check::Good);
        assert!(matches!(size(&text("1024x768 ")), Check::Odd(_)));
    }

    #[test]
    fn positions_may_be_negative_or_the_centre() {
        let at = |x, y| Some((Some(BufferPoint { x, y }), ""));
        assert_eq!(parse_position("10x20"), at(10, 20));
        assert_eq!(parse_position("-10x-20"), at(-10, -20));
        assert_eq!(parse_position("Center"), Some((None, "")));
        for bad in ["middle", "10", "99999999999x1"] {
            assert!(matches!(position(&text(bad)), Check::Bad(_)), "{bad}");
        }
    }

    #[test]
    fn only_quarter_turns_and_known_scalings_pass() {
        for degrees in -1..=360 {
            let is_good = rotation(&Value::Int(degrees)) == Check::Good;
            assert_eq!(is_good, [0, 90, 180, 270].contains(&degrees));
        }
        for number in -2..=4 {
            assert_eq!(
                scale(&Value::Int(number)) == Check::Good,
                (0..=2).contains(&number)
            );
        }
    }

    #[test]
    fn memory_is_an_existing_file_or_a_described_device() {
        for good in [
            "kvmfr0",
            "kvmfr12",
            "pci",
            "pci:0000:00:04.0",
            "fd:3",
            "/dev/null",
        ] {
            assert_eq!(shared_memory(&text(good)), Check::Good, "{good}");
        }
        for bad in ["", "/", "/nowhere/at/all", "fd:x", "pci:zz"] {
            assert!(matches!(shared_memory(&text(bad)), Check::Bad(_)), "{bad}");
        }
    }

    #[test]
    fn bad_key_lists_the_names() {
        assert_eq!(key(&text("KEY_F12")), Check::Good);
        assert_eq!(key(&text("97")), Check::Good);
        for bad in ["help", "KEY_NOTHING", "", "767"] {
            match key(&text(bad)) {
                Check::Bad(reason) => assert!(reason.contains(" KEY_SCROLLLOCK "), "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
}
