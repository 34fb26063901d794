//! Copies and pastes by SPICE alone, without our client and without any display server outside.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use spice::agent::AgentEvent;
use spice::agent::clipboard::{ClipboardEvent, ClipboardKind, Selection};
use spice::transport::{Address, Client, Handle, Report};
use spice::{Command, Event, SessionOptions};
use testkit::machine::Machine;

use crate::agent_guest::{Kind, Outside};

const LIMIT: Duration = Duration::from_secs(60);
const SELECTION: Selection = Selection::Clipboard;

type Offer = Arc<Mutex<Option<(ClipboardKind, Vec<u8>)>>>;

/// A clipboard that is nowhere but in this test.
pub struct SpiceClipboard {
    client: Client,
    /// What was copied here, for the guest to ask for.
    offer: Offer,
    /// What came of our own requests: data or none.
    answers: Receiver<Option<Vec<u8>>>,
}

impl SpiceClipboard {
    /// Connects with a machine whose agent runs.
    ///
    /// # Errors
    /// If that does not work.
    pub fn connect(machine: &Machine) -> anyhow::Result<Self> {
        let address = Address::unix(machine.spice_socket())?;
        let options = SessionOptions {
            display: false,
            ..SessionOptions::default()
        };
        let (events, heard) = channel();
        let client = Client::connect(address, options, move |report| match report {
            Report::Event(Event::Agent(event)) => drop(events.send(Ok(event))),
            Report::Finished(outcome) => drop(events.send(Err(outcome.to_string()))),
            Report::Event(_) => {}
        })?;
        loop {
            match heard.recv_timeout(LIMIT) {
                Ok(Ok(AgentEvent::Capabilities(_))) => break,
                Ok(Ok(_)) => {}
                Ok(Err(end)) => bail!("SPICE ended: {end}"),
                Err(error) => return Err(error).context("no agent in the guest"),
            }
        }
        let offer = Offer::default();
        let (sender, answers) = channel();
        let (served, handle) = (Arc::clone(&offer), client.handle().clone());
        // Ends with the client, which holds the other end.
        std::thread::spawn(move || serve(&heard, &served, &handle, &sender));
        Ok(Self {
            client,
            offer,
            answers,
        })
    }
}

/// Answers the guest's requests and passes on the answers to ours.
fn serve(
    heard: &Receiver<Result<AgentEvent, String>>,
    offer: &Mutex<Option<(ClipboardKind, Vec<u8>)>>,
    handle: &Handle,
    answers: &Sender<Option<Vec<u8>>>,
) {
    for event in heard {
        let Ok(AgentEvent::Clipboard(event)) = event else {
            continue;
        };
        let answer = match event {
            ClipboardEvent::Requested { selection, kind } => {
                let offer = offer.lock().unwrap_or_else(PoisonError::into_inner);
                let data = offer.as_ref().filter(|(offered, _)| *offered == kind);
                let _ = handle.send(Command::AnswerClipboard {
                    selection,
                    kind,
                    data: data.map(|(_, data)| data.clone()),
                });
                continue;
            }
            ClipboardEvent::Data { data, .. } => Some(data),
            ClipboardEvent::Unavailable { .. } => None,
            _ => continue,
        };
        let _ = answers.send(answer);
    }
}

const fn on_wire(kind: Kind) -> ClipboardKind {
    match kind {
        Kind::Text => ClipboardKind::Text,
        Kind::Png => ClipboardKind::Png,
    }
}

impl Outside for SpiceClipboard {
    fn copy(&mut self, kind: Kind, data: &[u8]) -> anyhow::Result<()> {
        let kind = on_wire(kind);
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = Some((kind, data.to_owned()));
        self.client.handle().send(Command::GrabClipboard {
            selection: SELECTION,
            kinds: vec![kind],
        })?;
        Ok(())
    }

    fn paste(&mut self, kind: Kind) -> anyhow::Result<Option<Vec<u8>>> {
        self.client.handle().send(Command::RequestClipboard {
            selection: SELECTION,
            kind: on_wire(kind),
        })?;
        match self.answers.recv_timeout(LIMIT) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(error).context("SPICE ended"),
        }
    }
}
