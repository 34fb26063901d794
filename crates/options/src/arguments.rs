//! The command line (section 3 of the specification) and the flags of our own (section 11).

use std::ffi::{OsStr, OsString};
use std::slice;

use crate::engine::Options;
use crate::fault::Origin;
use crate::notice::Notice;
use crate::spec::Kind;

/// A flag that is not an option: `--NAME` or `--NAME VALUE`.
#[derive(Clone, Copy, Debug)]
pub struct FlagSpec {
    /// The name without the dashes.
    pub name: &'static str,
    /// Letters that mean the same, as in `-h`.
    pub letters: &'static [char],
    /// The word that stands for the value in the help, if the flag takes one.
    pub value: Option<&'static str>,
    /// One line for the help.
    pub description: &'static str,
}

impl FlagSpec {
    /// Declares a flag without a value.
    #[must_use]
    pub const fn new(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            letters: &[],
            value: None,
            description,
        }
    }

    /// Gives it letters.
    #[must_use]
    pub const fn letters(mut self, letters: &'static [char]) -> Self {
        self.letters = letters;
        self
    }

    /// Makes it take a value, which the help calls `word`.
    #[must_use]
    pub const fn value(mut self, word: &'static str) -> Self {
        self.value = Some(word);
        self
    }
}

/// The flags that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    given: Vec<(&'static str, Option<OsString>)>,
    incomplete: Vec<&'static str>,
}

impl Flags {
    /// Tells whether the flag was given.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The value of a flag that takes one; the last one counts.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        let mut same = self.given.iter().rev().filter(|(given, _)| *given == name);
        same.find_map(|(_, value)| value.as_deref())
    }

    /// The flags whose value was missing.
    #[must_use]
    pub fn incomplete(&self) -> &[&'static str] {
        &self.incomplete
    }
}

impl Options {
    /// Reads the arguments after the program's name, in their order.
    ///
    /// Nothing here is fatal: what is not understood becomes a [`Notice`], a refused value
    /// becomes a [`Fault`](crate::Fault), a flag without its value is in [`Flags::incomplete`].
    pub fn apply_arguments(&mut self, arguments: &[OsString], flags: &[FlagSpec]) -> Flags {
        let mut reader = Reader {
            options: self,
            specs: flags,
            flags: Flags::default(),
            rest: arguments.iter(),
            position: 0,
        };
        while let Some(argument) = reader.next() {
            reader.read(argument);
        }
        reader.flags
    }
}

struct Reader<'a, 'b> {
    options: &'a mut Options,
    specs: &'b [FlagSpec],
    flags: Flags,
    rest: slice::Iter<'b, OsString>,
    position: usize,
}

impl<'b> Reader<'_, 'b> {
    fn next(&mut self) -> Option<&'b OsString> {
        self.position += 1;
        self.rest.next()
    }

    fn read(&mut self, argument: &OsStr) {
        let text = self.decode(argument);
        let mut letters = text.chars().skip(1);
        if let Some(flag) = text.strip_prefix("--").filter(|flag| !flag.is_empty()) {
            self.read_flag(flag);
        } else if text == "--" || text == "-" {
            self.warn(format!("invalid argument \"{text}\" is ignored"));
        } else if !text.starts_with('-') {
            self.read_assignment(&text);
        } else if let (Some(letter), None) = (letters.next(), letters.next()) {
            self.read_letter(letter);
        } else {
            self.warn(format!("invalid argument \"{text}\" is ignored"));
        }
    }

    fn read_flag(&mut self, text: &str) {
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        match self.specs.iter().find(|flag| flag.name == name) {
            Some(flag) => self.take_flag(flag, inline),
            None => self.warn(format!("invalid argument \"--{text}\" is ignored")),
        }
    }

    fn take_flag(&mut self, flag: &FlagSpec, inline: Option<OsString>) {
        let value = match (flag.value, inline) {
            (Some(_), Some(inline)) => Some(inline),
            (Some(_), None) => self.next().cloned(),
            (None, Some(_)) => {
                self.warn(format!("--{} takes no value", flag.name));
                None
            }
            (None, None) => None,
        };
        if flag.value.is_some() && value.as_ref().is_none_or(|value| value.is_empty()) {
            self.flags.incomplete.push(flag.name);
        } else {
            self.flags.given.push((flag.name, value));
        }
    }

    fn read_letter(&mut self, letter: char) {
        let mut flags = self.specs.iter();
        if let Some(flag) = flags.find(|flag| flag.letters.contains(&letter)) {
            return self.take_flag(flag, None);
        }
        let Some(index) = self.options.index_of_letter(letter) else {
            return self.warn(format!("unknown argument \"-{letter}\" is ignored"));
        };
        let origin = self.origin();
        if matches!(self.options.kind(index), Some(Kind::Bool(_))) {
            return self.options.flip(index, origin);
        }
        match self.next().cloned() {
            Some(value) => {
                let value = self.decode(&value);
                self.set(index, &value, origin, &format!("-{letter}"));
            }
            None => self.warn(format!("-{letter} needs a value and is ignored")),
        }
    }

    fn read_assignment(&mut self, text: &str) {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value)),
            None => (text.trim(), None),
        };
        let Some(index) = self.options.index_of(name) else {
            let hint = self.options.hint(name);
            return self.warn(format!("unknown argument \"{text}\" is ignored{hint}"));
        };
        let origin = self.origin();
        match value {
            Some(value) => self.set(index, value, origin, name),
            None if matches!(self.options.kind(index), Some(Kind::Bool(_))) => {
                self.options.flip(index, origin);
            }
            None => self.warn(format!("{name} needs a value and is ignored")),
        }
    }

    /// Sets an option; an empty string cannot be given on the command line.
    fn set(&mut self, index: usize, value: &str, origin: Origin, shown: &str) {
        match value.trim() {
            "" => self.warn(format!("{shown} needs a value and is ignored")),
            value => self.options.assign(index, value, origin),
        }
    }

    fn origin(&self) -> Origin {
        Origin::CommandLine {
            argument: self.position,
        }
    }

    fn decode(&mut self, argument: &OsStr) -> String {
        if argument.to_str().is_none() {
            let shown = argument.to_string_lossy();
            self.warn(format!(
                "\"{shown}\" is not UTF-8; the odd bytes were replaced"
            ));
        }
        argument.to_string_lossy().into_owned()
    }

    fn warn(&mut self, text: String) {
        let text = format!("argument {}: {text}", self.position);
        self.options.tell(Notice::warning(text));
    }
}
