//! The keys of a PC.

use anyhow::{bail, ensure};

/// Every key that has a scancode: evdev code, name, scancode and whether it is an extended one (spice.md 4.2).
const KEYS: &str = include_str!("../../tests/data/evdev-set1.csv");

/// Keys that QEMU 7.2 drops (spice.md 4.2).
const DROPPED: &str = "F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24 ZENKAKUHANKAKU KATAKANA KPJPCOMMA KPPLUSMINUS \
    KPLEFTPAREN KPRIGHTPAREN MACRO PROG1 PROG2 WWW SCREENLOCK CLOSECD EJECTCD RECORD REWIND EDIT SCROLLUP SCROLLDOWN NEW \
    REDO SEARCH";

/// One key of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What Linux calls it on this side.
    pub code: u16,
    /// Its name without `KEY_`.
    pub name: &'static str,
    /// Its set-1 scancode.
    pub scancode: u8,
    /// It has the prefix E0.
    pub is_extended: bool,
}

/// Every key of the table.
///
/// # Errors
/// If the table is damaged.
pub fn keys() -> anyhow::Result<Vec<Key>> {
    let key = |line: &'static str| {
        let fields: Vec<&str> = line.trim().split(',').collect();
        let [code, name, scancode, extended] = fields[..] else {
            bail!("not a key: {line}");
        };
        Ok(Key {
            code: code.parse()?,
            name: name.trim_start_matches("KEY_"),
            scancode: u8::from_str_radix(scancode, 16)?,
            is_extended: extended == "1",
        })
    };
    KEYS.lines().skip(1).map(key).collect()
}

/// The keys that QEMU passes on, in the order of the table; no two of them are the same to it.
///
/// # Errors
/// As [`keys`].
pub fn passed_keys() -> anyhow::Result<Vec<Key>> {
    let mut keys = keys()?;
    // An alias of SysRq.
    keys.retain(|key| !DROPPED.split(' ').any(|name| name == key.name) && key.name != "PRINT");
    ensure!(keys.len() == 147, "{} keys", keys.len());
    Ok(keys)
}
