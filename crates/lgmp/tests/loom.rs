//! The algorithm under loom: every interleaving with at most two preemptions, of the memory orders that it names.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p lgmp --test loom --release`
//!
//! loom remembers one last access per word, so a thread that loads a word and then stores it hides the loads of others
//! before that. Therefore the side that mostly loads is the spawned one here: it runs last in the first execution, and
//! each of its loads finds the store to go back to.
#![cfg(loom)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ivshmem::AccessError;
use lgmp::{
    Block, Client, Geometry, Host, HostBuilder, HostQueue, QueueSpec, Slots, Subscription,
    WireVersion, Word,
};
use loom::sync::atomic as modelled;
use std::sync::atomic as plain;

/// A word that loom follows, or one that the model does not race on.
enum Cell<L, P> {
    Modelled(L),
    Plain(P),
}

macro_rules! cell {
    ($int:ty, $loom:ty, $std:ty) => {
        impl Word<$int> for Cell<$loom, $std> {
            fn load(&self, order: Ordering) -> $int {
                match self {
                    Self::Modelled(word) => word.load(order),
                    Self::Plain(word) => word.load(order),
                }
            }
            fn store(&self, value: $int, order: Ordering) {
                match self {
                    Self::Modelled(word) => word.store(value, order),
                    Self::Plain(word) => word.store(value, order),
                }
            }
            fn swap(&self, value: $int, order: Ordering) -> $int {
                match self {
                    Self::Modelled(word) => word.swap(value, order),
                    Self::Plain(word) => word.swap(value, order),
                }
            }
            fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                ok: Ordering,
                failed: Ordering,
            ) -> Result<$int, $int> {
                match self {
                    Self::Modelled(word) => word.compare_exchange(current, new, ok, failed),
                    Self::Plain(word) => word.compare_exchange(current, new, ok, failed),
                }
            }
            fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                match self {
                    Self::Modelled(word) => word.fetch_add(value, order),
                    Self::Plain(word) => word.fetch_add(value, order),
                }
            }
            fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                match self {
                    Self::Modelled(word) => word.fetch_sub(value, order),
                    Self::Plain(word) => word.fetch_sub(value, order),
                }
            }
            fn fetch_and(&self, value: $int, order: Ordering) -> $int {
                match self {
                    Self::Modelled(word) => word.fetch_and(value, order),
                    Self::Plain(word) => word.fetch_and(value, order),
                }
            }
        }
    };
}

type Cell8 = Cell<modelled::AtomicU8, plain::AtomicU8>;
type Cell32 = Cell<modelled::AtomicU32, plain::AtomicU32>;
type Cell64 = Cell<modelled::AtomicU64, plain::AtomicU64>;

cell!(u8, modelled::AtomicU8, plain::AtomicU8);
cell!(u32, modelled::AtomicU32, plain::AtomicU32);
cell!(u64, modelled::AtomicU64, plain::AtomicU64);

/// Bytes of the model's memory.
const SIZE: usize = 6144;

/// One plane of words per width; each place is only ever used in one width.
struct Planes {
    bytes: Vec<Cell8>,
    words: Vec<Cell32>,
    doubles: Vec<Cell64>,
}

impl Planes {
    /// A memory in which the words of queue 0 with a ring of `slots` at `ring` are modelled.
    fn new(geometry: &Geometry, ring: usize, slots: usize) -> Self {
        let queue = &geometry.queue;
        let base = geometry.queue_base(0);
        let mut words = vec![0, 4, 8, 24];
        words.extend(
            [
                queue.queue_id,
                queue.slots,
                queue.max_time,
                queue.ring_offset,
                queue.new_subs,
                queue.write_pos,
                queue.lock,
                queue.start,
                queue.count,
                queue.cm_lock,
                queue.cm_avail,
                queue.cm_wpos,
                queue.cm_wserial,
                queue.cm_rserial,
                queue.cm,
                queue.cm + 4,
            ]
            .map(|field| base + field),
        );
        words.extend(queue.client_id.map(|field| base + field));
        words.extend((0..slots * 4).map(|word| ring + 4 * word));
        words.push(PAYLOAD);
        let doubles = [16, base + queue.subs, base + queue.deadline];
        let bytes = [base + queue.lock, base + queue.cm_lock];
        Self {
            bytes: (0..SIZE)
                .map(|at| match bytes.contains(&at) {
                    true => Cell::Modelled(modelled::AtomicU8::new(0)),
                    false => Cell::Plain(plain::AtomicU8::new(0)),
                })
                .collect(),
            words: (0..SIZE / 4)
                .map(|index| match words.contains(&(4 * index)) {
                    true => Cell::Modelled(modelled::AtomicU32::new(0)),
                    false => Cell::Plain(plain::AtomicU32::new(0)),
                })
                .collect(),
            doubles: (0..SIZE / 8)
                .map(|index| match doubles.contains(&(8 * index)) {
                    true => Cell::Modelled(modelled::AtomicU64::new(0)),
                    false => Cell::Plain(plain::AtomicU64::new(0)),
                })
                .collect(),
        }
    }
}

fn out_of_bounds(offset: usize) -> AccessError {
    AccessError::OutOfBounds {
        offset,
        len: 1,
        window: SIZE,
    }
}

impl Slots for Planes {
    type U8 = Cell8;
    type U32 = Cell32;
    type U64 = Cell64;

    fn size(&self) -> usize {
        SIZE
    }
    fn u8(&self, at: usize) -> Result<&Cell8, AccessError> {
        self.bytes.get(at).ok_or(out_of_bounds(at))
    }
    fn u32(&self, at: usize) -> Result<&Cell32, AccessError> {
        assert_eq!(at % 4, 0);
        self.words.get(at / 4).ok_or(out_of_bounds(at))
    }
    fn u64(&self, at: usize) -> Result<&Cell64, AccessError> {
        assert_eq!(at % 8, 0);
        self.doubles.get(at / 8).ok_or(out_of_bounds(at))
    }
    fn copy_out(&self, at: usize, into: &mut [u8]) -> Result<(), AccessError> {
        for (index, bytes) in into.chunks_mut(4).enumerate() {
            let word = self.u32(at + 4 * index)?.load(Ordering::Relaxed);
            bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
    fn copy_in(&self, at: usize, from: &[u8]) -> Result<(), AccessError> {
        for (index, bytes) in from.chunks(4).enumerate() {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            let word = u32::from_le_bytes(word);
            self.u32(at + 4 * index)?.store(word, Ordering::Relaxed);
        }
        Ok(())
    }
    fn zero(&self, at: usize, len: usize) -> Result<(), AccessError> {
        for at in at..at + len {
            self.u8(at)?.store(0, Ordering::Relaxed);
            if at % 4 == 0 {
                self.u32(at)?.store(0, Ordering::Relaxed);
            }
            if at % 8 == 0 {
                self.u64(at)?.store(0, Ordering::Relaxed);
            }
        }
        Ok(())
    }
    fn fence(&self, order: Ordering) {
        modelled::fence(order);
    }
    fn is_faulted(&self) -> bool {
        false
    }
    /// Stands still: in a model no lock is stuck, and waits end by the scheduler's choice.
    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
    fn relax(&self, _attempt: u32) {
        loom::thread::yield_now();
    }
}

/// Where the models keep a payload word: behind the ring.
const PAYLOAD: usize = 6000;

const SPEC: QueueSpec = QueueSpec {
    id: 1,
    length: 2,
    max_time_ms: 1000,
};

const BLOCK: Block = Block {
    offset: PAYLOAD as u32,
    size: 4,
};

/// A published memory with one queue of two messages.
struct Model {
    memory: Arc<Planes>,
    host: Arc<Host<Planes>>,
    queue: HostQueue<Planes>,
}

impl Model {
    fn new(version: WireVersion) -> Self {
        let geometry = Geometry::of(version);
        let memory = Arc::new(Planes::new(geometry, geometry.header_size, 3));
        let mut builder = HostBuilder::new(Arc::clone(&memory), version, b"").expect("room");
        let queue = builder.queue(SPEC).expect("room");
        let host = Arc::new(builder.publish(100).expect("in bounds"));
        Self {
            memory,
            host,
            queue,
        }
    }

    fn client(&self, now: u64) -> Client<Planes> {
        let mut client = Client::new(Arc::clone(&self.memory));
        self.host.tick(now).expect("an intact header");
        client.start(0).expect("a session");
        client
    }

    fn subscriber(&self, now: u64) -> Subscription<Planes> {
        self.client(now).subscribe(1, 0).expect("a free bit")
    }

    /// What must hold when every thread is done and the host has ticked.
    fn expect_empty(&self) {
        self.host.tick(200).expect("an intact header");
        assert_eq!(self.queue.pending(), 0);
        let geometry = Geometry::of(self.host.version());
        let word = |field| {
            let word = self
                .memory
                .u32(geometry.queue_base(0) + field)
                .expect("in bounds");
            word.load(Ordering::SeqCst)
        };
        assert_eq!(word(geometry.queue.start), word(geometry.queue.write_pos));
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    let runs = Arc::new(plain::AtomicU32::new(0));
    let count = Arc::clone(&runs);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    println!("{runs} executions");
    assert!(runs > 5, "loom saw no conflict");
}

fn payload(memory: &Planes) -> &Cell32 {
    memory.u32(PAYLOAD).expect("in bounds")
}

/// Reads all that is there, and checks the payload of each message against its word.
fn drain(memory: &Planes, reader: &mut Subscription<Planes>) -> Vec<u32> {
    let mut seen = Vec::new();
    while let Some(message) = reader.peek(0).expect("subscribed") {
        let word = payload(memory).load(Ordering::Relaxed);
        assert!(
            word >= message.udata,
            "payload {word} of message {}",
            message.udata
        );
        seen.push(message.udata);
        reader.release(0).expect("subscribed");
    }
    seen
}

fn post_and_read(version: WireVersion) {
    check(move || {
        let model = Model::new(version);
        let mut reader = model.subscriber(110);
        let memory = Arc::clone(&model.memory);
        let client = loom::thread::spawn(move || {
            let seen = drain(&memory, &mut reader);
            (reader, seen)
        });
        for number in 1..=2 {
            // Messages share a block here, so a payload may be newer than its message but never older.
            payload(&model.memory).store(number, Ordering::Relaxed);
            let posted = model.queue.post(number, BLOCK, 120).expect("room");
            assert_eq!(posted.recipients, 1);
        }
        let (mut reader, mut seen) = client.join().expect("no panic");
        seen.extend(drain(&model.memory, &mut reader));
        assert_eq!(seen, [1, 2]);
        model.expect_empty();
    });
}

#[test]
fn posted_messages_are_read_whole_and_once_in_version_6() {
    post_and_read(WireVersion::V6);
}

#[test]
fn posted_messages_are_read_whole_and_once_in_version_5() {
    post_and_read(WireVersion::V5);
}

#[test]
fn posted_messages_are_read_whole_and_once_in_version_4() {
    post_and_read(WireVersion::V4);
}

#[test]
fn a_slot_is_retired_once_by_a_tick_and_two_clients() {
    check(|| {
        let model = Model::new(WireVersion::V6);
        let mut first = model.subscriber(110);
        let mut second = model.subscriber(120);
        model.queue.post(1, BLOCK, 130).expect("room");
        let host = Arc::clone(&model.host);
        let threads = [
            loom::thread::spawn(move || first.release(0).expect("subscribed")),
            loom::thread::spawn(move || host.tick(140).expect("an intact header")),
        ];
        second.release(0).expect("subscribed");
        for thread in threads {
            thread.join().expect("no panic");
        }
        model.expect_empty();
    });
}

#[test]
fn whoever_counts_as_recipient_sees_the_message() {
    check(|| {
        let model = Model::new(WireVersion::V6);
        let mut client = model.client(110);
        let memory = Arc::clone(&model.memory);
        let client = loom::thread::spawn(move || {
            let mut reader = client.subscribe(1, 0).expect("a free bit");
            let seen = drain(&memory, &mut reader);
            (reader, seen)
        });
        let posted = model.queue.post(0, BLOCK, 120).expect("room");
        let (mut reader, mut seen) = client.join().expect("no panic");
        seen.extend(drain(&model.memory, &mut reader));
        assert_eq!(seen.len(), posted.recipients as usize);
        assert_eq!(model.queue.take_new_subscribers(), 1);
        model.expect_empty();
    });
}

#[test]
fn a_subscriber_that_leaves_during_a_post_holds_nothing_afterwards() {
    check(|| {
        let model = Model::new(WireVersion::V6);
        let reader = model.subscriber(110);
        let client = loom::thread::spawn(move || reader.unsubscribe(0).expect("subscribed"));
        model.queue.post(0, BLOCK, 120).expect("room");
        client.join().expect("no panic");
        model.expect_empty();
        assert!(!model.queue.has_subscribers());
    });
}

#[test]
fn skipping_during_a_post_keeps_the_newest() {
    check(|| {
        let model = Model::new(WireVersion::V6);
        let mut reader = model.subscriber(110);
        model.queue.post(1, BLOCK, 120).expect("room");
        let client = loom::thread::spawn(move || {
            let skipped = reader.skip_to_last(0).expect("subscribed");
            (reader, skipped)
        });
        model.queue.post(2, BLOCK, 120).expect("room");
        let (mut reader, skipped) = client.join().expect("no panic");
        let message = reader.peek(0).expect("subscribed").expect("a message");
        assert_eq!(message.udata, 1 + skipped);
        assert_eq!(reader.skip_to_last(0), Ok(1 - skipped));
        reader.release(0).expect("subscribed");
        assert_eq!(reader.peek(0), Ok(None));
        model.expect_empty();
    });
}

#[test]
fn a_client_message_arrives_whole_and_once() {
    check(|| {
        let model = Model::new(WireVersion::V6);
        let mut sender = model.subscriber(110);
        let queue = model.queue.clone();
        let host = loom::thread::spawn(move || queue.next_message());
        let serial = sender.send(b"abcd").expect("room");
        let received = host.join().expect("no panic");
        let received = received.or_else(|| model.queue.next_message());
        assert_eq!(received.expect("a message").bytes(), b"abcd");
        assert_eq!(sender.is_acknowledged(serial), Ok(false));
        model.queue.acknowledge();
        assert_eq!(sender.is_acknowledged(serial), Ok(true));
        assert_eq!(model.queue.next_message(), None);
    });
}

#[test]
fn whoever_sees_the_magic_sees_the_whole_header() {
    check(|| {
        let version = WireVersion::V6;
        let geometry = Geometry::of(version);
        let memory = Arc::new(Planes::new(geometry, geometry.header_size, 3));
        let mut client = Client::new(Arc::clone(&memory));
        let builder = HostBuilder::new(Arc::clone(&memory), version, b"");
        let mut builder = builder.expect("room");
        let client = loom::thread::spawn(move || {
            if client.start(0).is_ok() {
                let reader = client.subscribe(1, 0).expect("the queue is there");
                assert_eq!(reader.max_time_ms(), 1000);
            }
        });
        builder.queue(SPEC).expect("room");
        builder.publish(100).expect("in bounds");
        client.join().expect("no panic");
    });
}

fn subscribe_at_once(version: WireVersion) {
    check(move || {
        let model = Model::new(version);
        let (mut first, mut second) = (model.client(110), model.client(120));
        let other = loom::thread::spawn(move || first.subscribe(1, 0).expect("a free bit"));
        let mine = second.subscribe(1, 0).expect("a free bit");
        let theirs = other.join().expect("no panic");
        assert_eq!(mine.bit() + theirs.bit(), 1, "one bit each");
        assert_eq!(model.queue.take_new_subscribers(), 2);
        assert_eq!(
            model
                .queue
                .post(0, BLOCK, 130)
                .map(|posted| posted.recipients),
            Ok(2)
        );
    });
}

#[test]
fn two_clients_never_get_the_same_bit_by_the_lock_of_version_6() {
    subscribe_at_once(WireVersion::V6);
}

#[test]
fn two_clients_never_get_the_same_bit_by_the_lock_of_version_5() {
    subscribe_at_once(WireVersion::V5);
}

#[test]
fn two_threads_of_a_host_post_into_slots_of_their_own() {
    check(|| {
        let model = Model::new(WireVersion::V6);
        let mut reader = model.subscriber(110);
        let queue = model.queue.clone();
        let other = loom::thread::spawn(move || {
            queue.post(1, BLOCK, 120).expect("room");
        });
        model.queue.post(2, BLOCK, 120).expect("room");
        other.join().expect("no panic");
        payload(&model.memory).store(2, Ordering::Relaxed);
        let mut seen = drain(&model.memory, &mut reader);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
        model.expect_empty();
    });
}
