//! From arguments and environment to settings, or to the end of the program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use options::{FlagSpec, Flags, Notice, Options, Outcome, Value, flag_table};

use super::environment::Environment;
use super::settings::{RunSettings, Settings};
use super::table::table;

/// The fatal status, after which no service starts the host again (section 9).
pub const FAILED: u8 = 0x50;

/// The flags that are not options (section 11).
pub static FLAGS: [FlagSpec; 5] = [
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
    FlagSpec::new("stats", "Write one JSON object each second").value("FILE.json"),
];

/// A configuration the host can start with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the user wants.
    pub settings: Settings,
    /// Every option, for reports.
    pub options: Options,
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
    let mut options = Options::new(table());
    let mut notices = Vec::new();
    let default = environment.default_memory().to_owned();
    options.set_default("app:shmFile", Value::Text(Some(default)));
    if let Some(path) = environment.file() {
        notices.extend(read_file(&mut options, &path));
    }
    let flags = options.apply_arguments(&arguments, &FLAGS);
    notices.append(&mut options.take_notices());
    if let Some(text) = asked_for(&options, &flags) {
        return Err(Outcome::PrintAndExit {
            text,
            status: 0,
            notices,
        });
    }
    match run_settings(&options, &flags) {
        Ok(run) => {
            notices.append(&mut options.notices_without_effect());
            Ok(Loaded {
                settings: Settings::new(&options, run),
                options,
                notices,
            })
        }
        Err(message) => Err(Outcome::Fail {
            message,
            status: FAILED,
            notices,
        }),
    }
}

/// Applies the file if there is one; a file that cannot be used is passed over with a warning.
fn read_file(options: &mut Options, path: &Path) -> Option<Notice> {
    let bytes = match options::file::read_if_regular(path)? {
        Ok(bytes) => bytes,
        Err(error) => {
            let text = format!("{} is ignored: {error}", path.display());
            return Some(Notice::warning(text));
        }
    };
    let broken = options.apply_ini(path, &bytes).err()?;
    let text = format!("{} is ignored as a whole:\n{broken}", path.display());
    Some(Notice::warning(text))
}

fn asked_for(options: &Options, flags: &Flags) -> Option<String> {
    let version = || format!("looking-glass-host {}\n", env!("CARGO_PKG_VERSION"));
    if flags.is_set("version") {
        Some(version())
    } else if flags.is_set("help") {
        Some(format!(
            "{}\nUsage: looking-glass-host [FLAG | -X [VALUE] | MODULE:NAME=VALUE | MODULE:NAME]…\n\n\
             A boolean that is named without a value is flipped. Values below are those in force\n\
             after the file and the arguments.\n\n{}\n{}",
            version(),
            flag_table(&FLAGS),
            options.help()
        ))
    } else if flags.is_set("rst-help") {
        Some(options.rst_help())
    } else if flags.is_set("print-config") {
        Some(options.print_config())
    } else {
        None
    }
}

fn run_settings(options: &Options, flags: &Flags) -> Result<RunSettings, String> {
    options.check().map_err(|invalid| invalid.to_string())?;
    if let Some(name) = flags.incomplete().first() {
        return Err(format!("--{name} needs a value"));
    }
    Ok(RunSettings {
        stats: flags.value("stats").map(PathBuf::from),
    })
}
