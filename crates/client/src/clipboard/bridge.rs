//! Who copied last, who asks whom, and what is let through (spice.md 8.4).

use std::collections::VecDeque;
use std::sync::Arc;

use clock::Nanos;
use spice::Command;
use spice::agent::clipboard::{
    ClipboardEvent as GuestEvent, ClipboardKind, Selection, text_for_guest, text_from_guest,
};
use spice::agent::{AgentCapabilities, AgentEvent};
use window::clipboard::{ClipboardError, ClipboardEvent as LocalEvent, ClipboardFormat};

use super::ClipboardPolicy;

/// A side's news reach the other side this often and no oftener: a program that copies in a loop shall not keep display
/// server, SPICE server and agent busy.
const PUBLISH_INTERVAL: Nanos = Nanos::from_millis(50);
/// Both sides have limits of their own, of ten seconds; this is for answers that got lost.
const LOST_AFTER: Nanos = Nanos::from_millis(12_000);
/// The user is told of a refusal this often and no oftener.
const MESSAGE_INTERVAL: Nanos = Nanos::from_millis(2_000);
/// Local programs that wait for the guest's data.
const MAX_PASTES: usize = 64;

/// What is to be done.
#[derive(PartialEq)]
pub enum Action {
    /// Take the local clipboard over.
    Offer(Vec<ClipboardFormat>),
    /// Give it up.
    Withdraw,
    /// Ask the local owner.
    Request {
        /// Chosen by the bridge.
        id: u64,
        /// What for.
        format: ClipboardFormat,
    },
    /// Forget that question.
    Cancel(u64),
    /// Answer a local program that pastes.
    Supply {
        /// Its question.
        id: u64,
        /// The data, or nothing.
        data: Option<Arc<[u8]>>,
    },
    /// Tell the SPICE session.
    Spice(Command),
    /// Tell the user.
    Message(String),
}

/// Contents of the clipboard are nobody else's business: they are never printed.
impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Offer(formats) => write!(f, "Offer({formats:?})"),
            Self::Withdraw => f.write_str("Withdraw"),
            Self::Request { id, format } => write!(f, "Request({id}, {format:?})"),
            Self::Cancel(id) => write!(f, "Cancel({id})"),
            Self::Supply { id, data } => {
                let size = data.as_ref().map(|data| data.len());
                write!(f, "Supply({id}, {size:?} bytes)")
            }
            Self::Spice(command) => write!(f, "Spice({command:?})"),
            Self::Message(text) => write!(f, "Message({text})"),
        }
    }
}

/// The side that copied last.
#[derive(Debug, Default, PartialEq)]
enum Owner {
    #[default]
    Nobody,
    /// A local program, with what it offers.
    Local(Vec<ClipboardFormat>),
    /// A program in the guest, with what it offers.
    Guest(Vec<ClipboardFormat>),
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Here,
    Guest,
}

/// A local program that pastes what the guest has.
#[derive(Clone, Copy, Debug)]
struct Paste {
    id: u64,
    format: ClipboardFormat,
}

/// What the guest was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    kind: ClipboardKind,
    deadline: Nanos,
}

/// What a local program was asked for on behalf of the guest.
#[derive(Clone, Copy, Debug)]
struct Fetch {
    id: u64,
    kind: ClipboardKind,
    deadline: Nanos,
}

/// The clipboard of host and guest as a state machine.
///
/// The side that copied last owns the clipboard of both: it is told to the other side ("published"), and data move when
/// somebody there pastes. What is published to a side comes back from there to nobody, so nothing goes round in circles.
#[derive(Debug)]
pub struct Bridge {
    policy: ClipboardPolicy,
    /// The window had the focus once. Before that nothing is let through.
    had_focus: bool,
    /// The agent, if there is one that has a clipboard.
    agent: Option<AgentCapabilities>,
    owner: Owner,
    /// The side that sees an offer of the other's. It may be the last but one, if there was a newer in a moment.
    sees: Option<Side>,
    /// The other side knows what the owner has.
    is_published: bool,
    /// When it was told last, and when it shall be told next.
    published_at: Option<Nanos>,
    publish_at: Option<Nanos>,
    pastes: VecDeque<Paste>,
    asked: Option<Asked>,
    fetch: Option<Fetch>,
    last_id: u64,
    message_at: Option<Nanos>,
}

impl Bridge {
    /// Nobody has copied, and there is no agent.
    #[must_use]
    pub fn new(policy: ClipboardPolicy) -> Self {
        Self {
            policy,
            had_focus: false,
            agent: None,
            owner: Owner::Nobody,
            sees: None,
            is_published: false,
            published_at: None,
            publish_at: None,
            pastes: VecDeque::new(),
            asked: None,
            fetch: None,
            last_id: 0,
            message_at: None,
        }
    }

    /// The window has the focus.
    pub fn focused(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        self.had_focus = true;
        self.publish(now, actions);
    }

    /// Takes what happened on the local clipboard.
    pub fn local(&mut self, event: LocalEvent, now: Nanos, actions: &mut Vec<Action>) {
        match event {
            LocalEvent::Offered(formats) => {
                self.refuse_pastes(actions);
                self.copied(Owner::Local(formats), now, actions);
            }
            LocalEvent::Cleared => {
                // Of the guest's, the end comes from the guest.
                if matches!(self.owner, Owner::Local(_)) {
                    self.forget(actions);
                }
            }
            LocalEvent::Wanted { id, format } => {
                if self.pastes.len() < MAX_PASTES {
                    self.pastes.push_back(Paste { id, format });
                    self.ask_next(now, actions);
                } else {
                    actions.push(Action::Supply { id, data: None });
                }
            }
            LocalEvent::WantedNoMore { id } => self.pastes.retain(|paste| paste.id != id),
            LocalEvent::Received { id, data } => self.received(id, data, now, actions),
        }
    }

    /// Takes what happened on the agent's side.
    pub fn agent(&mut self, event: AgentEvent, now: Nanos, actions: &mut Vec<Action>) {
        match event {
            AgentEvent::Capabilities(capabilities) if capabilities.has_clipboard() => {
                self.agent = Some(capabilities);
                self.publish(now, actions);
            }
            AgentEvent::Connected | AgentEvent::Disconnected | AgentEvent::Capabilities(_) => {
                self.agent_lost(actions);
            }
            AgentEvent::Clipboard(event) => self.guest(event, now, actions),
            _ => {}
        }
    }

    /// There is no agent, or no session, any more; nothing that was asked is answered.
    pub fn agent_lost(&mut self, actions: &mut Vec<Action>) {
        self.agent = None;
        self.asked = None;
        self.end_fetch(actions);
        self.refuse_pastes(actions);
        // A grab has gone with the agent.
        self.sees.take_if(|side| *side == Side::Guest);
        self.is_published = false;
        self.publish_at = None;
        if matches!(self.owner, Owner::Guest(_)) {
            self.forget(actions);
        }
    }

    /// Does what is due at a time.
    pub fn tick(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        if self.publish_at.is_some_and(|at| at <= now) {
            self.publish(now, actions);
        }
        if let Some(asked) = self.asked.filter(|asked| asked.deadline <= now) {
            tracing::debug!("the agent's answer got lost");
            self.arrived(asked.kind, None, now, actions);
        }
        if self.fetch.is_some_and(|fetch| fetch.deadline <= now) {
            self.end_fetch(actions);
        }
    }

    /// When [`Bridge::tick`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let asked = self.asked.map(|asked| asked.deadline);
        let fetch = self.fetch.map(|fetch| fetch.deadline);
        [self.publish_at, asked, fetch].into_iter().flatten().min()
    }

    fn guest(&mut self, event: GuestEvent, now: Nanos, actions: &mut Vec<Action>) {
        match event {
            GuestEvent::Grabbed {
                selection: Selection::Clipboard,
                kinds,
            } => {
                self.refuse_pastes(actions);
                let formats = kinds.into_iter().map(format).collect();
                self.copied(Owner::Guest(formats), now, actions);
            }
            GuestEvent::Released {
                selection: Selection::Clipboard,
            } => {
                self.refuse_pastes(actions);
                if matches!(self.owner, Owner::Guest(_)) {
                    self.forget(actions);
                }
            }
            GuestEvent::Requested { selection, kind } => {
                self.requested(selection, kind, now, actions);
            }
            GuestEvent::Data {
                selection: Selection::Clipboard,
                kind,
                data,
            } => self.arrived(kind, Some(data), now, actions),
            GuestEvent::Unavailable {
                selection: Selection::Clipboard,
                kind,
            } => self.arrived(kind, None, now, actions),
            GuestEvent::TooLarge {
                size,
                limit,
                is_from_guest,
            } => {
                let (size, limit) = (mib(size), mib(limit));
                let text = match is_from_guest {
                    true => format!(
                        "The guest's clipboard is too large to be copied: {size} MiB, {limit} are allowed"
                    ),
                    false => format!(
                        "The clipboard is too large to be copied to the guest: {size} MiB, {limit} are allowed"
                    ),
                };
                self.tell(text, now, actions);
            }
            // Other selections are neither offered nor taken.
            _ => {}
        }
    }

    /// A side has copied something: it is the owner now, and the other side shall know.
    fn copied(&mut self, owner: Owner, now: Nanos, actions: &mut Vec<Action>) {
        let is_overtaken = match &owner {
            Owner::Nobody => None,
            Owner::Local(_) => Some(Side::Here),
            Owner::Guest(_) => Some(Side::Guest),
        };
        // Whoever copies takes the place of what was offered there.
        self.sees.take_if(|side| Some(*side) == is_overtaken);
        self.end_fetch(actions);
        self.owner = owner;
        self.is_published = false;
        if !self.may_publish() {
            self.take_back(actions);
        }
        self.publish(now, actions);
    }

    /// The owner has nothing any more.
    fn forget(&mut self, actions: &mut Vec<Action>) {
        self.take_back(actions);
        self.owner = Owner::Nobody;
    }

    /// Takes back what the other side was told.
    fn take_back(&mut self, actions: &mut Vec<Action>) {
        self.is_published = false;
        self.publish_at = None;
        match self.sees.take() {
            Some(Side::Guest) => {
                self.end_fetch(actions);
                let release = Command::ReleaseClipboard(Selection::Clipboard);
                actions.push(Action::Spice(release));
            }
            Some(Side::Here) => {
                self.refuse_pastes(actions);
                actions.push(Action::Withdraw);
            }
            None => {}
        }
    }

    /// Tells whether the other side may know what the owner has.
    fn may_publish(&self) -> bool {
        self.had_focus
            && self.agent.is_some()
            && match &self.owner {
                Owner::Nobody => false,
                Owner::Local(formats) => self.policy.to_vm && !formats.is_empty(),
                Owner::Guest(formats) => self.policy.to_local && !formats.is_empty(),
            }
    }

    /// Tells the other side what the owner has, if it may and does not know it, now or soon.
    fn publish(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        self.publish_at = None;
        if self.is_published || !self.may_publish() {
            return;
        }
        let earliest = self.published_at.map(|at| at + PUBLISH_INTERVAL);
        if let Some(earliest) = earliest.filter(|earliest| *earliest > now) {
            self.publish_at = Some(earliest);
            return;
        }
        let (side, action) = match &self.owner {
            Owner::Nobody => return,
            Owner::Local(formats) => {
                let (selection, kinds) = (Selection::Clipboard, formats.iter().copied().map(kind));
                let kinds = kinds.collect();
                let grab = Command::GrabClipboard { selection, kinds };
                (Side::Guest, Action::Spice(grab))
            }
            Owner::Guest(formats) => (Side::Here, Action::Offer(formats.clone())),
        };
        actions.push(action);
        self.sees = Some(side);
        self.is_published = true;
        self.published_at = Some(now);
    }

    /// The guest pastes.
    fn requested(
        &mut self,
        selection: Selection,
        kind: ClipboardKind,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) {
        // The agent asks one thing at a time. It was told that there is no answer to an earlier one, by `spice`; to tell
        // it again would be to answer this one.
        if let Some(fetch) = self.fetch.take() {
            actions.push(Action::Cancel(fetch.id));
        }
        let format = format(kind);
        let is_there = matches!(&self.owner, Owner::Local(formats) if formats.contains(&format));
        let is_let = selection == Selection::Clipboard && self.is_offered() && self.may_publish();
        if !(is_there && is_let) {
            actions.push(answer(selection, kind, None));
            return;
        }
        self.last_id += 1;
        let id = self.last_id;
        self.fetch = Some(Fetch {
            id,
            kind,
            deadline: now + LOST_AFTER,
        });
        actions.push(Action::Request { id, format });
    }

    /// A local program has answered the guest.
    fn received(
        &mut self,
        id: u64,
        data: Result<Vec<u8>, ClipboardError>,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) {
        let Some(fetch) = self.fetch.take_if(|fetch| fetch.id == id) else {
            return;
        };
        if data == Err(ClipboardError::TooLarge) {
            let limit = mib(self.policy.max_bytes);
            let text = format!(
                "The clipboard is too large to be copied to the guest: {limit} MiB are allowed"
            );
            self.tell(text, now, actions);
        }
        let agent = self.agent.filter(|_| self.policy.to_vm);
        let data = data.ok().zip(agent).map(|(data, agent)| match fetch.kind {
            ClipboardKind::Text => text_for_guest(utf8(data), agent),
            _ => data,
        });
        actions.push(answer(Selection::Clipboard, fetch.kind, data));
    }

    /// Gives up what is being fetched for the guest, which is told so.
    fn end_fetch(&mut self, actions: &mut Vec<Action>) {
        if let Some(fetch) = self.fetch.take() {
            actions.push(Action::Cancel(fetch.id));
            actions.push(answer(Selection::Clipboard, fetch.kind, None));
        }
    }

    /// Asks the guest for what the first of the local programs wants, if nothing is being asked.
    fn ask_next(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        while self.asked.is_none()
            && let Some(&Paste { id, format }) = self.pastes.front()
        {
            let is_there =
                matches!(&self.owner, Owner::Guest(formats) if formats.contains(&format));
            if !(is_there && self.is_offered() && self.may_publish()) {
                self.pastes.pop_front();
                actions.push(Action::Supply { id, data: None });
                continue;
            }
            let kind = kind(format);
            self.asked = Some(Asked {
                kind,
                deadline: now + LOST_AFTER,
            });
            let selection = Selection::Clipboard;
            actions.push(Action::Spice(Command::RequestClipboard { selection, kind }));
        }
    }

    /// What the owner has is known to the other side, or will be in a moment.
    fn is_offered(&self) -> bool {
        self.is_published || self.publish_at.is_some()
    }

    /// The guest has answered: all that wait for the same get it.
    fn arrived(
        &mut self,
        kind: ClipboardKind,
        data: Option<Vec<u8>>,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) {
        if self.asked.take_if(|asked| asked.kind == kind).is_none() {
            return;
        }
        let format = format(kind);
        if self.pastes.iter().any(|paste| paste.format == format) {
            let data = data.and_then(|data| self.let_in(kind, data, now, actions));
            self.pastes.retain(|paste| {
                let is_answered = paste.format == format;
                if is_answered {
                    let (id, data) = (paste.id, data.clone());
                    actions.push(Action::Supply { id, data });
                }
                !is_answered
            });
        }
        self.ask_next(now, actions);
    }

    /// The guest's data as local programs get them, if they may.
    fn let_in(
        &mut self,
        kind: ClipboardKind,
        data: Vec<u8>,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) -> Option<Arc<[u8]>> {
        let agent = self.agent.filter(|_| self.policy.to_local)?;
        let data = match kind {
            ClipboardKind::Text => text_from_guest(data, agent).into_bytes(),
            _ => data,
        };
        // Text that is not UTF-8 becomes longer when it is made UTF-8.
        if data.len() > self.policy.max_bytes {
            let (size, limit) = (mib(data.len()), mib(self.policy.max_bytes));
            let text = format!(
                "The guest's clipboard is too large to be copied: {size} MiB, {limit} are allowed"
            );
            self.tell(text, now, actions);
            return None;
        }
        Some(data.into())
    }

    /// Answers all local programs that wait with nothing. What the guest is being asked goes on, and is nobody's.
    fn refuse_pastes(&mut self, actions: &mut Vec<Action>) {
        for Paste { id, .. } in self.pastes.drain(..) {
            actions.push(Action::Supply { id, data: None });
        }
    }

    fn tell(&mut self, text: String, now: Nanos, actions: &mut Vec<Action>) {
        let is_due = self
            .message_at
            .is_none_or(|at| now - at >= MESSAGE_INTERVAL);
        if is_due {
            self.message_at = Some(now);
            actions.push(Action::Message(text));
        }
    }
}

/// An answer to the guest.
fn answer(selection: Selection, kind: ClipboardKind, data: Option<Vec<u8>>) -> Action {
    Action::Spice(Command::AnswerClipboard {
        selection,
        kind,
        data,
    })
}

/// Text of a local program; what is not UTF-8 is replaced.
fn utf8(data: Vec<u8>) -> String {
    let mut text = match String::from_utf8(data) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    if text.ends_with('\0') {
        text.pop();
    }
    text
}

/// Bytes in MiB for the user, rounded up to a tenth.
fn mib(bytes: usize) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    match tenths % 10 {
        0 => format!("{}", tenths / 10),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

/// The window's word for a kind of the agent's.
const fn format(kind: ClipboardKind) -> ClipboardFormat {
    match kind {
        ClipboardKind::Text => ClipboardFormat::Text,
        ClipboardKind::Png => ClipboardFormat::Png,
        ClipboardKind::Bmp => ClipboardFormat::Bmp,
        ClipboardKind::Tiff => ClipboardFormat::Tiff,
        ClipboardKind::Jpeg => ClipboardFormat::Jpeg,
    }
}

/// The agent's word for a format of the window's.
const fn kind(format: ClipboardFormat) -> ClipboardKind {
    match format {
        ClipboardFormat::Text => ClipboardKind::Text,
        ClipboardFormat::Png => ClipboardKind::Png,
        ClipboardFormat::Bmp => ClipboardKind::Bmp,
        ClipboardFormat::Tiff => ClipboardKind::Tiff,
        ClipboardFormat::Jpeg => ClipboardKind::Jpeg,
    }
}

#[cfg(test)]
mod tests;
