//! A user at a display server: X11 or Wayland.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use picture::Size;
use picture::png::RgbImage;
use testkit::compositor::Sway;
use testkit::grab::Grabber;
use testkit::wayland_input::WaylandInput;
use testkit::x_input::XInput;
use testkit::x_server::XServer;

/// The screen of every seat.
pub const SCREEN: Size = Size::new(800, 600);
/// Where the client's window begins on it.
pub const PLACE: (u32, u32) = (40, 30);

/// The client's application id.
const CLIENT: &str = "looking-glass-client";
/// How long a display server may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A user with screen, keyboard and mouse.
///
/// What is typed and moved has been taken in by the display server when a call returns, but perhaps not by the client.
pub trait Seat: Sized {
    /// The keys that the window manager keeps for itself, if it is not kept from that.
    const BOUND: &[u32];

    /// Starts a display server with a window manager, and sits down before it. `None`, loudly, if there is none.
    ///
    /// # Errors
    /// If it does not come up.
    fn start() -> anyhow::Result<Option<Self>>;

    /// Makes a client appear here, at [`PLACE`].
    fn use_for(&self, command: &mut Command);

    /// Waits until the client's window is there with the focus and that size.
    ///
    /// # Errors
    /// If it does not come.
    fn expect_window(&mut self, size: Size) -> anyhow::Result<()>;

    /// The size of the client's window.
    ///
    /// # Errors
    /// If the server is gone.
    fn window_size(&mut self) -> anyhow::Result<Size>;

    /// Presses or releases a key by its evdev code.
    ///
    /// # Errors
    /// If the server is gone.
    fn key(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()>;

    /// Presses or releases a button by its evdev code.
    ///
    /// # Errors
    /// If the server is gone.
    fn button(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()>;

    /// Turns the wheel by that many clicks downwards, or upwards if negative.
    ///
    /// # Errors
    /// If the server is gone.
    fn wheel(&mut self, clicks: i32) -> anyhow::Result<()>;

    /// Moves the pointer to a place on the screen.
    ///
    /// # Errors
    /// If the server is gone.
    fn move_to(&mut self, x: u32, y: u32) -> anyhow::Result<()>;

    /// Pushes the mouse.
    ///
    /// # Errors
    /// If the server is gone.
    fn move_by(&mut self, dx: i16, dy: i16) -> anyhow::Result<()>;

    /// Takes the focus away from the client.
    ///
    /// # Errors
    /// If the server refuses.
    fn take_focus(&mut self) -> anyhow::Result<()>;

    /// Gives it back.
    ///
    /// # Errors
    /// If the server refuses.
    fn give_focus(&mut self) -> anyhow::Result<()>;

    /// What is on the screen, without the local pointer.
    ///
    /// # Errors
    /// If the server is gone.
    fn shoot(&mut self) -> anyhow::Result<RgbImage>;

    /// Presses and releases a key.
    ///
    /// # Errors
    /// As [`Seat::key`].
    fn tap(&mut self, evdev: u32) -> anyhow::Result<()> {
        self.key(evdev, true)?;
        self.key(evdev, false)
    }

    /// Presses a key while another is down.
    ///
    /// # Errors
    /// As [`Seat::key`].
    fn combine(&mut self, first: u32, second: u32) -> anyhow::Result<()> {
        self.key(first, true)?;
        self.tap(second)?;
        self.key(first, false)
    }

    /// Moves the pointer to a place in the client's window.
    ///
    /// # Errors
    /// As [`Seat::move_to`].
    fn point(&mut self, (x, y): (u32, u32)) -> anyhow::Result<()> {
        self.move_to(PLACE.0 + x, PLACE.1 + y)
    }
}

/// A user of an X server.
pub struct X11 {
    /// Their hands.
    pub user: XInput,
    grabber: Grabber,
    /// A window of another program.
    other: u32,
    server: XServer,
}

impl X11 {
    fn client(&self) -> anyhow::Result<u32> {
        self.user
            .find_window(CLIENT)?
            .context("the client has a window")
    }
}

impl Seat for X11 {
    /// Openbox takes pictures with both of X's Print keys.
    const BOUND: &[u32] = &[99, 210];

    fn start() -> anyhow::Result<Option<Self>> {
        let Some(mut server) = XServer::start(SCREEN.width, SCREEN.height)? else {
            return Ok(None);
        };
        if !server.manage()? {
            return Ok(None);
        }
        // Keys that are held come again soon.
        server.run("xset", &["r", "rate", "100", "50"])?;
        let user = XInput::connect(server.display())?;
        user.move_to(5, 5)?;
        Ok(Some(Self {
            grabber: Grabber::open(server.display(), (0, 0), SCREEN)?,
            other: user.open_window()?,
            user,
            server,
        }))
    }

    fn use_for(&self, command: &mut Command) {
        command.env("DISPLAY", self.server.display());
        command.arg(format!("win:position={}x{}", PLACE.0, PLACE.1));
        command.arg("win:borderless=yes");
    }

    fn expect_window(&mut self, size: Size) -> anyhow::Result<()> {
        let mut seen = None;
        let is_there = testkit::wait_until(LIMIT, || {
            let Ok(Some(window)) = self.user.find_window(CLIENT) else {
                return false;
            };
            let has_focus = self.user.focus().is_ok_and(|focus| focus == window);
            seen = Some((self.user.geometry(window), has_focus));
            let at = self.user.geometry(window).ok();
            has_focus && at == Some((PLACE.0, PLACE.1, size))
        });
        if !is_there {
            bail!("no window of {size:?} with the focus, but {seen:?}");
        }
        Ok(())
    }

    fn window_size(&mut self) -> anyhow::Result<Size> {
        Ok(self.user.geometry(self.client()?)?.2)
    }

    fn key(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        self.user.key(evdev, pressed)
    }

    fn button(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        self.user.button(evdev, pressed)
    }

    fn wheel(&mut self, clicks: i32) -> anyhow::Result<()> {
        self.user.wheel(clicks)
    }

    fn move_to(&mut self, x: u32, y: u32) -> anyhow::Result<()> {
        self.user.move_to(i16::try_from(x)?, i16::try_from(y)?)
    }

    fn move_by(&mut self, dx: i16, dy: i16) -> anyhow::Result<()> {
        self.user.move_by(dx, dy)
    }

    fn take_focus(&mut self) -> anyhow::Result<()> {
        self.user.set_focus(self.other)
    }

    fn give_focus(&mut self) -> anyhow::Result<()> {
        self.user.set_focus(self.client()?)
    }

    fn shoot(&mut self) -> anyhow::Result<RgbImage> {
        self.grabber.grab()
    }
}

/// A user of sway.
pub struct Wayland {
    user: WaylandInput,
    /// The compositor.
    pub sway: Sway,
}

impl Wayland {
    /// What sway says about the client's window, without spaces: the first thing after its name.
    fn tree(&self) -> anyhow::Result<String> {
        let tree = self.sway.message(&["-t", "get_tree"])?;
        Ok(tree.split_whitespace().collect())
    }
}

impl Seat for Wayland {
    /// F16, see [`Seat::start`].
    const BOUND: &[u32] = &[186];

    fn start() -> anyhow::Result<Option<Self>> {
        if !testkit::has_program("grim", "the desk on sway") {
            return Ok(None);
        }
        let (x, y) = PLACE;
        let configuration = format!(
            "seat seat0 pointer_constraint enable\nbindcode 194 nop\n\
             focus_follows_mouse no\ndefault_border none\ndefault_floating_border none\n\
             for_window [app_id=.*] floating enable, move absolute position {x} {y}"
        );
        let Some(sway) = Sway::start(SCREEN.width, SCREEN.height, &configuration)? else {
            return Ok(None);
        };
        let mut user = WaylandInput::connect(&sway.socket(), SCREEN.width, SCREEN.height)?;
        user.move_to(5, 5)?;
        Ok(Some(Self { user, sway }))
    }

    fn use_for(&self, command: &mut Command) {
        self.sway.use_for(command);
    }

    fn expect_window(&mut self, size: Size) -> anyhow::Result<()> {
        let (x, y) = PLACE;
        let Size { width, height } = size;
        let rect =
            format!("\"rect\":{{\"x\":{x},\"y\":{y},\"width\":{width},\"height\":{height}}}");
        let mut tree = String::new();
        let is_there = testkit::wait_until(LIMIT, || {
            tree = self.tree().unwrap_or_default();
            let window = tree.split("\"id\":").find(|node| node.contains(CLIENT));
            window.is_some_and(|node| node.contains(&rect) && node.contains("\"focused\":true"))
        });
        if !is_there {
            bail!("no window of {size:?} with the focus: {tree}");
        }
        Ok(())
    }

    fn window_size(&mut self) -> anyhow::Result<Size> {
        let tree = self.tree()?;
        let node = tree.split("\"id\":").find(|node| node.contains(CLIENT));
        let node = node.context("the client has a window")?;
        let number = |name: &str| -> anyhow::Result<u32> {
            let rect = node.split("\"rect\":").nth(1).context("a rect")?;
            let value = rect.split(name).nth(1).context("a side")?;
            let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
            Ok(digits.parse()?)
        };
        Ok(Size::new(number("\"width\":")?, number("\"height\":")?))
    }

    fn key(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        self.user.key(evdev, pressed)
    }

    fn button(&mut self, evdev: u32, pressed: bool) -> anyhow::Result<()> {
        self.user.button(evdev, pressed)
    }

    fn wheel(&mut self, clicks: i32) -> anyhow::Result<()> {
        self.user.wheel(clicks)
    }

    fn move_to(&mut self, x: u32, y: u32) -> anyhow::Result<()> {
        self.user.move_to(x, y)
    }

    fn move_by(&mut self, dx: i16, dy: i16) -> anyhow::Result<()> {
        self.user.move_by(dx.into(), dy.into())
    }

    fn take_focus(&mut self) -> anyhow::Result<()> {
        self.sway.message(&["workspace 2"]).map(drop)
    }

    fn give_focus(&mut self) -> anyhow::Result<()> {
        let focus = format!("workspace 1; [app_id={CLIENT}] focus");
        self.sway.message(&[&focus]).map(drop)
    }

    fn shoot(&mut self) -> anyhow::Result<RgbImage> {
        self.sway.grab()
    }
}
