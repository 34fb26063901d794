//! The host's configuration: its option table, its file, and the settings that come of them.
//!
//! [`load()`] reads the ini file in the home directory and the arguments, and either gives
//! [`Settings`] or says how the program ends. A broken file is logged and passed over.

mod check;
mod environment;
mod load;
mod settings;
mod table;

pub use environment::Environment;
pub use load::{FAILED, FLAGS, Loaded, load};
pub use options::Outcome;
pub use settings::{AppSettings, CaptureChoice, RunSettings, Settings, TestFormat, TestSettings};
pub use table::table;

#[cfg(test)]
mod tests;
