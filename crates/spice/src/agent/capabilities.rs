//! What an agent and this crate can do.

use crate::wire::{Malformed, Put, Reader};

const CLIPBOARD_BY_DEMAND: u32 = 1 << 5;
const CLIPBOARD_SELECTION: u32 = 1 << 6;
const GUEST_LINEEND_LF: u32 = 1 << 8;
const GUEST_LINEEND_CRLF: u32 = 1 << 9;
const FILE_XFER_DISABLED: u32 = 1 << 13;
const FILE_XFER_DETAILED_ERRORS: u32 = 1 << 14;

/// What the guest's agent can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct AgentCapabilities(pub(super) u32);

impl AgentCapabilities {
    /// The first word of an announcement, as it is sent.
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// Reads ANNOUNCE_CAPABILITIES: whether an answer is wanted, and the first word.
    pub(super) fn read(body: &[u8]) -> Result<(bool, Self), Malformed> {
        let mut reader = Reader::new(body);
        let wants_answer = reader.u32()? != 0;
        Ok((wants_answer, Self(reader.u32()?)))
    }

    /// The clipboard works.
    pub fn has_clipboard(self) -> bool {
        self.0 & (CLIPBOARD_BY_DEMAND | CLIPBOARD_SELECTION) != 0
    }

    /// Selections other than the clipboard can be named.
    pub fn has_selections(self) -> bool {
        self.0 & CLIPBOARD_SELECTION != 0
    }

    /// The guest's text has line ends of CR LF.
    pub fn has_crlf_text(self) -> bool {
        self.0 & GUEST_LINEEND_CRLF != 0
    }

    /// The guest's text has line ends of LF. Neither is said by some agents.
    pub fn has_lf_text(self) -> bool {
        self.0 & GUEST_LINEEND_LF != 0
    }

    /// The guest takes files.
    pub fn has_file_transfer(self) -> bool {
        self.0 & FILE_XFER_DISABLED == 0
    }
}

/// The body of our own announcement.
pub(super) fn announcement(wants_answer: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(8);
    body.put_u32(wants_answer.into());
    body.put_u32(CLIPBOARD_BY_DEMAND | CLIPBOARD_SELECTION | FILE_XFER_DETAILED_ERRORS);
    body
}
