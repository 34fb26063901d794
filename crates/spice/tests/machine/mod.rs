//! A QEMU without a guest.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::{fs::MetadataExt as _, net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use spice::transport::Address;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Machine {
    child: Child,
    directory: tempfile::TempDir,
}

impl Machine {
    /// Starts a machine with a SPICE server on a unix socket; `None`, said loudly, where that is not possible.
    pub(crate) fn start(spice: &str, arguments: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s.sock");
        let spice = format!("unix=on,addr={},{spice}", socket.display());
        let listens = move || UnixStream::connect(&socket).is_ok();
        Self::start_with(&spice, arguments, directory, listens)
    }

    /// Starts a machine with a SPICE server on a TCP port of its own.
    pub(crate) fn start_tcp(spice: &str, arguments: &[&str]) -> Option<(Self, u16)> {
        let port = free_port(9_000);
        let directory = tempfile::tempdir().unwrap();
        let spice = format!("port={port},addr=127.0.0.1,{spice}");
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let machine = Self::start_with(&spice, arguments, directory, listens)?;
        Some((machine, port))
    }

    /// Starts a machine that takes MAIN only over TLS, though its port is a plain one.
    pub(crate) fn start_secured() -> Option<(Self, u16)> {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
            ])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(path("server-key.pem"))
            .arg("-out")
            .arg(path("server-cert.pem"))
            .output();
        if !made.is_ok_and(|made| made.status.success()) {
            skip("there is no openssl to make a certificate with");
            return None;
        }
        std::fs::copy(path("server-cert.pem"), path("ca-cert.pem")).unwrap();
        let (plain, secure) = (free_port(10_000), free_port(11_000));
        let spice = format!(
            "port={plain},tls-port={secure},addr=127.0.0.1,disable-ticketing=on,tls-channel=main,x509-dir={}",
            directory.path().display()
        );
        let listens = || TcpStream::connect(("127.0.0.1", plain)).is_ok();
        let machine = Self::start_with(&spice, &["-vga", "std"], directory, listens)?;
        Some((machine, plain))
    }

    fn start_with(
        spice: &str,
        arguments: &[&str],
        directory: tempfile::TempDir,
        listens: impl Fn() -> bool,
    ) -> Option<Self> {
        if !has_spice() {
            return None;
        }
        let child = Command::new("qemu-system-x86_64")
            .args([
                "-M",
                "q35",
                "-accel",
                "tcg",
                "-m",
                "64",
                "-nodefaults",
                "-display",
                "none",
            ])
            .args(["-trace", "input_event_*", "-D"])
            .arg(directory.path().join("trace"))
            .args(["-spice", spice])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut machine = Self { child, directory };
        let until = Instant::now() + LIMIT;
        while !listens() {
            if let Some(status) = machine.child.try_wait().unwrap() {
                let mut said = String::new();
                if let Some(mut stderr) = machine.child.stderr.take() {
                    let _ = stderr.read_to_string(&mut said);
                }
                panic!("QEMU ended at once, {status}: {said}");
            }
            assert!(Instant::now() < until, "QEMU does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(machine)
    }

    pub(crate) fn address(&self) -> Address {
        Address::unix(self.directory.path().join("s.sock")).unwrap()
    }

    fn trace(&self) -> PathBuf {
        self.directory.path().join("trace")
    }

    /// Waits until the machine's trace of input events is as wanted.
    pub(crate) fn wait_for_trace(&self, is_complete: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            let trace = std::fs::read_to_string(self.trace()).unwrap_or_default();
            if is_complete(&trace) {
                return trace;
            }
            assert!(Instant::now() < until, "the trace is {trace}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Freezes the machine, its SPICE server included.
    pub(crate) fn stop(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }

    /// Starts another machine at the same place, then ends this one.
    pub(crate) fn replace(&mut self) {
        let socket = self.directory.path().join("s.sock");
        let old = std::fs::metadata(&socket).unwrap().ino();
        let spice = format!("unix=on,addr={},disable-ticketing=on", socket.display());
        let listens = || {
            let is_new = std::fs::metadata(&socket).is_ok_and(|file| file.ino() != old);
            is_new && UnixStream::connect(&socket).is_ok()
        };
        let other = tempfile::tempdir().unwrap();
        let mut new = Self::start_with(&spice, &["-vga", "std"], other, listens).unwrap();
        std::mem::swap(&mut self.child, &mut new.child);
        new.kill();
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of 1000 above `base` and this process's number.
///
/// Below the ports that the system gives away by itself: a try to connect to one of those can connect to itself.
fn free_port(base: u16) -> u16 {
    let first = base + u16::try_from(std::process::id() % 10_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..first + 1000).find(is_free).unwrap()
}

/// Whether there is a QEMU with a SPICE server; if not, says so on stderr and in the file named by `LG_SKIP_LOG`.
fn has_spice() -> bool {
    let help = Command::new("qemu-system-x86_64")
        .args(["-spice", "help"])
        .output();
    let reason = match help {
        // The exit status differs between versions; a QEMU without SPICE knows no such option.
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("ticketing") => return true,
        Ok(_) => "this qemu-system-x86_64 has no SPICE",
        Err(_) => "there is no qemu-system-x86_64 in the PATH",
    };
    skip(reason);
    false
}

fn skip(reason: &str) {
    let line = format!("SKIPPED spice against QEMU: {reason}");
    eprintln!("{line}");
    if let Some(log) = std::env::var_os("LG_SKIP_LOG") {
        let mut options = std::fs::OpenOptions::new();
        if let Ok(mut file) = options.create(true).append(true).open(log) {
            let _ = writeln!(file, "{line}");
        }
    }
}
