//! The X11 back end: the root window by MIT-SHM, changes by DAMAGE, the pointer by XFixes and XInput 2.
//!
//! Sources: the protocol texts `shm.xml`, `damageproto.txt`, `fixesproto.txt`, `randrproto.txt` and `XI2proto.txt`.

mod cursor;
mod screen;

use clock::{Clock, MonotonicClock, Nanos};
use picture::{Damage, FrameRect};
use relay::Waker;
use std::os::fd::AsFd;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectError, ConnectionError, ReplyError};
use x11rb::protocol::Event;
use x11rb::protocol::damage::{self, ConnectionExt as _};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, Window};
use x11rb::rust_connection::RustConnection;

use self::cursor::Cursor;
use self::screen::Screen;
use super::wait::sleep;
use super::{Capture, CaptureError, Captured};

/// How often the pointer is looked at without an event: programs that warp it cause none.
const POINTER_LOOK: Nanos = Nanos::from_millis(50);

/// The X screen of `DISPLAY`.
pub struct XcbCapture {
    connection: RustConnection,
    root: Window,
    damage_id: damage::Damage,
    screen: Screen,
    cursor: Cursor,
    /// What changed since the last image.
    damage: Damage,
    /// What the image handed out last changed; borrowed by it.
    handed_out: Damage,
    /// Shortest time between two images.
    frame_interval: Nanos,
    next_frame: Nanos,
    next_pointer_look: Nanos,
}

impl XcbCapture {
    /// Connects to `display` (default: `DISPLAY`) and starts to watch it, at most `throttle_fps` images a second (0: no limit).
    ///
    /// # Errors
    /// If there is no X server, it lacks an extension, or it is an Xwayland, whose root window is always black.
    pub fn open(display: Option<&str>, throttle_fps: u32) -> Result<Self, CaptureError> {
        let (connection, screen_number) = RustConnection::connect(display)?;
        let setup = connection.setup();
        let root = setup
            .roots
            .get(screen_number)
            .map(|screen| screen.root)
            .ok_or_else(|| CaptureError::Unusable("the X server has no such screen".into()))?;
        require_extensions(&connection, root)?;
        let damage_id = connection.generate_id().map_err(lost)?;
        // Delta rectangles: one event for each area that was clean, none for what is known to be dirty.
        connection.damage_create(damage_id, root, damage::ReportLevel::DELTA_RECTANGLES)?;
        connection.randr_select_input(root, randr::NotifyMask::SCREEN_CHANGE)?;
        let cursor = Cursor::watch(&connection, root)?;
        let screen = Screen::open(&connection, root)?;
        connection.flush()?;
        Ok(Self {
            connection,
            root,
            damage_id,
            screen,
            cursor,
            damage: Damage::FULL,
            handed_out: Damage::NONE,
            frame_interval: interval_of(throttle_fps),
            next_frame: Nanos::ZERO,
            next_pointer_look: Nanos::ZERO,
        })
    }

    /// Takes in all events that have come.
    fn take_events(&mut self) -> Result<(), CaptureError> {
        while let Some(event) = self.connection.poll_for_event()? {
            match event {
                Event::DamageNotify(event) => self.damage.add(FrameRect::new(
                    u32::try_from(event.area.x).unwrap_or(0),
                    u32::try_from(event.area.y).unwrap_or(0),
                    u32::from(event.area.width),
                    u32::from(event.area.height),
                )),
                Event::RandrScreenChangeNotify(_) => self.resize()?,
                Event::XfixesCursorNotify(_) => self.cursor.shape_changed(),
                Event::XinputRawMotion(_) => self.cursor.moved(),
                Event::Error(error) => tracing::debug!(?error, "X error"),
                _ => {}
            }
        }
        Ok(())
    }

    fn resize(&mut self) -> Result<(), CaptureError> {
        self.screen = Screen::open(&self.connection, self.root)?;
        self.damage = Damage::FULL;
        self.cursor.moved();
        let size = self.screen.layout().frame;
        tracing::info!(width = size.width, height = size.height, "screen size");
        Ok(())
    }

    /// Fetches what is damaged; tells whether there is a new image.
    fn grab(&mut self, now: Nanos) -> Result<bool, CaptureError> {
        if self.damage.is_none() || now < self.next_frame {
            return Ok(false);
        }
        self.damage.clamp(self.screen.layout().frame);
        if self.damage.is_none() {
            return Ok(false);
        }
        // Reset before reading: what is drawn after this line is reported anew, so no change is lost.
        self.connection
            .damage_subtract(self.damage_id, x11rb::NONE, x11rb::NONE)?;
        match self.screen.grab(&self.connection, &self.damage) {
            Ok(()) => {}
            Err(ReplyError::X11Error(error)) => {
                // The screen shrank under the request (BadMatch): its event is on the way, or was missed.
                tracing::debug!(?error, "reading the screen");
                self.resize()?;
                self.next_frame = now + Nanos::from_millis(10);
                return Ok(false);
            }
            Err(ReplyError::ConnectionError(error)) => return Err(error.into()),
        }
        self.handed_out = std::mem::take(&mut self.damage);
        self.next_frame = now + self.frame_interval;
        Ok(true)
    }
}

impl Capture for XcbCapture {
    fn name(&self) -> &'static str {
        "XCB"
    }

    fn next(&mut self, waker: &Waker, deadline: Nanos) -> Result<Captured<'_>, CaptureError> {
        self.take_events()?;
        let mut now = MonotonicClock.now();
        let mut until = deadline.min(self.next_pointer_look);
        if !self.damage.is_none() {
            until = until.min(self.next_frame);
        }
        if now < until && !self.cursor.is_dirty() {
            self.connection.flush()?;
            sleep(Some(self.connection.stream().as_fd()), waker, until);
            self.take_events()?;
            now = MonotonicClock.now();
        }
        if now >= self.next_pointer_look {
            self.cursor.moved();
        }
        let has_image = self.grab(now)?;
        let has_pointer = self.cursor.is_dirty();
        if has_pointer {
            self.next_pointer_look = now + POINTER_LOOK;
        }
        let pointer = if has_pointer {
            self.cursor.update(&self.connection, self.root)?
        } else {
            None
        };
        let image = has_image.then(|| self.screen.image(&self.handed_out));
        Ok(Captured { image, pointer })
    }

    fn invalidate(&mut self) {
        self.damage = Damage::FULL;
        self.cursor.invalidate();
    }
}

/// The time between two images at `fps` images a second.
pub(super) fn interval_of(fps: u32) -> Nanos {
    if fps == 0 {
        Nanos::ZERO
    } else {
        Nanos(1_000_000_000 / i64::from(fps))
    }
}

fn require_extensions(connection: &RustConnection, root: Window) -> Result<(), CaptureError> {
    for name in [
        damage::X11_EXTENSION_NAME,
        x11rb::protocol::xfixes::X11_EXTENSION_NAME,
    ] {
        if connection.extension_information(name)?.is_none() {
            return Err(CaptureError::Unusable(format!(
                "the X server lacks the extension {name}"
            )));
        }
    }
    connection.damage_query_version(1, 1)?.reply()?;
    connection.randr_query_version(1, 3)?.reply()?;
    let has_xwayland = connection.query_extension(b"XWAYLAND")?.reply()?.present;
    if has_xwayland || has_xwayland_output(connection, root)? {
        return Err(CaptureError::Unusable(
            "this X server is an Xwayland, whose root window is always black: log in to an X11 session instead"
                .into(),
        ));
    }
    Ok(())
}

/// Older Xwayland versions are told by the names of their outputs alone.
fn has_xwayland_output(connection: &RustConnection, root: Window) -> Result<bool, CaptureError> {
    let resources = connection
        .randr_get_screen_resources_current(root)?
        .reply()?;
    for output in resources.outputs {
        let info = connection
            .randr_get_output_info(output, resources.config_timestamp)?
            .reply()?;
        if info.name.starts_with(b"XWAYLAND") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn lost(error: impl std::fmt::Display) -> CaptureError {
    CaptureError::Lost(error.to_string())
}

impl From<ConnectError> for CaptureError {
    fn from(error: ConnectError) -> Self {
        lost(format_args!(
            "{error} (is DISPLAY set, and is the X server running?)"
        ))
    }
}

impl From<ConnectionError> for CaptureError {
    fn from(error: ConnectionError) -> Self {
        lost(error)
    }
}

impl From<ReplyError> for CaptureError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => lost(error),
            ReplyError::X11Error(error) => {
                Self::Unusable(format!("the X server refused a request: {error:?}"))
            }
        }
    }
}
