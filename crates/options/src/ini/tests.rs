use super::*;
use SyntaxErrorKind::*;

fn values(text: &str) -> Vec<(String, String, String)> {
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.errors, [], "{text:?}");
    let triple = |a: Assignment| (a.module, a.name, a.value);
    parsed.assignments.into_iter().map(triple).collect()
}

fn one(text: &str) -> (String, String, String) {
    let mut all = values(text);
    assert_eq!(all.len(), 1, "{text:?}");
    all.remove(0)
}

fn triple(module: &str, name: &str, value: &str) -> (String, String, String) {
    (module.to_owned(), name.to_owned(), value.to_owned())
}

fn error(text: &str) -> (SyntaxErrorKind, u32, u32) {
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.errors.len(), 1, "{text:?}");
    let error = &parsed.errors[0];
    (error.kind, error.line, error.column)
}

#[test]
fn assignments_belong_to_the_section_above() {
    assert_eq!(
        values("[win]\nsize=1x2\n\n[app]\nshmFile=/x\nrenderer=EGL"),
        [
            triple("win", "size", "1x2"),
            triple("app", "shmFile", "/x"),
            triple("app", "renderer", "EGL"),
        ]
    );
}

#[test]
fn first_equals_sign_splits_and_later_ones_belong_to_the_value() {
    assert_eq!(one("[a]\nb=c=d="), triple("a", "b", "c=d="));
}

#[test]
fn blanks_around_name_and_value_are_dropped() {
    assert_eq!(one("[a]\n  b  =  c d  "), triple("a", "b", "c d"));
}

#[test]
fn section_name_is_taken_as_it_is_and_blanks_may_follow() {
    assert_eq!(one("[ a b ]  \nc=d"), triple(" a b ", "c", "d"));
    assert_eq!(one("  [a]\nc=d"), triple("a", "c", "d"));
}

#[test]
fn comments_need_their_own_line_and_may_be_indented() {
    assert_eq!(one("; x\n   ;y=z\n[a]\n;b=c\nd=e"), triple("a", "d", "e"));
    assert_eq!(one("[a]\nb=c ; d"), triple("a", "b", "c ; d"));
}

#[test]
fn hash_is_not_a_comment_and_quotes_mean_nothing() {
    assert_eq!(one("[a]\n#b=c"), triple("a", "#b", "c"));
    assert_eq!(one("[a]\nb=\"c\\n\""), triple("a", "b", "\"c\\n\""));
}

#[test]
fn carriage_returns_tabs_and_byte_order_mark_vanish() {
    assert_eq!(one("\u{feff}[a]\t\r\n\tb\t=\tc\r\n"), triple("a", "b", "c"));
}

#[test]
fn letters_outside_ascii_are_kept() {
    assert_eq!(one("[a]\nb=Größe 🪞"), triple("a", "b", "Größe 🪞"));
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced_and_marked() {
    let parsed = parse(b"[a]\nb=\xffx");
    assert!(parsed.assignments[0].is_lossy);
    assert_eq!(parsed.assignments[0].value, "\u{fffd}x");
}

#[test]
fn empty_value_and_missing_last_newline_are_fine() {
    assert_eq!(
        values("[a]\nb=\nc=d"),
        [triple("a", "b", ""), triple("a", "c", "d")]
    );
}

#[test]
fn errors_name_line_and_column() {
    assert_eq!(error("\n [a"), (UnclosedSection, 2, 3));
    assert_eq!(error("[]"), (EmptySection, 1, 2));
    assert_eq!(error("[a]  x"), (TextAfterSection, 1, 6));
    assert_eq!(error("[a]\n =b"), (MissingName, 2, 2));
    assert_eq!(error("[a]\nfoo"), (MissingAssignment, 2, 1));
    assert_eq!(error("a=b"), (OutsideSection, 1, 1));
}

#[test]
fn error_shows_the_line_itself() {
    let parsed = parse(b"[win]\nfullScreen yes\n");
    assert_eq!(
        parsed.errors[0].to_string(),
        "2:1: there is no = in the line (expected name=value): fullScreen yes"
    );
    let long = format!("{}\n", "x".repeat(5000));
    assert!(parse(long.as_bytes()).errors[0].text.chars().count() < 200);
}

#[test]
fn reading_goes_on_after_an_error_but_not_for_ever() {
    let parsed = parse(b"[a]\nbad\nb=c");
    assert_eq!((parsed.errors.len(), parsed.assignments.len()), (1, 1));
    let parsed = parse("bad\n".repeat(1000).as_bytes());
    assert_eq!(parsed.errors.len(), MOST_ERRORS);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn ini_like_texts_never_panic_and_positions_lie_inside(text in "[\\[\\]=; \ta-c\n\rä]{0,120}") {
        let parsed = parse(text.as_bytes());
        let lines = text.split('\n').count();
        for error in &parsed.errors {
            proptest::prop_assert!(error.line as usize <= lines && error.line > 0 && error.column > 0);
        }
        for assignment in &parsed.assignments {
            proptest::prop_assert_eq!(assignment.value.trim_matches(' '), &assignment.value);
            proptest::prop_assert!(!assignment.name.is_empty() && !assignment.module.is_empty());
        }
    }

    #[test]
    fn written_assignments_read_back(name in "[a-zA-Z]{1,12}", value in "[!-~][ -~]{0,20}[!-~]") {
        let text = format!("[module]\n{name}={value}\n");
        proptest::prop_assert_eq!(one(&text), triple("module", &name, &value));
    }
}
