//! Answering those who paste what we offer (ICCCM 2.2, 2.6.2, 2.7.2).

use std::sync::Arc;

use clock::Nanos;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, PropMode,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Timestamp, Window,
};
use x11rb::wrapper::ConnectionExt as _;

use super::super::format::{Encoding, Name, to_latin1};
use super::super::{ClipboardEvent, ClipboardFormat, MAX_SERVED};
use super::worker::{Lost, Server, Sink};

/// What fits into one property; more goes in pieces of this size. Well below the smallest limit of a server, 256 KiB
/// for a request, so that others get their turn.
const CHUNK_BYTES: usize = 128 << 10;
/// Pairs that one MULTIPLE may have.
const MAX_PAIRS: usize = 16;

/// Those who are being answered, and what is there for them.
#[derive(Default)]
pub(super) struct Serve {
    owned: Option<Owned>,
    asked: Vec<Asked>,
    transfers: Vec<Transfer>,
    last_id: u64,
}

/// The selection is ours.
struct Owned {
    formats: Vec<ClipboardFormat>,
    since: Timestamp,
}

/// A request that waits for our data.
struct Asked {
    event: SelectionRequestEvent,
    is_multiple: bool,
    pairs: Vec<Pair>,
    deadline: Nanos,
}

/// One thing that is asked for, and the property that it shall be put into.
struct Pair {
    target: Atom,
    property: Atom,
    state: PairState,
}

#[derive(Clone, Copy, PartialEq)]
enum PairState {
    /// Our user has to supply the data.
    Waiting { id: u64, name: &'static Name },
    /// Written, or being written in pieces.
    Done,
    /// Not to be had.
    Refused,
}

/// Data on their way, piece by piece: each time the requestor deletes the property, the next one is written.
struct Transfer {
    requestor: Window,
    property: Atom,
    kind: Atom,
    data: Arc<[u8]>,
    sent_bytes: usize,
    /// For the next piece.
    deadline: Nanos,
    /// For all of them.
    end: Nanos,
}

impl Serve {
    /// The selection is ours now.
    pub(super) fn own(&mut self, formats: Vec<ClipboardFormat>, since: Timestamp) {
        self.owned = Some(Owned { formats, since });
    }

    /// The server says that the selection is ours, but there is no claim any more: gives it up if it was withdrawn before
    /// the server had said so.
    pub(super) fn own_unclaimed(&self, server: &Server, since: Timestamp) -> Result<(), Lost> {
        match self.owned {
            Some(_) => Ok(()),
            None => give_up(server, since),
        }
    }

    /// Somebody else has it. What was asked before is still answered.
    pub(super) fn lose(&mut self) {
        self.owned = None;
    }

    /// Gives the selection up; the server ignores this if somebody has taken it since.
    pub(super) fn withdraw(&mut self, server: &Server) -> Result<(), Lost> {
        if let Some(owned) = self.owned.take() {
            give_up(server, owned.since)?;
        }
        Ok(())
    }

    /// Somebody asks.
    pub(super) fn asked(
        &mut self,
        server: &Server,
        event: &SelectionRequestEvent,
        now: Nanos,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        let is_ours = event.owner == server.window && event.selection == server.atoms.CLIPBOARD;
        let owned = self.owned.as_ref().filter(|owned| {
            // Times wrap around after 50 days.
            is_ours && (event.time == 0 || event.time.wrapping_sub(owned.since) < u32::MAX / 2)
        });
        let pairs: usize = self.asked.iter().map(|asked| asked.pairs.len()).sum();
        let mut room = MAX_SERVED.saturating_sub(pairs + self.transfers.len());
        let Some(owned) = owned.filter(|_| room > 0 && !server.is_own(event.requestor)) else {
            return notify(server, event, x11rb::NONE);
        };
        let mut event = *event;
        if event.property == x11rb::NONE {
            // As clients did before ICCCM.
            event.property = event.target;
        }
        let is_multiple = event.target == server.atoms.MULTIPLE;
        let wanted = if is_multiple {
            let words = (MAX_PAIRS * 2) as u32;
            let words = server.words(event.requestor, event.property, words)?;
            let pairs = words.as_chunks::<2>().0;
            pairs.iter().map(|&[t, p]| (t, p)).collect()
        } else {
            vec![(event.target, event.property)]
        };
        let mut asked = Asked {
            event,
            is_multiple,
            pairs: Vec::with_capacity(wanted.len()),
            deadline: now + server.limits.patience.into(),
        };
        for (target, property) in wanted {
            let state = match known(server, owned, target) {
                _ if property == x11rb::NONE => PairState::Refused,
                Some(_) if room == 0 => PairState::Refused,
                Some(name) => {
                    room -= 1;
                    self.last_id += 1;
                    let id = self.last_id;
                    PairState::Waiting { id, name }
                }
                None => owned.describe(server, event.requestor, target, property)?,
            };
            asked.pairs.push(Pair {
                target,
                property,
                state,
            });
        }
        if asked.waiting().next().is_none() {
            return asked.finish(server);
        }
        watch(server, event.requestor, true)?;
        for (id, name) in asked.waiting() {
            let format = name.format;
            sink(ClipboardEvent::Wanted { id, format });
        }
        self.asked.push(asked);
        Ok(())
    }

    /// Our user answers.
    pub(super) fn supply(
        &mut self,
        server: &Server,
        id: u64,
        data: Option<Arc<[u8]>>,
        now: Nanos,
    ) -> Result<(), Lost> {
        let is_it = |asked: &Asked| asked.waiting().any(|(waiting, _)| waiting == id);
        let Some(at) = self.asked.iter().position(is_it) else {
            return Ok(());
        };
        let Some(asked) = self.asked.get_mut(at) else {
            return Ok(());
        };
        let requestor = asked.event.requestor;
        // It can begin to read when all it asked for is there; that another question of its is still open, does not count.
        let begin = match asked.is_multiple {
            true => asked.deadline,
            false => now,
        };
        for pair in &mut asked.pairs {
            let PairState::Waiting { id: waiting, name } = pair.state else {
                continue;
            };
            if waiting != id {
                continue;
            }
            pair.state = PairState::Refused;
            let Some(data) = &data else {
                continue;
            };
            let (kind, data) = encode(server, name, pair.target, data);
            let property = pair.property;
            self.transfers
                .retain(|t| (t.requestor, t.property) != (requestor, property));
            let held = self.transfers.iter().map(|transfer| &transfer.data);
            if data.len() <= CHUNK_BYTES {
                put(server, requestor, property, kind, &data)?;
            } else if !server.limits.has_room(held, &data) {
                tracing::debug!("too much is held for others who paste");
                continue;
            } else {
                let least = u32::try_from(data.len()).unwrap_or(u32::MAX);
                server.conn.change_property32(
                    PropMode::REPLACE,
                    requestor,
                    property,
                    server.atoms.INCR,
                    &[least],
                )?;
                let end = begin + server.limits.reading(data.len());
                self.transfers.push(Transfer {
                    requestor,
                    property,
                    kind,
                    data,
                    sent_bytes: 0,
                    deadline: now,
                    end,
                });
            }
            pair.state = PairState::Done;
        }
        if asked.waiting().next().is_none() {
            self.finish(server, at, now)?;
        }
        Ok(())
    }

    /// Tells a requestor that its answer is there.
    fn finish(&mut self, server: &Server, at: usize, now: Nanos) -> Result<(), Lost> {
        let asked = self.asked.remove(at);
        asked.finish(server)?;
        let requestor = asked.event.requestor;
        // Only now can it begin to read.
        for transfer in &mut self.transfers {
            if transfer.requestor == requestor {
                transfer.deadline = now + server.limits.patience.into();
            }
        }
        self.unwatch(server, requestor)
    }

    /// A property was deleted: the requestor has taken a piece.
    pub(super) fn taken(
        &mut self,
        server: &Server,
        requestor: Window,
        property: Atom,
        now: Nanos,
    ) -> Result<(), Lost> {
        let is_it = |t: &Transfer| (t.requestor, t.property) == (requestor, property);
        let Some(at) = self.transfers.iter().position(is_it) else {
            return Ok(());
        };
        let Some(transfer) = self.transfers.get_mut(at) else {
            return Ok(());
        };
        let rest = transfer.data.get(transfer.sent_bytes..).unwrap_or_default();
        let piece = rest.get(..CHUNK_BYTES).unwrap_or(rest);
        put(server, requestor, property, transfer.kind, piece)?;
        transfer.sent_bytes += piece.len();
        transfer.deadline = now + server.limits.patience.into();
        if piece.is_empty() {
            // That was the mark of the end.
            self.transfers.remove(at);
            self.unwatch(server, requestor)?;
        }
        Ok(())
    }

    /// A requestor's window is gone.
    pub(super) fn vanished(&mut self, window: Window, sink: Sink<'_>) {
        self.transfers.retain(|t| t.requestor != window);
        self.asked.retain(|asked| {
            let is_gone = asked.event.requestor == window;
            if is_gone {
                asked.want_no_more(sink);
            }
            !is_gone
        });
    }

    /// Gives up on those who do not read, and answers those for whom there is no data in time.
    pub(super) fn expire(
        &mut self,
        server: &Server,
        now: Nanos,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        while let Some(at) = self.asked.iter().position(|asked| asked.deadline <= now) {
            if let Some(asked) = self.asked.get_mut(at) {
                asked.want_no_more(sink);
                for pair in &mut asked.pairs {
                    if let PairState::Waiting { .. } = pair.state {
                        pair.state = PairState::Refused;
                    }
                }
            }
            self.finish(server, at, now)?;
        }
        // A transfer whose request is not finished waits for us, not for the requestor.
        let asked = &self.asked;
        let is_late = |t: &Transfer| {
            let is_open = asked.iter().any(|a| a.event.requestor == t.requestor);
            t.end <= now || (t.deadline <= now && !is_open)
        };
        while let Some(at) = self.transfers.iter().position(is_late) {
            let transfer = self.transfers.remove(at);
            tracing::debug!("who pasted does not read on");
            self.unwatch(server, transfer.requestor)?;
        }
        Ok(())
    }

    /// When [`Serve::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let asked = self.asked.iter().map(|asked| asked.deadline);
        let transfers = self.transfers.iter().map(|t| {
            let is_open = self.asked.iter().any(|a| a.event.requestor == t.requestor);
            match is_open {
                true => t.end,
                false => t.deadline.min(t.end),
            }
        });
        asked.chain(transfers).min()
    }

    /// The server is gone, and all requestors with it.
    pub(super) fn abandon(&mut self, sink: Sink<'_>) {
        for asked in self.asked.drain(..) {
            asked.want_no_more(sink);
        }
        self.transfers.clear();
    }

    /// Stops watching a requestor if nothing goes on with it any more.
    fn unwatch(&self, server: &Server, requestor: Window) -> Result<(), Lost> {
        let is_busy = self.asked.iter().any(|a| a.event.requestor == requestor)
            || self.transfers.iter().any(|t| t.requestor == requestor);
        match is_busy {
            true => Ok(()),
            false => watch(server, requestor, false),
        }
    }
}

impl Owned {
    /// Answers what is known without our user: what there is, and since when.
    fn describe(
        &self,
        server: &Server,
        requestor: Window,
        target: Atom,
        property: Atom,
    ) -> Result<PairState, Lost> {
        let atoms = &server.atoms;
        let (kind, words) = if target == atoms.TARGETS {
            let mut targets = vec![atoms.TARGETS, atoms.TIMESTAMP, atoms.MULTIPLE];
            for format in &self.formats {
                targets.extend(server.names.atoms(*format));
            }
            (AtomEnum::ATOM, targets)
        } else if target == atoms.TIMESTAMP {
            (AtomEnum::INTEGER, vec![self.since])
        } else {
            return Ok(PairState::Refused);
        };
        let mode = PropMode::REPLACE;
        server
            .conn
            .change_property32(mode, requestor, property, kind, &words)?;
        Ok(PairState::Done)
    }
}

impl Asked {
    /// What our user still has to supply.
    fn waiting(&self) -> impl Iterator<Item = (u64, &'static Name)> {
        self.pairs.iter().filter_map(|pair| match pair.state {
            PairState::Waiting { id, name } => Some((id, name)),
            _ => None,
        })
    }

    fn want_no_more(&self, sink: Sink<'_>) {
        for (id, _) in self.waiting() {
            sink(ClipboardEvent::WantedNoMore { id });
        }
    }

    /// Tells the requestor what became of its request.
    fn finish(&self, server: &Server) -> Result<(), Lost> {
        let is_refused = |pair: &Pair| pair.state != PairState::Done;
        if !self.is_multiple {
            let is_done = !self.pairs.iter().any(is_refused);
            let property = if is_done {
                self.event.property
            } else {
                x11rb::NONE
            };
            return notify(server, &self.event, property);
        }
        if self.pairs.iter().any(is_refused) {
            let pairs: Vec<u32> = self
                .pairs
                .iter()
                .flat_map(|pair| match is_refused(pair) {
                    true => [pair.target, x11rb::NONE],
                    false => [pair.target, pair.property],
                })
                .collect();
            server.conn.change_property32(
                PropMode::REPLACE,
                self.event.requestor,
                self.event.property,
                server.atoms.ATOM_PAIR,
                &pairs,
            )?;
        }
        notify(server, &self.event, self.event.property)
    }
}

/// The name that a target stands for, if it is offered.
fn known(server: &Server, owned: &Owned, target: Atom) -> Option<&'static Name> {
    let name = server.names.find(target)?;
    owned.formats.contains(&name.format).then_some(name)
}

/// The type and the bytes that a target asks for.
fn encode(server: &Server, name: &Name, target: Atom, data: &Arc<[u8]>) -> (Atom, Arc<[u8]>) {
    match name.encoding {
        Encoding::Plain => (target, Arc::clone(data)),
        Encoding::Any => (server.atoms.UTF8_STRING, Arc::clone(data)),
        Encoding::Latin1 => (target, to_latin1(data)),
    }
}

/// Leaves the selection without an owner, if it has none that came after `since`.
fn give_up(server: &Server, since: Timestamp) -> Result<(), Lost> {
    let (none, selection) = (x11rb::NONE, server.atoms.CLIPBOARD);
    server.conn.set_selection_owner(none, selection, since)?;
    Ok(())
}

/// Writes bytes into a requestor's property.
fn put(
    server: &Server,
    requestor: Window,
    property: Atom,
    kind: Atom,
    bytes: &[u8],
) -> Result<(), Lost> {
    let mode = PropMode::REPLACE;
    server
        .conn
        .change_property8(mode, requestor, property, kind, bytes)?;
    Ok(())
}

/// Tells a requestor where its answer is; `NONE` refuses.
fn notify(server: &Server, asked: &SelectionRequestEvent, property: Atom) -> Result<(), Lost> {
    let event = SelectionNotifyEvent {
        response_type: SELECTION_NOTIFY_EVENT,
        sequence: 0,
        time: asked.time,
        requestor: asked.requestor,
        selection: asked.selection,
        target: asked.target,
        property,
    };
    let mask = EventMask::NO_EVENT;
    server
        .conn
        .send_event(false, asked.requestor, mask, event)?;
    Ok(())
}

/// Asks for a requestor's deletions and its end, or stops asking.
fn watch(server: &Server, requestor: Window, on: bool) -> Result<(), Lost> {
    let mask = match on {
        true => EventMask::PROPERTY_CHANGE | EventMask::STRUCTURE_NOTIFY,
        false => EventMask::NO_EVENT,
    };
    let aux = ChangeWindowAttributesAux::new().event_mask(mask);
    server.conn.change_window_attributes(requestor, &aux)?;
    Ok(())
}
