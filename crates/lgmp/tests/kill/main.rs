//! Two processes on one memory; one is killed or frozen at random points, and the other or its successor works on.
//!
//! `LG_KILL_SECONDS` is the time for it (8 by default), `LG_KILL_SEED` repeats a run as far as timing allows.

mod peers;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ivshmem::SharedMemory;
use lgmp::{Client, Geometry, WireVersion};
use peers::{Clock, JUST_READ, Peer, ROLE, Reader, Server, delivered, make_memory, run_child};
use rustix::process::Signal;

/// Longest wait for anything that has to happen: a forced lock takes 1 s, an eviction or a lost session as long.
const LIMIT: Duration = Duration::from_secs(10);

/// A small generator (xorshift), so that a seed names a run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn micros(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end))
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        return run_child(&role);
    }
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let seconds = number("LG_KILL_SECONDS").unwrap_or(8);
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let seed = number("LG_KILL_SEED")
        .unwrap_or_else(|| clock.map_or(1, |elapsed| elapsed.as_nanos() as u64))
        .max(1);
    println!("LG_KILL_SEED={seed} LG_KILL_SECONDS={seconds}");
    let mut random = Random(seed);
    let share = Duration::from_secs(seconds) / 9;
    for version in WireVersion::ALL {
        kill_clients(version, share, &mut random);
        kill_hosts(version, share, &mut random);
        freeze_client(version, &mut random);
        freeze_host(version, &mut random);
    }
}

/// Waits until `done`, looking each 200 µs.
#[track_caller]
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "no {what} within {LIMIT:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Tells whether either lock of the queue is taken.
fn is_locked(memory: &SharedMemory, version: WireVersion) -> bool {
    let geometry = Geometry::of(version);
    [geometry.queue.lock, geometry.queue.cm_lock]
        .iter()
        .any(|field| {
            let word = memory.as_slice().atomic_u8(geometry.queue_base(0) + field);
            word.expect("in bounds").load(Ordering::SeqCst) != 0
        })
}

fn kill_clients(version: WireVersion, time: Duration, random: &mut Random) {
    let memory = make_memory();
    let start = Instant::now();
    let (mut kills, mut locks, mut in_session) = (0, 0, 0);
    let mut server = Server::start(&memory, version);
    while start.elapsed() < time {
        let before = delivered(&memory).load(Ordering::SeqCst);
        let mut client = Peer::spawn("client", &memory, version);
        wait("message in the client", || {
            client.expect_alive();
            delivered(&memory).load(Ordering::SeqCst) != before
        });
        std::thread::sleep(random.micros(3000));
        client.kill();
        kills += 1;
        in_session += 1;
        locks += u32::from(is_locked(&memory, version));
        expect_delivery(&memory);
        // In version 4 each killed client costs a bit for ten seconds.
        if in_session == 20 {
            drop(server);
            server = Server::start(&memory, version);
            in_session = 0;
        }
    }
    println!("{version:?}: killed {kills} clients, {locks} with a lock");
}

/// A fresh client in this process gets a message.
fn expect_delivery(memory: &Arc<SharedMemory>) {
    let mut reader = Reader::new(memory);
    wait("message after the kill", || reader.step(JUST_READ) > 0);
    reader.leave();
}

fn kill_hosts(version: WireVersion, time: Duration, random: &mut Random) {
    let memory = make_memory();
    let mut reader = Reader::new(&memory);
    let start = Instant::now();
    let mut kills = 0;
    while start.elapsed() < time {
        let mut host = Peer::spawn("host", &memory, version);
        if random.below(3) > 0 {
            let session = reader.sessions();
            wait("message of the new host", || {
                host.expect_alive();
                // A message of the host before, read from what it left, does not count.
                reader.step(random.below(u64::MAX)) > 0 && reader.sessions() != session
            });
        }
        let end = Instant::now() + random.micros(4000);
        while Instant::now() < end {
            reader.step(random.below(u64::MAX));
        }
        host.kill();
        kills += 1;
    }
    println!("{version:?}: killed {kills} hosts");
}

fn freeze_client(version: WireVersion, random: &mut Random) {
    let memory = make_memory();
    let server = Server::start(&memory, version);
    let mut client = Peer::spawn("client", &memory, version);
    for _ in 0..2 {
        let before = delivered(&memory).load(Ordering::SeqCst);
        wait("message in the client", || {
            client.expect_alive();
            delivered(&memory).load(Ordering::SeqCst) != before
        });
        std::thread::sleep(random.micros(3000));
        client.signal(Signal::STOP);
        let stopped = delivered(&memory).load(Ordering::SeqCst);
        wait("eviction of the frozen client", || {
            !server.queue.has_subscribers()
        });
        client.signal(Signal::CONT);
        wait("message in the thawed client", || {
            client.expect_alive();
            delivered(&memory).load(Ordering::SeqCst) > stopped + 10
        });
    }
    println!("{version:?}: a frozen client was evicted and came back");
}

fn freeze_host(version: WireVersion, random: &mut Random) {
    let memory = make_memory();
    let mut host = Peer::spawn("host", &memory, version);
    let mut reader = Reader::new(&memory);
    wait("message", || reader.step(JUST_READ) > 0);
    let end = Instant::now() + random.micros(3000);
    while Instant::now() < end {
        reader.step(random.below(u64::MAX));
    }
    host.signal(Signal::STOP);
    let sessions = reader.sessions();
    let id = reader.session_id();
    wait("end of the heartbeat", || {
        reader.step(JUST_READ);
        reader.session_id().is_none()
    });
    let mut onlooker = Client::new(Arc::clone(&memory));
    assert!(
        onlooker.start(Clock::start().now()).is_err(),
        "no session without a heartbeat"
    );
    host.signal(Signal::CONT);
    wait("message of the thawed host", || {
        host.expect_alive();
        reader.step(JUST_READ) > 0
    });
    assert_eq!(reader.sessions(), sessions + 1);
    assert_eq!(reader.session_id(), id, "the host keeps its session");
    println!("{version:?}: a frozen host was missed and found again");
}
