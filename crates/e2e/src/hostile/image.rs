//! The shared memory as an attacker has it: all of it, writable at any time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ivshmem::{SharedMemory, Source};

use super::{Field, Pair, words};

/// Time between two looks at, or two writes of, the same word.
const STEP: Duration = Duration::from_micros(300);
/// The frame queue's place: our hosts make it first.
const FRAMES: usize = 0;

/// A mapping of the memory that programs under test use.
#[derive(Clone)]
pub struct Image {
    memory: Arc<SharedMemory>,
    /// The version that is spoken in it.
    pub pair: Pair,
}

impl Image {
    /// Maps the file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(file: &Path, pair: Pair) -> anyhow::Result<Self> {
        let memory = SharedMemory::open(&Source::File(file.to_owned()))?;
        Ok(Self {
            memory: Arc::new(memory),
            pair,
        })
    }

    /// The mapping itself.
    #[must_use]
    pub fn memory(&self) -> &Arc<SharedMemory> {
        &self.memory
    }

    /// Bytes of the memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Tells whether there is none; there always is some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// A word; 0 outside the memory.
    #[must_use]
    pub fn word(&self, at: usize) -> u32 {
        self.memory.as_slice().read(at).unwrap_or(0)
    }

    /// Writes bytes; nothing happens outside the memory.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        let _ = self.memory.as_slice().copy_from(at, bytes);
    }

    /// Reads bytes; zeros outside the memory.
    #[must_use]
    pub fn get(&self, at: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let _ = self.memory.as_slice().copy_to(at, &mut bytes);
        bytes
    }

    /// Keeps writing a value for `hold`, then puts back what was there unless somebody else has repaired it.
    pub fn hold(&self, field: &Field, value: u64, hold: Duration) {
        let (bad, good) = (field.bytes(value), self.get(field.at, field.width));
        let end = Instant::now() + hold;
        while Instant::now() < end {
            self.put(field.at, &bad);
            std::thread::sleep(STEP);
        }
        if self.get(field.at, field.width) == bad {
            self.put(field.at, &good);
        }
    }

    /// The number of slots of a queue's ring, and where the slot written last is.
    #[must_use]
    pub fn newest_slot(&self, queue: usize) -> (u32, usize) {
        let (base, at) = (
            words::queue_base(self.pair, queue),
            words::queue_at(self.pair),
        );
        let slots = self.word(base + at.slots).clamp(2, 1024);
        let write = self.word(base + at.write_pos) % slots;
        let newest = (write + slots - 1) % slots;
        let ring = self.word(base + at.ring_offset) as usize;
        (slots, ring + words::SLOT * newest as usize)
    }

    /// Subscribers of the frame queue that the host did not evict.
    fn healthy(&self) -> u32 {
        let at = words::queue_base(self.pair, FRAMES) + words::queue_at(self.pair).subs;
        self.word(at + 4) & !self.word(at)
    }

    /// Waits until a subscriber has taken two frames in a row that were posted to it; returns how long that took.
    ///
    /// The figures of a client come each second only; this tells to the millisecond when it is back.
    #[must_use]
    pub fn wait_until_served(&self, limit: Duration) -> Option<Duration> {
        let start = Instant::now();
        let mut taken = 0;
        let mut last = self.newest_slot(FRAMES).1;
        let mut subscribers = self.healthy();
        while start.elapsed() < limit {
            std::thread::sleep(STEP);
            let (now, newest) = (self.healthy(), self.newest_slot(FRAMES).1);
            if now == 0 || now != subscribers {
                (taken, subscribers, last) = (0, now, newest);
            } else if newest != last && self.word(newest + 12) & subscribers == 0 {
                (taken, last) = (taken + 1, newest);
                if taken == 2 {
                    return Some(start.elapsed());
                }
            }
        }
        None
    }

    /// Waits until a session other than `old` is published; returns false if there is none in time.
    #[must_use]
    pub fn wait_for_session(&self, old: u32, limit: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < limit {
            if self.word(0) == words::MAGIC && self.word(words::SESSION_ID) != old {
                return true;
            }
            std::thread::sleep(STEP);
        }
        false
    }

    /// Empties the headers, as firmware does.
    ///
    /// # Errors
    /// If the memory has gone.
    pub fn wipe(&self) -> anyhow::Result<()> {
        let len = (64 << 10).min(self.len());
        self.memory
            .as_slice()
            .zero(0, len)
            .context("wiping the memory")
    }
}
