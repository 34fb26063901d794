//! LGMP over whole memory images, in both roles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ivshmem::{AccessError, SharedMemory};
use lgmp::{
    CLIENT_MESSAGE_BYTES, Client, HostBuilder, QueueSpec, Slots, Subscription, WireVersion,
};

use super::script::{MEMORY, Script, beat, post};

/// Steps of one run.
const STEPS: u8 = 24;

/// Shared memory whose time passes by being looked at, so that no stuck lock costs real time.
struct Quick {
    memory: SharedMemory,
    uptime_ms: AtomicU64,
}

impl Quick {
    fn new(memory: SharedMemory) -> Arc<Self> {
        Arc::new(Self {
            memory,
            uptime_ms: AtomicU64::new(0),
        })
    }
}

impl Slots for Quick {
    type U8 = AtomicU8;
    type U32 = AtomicU32;
    type U64 = AtomicU64;

    fn size(&self) -> usize {
        self.memory.size()
    }

    fn u8(&self, at: usize) -> Result<&AtomicU8, AccessError> {
        self.memory.u8(at)
    }

    fn u32(&self, at: usize) -> Result<&AtomicU32, AccessError> {
        self.memory.u32(at)
    }

    fn u64(&self, at: usize) -> Result<&AtomicU64, AccessError> {
        self.memory.u64(at)
    }

    fn copy_out(&self, at: usize, into: &mut [u8]) -> Result<(), AccessError> {
        self.memory.copy_out(at, into)
    }

    fn copy_in(&self, at: usize, from: &[u8]) -> Result<(), AccessError> {
        self.memory.copy_in(at, from)
    }

    fn zero(&self, at: usize, len: usize) -> Result<(), AccessError> {
        Slots::zero(&self.memory, at, len)
    }

    fn fence(&self, order: Ordering) {
        self.memory.fence(order);
    }

    fn is_faulted(&self) -> bool {
        self.memory.is_faulted()
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime_ms.fetch_add(1, Ordering::Relaxed))
    }

    fn relax(&self, attempt: u32) {
        assert!(attempt < 1_000, "a wait for a lock without an end");
    }
}

/// A client on an image that changes while it is used.
pub fn lgmp_client_image(data: &[u8]) {
    let script = Script::parse(data);
    let memory = Quick::new(script.memory());
    let mut client = Client::new(Arc::clone(&memory));
    let mut subscriptions: [Option<Subscription<Quick>>; 2] = [None, None];
    let mut now_ms = 1_000;
    for step in 0..STEPS {
        script.poke(&memory.memory, step);
        beat(&memory.memory);
        now_ms += if step % 8 == 7 { 700 } else { 7 };
        if client.check(now_ms).is_err() {
            subscriptions = [None, None];
            if let Ok(session) = client.start(now_ms) {
                assert!(session.udata.len() <= 64 << 10);
            }
        }
        for (queue, place) in (1..).zip(&mut subscriptions) {
            if place.is_none() {
                *place = client.subscribe(queue, now_ms).ok();
            }
        }
        post(&memory.memory);
        for place in &mut subscriptions {
            let is_alive = place.as_mut().is_some_and(|s| use_queue(s, step, now_ms));
            if !is_alive {
                *place = None;
            }
        }
    }
    for subscription in subscriptions.into_iter().flatten() {
        let _ = subscription.unsubscribe(now_ms);
    }
}

/// Does what a step does with a queue; false if the subscription ended.
fn use_queue(subscription: &mut Subscription<Quick>, step: u8, now_ms: u64) -> bool {
    for _ in 0..3 {
        match subscription.peek(now_ms) {
            Ok(Some(message)) => {
                let end = u64::from(message.offset) + u64::from(message.size);
                assert!(end <= MEMORY as u64, "{message:?}");
                assert!(message.offset >= 5120, "{message:?} lies in the header");
            }
            Ok(None) => break,
            Err(_) => return false,
        }
        if step.is_multiple_of(5) {
            let skipped = subscription.skip_to_last(now_ms);
            assert!(skipped.is_ok_and(|count| count < 1024) || skipped.is_err());
        }
        let _ = subscription.release(now_ms);
    }
    if let Ok(serial) = subscription.send(&[step; CLIENT_MESSAGE_BYTES]) {
        let _ = subscription.is_acknowledged(serial);
    }
    assert!(subscription.send(&[0; CLIENT_MESSAGE_BYTES + 1]).is_err());
    true
}

/// A host on memory that its clients spoil; the image lies over the header that it has just written.
pub fn lgmp_host_image(data: &[u8]) {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let version = WireVersion::ALL[usize::from(*first) % 3];
    let script = Script::parse(rest);
    let memory = Quick::new(SharedMemory::create("fuzz", MEMORY).expect("a memfd"));
    let builder = HostBuilder::new(Arc::clone(&memory), version, b"udata");
    let mut builder = builder.expect("room for a header");
    let spec = |id, length| QueueSpec {
        id,
        length,
        max_time_ms: 1000,
    };
    let frames = builder.queue(spec(2, 2)).expect("room for a queue");
    let pointer = builder.queue(spec(1, 20)).expect("room for a queue");
    let block = builder.block(4096, 64).expect("room for a block");
    let host = builder.publish(1).expect("a session");
    let image = &script.image[..script.image.len().min(MEMORY)];
    memory.memory.as_slice().copy_from(0, image).expect("room");
    let mut now_ms = 10;
    for step in 0..STEPS {
        script.poke(&memory.memory, step);
        now_ms += if step % 8 == 7 { 700 } else { 10 };
        for queue in [&frames, &pointer] {
            if let Ok(posted) = queue.post(u32::from(step), block, now_ms) {
                assert!(posted.recipients <= 32);
            }
            let _ = queue.take_new_subscribers();
            assert!(queue.client_ids().count() <= 32);
        }
        let _ = host.tick(now_ms);
        let mut messages = 0;
        while let Some(message) = pointer.next_message() {
            assert!(message.bytes().len() <= CLIENT_MESSAGE_BYTES);
            pointer.acknowledge();
            messages += 1;
            assert!(messages <= 10, "a mailbox without an end");
        }
    }
}
