//! Raw access to a memory for tests that look at bytes or damage them.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod frail;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ivshmem::SharedMemory;
use lgmp::{
    Block, Client, Geometry, Host, HostBuilder, HostQueue, QueueSpec, Subscription, WireVersion,
};

/// `max_time` of the test queues.
pub(crate) const MAX_TIME: u32 = 1000;

pub(crate) fn memory(size: usize) -> Arc<SharedMemory> {
    Arc::new(SharedMemory::create("lgmp-test", size).expect("a memfd"))
}

pub(crate) fn get8(memory: &SharedMemory, at: usize) -> u8 {
    let word = memory.as_slice().atomic_u8(at).expect("in bounds");
    word.load(Ordering::SeqCst)
}

pub(crate) fn get(memory: &SharedMemory, at: usize) -> u32 {
    let word = memory.as_slice().atomic_u32(at).expect("in bounds");
    word.load(Ordering::SeqCst)
}

pub(crate) fn set(memory: &SharedMemory, at: usize, value: u32) {
    let word = memory.as_slice().atomic_u32(at).expect("in bounds");
    word.store(value, Ordering::SeqCst);
}

pub(crate) fn get64(memory: &SharedMemory, at: usize) -> u64 {
    let word = memory.as_slice().atomic_u64(at).expect("in bounds");
    word.load(Ordering::SeqCst)
}

pub(crate) fn set64(memory: &SharedMemory, at: usize, value: u64) {
    let word = memory.as_slice().atomic_u64(at).expect("in bounds");
    word.store(value, Ordering::SeqCst);
}

/// A host with one queue (id 1, 4 messages) behind another one (id 2), in a clock that tests turn by hand.
pub(crate) struct Bench {
    pub(crate) memory: Arc<SharedMemory>,
    pub(crate) geometry: &'static Geometry,
    pub(crate) host: Host,
    pub(crate) queue: HostQueue,
    pub(crate) block: Block,
    pub(crate) now: u64,
}

impl Bench {
    pub(crate) fn new(version: WireVersion) -> Self {
        Self::on(memory(64 * 1024), version, 1000)
    }

    pub(crate) fn on(memory: Arc<SharedMemory>, version: WireVersion, now: u64) -> Self {
        let spec = |id| QueueSpec {
            id,
            length: 4,
            max_time_ms: MAX_TIME,
        };
        let mut builder = HostBuilder::new(Arc::clone(&memory), version, b"data").expect("room");
        builder.queue(spec(2)).expect("room");
        let queue = builder.queue(spec(1)).expect("room");
        let block = builder.block(100, 4).expect("room");
        let host = builder.publish(now).expect("in bounds");
        Self {
            geometry: Geometry::of(version),
            memory,
            host,
            queue,
            block,
            now,
        }
    }

    /// Lets `ms` pass with a tick each 10 ms.
    pub(crate) fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now += 10;
            self.host.tick(self.now).expect("an intact header");
        }
    }

    /// A client in the session.
    pub(crate) fn client(&mut self) -> Client {
        let mut client = Client::new(Arc::clone(&self.memory));
        self.pass(10);
        client.start(self.now).expect("a living host");
        client
    }

    /// A subscriber of queue 1 with a client of its own.
    pub(crate) fn subscriber(&mut self) -> Subscription {
        let now = self.now + 10;
        self.client().subscribe(1, now).expect("a free bit")
    }

    pub(crate) fn post(&self, udata: u32) -> u32 {
        let posted = self.queue.post(udata, self.block, self.now);
        posted.expect("room in the queue").recipients
    }

    /// Where a field of queue 1 lies.
    pub(crate) fn field(&self, field: usize) -> usize {
        self.geometry.queue_base(1) + field
    }

    /// The `pending` word of a slot of queue 1.
    pub(crate) fn pending_at(&self, slot: usize) -> usize {
        let ring = get(&self.memory, self.field(self.geometry.queue.ring_offset));
        ring as usize + 16 * slot + 12
    }

    /// Locks queue 1 (or its mailbox) as a peer does that dies then.
    pub(crate) fn jam(&self, field: usize) {
        let at = self.field(field);
        let byte = self.memory.as_slice().atomic_u8(at).expect("in bounds");
        byte.store(1, Ordering::SeqCst);
    }
}
