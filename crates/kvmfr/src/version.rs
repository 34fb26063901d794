//! The protocol versions.

use lgmp::WireVersion;

use crate::wire;

/// A KVMFR version that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Looking Glass at the seed commit of January 2022; LGMP 4.
    V16,
    /// Looking Glass B6; LGMP 5.
    V19,
    /// Looking Glass B7; LGMP 6.
    V20,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V16, Self::V19, Self::V20];

    /// The version of a wire number, if it is spoken here.
    #[must_use]
    pub const fn from_wire(number: u32) -> Option<Self> {
        match number {
            16 => Some(Self::V16),
            19 => Some(Self::V19),
            20 => Some(Self::V20),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn wire(self) -> u32 {
        match self {
            Self::V16 => 16,
            Self::V19 => 19,
            Self::V20 => 20,
        }
    }

    /// The LGMP version that it runs over (kvmfr.md 1.4); no other pairing exists.
    #[must_use]
    pub const fn lgmp(self) -> WireVersion {
        match self {
            Self::V16 => WireVersion::V4,
            Self::V19 => WireVersion::V5,
            Self::V20 => WireVersion::V6,
        }
    }

    /// Bytes of the frame header (kvmfr.md 4.1).
    #[must_use]
    pub const fn frame_header_bytes(self) -> usize {
        match self {
            Self::V16 => size_of::<wire::Frame16>(),
            Self::V19 => size_of::<wire::Frame19>(),
            Self::V20 => size_of::<wire::Frame20>(),
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KVMFR {}", self.wire())
    }
}
