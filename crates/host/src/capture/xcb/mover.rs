//! Moving the pointer of the X screen, for clients that ask for it.
//!
//! It has a connection of its own, as the one of the capture waits for pictures. The server is never waited for
//! longer than the caller wants: one request is under way at most, so sending it cannot block, and an event that the
//! server sends back to us says when it was done. Source: `xtest.txt`.

use std::os::fd::AsFd as _;

use clock::{Clock as _, MonotonicClock, Nanos};
use picture::GuestPoint;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask,
    MOTION_NOTIFY_EVENT, Window, WindowClass,
};
use x11rb::protocol::xtest::{self, ConnectionExt as _};
use x11rb::rust_connection::RustConnection;

use super::super::{CaptureError, PointerMover};
use super::server;

/// How long a server may take to move the pointer before the heartbeat goes on without it.
const PATIENCE: Nanos = Nanos::from_millis(20);

pub(super) struct XMover {
    connection: RustConnection,
    root: Window,
    /// Never shown: where the server's answer goes.
    mailbox: Window,
    has_xtest: bool,
    /// Where the pointer is to go and has not been sent to.
    wanted: Option<GuestPoint>,
    /// A request has not been answered.
    is_under_way: bool,
}

impl XMover {
    pub(super) fn open(display: Option<&str>) -> Result<Self, CaptureError> {
        let (connection, root) = server::connect(display)?;
        let mailbox = server::new_id(&connection)?;
        let aux = CreateWindowAux::new();
        let class = WindowClass::INPUT_ONLY;
        connection
            .create_window(0, mailbox, root, 0, 0, 1, 1, 0, class, 0, &aux)?
            .check()?;
        let has_xtest = connection
            .extension_information(xtest::X11_EXTENSION_NAME)?
            .is_some();
        if has_xtest {
            connection.xtest_get_version(2, 2)?.reply()?;
        }
        Ok(Self {
            connection,
            root,
            mailbox,
            has_xtest,
            wanted: None,
            is_under_way: false,
        })
    }

    /// Sends what is wanted if nothing is under way, and waits until that is done, `patience` at most.
    fn step(&mut self, patience: Nanos) -> Result<(), CaptureError> {
        let until = MonotonicClock.now() + patience;
        loop {
            self.take_answers()?;
            if !self.is_under_way
                && let Some(point) = self.wanted.take()
            {
                self.send(point)?;
            }
            let left = until - MonotonicClock.now();
            if !self.is_under_way || left <= Nanos::ZERO {
                return Ok(());
            }
            self.sleep(left);
        }
    }

    fn take_answers(&mut self) -> Result<(), CaptureError> {
        while let Some(event) = self.connection.poll_for_event()? {
            match event {
                Event::ClientMessage(event) if event.window == self.mailbox => {
                    self.is_under_way = false;
                }
                // The answer follows all the same.
                Event::Error(error) => tracing::debug!(?error, "moving the pointer"),
                _ => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, point: GuestPoint) -> Result<(), CaptureError> {
        let coordinate = |at: i32| i16::try_from(at.max(0)).unwrap_or(i16::MAX);
        let (x, y) = (coordinate(point.x), coordinate(point.y));
        if self.has_xtest {
            // As a mouse would, so that the capture hears of it at once.
            self.connection
                .xtest_fake_input(
                    MOTION_NOTIFY_EVENT,
                    0,
                    x11rb::CURRENT_TIME,
                    self.root,
                    x,
                    y,
                    0,
                )?
                .ignore_error();
        } else {
            self.connection
                .warp_pointer(x11rb::NONE, self.root, 0, 0, 0, 0, x, y)?
                .ignore_error();
        }
        // Without an event mask it comes back to whoever made the window.
        let answer = ClientMessageEvent::new(32, self.mailbox, AtomEnum::STRING, [0_u32; 5]);
        self.connection
            .send_event(false, self.mailbox, EventMask::NO_EVENT, answer)?
            .ignore_error();
        self.connection.flush()?;
        self.is_under_way = true;
        Ok(())
    }

    fn sleep(&self, time: Nanos) {
        let stream = self.connection.stream().as_fd();
        let mut ready = [PollFd::from_borrowed_fd(stream, PollFlags::IN)];
        if let Ok(limit) = Timespec::try_from(time.to_duration()) {
            // However it ends, the caller looks again until its time is over.
            let _ = poll(&mut ready, Some(&limit));
        }
    }
}

impl PointerMover for XMover {
    fn move_to(&mut self, point: GuestPoint) -> Result<(), CaptureError> {
        // A server that did not answer in time last time is not waited for again.
        let patience = if self.is_under_way {
            Nanos::ZERO
        } else {
            PATIENCE
        };
        self.wanted = Some(point);
        self.step(patience)
    }

    fn catch_up(&mut self) -> Result<(), CaptureError> {
        if self.is_under_way {
            self.step(Nanos::ZERO)?;
        }
        Ok(())
    }
}
