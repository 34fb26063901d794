//! Where values came from, and what can be wrong with them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ini::SyntaxError;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
    },
    /// An argument of the program.
    CommandLine {
        /// Its number, from 1.
        argument: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::CommandLine { argument } => write!(f, "argument {argument}"),
        }
    }
}

/// A value that was refused and not repaired by a later source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The option's full name.
    pub name: String,
    /// What the user wrote.
    pub text: String,
    /// Where.
    pub origin: Origin,
    /// Why it was refused.
    pub reason: String,
    /// What would be allowed, if that can be said.
    pub allowed: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Invalid value provided to the option: {}", self.name)?;
        writeln!(f, "  given: {} ({})", self.text, self.origin)?;
        write!(f, "  reason: {}", self.reason)?;
        if let Some(allowed) = &self.allowed {
            write!(f, "\n  allowed: {allowed}")?;
        }
        Ok(())
    }
}

/// Every value that was refused; the text is the report for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", report(.0))]
pub struct InvalidOptions(pub Vec<Fault>);

fn report(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    texts.join("\n")
}

/// A file that is not well formed; nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", syntax_report(.path, .errors))]
pub struct BrokenFile {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub errors: Vec<SyntaxError>,
}

fn syntax_report(path: &Path, errors: &[SyntaxError]) -> String {
    let path = path.display();
    let texts: Vec<String> = errors.iter().map(|e| format!("{path}:{e}")).collect();
    texts.join("\n")
}
