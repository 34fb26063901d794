use std::path::Path;

use super::*;
use crate::spec::Since;

static TABLE: [OptionSpec; 5] = [
    OptionSpec::switch("win", "fullScreen", false, "Start full screen")
        .short('F')
        .works(),
    OptionSpec::int("win", "rotate", 0, "Turn the picture")
        .values("0|90")
        .since(Since::B6),
    OptionSpec::text("app", "file", None, "A file*").aliases(&["old:file"]),
    OptionSpec::text("app", "ticket", None, "Ticket").secret(),
    OptionSpec::float("win", "gain", 1.0, "Hidden").hidden(),
];

fn options() -> Options {
    let mut options = Options::new(&TABLE);
    let text = b"[win]\nfullScreen=yes\n[app]\nticket=abc\n";
    options.apply_ini(Path::new("/f.ini"), text).unwrap();
    options
}

#[test]
fn help_has_one_box_for_each_module_with_present_values() {
    assert_eq!(
        options().help(),
        "\
|-------------------------------------------------------|
| Long           | Short | Value    | Description       |
|-------------------------------------------------------|
| win:fullScreen | -F    | yes      | Start full screen |
| win:rotate     |       | 0        | Turn the picture  |
|-------------------------------------------------------|

|-------------------------------------------------------|
| Long           | Short | Value    | Description       |
|-------------------------------------------------------|
| app:file       |       | (unset)  | A file*           |
| app:ticket     |       | (hidden) | Ticket            |
|-------------------------------------------------------|
"
    );
}

#[test]
fn rst_help_is_a_grid_table() {
    let text = options().rst_help();
    assert!(
        text.starts_with(
            "\
+----------------+-------+-------+-------------------+
| Long           | Short | Value | Description       |
+================+=======+=======+===================+
| win:fullScreen | -F    | yes   | Start full screen |
+----------------+-------+-------+-------------------+
| win:rotate     |       | 0     | Turn the picture  |
+----------------+-------+-------+-------------------+

+---"
        ),
        "{text}"
    );
    assert!(text.contains(r"A file\*"));
}

#[test]
fn print_config_names_every_option_and_its_source_but_no_secret() {
    assert_eq!(
        options().print_config(),
        "\
win:fullScreen=yes   ; /f.ini:2
win:rotate=0         ; default
app:file=(unset)     ; default
app:ticket=(hidden)  ; /f.ini:4
win:gain=1.0         ; default
"
    );
}

#[test]
fn markdown_lists_defaults_aliases_and_state() {
    let text = options().markdown();
    assert!(text.contains("## win\n"), "{text}");
    assert!(text.contains(
        "| `win:fullScreen` | `-F` | bool | `no` |  | Start full screen | seed | works |"
    ));
    assert!(text.contains(
        r"| `win:rotate` |  | int | `0` | 0\|90 | Turn the picture | B6 | accepted, no effect yet |"
    ));
    assert!(text.contains("| `app:file`, `old:file` |  | string | (unset) |"));
}

#[test]
fn flag_table_shows_letters_and_values() {
    let flags = [
        FlagSpec::new("help", "Show this").letters(&['h', 'H']),
        FlagSpec::new("stats", "Write").value("FILE"),
    ];
    let text = flag_table(&flags);
    assert!(
        text.contains("| --help  | -h -H |       | Show this   |"),
        "{text}"
    );
    assert!(
        text.contains("| --stats |       | FILE  | Write       |"),
        "{text}"
    );
}
