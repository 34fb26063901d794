//! From arguments and environment to settings, or to the end of the program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use options::{FlagSpec, Flags, Notice, Options, Outcome, Value, flag_table};

use super::environment::{Directories, DirectoryError, Environment};
use super::settings::{RunSettings, Screenshot, Settings};
use super::table::table;

/// The status for everything that keeps the client from starting (section 5).
const FAILED: u8 = 255;

/// The status if a directory's place is taken by something else (section 5).
const DIRECTORY_TAKEN: u8 = 2;

/// How long `--screenshot` waits unless told otherwise.
const SCREENSHOT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest wait that `--timeout` takes, in seconds: a year.
const LONGEST_TIMEOUT_S: f64 = 31_536_000.0;

/// The flags that are not options (section 11).
pub static FLAGS: [FlagSpec; 9] = [
    FlagSpec::new("help", "Print this and leave").letters(&['h', 'H']),
    FlagSpec::new(
        "rst-help",
        "Print the options as reStructuredText and leave",
    ),
    FlagSpec::new("version", "Print the version and leave"),
    FlagSpec::new(
        "print-config",
        "Print every option with its value and source, and leave",
    ),
    FlagSpec::new(
        "headless",
        "No window and no GL: the software renderer alone",
    ),
    FlagSpec::new("screenshot", "Write the guest's picture and end").value("FILE.png"),
    FlagSpec::new("timeout", "When --screenshot gives up (30)").value("SECONDS"),
    FlagSpec::new("stats", "Write one JSON object each second").value("FILE.json"),
    FlagSpec::new("allow-root", "Run although root"),
];

/// A configuration the client can start with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the user wants.
    pub settings: Settings,
    /// Every option, for overlays and reports.
    pub options: Options,
    /// The client's directories, which exist if they could be created.
    pub directories: Directories,
    /// What is to be logged before anything else.
    pub notices: Vec<Notice>,
}

/// Reads all sources; `arguments` are those after the program's name.
///
/// # Errors
/// [`Outcome`] if the program has to end instead: something was printed, or it cannot start.
pub fn load(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Loaded, Outcome> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut loader = Loader::new();
    let default = environment.default_memory().to_owned();
    loader
        .options
        .set_default("app:shmFile", Value::Text(Some(default)));
    for path in environment.files() {
        loader.read_usual_file(&path);
    }
    let flags = loader.options.apply_arguments(&arguments, &FLAGS);
    loader.read_named_file();
    loader.print_what_was_asked(&flags)?;
    if environment.is_privileged() && !flags.is_set("allow-root") {
        let message = "do not run this program as root or set-uid: give your user access to the \
                       shared memory instead, or insist with --allow-root";
        return Err(loader.fail(message, FAILED));
    }
    if let Some(failure) = loader.failures.first().cloned() {
        return Err(loader.fail(failure, FAILED));
    }
    if loader.options.text("app:transport") == Some("spice") {
        // No memory is opened then: what the files say of it does not matter.
        loader.options.forgive("app:shmFile");
    }
    let checked = loader.options.check();
    checked.map_err(|invalid| loader.fail(invalid, FAILED))?;
    let run = run_settings(&flags, &mut loader.notices);
    let run = run.map_err(|message| loader.fail(message, FAILED))?;
    loader.check_contradictions()?;
    let directories = loader.create_directories(environment)?;
    let settings = Settings::new(&loader.options, run);
    if settings.spice.enable
        && let Err(error) = settings.spice.address()
    {
        let message = format!(
            "spice:host={} spice:port={}: {error}",
            settings.spice.host, settings.spice.port
        );
        return Err(loader.fail(message, FAILED));
    }
    loader
        .notices
        .extend(loader.options.notices_without_effect());
    Ok(Loaded {
        settings,
        directories,
        notices: loader.take_notices(),
        options: loader.options,
    })
}

struct Loader {
    options: Options,
    /// Ours, which come after those of the options.
    notices: Vec<Notice>,
    /// What will end the program, unless it ends in peace before.
    failures: Vec<String>,
}

impl Loader {
    fn new() -> Self {
        Self {
            options: Options::new(table()),
            notices: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Reads one of the files that need not exist.
    fn read_usual_file(&mut self, path: &Path) {
        match options::file::read_if_regular(path) {
            Some(Ok(bytes)) => self.apply(path, &bytes),
            Some(Err(error)) => {
                let text = format!("{} is ignored: {error}", path.display());
                self.notices.push(Notice::warning(text));
            }
            None => {}
        }
    }

    /// Reads the file of `app:configFile`, which the user named and so must exist.
    fn read_named_file(&mut self) {
        let name = self.options.text("app:configFile").unwrap_or_default();
        if name.is_empty() {
            return;
        }
        let path = PathBuf::from(name);
        match options::file::read(&path) {
            Ok(bytes) => self.apply(&path, &bytes),
            Err(error) => {
                let origin = self.options.origin("app:configFile");
                let path = path.display();
                let message =
                    format!("cannot read {path}, named by app:configFile ({origin}): {error}");
                self.failures.push(message);
            }
        }
    }

    fn apply(&mut self, path: &Path, bytes: &[u8]) {
        if let Err(broken) = self.options.apply_ini(path, bytes) {
            self.failures.push(broken.to_string());
        }
    }

    fn print_what_was_asked(&mut self, flags: &Flags) -> Result<(), Outcome> {
        let text = if flags.is_set("version") {
            version()
        } else if flags.is_set("help") {
            help(&self.options)
        } else if flags.is_set("rst-help") {
            self.options.rst_help()
        } else if flags.is_set("print-config") {
            self.options.print_config()
        } else if self.options.bool("app:license") {
            license()
        } else {
            return Ok(());
        };
        let failures = std::mem::take(&mut self.failures);
        self.notices.extend(failures.into_iter().map(Notice::error));
        Err(Outcome::PrintAndExit {
            text,
            status: 0,
            notices: self.take_notices(),
        })
    }

    /// Looks at options that contradict each other (section 4).
    fn check_contradictions(&mut self) -> Result<(), Outcome> {
        let is_on = |name| self.options.bool(name);
        if is_on("win:noScreensaver") && is_on("win:autoScreensaver") {
            let message = self.both("win:noScreensaver", "win:autoScreensaver");
            return Err(self.fail(message, FAILED));
        }
        let is_spice = self.options.text("app:transport") == Some("spice");
        if is_spice && !is_on("spice:enable") {
            let message = self.both("app:transport", "spice:enable");
            return Err(self.fail(message, FAILED));
        }
        if is_spice && self.options.text("spice:display") == Some("off") {
            let message = self.both("app:transport", "spice:display");
            return Err(self.fail(message, FAILED));
        }
        if is_on("win:jitRender") && !is_on("input:mouseRedraw") {
            let text = "win:jitRender needs input:mouseRedraw, which is turned on";
            self.notices.push(Notice::warning(text));
        }
        if self.options.text("audio:resampler") == Some("backend") {
            let text = "audio:resampler=backend: the client's own resampler is used, which both clocks steer";
            self.notices.push(Notice::info(text));
        }
        if self.options.text("app:renderer") == Some("OpenGL") {
            let text = "app:renderer=OpenGL: there is no desktop OpenGL path yet, EGL is used";
            self.notices.push(Notice::info(text));
        }
        Ok(())
    }

    /// Says that two options do not go together, with where they were set.
    fn both(&self, first: &str, second: &str) -> String {
        let one = |name| {
            let value = self.options.value(name).map(Value::to_string);
            let origin = self.options.origin(name);
            format!("{name}={} ({origin})", value.unwrap_or_default())
        };
        format!("{} and {} do not go together", one(first), one(second))
    }

    fn create_directories(&mut self, environment: &Environment) -> Result<Directories, Outcome> {
        let directories = environment.directories();
        match directories.create() {
            Ok(()) => {}
            Err(error @ DirectoryError::Taken(_)) => {
                return Err(self.fail(error, DIRECTORY_TAKEN));
            }
            // A home that cannot be written to is no reason not to show a picture.
            Err(error @ DirectoryError::Io(..)) => {
                self.notices.push(Notice::warning(error.to_string()));
            }
        }
        Ok(directories)
    }

    fn fail(&mut self, message: impl ToString, status: u8) -> Outcome {
        Outcome::Fail {
            message: message.to_string(),
            status,
            notices: self.take_notices(),
        }
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        let mut notices = self.options.take_notices();
        notices.append(&mut self.notices);
        notices
    }
}

fn run_settings(flags: &Flags, notices: &mut Vec<Notice>) -> Result<RunSettings, String> {
    if let Some(name) = flags.incomplete().first() {
        return Err(format!("--{name} needs a value"));
    }
    let timeout = flags.value("timeout").map(|text| {
        let text = text.to_string_lossy();
        parse_timeout(&text).ok_or_else(|| {
            format!(
                "--timeout {text}: this is not a number of seconds from 0 to {LONGEST_TIMEOUT_S}"
            )
        })
    });
    let timeout = timeout.transpose()?;
    let screenshot = flags.value("screenshot").map(|file| Screenshot {
        file: PathBuf::from(file),
        timeout: timeout.unwrap_or(SCREENSHOT_TIMEOUT),
    });
    if timeout.is_some() && screenshot.is_none() {
        let text = "--timeout has no effect without --screenshot";
        notices.push(Notice::warning(text));
    }
    Ok(RunSettings {
        headless: flags.is_set("headless"),
        screenshot,
        stats: flags.value("stats").map(PathBuf::from),
    })
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    let is_sane = (0.0..=LONGEST_TIMEOUT_S).contains(&seconds);
    is_sane.then(|| Duration::from_secs_f64(seconds))
}

fn version() -> String {
    format!("looking-glass-client {}\n", env!("CARGO_PKG_VERSION"))
}

fn help(options: &Options) -> String {
    format!(
        "{}\nUsage: looking-glass-client [FLAG | -X [VALUE] | MODULE:NAME=VALUE | MODULE:NAME]…\n\n\
         A boolean that is named without a value is flipped. Values below are those in force\n\
         after all files and arguments.\n\n{}\n{}",
        version(),
        flag_table(&FLAGS),
        options.help()
    )
}

fn license() -> String {
    format!(
        "{}\n\
         This program is free software: you can redistribute it and/or modify it under the terms\n\
         of the GNU General Public License as published by the Free Software Foundation, either\n\
         version 2 of the License, or (at your option) any later version.\n\n\
         This program is distributed in the hope that it will be useful, but without any\n\
         warranty; without even the implied warranty of merchantability or fitness for a\n\
         particular purpose. See the GNU General Public License for more details:\n\
         the file LICENSE of this program, or <https://www.gnu.org/licenses/>.\n",
        version()
    )
}
