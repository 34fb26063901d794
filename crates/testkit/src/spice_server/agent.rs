//! The guest's agent, as far as the clipboard needs it (spice.md 8).

use std::sync::Arc;
use std::time::Duration;

use super::{Arrival, Connection, MAIN, Shared, SpiceServer, message, words};

/// The most that one piece of the stream holds.
const PIECE: usize = 2048;
/// Pieces for which the client gets its tokens back.
const TOKEN_LOT: u32 = 5;

const CLIPBOARD: u32 = 4;
const CAPABILITIES: u32 = 6;
const GRAB: u32 = 7;
const REQUEST: u32 = 8;
const RELEASE: u32 = 9;

/// What is known of the client's side.
#[derive(Default)]
pub(super) struct Agent {
    /// Pieces that we may send.
    tokens: u32,
    /// Pieces that arrived and were not given back.
    consumed: u32,
    stream: Vec<u8>,
    offered: Option<Vec<u32>>,
    copied: Option<(u32, Arc<Vec<u8>>)>,
    pasted: Option<(u32, Vec<u8>)>,
    has_capabilities: bool,
}

impl SpiceServer {
    /// A program in the guest copies `data` of a kind (1 text, 2 PNG …); sent when the client asks for it.
    pub fn copy_in_guest(&self, kind: u32, data: impl Into<Arc<Vec<u8>>>) {
        self.shared.state().agent.copied = Some((kind, data.into()));
        self.send_to_client(GRAB, &words(&[0, kind]));
    }

    /// A program in the guest pastes: asks the client for its clipboard.
    pub fn paste_in_guest(&self, kind: u32) {
        self.shared.state().agent.pasted = None;
        self.send_to_client(REQUEST, &words(&[0, kind]));
    }

    /// Waits for the answer to [`Self::paste_in_guest`]: the kind and the data, kind 0 for a refusal.
    pub fn pasted(&self, limit: Duration) -> Option<(u32, Vec<u8>)> {
        self.shared
            .wait(limit, |state| state.agent.pasted.is_some());
        self.shared.state().agent.pasted.take()
    }

    /// Waits until the client offers its clipboard; the kinds.
    pub fn offered(&self, limit: Duration) -> Option<Vec<u32>> {
        self.shared
            .wait(limit, |state| state.agent.offered.is_some());
        self.shared.state().agent.offered.take()
    }

    /// Waits until client and agent know each other's capabilities.
    pub fn wait_for_agent(&self, limit: Duration) -> bool {
        self.shared
            .wait(limit, |state| state.agent.has_capabilities)
    }

    fn send_to_client(&self, kind: u32, body: &[u8]) {
        for connection in self.shared.connections(MAIN) {
            send(&connection, &self.shared, kind, body);
        }
    }
}

pub(super) fn receive(
    arrival: &Arrival,
    connection: &Connection,
    shared: &Arc<Shared>,
) -> anyhow::Result<()> {
    let first = arrival.payload.first_chunk::<4>();
    let word = first.map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let mut state = shared.state();
    let agent = &mut state.agent;
    match arrival.kind {
        106 | 108 => agent.tokens = agent.tokens.saturating_add(word),
        _ => {
            agent.consumed += 1;
            agent.stream.extend(&arrival.payload);
            let give_back = agent.consumed >= TOKEN_LOT;
            if give_back {
                agent.consumed -= TOKEN_LOT;
            }
            let messages = agent.take_messages();
            drop(state);
            if give_back {
                connection.send(110, &words(&[TOKEN_LOT]))?;
            }
            for (kind, body) in messages {
                react(kind, body, connection, shared);
            }
        }
    }
    shared.changed.notify_all();
    Ok(())
}

impl Agent {
    /// The messages that are complete.
    fn take_messages(&mut self) -> Vec<(u32, Vec<u8>)> {
        let mut messages = Vec::new();
        loop {
            let word = |at: usize| {
                let bytes = self.stream.get(at..at + 4)?;
                Some(u32::from_le_bytes(bytes.try_into().ok()?))
            };
            let (Some(kind), Some(size)) = (word(4), word(16)) else {
                return messages;
            };
            let end = 20 + size as usize;
            if self.stream.len() < end {
                return messages;
            }
            let rest = self.stream.split_off(end);
            let mut whole = std::mem::replace(&mut self.stream, rest);
            messages.push((kind, whole.split_off(20)));
        }
    }
}

fn react(kind: u32, mut body: Vec<u8>, connection: &Connection, shared: &Arc<Shared>) {
    let word = |at: usize| {
        let bytes = body.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    };
    match kind {
        CAPABILITIES => {
            let wants_answer = word(0) == 1;
            shared.state().agent.has_capabilities = true;
            if wants_answer {
                send_soon(connection, shared, CAPABILITIES, words(&[0, 0x60]));
            }
        }
        GRAB => {
            let kinds = body.chunks_exact(4).skip(1);
            let kinds = kinds.filter_map(|k| Some(u32::from_le_bytes(k.try_into().ok()?)));
            shared.state().agent.offered = Some(kinds.collect());
        }
        RELEASE => shared.state().agent.offered = None,
        REQUEST => {
            let copied = shared.state().agent.copied.clone();
            let wanted = word(4);
            let mut answer = words(&[0, 0]);
            if let Some((kind, data)) = copied.filter(|(kind, _)| *kind == wanted) {
                answer = words(&[0, kind]);
                answer.extend(data.iter());
            }
            send_soon(connection, shared, CLIPBOARD, answer);
        }
        CLIPBOARD => {
            let kind = word(4);
            let data = body.split_off(body.len().min(8));
            shared.state().agent.pasted = Some((kind, data));
        }
        _ => {}
    }
}

/// Sends from a thread of its own: the reader has to go on reading the tokens.
fn send_soon(connection: &Connection, shared: &Arc<Shared>, kind: u32, body: Vec<u8>) {
    let (connection, shared) = (connection.clone(), Arc::clone(shared));
    std::thread::spawn(move || send(&connection, &shared, kind, &body));
}

fn send(connection: &Connection, shared: &Arc<Shared>, kind: u32, body: &[u8]) {
    let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut stream = words(&[1, kind, 0, 0, size]);
    stream.extend(body);
    // Messages of two threads must not mix: the tokens are taken under the writer's lock.
    static ORDER: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _in_order = ORDER.lock();
    for piece in stream.chunks(PIECE) {
        if !shared.wait(Duration::from_secs(30), |state| state.agent.tokens > 0) {
            return;
        }
        let mut state = shared.state();
        state.agent.tokens = state.agent.tokens.saturating_sub(1);
        drop(state);
        if connection.write(&message(109, piece)).is_err() {
            return;
        }
    }
}
