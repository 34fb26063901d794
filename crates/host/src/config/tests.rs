use std::ffi::OsString;
use std::fs;
use std::path::Path;

use kvmfr::Version;
use options::{Level, table_mistakes};
use picture::{PixelFormat, Rotation, Size};
use tempfile::TempDir;
use testcard::{DamageMode, PointerMode};

use super::*;

/// A machine with one user, in a directory of its own.
struct Machine {
    root: TempDir,
    environment: Environment,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::create_dir(root.path().join("dev")).unwrap();
        let passwd = format!("ann:x:1000:1000::{}:/bin/sh\n", home.display());
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        let environment = Environment {
            system_root: root.path().to_owned(),
            uid: 1000,
            home_variable: None,
        };
        Self { root, environment }
    }

    fn write(&self, text: &str) -> String {
        let path = self.root.path().join("home/looking-glass-host.ini");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn load(&self, arguments: &[&str]) -> Result<Loaded, Outcome> {
        load(arguments.iter().map(OsString::from), &self.environment)
    }

    fn loaded(&self, arguments: &[&str]) -> Loaded {
        self.load(arguments).unwrap()
    }

    fn failure(&self, arguments: &[&str]) -> String {
        match self.load(arguments).unwrap_err() {
            Outcome::Fail {
                message,
                status: 0x50,
                ..
            } => message,
            other => panic!("{other:?}"),
        }
    }

    fn printed(&self, arguments: &[&str]) -> String {
        match self.load(arguments).unwrap_err() {
            Outcome::PrintAndExit {
                text, status: 0, ..
            } => text,
            other => panic!("{other:?}"),
        }
    }
}

/// `module name=default …` of sections 9 and 11.
const SPECIFIED: &str = "
    app: capture= throttleFPS=0 shmFile= kvmfrVersion=20
    test: width=1920 height=1080 frameRate=60 frameCount=0 format=bgra damage=moving stride=0
      hdr=no rotation=0 pointer=colour damageShare=0
    os: shmDevice=0 logFile= exitEvent= ods=no
    dxgi: adapter= output= maxTextures=4 useAcquireLock=yes dwmFlush=no disableDamage=no debug=no
      copyBackend=d3d11 d3d12CopySleep=5.0 downsample= allowRGB24=yes
    nvfbc: decoupleCursor=yes diffRes=128 adapterIndex=-1 dwmFlush=no downsample= noHDR=yes
    d12: adapter= output= trackDamage=yes debug=no indirectCopy=no HDR16to10=yes allowRGB24=no
      downsample=
";

#[test]
fn table_is_the_specified_one() {
    let mut module = "";
    let mut specified = Vec::new();
    for word in SPECIFIED.split_whitespace() {
        match word.strip_suffix(':') {
            Some(name) => module = name,
            None => specified.push(format!("{module}:{word}")),
        }
    }
    let rows = table().iter();
    let rows = rows.map(|spec| format!("{}={}", spec.full_name(), spec.kind.default_value()));
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    specified.sort();
    assert_eq!(rows, specified);
    assert_eq!(table_mistakes(table()), [""; 0]);
}

#[test]
fn defaults_are_an_x_server_and_the_newest_protocol() {
    let machine = Machine::new();
    let loaded = machine.loaded(&[]);
    assert_eq!(
        loaded.settings.app,
        AppSettings {
            capture: CaptureChoice::Xcb,
            throttle_fps: 0,
            shm_file: "/dev/shm/looking-glass".to_owned(),
            kvmfr_version: Version::V20,
        }
    );
    assert_eq!(
        loaded.settings.test,
        TestSettings {
            size: Size::new(1920, 1080),
            frame_rate: 60,
            frame_count: None,
            format: TestFormat::Fixed(PixelFormat::Bgra8),
            damage: DamageMode::Moving,
            stride: None,
            is_hdr: false,
            rotation: Rotation::Deg0,
            pointer: PointerMode::Colour,
            damage_share: None,
            version: Version::V20,
        }
    );
    assert_eq!(loaded.notices, []);
    fs::write(machine.root.path().join("dev/kvmfr0"), "").unwrap();
    assert_eq!(machine.loaded(&[]).settings.app.shm_file, "/dev/kvmfr0");
}

#[test]
fn arguments_win_over_the_file_in_the_home_directory() {
    let machine = Machine::new();
    machine.write("[app]\ncapture=TEST\nkvmfrVersion=16\nthrottleFPS=30\n");
    let app = machine
        .loaded(&["app:kvmfrVersion=19", "-f", "kvmfr1"])
        .settings
        .app;
    assert_eq!(app.capture, CaptureChoice::Test);
    assert_eq!(app.kvmfr_version, Version::V19);
    assert_eq!(app.throttle_fps, 30);
    assert_eq!(app.shm_file, "/dev/kvmfr1");
}

#[test]
fn home_variable_serves_users_without_an_account_entry() {
    let mut machine = Machine::new();
    machine.write("[app]\ncapture=test\n");
    machine.environment.uid = 7;
    assert_eq!(machine.environment.file(), None);
    assert_eq!(machine.loaded(&[]).settings.app.capture, CaptureChoice::Xcb);
    machine.environment.home_variable = Some(machine.root.path().join("home"));
    assert_eq!(
        machine.loaded(&[]).settings.app.capture,
        CaptureChoice::Test
    );
}

#[test]
fn every_test_option_reaches_the_settings() {
    let machine = Machine::new();
    let arguments = "test:width=640 test:height=480 test:frameRate=144 test:frameCount=9 \
        test:format=RGBA16F test:damage=Overlap test:stride=700 test:hdr test:rotation=90 \
        test:pointer=masked test:damageShare=25 app:kvmfrVersion=19";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    assert_eq!(
        machine.loaded(&arguments).settings.test,
        TestSettings {
            size: Size::new(640, 480),
            frame_rate: 144,
            frame_count: Some(9),
            format: TestFormat::Fixed(PixelFormat::Rgba16F),
            damage: DamageMode::Overlap,
            stride: Some(700),
            is_hdr: true,
            rotation: Rotation::Deg90,
            pointer: PointerMode::Masked,
            damage_share: Some(25),
            version: Version::V19,
        }
    );
    let stride = machine
        .loaded(&["test:width=640", "test:stride=3"])
        .settings
        .test
        .stride;
    assert_eq!(stride, Some(640), "rows never overlap");
}

#[test]
fn every_word_of_a_choice_means_something_else() {
    let machine = Machine::new();
    for name in ["test:format", "test:damage", "test:pointer"] {
        let spec = table()
            .iter()
            .find(|spec| spec.full_name() == name)
            .unwrap();
        let words = spec.allowed().unwrap();
        let test = |word| machine.loaded(&[&format!("{name}={word}")]).settings.test;
        let settings: Vec<TestSettings> = words.split(", ").map(test).collect();
        for (index, one) in settings.iter().enumerate() {
            assert!(
                settings[..index].iter().all(|other| other != one),
                "{name} {words}"
            );
        }
    }
}

#[test]
fn back_end_that_is_not_built_is_refused_by_name() {
    let machine = Machine::new();
    for name in ["pipewire", "DXGI", "d12", "nvfbc"] {
        let message = machine.failure(&[&format!("app:capture={name}")]);
        assert!(message.contains("is not built into this host"), "{message}");
        assert!(
            message.to_lowercase().contains(&name.to_lowercase()),
            "{message}"
        );
        assert!(message.contains("allowed: XCB, test"), "{message}");
    }
    assert!(
        machine
            .failure(&["app:capture=camera"])
            .contains("no capture back end \"camera\"")
    );
    machine.write("[app]\ncapture=\n");
    assert_eq!(
        machine.loaded(&[]).settings.app.capture,
        CaptureChoice::Xcb,
        "empty is automatic"
    );
}

#[test]
fn values_out_of_range_are_fatal_with_their_place() {
    let machine = Machine::new();
    for argument in [
        "app:kvmfrVersion=17",
        "app:kvmfrVersion=-1",
        "app:throttleFPS=-1",
        "app:shmFile=/nowhere/at/all",
        "app:shmFile=fd:x",
        "test:width=0",
        "test:height=99999",
        "test:frameRate=0",
        "test:frameCount=-1",
        "test:stride=-1",
        "test:rotation=45",
        "test:damageShare=101",
        "test:format=yuv",
    ] {
        let message = machine.failure(&[argument]);
        let name = argument.split('=').next().unwrap();
        assert!(
            message.starts_with("Invalid value provided to the option: "),
            "{message}"
        );
        assert!(
            message.contains(name) && message.contains("(argument 1)"),
            "{message}"
        );
    }
}

#[test]
fn broken_file_is_passed_over_with_a_warning() {
    let machine = Machine::new();
    let file = machine.write("[app]\ncapture=test\nnonsense\n");
    let loaded = machine.loaded(&[]);
    assert_eq!(
        loaded.settings.app.capture,
        CaptureChoice::Xcb,
        "nothing of it is applied"
    );
    assert_eq!(loaded.notices.len(), 1);
    assert_eq!(loaded.notices[0].level, Level::Warning);
    assert!(loaded.notices[0].text.contains(&format!("{file}:3:1: ")));
}

#[test]
fn options_of_other_systems_are_named_in_one_line() {
    let machine = Machine::new();
    machine.write("[dxgi]\nadapter=NVIDIA\n[os]\nlogFile=x\n[NvFBC]\nDiffRes=64\n");
    let loaded = machine.loaded(&[]);
    assert_eq!(loaded.notices.len(), 1);
    assert_eq!(loaded.notices[0].level, Level::Info);
    assert_eq!(
        loaded.notices[0].text,
        "set, but meant for another system: os:logFile, dxgi:adapter, nvfbc:diffRes"
    );
}

#[test]
fn help_version_and_configuration_end_with_status_0() {
    let machine = Machine::new();
    machine.write("[app]\nthrottleFPS=25\n");
    let version = format!("looking-glass-host {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(machine.printed(&["--version"]), version);
    let help = machine.printed(&["-h"]);
    assert!(
        help.contains("| app:throttleFPS ") && help.contains("| --stats "),
        "{help}"
    );
    let row = help
        .lines()
        .find(|line| line.starts_with("| app:throttleFPS "))
        .unwrap();
    assert_eq!(row.split('|').map(str::trim).nth(3), Some("25"));
    assert!(machine.printed(&["--rst-help"]).starts_with("+--"));
    let config = machine.printed(&["--print-config", "-f", "pci"]);
    assert!(
        config
            .lines()
            .any(|line| line.starts_with("app:shmFile=pci ") && line.ends_with("; argument 2"))
    );
}

#[test]
fn statistics_go_to_the_named_file() {
    let machine = Machine::new();
    assert_eq!(machine.loaded(&[]).settings.run.stats, None);
    let run = machine.loaded(&["--stats", "s.json"]).settings.run;
    assert_eq!(run.stats.as_deref(), Some(Path::new("s.json")));
    assert_eq!(machine.failure(&["--stats"]), "--stats needs a value");
}

proptest::proptest! {
    #[test]
    fn no_arguments_and_no_file_make_loading_panic(
        text in "([\\[a-z\\]=:; \n]{0,30}\n|\\[test\\]\n|width=[0-9x-]{0,22}\n){0,6}",
        argument in "(app:|test:|-|--)?[a-zA-Z]{0,9}(=[0-9a-z]{0,4})?",
    ) {
        let machine = Machine::new();
        machine.write(&text);
        let _ = machine.load(&[&argument]);
    }
}
