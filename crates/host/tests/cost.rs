//! What a still desktop costs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use support::{Host, LIMIT};
use testkit::x_server::XServer;

/// Measured for so long.
const TIME: Duration = Duration::from_secs(3);
/// Percent of a core that a still desktop may cost.
const MOST: f64 = 0.5;

/// Nanoseconds of CPU time that each thread of a process has used: the first field of `schedstat` (proc(5)).
fn cpu_times(process: u32) -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let time = |task: std::fs::DirEntry| {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap();
        let (name, stat) = (read("comm"), read("schedstat"));
        let time = stat.split_whitespace().next().unwrap().parse().unwrap();
        (name.trim().to_owned(), time)
    };
    tasks.map(|task| time(task.unwrap())).collect()
}

/// Percent of a core for each thread while `wait` runs.
fn cost(process: u32, wait: impl FnOnce()) -> Vec<(String, f64)> {
    let (before, start) = (cpu_times(process), Instant::now());
    wait();
    let (after, wall) = (cpu_times(process), start.elapsed().as_nanos() as f64);
    let share = |((name, after), (_, before)): ((String, u64), (String, u64))| {
        (name, (after - before) as f64 * 100.0 / wall)
    };
    after.into_iter().zip(before).map(share).collect()
}

fn assert_cheap(what: &str, costs: &[(String, f64)]) {
    let total: f64 = costs.iter().map(|(_, share)| share).sum();
    eprintln!("{what}: {total:.2} % of a core, {costs:.2?}");
    assert!(total < MOST, "{what}: {total:.2} %, {costs:?}");
}

#[test]
fn a_still_desktop_costs_next_to_nothing() {
    let Some(server) = XServer::start(1920, 1080).unwrap() else {
        return;
    };
    let host = Host::capture(server.display(), &[]);
    let process = host.process.id();
    assert_cheap("nobody looks", &cost(process, || std::thread::sleep(TIME)));

    let mut observer = host.observer();
    assert!(observer.until(LIMIT, |seen| seen.layout.is_some()
        && seen.pointer.is_some()));
    observer.watch(Duration::from_millis(200));
    let before = observer.frames.len();
    assert_cheap("a client looks", &cost(process, || observer.watch(TIME)));
    assert_eq!(observer.frames.len(), before, "nothing was drawn");
}
