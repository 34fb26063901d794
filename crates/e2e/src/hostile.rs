//! What hostile memory tests share: where the wire's fields lie, a host that forges messages, and watches over a client.
//!
//! Every offset here is written down from the protocol notes (`lgmp.md` 3 and 4, `kvmfr.md` 1, 3 and 4), not taken from
//! the crates under test, so that a mistake there cannot hide here.

pub mod forge;
pub mod image;
pub mod payload;
pub mod scribble;
pub mod trial;
pub mod watch;
pub mod words;

/// A wire version of LGMP and the KVMFR version that goes with it (`kvmfr.md` 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// LGMP 4 and KVMFR 16.
    Seed,
    /// LGMP 5 and KVMFR 19.
    B6,
    /// LGMP 6 and KVMFR 20.
    B7,
}

impl Pair {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::Seed, Self::B6, Self::B7];

    /// The number of LGMP's version.
    #[must_use]
    pub const fn lgmp(self) -> u32 {
        self.pick(4, 5, 6) as u32
    }

    /// The number of KVMFR's version.
    #[must_use]
    pub const fn kvmfr(self) -> u32 {
        self.pick(16, 19, 20) as u32
    }

    /// One of three values.
    #[must_use]
    pub const fn pick(self, seed: usize, b6: usize, b7: usize) -> usize {
        match self {
            Self::Seed => seed,
            Self::B6 => b6,
            Self::B7 => b7,
        }
    }
}

/// A number in the memory or in a message, and what a hostile peer writes there.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the protocol notes.
    pub name: String,
    /// Its first byte.
    pub at: usize,
    /// Its bytes: 1, 2, 4 or 8.
    pub width: usize,
    /// What is written; cut to the width.
    pub values: Vec<u64>,
}

impl Field {
    /// A field that gets 0, 1, the largest number, and `others`.
    #[must_use]
    pub fn new(name: impl Into<String>, at: usize, width: usize, others: &[u64]) -> Self {
        let mut values = vec![0, 1, u64::MAX];
        values.extend_from_slice(others);
        let mask = u64::MAX >> (64 - 8 * width.clamp(1, 8));
        values.iter_mut().for_each(|value| *value &= mask);
        let mut known = Vec::new();
        values.retain(|value| {
            let is_new = !known.contains(value);
            known.push(*value);
            is_new
        });
        Self {
            name: name.into(),
            at,
            width,
            values,
        }
    }

    /// The bytes of a value, as the wire has them.
    #[must_use]
    pub fn bytes(&self, value: u64) -> Vec<u8> {
        value.to_le_bytes().into_iter().take(self.width).collect()
    }
}
