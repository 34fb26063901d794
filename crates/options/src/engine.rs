//! The state of all options: values, where they came from, and what is wrong with them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::fault::{BrokenFile, Fault, InvalidOptions, Origin};
use crate::ini::{self, Assignment, shortened};
use crate::notice::Notice;
use crate::spec::{Check, Kind, OptionSpec, State};
use crate::suggest;
use crate::value::{self, Value};

/// More notices than this are counted, not kept.
const MOST_NOTICES: usize = 100;

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    origin: Origin,
    fault: Option<Fault>,
}

/// All options of a program with their values so far.
#[derive(Clone, Debug)]
pub struct Options {
    table: &'static [OptionSpec],
    entries: Vec<Entry>,
    /// Full names and aliases in lower case.
    names: HashMap<String, usize>,
    notices: Vec<Notice>,
    untold: usize,
}

impl Options {
    /// Starts with the defaults of `table`.
    #[must_use]
    pub fn new(table: &'static [OptionSpec]) -> Self {
        let mut names = HashMap::new();
        for (index, spec) in table.iter().enumerate() {
            names.insert(spec.full_name().to_ascii_lowercase(), index);
            for alias in spec.aliases {
                names.insert(alias.to_ascii_lowercase(), index);
            }
        }
        let entry = |spec: &OptionSpec| Entry {
            value: spec.kind.default_value(),
            origin: Origin::Default,
            fault: None,
        };
        Self {
            table,
            entries: table.iter().map(entry).collect(),
            names,
            notices: Vec::new(),
            untold: 0,
        }
    }

    /// Replaces a default by one that depends on the machine.
    pub fn set_default(&mut self, name: &str, value: Value) {
        let index = self.known(name);
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            entry.value = value;
        }
    }

    /// Reads a file's bytes; `path` is for messages only.
    ///
    /// Unknown names become warnings, refused values become faults.
    ///
    /// # Errors
    /// [`BrokenFile`] if the syntax is wrong anywhere; then nothing of the file is applied.
    pub fn apply_ini(&mut self, path: &Path, bytes: &[u8]) -> Result<(), BrokenFile> {
        let parsed = ini::parse(bytes);
        if !parsed.errors.is_empty() {
            return Err(BrokenFile {
                path: path.to_owned(),
                errors: parsed.errors,
            });
        }
        let path: Arc<Path> = Arc::from(path);
        for assignment in &parsed.assignments {
            self.apply_assignment(&path, assignment);
        }
        Ok(())
    }

    fn apply_assignment(&mut self, path: &Arc<Path>, assignment: &Assignment) {
        let Assignment {
            module,
            name,
            value,
            line,
            column,
            is_lossy,
        } = assignment;
        let place = format!("{}:{line}:{column}", path.display());
        let full_name = format!("{module}:{name}");
        let Some(index) = self.index_of(&full_name) else {
            let hint = self.hint(&full_name);
            let shown = shortened(&full_name);
            let text = shortened(&format!("{name}={value}"));
            return self.tell(Notice::warning(format!(
                "{place}: unknown option {shown}{hint}: {text}"
            )));
        };
        if *is_lossy {
            let text = format!("{place}: not UTF-8; the odd bytes were replaced");
            self.tell(Notice::warning(text));
        }
        let origin = Origin::File {
            path: Arc::clone(path),
            line: *line,
        };
        self.assign(index, value, origin);
    }

    /// Gives an option a value as text; a refused one leaves the old value and marks the option.
    pub(crate) fn assign(&mut self, index: usize, text: &str, origin: Origin) {
        let (Some(spec), Some(entry)) = (self.table.get(index), self.entries.get_mut(index)) else {
            return;
        };
        let name = spec.full_name();
        match examine(spec, text) {
            Ok((value, oddities)) => {
                let place = origin.to_string();
                *entry = Entry {
                    value,
                    origin,
                    fault: None,
                };
                for oddity in oddities {
                    self.tell(Notice::warning(format!("{place}: {name}: {oddity}")));
                }
            }
            Err(reason) => {
                // The whole reason, which may list what is allowed, comes with the final report.
                let short = shortened(&reason);
                let notice = Notice::error(format!("{origin}: invalid value for {name}: {short}"));
                entry.fault = Some(Fault {
                    name,
                    text: if spec.is_secret {
                        "(hidden)".to_owned()
                    } else {
                        shortened(text)
                    },
                    origin,
                    reason,
                    allowed: spec.allowed(),
                });
                self.tell(notice);
            }
        }
    }

    /// Turns a boolean over.
    pub(crate) fn flip(&mut self, index: usize, origin: Origin) {
        if let Some(entry) = self.entries.get_mut(index)
            && let Value::Bool(value) = entry.value
        {
            *entry = Entry {
                value: Value::Bool(!value),
                origin,
                fault: None,
            };
        }
    }

    pub(crate) fn index_of(&self, full_name: &str) -> Option<usize> {
        self.names.get(&full_name.to_ascii_lowercase()).copied()
    }

    pub(crate) fn index_of_letter(&self, letter: char) -> Option<usize> {
        let mut specs = self.table.iter();
        specs.position(|spec| spec.short == Some(letter))
    }

    pub(crate) fn kind(&self, index: usize) -> Option<Kind> {
        self.table.get(index).map(|spec| spec.kind)
    }

    /// Says which name was probably meant, as an addition to a message; empty if none is near.
    pub(crate) fn hint(&self, wrong: &str) -> String {
        if self.notices.len() >= MOST_NOTICES {
            return String::new();
        }
        let full_names: Vec<String> = self.table.iter().map(OptionSpec::full_name).collect();
        let aliases = self.table.iter().flat_map(|spec| spec.aliases).copied();
        let all = full_names.iter().map(String::as_str).chain(aliases);
        suggest::nearest(wrong, all)
            .map(|name| format!(" (did you mean {name}?)"))
            .unwrap_or_default()
    }

    pub(crate) fn tell(&mut self, notice: Notice) {
        if self.notices.len() < MOST_NOTICES {
            self.notices.push(notice);
        } else {
            self.untold += 1;
        }
    }

    /// Hands over what there is to tell the user so far, in order.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.notices);
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            notices.push(Notice::warning(format!(
                "{untold} more messages about options"
            )));
        }
        notices
    }

    /// Makes one line for each reason why options that were set have no effect.
    #[must_use]
    pub fn notices_without_effect(&self) -> Vec<Notice> {
        let line = |state, words: &str| {
            let is_meant = |(spec, entry): &(&OptionSpec, &Entry)| {
                spec.state == state && entry.origin != Origin::Default
            };
            let rows = self.table.iter().zip(&self.entries).filter(is_meant);
            let names: Vec<String> = rows.map(|(spec, _)| spec.full_name()).collect();
            (!names.is_empty()).then(|| Notice::info(format!("{words}: {}", names.join(", "))))
        };
        let not_yet = line(State::NotYet, "set, but without effect in this version");
        let other = line(State::OtherSystem, "set, but meant for another system");
        not_yet.into_iter().chain(other).collect()
    }

    /// Looks whether an invalid value is left after all sources.
    ///
    /// # Errors
    /// [`InvalidOptions`] with every fault; its text is the report for the user.
    pub fn check(&self) -> Result<(), InvalidOptions> {
        let faults = self.entries.iter().filter_map(|entry| entry.fault.clone());
        let faults: Vec<Fault> = faults.collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(InvalidOptions(faults))
        }
    }

    /// Takes no offence at a refused value of this option, which does not matter with the others as they are.
    pub fn forgive(&mut self, name: &str) {
        let index = self.names.get(&name.to_ascii_lowercase());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(*index)) {
            entry.fault = None;
        }
    }

    /// The value of a boolean by its full name.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            Some(Value::Bool(value)) => *value,
            other => unfit(name, other),
        }
    }

    /// The value of a whole number by its full name.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Int(value)) => *value,
            other => unfit(name, other),
        }
    }

    /// The value of a number with a fraction by its full name.
    #[must_use]
    pub fn float(&self, name: &str) -> f64 {
        match self.value(name) {
            Some(Value::Float(value)) => *value,
            other => unfit(name, other),
        }
    }

    /// The value of a text or a choice by its full name; `None` is "not set".
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(value)) => value.as_deref(),
            other => unfit(name, other),
        }
    }

    /// The value of any option by its full name or an alias; `None` if there is no such option.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        let entry = self.entries.get(self.index_of(name)?)?;
        Some(&entry.value)
    }

    /// Where the value came from; [`Origin::Default`] also for an unknown name.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        let entry = self.known(name).and_then(|index| self.entries.get(index));
        entry.map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// Tells whether any source set the option.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.origin(name) != Origin::Default
    }

    /// Each option with its value and where that came from, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (&'static OptionSpec, &Value, &Origin)> {
        let rows = self.table.iter().zip(&self.entries);
        rows.map(|(spec, entry)| (spec, &entry.value, &entry.origin))
    }

    fn known(&self, name: &str) -> Option<usize> {
        let index = self.index_of(name);
        debug_assert!(index.is_some(), "the table has no option {name}");
        index
    }
}

/// Answers a question for an option that the table does not have: a mistake of the program that
/// its tests find, and that must not end it.
fn unfit<T: Default>(name: &str, found: Option<&Value>) -> T {
    debug_assert!(false, "{name} is {found:?}, which is another type");
    T::default()
}

type Examined = (Value, Vec<String>);

/// Parses and validates; the error is the reason for a refusal.
fn examine(spec: &OptionSpec, text: &str) -> Result<Examined, String> {
    let parsed = value::parse(spec.kind, text)?;
    let mut oddities: Vec<String> = parsed.oddity.into_iter().collect();
    match spec
        .validator
        .map_or(Check::Good, |check| check(&parsed.value))
    {
        Check::Good => {}
        Check::Odd(reason) => oddities.push(reason),
        Check::Bad(reason) => return Err(reason),
    }
    Ok((parsed.value, oddities))
}

/// Finds mistakes in a table, for the tests of the program that owns it.
#[must_use]
pub fn table_mistakes(table: &[OptionSpec]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut seen: HashMap<String, &str> = HashMap::new();
    for spec in table {
        let letter = spec.short.map(|letter| format!("-{letter}"));
        let aliases = spec.aliases.iter().map(|alias| alias.to_ascii_lowercase());
        let own = [spec.full_name().to_ascii_lowercase()];
        for name in own.into_iter().chain(aliases).chain(letter) {
            if let Some(other) = seen.insert(name.clone(), spec.name) {
                mistakes.push(format!("{name} is used by {other} and {}", spec.name));
            }
        }
        let default = spec.kind.default_value();
        let is_unset = default == Value::Text(None) || default == Value::Text(Some(String::new()));
        if !is_unset && let Err(reason) = examine(spec, &default.to_string()) {
            mistakes.push(format!("default of {}: {reason}", spec.full_name()));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests;
