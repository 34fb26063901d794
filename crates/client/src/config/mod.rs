//! The client's configuration: its option table, its files, and the settings that come of them.
//!
//! [`load()`] reads the files of section 1 of the option specification, the arguments, and the
//! `-C` file, in this order, and either gives [`Settings`] or says how the program ends.

mod check;
mod environment;
mod load;
mod settings;
mod sound;
mod spice;
mod table;

pub mod keys;

pub use environment::{Directories, Environment};
pub use load::{FLAGS, Loaded, load};
pub use options::Outcome;
pub use settings::{
    AppSettings, EglSettings, InputSettings, OnVmExit, Renderer, RunSettings, Screensaver,
    Screenshot, Settings, Transport, WinSettings,
};
pub use sound::SoundOptions;
pub use spice::{Secret, SpiceSettings};
pub use table::table;

#[cfg(test)]
mod tests;
