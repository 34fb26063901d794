//! Copies and pastes on the client's display server, through the client.

use testkit::process::Process;

use super::WindowHands;
use crate::agent_guest::{Kind, Outside};
use crate::machine_input::Hands as _;

const KEY_LEFTSHIFT: u16 = 42;

/// The clipboard of the display server that a client shows its window on.
pub struct WindowClipboard<'a> {
    hands: WindowHands<'a>,
    /// Who has what was copied last.
    copier: Option<Process>,
}

impl<'a> WindowClipboard<'a> {
    /// Takes a client in its window.
    #[must_use]
    pub const fn new(hands: WindowHands<'a>) -> Self {
        Self {
            hands,
            copier: None,
        }
    }

    /// The client.
    #[must_use]
    pub fn into_hands(self) -> WindowHands<'a> {
        self.hands
    }
}

impl Outside for WindowClipboard<'_> {
    fn copy(&mut self, kind: Kind, data: &[u8]) -> anyhow::Result<()> {
        let mut command = self.hands.seat.copier(kind, data)?;
        self.copier = Some(Process::start(&mut command)?);
        Ok(())
    }

    fn paste(&mut self, kind: Kind) -> anyhow::Result<Option<Vec<u8>>> {
        let output = self.hands.seat.paster(kind).output()?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// A compositor lets only those copy whom the user has pressed a key for since the last time.
    fn before_guest_copies(&mut self) -> anyhow::Result<()> {
        self.hands.key(KEY_LEFTSHIFT, true)?;
        self.hands.key(KEY_LEFTSHIFT, false)
    }

    fn log(&self) -> String {
        self.hands.log()
    }
}
