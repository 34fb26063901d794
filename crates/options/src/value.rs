//! Values and how they are read from text (section 3 of the specification).

use std::fmt;

use crate::spec::Kind;

const TRUE_WORDS: [&str; 4] = ["1", "on", "yes", "true"];
const FALSE_WORDS: [&str; 5] = ["", "0", "off", "no", "false"];

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a boolean.
    Bool(bool),
    /// Of a whole number.
    Int(i64),
    /// Of a number with a fraction.
    Float(f64),
    /// Of a text or a choice; `None` is "not set".
    Text(Option<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("yes"),
            Self::Bool(false) => f.write_str("no"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(Some(value)) => f.write_str(value),
            Self::Text(None) => Ok(()),
        }
    }
}

/// A value that was understood, and what was strange about its text.
#[derive(Debug, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) value: Value,
    pub(crate) oddity: Option<String>,
}

/// Reads `text` as the type of `kind`; the error is the reason for a refusal.
pub(crate) fn parse(kind: Kind, text: &str) -> Result<Parsed, String> {
    let good = |value| Parsed {
        value,
        oddity: None,
    };
    match kind {
        Kind::Bool(_) => Ok(parse_bool(text)),
        Kind::Int(_) => Ok(parse_int(text)),
        Kind::Float(_) => Ok(parse_float(text)),
        Kind::Text(_) => Ok(good(Value::Text(Some(text.to_owned())))),
        Kind::Choice { values, .. } => values
            .iter()
            .find(|word| word.eq_ignore_ascii_case(text))
            .map(|word| good(Value::Text(Some((*word).to_owned()))))
            .ok_or_else(|| format!("\"{text}\" is not one of the allowed values")),
    }
}

fn parse_bool(text: &str) -> Parsed {
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    let value = is_one_of(&TRUE_WORDS);
    let oddity = (!value && !is_one_of(&FALSE_WORDS))
        .then(|| format!("\"{text}\" is neither yes nor no and is read as no"));
    Parsed {
        value: Value::Bool(value),
        oddity,
    }
}

fn parse_int(text: &str) -> Parsed {
    let (value, rest) = leading_int(text);
    let oddity = (!rest.is_empty() || text.is_empty())
        .then(|| format!("\"{text}\" is not a whole number and is read as {value}"));
    Parsed {
        value: Value::Int(value),
        oddity,
    }
}

/// Reads a whole number as far as the digits go, as `strtol` does, and returns what is left.
///
/// No digits are 0, with all of `text` left; a number too large for the type ends at its limit.
#[must_use]
pub fn leading_int(text: &str) -> (i64, &str) {
    let trimmed = text.trim_start();
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let rest = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == unsigned.len() {
        return (0, text);
    }
    let is_negative = trimmed.starts_with('-');
    let digits = unsigned.strip_suffix(rest).unwrap_or(unsigned);
    let value = digits.bytes().fold(0_i64, |sum, digit| {
        let digit = i64::from(digit - b'0');
        let sum = sum.saturating_mul(10);
        if is_negative {
            sum.saturating_sub(digit)
        } else {
            sum.saturating_add(digit)
        }
    });
    (value, rest)
}

fn parse_float(text: &str) -> Parsed {
    let trimmed = text.trim_start();
    let length = float_length(trimmed.as_bytes());
    let (number, rest) = trimmed.split_at_checked(length).unwrap_or(("", trimmed));
    let value: f64 = number.parse().unwrap_or(0.0);
    let oddity = (!rest.is_empty() || number.is_empty())
        .then(|| format!("\"{text}\" is not a number and is read as {value:?}"));
    Parsed {
        value: Value::Float(value),
        oddity,
    }
}

/// Counts the bytes at the start that make up a decimal number; 0 if there is none.
fn float_length(bytes: &[u8]) -> usize {
    let digits_from = |start: usize| {
        let run = bytes.iter().skip(start);
        run.take_while(|byte| byte.is_ascii_digit()).count()
    };
    let is_sign = |at: usize| matches!(bytes.get(at), Some(b'+' | b'-'));
    let mut end = usize::from(is_sign(0));
    let whole = digits_from(end);
    end += whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits_from(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let start = end + 1 + usize::from(is_sign(end + 1));
        let exponent = digits_from(start);
        if exponent > 0 {
            end = start + exponent;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Kind, text: &str) -> (Value, bool) {
        let parsed = parse(kind, text).unwrap();
        (parsed.value, parsed.oddity.is_some())
    }

    #[test]
    fn four_words_are_true_in_any_case_and_all_else_is_false() {
        for text in ["1", "on", "ON", "yes", "Yes", "true", "TRUE"] {
            assert_eq!(value(Kind::Bool(false), text), (Value::Bool(true), false));
        }
        for text in ["", "0", "no", "Off", "FALSE"] {
            assert_eq!(value(Kind::Bool(true), text), (Value::Bool(false), false));
        }
        for text in ["2", "y", "yes ", "enabled", "01"] {
            assert_eq!(value(Kind::Bool(true), text), (Value::Bool(false), true));
        }
    }

    #[test]
    fn integers_are_read_as_far_as_the_digits_go() {
        let cases = [
            ("12", 12, false),
            ("-1", -1, false),
            ("+3", 3, false),
            (" 7", 7, false),
            ("12ms", 12, true),
            ("0x10", 0, true),
            ("", 0, true),
            ("abc", 0, true),
            ("-", 0, true),
            ("99999999999999999999", i64::MAX, false),
            ("-99999999999999999999", i64::MIN, false),
        ];
        for (text, expected, is_odd) in cases {
            let expected = (Value::Int(expected), is_odd);
            assert_eq!(value(Kind::Int(5), text), expected, "{text}");
        }
    }

    #[test]
    fn floats_are_read_as_far_as_they_go() {
        let cases = [
            ("2.0", 2.0, false),
            ("-.5", -0.5, false),
            ("3.", 3.0, false),
            ("1e2", 100.0, false),
            ("1e", 1.0, true),
            ("1.5px", 1.5, true),
            (".", 0.0, true),
            ("nan", 0.0, true),
            ("", 0.0, true),
        ];
        for (text, expected, is_odd) in cases {
            let expected = (Value::Float(expected), is_odd);
            assert_eq!(value(Kind::Float(9.0), text), expected, "{text}");
        }
    }

    #[test]
    fn choices_ignore_case_and_come_back_as_declared() {
        let kind = Kind::Choice {
            values: &["auto", "EGL"],
            default: "auto",
        };
        let egl = Value::Text(Some("EGL".to_owned()));
        assert_eq!(value(kind, "egl"), (egl, false));
        assert!(parse(kind, "vulkan").is_err());
        assert!(parse(kind, "").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_number_parser_panic(text in ".{0,40}") {
            let _ = parse(Kind::Int(0), &text);
            let _ = parse(Kind::Float(0.0), &text);
            let _ = parse(Kind::Bool(false), &text);
        }

        #[test]
        fn printed_numbers_read_back(int: i64, float in -1e6_f64..1e6) {
            proptest::prop_assert_eq!(value(Kind::Int(0), &int.to_string()), (Value::Int(int), false));
            let text = Value::Float(float).to_string();
            proptest::prop_assert_eq!(value(Kind::Float(0.0), &text), (Value::Float(float), false));
        }
    }
}
