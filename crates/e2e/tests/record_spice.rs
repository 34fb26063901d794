//! Records what a real QEMU sends on each channel, for the tests and fuzz targets that replay it:
//! `cargo test -p e2e --test record_spice -- --ignored`. Writes into `crates/spice/tests/data`; look at what changed.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::agent_guest::{AgentGuest, Kind, Outside as _, Sample};
use e2e::spice_clipboard::SpiceClipboard;
use spice::inputs::{Locks, Scancode};
use spice::session::ChannelState;
use spice::transport::{Address, Client, Report};
use spice::{ChannelKind, Command, Event, SessionOptions};
use testkit::machine::{Hardware, Machine, Spice};
use testkit::process;

const LIMIT: Duration = Duration::from_secs(60);
/// The guest's programme takes a second or two.
const PROGRAMME: Duration = Duration::from_secs(4);
/// Where the type of the channel is in what a client says first (spice.md 1.2).
const CHANNEL: usize = 20;

type Streams = Arc<Mutex<BTreeMap<u8, Vec<u8>>>>;

/// A socket that leads to a server, and what the server sent through it, by the type of the channel.
struct Tap {
    folder: tempfile::TempDir,
    streams: Streams,
}

impl Tap {
    fn on(server: PathBuf) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = UnixListener::bind(folder.path().join("tap.sock"))?;
        let streams = Streams::default();
        let written = Arc::clone(&streams);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (written, server) = (Arc::clone(&written), server.clone());
                std::thread::spawn(move || pass(client?, &server, &written));
            }
        });
        Ok(Self { folder, streams })
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("tap.sock")
    }

    /// Writes a channel's stream into a file.
    fn save(&self, channel: u8, name: &str) -> anyhow::Result<()> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = streams.get(&channel).context("nothing was sent")?;
        eprintln!("{name}: {} bytes", bytes.len());
        Ok(std::fs::write(data().join(name), bytes)?)
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spice/tests/data")
}

/// Passes the bytes of one connection on, in both directions.
fn pass(mut client: UnixStream, server: &Path, streams: &Streams) -> std::io::Result<()> {
    let mut server = UnixStream::connect(server)?;
    let mut first = [0; 1024];
    let len = client.read(&mut first)?;
    server.write_all(&first[..len])?;
    let channel = first[CHANNEL];
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let copied = std::io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Write)?;
        copied
    });
    let mut piece = vec![0; 65536];
    loop {
        let len = server.read(&mut piece)?;
        if len == 0 {
            return client.shutdown(std::net::Shutdown::Write);
        }
        client.write_all(&piece[..len])?;
        let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = streams.entry(channel).or_default();
        stream.extend_from_slice(&piece[..len]);
    }
}

/// Assembles the guest.
fn guest(folder: &Path) -> anyhow::Result<PathBuf> {
    let (object, file) = (folder.join("guest.o"), folder.join("guest"));
    let source = data().join("guest.s");
    process::run(
        Program::new("as")
            .args(["--32", "-o"])
            .args([&object, &source]),
    )?;
    let mut link = Program::new("ld");
    link.args(["-m", "elf_i386", "-Ttext", "0x100000", "-o"]);
    process::run(link.args([&file, &object]))?;
    Ok(file)
}

/// Waits until that many channels are open.
fn wait_open(opened: &Receiver<ChannelKind>, count: usize) -> anyhow::Result<()> {
    let mut kinds = Vec::new();
    let until = Instant::now() + LIMIT;
    while kinds.len() < count {
        let left = until.saturating_duration_since(Instant::now());
        let kind = opened.recv_timeout(left);
        kinds.push(kind.with_context(|| format!("only {kinds:?} are open"))?);
    }
    Ok(())
}

#[test]
#[ignore = "writes into the source tree"]
fn record_a_machine_that_draws_and_plays() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let kernel = guest(folder.path())?;
    let kernel = kernel.to_str().context("a path in UTF-8")?;
    let hardware = Hardware {
        spice: Some(Spice::default()),
        uuid: Some("12345678-1234-5678-9abc-def012345678"),
        arguments: &[
            "-name",
            "recorded",
            "-kernel",
            kernel,
            "-audiodev",
            "spice,id=sound",
            "-device",
            "vmware-svga,addr=2",
            "-device",
            "AC97,addr=3,audiodev=sound",
        ],
        ..Hardware::default()
    };
    let machine = Machine::start(&hardware)?.context("a QEMU with SPICE")?;
    // Its first screen is that of the BIOS, which is too large to be kept.
    std::thread::sleep(Duration::from_secs(5));
    let tap = Tap::on(machine.spice_socket())?;
    let options = SessionOptions {
        display: true,
        playback: true,
        record: true,
        ..SessionOptions::default()
    };
    let (sender, opened) = channel();
    let report = move |report: Report<'_>| {
        if let Report::Event(Event::Channel {
            kind,
            state: ChannelState::Open,
        }) = report
        {
            let _ = sender.send(kind);
        }
    };
    let client = Client::connect(Address::unix(tap.socket())?, options, report)?;
    wait_open(&opened, 6)?;
    let key = Scancode::new(0x1e, false).context("a scancode")?;
    let handle = client.handle();
    handle.send(Command::Key {
        key,
        is_pressed: true,
    })?;
    for dx in 0..20 {
        handle.send(Command::Motion { dx, dy: -1 })?;
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(PROGRAMME);
    handle.send(Command::SetLocks(Locks::default()))?;
    handle.send(Command::Key {
        key,
        is_pressed: false,
    })?;
    std::thread::sleep(Duration::from_millis(200));
    let channels = [
        (1, "main"),
        (2, "display"),
        (3, "inputs"),
        (4, "cursor"),
        (5, "playback"),
        (6, "record"),
    ];
    for (channel, name) in channels {
        tap.save(channel, name)?;
    }
    drop(client);
    Ok(())
}

#[test]
#[ignore = "writes into the source tree"]
fn record_an_agent() -> anyhow::Result<()> {
    let sample = |name, len: usize| Sample {
        name,
        kind: Kind::Text,
        data: b"Text of the guest. "
            .iter()
            .copied()
            .cycle()
            .take(len)
            .collect(),
    };
    let samples = [sample("short", 30), sample("long", 5000)];
    let mut guest = AgentGuest::boot(&samples)?.context("a guest with an agent")?;
    let tap = Tap::on(guest.machine.spice_socket())?;
    let mut outside = SpiceClipboard::connect_at(&tap.socket())?;
    for sample in &samples {
        guest.copy(sample)?;
        let is_there = testkit::wait_until(LIMIT, || {
            let pasted = outside.paste(Kind::Text).ok().flatten();
            pasted.as_ref() == Some(&sample.data)
        });
        ensure!(is_there, "{} is not pasted", sample.name);
        outside.copy(Kind::Text, b"Text from outside.")?;
        guest.paste(Kind::Text)?;
    }
    tap.save(1, "main-agent")
}
