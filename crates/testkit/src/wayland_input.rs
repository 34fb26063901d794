//! Somebody at the keyboard and the mouse of a Wayland compositor that lets programs be that (sway).

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use rustix::fs::MemfdFlags;
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::wl_keyboard::{KeyState, KeymapFormat};
use wayland_client::protocol::wl_pointer::{Axis, AxisSource, ButtonState};
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_seat::WlSeat;
use wayland_client::{Connection, Dispatch, EventQueue, QueueHandle, delegate_noop};
use wayland_protocols_misc::zwp_virtual_keyboard_v1::client::zwp_virtual_keyboard_manager_v1::ZwpVirtualKeyboardManagerV1;
use wayland_protocols_misc::zwp_virtual_keyboard_v1::client::zwp_virtual_keyboard_v1::ZwpVirtualKeyboardV1;
use wayland_protocols_wlr::virtual_pointer::v1::client::zwlr_virtual_pointer_manager_v1::ZwlrVirtualPointerManagerV1;
use wayland_protocols_wlr::virtual_pointer::v1::client::zwlr_virtual_pointer_v1::ZwlrVirtualPointerV1;

/// A PC keyboard with US layout; the compositor's libxkbcommon knows the parts.
const KEYMAP: &str = "xkb_keymap {
    xkb_keycodes { include \"evdev+aliases(qwerty)\" };
    xkb_types { include \"complete\" };
    xkb_compat { include \"complete\" };
    xkb_symbols { include \"pc+us+inet(evdev)\" };
};
\0";

/// What libinput gives for a click of a wheel.
const UNITS_PER_CLICK: f64 = 15.0;

/// The modifier that a key holds down, or locks.
enum Modifier {
    Held(u32),
    Locked(u32),
    None,
}

/// The modifiers of [`KEYMAP`], by evdev code.
const fn modifier(evdev: u32) -> Modifier {
    match evdev {
        42 | 54 => Modifier::Held(1),
        29 | 97 => Modifier::Held(1 << 2),
        56 | 100 => Modifier::Held(1 << 3),
        125 | 126 => Modifier::Held(1 << 6),
        58 => Modifier::Locked(1 << 1),
        69 => Modifier::Locked(1 << 4),
        _ => Modifier::None,
    }
}

/// Nothing that the compositor tells matters here.
struct Deaf;

impl Dispatch<WlRegistry, GlobalListContents> for Deaf {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(Deaf: ignore WlSeat);
delegate_noop!(Deaf: ignore ZwpVirtualKeyboardManagerV1);
delegate_noop!(Deaf: ignore ZwpVirtualKeyboardV1);
delegate_noop!(Deaf: ignore ZwlrVirtualPointerManagerV1);
delegate_noop!(Deaf: ignore ZwlrVirtualPointerV1);

/// A virtual keyboard and a virtual mouse on the compositor's seat, for as long as it lives. Each call returns when the
/// compositor has taken the input in.
pub struct WaylandInput {
    queue: EventQueue<Deaf>,
    keyboard: ZwpVirtualKeyboardV1,
    pointer: ZwlrVirtualPointerV1,
    width: u32,
    height: u32,
    start: Instant,
    held: u32,
    locked: u32,
}

impl WaylandInput {
    /// Connects to a compositor's socket, whose only output has that size in logical units.
    ///
    /// # Errors
    /// If it cannot be reached, or has no virtual keyboards and pointers.
    pub fn connect(socket: &Path, width: u32, height: u32) -> anyhow::Result<Self> {
        let connection = Connection::from_socket(UnixStream::connect(socket)?)?;
        let (globals, mut queue) = registry_queue_init::<Deaf>(&connection)?;
        let handle = queue.handle();
        let seat: WlSeat = globals.bind(&handle, 1..=5, ())?;
        let keyboards: ZwpVirtualKeyboardManagerV1 = globals
            .bind(&handle, 1..=1, ())
            .context("virtual keyboards")?;
        let pointers: ZwlrVirtualPointerManagerV1 = globals
            .bind(&handle, 1..=2, ())
            .context("virtual pointers")?;
        let keyboard = keyboards.create_virtual_keyboard(&seat, &handle, ());
        let pointer = pointers.create_virtual_pointer(Some(&seat), &handle, ());
        let mut keymap = File::from(rustix::fs::memfd_create("keymap", MemfdFlags::CLOEXEC)?);
        keymap.write_all(KEYMAP.as_bytes())?;
        let format = KeymapFormat::XkbV1.into();
        keyboard.keymap(format, keymap.as_fd(), u32::try_from(KEYMAP.len())?);
        // The descriptor has been sent with this.
        queue.roundtrip(&mut Deaf)?;
        Ok(Self {
            queue,
            keyboard,
            pointer,
            width,
            height,
            start: Instant::now(),
            held: 0,
            locked: 0,
        })
    }

    /// The time that the protocols want, in milliseconds of any base.
    fn now(&self) -> u32 {
        u32::try_from(self.start.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    /// Waits until the compositor has taken all in.
    fn sync(&mut self) -> anyhow::Result<()> {
        self.queue.roundtrip(&mut Deaf)?;
        Ok(())
    }

    /// Presses or releases a key, named by its evdev code (`KEY_A` is 30). Modifier and lock keys do what they are for.
    ///
    /// # Errors
    /// If the compositor is gone.
    pub fn key(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        let state = if pressed {
            KeyState::Pressed
        } else {
            KeyState::Released
        };
        self.keyboard.key(self.now(), evdev, state.into());
        let before = (self.held, self.locked);
        match modifier(evdev) {
            Modifier::Held(mask) if pressed => self.held |= mask,
            Modifier::Held(mask) => self.held &= !mask,
            Modifier::Locked(mask) if pressed => self.locked ^= mask,
            _ => {}
        }
        if before != (self.held, self.locked) {
            self.keyboard.modifiers(self.held, 0, self.locked, 0);
        }
        self.sync()
    }

    /// Presses and releases a key.
    ///
    /// # Errors
    /// If the compositor is gone.
    pub fn tap(&mut self, evdev: u32) -> anyhow::Result<()> {
        self.key(evdev, true)?;
        self.key(evdev, false)
    }

    /// Presses or releases a button, named by its evdev code (`BTN_LEFT` is 0x110).
    ///
    /// # Errors
    /// If the compositor is gone.
    pub fn button(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        let state = if pressed {
            ButtonState::Pressed
        } else {
            ButtonState::Released
        };
        self.pointer.button(self.now(), evdev, state);
        self.pointer.frame();
        self.sync()
    }

    /// Presses and releases a button.
    ///
    /// # Errors
    /// If the compositor is gone.
    pub fn click(&mut self, evdev: u32) -> anyhow::Result<()> {
        self.button(evdev, true)?;
        self.button(evdev, false)
    }

    /// Turns the wheel by that many clicks downwards, or upwards if negative.
    ///
    /// # Errors
    /// If the compositor is gone.
    pub fn wheel(&mut self, clicks: i32) -> anyhow::Result<()> {
        let (axis, step) = (Axis::VerticalScroll, clicks.signum());
        for _ in 0..clicks.unsigned_abs() {
            self.pointer.axis_source(AxisSource::Wheel);
            let units = UNITS_PER_CLICK * f64::from(step);
            self.pointer.axis_discrete(self.now(), axis, units, step);
            self.pointer.frame();
        }
        self.sync()
    }

    /// Moves the pointer to a place on the output, in logical units.
    ///
    /// # Errors
    /// If the compositor is gone.
    pub fn move_to(&mut self, x: u32, y: u32) -> anyhow::Result<()> {
        let (width, height) = (self.width, self.height);
        self.pointer
            .motion_absolute(self.now(), x, y, width, height);
        self.pointer.frame();
        self.sync()
    }

    /// Pushes the mouse, by one event.
    ///
    /// # Errors
    /// If the compositor is gone.
    pub fn move_by(&mut self, dx: f64, dy: f64) -> anyhow::Result<()> {
        self.pointer.motion(self.now(), dx, dy);
        self.pointer.frame();
        self.sync()
    }
}
