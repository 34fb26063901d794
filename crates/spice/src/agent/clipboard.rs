//! The clipboard's kinds, events and bookkeeping, and the line ends of text (spice.md 8.4).

use std::time::Instant;

use super::AgentCapabilities;

/// A kind of data on the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClipboardKind {
    /// UTF-8.
    Text,
    /// A PNG file.
    Png,
    /// A BMP file.
    Bmp,
    /// A TIFF file.
    Tiff,
    /// A JPEG file.
    Jpeg,
}

impl ClipboardKind {
    pub(super) fn from_wire(kind: u32) -> Option<Self> {
        Some(match kind {
            1 => Self::Text,
            2 => Self::Png,
            3 => Self::Bmp,
            4 => Self::Tiff,
            5 => Self::Jpeg,
            _ => return None,
        })
    }

    pub(super) fn to_wire(self) -> u32 {
        match self {
            Self::Text => 1,
            Self::Png => 2,
            Self::Bmp => 3,
            Self::Tiff => 4,
            Self::Jpeg => 5,
        }
    }
}

/// A place where copied things are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selection {
    /// What copy and paste use.
    Clipboard,
    /// What marking and the middle button use.
    Primary,
    /// Hardly used.
    Secondary,
}

impl Selection {
    pub(super) const ALL: [Self; 3] = [Self::Clipboard, Self::Primary, Self::Secondary];

    pub(super) fn from_wire(selection: u8) -> Option<Self> {
        Self::ALL.get(usize::from(selection)).copied()
    }

    pub(super) fn to_wire(self) -> u32 {
        match self {
            Self::Clipboard => 0,
            Self::Primary => 1,
            Self::Secondary => 2,
        }
    }
}

/// What happens on the clipboard that host and guest share.
#[derive(PartialEq, Eq)]
#[non_exhaustive]
pub enum ClipboardEvent {
    /// Something was copied in the guest; no data has moved yet.
    Grabbed {
        /// Where.
        selection: Selection,
        /// What the guest can give, best first. May be empty if it has only what is not known here.
        kinds: Vec<ClipboardKind>,
    },
    /// The guest offers nothing any more.
    Released {
        /// Where.
        selection: Selection,
    },
    /// Something is pasted in the guest: answer with data or with nothing.
    Requested {
        /// Where.
        selection: Selection,
        /// The kind that is wanted.
        kind: ClipboardKind,
    },
    /// The answer to our request.
    Data {
        /// Where.
        selection: Selection,
        /// The kind that was asked for.
        kind: ClipboardKind,
        /// The bytes as the guest sent them; see [`text_from_guest`].
        data: Vec<u8>,
    },
    /// Our request gets no data: refused, too late, too large, overtaken, or another one is still open.
    Unavailable {
        /// Where.
        selection: Selection,
        /// The kind that was asked for.
        kind: ClipboardKind,
    },
    /// Something was too large to be copied; for telling the user.
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// What is allowed.
        limit: usize,
        /// It came from the guest, or was meant for it.
        is_from_guest: bool,
    },
}

/// Contents of the clipboard are nobody else's business: they are never printed.
impl std::fmt::Debug for ClipboardEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Grabbed { selection, kinds } => write!(f, "Grabbed({selection:?}, {kinds:?})"),
            Self::Released { selection } => write!(f, "Released({selection:?})"),
            Self::Requested { selection, kind } => write!(f, "Requested({selection:?}, {kind:?})"),
            Self::Data {
                selection,
                kind,
                data,
            } => write!(f, "Data({selection:?}, {kind:?}, {} bytes)", data.len()),
            Self::Unavailable { selection, kind } => {
                write!(f, "Unavailable({selection:?}, {kind:?})")
            }
            Self::TooLarge {
                size,
                limit,
                is_from_guest,
            } => write!(f, "TooLarge({size} > {limit}, from guest: {is_from_guest})"),
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    selection: Selection,
    kind: ClipboardKind,
    deadline: Instant,
}

impl Request {
    pub(super) fn into_unavailable(self) -> ClipboardEvent {
        ClipboardEvent::Unavailable {
            selection: self.selection,
            kind: self.kind,
        }
    }

    pub(super) fn into_data(self, data: Vec<u8>) -> ClipboardEvent {
        ClipboardEvent::Data {
            selection: self.selection,
            kind: self.kind,
            data,
        }
    }
}

/// Who asked whom, and what we have offered: at most one request in each direction.
#[derive(Debug, Default)]
pub(super) struct Requests {
    ours: Option<Request>,
    guests: Option<Request>,
    held: Vec<Selection>,
}

impl Requests {
    /// Notes a request of ours; false if one is open.
    pub(super) fn ask(
        &mut self,
        selection: Selection,
        kind: ClipboardKind,
        deadline: Instant,
    ) -> bool {
        if self.ours.is_some() {
            return false;
        }
        self.ours = Some(Request {
            selection,
            kind,
            deadline,
        });
        true
    }

    /// Notes a request of the guest's; false if one is open or we have nothing to give.
    pub(super) fn asked_by_guest(
        &mut self,
        selection: Selection,
        kind: ClipboardKind,
        deadline: Instant,
    ) -> bool {
        if self.guests.is_some() || !self.held.contains(&selection) {
            return false;
        }
        self.guests = Some(Request {
            selection,
            kind,
            deadline,
        });
        true
    }

    pub(super) fn is_asked_by_guest(&self, selection: Selection, kind: ClipboardKind) -> bool {
        self.guests
            .is_some_and(|request| request.selection == selection && request.kind == kind)
    }

    /// The request that this data, or nothing in place of data, answers.
    pub(super) fn answered(
        &mut self,
        selection: Option<Selection>,
        kind: Option<ClipboardKind>,
    ) -> Option<Request> {
        self.ours.take_if(|request| {
            Some(request.selection) == selection && kind.is_none_or(|kind| kind == request.kind)
        })
    }

    /// The guest's offer changes: what we asked for is gone.
    pub(super) fn grabbed_by_guest(&mut self, selection: Selection) -> Option<Request> {
        self.held.retain(|held| *held != selection);
        self.ours.take_if(|request| request.selection == selection)
    }

    pub(super) fn grabbed_by_us(&mut self, selection: Selection) {
        if !self.held.contains(&selection) {
            self.held.push(selection);
        }
    }

    /// True if there was something to release.
    pub(super) fn released_by_us(&mut self, selection: Selection) -> bool {
        let before = self.held.len();
        self.held.retain(|held| *held != selection);
        self.held.len() < before
    }

    pub(super) fn take_ours(&mut self) -> Option<Request> {
        self.ours.take()
    }

    pub(super) fn expire_ours(&mut self, now: Instant) -> Option<Request> {
        self.ours.take_if(|request| request.deadline <= now)
    }

    pub(super) fn take_guests(&mut self) -> Option<Selection> {
        self.guests.take().map(|request| request.selection)
    }

    pub(super) fn has_guest_waited(&self, now: Instant) -> bool {
        self.guests.is_some_and(|request| request.deadline <= now)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.ours, self.guests];
        deadlines
            .iter()
            .flatten()
            .map(|request| request.deadline)
            .min()
    }
}

/// The known kinds of a list of u32.
pub(super) fn read_kinds(list: &[u8]) -> Vec<ClipboardKind> {
    let mut kinds = Vec::new();
    for word in list.chunks_exact(4) {
        let word = word.try_into().map_or(0, u32::from_le_bytes);
        if let Some(kind) = ClipboardKind::from_wire(word)
            && !kinds.contains(&kind)
        {
            kinds.push(kind);
        }
    }
    kinds
}

/// Turns the guest's text into the host's: UTF-8 with LF as line end and without a NUL at the end.
///
/// CR LF is taken for a line end if the agent says so, or does not say what it uses. A lone CR is left alone.
pub fn text_from_guest(mut data: Vec<u8>, agent: AgentCapabilities) -> String {
    if data.last() == Some(&0) {
        data.pop();
    }
    let text = match String::from_utf8(data) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    let may_be_crlf = agent.has_crlf_text() || !agent.has_lf_text();
    match may_be_crlf && text.contains("\r\n") {
        true => text.replace("\r\n", "\n"),
        false => text,
    }
}

/// Turns the host's text into the guest's: LF becomes CR LF if the agent says that this is what the guest uses.
pub fn text_for_guest(text: String, agent: AgentCapabilities) -> Vec<u8> {
    match agent.has_crlf_text() && text.contains('\n') {
        // A line end that is CR LF already stays one.
        true => text
            .replace("\r\n", "\n")
            .replace('\n', "\r\n")
            .into_bytes(),
        false => text.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_turned_as_the_agent_says() {
        let unknown = AgentCapabilities::default();
        let (lf, crlf) = (AgentCapabilities(1 << 8), AgentCapabilities(1 << 9));
        let guest = || b"a\r\nb\rc\n\0".to_vec();
        assert_eq!(text_from_guest(guest(), unknown), "a\nb\rc\n");
        assert_eq!(text_from_guest(guest(), crlf), "a\nb\rc\n");
        assert_eq!(text_from_guest(guest(), lf), "a\r\nb\rc\n");
        assert_eq!(text_from_guest(b"a\xffb".to_vec(), lf), "a\u{fffd}b");
        let host = || "a\nb\r\nc\rd".to_owned();
        assert_eq!(text_for_guest(host(), crlf), b"a\r\nb\r\nc\rd");
        assert_eq!(text_for_guest(host(), unknown), host().into_bytes());
    }

    #[test]
    fn contents_are_never_printed() {
        let event = ClipboardEvent::Data {
            selection: Selection::Clipboard,
            kind: ClipboardKind::Text,
            data: b"secret".to_vec(),
        };
        assert_eq!(format!("{event:?}"), "Data(Clipboard, Text, 6 bytes)");
    }
}
