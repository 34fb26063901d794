//! What the compositor says, on the main thread.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::backend::ObjectData;
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_data_device::{self, WlDataDevice};
use wayland_client::protocol::wl_data_device_manager::{self, WlDataDeviceManager};
use wayland_client::protocol::wl_data_offer::{self, WlDataOffer};
use wayland_client::protocol::wl_data_source::{self, WlDataSource};
use wayland_client::{Connection, Proxy as _, QueueHandle};

use super::super::format::NAMES;
use super::super::{ClipboardEvent, MAX_SERVED};
use super::{Desk, Known, Others, Own, Shared, Stage, Task};
use crate::wayland::State;

/// User data of all objects but offers.
pub(super) struct Role;

/// User data of the question that follows an offer of ours: its number.
pub(super) struct TryRole(pub(super) u64);

/// User data of offers: the types that were named so far. Only the main thread reads and writes it.
#[derive(Default)]
pub(super) struct OfferRole(AtomicU32);

impl Dispatch2<WlDataDeviceManager, State> for Role {
    fn event(
        &self,
        _: &mut State,
        _: &WlDataDeviceManager,
        _: wl_data_device_manager::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
    }
}

impl Dispatch2<WlDataOffer, State> for OfferRole {
    fn event(
        &self,
        state: &mut State,
        _: &WlDataOffer,
        event: wl_data_offer::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        if let (wl_data_offer::Event::Offer { mime_type }, Some(shared)) =
            (event, &state.selection.shared)
        {
            // Relaxed: one thread only.
            let bit = Known::bit(&mime_type, &shared.mark);
            self.0.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

impl Dispatch2<WlDataDevice, State> for Role {
    fn event(
        &self,
        state: &mut State,
        _: &WlDataDevice,
        event: wl_data_device::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        let Some(shared) = &state.selection.shared else {
            return;
        };
        let mut desk = shared.desk();
        match event {
            wl_data_device::Event::Selection { id } => {
                let told = desk.selected(id);
                drop(desk);
                if let Some(event) = told {
                    shared.tell(event);
                }
            }
            // Nothing can be dropped here: what is dragged over the window goes as it came.
            wl_data_device::Event::Enter { id, .. } => desk.drag(id),
            wl_data_device::Event::Leave | wl_data_device::Event::Drop => desk.drag(None),
            _ => {}
        }
    }

    fn event_created_child(opcode: u16, queue: &QueueHandle<State>) -> Arc<dyn ObjectData> {
        // The only event of a data device that makes an object is its first, data_offer.
        debug_assert_eq!(opcode, wl_data_device::EVT_DATA_OFFER_OPCODE);
        queue.make_data::<WlDataOffer, _>(OfferRole::default())
    }
}

impl Dispatch2<WlDataSource, State> for Role {
    fn event(
        &self,
        state: &mut State,
        source: &WlDataSource,
        event: wl_data_source::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        let Some(shared) = &state.selection.shared else {
            return;
        };
        match event {
            wl_data_source::Event::Send { mime_type, fd } => {
                shared.send(source, &mime_type, fd);
            }
            wl_data_source::Event::Cancelled => {
                let told = shared.desk().cancelled(source);
                source.destroy();
                if let Some(event) = told {
                    shared.tell(event);
                }
            }
            _ => {}
        }
    }
}

impl Shared {
    /// Somebody pastes: has the worker serve it. Who is not served finds the pipe closed.
    fn send(&self, source: &WlDataSource, mime: &str, pipe: OwnedFd) {
        let name = NAMES.iter().find(|name| name.text == mime);
        let own = |desk: &Desk| {
            let own = desk.own.as_ref();
            let own = own.filter(|own| own.source.as_ref() == Some(source))?;
            name.filter(|name| own.formats.contains(&name.format))
        };
        let name = own(&self.desk());
        let is_serving = |task: &Task| matches!(task, Task::Serve { .. });
        if let Some(name) = name
            && self.inbox.count(is_serving) < MAX_SERVED
        {
            self.inbox.push(Task::Serve { name, pipe }, |_| false);
        }
    }
}

impl Dispatch2<WlCallback, State> for TryRole {
    fn event(
        &self,
        state: &mut State,
        _: &WlCallback,
        _: wl_callback::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        let Some(shared) = &state.selection.shared else {
            return;
        };
        let mut desk = shared.desk();
        let (has_focus, is_last) = (desk.has_focus, desk.tries == self.0);
        if let Some(own) = &mut desk.own
            && is_last
            && own.stage == Stage::Sent
        {
            // Without the focus it may have taken it all the same: it does not say.
            own.stage = match has_focus {
                true => Stage::Ignored,
                false => Stage::Waiting,
            };
        }
        if has_focus {
            // Keys may have been pressed meanwhile.
            shared.try_again(&mut desk);
        }
    }
}

impl Desk {
    /// The selection is another one now. Returns what there is to tell.
    fn selected(&mut self, offer: Option<WlDataOffer>) -> Option<ClipboardEvent> {
        if let Some(old) = self.others.take() {
            old.offer.destroy();
        }
        let Some(offer) = offer else {
            // Our own may not have arrived yet.
            let is_news = self.own.is_none() && std::mem::take(&mut self.is_full);
            return is_news.then_some(ClipboardEvent::Cleared);
        };
        let names = offer.data::<OfferRole>();
        // Relaxed: one thread only.
        let names = Known(names.map_or(0, |names| names.0.load(Ordering::Relaxed)));
        if names.is_ours() {
            offer.destroy();
            if let Some(own) = &mut self.own {
                own.stage = Stage::Accepted;
            }
            return None;
        }
        self.others = Some(Others { offer, names });
        match self.own.as_ref().map(|own| own.stage) {
            // On its way before the compositor heard of ours; or it comes with the focus, for which ours has waited:
            // what was copied in the guest meanwhile counts more than what has been there all along.
            Some(Stage::Sent | Stage::Waiting) => None,
            // New, so it counts more than an offer that was never taken. Of one that was taken, the end is told too.
            Some(Stage::Ignored | Stage::Accepted) | None => {
                if let Some(source) = self.own.take().and_then(|own| own.source) {
                    source.destroy();
                }
                self.tell_others()
            }
        }
    }

    /// Our user takes its offer back. Returns what there is to tell.
    pub(super) fn withdraw(&mut self) -> Option<ClipboardEvent> {
        let own = self.own.take()?;
        if let Some(source) = own.source {
            source.destroy();
        }
        match own.stage {
            // The compositor tells what comes next.
            Stage::Accepted => None,
            // What was held back in its favour, and stays.
            Stage::Waiting | Stage::Sent | Stage::Ignored => self.tell_others(),
        }
    }

    /// What there is to tell of others' offers.
    fn tell_others(&mut self) -> Option<ClipboardEvent> {
        let others = self.others.as_ref();
        let formats = others.map_or_else(Vec::new, |others| others.names.formats());
        let was_full = std::mem::replace(&mut self.is_full, !formats.is_empty());
        match formats.is_empty() {
            true => was_full.then_some(ClipboardEvent::Cleared),
            false => Some(ClipboardEvent::Offered(formats)),
        }
    }

    /// The compositor has no use for a source any more. Returns what there is to tell.
    fn cancelled(&mut self, source: &WlDataSource) -> Option<ClipboardEvent> {
        let is_it = |own: &mut Own| own.source.as_ref() == Some(source);
        self.own.take_if(is_it)?;
        // Held back while there was ours.
        self.others.as_ref()?;
        self.tell_others()
    }

    /// Something is dragged over the window, or not any more.
    fn drag(&mut self, offer: Option<WlDataOffer>) {
        if let Some(old) = std::mem::replace(&mut self.dragged, offer) {
            old.destroy();
        }
    }
}
