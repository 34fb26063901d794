//! The compatibility checklist, section 10 of the option specification, item by item.

use std::time::Duration;

use picture::{BufferPoint, Rotation, ScaleFilter, Size};

use super::*;

fn title(machine: &Machine, arguments: &[&str]) -> String {
    machine.loaded(arguments).settings.win.title
}

#[test]
fn item_1_files_then_arguments_then_the_named_file() {
    let machine = Machine::new();
    assert_eq!(title(&machine, &[]), "Looking Glass (client)");
    machine.write(SYSTEM, "[win]\ntitle=system\nappId=system\nrotate=90\n");
    assert_eq!(title(&machine, &[]), "system");
    machine.write(HOME, "[win]\ntitle=home\nappId=home\n");
    assert_eq!(title(&machine, &[]), "home");
    machine.write(OWN, "[win]\ntitle=own\n");
    assert_eq!(title(&machine, &[]), "own");
    assert_eq!(title(&machine, &["win:title=argument"]), "argument");
    let named = machine.write("named.ini", "[win]\ntitle=named\n");
    let loaded = machine.loaded(&["-C", &named, "win:title=argument"]);
    assert_eq!(loaded.settings.win.title, "named");
    assert_eq!(loaded.settings.win.app_id, "home", "option by option");
    assert_eq!(loaded.settings.win.rotate, Rotation::Deg90);
}

#[test]
fn item_1_the_named_file_may_be_named_in_a_file() {
    let machine = Machine::new();
    let named = machine.write("named.ini", "[win]\ntitle=named\n");
    machine.write(HOME, &format!("[app]\nconfigFile={named}\n"));
    assert_eq!(title(&machine, &["win:title=argument"]), "named");
}

#[test]
fn item_1_home_is_that_of_the_account_database() {
    let mut machine = Machine::new();
    machine.write(HOME, "[win]\ntitle=account\n");
    machine.write("other/.looking-glass-client.ini", "[win]\ntitle=variable\n");
    machine.environment.home_variable = Some(machine.path("other"));
    assert_eq!(title(&machine, &[]), "account");
    machine.write("etc/passwd", "bob:x:1:1::/nowhere:/bin/sh\n");
    assert_eq!(title(&machine, &[]), "variable");
}

#[test]
fn item_1_own_file_follows_the_base_directory_variables() {
    let mut machine = Machine::new();
    machine.write("xdg/looking-glass/client.ini", "[win]\ntitle=xdg\n");
    machine.write(
        "other/.config/looking-glass/client.ini",
        "[win]\ntitle=variable\n",
    );
    machine.environment.config_home = Some(machine.path("xdg"));
    assert_eq!(title(&machine, &[]), "xdg");
    machine.environment.config_home = Some(PathBuf::from("xdg"));
    machine.environment.home_variable = Some(machine.path("other"));
    assert_eq!(
        title(&machine, &[]),
        "variable",
        "relative paths do not count"
    );
}

#[test]
fn item_1_only_regular_files_count() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path(SYSTEM)).unwrap();
    fs::create_dir_all(machine.path(HOME)).unwrap();
    assert_eq!(machine.loaded(&[]).notices, []);
}

#[test]
fn item_2_old_and_new_names_are_one_option() {
    let machine = Machine::new();
    machine.write(
        SYSTEM,
        "[lgmp]\nframePollInterval=5\n[app]\ncursorPollInterval=6\n",
    );
    machine.write(
        HOME,
        "[app]\nframePollInterval=7\n[lgmp]\ncursorPollInterval=8\n",
    );
    let app = machine.loaded(&[]).settings.app;
    assert_eq!(app.frame_poll, Some(Duration::from_micros(7)));
    assert_eq!(app.cursor_poll, Duration::from_micros(8));
    let pairs = [
        ("input:scaleCursor", "spice:scaleCursor"),
        ("clipboard:toVM", "spice:clipboardToVM"),
        ("clipboard:toLocal", "spice:clipboardToLocal"),
        ("lgmp:allowDMA", "app:allowDMA"),
        ("input:captureOnStart", "spice:captureOnStart"),
        ("input:alwaysShowCursor", "spice:alwaysShowCursor"),
        ("input:showCursorDot", "spice:showCursorDot"),
        ("input:largeCursorDot", "spice:largeCursorDot"),
    ];
    for (new, old) in pairs {
        let options = machine
            .loaded(&[&format!("{old}=no"), &format!("{new}=yes")])
            .options;
        assert!(options.bool(old), "{new}");
    }
}

#[test]
fn item_3_unknown_names_warn_and_never_fail() {
    let machine = Machine::new();
    let file = machine.write(HOME, "[win]\ntitel=x\n[future]\nthing=1\n");
    let loaded = machine.loaded(&["win:fullscren", "--new-thing", "-Z"]);
    assert_eq!(
        texts(&loaded, Level::Warning),
        [
            &format!("{file}:2:1: unknown option win:titel (did you mean win:title?): titel=x"),
            &format!("{file}:4:1: unknown option future:thing: thing=1"),
            "argument 1: unknown argument \"win:fullscren\" is ignored \
             (did you mean win:fullScreen?)",
            "argument 2: invalid argument \"--new-thing\" is ignored",
            "argument 3: unknown argument \"-Z\" is ignored",
        ]
    );
}

#[test]
fn item_4_booleans_flip_what_the_files_set() {
    let machine = Machine::new();
    machine.write(SYSTEM, "[win]\nfullScreen=yes\nborderless=yes\n");
    machine.write(OWN, "[win]\nborderless=no\n");
    let win = machine.loaded(&["-F", "win:borderless"]).settings.win;
    assert!(!win.full_screen && win.borderless);
}

#[test]
fn item_5_invalid_value_that_nothing_repaired_fails_with_its_place() {
    let machine = Machine::new();
    let file = machine.write(HOME, "[win]\n\nrotate=45\n");
    let (message, status) = machine.failure(&[]);
    assert_eq!(status, 255);
    assert_eq!(
        message,
        format!(
            "Invalid value provided to the option: win:rotate\n  given: 45 ({file}:3)\n  \
             reason: 45 is not a quarter turn\n  allowed: 0, 90, 180, 270"
        )
    );
    let win = machine.loaded(&["win:rotate=270"]).settings.win;
    assert_eq!(win.rotate, Rotation::Deg270, "a later source repairs it");
}

#[test]
fn item_6_escape_key_is_a_number_or_a_name() {
    let machine = Machine::new();
    let key = |value: &str| {
        machine
            .loaded(&["-m", value])
            .settings
            .input
            .model
            .escape_key
    };
    assert_eq!(machine.loaded(&[]).settings.input.model.escape_key, 70);
    assert_eq!(key("97"), 97);
    assert_eq!(key("KEY_RIGHTCTRL"), 97);
    assert_eq!(key("key_f12"), 88);
    for bad in ["help", "RIGHTCTRL", "767"] {
        let (message, status) = machine.failure(&["-m", bad]);
        assert_eq!(status, 255);
        assert!(
            message.contains("KEY_RIGHTCTRL"),
            "the names are listed: {message}"
        );
    }
}

#[test]
fn item_7_memory_may_be_the_name_of_a_device() {
    let machine = Machine::new();
    let memory = |value: &str| machine.loaded(&["-f", value]).settings.app.shm_file;
    assert_eq!(memory("kvmfr0"), "/dev/kvmfr0");
    assert_eq!(memory("pci"), "pci");
    assert_eq!(memory("pci:0000:00:04.0"), "pci:0000:00:04.0");
    assert_eq!(memory("fd:7"), "fd:7");
    let file = machine.write("memory", "");
    assert_eq!(memory(&file), file);
    assert_eq!(machine.failure(&["-f", "/nowhere/at/all"]).1, 255);
}

#[test]
fn item_7_default_memory_depends_on_the_machine() {
    let machine = Machine::new();
    let memory = || machine.loaded(&[]).settings.app.shm_file;
    assert_eq!(memory(), "/dev/shm/looking-glass");
    machine.write("dev/kvmfr0", "");
    assert_eq!(memory(), "/dev/kvmfr0");
}

#[test]
fn item_8_presets_keep_their_place_and_format() {
    let machine = Machine::new();
    let directories = machine.loaded(&[]).directories;
    let presets = machine.path("home/ann/.config/looking-glass/presets");
    assert_eq!(directories.presets(), Some(presets.clone()));
    let mut options = machine.loaded(&["eglFilter:ffxFSR=no"]).options;
    let preset = b"[eglFilter]\norder=ffxFSR;downscale\nffxFSR=1\nffxFSRSharpness=0.750000\n";
    options.apply_ini(&presets.join("sharp"), preset).unwrap();
    assert_eq!(options.text("eglFilter:order"), Some("ffxFSR;downscale"));
    assert!(options.bool("eglFilter:ffxFSR"));
    assert_eq!(options.float("eglFilter:ffxFSRSharpness"), 0.75);
    assert_eq!(options.take_notices(), []);
}

#[test]
fn item_9_help_shows_values_after_all_sources_without_preset_options() {
    let machine = Machine::new();
    machine.write(HOME, "[win]\nfullScreen=yes\nsize=640x480\n");
    let named = machine.write("named.ini", "[win]\ntitle=named\n");
    for flag in ["--help", "-h", "-H"] {
        let help = machine.printed(&[flag, "-C", &named, "-F", "-K", "25"]);
        let row = |name: &str| {
            let mut lines = help
                .lines()
                .filter(|line| line.starts_with(&format!("| {name} ")));
            let cells = lines
                .next()
                .unwrap_or_else(|| panic!("no {name}"))
                .split('|');
            cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            row("Long"),
            ["", "Long", "Short", "Value", "Description", ""]
        );
        assert_eq!(
            row("win:fullScreen"),
            ["", "win:fullScreen", "-F", "no", "Start full screen", ""]
        );
        assert_eq!(row("win:size")[3], "640x480");
        assert_eq!(row("win:title")[3], "named");
        assert_eq!(row("win:fpsMin")[3], "25");
        assert!(!help.contains("eglFilter"));
    }
}

#[test]
fn item_9_rst_help_has_the_same_columns() {
    let machine = Machine::new();
    let text = machine.printed(&["--rst-help", "-F"]);
    let columns = |line: &str| {
        let cells = line.split('|').map(|cell| cell.trim().to_owned());
        cells.collect::<Vec<_>>()
    };
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("+----"));
    assert_eq!(
        columns(lines.next().unwrap()),
        ["", "Long", "Short", "Value", "Description", ""]
    );
    assert!(lines.next().unwrap().starts_with("+===="));
    let full_screen = text
        .lines()
        .find(|line| line.contains("win:fullScreen"))
        .unwrap();
    assert_eq!(columns(full_screen)[1..4], ["win:fullScreen", "-F", "yes"]);
    assert!(!text.contains("eglFilter"));
}

#[test]
fn item_10_letters_keep_their_flip_meaning() {
    let machine = Machine::new();
    let options = machine
        .loaded(&["-s", "-q", "-M", "-r", "-G", "-n", "-j"])
        .options;
    let flipped_off = [
        "spice:enable",
        "win:alerts",
        "input:hideCursor",
        "win:keepAspect",
        "input:grabKeyboard",
        "win:allowResize",
        "spice:scaleCursor",
    ];
    for name in flipped_off {
        assert!(!options.bool(name), "{name}");
    }
    let options = machine
        .loaded(&["-a", "-d", "-F", "-T", "-Q", "-S", "-k"])
        .options;
    let flipped_on = [
        "win:autoResize",
        "win:borderless",
        "win:fullScreen",
        "win:maximize",
        "win:ignoreQuit",
        "win:noScreensaver",
        "win:showFPS",
    ];
    for name in flipped_on {
        assert!(options.bool(name), "{name}");
    }
}

#[test]
fn every_working_option_reaches_the_settings() {
    let machine = Machine::new();
    let arguments = "-g software win:size=10x20 win:position=-3x4 win:title=T win:appId=A -d -F -T \
        -a -n -r win:dontUpscale win:rotate=90 win:quickSplash -q -S egl:scale=1 egl:vsync \
        egl:doubleBuffer egl:noBufferAge egl:noSwapDamage egl:debug";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let settings = machine.loaded(&arguments).settings;
    assert_eq!(settings.app.renderer, Renderer::Software);
    assert_eq!(settings.app.frame_poll, None, "known not to be set");
    assert_eq!(settings.app.cursor_poll, Duration::from_millis(1));
    assert_eq!(
        settings.win,
        WinSettings {
            title: "T".to_owned(),
            app_id: "A".to_owned(),
            position: Some(BufferPoint { x: -3, y: 4 }),
            size: Size::new(10, 20),
            auto_resize: true,
            allow_resize: false,
            keep_aspect: false,
            dont_upscale: true,
            borderless: true,
            full_screen: true,
            maximize: true,
            screensaver: Screensaver::HeldOff,
            alerts: false,
            quick_splash: true,
            rotate: Rotation::Deg90,
        }
    );
    assert_eq!(
        settings.egl,
        EglSettings {
            vsync: true,
            double_buffer: true,
            scale: ScaleFilter::Nearest,
            debug: true,
            no_buffer_age: true,
            no_swap_damage: true,
        }
    );
    assert_eq!(settings.view().rotation, Rotation::Deg90);
    assert!(!settings.view().keep_aspect && settings.view().dont_upscale);
}

#[test]
fn the_options_of_spice_and_clipboard_reach_the_settings() {
    let machine = Machine::new();
    let arguments = "-c /run/vm.sock -p 0 spice:input spice:waitForServer spice:display=force \
        clipboard:toVM=no clipboard:maxSize=3 spice:password=x app:onVmExit=wait";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let settings = machine.loaded(&arguments).settings;
    let spice = &settings.spice;
    assert_eq!(
        spice.address().unwrap().path(),
        Some(Path::new("/run/vm.sock"))
    );
    assert!(spice.enable && !spice.input && !spice.wait_for_server);
    assert!(!spice.clipboard_to_vm && spice.clipboard_to_local);
    assert_eq!(spice.clipboard_max_bytes, 3 << 20);
    assert_eq!(spice.display, crate::session::ConsolePolicy::Force);
    assert_eq!(settings.app.on_vm_exit, OnVmExit::Wait);
    assert_eq!(settings.app.transport, Transport::Lgmp);
    for bad in ["spice:port=65536", "spice:port=-1", "clipboard:maxSize=0"] {
        assert!(machine.load(&[bad]).is_err(), "{bad}");
    }
}

#[test]
fn spice_alone_needs_no_memory() {
    let machine = Machine::new();
    let missing = "app:shmFile=/nowhere/at/all";
    assert!(machine.load(&[missing]).is_err());
    let settings = machine.loaded(&[missing, "app:transport=spice"]).settings;
    assert_eq!(settings.app.transport, Transport::Spice);
}
