//! What the user's options say about input.

use clock::Nanos;

use super::keys;

/// The lowest and the highest `input:mouseSens`.
pub(super) const SENSITIVITY: std::ops::RangeInclusive<i32> = -9..=9;

/// The user's options; the defaults are those of the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// `spice:enable` and `spice:input`: keyboard and pointer go to the guest at all.
    pub to_guest: bool,
    /// `input:escapeKey` as an evdev code.
    pub escape_key: u32,
    /// `input:helpMenuDelay`.
    pub help_delay: Nanos,
    /// `input:ignoreWindowsKeys`.
    pub ignore_windows_keys: bool,
    /// `input:releaseKeysOnFocusLoss`.
    pub release_on_focus_loss: bool,
    /// `input:captureOnly`.
    pub capture_only: bool,
    /// `input:captureOnFocus`.
    pub capture_on_focus: bool,
    /// `spice:captureOnStart`, at HEAD `input:captureOnStart`.
    pub capture_on_start: bool,
    /// `input:grabKeyboard`.
    pub grab_keyboard: bool,
    /// `input:grabKeyboardOnFocus`.
    pub grab_keyboard_on_focus: bool,
    /// `input:hideCursor`.
    pub hide_cursor: bool,
    /// `spice:alwaysShowCursor`, at HEAD `input:alwaysShowCursor`.
    pub always_show_cursor: bool,
    /// `spice:scaleCursor`, at HEAD `input:scaleCursor`.
    pub scale_cursor: bool,
    /// `input:mouseSens`; held to -9 to 9.
    pub sensitivity: i32,
    /// `input:mouseSmoothing`.
    pub smoothing: bool,
    /// `input:rawMouse`.
    pub raw: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            to_guest: true,
            escape_key: keys::SCROLL_LOCK,
            help_delay: Nanos::from_millis(200),
            ignore_windows_keys: false,
            release_on_focus_loss: true,
            capture_only: false,
            capture_on_focus: false,
            capture_on_start: false,
            grab_keyboard: true,
            grab_keyboard_on_focus: false,
            hide_cursor: true,
            always_show_cursor: false,
            scale_cursor: true,
            sensitivity: 0,
            smoothing: true,
            raw: false,
        }
    }
}
