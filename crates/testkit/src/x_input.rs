//! Somebody at the keyboard and the mouse of an X server.

use anyhow::Context as _;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, InputFocus, KEY_PRESS_EVENT,
    KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

/// X key codes are evdev codes plus this.
const KEYCODE_OFFSET: u32 = 8;

/// Makes an X server believe in input, by XTEST. Each call returns when the server has taken it in.
pub struct XInput {
    connection: RustConnection,
    root: u32,
}

impl XInput {
    /// Connects to a display.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub fn connect(display: &str) -> anyhow::Result<Self> {
        let (connection, screen) = RustConnection::connect(Some(display))?;
        let screen = connection.setup().roots.get(screen).context("a screen")?;
        let root = screen.root;
        // Window managers have the server to themselves while the user resizes a window; the user goes on all the same.
        connection.xtest_grab_control(true)?.check()?;
        Ok(Self { connection, root })
    }

    /// The connection, for further requests.
    #[must_use]
    pub fn connection(&self) -> &RustConnection {
        &self.connection
    }

    /// The root window.
    #[must_use]
    pub const fn root(&self) -> u32 {
        self.root
    }

    fn fake(&self, kind: u8, detail: u8, (x, y): (i16, i16)) -> anyhow::Result<()> {
        let fake = &self.connection;
        let sent = fake.xtest_fake_input(kind, detail, 0, self.root, x, y, 0);
        Ok(sent?.check()?)
    }

    /// Presses or releases a key, named by its evdev code (`KEY_A` is 30).
    ///
    /// # Errors
    /// If X has no such key, or the server refuses.
    pub fn key(&self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        let kind = if pressed {
            KEY_PRESS_EVENT
        } else {
            KEY_RELEASE_EVENT
        };
        let code = evdev.checked_add(KEYCODE_OFFSET).context("a key")?;
        self.fake(kind, u8::try_from(code)?, (0, 0))
    }

    /// Presses and releases a key.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub fn tap(&self, evdev: u32) -> anyhow::Result<()> {
        self.key(evdev, true)?;
        self.key(evdev, false)
    }

    /// Presses or releases a button, named by its evdev code (`BTN_LEFT` is 0x110).
    ///
    /// # Errors
    /// If there is no such button, or the server refuses.
    pub fn button(&self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        let number = match evdev {
            0x110 => 1,
            0x112 => 2,
            0x111 => 3,
            0x113 => 8,
            0x114 => 9,
            other => anyhow::bail!("no button {other:#x} here"),
        };
        self.x_button(number, pressed)
    }

    fn x_button(&self, number: u8, pressed: bool) -> anyhow::Result<()> {
        let kind = if pressed {
            BUTTON_PRESS_EVENT
        } else {
            BUTTON_RELEASE_EVENT
        };
        self.fake(kind, number, (0, 0))
    }

    /// Presses and releases a button.
    ///
    /// # Errors
    /// As [`Self::button`].
    pub fn click(&self, evdev: u32) -> anyhow::Result<()> {
        self.button(evdev, true)?;
        self.button(evdev, false)
    }

    /// Turns the wheel by that many clicks downwards, or upwards if negative.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn wheel(&self, clicks: i32) -> anyhow::Result<()> {
        let number = if clicks < 0 { 4 } else { 5 };
        for _ in 0..clicks.unsigned_abs() {
            self.x_button(number, true)?;
            self.x_button(number, false)?;
        }
        Ok(())
    }

    /// Moves the pointer to a place on the screen. A program that has captured the pointer takes this for a movement by
    /// as much: XTEST's mouse says that it is an ordinary one. Use [`Self::move_by`] then.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn move_to(&self, x: i16, y: i16) -> anyhow::Result<()> {
        self.fake(MOTION_NOTIFY_EVENT, 0, (x, y))
    }

    /// Pushes the mouse, by one event.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn move_by(&self, dx: i16, dy: i16) -> anyhow::Result<()> {
        self.fake(MOTION_NOTIFY_EVENT, 1, (dx, dy))
    }

    /// Where the pointer is on the screen.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn pointer(&self) -> anyhow::Result<(i16, i16)> {
        let place = self.connection.query_pointer(self.root)?.reply()?;
        Ok((place.root_x, place.root_y))
    }

    /// The window that gets the keys.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn focus(&self) -> anyhow::Result<u32> {
        Ok(self.connection.get_input_focus()?.reply()?.focus)
    }

    /// Gives the keys to another window, the root window for instance.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn set_focus(&self, window: u32) -> anyhow::Result<()> {
        let revert = InputFocus::POINTER_ROOT;
        let sent = self
            .connection
            .set_input_focus(revert, window, x11rb::CURRENT_TIME);
        Ok(sent?.check()?)
    }
}
