use super::*;
use crate::arguments::{FlagSpec, Flags};
use crate::notice::Level;

fn quarter(value: &Value) -> Check {
    match value {
        Value::Int(0 | 90 | 180 | 270) => Check::Good,
        Value::Int(360) => Check::Odd("a full turn is no turn".to_owned()),
        other => Check::Bad(format!("{other} is not a quarter turn")),
    }
}

static TABLE: [OptionSpec; 9] = [
    OptionSpec::switch("win", "fullScreen", false, "Full screen")
        .short('F')
        .works(),
    OptionSpec::switch("win", "alerts", true, "Alerts")
        .short('q')
        .works(),
    OptionSpec::int("win", "rotate", 0, "Turn")
        .values("0, 90, 180, 270")
        .check(quarter)
        .works(),
    OptionSpec::int("win", "fpsMin", -1, "Lowest rate").short('K'),
    OptionSpec::text("win", "title", Some("Title"), "Title").works(),
    OptionSpec::text("app", "shmFile", None, "Memory")
        .short('f')
        .aliases(&["lgmp:shmDevice"])
        .works(),
    OptionSpec::choice("app", "renderer", &["auto", "EGL"], "auto", "Renderer")
        .short('g')
        .works(),
    OptionSpec::float("egl", "gain", 1.0, "Gain").hidden(),
    OptionSpec::text("dxgi", "adapter", None, "Card").other_system(),
];

static FLAGS: [FlagSpec; 2] = [
    FlagSpec::new("help", "Help").letters(&['h', 'H']),
    FlagSpec::new("stats", "Statistics").value("FILE"),
];

fn options() -> Options {
    Options::new(&TABLE)
}

fn with_file(text: &str) -> Options {
    let mut options = options();
    options
        .apply_ini(Path::new("/f.ini"), text.as_bytes())
        .unwrap();
    options
}

fn arguments(options: &mut Options, arguments: &[&str]) -> Flags {
    let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
    options.apply_arguments(&arguments, &FLAGS)
}

fn with_arguments(given: &[&str]) -> Options {
    let mut options = options();
    arguments(&mut options, given);
    options
}

fn warnings(options: &mut Options) -> Vec<String> {
    let notices = options.take_notices().into_iter();
    let warnings = notices.filter(|notice| notice.level == Level::Warning);
    warnings.map(|notice| notice.text).collect()
}

#[test]
fn defaults_hold_until_somebody_sets_them() {
    let options = options();
    assert!(options.bool("win:alerts"));
    assert_eq!(options.int("win:fpsMin"), -1);
    assert_eq!(options.float("egl:gain"), 1.0);
    assert_eq!(options.text("app:shmFile"), None);
    assert_eq!(options.text("win:title"), Some("Title"));
    assert!(!options.is_set("win:alerts"));
}

#[test]
fn machine_default_does_not_count_as_set() {
    let mut options = options();
    options.set_default("app:shmFile", Value::Text(Some("/dev/kvmfr0".to_owned())));
    assert_eq!(options.text("app:shmFile"), Some("/dev/kvmfr0"));
    assert!(!options.is_set("app:shmFile"));
}

#[test]
fn later_source_wins_option_by_option() {
    let mut options = with_file("[win]\nrotate=90\ntitle=File\n");
    options
        .apply_ini(Path::new("/g.ini"), b"[WIN]\nROTATE=180\n")
        .unwrap();
    arguments(&mut options, &["win:fpsMin=3"]);
    assert_eq!(options.int("win:rotate"), 180);
    assert_eq!(options.text("win:title"), Some("File"));
    assert_eq!(options.int("win:fpsMin"), 3);
    assert_eq!(options.origin("win:rotate").to_string(), "/g.ini:2");
    assert_eq!(options.origin("win:title").to_string(), "/f.ini:3");
    assert_eq!(options.origin("win:fpsMin").to_string(), "argument 1");
    assert_eq!(options.origin("win:alerts").to_string(), "default");
}

#[test]
fn last_of_a_repeated_key_wins() {
    assert_eq!(
        with_file("[win]\ntitle=a\ntitle=b").text("win:title"),
        Some("b")
    );
}

#[test]
fn alias_is_the_same_option() {
    let mut options = with_file("[lgmp]\nshmDevice=/a\n");
    assert_eq!(options.text("app:shmFile"), Some("/a"));
    options
        .apply_ini(Path::new("/g.ini"), b"[app]\nshmFile=/b")
        .unwrap();
    assert_eq!(options.text("lgmp:shmDevice"), Some("/b"));
    arguments(&mut options, &["lgmp:shmDevice=/c"]);
    assert_eq!(options.text("app:shmFile"), Some("/c"));
    assert_eq!(options.take_notices(), []);
}

#[test]
fn empty_text_can_be_set_in_a_file_only() {
    assert_eq!(with_file("[win]\ntitle=").text("win:title"), Some(""));
    for given in ["win:title=", "win:title=  "] {
        let mut options = with_arguments(&[given]);
        assert_eq!(options.text("win:title"), Some("Title"));
        assert_eq!(
            warnings(&mut options),
            ["argument 1: win:title needs a value and is ignored"]
        );
    }
}

#[test]
fn boolean_alone_flips_what_the_files_set() {
    let mut options = with_file("[win]\nfullScreen=yes\n");
    arguments(&mut options, &["win:fullScreen", "-q"]);
    assert!(!options.bool("win:fullScreen"));
    assert!(!options.bool("win:alerts"));
    arguments(&mut options, &["-F", "-F", "-F"]);
    assert!(options.bool("win:fullScreen"));
}

#[test]
fn other_types_alone_miss_their_value() {
    let mut options = with_arguments(&["win:rotate", "-f"]);
    assert_eq!(options.int("win:rotate"), 0);
    assert_eq!(
        warnings(&mut options),
        [
            "argument 1: win:rotate needs a value and is ignored",
            "argument 3: -f needs a value and is ignored"
        ]
    );
}

#[test]
fn letter_takes_the_next_argument_whatever_it_is() {
    let options = with_arguments(&["-K", "-1", "-f", "-F", "win:title=a=b"]);
    assert_eq!(options.int("win:fpsMin"), -1);
    assert_eq!(options.text("app:shmFile"), Some("-F"));
    assert!(!options.bool("win:fullScreen"));
    assert_eq!(options.text("win:title"), Some("a=b"));
}

#[test]
fn values_are_trimmed_on_the_command_line() {
    assert_eq!(
        with_arguments(&["win:title= a b "]).text("win:title"),
        Some("a b")
    );
}

#[test]
fn strange_arguments_are_warned_about_and_ignored() {
    let given = [
        "--",
        "-",
        "--nothing",
        "-abc",
        "-Z",
        "word",
        "win:nothing=1",
        "",
    ];
    let mut options = with_arguments(&given);
    assert_eq!(warnings(&mut options).len(), given.len());
    assert!(
        options
            .iter()
            .all(|(_, _, origin)| *origin == Origin::Default)
    );
}

#[test]
fn flags_are_not_options() {
    let mut options = options();
    let flags = arguments(&mut options, &["--stats", "a.json", "-H", "--stats=b.json"]);
    assert!(flags.is_set("help") && flags.is_set("stats"));
    assert_eq!(flags.value("stats"), Some("b.json".as_ref()));
    assert_eq!(flags.value("help"), None);
    assert_eq!(flags.incomplete(), [""; 0]);
    assert_eq!(options.take_notices(), []);
}

#[test]
fn flag_without_its_value_is_incomplete() {
    for given in [&["--stats"][..], &["--stats="][..]] {
        let flags = arguments(&mut options(), given);
        assert_eq!(flags.incomplete(), ["stats"]);
        assert!(!flags.is_set("stats"));
    }
}

#[test]
fn unknown_name_in_a_file_warns_with_place_line_and_neighbour() {
    let mut options = with_file("[win]\n  fullscren=yes\n[nowhere]\nx=1\n");
    assert_eq!(
        warnings(&mut options),
        [
            "/f.ini:2:3: unknown option win:fullscren (did you mean win:fullScreen?): fullscren=yes",
            "/f.ini:4:1: unknown option nowhere:x: x=1",
        ]
    );
}

#[test]
fn trailing_text_warns_and_gives_the_same_result() {
    let mut options = with_file("[win]\nrotate=90deg\nalerts=maybe\n");
    assert_eq!(options.int("win:rotate"), 90);
    assert!(!options.bool("win:alerts"));
    assert_eq!(
        warnings(&mut options),
        [
            "/f.ini:2: win:rotate: \"90deg\" is not a whole number and is read as 90",
            "/f.ini:3: win:alerts: \"maybe\" is neither yes nor no and is read as no",
        ]
    );
    options.check().unwrap();
}

#[test]
fn refused_value_is_reported_with_place_and_allowed_values() {
    let mut options = with_file("[win]\nrotate=45\n[app]\nrenderer=vulkan\n");
    assert_eq!(options.int("win:rotate"), 0, "the old value stays");
    let report = options.check().unwrap_err().to_string();
    assert_eq!(
        report,
        "Invalid value provided to the option: win:rotate\n  given: 45 (/f.ini:2)\n  \
         reason: 45 is not a quarter turn\n  allowed: 0, 90, 180, 270\n\
         Invalid value provided to the option: app:renderer\n  given: vulkan (/f.ini:4)\n  \
         reason: \"vulkan\" is not one of the allowed values\n  allowed: auto, EGL"
    );
    let notices = options.take_notices();
    assert!(notices.iter().all(|notice| notice.level == Level::Error));
    assert_eq!(notices.len(), 2, "logged at once");
}

#[test]
fn later_source_repairs_a_refused_value() {
    let mut options = with_file("[win]\nrotate=45\n");
    arguments(&mut options, &["win:rotate=90"]);
    options.check().unwrap();
    assert_eq!(options.int("win:rotate"), 90);
    arguments(&mut options, &["win:rotate=5"]);
    options.check().unwrap_err();
}

#[test]
fn odd_value_is_taken_with_a_warning() {
    let mut options = with_file("[win]\nrotate=360");
    assert_eq!(options.int("win:rotate"), 360);
    assert_eq!(
        warnings(&mut options),
        ["/f.ini:2: win:rotate: a full turn is no turn"]
    );
}

#[test]
fn broken_file_is_not_applied_at_all() {
    let mut options = options();
    let bytes = b"[win]\nrotate=90\nfoo\n=x\n";
    let error = options.apply_ini(Path::new("/f.ini"), bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/f.ini:3:1: there is no = in the line (expected name=value): foo\n\
         /f.ini:4:1: there is no name before the =: =x"
    );
    assert_eq!(options.int("win:rotate"), 0);
}

#[test]
fn options_without_effect_are_named_in_one_line() {
    let options = with_file("[egl]\ngain=2\n[win]\nfpsMin=1\ntitle=x\n[dxgi]\nadapter=a");
    assert_eq!(
        options.notices_without_effect(),
        [
            Notice::info("set, but without effect in this version: win:fpsMin, egl:gain"),
            Notice::info("set, but meant for another system: dxgi:adapter"),
        ]
    );
    assert_eq!(with_file("").notices_without_effect(), []);
}

#[test]
fn notices_are_bounded() {
    let text = format!("[x]\n{}", "a=b\n".repeat(5000));
    let notices = with_file(&text).take_notices();
    assert_eq!(notices.len(), MOST_NOTICES + 1);
    assert_eq!(
        notices[MOST_NOTICES].text,
        "4900 more messages about options"
    );
}

#[cfg(unix)]
#[test]
fn argument_that_is_not_utf_8_is_warned_about() {
    use std::os::unix::ffi::OsStringExt;
    let mut options = options();
    let argument = std::ffi::OsString::from_vec(b"win:title=\xff".to_vec());
    options.apply_arguments(&[argument], &FLAGS);
    assert_eq!(options.text("win:title"), Some("\u{fffd}"));
    assert_eq!(warnings(&mut options).len(), 1);
}

#[test]
fn mistakes_of_a_table_are_found() {
    static BAD: [OptionSpec; 3] = [
        OptionSpec::switch("a", "b", false, "").short('x'),
        OptionSpec::choice("a", "c", &["one"], "two", "")
            .short('x')
            .aliases(&["A:B"]),
        OptionSpec::int("a", "d", 5, "").check(quarter),
    ];
    let mistakes = table_mistakes(&BAD);
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    assert_eq!(table_mistakes(&TABLE), [""; 0]);
}

proptest::proptest! {
    #[test]
    fn no_arguments_make_the_reader_panic(
        given in proptest::collection::vec("(-{0,2}|win:|app:renderer)[a-zA-Z=: ä]{0,12}", 0..8),
    ) {
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let options = with_arguments(&given);
        let _ = options.check();
    }

    #[test]
    fn flipping_twice_changes_nothing(file_says: bool, flips in 0_usize..6) {
        let word = if file_says { "yes" } else { "no" };
        let mut options = with_file(&format!("[win]\nfullScreen={word}"));
        arguments(&mut options, &vec!["-F"; flips]);
        proptest::prop_assert_eq!(options.bool("win:fullScreen"), file_says ^ (flips % 2 == 1));
    }
}
