//! A SPICE server in a process of its own, which says when messages arrive and plays the guest's clipboard.
//!
//! Lines on standard output: `input NANOS TYPE` for each message of keyboard and pointer, with the time at which it
//! could be read; `pasted BYTES` when the client has sent its clipboard. Lines on standard input: `copy BYTES`, `paste`.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context as _;
use clock::Nanos;
use testkit::spice_server::{Arrival, INPUTS, ServerOptions, SpiceServer};

/// Text, of the agent's kinds of data.
const TEXT: u32 = 1;
/// How long a paste may take.
const PASTE: Duration = Duration::from_secs(30);

/// Serves until standard input ends.
///
/// # Errors
/// If it cannot listen.
pub fn run(socket: &Path) -> anyhow::Result<()> {
    let options = ServerOptions {
        has_agent: true,
        ..ServerOptions::default()
    };
    let listener = |arrival: &Arrival| {
        if arrival.channel == INPUTS {
            let mut out = std::io::stdout().lock();
            // Nobody listens any more at the end.
            let _ = writeln!(out, "input {} {}", arrival.time.0, arrival.kind);
            let _ = out.flush();
        }
    };
    let server = SpiceServer::listen(socket, options, Some(Box::new(listener)))?;
    println!("listening");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("copy", bytes)) => server.copy_in_guest(TEXT, text(bytes.parse()?)),
            _ => {
                server.paste_in_guest(TEXT);
                let pasted = server.pasted(PASTE).map_or(0, |(_, data)| data.len());
                println!("pasted {pasted}");
            }
        }
    }
    Ok(())
}

/// A text of that many bytes without line ends.
#[must_use]
pub fn text(bytes: usize) -> Vec<u8> {
    b"The quick brown fox jumps over the lazy dog. "
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect()
}

/// The process, as seen by the benchmark.
pub struct StandIn {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Receiver<String>,
    /// The socket.
    pub socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl StandIn {
    /// Starts it; `bench` is the path of the benchmarks' program.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(bench: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("spice.sock");
        let mut child = Command::new(bench)
            .arg("stand-in")
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("standard output is a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let all = std::io::BufReader::new(output).lines();
            for line in all.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let commands = child.stdin.take();
        let stand_in = Self {
            child,
            commands,
            lines,
            socket,
            _folder: folder,
        };
        let first = stand_in.lines.recv_timeout(Duration::from_secs(10));
        first.context("the SPICE server does not come up")?;
        Ok(stand_in)
    }

    /// Waits for the next message of keyboard or pointer: when it arrived, and its type.
    #[must_use]
    pub fn next_input(&self, limit: Duration) -> Option<(Nanos, u16)> {
        loop {
            let line = self.lines.recv_timeout(limit).ok()?;
            let mut words = line.split(' ');
            if words.next() == Some("input") {
                let time = words.next()?.parse().ok()?;
                return Some((Nanos(time), words.next()?.parse().ok()?));
            }
        }
    }

    /// A program in the guest copies a text of that many bytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn copy(&mut self, bytes: usize) -> anyhow::Result<()> {
        self.command(&format!("copy {bytes}"))
    }

    /// A program in the guest pastes; the number of bytes it gets.
    ///
    /// # Errors
    /// If the process is gone or the paste takes too long.
    pub fn paste(&mut self) -> anyhow::Result<usize> {
        self.command("paste")?;
        loop {
            let line = self.lines.recv_timeout(PASTE + PASTE)?;
            if let Some(bytes) = line.strip_prefix("pasted ") {
                return Ok(bytes.parse()?);
            }
        }
    }

    fn command(&mut self, command: &str) -> anyhow::Result<()> {
        let pipe = self.commands.as_mut().context("the pipe is open")?;
        writeln!(pipe, "{command}")?;
        Ok(pipe.flush()?)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // Its end of the pipe closes, and it ends.
        self.commands = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
