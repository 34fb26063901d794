//! Brings the guest's lock keys to the state of the user's, once whenever the focus comes.

use spice::inputs::Locks;
use window::LockKeys;

use super::keys;

/// What is known of the lock keys on both sides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LockSync {
    local: LockKeys,
    guest: Option<Locks>,
    is_due: bool,
}

impl LockSync {
    pub(super) fn set_local(&mut self, local: LockKeys) {
        self.local = local;
    }

    /// The guest's lights; `None` while there is no session.
    pub(super) fn set_guest(&mut self, guest: Option<Locks>) {
        self.guest = guest;
    }

    pub(super) fn set_due(&mut self, is_due: bool) {
        self.is_due = is_due;
    }

    /// The states that the guest is to have, if it is time to tell. Never twice for one reason: a guest that shows no
    /// lights would toggle for ever.
    pub(super) fn take(&mut self, escape_key: u32) -> Option<Locks> {
        if !self.is_due {
            return None;
        }
        let guest = self.guest?;
        self.is_due = false;
        // The local state of a lock key that serves as the escape key says nothing.
        let wanted = |local: Option<bool>, guest: bool, key: u32| match local {
            Some(local) if key != escape_key => local,
            _ => guest,
        };
        let locks = Locks {
            scroll: wanted(self.local.scroll, guest.scroll, keys::SCROLL_LOCK),
            num: wanted(self.local.num, guest.num, keys::NUM_LOCK),
            caps: wanted(self.local.caps, guest.caps, keys::CAPS_LOCK),
        };
        (locks != guest).then_some(locks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LOCK: u32 = 1;

    fn sync(local: LockKeys, guest: Locks) -> LockSync {
        LockSync {
            local,
            guest: Some(guest),
            is_due: true,
        }
    }

    #[test]
    fn states_are_told_once() {
        let local = LockKeys {
            caps: Some(true),
            num: Some(false),
            scroll: Some(true),
        };
        let guest = Locks {
            num: true,
            ..Locks::default()
        };
        let mut sync = sync(local, guest);
        let wanted = Locks {
            caps: true,
            num: false,
            scroll: true,
        };
        assert_eq!(sync.take(NO_LOCK), Some(wanted));
        sync.set_guest(Some(guest));
        assert_eq!(sync.take(NO_LOCK), None);
    }

    #[test]
    fn unknown_state_is_left_as_the_guest_has_it() {
        let local = LockKeys {
            caps: Some(true),
            ..LockKeys::default()
        };
        for lit in [false, true] {
            let guest = Locks {
                scroll: lit,
                num: lit,
                caps: false,
            };
            let wanted = Locks {
                caps: true,
                ..guest
            };
            assert_eq!(sync(local, guest).take(NO_LOCK), Some(wanted));
        }
    }

    #[test]
    fn escape_key_is_no_lock_key() {
        let local = LockKeys {
            scroll: Some(true),
            ..LockKeys::default()
        };
        assert_eq!(sync(local, Locks::default()).take(keys::SCROLL_LOCK), None);
    }

    #[test]
    fn nothing_is_told_before_the_guest_has_said_how_it_stands() {
        let local = LockKeys {
            caps: Some(true),
            ..LockKeys::default()
        };
        let mut sync = sync(local, Locks::default());
        sync.set_guest(None);
        assert_eq!(sync.take(NO_LOCK), None);
        sync.set_guest(Some(Locks::default()));
        assert!(sync.take(NO_LOCK).is_some());
    }
}
