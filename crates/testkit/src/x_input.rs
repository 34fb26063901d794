//! Somebody at the keyboard and the mouse of an X server.

use anyhow::Context as _;
use picture::Size;
use x11rb::connection::Connection as _;
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, CreateWindowAux,
    EventMask, GrabMode, GrabStatus, InputFocus, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT, WindowClass,
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

    /// The window of a program, by its class, anywhere on the screen.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn find_window(&self, class: &str) -> anyhow::Result<Option<u32>> {
        let class = format!("{class}\0{class}\0");
        let mut windows = vec![self.root];
        while let Some(window) = windows.pop() {
            let (of, any) = (AtomEnum::WM_CLASS, AtomEnum::ANY);
            let name = self.connection.get_property(false, window, of, any, 0, 64);
            // A window may go at any time.
            if name?
                .reply()
                .is_ok_and(|name| name.value == class.as_bytes())
            {
                return Ok(Some(window));
            }
            if let Ok(tree) = self.connection.query_tree(window)?.reply() {
                windows.extend(tree.children);
            }
        }
        Ok(None)
    }

    /// Where a window's content begins on the screen, and its size.
    ///
    /// # Errors
    /// If there is no such window, or it begins outside the screen.
    pub fn geometry(&self, window: u32) -> anyhow::Result<(u32, u32, Size)> {
        let conn = &self.connection;
        let at = conn
            .translate_coordinates(window, self.root, 0, 0)?
            .reply()?;
        let size = conn.get_geometry(window)?.reply()?;
        let size = Size::new(size.width.into(), size.height.into());
        Ok((u32::try_from(at.dst_x)?, u32::try_from(at.dst_y)?, size))
    }

    /// Makes a window of the user's own, of one pixel in the corner of the screen, that is there as long as the user.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn open_window(&self) -> anyhow::Result<u32> {
        let conn = &self.connection;
        let (window, class) = (conn.generate_id()?, WindowClass::INPUT_ONLY);
        let aux = CreateWindowAux::new().override_redirect(1);
        conn.create_window(0, window, self.root, 0, 0, 1, 1, 0, class, 0, &aux)?
            .check()?;
        conn.map_window(window)?.check()?;
        Ok(window)
    }

    /// Tells whether the pointer on the screen is one of which nothing can be seen.
    ///
    /// # Errors
    /// If the server has no XFIXES.
    pub fn is_pointer_blank(&self) -> anyhow::Result<bool> {
        self.connection.xfixes_query_version(5, 0)?.reply()?;
        let image = self.connection.xfixes_get_cursor_image()?.reply()?;
        Ok(image.cursor_image.iter().all(|pixel| pixel >> 24 == 0))
    }

    /// Tells whether no other program holds the keyboard.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn is_keyboard_free(&self) -> anyhow::Result<bool> {
        let (mode, time) = (GrabMode::ASYNC, x11rb::CURRENT_TIME);
        let grab = self
            .connection
            .grab_keyboard(false, self.root, time, mode, mode);
        let is_free = grab?.reply()?.status == GrabStatus::SUCCESS;
        if is_free {
            self.connection.ungrab_keyboard(time)?.check()?;
        }
        Ok(is_free)
    }

    /// Tells whether no other program holds the pointer. Asking does not disturb whoever does: with no window to confine
    /// the pointer to, the server would end the confinement of the grab in force, though it refuses the new one.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn is_pointer_free(&self) -> anyhow::Result<bool> {
        let (mode, none, time) = (GrabMode::ASYNC, x11rb::NONE, x11rb::CURRENT_TIME);
        let events = EventMask::NO_EVENT;
        let conn = &self.connection;
        let grab = conn.grab_pointer(false, self.root, events, mode, mode, self.root, none, time);
        let is_free = grab?.reply()?.status == GrabStatus::SUCCESS;
        if is_free {
            conn.ungrab_pointer(time)?.check()?;
        }
        Ok(is_free)
    }
}
