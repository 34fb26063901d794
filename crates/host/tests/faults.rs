//! What goes wrong around a running host, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use ivshmem::SharedMemory;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;
use support::hand::Hand;
use support::observer::Observer;
use support::xvfb::Xvfb;
use support::{Host, LIMIT, command};
use testkit::process::Process;
use testkit::programs::SharedFile;
use testkit::x_server::XServer;

const RED: u32 = 0x00ff_0000;
const GREEN: u32 = 0x0000_ff00;

/// Statuses of options.md 9.
const CAPTURE_FAILED: i32 = 0x20;
const MEMORY_FAILED: i32 = 0x40;
const FATAL: i32 = 0x50;

const PATTERN: [&str; 3] = ["app:capture=test", "test:width=320", "test:height=200"];

/// Starts a host with the test pattern on that memory.
fn pattern(memory: &str, options: &[&str]) -> Process {
    let options = [&PATTERN, options].concat();
    Process::start(&mut command(memory, &options)).unwrap()
}

fn status(process: &mut Process) -> Option<i32> {
    process.wait(LIMIT).and_then(|status| status.code())
}

#[test]
fn a_server_that_comes_back_is_captured_again() {
    let Some(mut server) = Xvfb::start(&[]) else {
        return;
    };
    let mut host = Host::capture(&server.display, &[]);
    let mut observer = host.observer();
    assert!(observer.until(LIMIT, |seen| seen.layout.is_some()));
    for colour in [RED, GREEN] {
        let before = host.process.output().len();
        server.kill();
        let is_noticed = testkit::wait_until(LIMIT, || {
            host.process.output()[before..].contains("trying again each second")
        });
        assert!(is_noticed, "{}", host.process.output());
        server.revive();
        let hand = Hand::on(&server.display);
        hand.fill(colour, &[(0, 0, 640, 480)]);
        let is_back = observer.until(LIMIT, |seen| seen.pixel(639, 479) == Some(colour));
        assert!(is_back, "{}", host.process.output());
    }
    // The heartbeat went on all the time.
    assert_eq!((observer.sessions, observer.losses), (1, 0));
    assert!(!host.process.has_ended());
    assert_eq!(host.end(), Some(0));
}

#[test]
fn a_lost_server_is_noticed_while_nobody_looks() {
    let Some(mut server) = Xvfb::start(&[]) else {
        return;
    };
    let mut host = Host::capture(&server.display, &[]);
    server.kill();
    let is_noticed = host.process.prints("trying again each second", LIMIT);
    assert!(is_noticed, "{}", host.process.output());
    assert_eq!(host.end(), Some(0));
}

#[test]
fn a_server_that_hangs_holds_neither_heartbeat_nor_end() {
    let Some(server) = Xvfb::start(&[]) else {
        return;
    };
    let host = Host::capture(&server.display, &[]);
    let mut observer = host.observer();
    assert!(observer.until(LIMIT, |seen| seen.layout.is_some()));
    server.process.signal(Signal::STOP);
    observer.watch(Duration::from_millis(1_500));
    assert_eq!((observer.sessions, observer.losses), (1, 0));
    assert_eq!(host.end(), Some(0));
}

#[test]
fn a_wiped_memory_gets_a_new_session_with_the_whole_picture() {
    let Some(server) = XServer::start(640, 480).unwrap() else {
        return;
    };
    Hand::on(server.display()).fill(RED, &[(0, 0, 640, 480)]);
    let host = Host::capture(server.display(), &[]);
    let mut observer = host.observer();
    let shows = |seen: &Observer| seen.pixel(639, 479) == Some(RED) && seen.pointer.is_some();
    assert!(observer.until(LIMIT, shows));
    let file = std::fs::File::options()
        .write(true)
        .open(host.memory.path())
        .unwrap();
    file.write_all_at(&[0; 4096], 0).unwrap();
    // Nothing is drawn meanwhile.
    let is_back = observer.until(LIMIT, |seen| seen.sessions == 2 && shows(seen));
    assert!(is_back, "{}", host.process.output());
}

#[test]
fn every_version_is_spoken() {
    for (number, version) in [
        ("16", kvmfr::Version::V16),
        ("19", kvmfr::Version::V19),
        ("20", kvmfr::Version::V20),
    ] {
        let shm = SharedFile::create(16).unwrap();
        let host = pattern(&shm.option(), &[&format!("app:kvmfrVersion={number}")]);
        let mut observer = Observer::open(shm.path());
        let is_shown = observer.until(LIMIT, |seen| {
            seen.layout.is_some() && seen.pointer.is_some()
        });
        assert!(is_shown, "{}", host.output());
        assert_eq!(observer.reader.session().map(|s| s.kvmfr), Some(version));
    }
}

#[test]
fn an_inherited_descriptor_is_a_memory() {
    let memory = Arc::new(SharedMemory::create("host-test", 16 << 20).unwrap());
    let fd = memory.as_fd().try_clone_to_owned().unwrap();
    fcntl_setfd(&fd, FdFlags::empty()).unwrap();
    let host = pattern(&format!("app:shmFile=fd:{}", fd.as_raw_fd()), &[]);
    let mut observer = Observer::of(memory);
    let is_shown = observer.until(LIMIT, |seen| seen.size() == Some((320, 200)));
    assert!(is_shown, "{}", host.output());
}

#[test]
fn signals_and_the_end_of_the_pattern_are_a_success() {
    for signal in [Signal::INT, Signal::TERM] {
        let shm = SharedFile::create(16).unwrap();
        let mut host = pattern(&shm.option(), &[]);
        assert!(host.prints("ready", LIMIT), "{}", host.output());
        host.signal(signal);
        assert_eq!(status(&mut host), Some(0), "{}", host.output());
    }
    let shm = SharedFile::create(16).unwrap();
    let mut host = pattern(&shm.option(), &["test:frameCount=5"]);
    let mut observer = Observer::open(shm.path());
    assert!(observer.until(LIMIT, |seen| !seen.frames.is_empty()));
    assert!(observer.until(LIMIT, |_| host.has_ended()));
    assert_eq!(status(&mut host), Some(0), "{}", host.output());
}

#[test]
fn failures_are_told_apart_by_their_status() {
    let shm = SharedFile::create(16).unwrap();
    let run = |options: &[&str]| {
        let mut process = Process::start(&mut command(&shm.option(), options)).unwrap();
        (status(&mut process), process.output())
    };
    let (status_of_no_display, output) = run(&["app:capture=XCB"]);
    assert_eq!(status_of_no_display, Some(CAPTURE_FAILED), "{output}");
    assert!(output.contains("DISPLAY"), "{output}");
    let (status_of_bad_option, output) = run(&["app:kvmfrVersion=17"]);
    assert_eq!(status_of_bad_option, Some(FATAL), "{output}");

    let small = SharedFile::create(1).unwrap();
    let mut host = pattern(&small.option(), &[]);
    assert_eq!(status(&mut host), Some(FATAL), "{}", host.output());
    assert!(host.output().contains("MiB"), "{}", host.output());
}

#[test]
fn a_memory_that_shrinks_ends_the_host_for_another_try() {
    let shm = SharedFile::create(16).unwrap();
    let mut host = pattern(&shm.option(), &[]);
    let mut observer = Observer::open(shm.path());
    assert!(observer.until(LIMIT, |seen| !seen.frames.is_empty()));
    drop(observer);
    let file = std::fs::File::options().write(true).open(shm.path());
    file.unwrap().set_len(0).unwrap();
    assert_eq!(status(&mut host), Some(MEMORY_FAILED), "{}", host.output());
    assert!(host.output().contains("made smaller"), "{}", host.output());
}

#[test]
fn a_server_without_a_needed_extension_is_refused_by_name() {
    let Some(server) = Xvfb::start(&["-extension", "RANDR"]) else {
        return;
    };
    let shm = SharedFile::create(16).unwrap();
    let mut command = command(&shm.option(), &["app:capture=XCB"]);
    let mut host = Process::start(command.env("DISPLAY", &server.display)).unwrap();
    assert_eq!(status(&mut host), Some(CAPTURE_FAILED), "{}", host.output());
    assert!(host.output().contains("RANDR"), "{}", host.output());
}
