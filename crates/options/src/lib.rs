//! Option engine: syntax, sources, precedence, validation and help tables.
//!
//! Lowest layer: no other crate of the workspace is used, and only [`mod@file`] and [`account`] read files. A program
//! declares its options as a table ([`OptionSpec`]), reads its own files, and hands their bytes
//! and its arguments over in the order of precedence; a later source wins option by option.
//!
//! ```
//! use std::path::Path;
//! use options::{OptionSpec, Options};
//!
//! static TABLE: [OptionSpec; 2] = [
//!     OptionSpec::switch("win", "fullScreen", false, "Start full screen").short('F').works(),
//!     OptionSpec::text("win", "title", Some("Looking Glass"), "Window title").works(),
//! ];
//! let mut options = Options::new(&TABLE);
//! options.apply_ini(Path::new("/etc/x.ini"), b"[win]\nfullScreen=yes\n").expect("is well formed");
//! options.apply_arguments(&["-F".into(), "win:title=Guest".into()], &[]);
//! options.check().expect("nothing invalid is left");
//! assert!(!options.bool("win:fullScreen"), "-F flips what the file said");
//! assert_eq!(options.text("win:title"), Some("Guest"));
//! ```
//!
//! Threads and clocks: none; everything is plain data.
//!
//! Sources: the option specification of the project (`spec/options.md`), by section in each module.

#![forbid(unsafe_code)]

pub mod account;
pub mod file;
pub mod ini;

mod arguments;
mod engine;
mod fault;
mod notice;
mod outcome;
mod spec;
mod suggest;
mod tables;
mod value;

pub use arguments::{FlagSpec, Flags};
pub use engine::{Options, table_mistakes};
pub use fault::{BrokenFile, Fault, InvalidOptions, Origin};
pub use notice::{Level, Notice};
pub use outcome::Outcome;
pub use spec::{Check, Kind, OptionSpec, Since, State};
pub use tables::flag_table;
pub use value::{Value, leading_int};
