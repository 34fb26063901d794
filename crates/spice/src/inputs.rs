//! The INPUTS channel: keys, locks, pointer, and the flow control of motion (spice.md section 4).

use std::time::{Duration, Instant};

use crate::{
    framing::Output,
    wire::{Malformed, Put, Reader},
};

const KEY_DOWN: u16 = 101;
const KEY_UP: u16 = 102;
const KEY_MODIFIERS: u16 = 103;
const MOUSE_MOTION: u16 = 111;
const MOUSE_POSITION: u16 = 112;
const MOUSE_PRESS: u16 = 113;
const MOUSE_RELEASE: u16 = 114;

/// Emulated mice report at most this much at once.
const MAX_STEP: i64 = 127;
/// Motion messages that may wait for an acknowledgement.
const MAX_OUTSTANDING: u32 = 32;
/// The server acknowledges this many motion messages at once.
const MOTIONS_PER_ACK: u32 = 4;
/// Motion goes out at most this often, or when an acknowledgement opens a full window.
const MOTION_INTERVAL: Duration = Duration::from_millis(1);
/// Without an acknowledgement for this long, counting starts afresh.
const ACK_TIMEOUT: Duration = Duration::from_secs(2);
/// Motion messages sent beyond the window to keep their order before a key or button.
const MAX_FLUSH: u32 = 64;
/// With this much unsent, motion is held back.
const MOTION_QUEUE_BYTES: usize = 16 << 10;

/// A PC/AT set-1 scancode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scancode {
    code: u8,
    is_extended: bool,
}

impl Scancode {
    /// Makes a scancode of 1 to 127, with the prefix E0 if `is_extended`; `None` outside that range.
    pub fn new(code: u8, is_extended: bool) -> Option<Self> {
        (1..=0x7f)
            .contains(&code)
            .then_some(Self { code, is_extended })
    }

    /// The code of KEY_DOWN or KEY_UP: the scancode's bytes from the lowest up.
    fn wire(self, is_pressed: bool) -> u32 {
        let code = if is_pressed {
            self.code
        } else {
            self.code | 0x80
        };
        match self.is_extended {
            false => code.into(),
            true => 0xe0 | u32::from(code) << 8,
        }
    }

    /// The bit that stands for this key in a [`KeySet`].
    fn bit(self) -> (usize, u64) {
        let index = usize::from(self.code) | usize::from(self.is_extended) << 7;
        (index / 64, 1 << (index % 64))
    }
}

/// The keys that are down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct KeySet([u64; 4]);

impl KeySet {
    /// Returns whether this changed anything.
    fn set(&mut self, key: Scancode, is_pressed: bool) -> bool {
        let (word, bit) = key.bit();
        let Some(word) = self.0.get_mut(word) else {
            return false;
        };
        let old = *word;
        *word = if is_pressed { old | bit } else { old & !bit };
        *word != old
    }

    fn take(&mut self) -> impl Iterator<Item = Scancode> + use<> {
        let keys = std::mem::take(self);
        let all = (0..=0xff_u8).filter_map(|index| Scancode::new(index & 0x7f, index & 0x80 != 0));
        all.filter(move |key| {
            let (word, bit) = key.bit();
            keys.0.get(word).is_some_and(|word| word & bit != 0)
        })
    }
}

/// A mouse button. The wheel's detents are [`Wheel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MouseButton {
    /// The first button.
    Left,
    /// The wheel, pressed.
    Middle,
    /// The second button.
    Right,
    /// The back button.
    Side,
    /// The forward button.
    Extra,
}

impl MouseButton {
    const ALL: [Self; 5] = [
        Self::Left,
        Self::Middle,
        Self::Right,
        Self::Side,
        Self::Extra,
    ];

    fn id(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Middle => 2,
            Self::Right => 3,
            Self::Side => 6,
            Self::Extra => 7,
        }
    }

    fn mask(self) -> u16 {
        1 << (self.id() - 1)
    }
}

/// One detent of the wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wheel {
    /// Away from the user.
    Up,
    /// Towards the user.
    Down,
}

/// The lock keys' lights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Locks {
    /// Scroll lock is on.
    pub scroll: bool,
    /// Num lock is on.
    pub num: bool,
    /// Caps lock is on.
    pub caps: bool,
}

impl Locks {
    fn from_wire(bits: u16) -> Self {
        Self {
            scroll: bits & 1 != 0,
            num: bits & 2 != 0,
            caps: bits & 4 != 0,
        }
    }

    fn to_wire(self) -> u16 {
        u16::from(self.scroll) | u16::from(self.num) << 1 | u16::from(self.caps) << 2
    }
}

/// A message of the INPUTS channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputsMessage {
    /// INIT or KEY_MODIFIERS.
    Locks(Locks),
    MotionAck,
    Unknown,
}

impl InputsMessage {
    pub(crate) fn parse(kind: u16, payload: &[u8]) -> Result<Self, Malformed> {
        Ok(match kind {
            101 | 102 => Self::Locks(Locks::from_wire(Reader::new(payload).u16()?)),
            111 => Self::MotionAck,
            _ => Self::Unknown,
        })
    }
}

/// Where the pointer wants to go and the server does not know of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pending {
    #[default]
    Nothing,
    By(i64, i64),
    To {
        x: u32,
        y: u32,
        display: u8,
    },
}

/// Mouse buttons that the server may hold down: those that are pressed, and those whose release was not written yet.
///
/// A server releases keys when a client goes, but not buttons. What a session leaves behind
/// ([`crate::Event::HeldButtons`]) the next one is given ([`crate::SessionOptions::held_buttons`]), and releases it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldButtons(u16);

/// What is pressed, and what motion is under way.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    keys: KeySet,
    buttons: u16,
    /// Outlives the channel.
    held: HeldButtons,
    pending: Pending,
    outstanding: u32,
    last_motion: Option<Instant>,
    /// When the window was last known to move: a message into an idle window, or an acknowledgement.
    last_progress: Option<Instant>,
    /// A server that acknowledges nothing is reported once.
    has_warned: bool,
}

impl Inputs {
    pub(crate) fn new(held: HeldButtons) -> Self {
        Self {
            held,
            ..Self::default()
        }
    }

    /// The channel is open, afresh.
    pub(crate) fn opened(&self, out: &mut Output) {
        for button in MouseButton::ALL {
            if self.held.0 & button.mask() != 0 {
                release(out, button.id(), 0);
            }
        }
    }

    /// All messages have been written: the server knows what is down.
    pub(crate) fn drained(&mut self) {
        self.held = HeldButtons(self.buttons);
    }

    /// The buttons to be released by whoever opens the channel next.
    pub(crate) fn held(&self) -> HeldButtons {
        self.held
    }

    /// The channel is gone: the server releases the keys, and forgets the motion.
    pub(crate) fn lost(&mut self) {
        *self = Self {
            has_warned: self.has_warned,
            ..Self::new(self.held)
        };
    }

    /// Presses or releases a key. A key pressed twice, or released without having been pressed, sends nothing: false.
    pub(crate) fn key(
        &mut self,
        key: Scancode,
        is_pressed: bool,
        now: Instant,
        out: &mut Output,
    ) -> bool {
        let is_new = self.keys.set(key, is_pressed);
        if is_new {
            self.flush(now, out);
            put_key(out, key, is_pressed);
        }
        is_new
    }

    pub(crate) fn button(
        &mut self,
        button: MouseButton,
        is_pressed: bool,
        now: Instant,
        out: &mut Output,
    ) {
        if (self.buttons & button.mask() != 0) == is_pressed {
            return;
        }
        self.flush(now, out);
        self.buttons ^= button.mask();
        self.held.0 |= self.buttons;
        match is_pressed {
            true => press(out, button.id(), self.buttons),
            false => release(out, button.id(), self.buttons),
        }
    }

    pub(crate) fn wheel(&mut self, wheel: Wheel, now: Instant, out: &mut Output) {
        self.flush(now, out);
        let id = match wheel {
            Wheel::Up => 4,
            Wheel::Down => 5,
        };
        press(out, id, self.buttons);
        release(out, id, self.buttons);
    }

    /// Releases all keys and buttons.
    pub(crate) fn release_all(&mut self, now: Instant, out: &mut Output) {
        self.flush(now, out);
        for key in self.keys.take() {
            put_key(out, key, false);
        }
        for button in MouseButton::ALL {
            self.button(button, false, now, out);
        }
    }

    pub(crate) fn set_locks(locks: Locks, out: &mut Output) {
        out.message(KEY_MODIFIERS, |p| p.put_u16(locks.to_wire()));
    }

    /// Moves the pointer by a difference: now, or with the next message if the window is full.
    pub(crate) fn motion(&mut self, dx: i32, dy: i32, now: Instant, out: &mut Output) {
        let (old_dx, old_dy) = match self.pending {
            Pending::By(dx, dy) => (dx, dy),
            _ => (0, 0),
        };
        // Far beyond any screen, so that a motion that never gets through cannot overflow.
        let add = |old: i64, new: i32| (old + i64::from(new)).clamp(-1 << 30, 1 << 30);
        self.pending = Pending::By(add(old_dx, dx), add(old_dy, dy));
        self.send_pending(now, out);
    }

    /// Moves the pointer to a place. Only the newest place matters.
    pub(crate) fn position(&mut self, x: u32, y: u32, display: u8, now: Instant, out: &mut Output) {
        self.pending = Pending::To { x, y, display };
        self.send_pending(now, out);
    }

    /// Forgets motion that waits: it belongs to a mouse mode that is no longer in force.
    pub(crate) fn forget_motion(&mut self) {
        self.pending = Pending::Nothing;
    }

    pub(crate) fn acknowledged(&mut self, now: Instant, out: &mut Output) {
        if self.outstanding >= MAX_OUTSTANDING {
            // What waits has waited for this, and not for the interval.
            self.last_motion = None;
        }
        self.outstanding = self.outstanding.saturating_sub(MOTIONS_PER_ACK);
        self.last_progress = Some(now);
        self.send_pending(now, out);
    }

    /// When [`Inputs::tick`] has something to do. Not while the server does not read: then it is called when it does.
    pub(crate) fn deadline(&self, out: &Output) -> Option<Instant> {
        if self.pending == Pending::Nothing || out.pending().len() >= MOTION_QUEUE_BYTES {
            return None;
        }
        if self.outstanding >= MAX_OUTSTANDING {
            return self.last_progress.map(|at| at + ACK_TIMEOUT);
        }
        self.last_motion.map(|at| at + MOTION_INTERVAL)
    }

    pub(crate) fn tick(&mut self, now: Instant, out: &mut Output) {
        self.send_pending(now, out);
    }

    fn send_pending(&mut self, now: Instant, out: &mut Output) {
        let stuck = self.outstanding >= MAX_OUTSTANDING
            && self
                .last_progress
                .is_some_and(|at| now.saturating_duration_since(at) >= ACK_TIMEOUT);
        if stuck {
            if !std::mem::replace(&mut self.has_warned, true) {
                tracing::warn!("no motion was acknowledged for two seconds; counting afresh");
            }
            self.outstanding = 0;
        }
        let is_soon = self
            .last_motion
            .is_some_and(|at| now.saturating_duration_since(at) < MOTION_INTERVAL);
        if !is_soon && out.pending().len() < MOTION_QUEUE_BYTES {
            self.send_motion(MAX_OUTSTANDING.saturating_sub(self.outstanding), now, out);
        }
    }

    /// Sends what waits before a key or button, whatever the window says, so that the order is kept.
    fn flush(&mut self, now: Instant, out: &mut Output) {
        if out.pending().len() < MOTION_QUEUE_BYTES {
            self.send_motion(MAX_FLUSH, now, out);
        }
    }

    fn send_motion(&mut self, room: u32, now: Instant, out: &mut Output) {
        let sent = match self.pending {
            Pending::Nothing => 0,
            _ if room == 0 => 0,
            Pending::To { x, y, display } => {
                self.pending = Pending::Nothing;
                out.message(MOUSE_POSITION, |p| {
                    p.put_u32(x);
                    p.put_u32(y);
                    p.put_u16(self.buttons);
                    p.put_u8(display);
                });
                1
            }
            Pending::By(dx, dy) => self.send_steps(dx, dy, room, out),
        };
        if sent > 0 {
            if self.outstanding == 0 {
                self.last_progress = Some(now);
            }
            self.outstanding += sent;
            self.last_motion = Some(now);
        }
    }

    /// Sends at most `room` steps along the straight line, and keeps the rest.
    fn send_steps(&mut self, dx: i64, dy: i64, room: u32, out: &mut Output) -> u32 {
        let longest = dx.abs().max(dy.abs());
        let steps = longest.div_euclid(MAX_STEP) + i64::from(longest % MAX_STEP != 0);
        let now = steps.min(room.into());
        let mut done = (0, 0);
        for step in 1..=now {
            let next = (dx * step / steps, dy * step / steps);
            // At most 127 each, as there are enough steps.
            let part = |to: i64, from: i64| i32::try_from(to - from).unwrap_or(0);
            let (x, y) = (part(next.0, done.0), part(next.1, done.1));
            done = next;
            out.message(MOUSE_MOTION, |p| {
                p.put_i32(x);
                p.put_i32(y);
                p.put_u16(self.buttons);
            });
        }
        self.pending = match (dx - done.0, dy - done.1) {
            (0, 0) => Pending::Nothing,
            (dx, dy) => Pending::By(dx, dy),
        };
        u32::try_from(now).unwrap_or(0)
    }
}

fn put_key(out: &mut Output, key: Scancode, is_pressed: bool) {
    let kind = if is_pressed { KEY_DOWN } else { KEY_UP };
    out.message(kind, |p| p.put_u32(key.wire(is_pressed)));
}

fn press(out: &mut Output, id: u8, state: u16) {
    out.message(MOUSE_PRESS, |p| {
        p.put_u8(id);
        p.put_u16(state);
    });
}

fn release(out: &mut Output, id: u8, state: u16) {
    out.message(MOUSE_RELEASE, |p| {
        p.put_u8(id);
        p.put_u16(state);
    });
}

#[cfg(test)]
mod tests;
