//! Which link between host and reader is missing, in words for the user.

use std::fmt;

/// The first thing that a reader still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Link {
    /// The memory is gone: it shrank under the mapping. Only opening it again helps.
    Memory,
    /// The memory is too small for any host.
    MemoryTooSmall {
        /// Bytes that there are.
        bytes: usize,
    },
    /// No host has initialised the memory.
    Magic,
    /// A host is there, but speaks versions that this reader does not.
    Version {
        /// The LGMP version.
        lgmp: u32,
        /// The KVMFR version; `None` if it could not be read.
        kvmfr: Option<u32>,
    },
    /// The memory is initialised, but nobody keeps it alive.
    Heartbeat,
    /// The host is alive, but its queues cannot be subscribed to.
    Queue,
    /// All is connected, but no frame has come yet.
    FirstFrame,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str(
                "The shared memory is gone: its file was made smaller or removed while in use.",
            ),
            Self::MemoryTooSmall { bytes } => write!(
                f,
                "The shared memory has only {bytes} bytes, which is too small for any host."
            ),
            Self::Magic => f.write_str(
                "The shared memory is empty: the Looking Glass host has not started in the guest yet.",
            ),
            Self::Version {
                lgmp,
                kvmfr: Some(kvmfr),
            } => write!(
                f,
                "The host in the guest speaks KVMFR {kvmfr} over LGMP {lgmp}, which this program does not support; \
                 use a host of version B6 or B7."
            ),
            Self::Version { lgmp, kvmfr: None } => write!(
                f,
                "The host in the guest speaks LGMP {lgmp} with an unknown protocol on it, which this program does \
                 not support; use a host of version B6 or B7."
            ),
            Self::Heartbeat => f.write_str(
                "The host in the guest is not running: it has been here, but shows no sign of life.",
            ),
            Self::Queue => f.write_str(
                "The host in the guest is running, but offers no free place on its queues.",
            ),
            Self::FirstFrame => f.write_str(
                "Connected to the host in the guest, which has not sent a picture yet.",
            ),
        }
    }
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Frames have arrived in this session.
    Connected,
    /// Something is still waited for.
    Missing(Link),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_is_a_sentence_of_its_own() {
        let links = [
            Link::Memory,
            Link::MemoryTooSmall { bytes: 4096 },
            Link::Magic,
            Link::Version {
                lgmp: 7,
                kvmfr: None,
            },
            Link::Version {
                lgmp: 6,
                kvmfr: Some(21),
            },
            Link::Heartbeat,
            Link::Queue,
            Link::FirstFrame,
        ];
        let texts: Vec<_> = links.iter().map(ToString::to_string).collect();
        for (index, text) in texts.iter().enumerate() {
            assert!(
                text.ends_with('.') && text.starts_with(char::is_uppercase),
                "{text}"
            );
            assert!(!texts[..index].contains(text), "{text}");
        }
        assert!(texts[4].contains("KVMFR 21 over LGMP 6"));
    }
}
