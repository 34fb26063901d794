//! The options of the SPICE connection and of the clipboard, as types.

use std::path::PathBuf;

use options::Options;
use spice::Password;
use spice::transport::{Address, AddressError};

use crate::session::ConsolePolicy;

/// The SPICE connection. With `spice:enable=no` everything here acts as off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiceSettings {
    /// `spice:enable`.
    pub enable: bool,
    /// `spice:host`.
    pub host: String,
    /// `spice:port`; 0 makes the host a path.
    pub port: u16,
    /// `spice:input`.
    pub input: bool,
    /// `spice:clipboard` and `clipboard:toVM`.
    pub clipboard_to_vm: bool,
    /// `spice:clipboard` and `clipboard:toLocal`.
    pub clipboard_to_local: bool,
    /// `clipboard:maxSize`, in bytes.
    pub clipboard_max_bytes: usize,
    /// `spice:waitForServer`.
    pub wait_for_server: bool,
    /// `spice:display`.
    pub display: ConsolePolicy,
    /// `spice:password`.
    pub password: Secret,
    /// `spice:passwordFile`.
    pub password_file: Option<PathBuf>,
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl SpiceSettings {
    /// Takes the values out of `options`, which have passed [`Options::check`].
    pub(super) fn new(options: &Options) -> Self {
        let enable = options.bool("spice:enable");
        let is_on = |name| enable && options.bool(name);
        let text = |name| options.text(name).unwrap_or_default();
        let clipboard = is_on("spice:clipboard");
        let mib = usize::try_from(options.int("clipboard:maxSize")).unwrap_or_default();
        Self {
            enable,
            host: text("spice:host").to_owned(),
            port: u16::try_from(options.int("spice:port")).unwrap_or_default(),
            input: is_on("spice:input"),
            clipboard_to_vm: clipboard && options.bool("spice:clipboardToVM"),
            clipboard_to_local: clipboard && options.bool("spice:clipboardToLocal"),
            clipboard_max_bytes: mib.saturating_mul(1 << 20),
            wait_for_server: options.bool("spice:waitForServer"),
            display: match text("spice:display") {
                _ if !enable => ConsolePolicy::Off,
                "force" => ConsolePolicy::Force,
                "off" => ConsolePolicy::Off,
                _ => ConsolePolicy::Auto,
            },
            password: Secret(text("spice:password").to_owned()),
            password_file: options
                .text("spice:passwordFile")
                .filter(|name| !name.is_empty())
                .map(PathBuf::from),
        }
    }

    /// Where the server listens.
    ///
    /// # Errors
    /// If there can be no server at such a place.
    pub fn address(&self) -> Result<Address, AddressError> {
        Address::from_host_and_port(&self.host, self.port)
    }

    /// The ticket: the password, or the first line of the file, which is read now.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn ticket(&self) -> std::io::Result<Password> {
        let Some(file) = &self.password_file else {
            return Ok(Password::new(self.password.0.as_bytes()));
        };
        let bytes = options::file::read(file)?;
        let line = bytes.split(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default();
        Ok(Password::new(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_is_the_first_line_of_the_file_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ticket");
        std::fs::write(&file, "s3cret\r\nrest").unwrap();
        let options = options::Options::new(crate::config::table());
        let mut settings = SpiceSettings::new(&options);
        settings.password_file = Some(file.clone());
        assert!(settings.ticket().is_ok());
        std::fs::remove_file(&file).unwrap();
        assert!(settings.ticket().is_err(), "the file is gone");
        settings.password = Secret("s3cret".into());
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn without_spice_everything_of_it_is_off() {
        let mut options = options::Options::new(crate::config::table());
        let on = SpiceSettings::new(&options);
        assert!(on.input && on.clipboard_to_vm && on.clipboard_to_local);
        assert_eq!(on.clipboard_max_bytes, 64 << 20);
        assert_eq!((on.display, on.port), (ConsolePolicy::Auto, 5900));
        options.apply_arguments(&["spice:enable=no".into()], &[]);
        let off = SpiceSettings::new(&options);
        assert!(!off.enable && !off.input && !off.clipboard_to_vm && !off.clipboard_to_local);
        assert_eq!(off.display, ConsolePolicy::Off);
    }
}
