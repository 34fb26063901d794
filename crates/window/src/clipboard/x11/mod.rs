//! The CLIPBOARD selection of an X server, on a connection and a thread of its own.
//!
//! [`worker`] waits, [`serve`] answers those who paste what we offer, [`fetch`] asks whoever else is the owner. All is
//! driven by events; the only answers that the thread waits for are the server's own.

mod fetch;
mod names;
mod serve;
mod worker;

use std::sync::Arc;

use super::inbox::Inbox;
use super::{Clipboard, ClipboardFormat, ClipboardLimits, ClipboardSink};
use crate::WindowError;
use worker::Worker;

/// What the thread is told.
enum Order {
    Offer(Vec<ClipboardFormat>),
    Withdraw,
    Request { id: u64, format: ClipboardFormat },
    Cancel(u64),
    Supply { id: u64, data: Option<Arc<[u8]>> },
}

/// The handle on the thread.
struct X11Clipboard(Arc<Inbox<Order>>);

/// Connects to the server and starts the thread.
pub(crate) fn start(
    display: Option<&str>,
    limits: ClipboardLimits,
    sink: ClipboardSink,
) -> Result<Box<dyn Clipboard>, WindowError> {
    let inbox = Inbox::new().map_err(|e| WindowError::system("making an event descriptor", e))?;
    let inbox = Arc::new(inbox);
    let worker = Worker::connect(display, limits, sink, Arc::clone(&inbox))?;
    std::thread::Builder::new()
        .name("clipboard".to_owned())
        .spawn(move || worker.run())
        .map_err(|e| WindowError::system("starting the clipboard's thread", e))?;
    Ok(Box::new(X11Clipboard(inbox)))
}

impl X11Clipboard {
    fn tell(&self, order: Order) {
        self.0.push(order, |_| false);
    }

    /// Only the last word on who owns the clipboard counts.
    fn tell_owner(&self, order: Order) {
        self.0.push(order, |old| {
            matches!(old, Order::Offer(_) | Order::Withdraw)
        });
    }
}

impl Clipboard for X11Clipboard {
    fn offer(&self, formats: &[ClipboardFormat]) {
        self.tell_owner(Order::Offer(formats.to_vec()));
    }

    fn withdraw(&self) {
        self.tell_owner(Order::Withdraw);
    }

    fn request(&self, id: u64, format: ClipboardFormat) {
        self.tell(Order::Request { id, format });
    }

    fn cancel(&self, id: u64) {
        self.tell(Order::Cancel(id));
    }

    fn supply(&self, id: u64, data: Option<Arc<[u8]>>) {
        self.tell(Order::Supply { id, data });
    }
}

impl Drop for X11Clipboard {
    fn drop(&mut self) {
        self.0.close();
    }
}
