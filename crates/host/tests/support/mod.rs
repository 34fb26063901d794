//! What the tests of the running host share: our host as a process, an observer of the memory it writes, X servers of
//! every kind, and a hand that draws on them.

#![allow(dead_code, reason = "each test program uses another part")]

pub(crate) mod hand;
pub(crate) mod observer;
pub(crate) mod xvfb;

use std::process::Command;
use std::time::Duration;

use testkit::process::Process;
use testkit::programs::SharedFile;

/// The longest that anything may take on a busy machine; nothing waits for all of it unless it fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// MiB of memory for the pictures of these tests.
const MEMORY_MIB: u64 = 32;

/// Our host, and the memory it writes.
pub(crate) struct Host {
    pub(crate) process: Process,
    pub(crate) memory: SharedFile,
}

impl Host {
    /// Starts it on a display, and waits until it is ready.
    pub(crate) fn capture(display: &str, options: &[&str]) -> Self {
        let memory = SharedFile::create(MEMORY_MIB).unwrap();
        let mut command = command(&memory.option(), options);
        command.env("DISPLAY", display);
        let mut process = Process::start(&mut command).unwrap();
        assert!(process.prints("ready", LIMIT), "{}", process.output());
        Self { process, memory }
    }

    /// Somebody who looks at what it publishes.
    pub(crate) fn observer(&self) -> observer::Observer {
        observer::Observer::open(self.memory.path())
    }

    /// Ends it as a user does; its status.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.process.signal(rustix::process::Signal::TERM);
        self.process.wait(LIMIT).and_then(|status| status.code())
    }
}

/// The host's command line, with no display and no configuration of the user's.
pub(crate) fn command(memory: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_looking-glass-host"));
    command.args([memory]).args(options);
    command.env_remove("DISPLAY").env("RUST_LOG", "debug");
    command
}
