//! The thread: waits for the server, for orders and for deadlines.

use std::sync::Arc;

use clock::{Clock as _, MonotonicClock, Nanos};
use rustix::event::{PollFd, PollFlags};
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::Event;
use x11rb::protocol::xfixes::{self, ConnectionExt as _, SelectionEventMask};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Property, Timestamp,
    Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::super::inbox::{Closed, Inbox, wait};
use super::super::{
    ClipboardError, ClipboardEvent, ClipboardFormat, ClipboardLimits, ClipboardSink,
};
use super::Order;
use super::fetch::Fetch;
use super::names::{Atoms, Names};
use super::serve::Serve;
use crate::{Backend, WindowError};

/// The connection and what does not change about it.
pub(super) struct Server {
    pub(super) conn: RustConnection,
    root: Window,
    /// Owns the selection. Never shown.
    pub(super) window: Window,
    pub(super) atoms: Atoms,
    pub(super) names: Names,
    pub(super) limits: ClipboardLimits,
}

/// Where events go.
pub(super) type Sink<'s> = &'s mut dyn FnMut(ClipboardEvent);

/// A lost connection, or a server that breaks the protocol.
pub(super) type Lost = ConnectionError;

/// All that the thread has.
pub(super) struct Worker {
    server: Server,
    sink: ClipboardSink,
    inbox: Arc<Inbox<Order>>,
    serve: Serve,
    fetch: Fetch,
    /// To be offered as soon as the server has told the time and then, that we are the owner.
    claim: Option<Claim>,
}

/// Becoming the owner.
struct Claim {
    formats: Vec<ClipboardFormat>,
    is_sent: bool,
}

impl Worker {
    pub(super) fn connect(
        display: Option<&str>,
        limits: ClipboardLimits,
        sink: ClipboardSink,
        inbox: Arc<Inbox<Order>>,
    ) -> Result<Self, WindowError> {
        let (conn, screen) = x11rb::connect(display).map_err(|error| WindowError::Connect {
            backend: Backend::X11,
            display: display.map_or_else(
                || std::env::var("DISPLAY").unwrap_or_default(),
                str::to_owned,
            ),
            reason: error.to_string(),
        })?;
        let root = conn.setup().roots.get(screen).map(|screen| screen.root);
        let root = root.ok_or(WindowError::Unsupported {
            backend: Backend::X11,
            what: "a screen of that number",
        })?;
        let has_xfixes = conn
            .extension_information(xfixes::X11_EXTENSION_NAME)
            .map_err(lost)?
            .is_some();
        if !has_xfixes {
            return Err(WindowError::Unsupported {
                backend: Backend::X11,
                what: "the XFixes extension, which the clipboard needs",
            });
        }
        let server = Server::prepare(conn, root, limits)
            .map_err(|error| WindowError::refused(Backend::X11, "the clipboard", error))?;
        let mut fetch = Fetch::default();
        fetch.look(&server, MonotonicClock.now()).map_err(lost)?;
        Ok(Self {
            server,
            sink,
            inbox,
            serve: Serve::default(),
            fetch,
            claim: None,
        })
    }

    /// Works until the handle is dropped.
    pub(super) fn run(mut self) {
        super::super::give_way();
        match self.work() {
            // The connection closes, and the server takes the selection away from our window.
            Ok(Closed) => {}
            Err(error) => {
                tracing::warn!(%error, "the clipboard's connection to the X server is lost");
                self.linger();
            }
        }
    }

    fn work(&mut self) -> Result<Closed, Lost> {
        loop {
            self.inbox.silence();
            loop {
                match self.inbox.pop() {
                    Ok(Some(order)) => self.obey(order)?,
                    Ok(None) => break,
                    Err(closed) => return Ok(closed),
                }
            }
            let now = MonotonicClock.now();
            self.serve.expire(&self.server, now, &mut *self.sink)?;
            self.fetch.expire(&self.server, now, &mut *self.sink)?;
            self.server.conn.flush()?;
            // Replies that were waited for may have brought events into the library's queue, where no poll sees
            // them: so events are looked for last, and anything done about one begins the round anew.
            if let Some(event) = self.server.conn.poll_for_event()? {
                self.handle(&event)?;
                continue;
            }
            let deadlines = [self.serve.deadline(), self.fetch.deadline()];
            let deadline = deadlines.into_iter().flatten().min();
            let mut fds = [
                PollFd::new(self.server.conn.stream(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.inbox.bell(), PollFlags::IN),
            ];
            wait(&mut fds, deadline, MonotonicClock.now());
        }
    }

    /// The server is gone, but every request gets its answer.
    fn linger(&mut self) {
        self.serve.abandon(&mut *self.sink);
        self.fetch.abandon(&mut *self.sink);
        (self.sink)(ClipboardEvent::Cleared);
        loop {
            self.inbox.silence();
            match self.inbox.pop() {
                Ok(Some(Order::Request { id, .. })) => {
                    let data = Err(ClipboardError::Gone);
                    (self.sink)(ClipboardEvent::Received { id, data });
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    let bell = PollFd::from_borrowed_fd(self.inbox.bell(), PollFlags::IN);
                    wait(&mut [bell], None, Nanos::ZERO);
                }
                Err(Closed) => return,
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), Lost> {
        let now = MonotonicClock.now();
        let (server, sink) = (&self.server, &mut *self.sink);
        match order {
            Order::Offer(formats) => {
                let is_sent = false;
                self.claim = Some(Claim { formats, is_sent });
                server.ask_time()
            }
            Order::Withdraw => {
                self.claim = None;
                self.serve.withdraw(server)
            }
            Order::Request { id, format } => self.fetch.request(server, id, format, now, sink),
            Order::Cancel(id) => self.fetch.cancel(server, id),
            Order::Supply { id, data } => self.serve.supply(server, id, data, now),
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), Lost> {
        let now = MonotonicClock.now();
        let (server, sink) = (&self.server, &mut *self.sink);
        match event {
            Event::XfixesSelectionNotify(e) if e.selection == server.atoms.CLIPBOARD => {
                let is_ours = e.owner == server.window;
                if is_ours {
                    if let Some(claim) = self.claim.take_if(|claim| claim.is_sent) {
                        self.serve.own(claim.formats, e.selection_timestamp);
                    } else if self.claim.is_none() {
                        self.serve.own_unclaimed(server, e.selection_timestamp)?;
                    }
                } else {
                    self.serve.lose();
                }
                self.fetch.owner_changed(server, e, is_ours, now, sink)?;
            }
            Event::SelectionRequest(e) => self.serve.asked(server, e, now, sink)?,
            Event::SelectionNotify(e) => self.fetch.answered(server, e, sink)?,
            Event::PropertyNotify(e) if e.state == Property::DELETE => {
                self.serve.taken(server, e.window, e.atom, now)?;
            }
            Event::PropertyNotify(e)
                if e.window == server.window && e.atom == server.atoms.LOOKING_GLASS_TIME =>
            {
                self.claim(e.time)?;
            }
            Event::PropertyNotify(e) => self.fetch.written(server, e.window, sink)?,
            Event::DestroyNotify(e) => self.serve.vanished(e.window, sink),
            // A requestor that is gone: a request about its window came too late.
            Event::Error(e) => self.serve.vanished(e.bad_value, sink),
            _ => {}
        }
        Ok(())
    }

    /// Takes the selection over, now that the time is known.
    fn claim(&mut self, time: Timestamp) -> Result<(), Lost> {
        if let Some(claim) = &mut self.claim {
            claim.is_sent = true;
            let (window, selection) = (self.server.window, self.server.atoms.CLIPBOARD);
            self.server
                .conn
                .set_selection_owner(window, selection, time)?;
        }
        Ok(())
    }
}

/// Turns a failed connection into the window's error.
fn lost(error: ConnectionError) -> WindowError {
    WindowError::disconnected(Backend::X11, error)
}

impl Server {
    fn prepare(
        conn: RustConnection,
        root: Window,
        limits: ClipboardLimits,
    ) -> Result<Self, ReplyOrIdError> {
        let atoms = Atoms::new(&conn)?.reply()?;
        let names = Names::new(&conn)?;
        conn.xfixes_query_version(5, 0)?.reply()?;
        let window = conn.generate_id()?;
        let this = Self {
            conn,
            root,
            window,
            atoms,
            names,
            limits,
        };
        this.create_window(window)?;
        let mask = SelectionEventMask::SET_SELECTION_OWNER
            | SelectionEventMask::SELECTION_WINDOW_DESTROY
            | SelectionEventMask::SELECTION_CLIENT_CLOSE;
        this.conn
            .xfixes_select_selection_input(window, this.atoms.CLIPBOARD, mask)?
            .check()?;
        Ok(this)
    }

    /// Creates a window that is never shown, for the sake of its properties.
    pub(super) fn create_window(&self, window: Window) -> Result<(), Lost> {
        let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        let class = WindowClass::INPUT_ONLY;
        self.conn
            .create_window(0, window, self.root, -1, -1, 1, 1, 0, class, 0, &aux)?;
        Ok(())
    }

    /// Has the server tell its time, by the event for a change of nothing.
    fn ask_time(&self) -> Result<(), Lost> {
        let (window, atom) = (self.window, self.atoms.LOOKING_GLASS_TIME);
        let kind = AtomEnum::STRING;
        self.conn
            .change_property8(PropMode::APPEND, window, atom, kind, &[])?;
        Ok(())
    }

    /// Tells whether a window is one of this connection's.
    pub(super) fn is_own(&self, window: Window) -> bool {
        let setup = self.conn.setup();
        window & !setup.resource_id_mask == setup.resource_id_base
    }

    /// Words of a property of another program's window; none if it or its property is gone.
    pub(super) fn words(
        &self,
        window: Window,
        property: Atom,
        limit: u32,
    ) -> Result<Vec<u32>, Lost> {
        let kind = AtomEnum::ANY;
        let cookie = self
            .conn
            .get_property(false, window, property, kind, 0, limit)?;
        let reply = match cookie.reply() {
            Ok(reply) => reply,
            Err(ReplyError::ConnectionError(error)) => return Err(error),
            Err(ReplyError::X11Error(_)) => return Ok(Vec::new()),
        };
        let words = reply.value32().map(Iterator::collect);
        Ok(words.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
