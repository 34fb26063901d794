//! What a still desktop costs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use support::{Host, LIMIT};
use testkit::x_server::XServer;

/// Measured for so long.
const TIME: Duration = Duration::from_secs(3);
/// Wake-ups a second: the tick's hundred, and for each other thread a few. On the machine this was written on, one
/// costs 20 µs, most of it the kernel's: together 0.25 % of a core.
const MOST: f64 = 120.0;

/// What the threads of a process have used so far.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// How often a thread went to sleep (proc(5), `status`).
    sleeps: u64,
    /// CPU time (`schedstat`).
    nanos: u64,
}

impl Used {
    fn by(process: u32) -> Self {
        let mut used = Self::default();
        for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
            let folder = task.unwrap().path();
            let read = |file| std::fs::read_to_string(folder.join(file)).unwrap();
            let (status, stat) = (read("status"), read("schedstat"));
            let mut lines = status.lines();
            let sleeps = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            used.sleeps += sleeps.unwrap().trim().parse::<u64>().unwrap();
            let nanos = stat.split_whitespace().next().unwrap();
            used.nanos += nanos.parse::<u64>().unwrap();
        }
        used
    }
}

/// Fails if the process wakes up too often while `wait` runs.
fn assert_sleepy(what: &str, process: u32, wait: impl FnOnce()) {
    let (before, start) = (Used::by(process), Instant::now());
    wait();
    let (after, seconds) = (Used::by(process), start.elapsed().as_secs_f64());
    let rate = (after.sleeps - before.sleeps) as f64 / seconds;
    let percent = (after.nanos - before.nanos) as f64 / seconds / 1e7;
    eprintln!("{what}: {rate:.1} wake-ups a second, {percent:.2} % of a core");
    assert!(rate < MOST, "{what}: {rate:.1} wake-ups a second");
}

#[test]
fn a_still_desktop_costs_next_to_nothing() {
    let Some(server) = XServer::start(1920, 1080).unwrap() else {
        return;
    };
    let host = Host::capture(server.display(), &[]);
    let process = host.process.id();
    assert_sleepy("nobody looks", process, || std::thread::sleep(TIME));

    let mut observer = host.observer();
    assert!(observer.until(LIMIT, |seen| seen.layout.is_some()
        && seen.pointer.is_some()));
    // Until the desktop counts as still.
    observer.watch(Duration::from_millis(1_100));
    let before = observer.frames.len();
    assert_sleepy("a client looks", process, || observer.watch(TIME));
    assert_eq!(observer.frames.len(), before, "nothing was drawn");
}
