//! The selection of a Wayland seat.
//!
//! Requests are sent from whichever thread has them. Events come on the main thread, which only notes them and hands
//! the pipes on: all bytes are read and written by a thread of their own ([`worker`]).
//!
//! A compositor lets a client take the selection over for something that the user did in its window: a serial proves it.
//! It ignores without a word what comes without the focus, or with a serial older than the selection it has. So an offer
//! counts only when the compositor has sent it back to us; until then it is made again with the next serial.

mod events;
mod pipes;
mod worker;

use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use smithay_client_toolkit::registry::RegistryState;
use wayland_client::protocol::wl_data_device::WlDataDevice;
use wayland_client::protocol::wl_data_device_manager::WlDataDeviceManager;
use wayland_client::protocol::wl_data_offer::WlDataOffer;
use wayland_client::protocol::wl_data_source::WlDataSource;
use wayland_client::protocol::wl_keyboard;
use wayland_client::protocol::wl_seat::WlSeat;
use wayland_client::{Connection, Proxy as _, QueueHandle};

use super::format::{NAMES, Name, formats_of, names_of};
use super::inbox::Inbox;
use super::{
    Clipboard, ClipboardError, ClipboardEvent, ClipboardFormat, ClipboardLimits, ClipboardSink,
};
use crate::wayland::State;
use crate::{Backend, WindowError};
use events::{Role, TryRole};

/// What the worker is told.
enum Task {
    /// Passed on to the sink, so that all events come from one thread.
    Tell(ClipboardEvent),
    /// Somebody pastes our offer, and reads it from this pipe.
    Serve {
        name: &'static Name,
        pipe: std::os::fd::OwnedFd,
    },
    /// The owner writes into the other end of this pipe.
    Read {
        id: u64,
        name: &'static Name,
        pipe: std::os::fd::OwnedFd,
    },
    Cancel(u64),
    Supply {
        id: u64,
        data: Option<Arc<[u8]>>,
    },
}

/// The main thread's part.
#[derive(Default)]
pub(crate) struct Selection {
    /// The seat whose keyboard was on the window last, with its last serial.
    latest: Option<(WlSeat, u32)>,
    has_focus: bool,
    shared: Option<Arc<Shared>>,
}

/// What both threads need.
struct Shared {
    conn: Connection,
    queue: QueueHandle<State>,
    manager: WlDataDeviceManager,
    inbox: Arc<Inbox<Task>>,
    /// A type that only our own offers have, and by which they are known when they come back.
    mark: String,
    desk: Mutex<Desk>,
}

/// What is offered, by us and by others. Locked for moments only.
#[derive(Default)]
struct Desk {
    devices: Vec<(WlSeat, WlDataDevice)>,
    latest: Option<(WlSeat, u32)>,
    has_focus: bool,
    own: Option<Own>,
    others: Option<Others>,
    /// Our user knows of an offer, its own or another: each new focus tells that there is none, and that is passed on
    /// only if it is news.
    is_full: bool,
    /// Offers that were sent.
    tries: u64,
    /// Something dragged over the window, which is not taken.
    dragged: Option<WlDataOffer>,
}

/// Our offer.
struct Own {
    /// What the compositor has of it. A source may be set once only: each try has a new one.
    source: Option<WlDataSource>,
    formats: Vec<ClipboardFormat>,
    /// The serial it was set with last.
    serial: Option<u32>,
    stage: Stage,
}

/// How far an offer of ours has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be set when the focus comes.
    Waiting,
    /// Set; the compositor has not said anything yet.
    Sent,
    /// The compositor did not take it: to be set with the next serial.
    Ignored,
    /// The compositor has it.
    Accepted,
}

/// Another program's offer.
struct Others {
    offer: WlDataOffer,
    names: Known,
}

/// Which of the [`NAMES`] an offer has, one bit for each, and our mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known(u32);

impl Known {
    const MARK: u32 = 1 << 31;

    /// The bit of a type.
    fn bit(mime: &str, mark: &str) -> u32 {
        if mime == mark {
            return Self::MARK;
        }
        let at = NAMES.iter().position(|name| name.text == mime);
        at.map_or(0, |at| 1 << at)
    }

    fn is_ours(self) -> bool {
        self.0 & Self::MARK != 0
    }

    fn has(self, at: usize) -> bool {
        self.0 & (1 << at) != 0
    }

    fn formats(self) -> Vec<ClipboardFormat> {
        formats_of(|at| self.has(at))
    }

    /// The best name of a format that is offered.
    fn best(self, format: ClipboardFormat) -> Option<&'static Name> {
        names_of(format).find(|name| self.0 & Self::bit(name.text, "") != 0)
    }
}

/// The handle.
struct WaylandClipboard(Arc<Shared>);

/// Takes part in the selections of all seats, and starts the worker.
pub(crate) fn start(
    conn: &Connection,
    queue: &QueueHandle<State>,
    registry: &RegistryState,
    seats: impl Iterator<Item = WlSeat>,
    selection: &mut Selection,
    limits: ClipboardLimits,
    sink: ClipboardSink,
) -> Result<Box<dyn Clipboard>, WindowError> {
    let manager = registry.bind_one(queue, 1..=3, Role);
    let manager: WlDataDeviceManager = manager.map_err(|_| WindowError::Unsupported {
        backend: Backend::Wayland,
        what: "the global wl_data_device_manager, which the clipboard needs",
    })?;
    let inbox = Inbox::new().map_err(|e| WindowError::system("making an event descriptor", e))?;
    let inbox = Arc::new(inbox);
    let number = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mark = format!(
        "application/x-looking-glass-{}-{}-{}",
        std::process::id(),
        number.tv_sec,
        number.tv_nsec
    );
    let shared = Arc::new(Shared {
        conn: conn.clone(),
        queue: queue.clone(),
        manager,
        inbox: Arc::clone(&inbox),
        mark,
        desk: Mutex::new(Desk {
            latest: selection.latest.clone(),
            has_focus: selection.has_focus,
            ..Desk::default()
        }),
    });
    worker::start(inbox, limits, sink)
        .map_err(|e| WindowError::system("starting the clipboard's thread", e))?;
    if let Some(old) = selection.shared.replace(Arc::clone(&shared)) {
        old.desk().devices.clear();
    }
    for seat in seats {
        selection.add_seat(&seat);
    }
    Ok(Box::new(WaylandClipboard(shared)))
}

impl Selection {
    /// A seat has come.
    pub(crate) fn add_seat(&mut self, seat: &WlSeat) {
        if let Some(shared) = &self.shared {
            let device = shared.manager.get_data_device(seat, &shared.queue, Role);
            shared.desk().devices.push((seat.clone(), device));
        }
    }

    /// A seat has gone.
    pub(crate) fn remove_seat(&mut self, seat: &WlSeat) {
        let is_it = |latest: &mut (WlSeat, u32)| latest.0 == *seat;
        self.latest.take_if(is_it);
        if let Some(shared) = &self.shared {
            let mut desk = shared.desk();
            desk.latest.take_if(is_it);
            desk.devices.retain(|(of, device)| {
                if of == seat && device.version() >= 2 {
                    device.release();
                }
                of != seat
            });
        }
    }

    /// Takes the serials of a keyboard's events.
    pub(crate) fn keyboard(&mut self, seat: Option<&WlSeat>, event: &wl_keyboard::Event) {
        let serial = match event {
            wl_keyboard::Event::Enter { serial, .. } => {
                self.has_focus = true;
                *serial
            }
            wl_keyboard::Event::Key { serial, .. } => *serial,
            wl_keyboard::Event::Leave { .. } => {
                self.has_focus = false;
                if let Some(shared) = &self.shared {
                    shared.desk().has_focus = false;
                }
                return;
            }
            _ => return,
        };
        let Some(seat) = seat else {
            return;
        };
        note(&mut self.latest, seat, serial);
        if let Some(shared) = &self.shared {
            let mut desk = shared.desk();
            note(&mut desk.latest, seat, serial);
            desk.has_focus = self.has_focus;
            if self.has_focus {
                shared.try_again(&mut desk);
            }
        }
    }
}

/// Notes the last serial of the last seat.
fn note(latest: &mut Option<(WlSeat, u32)>, seat: &WlSeat, serial: u32) {
    match latest {
        Some((of, last)) if of == seat => *last = serial,
        _ => *latest = Some((seat.clone(), serial)),
    }
}

impl Desk {
    /// The device of the latest seat, and the serial.
    fn device(&self) -> Option<(&WlDataDevice, u32)> {
        let (seat, serial) = self.latest.as_ref()?;
        let device = self.devices.iter().find(|(of, _)| of == seat);
        device.map(|(_, device)| (device, *serial))
    }
}

impl Shared {
    /// The desk; a panic elsewhere leaves it usable.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) {
        // A lost connection shows on the main thread.
        let _ = self.conn.flush();
    }

    /// Makes an offer, in place of the one there is.
    fn offer(&self, desk: &mut Desk, formats: Vec<ClipboardFormat>) {
        desk.is_full = true;
        desk.own = Some(Own {
            // Stays until there is the next: there shall be no moment without an offer.
            source: desk.own.take().and_then(|old| old.source),
            formats,
            serial: None,
            stage: Stage::Waiting,
        });
        self.send_offer(desk);
    }

    /// Tells the compositor of our offer, if there is a serial to do it with.
    fn send_offer(&self, desk: &mut Desk) {
        let device = desk.device();
        let device = device.map(|(device, serial)| (device.clone(), serial));
        let (Some((device, serial)), Some(own)) = (device, &mut desk.own) else {
            return;
        };
        let source = self.manager.create_data_source(&self.queue, Role);
        for mime in own.formats.iter().flat_map(|format| format.names()) {
            source.offer(mime.to_owned());
        }
        source.offer(self.mark.clone());
        device.set_selection(Some(&source), serial);
        if let Some(old) = own.source.replace(source) {
            old.destroy();
        }
        own.stage = Stage::Sent;
        own.serial = Some(serial);
        desk.tries += 1;
        // If the compositor takes it, it sends it back before this is done.
        let done = TryRole(desk.tries);
        self.conn.display().sync(&self.queue, done);
        self.flush();
    }

    /// Makes an offer that was not taken again, if there is a serial that it was not made with.
    fn try_again(&self, desk: &mut Desk) {
        let is_due = desk.own.as_ref().is_some_and(|own| {
            let is_open = matches!(own.stage, Stage::Waiting | Stage::Ignored);
            is_open && own.serial != desk.latest.as_ref().map(|(_, serial)| *serial)
        });
        if is_due {
            self.send_offer(desk);
        }
    }

    /// Passes an event on to the sink. Only the last word on others' offers counts.
    fn tell(&self, event: ClipboardEvent) {
        self.inbox.push(Task::Tell(event), |old| {
            matches!(
                old,
                Task::Tell(ClipboardEvent::Offered(_) | ClipboardEvent::Cleared)
            )
        });
    }

    /// Opens a pipe for the owner to write into, and has it write.
    fn receive(&self, format: ClipboardFormat) -> Result<Task, ClipboardError> {
        let desk = self.desk();
        let others = desk.others.as_ref().ok_or(ClipboardError::Refused)?;
        let name = others.names.best(format).ok_or(ClipboardError::Refused)?;
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(|_| ClipboardError::Gone)?;
        // Our end only: the owner may not be ready for the other kind.
        rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK).map_err(|_| ClipboardError::Gone)?;
        others.offer.receive(name.text.to_owned(), theirs.as_fd());
        self.flush();
        Ok(Task::Read {
            id: 0,
            name,
            pipe: ours,
        })
    }
}

impl Clipboard for WaylandClipboard {
    fn offer(&self, formats: &[ClipboardFormat]) {
        let mut desk = self.0.desk();
        self.0.offer(&mut desk, formats.to_vec());
    }

    fn withdraw(&self) {
        // The selection goes with its source, but not if another program's has taken its place.
        let mut desk = self.0.desk();
        if let Some(event) = desk.withdraw() {
            // Locked still: the main thread's next word on it must not be overtaken.
            self.0.tell(event);
        }
        drop(desk);
        self.0.flush();
    }

    fn request(&self, id: u64, format: ClipboardFormat) {
        let task = match self.0.receive(format) {
            Ok(Task::Read { name, pipe, .. }) => Task::Read { id, name, pipe },
            Ok(task) => task,
            Err(error) => Task::Tell(ClipboardEvent::Received {
                id,
                data: Err(error),
            }),
        };
        self.0.inbox.push(task, |_| false);
    }

    fn cancel(&self, id: u64) {
        self.0.inbox.push(Task::Cancel(id), |_| false);
    }

    fn supply(&self, id: u64, data: Option<Arc<[u8]>>) {
        self.0.inbox.push(Task::Supply { id, data }, |_| false);
    }
}

impl Drop for WaylandClipboard {
    fn drop(&mut self) {
        self.withdraw();
        self.0.inbox.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_known_by_its_names_and_ours_by_its_mark() {
        let mark = "application/x-mark";
        let mut known = Known::default();
        for mime in ["text/html", "STRING", "image/jpeg", "text/plain"] {
            known.0 |= Known::bit(mime, mark);
        }
        let expected = [ClipboardFormat::Text, ClipboardFormat::Jpeg];
        assert_eq!(known.formats(), expected);
        let best = known.best(ClipboardFormat::Text).map(|name| name.text);
        assert_eq!(best, Some("text/plain"));
        assert_eq!(known.best(ClipboardFormat::Png), None);
        assert!(!known.is_ours());
        known.0 |= Known::bit(mark, mark);
        assert!(known.is_ours());
        assert_eq!(known.formats(), expected);
    }
}
