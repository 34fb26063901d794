//! The two roles as processes, and the memory between them.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ivshmem::SharedMemory;
use lgmp::{
    Block, Client, Host, HostBuilder, HostQueue, PostError, QueueSpec, Subscription, WireVersion,
};
use rustix::process::{Pid, Signal, kill_process};

/// Environment of a child: its role, the memory and the version.
pub(crate) const ROLE: &str = "LG_KILL_ROLE";
const MEMORY: &str = "LG_KILL_MEMORY";
const VERSION: &str = "LG_KILL_VERSION";

const SIZE: usize = 128 * 1024;
/// Behind everything that LGMP uses here: messages that children read.
const DELIVERED_AT: usize = SIZE - 64;

const SPEC: QueueSpec = QueueSpec {
    id: 1,
    length: 4,
    max_time_ms: 200,
};

/// The dice with which a reader only reads.
pub(crate) const JUST_READ: u64 = 63;

/// More than messages fit, so that no block is written while a healthy subscriber holds it.
const BLOCKS: usize = 8;

/// A process's own clock in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> u64 {
        1 + self.0.elapsed().as_millis() as u64
    }
}

pub(crate) fn make_memory() -> Arc<SharedMemory> {
    Arc::new(SharedMemory::create("lgmp-kill", SIZE).expect("a memfd"))
}

/// Messages that clients in child processes have read.
pub(crate) fn delivered(memory: &SharedMemory) -> &AtomicU32 {
    let word = memory.as_slice().atomic_u32(DELIVERED_AT);
    word.expect("in bounds")
}

fn payload(memory: &SharedMemory, block: u32) -> &AtomicU32 {
    let word = memory.as_slice().atomic_u32(block as usize);
    word.expect("blocks are aligned and in bounds")
}

/// A child process; killed when dropped.
pub(crate) struct Peer {
    child: Child,
    role: &'static str,
}

impl Peer {
    pub(crate) fn spawn(role: &'static str, memory: &SharedMemory, version: WireVersion) -> Self {
        let fd = memory.as_fd().as_raw_fd();
        let path = format!("/proc/{}/fd/{fd}", std::process::id());
        let program = std::env::current_exe().expect("a path to this test");
        let child = Command::new(program)
            .env(ROLE, role)
            .env(MEMORY, path)
            .env(VERSION, version.number().to_string())
            .spawn()
            .expect("a child process");
        Self { child, role }
    }

    #[track_caller]
    pub(crate) fn expect_alive(&mut self) {
        let status = self.child.try_wait().expect("a status");
        assert!(
            status.is_none(),
            "the {} ended by itself: {status:?}",
            self.role
        );
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running child");
    }

    pub(crate) fn kill(&mut self) {
        self.expect_alive();
        self.child.kill().expect("a running child");
        self.child.wait().expect("a status");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Already dead is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child does, until it is killed.
pub(crate) fn run_child(role: &str) {
    let variable = |name| std::env::var(name).expect("set by the parent");
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(variable(MEMORY));
    let file = file.expect("the parent's memory");
    let memory = Arc::new(SharedMemory::map_fd(file.into()).expect("a mapping"));
    let version = variable(VERSION)
        .parse()
        .ok()
        .and_then(WireVersion::from_wire);
    let version = version.expect("a version");
    if role == "host" {
        let mut source = Source::new(&memory, version);
        loop {
            source.step();
        }
    }
    let mut reader = Reader::new(&memory);
    let mut dice = u64::from(std::process::id());
    loop {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let read = reader.step(dice >> 33);
        delivered(&memory).fetch_add(read, Ordering::SeqCst);
    }
}

/// A host that posts as fast as its readers read.
struct Source {
    memory: Arc<SharedMemory>,
    host: Host,
    queue: HostQueue,
    blocks: Vec<Block>,
    number: u32,
    clock: Clock,
    ticked: u64,
}

impl Source {
    fn new(memory: &Arc<SharedMemory>, version: WireVersion) -> Self {
        let clock = Clock::start();
        let builder = HostBuilder::new(Arc::clone(memory), version, b"kill");
        let mut builder = builder.expect("room");
        let queue = builder.queue(SPEC).expect("room");
        let blocks = (0..BLOCKS)
            .map(|_| builder.block(64, 64).expect("room"))
            .collect();
        Self {
            memory: Arc::clone(memory),
            host: builder.publish(clock.now()).expect("in bounds"),
            queue,
            blocks,
            number: 0,
            clock,
            ticked: 0,
        }
    }

    fn step(&mut self) {
        let now = self.clock.now();
        if now >= self.ticked + 2 {
            self.ticked = now;
            self.host.tick(now).expect("nobody else writes the header");
        }
        while let Some(message) = self.queue.next_message() {
            assert_eq!(message.bytes(), b"ping");
            self.queue.acknowledge();
        }
        let block = self.blocks[self.number as usize % BLOCKS];
        payload(&self.memory, block.offset).store(self.number, Ordering::Release);
        match self.queue.post(self.number, block, now) {
            Ok(posted) if posted.recipients > 0 => self.number += 1,
            Ok(_) | Err(PostError::Full | PostError::LockTimeout) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A host on a thread of this process; stopped when dropped.
pub(crate) struct Server {
    pub(crate) queue: HostQueue,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(memory: &Arc<SharedMemory>, version: WireVersion) -> Self {
        let mut source = Source::new(memory, version);
        let queue = source.queue.clone();
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                source.step();
            }
        });
        Self {
            queue,
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the host in this process failed");
        }
    }
}

/// A client that attaches, reads, sends and comes back by itself, whatever happens to the host.
pub(crate) struct Reader {
    memory: Arc<SharedMemory>,
    client: Client,
    clock: Clock,
    session_id: Option<u32>,
    sessions: u32,
    subscription: Option<Subscription>,
    newest: Option<u32>,
}

impl Reader {
    pub(crate) fn new(memory: &Arc<SharedMemory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            client: Client::new(Arc::clone(memory)),
            clock: Clock::start(),
            session_id: None,
            sessions: 0,
            subscription: None,
            newest: None,
        }
    }

    /// Sessions begun so far.
    pub(crate) fn sessions(&self) -> u32 {
        self.sessions
    }

    pub(crate) fn session_id(&self) -> Option<u32> {
        self.session_id
    }

    /// One step of a client's life; returns the messages read. `dice` decides what else it does.
    pub(crate) fn step(&mut self, dice: u64) -> u32 {
        let now = self.clock.now();
        if self.session_id.is_none() || self.client.check(now).is_err() {
            self.subscription = None;
            self.session_id = None;
            let Ok(session) = self.client.start(now) else {
                std::thread::sleep(Duration::from_micros(500));
                return 0;
            };
            assert_eq!(session.udata, b"kill");
            self.session_id = Some(session.session_id);
            self.sessions += 1;
        }
        let Some(mut subscription) = self.subscription.take() else {
            self.newest = None;
            self.subscription = self.client.subscribe(SPEC.id, now).ok();
            return 0;
        };
        match dice % 64 {
            0 => {
                // An error ends the subscription as well.
                let _ = subscription.unsubscribe(now);
                return 0;
            }
            1..=4 if subscription.skip_to_last(now).is_err() => return 0,
            5..=8 => {
                // Full or lost: the reading below finds out.
                let _ = subscription.send(b"ping");
            }
            _ => {}
        }
        let Ok(message) = subscription.peek(now) else {
            return 0;
        };
        let mut read = 0;
        if let Some(message) = message {
            let value = payload(&self.memory, message.offset).load(Ordering::Acquire);
            if subscription.is_still_mine() {
                assert_eq!(value, message.udata, "overwritten while it was held");
                assert!(self.newest < Some(message.udata), "messages go back");
                self.newest = Some(message.udata);
                read = 1;
            }
            if subscription.release(now).is_err() {
                return read;
            }
        }
        self.subscription = Some(subscription);
        read
    }

    /// Ends the subscription in order.
    pub(crate) fn leave(mut self) {
        if let Some(subscription) = self.subscription.take() {
            // Evicted is as good.
            let _ = subscription.unsubscribe(self.clock.now());
        }
    }
}
