//! What a client says to the host, in the mailbox of the pointer queue.

use zerocopy::FromBytes;

use crate::wire::SetCursorPosMessage;

/// Asks the host to move the guest's pointer (kvmfr.md 5.3); only for hosts with the feature.
///
/// The click point, in pixels of the desktop that the guest's user sees. The host must clamp it (H12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetCursorPos {
    /// Columns from the left.
    pub x: i32,
    /// Rows from the top.
    pub y: i32,
}

impl SetCursorPos {
    /// Bytes of the message.
    pub const BYTES: usize = size_of::<SetCursorPosMessage>();

    /// The bytes to send.
    #[must_use]
    pub fn encode(self) -> [u8; Self::BYTES] {
        let message = SetCursorPosMessage {
            r#type: ClientMessage::SET_CURSOR_POS,
            x: self.x,
            y: self.y,
        };
        zerocopy::transmute!(message)
    }
}

/// A message of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientMessage {
    /// Move the guest's pointer.
    SetCursorPos(SetCursorPos),
}

impl ClientMessage {
    const SET_CURSOR_POS: u32 = 0;

    /// Reads a copied message; `None` for unknown or short ones, which a host acknowledges and ignores.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, _) = u32::read_from_prefix(bytes).ok()?;
        if kind != Self::SET_CURSOR_POS {
            return None;
        }
        let (message, _) = SetCursorPosMessage::read_from_prefix(bytes).ok()?;
        Some(Self::SetCursorPos(SetCursorPos {
            x: message.x,
            y: message.y,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_the_lgmp_example_is_read_and_written() {
        // lgmp.md 12: {0, 0, 480}.
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0xe0, 1, 0, 0];
        let message = SetCursorPos { x: 0, y: 480 };
        assert_eq!(message.encode(), bytes);
        assert_eq!(
            ClientMessage::parse(&bytes),
            Some(ClientMessage::SetCursorPos(message))
        );
    }

    #[test]
    fn extreme_positions_survive() {
        for (x, y) in [(i32::MIN, i32::MAX), (-1, -1)] {
            let message = SetCursorPos { x, y };
            assert_eq!(
                ClientMessage::parse(&message.encode()),
                Some(ClientMessage::SetCursorPos(message))
            );
        }
    }

    #[test]
    fn unknown_and_short_messages_are_ignored() {
        assert_eq!(
            ClientMessage::parse(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            None
        );
        assert_eq!(ClientMessage::parse(&[0; 11]), None);
        assert_eq!(ClientMessage::parse(&[0; 3]), None);
        assert_eq!(ClientMessage::parse(&[]), None);
        assert!(ClientMessage::parse(&[0; 64]).is_some());
    }
}
