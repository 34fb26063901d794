//! The X11 back end: the root window by MIT-SHM, changes by DAMAGE, the pointer by XFixes and XInput 2.
//!
//! A program that draws in many requests should still give one picture. So all events that have come are taken in
//! before anything is fetched, and when it was fetched, what little was drawn meanwhile is fetched too. Nothing is
//! waited for beyond that, as it would delay every picture.
//!
//! Sources: the protocol texts `shm.xml`, `damageproto.txt`, `fixesproto.txt`, `randrproto.txt` and `XI2proto.txt`.

mod cursor;
mod mover;
mod screen;
mod server;

use std::os::fd::AsFd;

use clock::{Clock, MonotonicClock, Nanos};
use picture::{Damage, FrameRect};
use relay::{PointerUpdate, Waker};
use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{self, ConnectionExt as _};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::xproto::Window;
use x11rb::rust_connection::RustConnection;

use self::cursor::Cursor;
use self::mover::XMover;
use self::screen::Screen;
use super::wait::sleep;
use super::{Capture, CaptureError, CapturedImage, Due, PointerMover};

/// How often the pointer is looked at without an event of its own: programs that warp it cause none.
const POINTER_LOOK: Nanos = Nanos::from_millis(50);

/// The same while nothing at all happens, so that a still desktop costs next to nothing.
const STILL_LOOK: Nanos = Nanos::from_millis(250);

/// Without an event for this long the desktop counts as still.
const STILL_AFTER: Nanos = Nanos::from_millis(1000);

/// What was drawn while the picture was fetched is added if it is at most one in so many of its pixels; more would be
/// a picture of its own.
const LITTLE: u64 = 8;

/// Refusals in a row after which the connection is given up; one or two happen when the screen shrinks.
const MOST_REFUSALS: u32 = 20;

/// The X screen of `DISPLAY`.
pub struct XcbCapture {
    display: Option<String>,
    connection: RustConnection,
    root: Window,
    damage_id: damage::Damage,
    screen: Screen,
    cursor: Cursor,
    /// What changed since the last image.
    damage: Damage,
    /// What the image handed out last changed; borrowed by it.
    handed_out: Damage,
    next_pointer_look: Nanos,
    last_event: Nanos,
    is_resized: bool,
    refusals: u32,
}

impl XcbCapture {
    /// Connects to `display` (default: `DISPLAY`) and starts to watch it.
    ///
    /// # Errors
    /// If there is no X server, it lacks an extension, or it is an Xwayland, whose root window is always black.
    pub fn open(display: Option<&str>) -> Result<Self, CaptureError> {
        let (connection, root) = server::connect(display)?;
        let damage_id = server::new_id(&connection)?;
        // Delta rectangles: one event for each area that was clean, none for what is known to be dirty.
        connection
            .damage_create(damage_id, root, damage::ReportLevel::DELTA_RECTANGLES)?
            .check()?;
        connection
            .randr_select_input(root, randr::NotifyMask::SCREEN_CHANGE)?
            .check()?;
        let cursor = Cursor::watch(&connection, root)?;
        let screen = Screen::open(&connection, root)?;
        Ok(Self {
            display: display.map(str::to_owned),
            connection,
            root,
            damage_id,
            screen,
            cursor,
            damage: Damage::FULL,
            handed_out: Damage::NONE,
            next_pointer_look: Nanos::ZERO,
            last_event: MonotonicClock.now(),
            is_resized: false,
            refusals: 0,
        })
    }

    /// Takes in all events that have come, and adapts to the size of the screen.
    fn take_events(&mut self) -> Result<(), CaptureError> {
        self.note_events()?;
        if std::mem::take(&mut self.is_resized) {
            self.resize()?;
        }
        Ok(())
    }

    /// Notes all events that have come.
    fn note_events(&mut self) -> Result<(), CaptureError> {
        let mut has_news = false;
        while let Some(event) = self.connection.poll_for_event()? {
            has_news = true;
            match event {
                Event::DamageNotify(event) => self.damage.add(FrameRect::new(
                    u32::try_from(event.area.x).unwrap_or(0),
                    u32::try_from(event.area.y).unwrap_or(0),
                    u32::from(event.area.width),
                    u32::from(event.area.height),
                )),
                Event::RandrScreenChangeNotify(_) => self.is_resized = true,
                Event::XfixesCursorNotify(_) => self.cursor.shape_changed(),
                Event::XinputRawMotion(_) => self.cursor.moved(),
                Event::Error(error) => tracing::debug!(?error, "X error"),
                _ => {}
            }
        }
        if has_news {
            self.heard();
        }
        Ok(())
    }

    /// The desktop is alive: something was drawn or moved.
    fn heard(&mut self) {
        self.last_event = MonotonicClock.now();
        let soon = self.last_event + POINTER_LOOK;
        self.next_pointer_look = self.next_pointer_look.min(soon);
    }

    /// Adapts to the size that the screen has now.
    fn resize(&mut self) -> Result<(), CaptureError> {
        self.damage = Damage::FULL;
        self.cursor.moved();
        if self.screen.refit(&self.connection)? {
            let size = self.screen.layout().frame;
            tracing::info!(width = size.width, height = size.height, "screen size");
        }
        Ok(())
    }

    /// Fetches what is damaged and hands it on to `handed_out`; false if the server refused.
    fn grab(&mut self) -> Result<bool, CaptureError> {
        // Reset before reading: what is drawn after this line is reported anew, so no change is lost.
        self.connection
            .damage_subtract(self.damage_id, x11rb::NONE, x11rb::NONE)?;
        match self.screen.grab(&self.connection, &self.damage) {
            Ok(()) => {}
            Err(ReplyError::X11Error(error)) => {
                // The screen shrank under the request (BadMatch): its event is on the way, or was missed.
                tracing::debug!(?error, "reading the screen");
                self.refusals += 1;
                if self.refusals >= MOST_REFUSALS {
                    return Err(CaptureError::Lost(server::refusal(&error)));
                }
                self.resize()?;
                return Ok(false);
            }
            Err(ReplyError::ConnectionError(error)) => return Err(error.into()),
        }
        self.refusals = 0;
        self.handed_out.merge(&self.damage);
        self.damage = Damage::NONE;
        Ok(true)
    }

    /// Tells whether something of the picture changed, but little of it.
    fn has_little_damage(&mut self) -> bool {
        let size = self.screen.layout().frame;
        self.damage.clamp(size);
        let area = self.damage.area_in(size);
        area > 0 && area <= size.area() / LITTLE
    }

    fn is_due(&self, image_from: Nanos, now: Nanos) -> Due {
        Due {
            image: !self.damage.is_none() && now >= image_from,
            pointer: self.cursor.is_dirty() || now >= self.next_pointer_look,
        }
    }
}

impl Capture for XcbCapture {
    fn name(&self) -> &'static str {
        "XCB"
    }

    fn wait(
        &mut self,
        waker: &Waker,
        image_from: Nanos,
        deadline: Nanos,
    ) -> Result<Due, CaptureError> {
        self.take_events()?;
        let due = self.is_due(image_from, MonotonicClock.now());
        if due.image || due.pointer {
            return Ok(due);
        }
        let mut until = deadline.min(self.next_pointer_look);
        if !self.damage.is_none() {
            until = until.min(image_from);
        }
        self.connection.flush()?;
        sleep(Some(self.connection.stream().as_fd()), waker, until);
        self.take_events()?;
        Ok(self.is_due(image_from, MonotonicClock.now()))
    }

    fn image(&mut self) -> Result<Option<CapturedImage<'_>>, CaptureError> {
        self.damage.clamp(self.screen.layout().frame);
        if self.damage.is_none() {
            return Ok(None);
        }
        self.handed_out = Damage::NONE;
        if !self.grab()? {
            return Ok(None);
        }
        self.note_events()?;
        if !self.is_resized && self.has_little_damage() && !self.grab()? {
            return Ok(None);
        }
        Ok(Some(self.screen.image(&self.handed_out)))
    }

    fn pointer(&mut self) -> Result<Option<PointerUpdate<'_>>, CaptureError> {
        let now = MonotonicClock.now();
        let is_still = now - self.last_event > STILL_AFTER;
        self.next_pointer_look = now + if is_still { STILL_LOOK } else { POINTER_LOOK };
        self.cursor.moved();
        let update = self.cursor.update(&self.connection, self.root)?;
        if update.is_some() {
            self.last_event = now;
        }
        Ok(update)
    }

    fn invalidate(&mut self) {
        self.damage = Damage::FULL;
    }

    fn mover(&self) -> Option<Box<dyn PointerMover + Send>> {
        match XMover::open(self.display.as_deref()) {
            Ok(mover) => Some(Box::new(mover)),
            Err(error) => {
                tracing::warn!(%error, "clients cannot set the pointer's position");
                None
            }
        }
    }

    fn rest(&mut self) -> Result<(), CaptureError> {
        // Unread events would pile up in the server.
        self.take_events()
    }
}
