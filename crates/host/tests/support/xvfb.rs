//! X servers that `testkit` has no use for: without an extension, with one too many, and on a number that was used before.

use std::process::Command;

use testkit::process::Process;
use x11rb::rust_connection::RustConnection;

use super::LIMIT;

/// A server with a screen of 640 × 480.
pub(crate) struct Xvfb {
    pub(crate) process: Process,
    pub(crate) display: String,
}

impl Xvfb {
    /// Starts one on a number of its own choice. Skips loudly (`None`) if there is no Xvfb.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        if !testkit::has_program("Xvfb", "X server") {
            return None;
        }
        // Its output goes to a file, where the number is read.
        let arguments = [&["-displayfd", "1"], arguments].concat();
        let process = Process::start(&mut command(&arguments)).unwrap();
        let number = || {
            let output = process.output();
            let mut lines = output.split_inclusive('\n');
            lines.find_map(|line| line.strip_suffix('\n')?.parse::<u32>().ok())
        };
        let is_up = testkit::wait_until(LIMIT, || number().is_some());
        assert!(is_up, "{}", process.output());
        let display = format!(":{}", number().unwrap());
        Some(Self { process, display })
    }

    /// Kills the server; nothing is at its number until [`Xvfb::revive`].
    pub(crate) fn kill(&mut self) {
        self.process.signal(rustix::process::Signal::KILL);
        assert!(self.process.wait(LIMIT).is_some());
    }

    /// Starts another on the same number.
    pub(crate) fn revive(&mut self) {
        self.process = Process::start(&mut command(&[&self.display])).unwrap();
        let is_up = testkit::wait_until(LIMIT, || {
            RustConnection::connect(Some(&self.display)).is_ok()
        });
        assert!(is_up, "{}", self.process.output());
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("Xvfb");
    command.args(arguments);
    command.args(["-screen", "0", "640x480x24", "-nolisten", "tcp"]);
    command.args(["-noreset", "-ac"]);
    command
}
