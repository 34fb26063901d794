//! The states of the lock keys, from the keyboard extension.

use x11rb::connection::RequestConnection;
use x11rb::errors::ReplyError;
use x11rb::protocol::xkb::{
    self, ConnectionExt as _, EventType, ID, LedClass, MapPart, SelectEventsAux,
    SelectEventsAuxStateNotify, StatePart,
};
use x11rb::protocol::xproto::ModMask;
use x11rb::xcb_ffi::XCBConnection;

use super::note;
use super::window::X11Window;
use crate::{LockKeys, WindowEvent};

/// The modifiers that the lock keys set; 0 where a key sets none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LockMasks {
    caps: u16,
    num: u16,
    scroll: u16,
}

impl LockMasks {
    /// The states, given the locked modifiers.
    fn states(self, locked: u16) -> LockKeys {
        let state = |mask: u16| (mask != 0).then_some(locked & mask != 0);
        LockKeys {
            caps: state(self.caps),
            num: state(self.num),
            scroll: state(self.scroll),
        }
    }
}

/// Asks for changes of the locked modifiers; `false` if the server has no keyboard extension.
pub(super) fn watch(conn: &XCBConnection) -> bool {
    let info = conn.extension_information(xkb::X11_EXTENSION_NAME);
    if !matches!(info, Ok(Some(_))) {
        tracing::warn!("the X server has no XKEYBOARD: the lock keys' states are not known");
        return false;
    }
    let version = conn.xkb_use_extension(1, 0).map_err(Into::into);
    let version = note("asking for XKEYBOARD", version.and_then(|c| c.reply()));
    if !version.is_some_and(|v| v.supported) {
        return false;
    }
    let lock = StatePart::MODIFIER_LOCK;
    let details = SelectEventsAux::new().state_notify(SelectEventsAuxStateNotify {
        affect_state: lock,
        state_details: lock,
    });
    let none = EventType::default();
    let keyboard = ID::USE_CORE_KBD.into();
    let sent = conn.xkb_select_events(
        keyboard,
        none,
        none,
        MapPart::default(),
        MapPart::default(),
        &details,
    );
    note("watching the lock keys", sent.map(drop)).is_some()
}

impl X11Window {
    /// Asks for the states and tells them, whether they are new or not. The key map may have changed since the last time.
    pub(super) fn tell_locks(&mut self) {
        let locked = self
            .has_locks
            .then(|| note("asking for the lock keys", self.read_masks()));
        let states = locked.flatten().map(|(masks, locked)| {
            self.lock_masks = masks;
            masks.states(locked)
        });
        self.locks_told = states.unwrap_or_default();
        self.pending.push(WindowEvent::Locks(self.locks_told));
    }

    /// The locked modifiers changed.
    pub(super) fn on_locks(&mut self, locked: ModMask) {
        let states = self.lock_masks.states(locked.into());
        if self.has_focus && states != self.locks_told {
            self.locks_told = states;
            self.pending.push(WindowEvent::Locks(states));
        }
    }

    /// Asks which modifiers light the lamps of the lock keys, and which modifiers are locked.
    fn read_masks(&self) -> Result<(LockMasks, u16), ReplyError> {
        let keyboard = ID::USE_CORE_KBD.into();
        let lamp = |atom| {
            let class = LedClass::DFLT_XI_CLASS;
            self.conn
                .xkb_get_named_indicator(keyboard, class, ID::DFLT_XI_ID, atom)
        };
        let caps = lamp(self.atoms.CAPS_LOCK)?;
        let num = lamp(self.atoms.NUM_LOCK)?;
        let scroll = lamp(self.atoms.SCROLL_LOCK)?;
        let state = self.conn.xkb_get_state(keyboard)?;
        // Without a lamp: the modifiers that caps lock and num lock have on every PC keyboard.
        let mask = |lamp: xkb::GetNamedIndicatorReply, usual: ModMask| {
            let mask = u16::from(lamp.map_mods);
            if lamp.found && mask != 0 {
                mask
            } else {
                usual.into()
            }
        };
        let masks = LockMasks {
            caps: mask(caps.reply()?, ModMask::LOCK),
            num: mask(num.reply()?, ModMask::M2),
            scroll: mask(scroll.reply()?, ModMask::default()),
        };
        Ok((masks, state.reply()?.locked_mods.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_key_without_a_modifier_has_no_known_state() {
        let masks = LockMasks {
            caps: 2,
            num: 16,
            scroll: 0,
        };
        let states = |caps, num| LockKeys {
            caps: Some(caps),
            num: Some(num),
            scroll: None,
        };
        assert_eq!(masks.states(0), states(false, false));
        assert_eq!(masks.states(2), states(true, false));
        assert_eq!(masks.states(0xff), states(true, true));
        assert_eq!(LockMasks::default().states(0xff), LockKeys::default());
    }
}
