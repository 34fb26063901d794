//! How a program declares an option.

use crate::value::Value;

/// What a validator says about a value that the parser understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Take it.
    Good,
    /// Take it and warn, with the reason.
    Odd(String),
    /// Refuse it, with the reason.
    Bad(String),
}

/// The type of an option together with its default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `yes` or `no`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Any text; `None` is "not set".
    Text(Option<&'static str>),
    /// One of a list of words, compared without regard to case.
    Choice {
        /// The words as they are shown and returned.
        values: &'static [&'static str],
        /// The default, one of them.
        default: &'static str,
    },
}

impl Kind {
    /// The word for the type in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::Choice { .. } => "choice",
        }
    }

    /// The default as a value.
    #[must_use]
    pub fn default_value(self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(value) => Value::Text(value.map(str::to_owned)),
            Self::Choice { default, .. } => Value::Text(Some(default.to_owned())),
        }
    }
}

/// The first revision of the existing program that has the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// January 2022 or before.
    Seed,
    /// Release B6.
    B6,
    /// Release B7.
    B7,
    /// The development state of August 2026.
    Head,
    /// Only in this program.
    Ours,
}

impl Since {
    /// The name in the reference table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::B6 => "B6",
            Self::B7 => "B7",
            Self::Head => "HEAD",
            Self::Ours => "ours",
        }
    }
}

/// Whether setting the option changes anything yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does what its description says.
    Works,
    /// Accepted so that existing files keep working, without effect in this version.
    NotYet,
    /// Accepted, but for a build for another system.
    OtherSystem,
}

impl State {
    /// The name in the reference table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::NotYet => "accepted, no effect yet",
            Self::OtherSystem => "other system",
        }
    }
}

/// One row of a program's option table, built in a `static` by the `const` functions below.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The part before the colon.
    pub module: &'static str,
    /// The part after the colon.
    pub name: &'static str,
    /// The letter of the `-X` form.
    pub short: Option<char>,
    /// Type and default.
    pub kind: Kind,
    /// One line for the tables.
    pub description: &'static str,
    /// The allowed values in words, or empty if the type says it all.
    pub values: &'static str,
    /// A further look at a value that the parser understood.
    pub validator: Option<fn(&Value) -> Check>,
    /// Left out of the help tables.
    pub is_hidden: bool,
    /// Never shown, only that it is set.
    pub is_secret: bool,
    /// Other full names (`module:name`) for the same option.
    pub aliases: &'static [&'static str],
    /// Who has it.
    pub since: Since,
    /// Whether it works.
    pub state: State,
}

impl OptionSpec {
    const fn new(
        module: &'static str,
        name: &'static str,
        kind: Kind,
        description: &'static str,
    ) -> Self {
        Self {
            module,
            name,
            short: None,
            kind,
            description,
            values: "",
            validator: None,
            is_hidden: false,
            is_secret: false,
            aliases: &[],
            since: Since::Seed,
            state: State::NotYet,
        }
    }

    /// Declares a boolean.
    #[must_use]
    pub const fn switch(
        module: &'static str,
        name: &'static str,
        default: bool,
        description: &'static str,
    ) -> Self {
        Self::new(module, name, Kind::Bool(default), description)
    }

    /// Declares a whole number.
    #[must_use]
    pub const fn int(
        module: &'static str,
        name: &'static str,
        default: i64,
        description: &'static str,
    ) -> Self {
        Self::new(module, name, Kind::Int(default), description)
    }

    /// Declares a number with a fraction.
    #[must_use]
    pub const fn float(
        module: &'static str,
        name: &'static str,
        default: f64,
        description: &'static str,
    ) -> Self {
        Self::new(module, name, Kind::Float(default), description)
    }

    /// Declares a text; `None` is "not set".
    #[must_use]
    pub const fn text(
        module: &'static str,
        name: &'static str,
        default: Option<&'static str>,
        description: &'static str,
    ) -> Self {
        Self::new(module, name, Kind::Text(default), description)
    }

    /// Declares a choice between words.
    #[must_use]
    pub const fn choice(
        module: &'static str,
        name: &'static str,
        values: &'static [&'static str],
        default: &'static str,
        description: &'static str,
    ) -> Self {
        Self::new(module, name, Kind::Choice { values, default }, description)
    }

    /// Gives it a letter.
    #[must_use]
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// Says in words which values are allowed.
    #[must_use]
    pub const fn values(mut self, values: &'static str) -> Self {
        self.values = values;
        self
    }

    /// Adds a validator.
    #[must_use]
    pub const fn check(mut self, validator: fn(&Value) -> Check) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Leaves it out of the help tables.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Keeps the value out of everything that is printed.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Adds other full names.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Says who has it.
    #[must_use]
    pub const fn since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    /// Marks it as working.
    #[must_use]
    pub const fn works(mut self) -> Self {
        self.state = State::Works;
        self
    }

    /// Marks it as meant for another system.
    #[must_use]
    pub const fn other_system(mut self) -> Self {
        self.state = State::OtherSystem;
        self
    }

    /// The full name, `module:name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.module, self.name)
    }

    /// The allowed values in words, if there is anything to say beyond the type.
    #[must_use]
    pub fn allowed(&self) -> Option<String> {
        if !self.values.is_empty() {
            return Some(self.values.to_owned());
        }
        match self.kind {
            Kind::Choice { values, .. } => Some(values.join(", ")),
            _ => None,
        }
    }
}
