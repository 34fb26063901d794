//! Initialising a memory: header, queues, blocks, and the magic last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ivshmem::{AccessError, SharedMemory};
use rustix::io::Errno;

use super::Host;
use super::queue::{HostQueue, Identity};
use crate::layout::{
    Geometry, MAGIC, MAGIC_AT, MAILBOX_SLOTS, MAX_QUEUES, MAX_UDATA, NUM_QUEUES_AT,
    RING_SLOT_BYTES, SESSION_ID_AT, TIMESTAMP_AT, VERSION_AT, WireVersion,
};
use crate::random;
use crate::slots::{Slots, Word};
use crate::words::Ring;

/// The last byte that 32-bit offsets and version 6's 32-bit size can express, less a page: 4 GiB - 4 KiB.
const MAX_SIZE: usize = u32::MAX as usize + 1 - 4096;

/// What a queue is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// Identifier by which clients find it.
    pub id: u32,
    /// Messages that fit at once, 1 to 1023.
    pub length: u32,
    /// Milliseconds that a subscriber may sit on the oldest message before it is evicted.
    pub max_time_ms: u32,
}

/// A piece of the memory that holds payload; never given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First byte, from the start of the memory.
    pub offset: u32,
    /// Bytes, rounded up to the alignment.
    pub size: u32,
}

/// Why a memory could not be initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The memory, or what is left of it, is too small.
    #[error("{wanted} bytes are needed and the shared memory has {available} left")]
    TooSmall {
        /// Bytes wanted.
        wanted: usize,
        /// Bytes there are.
        available: usize,
    },
    /// More user data than clients accept.
    #[error("{0} bytes of session data are more than 64 KiB")]
    UdataTooLarge(usize),
    /// The header has room for five queues.
    #[error("a shared memory holds no more than 5 queues")]
    TooManyQueues,
    /// A queue length that clients refuse.
    #[error("a queue of {0} messages is impossible; 1 to 1023 are possible")]
    BadLength(u32),
    /// An alignment that is not a power of two.
    #[error("alignment {0} is not a power of two")]
    BadAlignment(u32),
    /// The operating system gave no random number.
    #[error("no random number from the operating system")]
    NoRandom(#[source] Errno),
    /// The memory is misaligned for the words of the header.
    #[error("the shared memory cannot hold the header")]
    Access(#[from] AccessError),
}

/// A memory while it is initialised; nobody sees it before [`HostBuilder::publish`].
///
/// Making one ends the session that was in the memory before, whoever wrote it.
#[derive(Debug)]
pub struct HostBuilder<M: Slots = SharedMemory> {
    memory: Arc<M>,
    geometry: &'static Geometry,
    size: u32,
    session_id: u32,
    udata_size: u32,
    next_free: u32,
    queues: Vec<HostQueue<M>>,
    queue_count: Arc<AtomicU32>,
}

impl<M: Slots> HostBuilder<M> {
    /// Takes the memory over: hides it from clients, chooses a new session id and clears the header.
    ///
    /// `udata` is what clients get with the session, at most 64 KiB.
    ///
    /// # Errors
    /// If the memory or `udata` has an impossible size.
    pub fn new(memory: Arc<M>, version: WireVersion, udata: &[u8]) -> Result<Self, InitError> {
        let geometry = Geometry::of(version);
        let wanted = geometry.header_size + udata.len();
        let size = memory.size().min(MAX_SIZE);
        if udata.len() > MAX_UDATA {
            return Err(InitError::UdataTooLarge(udata.len()));
        }
        let heap = align_up(wanted as u64, 4);
        if heap > size as u64 {
            return Err(InitError::TooSmall {
                wanted,
                available: size,
            });
        }
        let session_id = Self::begin_session(&memory)?;
        let keep = SESSION_ID_AT + 4;
        memory.zero(keep, geometry.header_size - keep)?;
        // Relaxed, here and below: `publish` orders everything before the magic.
        let order = Ordering::Relaxed;
        memory.u32(VERSION_AT)?.store(version.number(), order);
        let udata_size = udata.len() as u32;
        memory.u32(geometry.udata_size)?.store(udata_size, order);
        memory.copy_in(geometry.udata, udata)?;
        Ok(Self {
            memory,
            geometry,
            size: size as u32,
            session_id,
            udata_size,
            next_free: heap as u32,
            queues: Vec::with_capacity(MAX_QUEUES as usize),
            queue_count: Arc::new(AtomicU32::new(0)),
        })
    }

    /// Hides the old session and leaves the id of the new one in the header.
    fn begin_session(memory: &M) -> Result<u32, InitError> {
        let word = memory.u32(SESSION_ID_AT)?;
        let old = word.load(Ordering::Relaxed);
        let session_id = loop {
            // 31 bits, as the original hosts draw; never 0, which a zeroed header would show.
            let id = random::nonzero().map_err(InitError::NoRandom)? >> 1;
            if id != 0 && id != old {
                break id;
            }
        };
        memory.u32(MAGIC_AT)?.store(0, Ordering::Release);
        word.store(session_id, Ordering::Release);
        // Peers must see the end of the old session before the header changes under them.
        memory.fence(Ordering::SeqCst);
        Ok(session_id)
    }

    /// Makes the next queue; its index is the order of creation.
    ///
    /// In version 4 only the last queue can receive client messages, and not if it is the fifth (H7).
    ///
    /// # Errors
    /// If there are five already, the length is impossible or the memory is full.
    pub fn queue(&mut self, spec: QueueSpec) -> Result<HostQueue<M>, InitError> {
        let index = self.queues.len() as u32;
        if index >= MAX_QUEUES {
            return Err(InitError::TooManyQueues);
        }
        let bad_length = InitError::BadLength(spec.length);
        let slots = spec.length.checked_add(1).ok_or(bad_length)?;
        let memory_size = self.size as usize;
        let offset = self.next_free;
        let bytes = RING_SLOT_BYTES as u64 * u64::from(slots);
        if u64::from(offset) + bytes > u64::from(self.size) {
            return Err(self.too_small(bytes));
        }
        let ring = Ring::new(offset, slots, self.geometry, memory_size).ok_or(bad_length)?;
        self.memory.zero(offset as usize, bytes as usize)?;
        self.write_queue_header(index, spec, ring)?;
        self.next_free = offset + bytes as u32;
        let identity = Identity {
            index,
            spec,
            ring,
            session_id: self.session_id,
            queue_count: Arc::clone(&self.queue_count),
        };
        let queue = HostQueue::new(Arc::clone(&self.memory), self.geometry, identity);
        self.queues.push(queue.clone());
        self.memory
            .u32(NUM_QUEUES_AT)?
            .store(index + 1, Ordering::Relaxed);
        self.queue_count.store(index + 1, Ordering::Relaxed);
        Ok(queue)
    }

    fn write_queue_header(&self, index: u32, spec: QueueSpec, ring: Ring) -> Result<(), InitError> {
        let base = self.geometry.queue_base(index);
        let fields = &self.geometry.queue;
        // Every other field is 0 already.
        for (field, value) in [
            (fields.queue_id, spec.id),
            (fields.slots, ring.slots),
            (fields.max_time, spec.max_time_ms),
            (fields.ring_offset, ring.offset),
            (fields.cm_avail, MAILBOX_SLOTS),
        ] {
            self.memory
                .u32(base + field)?
                .store(value, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes a block from the heap; `align` is a power of two from the start of the memory, 0 for none.
    ///
    /// # Errors
    /// If the alignment is impossible or the memory is full.
    pub fn block(&mut self, size: u32, align: u32) -> Result<Block, InitError> {
        let align = align.max(1);
        if !align.is_power_of_two() {
            return Err(InitError::BadAlignment(align));
        }
        let offset = align_up(u64::from(self.next_free), align);
        let size = align_up(u64::from(size), align);
        if offset + size > u64::from(self.size) {
            return Err(self.too_small(size));
        }
        // Both fit, as their sum does not exceed a 32-bit size.
        self.next_free = (offset + size) as u32;
        Ok(Block {
            offset: offset as u32,
            size: size as u32,
        })
    }

    /// Bytes left in the heap.
    #[must_use]
    pub const fn available(&self) -> u32 {
        self.size - self.next_free
    }

    /// Lets clients in: stores the heartbeat and, after a full fence, the magic.
    ///
    /// # Errors
    /// [`InitError::Access`] if the memory changed its size.
    pub fn publish(self, now_ms: u64) -> Result<Host<M>, InitError> {
        self.memory
            .u64(TIMESTAMP_AT)?
            .store(now_ms, Ordering::Release);
        // On a write-combined mapping only a full fence drains the stores above before the magic is visible.
        self.memory.fence(Ordering::SeqCst);
        // Release pairs with the acquire load by which every client begins.
        self.memory.u32(MAGIC_AT)?.store(MAGIC, Ordering::Release);
        self.memory.fence(Ordering::SeqCst);
        Ok(Host {
            memory: self.memory,
            geometry: self.geometry,
            session_id: self.session_id,
            udata_size: self.udata_size,
            queues: self.queues,
            last_tick: AtomicU64::new(now_ms),
        })
    }

    fn too_small(&self, wanted: u64) -> InitError {
        InitError::TooSmall {
            wanted: usize::try_from(wanted).unwrap_or(usize::MAX),
            available: self.available() as usize,
        }
    }
}

/// Rounds up to a power of two; callers stay far below the end of 64 bits.
const fn align_up(value: u64, align: u32) -> u64 {
    let mask = align as u64 - 1;
    (value + mask) & !mask
}
