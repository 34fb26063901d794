//! How the program ends instead of starting: statuses, messages, what is printed.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

#[test]
fn help_version_licence_and_configuration_end_with_status_0() {
    let machine = Machine::new();
    let version = machine.printed(&["--version", "--help"]);
    assert_eq!(
        version,
        format!("looking-glass-client {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(
        machine
            .printed(&["-l"])
            .contains("GNU General Public License")
    );
    let help = machine.printed(&["--help"]);
    for flag in &FLAGS {
        assert!(
            help.contains(&format!("| --{} ", flag.name)),
            "{}",
            flag.name
        );
    }
}

#[test]
fn nothing_is_created_when_something_is_only_printed() {
    let machine = Machine::new();
    machine.printed(&["--help"]);
    machine.printed(&["--print-config"]);
    assert!(!machine.path("home/ann/.config").exists());
}

#[test]
fn print_config_names_each_value_and_its_source() {
    let machine = Machine::new();
    let file = machine.write(HOME, "[win]\nsize=640x480\n[spice]\npassword=secret\n");
    let text = machine.printed(&["--print-config", "win:title=A b"]);
    let line = |name: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with(name));
        let line = lines.next().unwrap_or_else(|| panic!("no {name}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("win:size"), format!("win:size=640x480 ; {file}:2"));
    assert_eq!(line("win:title"), "win:title=A b ; argument 2");
    assert_eq!(line("egl:vsync"), "egl:vsync=no ; default");
    assert_eq!(line("eglFilter:ffxCAS="), "eglFilter:ffxCAS=no ; default");
    assert!(!text.contains("secret"));
    assert_eq!(text.lines().count(), table().len());
}

#[test]
fn printing_works_with_a_broken_file_too() {
    let machine = Machine::new();
    machine.write(HOME, "nonsense\n");
    let outcome = machine.load(&["--help"]).unwrap_err();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(outcome.report(&mut out, &mut err).unwrap(), 0);
    assert!(String::from_utf8(out).unwrap().contains("win:fullScreen"));
    assert!(
        String::from_utf8(err)
            .unwrap()
            .contains(".looking-glass-client.ini:1:1: ")
    );
}

#[test]
fn syntax_error_in_a_usual_file_is_fatal() {
    let machine = Machine::new();
    let file = machine.write(OWN, "[win]\ntitle=x\n[app\n");
    let (message, status) = machine.failure(&[]);
    assert_eq!(status, 255);
    assert_eq!(
        message,
        format!("{file}:3:2: the section name has no closing bracket: [app")
    );
}

#[test]
fn named_file_must_be_readable_and_valid() {
    let machine = Machine::new();
    let (message, status) = machine.failure(&["-C", "/nowhere/x.ini"]);
    assert_eq!(status, 255);
    assert!(
        message.starts_with("cannot read /nowhere/x.ini, named by app:configFile (argument 1): ")
    );
    let broken = machine.write("x.ini", "=\n");
    assert_eq!(machine.failure(&["-C", &broken]).1, 255);
    let directory = machine.path("home").to_str().unwrap().to_owned();
    assert_eq!(machine.failure(&["-C", &directory]).1, 255);
}

#[test]
fn huge_named_file_is_refused() {
    let machine = Machine::new();
    let file = machine.write("x.ini", &";\n".repeat(600_000));
    assert!(machine.failure(&["-C", &file]).0.contains("too large"));
}

#[test]
fn both_screensaver_options_are_fatal() {
    let machine = Machine::new();
    let file = machine.write(HOME, "[win]\nautoScreensaver=yes\n");
    let (message, status) = machine.failure(&["-S"]);
    assert_eq!(status, 255);
    assert_eq!(
        message,
        format!(
            "win:noScreensaver=yes (argument 1) and win:autoScreensaver=yes ({file}:2) \
             do not go together"
        )
    );
    assert_eq!(
        machine.loaded(&[]).settings.win.screensaver,
        Screensaver::OnRequest
    );
}

#[test]
fn spice_transport_without_spice_is_fatal() {
    let machine = Machine::new();
    assert_eq!(machine.failure(&["app:transport=spice", "-s"]).1, 255);
    let never = ["app:transport=spice", "spice:display=off"];
    assert_eq!(machine.failure(&never).1, 255);
    machine.loaded(&["app:transport=spice"]);
}

#[test]
fn just_in_time_drawing_turns_pointer_redraw_on() {
    let machine = Machine::new();
    let loaded = machine.loaded(&["win:jitRender", "input:mouseRedraw=no"]);
    assert!(loaded.settings.input.mouse_redraw);
    assert_eq!(texts(&loaded, Level::Warning).len(), 1);
    let loaded = machine.loaded(&["input:mouseRedraw=no"]);
    assert!(!loaded.settings.input.mouse_redraw);
    assert_eq!(texts(&loaded, Level::Warning), [""; 0]);
}

#[test]
fn renderers_are_chosen_in_any_case_and_opengl_stands_for_egl() {
    let machine = Machine::new();
    let renderer = |name: &str| machine.loaded(&["-g", name]).settings.app.renderer;
    assert_eq!(renderer("AUTO"), Renderer::Auto);
    assert_eq!(renderer("egl"), Renderer::Egl);
    assert_eq!(renderer("Software"), Renderer::Software);
    let loaded = machine.loaded(&["-g", "opengl"]);
    assert_eq!(loaded.settings.app.renderer, Renderer::Egl);
    assert_eq!(texts(&loaded, Level::Info).len(), 1);
    assert!(
        machine
            .failure(&["-g", "vulkan"])
            .0
            .contains("allowed: auto, EGL, OpenGL, software")
    );
}

#[test]
fn options_without_effect_are_named_in_one_info_line() {
    let machine = Machine::new();
    let loaded = machine.loaded(&["win:uiSize=20", "-F", "opengl:mipmap"]);
    assert_eq!(
        texts(&loaded, Level::Info),
        ["set, but without effect in this version: win:uiSize, opengl:mipmap"]
    );
    assert_eq!(machine.loaded(&["-F"]).notices, []);
}

#[test]
fn root_is_refused_unless_allowed() {
    let mut machine = Machine::new();
    for (uid, effective_uid) in [(0, 0), (1000, 0), (1000, 1001)] {
        machine.environment.uid = uid;
        machine.environment.effective_uid = effective_uid;
        let (message, status) = machine.failure(&[]);
        assert_eq!(status, 255);
        assert!(message.contains("--allow-root"), "{message}");
        machine.loaded(&["--allow-root"]);
        machine.printed(&["--version"]);
    }
}

#[test]
fn directories_are_created_for_the_user_alone() {
    let mut machine = Machine::new();
    let directories = machine.loaded(&[]).directories;
    assert_eq!(
        directories.config,
        Some(machine.path("home/ann/.config/looking-glass"))
    );
    assert_eq!(
        directories.data,
        Some(machine.path("home/ann/.local/share/looking-glass"))
    );
    for path in [directories.config.unwrap(), directories.data.unwrap()] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    machine.environment.config_home = Some(machine.path("c"));
    machine.environment.data_home = Some(machine.path("d"));
    let directories = machine.loaded(&[]).directories;
    assert_eq!(directories.config, Some(machine.path("c/looking-glass")));
    assert_eq!(directories.data, Some(machine.path("d/looking-glass")));
}

#[test]
fn directory_taken_by_a_file_ends_with_status_2() {
    for name in [
        "home/ann/.config/looking-glass",
        "home/ann/.local/share/looking-glass",
    ] {
        let machine = Machine::new();
        machine.write(name, "");
        let (message, status) = machine.failure(&[]);
        assert_eq!(status, 2);
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn directory_that_cannot_be_created_is_only_a_warning() {
    let mut machine = Machine::new();
    machine.write("file", "");
    machine.environment.data_home = Some(machine.path("file"));
    assert_eq!(texts(&machine.loaded(&[]), Level::Warning).len(), 1);
}

#[test]
fn user_without_any_home_still_gets_a_client() {
    let mut machine = Machine::new();
    machine.write("etc/passwd", "");
    machine.environment.home_variable = None;
    let loaded = machine.loaded(&[]);
    assert_eq!(loaded.directories, Directories::default());
    assert_eq!(loaded.directories.presets(), None);
    assert_eq!(machine.environment.files(), [machine.path(SYSTEM)]);
}

#[test]
fn flags_reach_the_settings() {
    let machine = Machine::new();
    assert_eq!(machine.loaded(&[]).settings.run, RunSettings::default());
    let arguments = ["--headless", "--screenshot", "a.png", "--stats=s.json"];
    let run = machine.loaded(&arguments).settings.run;
    assert!(run.headless);
    assert_eq!(run.stats.as_deref(), Some(Path::new("s.json")));
    let screenshot = run.screenshot.unwrap();
    assert_eq!(screenshot.file, Path::new("a.png"));
    assert_eq!(screenshot.timeout, Duration::from_secs(30));
    let loaded = machine.loaded(&["--screenshot", "a.png", "--timeout", "1.5"]);
    assert_eq!(
        loaded.settings.run.screenshot.unwrap().timeout,
        Duration::from_millis(1500)
    );
}

#[test]
fn bad_flag_values_are_fatal() {
    let machine = Machine::new();
    for value in ["x", "-1", "nan", "inf", "1e300", "5s"] {
        let (message, status) = machine.failure(&["--screenshot", "a.png", "--timeout", value]);
        assert_eq!(status, 255);
        assert!(message.contains(&format!("--timeout {value}")), "{message}");
    }
    assert_eq!(
        machine.failure(&["--stats"]),
        ("--stats needs a value".to_owned(), 255)
    );
    assert_eq!(
        texts(&machine.loaded(&["--timeout", "3"]), Level::Warning).len(),
        1
    );
}

#[test]
fn failure_is_reported_on_standard_error_after_the_warnings() {
    let machine = Machine::new();
    let outcome = machine.load(&["--odd", "win:rotate=1"]).unwrap_err();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(outcome.report(&mut out, &mut err).unwrap(), 255);
    assert_eq!(out, b"");
    let err = String::from_utf8(err).unwrap();
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines[0].starts_with("warning: argument 1: "), "{err}");
    assert!(lines[1].starts_with("error: argument 2: "), "{err}");
    assert_eq!(lines[2], "Invalid value provided to the option: win:rotate");
}

proptest::proptest! {
    #[test]
    fn no_arguments_and_no_file_make_loading_panic(
        text in "([\\[a-z\\]=:; \n]{0,30}\n|\\[win\\]\n|size=[0-9x-]{0,8}\n|position=.{0,6}\n){0,6}",
        argument in "(win:|egl:|app:|-|--)?[a-zA-Z]{0,9}(=[0-9a-z]{0,4})?",
    ) {
        let machine = Machine::new();
        machine.write(HOME, &text);
        let _ = machine.load(&[&argument]);
    }
}
