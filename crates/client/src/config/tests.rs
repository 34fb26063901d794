use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use options::{Level, OptionSpec};
use tempfile::TempDir;

use super::*;

mod checklist;
mod names;
mod outcomes;

/// A machine with one user, in a directory of its own.
struct Machine {
    root: TempDir,
    environment: Environment,
}

const SYSTEM: &str = "etc/looking-glass-client.ini";
const HOME: &str = "home/ann/.looking-glass-client.ini";
const OWN: &str = "home/ann/.config/looking-glass/client.ini";

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home/ann");
        let environment = Environment {
            system_root: root.path().to_owned(),
            uid: 1000,
            effective_uid: 1000,
            home_variable: Some(home.clone()),
            config_home: None,
            data_home: None,
        };
        let machine = Self { root, environment };
        machine.write(
            "etc/passwd",
            &format!("ann:x:1000:1000::{}:/bin/sh\n", home.display()),
        );
        fs::create_dir_all(home).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn load(&self, arguments: &[&str]) -> Result<Loaded, Outcome> {
        load(arguments.iter().map(OsString::from), &self.environment)
    }

    fn loaded(&self, arguments: &[&str]) -> Loaded {
        self.load(arguments).unwrap()
    }

    fn failure(&self, arguments: &[&str]) -> (String, u8) {
        match self.load(arguments).unwrap_err() {
            Outcome::Fail {
                message, status, ..
            } => (message, status),
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

fn texts(loaded: &Loaded, level: Level) -> Vec<&str> {
    let notices = loaded.notices.iter().filter(|notice| notice.level == level);
    notices.map(|notice| notice.text.as_str()).collect()
}
