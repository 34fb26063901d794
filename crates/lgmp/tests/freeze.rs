//! A peer that stands still while it holds a lock (H16), played by a memory whose clock jumps.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lgmp::{
    Block, Client, Geometry, Host, HostBuilder, HostQueue, QueueError, QueueSpec, SendError,
    SubscribeError, WireVersion,
};
use support::frail::Frail;
use support::{get8, get64};

struct Scene {
    memory: Arc<Frail>,
    geometry: &'static Geometry,
    host: Host<Frail>,
    queue: HostQueue<Frail>,
    block: Block,
    client: Client<Frail>,
    now: u64,
}

impl Scene {
    fn new(version: WireVersion) -> Self {
        let memory = Frail::new(support::memory(64 * 1024));
        let mut builder = HostBuilder::new(Arc::clone(&memory), version, b"").expect("room");
        let spec = QueueSpec {
            id: 1,
            length: 4,
            max_time_ms: 1000,
        };
        let queue = builder.queue(spec).expect("room");
        let block = builder.block(64, 4).expect("room");
        let host = builder.publish(100).expect("in bounds");
        let mut client = Client::new(Arc::clone(&memory));
        host.tick(110).expect("an intact header");
        client.start(110).expect("a session");
        Self {
            memory,
            geometry: Geometry::of(version),
            host,
            queue,
            block,
            client,
            now: 110,
        }
    }

    fn freeze<T>(&self, operation: impl FnOnce() -> T) -> T {
        self.memory.is_icy.store(true, Ordering::Relaxed);
        let result = operation();
        self.memory.is_icy.store(false, Ordering::Relaxed);
        result
    }

    fn is_locked(&self, field: usize) -> bool {
        get8(&self.memory.memory, self.geometry.queue_base(0) + field) != 0
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.now += 10;
            self.host.tick(self.now).expect("an intact header");
        }
    }
}

#[test]
fn a_host_that_thaws_keeps_its_lock_and_repairs_at_the_next_tick() {
    for version in WireVersion::ALL {
        let mut scene = Scene::new(version);
        let mut reader = scene.client.subscribe(1, scene.now).expect("a bit");
        let posted = scene.freeze(|| scene.queue.post(1, scene.block, scene.now));
        assert!(posted.is_ok());
        assert!(scene.is_locked(scene.geometry.queue.lock));
        scene.pass(10);
        assert!(!scene.is_locked(scene.geometry.queue.lock));
        assert!(scene.queue.has_subscribers(), "nobody is evicted for it");
        let message = reader
            .peek(scene.now)
            .expect("subscribed")
            .expect("a message");
        assert_eq!(message.udata, 1);
        assert!(scene.queue.post(2, scene.block, scene.now).is_ok());
    }
}

#[test]
fn a_host_that_thaws_with_the_mailbox_lock_reads_on() {
    for version in WireVersion::ALL {
        let mut scene = Scene::new(version);
        let mut sender = scene.client.subscribe(1, scene.now).expect("a bit");
        sender.send(b"one").expect("room");
        let message = scene.freeze(|| scene.queue.next_message());
        assert_eq!(message.expect("a message").bytes(), b"one");
        assert!(scene.is_locked(scene.geometry.queue.cm_lock));
        scene.pass(10);
        assert!(!scene.is_locked(scene.geometry.queue.cm_lock));
        sender.send(b"two").expect("room");
        let message = scene.queue.next_message().expect("a message");
        assert_eq!(message.bytes(), b"two");
    }
}

#[test]
fn a_client_that_thaws_while_it_retires_leaves_the_lock_to_the_host() {
    for version in WireVersion::ALL {
        let mut scene = Scene::new(version);
        let mut reader = scene.client.subscribe(1, scene.now).expect("a bit");
        scene.queue.post(1, scene.block, scene.now).expect("room");
        let released = scene.freeze(|| reader.release(scene.now));
        assert_eq!(released, Err(QueueError::Thawed));
        assert_eq!(
            reader.peek(scene.now),
            Err(QueueError::Thawed),
            "and is dead"
        );
        assert!(scene.is_locked(scene.geometry.queue.lock));
        scene.pass(1020);
        assert!(
            !scene.is_locked(scene.geometry.queue.lock),
            "the host forced it"
        );
        assert!(scene.client.subscribe(1, scene.now).is_ok());
    }
}

#[test]
fn a_client_that_thaws_while_it_subscribes_or_leaves_reports_it() {
    for version in WireVersion::ALL {
        let mut scene = Scene::new(version);
        let reader = scene.client.subscribe(1, scene.now).expect("a bit");
        let left = scene.freeze(|| reader.unsubscribe(scene.now));
        assert_eq!(left, Err(QueueError::Thawed));
        assert!(scene.is_locked(scene.geometry.queue.lock));
        scene.pass(1020);
        let memory = Arc::clone(&scene.memory);
        memory.is_icy.store(true, Ordering::Relaxed);
        let refused = scene.client.subscribe(1, scene.now).err();
        memory.is_icy.store(false, Ordering::Relaxed);
        assert_eq!(refused, Some(SubscribeError::LockTimeout));
        assert!(scene.is_locked(scene.geometry.queue.lock));
        scene.pass(1020);
        let subs = scene.geometry.queue_base(0) + scene.geometry.queue.subs;
        let evicted = Subs(get64(&scene.memory.memory, subs));
        assert_eq!(
            evicted.healthy(),
            0,
            "the half-made subscription went with the lock"
        );
    }
}

struct Subs(u64);

impl Subs {
    fn healthy(&self) -> u64 {
        (self.0 >> 32) & !self.0
    }
}

#[test]
fn a_client_that_thaws_while_it_sends_leaves_the_lock_to_the_host() {
    for version in WireVersion::ALL {
        let mut scene = Scene::new(version);
        let mut sender = scene.client.subscribe(1, scene.now).expect("a bit");
        let sent = scene.freeze(|| sender.send(b"x"));
        assert_eq!(sent, Err(SendError::Thawed));
        assert!(scene.is_locked(scene.geometry.queue.cm_lock));
        scene.pass(1020);
        assert!(!scene.is_locked(scene.geometry.queue.cm_lock));
        assert!(scene.queue.next_message().is_some());
    }
}
