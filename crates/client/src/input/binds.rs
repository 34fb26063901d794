//! What the escape key does together with other keys.
//!
//! Keys are taken by their position, whatever the layout has on them. Which binds there are depends on what works at the
//! moment ([`Context`]); the list that the user sees has only those.

use super::keys::{self, LEFT_META, RIGHT_META};
use super::scancode;

/// A bind that is the program's to carry out; the others are done within the input model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// F: into full screen, or out of it.
    FullScreen,
    /// V: the picture of the host application on or off; SPICE's picture takes its place.
    Video,
    /// R: a quarter turn clockwise.
    Rotate,
    /// Q: end the program.
    Quit,
    /// D: show the rates, or hide them.
    Rates,
    /// E: the guest hears the microphone, or no longer.
    Microphone,
    /// C: the next policy for the microphone.
    MicrophonePolicy,
}

/// What works at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// A SPICE session stands that takes keyboard and pointer.
    pub has_input: bool,
    /// Keyboard and pointer are on (key I).
    pub is_on: bool,
    /// The guest runs Linux.
    pub is_linux: bool,
    /// The guest can record, if it is let.
    pub can_record: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// For the program.
    App(Bind),
    /// Keyboard and pointer on or off.
    ToggleInput,
    /// Change the sensitivity by this.
    Sensitivity(i32),
    /// Press and release this key in the guest.
    Send(u32),
    /// The same with Ctrl and Alt.
    ControlAlt(u32),
}

/// What a bind needs to work.
#[derive(Clone, Copy)]
enum Need {
    Nothing,
    Input,
    InputOn,
    Linux,
    Record,
}

struct Entry {
    keys: &'static [u32],
    /// The name for the list, where the key's own is not enough.
    label: Option<&'static str>,
    need: Need,
    deed: fn(u32) -> Deed,
    help: &'static str,
}

const fn entry(
    keys: &'static [u32],
    need: Need,
    deed: fn(u32) -> Deed,
    help: &'static str,
) -> Entry {
    Entry {
        keys,
        label: None,
        need,
        deed,
        help,
    }
}

// Key codes from linux/input-event-codes.h.
static BINDS: [Entry; 15] = [
    entry(
        &[33],
        Need::Nothing,
        |_| Deed::App(Bind::FullScreen),
        "full screen on or off",
    ),
    entry(
        &[47],
        Need::Nothing,
        |_| Deed::App(Bind::Video),
        "video on or off",
    ),
    entry(
        &[19],
        Need::Nothing,
        |_| Deed::App(Bind::Rotate),
        "rotate by 90 degrees clockwise",
    ),
    entry(&[16], Need::Nothing, |_| Deed::App(Bind::Quit), "quit"),
    entry(
        &[32],
        Need::Nothing,
        |_| Deed::App(Bind::Rates),
        "rates on or off",
    ),
    entry(
        &[18],
        Need::Record,
        |_| Deed::App(Bind::Microphone),
        "microphone on or off",
    ),
    entry(
        &[46],
        Need::Record,
        |_| Deed::App(Bind::MicrophonePolicy),
        "microphone: ask, always or never",
    ),
    entry(
        &[23],
        Need::Input,
        |_| Deed::ToggleInput,
        "keyboard and pointer on or off",
    ),
    entry(
        &[110],
        Need::Input,
        |_| Deed::Sensitivity(1),
        "raise the sensitivity in capture",
    ),
    entry(
        &[111],
        Need::Input,
        |_| Deed::Sensitivity(-1),
        "lower the sensitivity in capture",
    ),
    entry(&[103], Need::InputOn, |_| Deed::Send(115), "send volume up"),
    entry(
        &[108],
        Need::InputOn,
        |_| Deed::Send(114),
        "send volume down",
    ),
    entry(&[50], Need::InputOn, |_| Deed::Send(113), "send mute"),
    Entry {
        label: Some("Left or Right Super"),
        ..entry(
            &[LEFT_META, RIGHT_META],
            Need::InputOn,
            Deed::Send,
            "send that key",
        )
    },
    Entry {
        label: Some("F1 to F12"),
        ..entry(
            &[59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 87, 88],
            Need::Linux,
            Deed::ControlAlt,
            "send Ctrl+Alt with that key",
        )
    },
];

impl Context {
    fn grants(self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Input => self.has_input,
            Need::InputOn => self.has_input && self.is_on,
            Need::Linux => self.has_input && self.is_on && self.is_linux,
            Need::Record => self.can_record,
        }
    }
}

/// What a key does together with the escape key, if it does anything at the moment.
pub(super) fn find(evdev: u32, context: Context) -> Option<Deed> {
    let entry = BINDS.iter().find(|entry| entry.keys.contains(&evdev))?;
    context.grants(entry.need).then(|| (entry.deed)(evdev))
}

/// The keys of Ctrl+Alt and another one, in the order in which they go down.
pub(super) fn control_alt(evdev: u32) -> [u32; 3] {
    [keys::LEFT_CTRL, keys::LEFT_ALT, evdev]
}

/// The list of what works at the moment, one line each.
#[must_use]
pub fn help(escape_key: u32, context: Context) -> Vec<String> {
    let escape = scancode::label(escape_key);
    let mut lines = Vec::with_capacity(BINDS.len() + 1);
    if context.has_input && context.is_on {
        lines.push((escape.clone(), "capture or release the pointer"));
    }
    let works = |entry: &&Entry| context.grants(entry.need) && entry.keys != [escape_key];
    for entry in BINDS.iter().filter(works) {
        let first = entry.keys.first().copied().unwrap_or_default();
        let key = entry
            .label
            .map_or_else(|| scancode::label(first), str::to_owned);
        lines.push((format!("{escape} + {key}"), entry.help));
    }
    let width = lines.iter().map(|(keys, _)| keys.len()).max().unwrap_or(0);
    let line = |(keys, help): (String, &str)| format!("{keys:width$}  {help}");
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Context = Context {
        has_input: true,
        is_on: true,
        is_linux: true,
        can_record: true,
    };

    fn code(name: &str) -> u32 {
        crate::config::keys::code(name).unwrap()
    }

    #[test]
    fn binds_are_on_the_keys_of_the_manual() {
        let deeds = [
            ("KEY_F", Deed::App(Bind::FullScreen)),
            ("KEY_V", Deed::App(Bind::Video)),
            ("KEY_R", Deed::App(Bind::Rotate)),
            ("KEY_Q", Deed::App(Bind::Quit)),
            ("KEY_D", Deed::App(Bind::Rates)),
            ("KEY_E", Deed::App(Bind::Microphone)),
            ("KEY_C", Deed::App(Bind::MicrophonePolicy)),
            ("KEY_I", Deed::ToggleInput),
            ("KEY_INSERT", Deed::Sensitivity(1)),
            ("KEY_DELETE", Deed::Sensitivity(-1)),
            ("KEY_UP", Deed::Send(code("KEY_VOLUMEUP"))),
            ("KEY_DOWN", Deed::Send(code("KEY_VOLUMEDOWN"))),
            ("KEY_M", Deed::Send(code("KEY_MUTE"))),
            ("KEY_LEFTMETA", Deed::Send(code("KEY_LEFTMETA"))),
            ("KEY_RIGHTMETA", Deed::Send(code("KEY_RIGHTMETA"))),
        ];
        for (key, deed) in deeds {
            assert_eq!(find(code(key), ALL), Some(deed), "{key}");
        }
        for number in 1..=12 {
            let key = code(&format!("KEY_F{number}"));
            assert_eq!(find(key, ALL), Some(Deed::ControlAlt(key)));
        }
        assert_eq!(find(code("KEY_F13"), ALL), None);
    }

    #[test]
    fn no_key_has_two_binds() {
        let mut keys: Vec<u32> = BINDS.iter().flat_map(|entry| entry.keys).copied().collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn every_bind_that_sends_a_key_sends_one_that_there_is() {
        for evdev in BINDS.iter().flat_map(|entry| entry.keys) {
            let sent = match find(*evdev, ALL) {
                Some(Deed::Send(key) | Deed::ControlAlt(key)) => key,
                _ => continue,
            };
            assert!(scancode::of(sent).is_some(), "{sent}");
        }
    }

    #[test]
    fn list_has_only_what_works() {
        let lines = |context| help(70, context);
        assert_eq!(lines(Context::default()).len(), 5);
        assert_eq!(
            lines(Context::default()).first().unwrap(),
            "Scroll Lock + F  full screen on or off"
        );
        let off = Context {
            is_on: false,
            ..ALL
        };
        assert_eq!(lines(off).len(), 10);
        let windows = Context {
            is_linux: false,
            ..ALL
        };
        assert_eq!(lines(windows).len(), 15);
        assert_eq!(lines(ALL).len(), 16);
        let deaf = Context {
            can_record: false,
            ..ALL
        };
        assert_eq!(lines(deaf).len(), 14);
        assert_eq!(find(code("KEY_E"), deaf), None);
        assert!(lines(ALL).iter().any(|line| line.contains("F1 to F12")));
        assert_eq!(
            lines(ALL).first().unwrap(),
            "Scroll Lock                        capture or release the pointer"
        );
        assert_eq!(find(code("KEY_F2"), windows), None);
        assert_eq!(find(code("KEY_M"), off), None);
    }

    #[test]
    fn escape_key_itself_is_not_in_the_list() {
        let lines = help(code("KEY_Q"), ALL);
        assert!(!lines.iter().any(|line| line.ends_with(" quit")));
    }
}
