//! How bytes become a memory image and what happens to it: `count`, then `count` pokes, then the image.
//!
//! A poke is 7 bytes: at which step, the word (u16, in units of 4 bytes), and its new value (u32).

use ivshmem::SharedMemory;
use lgmp::{Geometry, WireVersion};

/// Bytes of the memory; larger than any seed, small enough for many runs a second.
pub(crate) const MEMORY: usize = 64 << 10;
const POKE: usize = 7;

/// The parts of an input.
pub(crate) struct Script<'a> {
    pokes: &'a [[u8; POKE]],
    pub(crate) image: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Self {
        let (count, rest) = data.split_first().unwrap_or((&0, &[]));
        let (pokes, _) = rest.as_chunks();
        let pokes = &pokes[..usize::from(*count).min(pokes.len())];
        Self {
            pokes,
            image: &rest[pokes.len() * POKE..],
        }
    }

    /// A memory that begins with the image.
    pub(crate) fn memory(&self) -> SharedMemory {
        let memory = SharedMemory::create("fuzz", MEMORY).expect("a memfd");
        let image = &self.image[..self.image.len().min(MEMORY)];
        memory.as_slice().copy_from(0, image).expect("room");
        memory
    }

    /// Writes what is due at a step.
    pub(crate) fn poke(&self, memory: &SharedMemory, step: u8) {
        for &[when, low, high, a, b, c, d] in self.pokes {
            let at = usize::from(u16::from_le_bytes([low, high])) * 4 % MEMORY;
            if when == step {
                memory
                    .as_slice()
                    .copy_from(at, &[a, b, c, d])
                    .expect("room");
            }
        }
    }
}

pub(crate) fn word(memory: &SharedMemory, at: usize) -> u32 {
    memory.as_slice().read(at).unwrap_or(0)
}

pub(crate) fn set(memory: &SharedMemory, at: usize, value: u32) {
    let _ = memory.as_slice().write(at, &value);
}

/// The layout that the version word names.
pub(crate) fn geometry(memory: &SharedMemory) -> &'static Geometry {
    Geometry::of(WireVersion::from_wire(word(memory, 4)).unwrap_or(WireVersion::V6))
}

/// Moves the heartbeat on.
pub(crate) fn beat(memory: &SharedMemory) {
    set(memory, 16, word(memory, 16).wrapping_add(10));
}

/// Posts whatever the next slot of each queue holds to everybody, as a host does, if the ring makes sense.
pub(crate) fn post(memory: &SharedMemory) {
    let geometry = geometry(memory);
    for index in 0..2 {
        let base = geometry.queue_base(index);
        let slots = word(memory, base + geometry.queue.slots);
        let write = word(memory, base + geometry.queue.write_pos);
        let ring = word(memory, base + geometry.queue.ring_offset);
        if (2..=1024).contains(&slots) && write < slots {
            set(
                memory,
                (ring as usize).saturating_add(16 * write as usize + 12),
                u32::MAX,
            );
            set(memory, base + geometry.queue.write_pos, (write + 1) % slots);
        }
    }
}
