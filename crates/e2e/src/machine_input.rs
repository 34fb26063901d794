//! Keys, buttons and motion into a virtual machine, and what arrives in its guest.
//!
//! The cases are written once over [`Hands`], which stand for whatever presses the keys: a SPICE connection of the test's
//! own, or a client's window.

mod cases;
mod keys;
mod recorder;

pub use cases::{
    buttons_and_wheel_arrive, chords_arrive, every_key_arrives, lock_keys_switch_lights,
    motion_sums_exactly, positions_are_hit,
};
pub use keys::{Key, keys, passed_keys};
pub use recorder::{Arrived, BOOT, Recorder};
pub(crate) use recorder::{is_up, presses, relative};

/// Numbers of linux/input-event-codes.h.
const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const EV_REL: u16 = 2;
const EV_ABS: u16 = 3;

/// The buttons of a mouse, and what Linux calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Button {
    /// The first.
    Left = 0x110,
    /// The second.
    Right = 0x111,
    /// The wheel, pressed.
    Middle = 0x112,
    /// Back.
    Side = 0x113,
    /// Forward.
    Extra = 0x114,
}

impl Button {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::Left,
        Self::Right,
        Self::Middle,
        Self::Side,
        Self::Extra,
    ];
}

/// The lights of a keyboard's lock keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lights {
    /// Scroll Lock is on.
    pub scroll: bool,
    /// Num Lock is on.
    pub num: bool,
    /// Caps Lock is on.
    pub caps: bool,
}

/// What presses keys and moves the pointer.
pub trait Hands {
    /// Presses or releases a key, by its evdev code.
    ///
    /// # Errors
    /// If that cannot be done.
    fn key(&mut self, code: u16, is_pressed: bool) -> anyhow::Result<()>;

    /// Moves the pointer by that much.
    ///
    /// # Errors
    /// As above.
    fn motion(&mut self, dx: i32, dy: i32) -> anyhow::Result<()>;

    /// Presses or releases a mouse button.
    ///
    /// # Errors
    /// As above.
    fn button(&mut self, button: Button, is_pressed: bool) -> anyhow::Result<()>;

    /// Turns the wheel by so many detents, up if positive.
    ///
    /// # Errors
    /// As above.
    fn wheel(&mut self, detents: i32) -> anyhow::Result<()>;

    /// Does whatever makes absolute positions possible (`true`) or impossible.
    ///
    /// # Errors
    /// As above.
    fn use_positions(&mut self, yes: bool) -> anyhow::Result<()>;

    /// Puts the pointer on a pixel of the guest's screen.
    ///
    /// # Errors
    /// As above.
    fn position(&mut self, x: u32, y: u32) -> anyhow::Result<()>;
}
