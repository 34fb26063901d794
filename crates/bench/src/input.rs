//! `bench input`: from an event in the client's window to its message at the SPICE server, and what the clipboard costs
//! the picture.

pub mod event_path;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clock::{Clock as _, MonotonicClock, Nanos, Percentiles};
use picture::Size;
use testkit::process::Process;
use testkit::x_input::XInput;
use x11rb::connection::Connection as _;
use x11rb::protocol::xinput::{ConnectionExt as _, Device, EventMask, XIEventMask};
use x11rb::protocol::xproto::{ConnectionExt as _, InputFocus};
use x11rb::rust_connection::RustConnection;

use crate::machine;
use crate::path::{Stage, end};
use crate::random::Random;
use crate::report::{Report, Sample, word};
use crate::stand_in::{StandIn, text};

/// Events of each run.
const EVENTS: u32 = 900;
/// How long a message may take.
const LIMIT: Duration = Duration::from_secs(5);
/// What is copied and pasted.
const CLIPBOARD_BYTES: usize = 48 << 20;
/// The same here, where it has to be told from the guest's.
const LOCAL_BYTES: usize = CLIPBOARD_BYTES + 1;
/// How long the picture is watched, with the clipboard busy or not.
const WATCHED: Nanos = Nanos::from_millis(6_000);
/// Until the programs run evenly.
const WARM_UP: Duration = Duration::from_millis(1_500);

const FULL_HD: Size = Size::new(1920, 1080);
const KEY_A: u32 = 30;
const BTN_LEFT: u32 = 0x110;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// From event to message.
    Latency,
    /// Frame intervals while texts are copied and pasted.
    Clipboard,
}

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct InputOptions {
    /// Also writes everything to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Runs of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Measures only this; may be given several times.
    #[arg(long)]
    only: Vec<Part>,
}

/// Measures, prints, and writes the file if one is wanted.
///
/// # Errors
/// If a measurement cannot be made.
pub fn run(options: &InputOptions) -> anyhow::Result<()> {
    let mut report = Report::new(machine::describe(), headline);
    report.load(machine::load());
    for part in [Part::Latency, Part::Clipboard] {
        if !options.only.is_empty() && !options.only.contains(&part) {
            continue;
        }
        for number in 0..options.runs {
            eprintln!("{part:?}, run {} of {}", number + 1, options.runs);
            match part {
                Part::Latency => latency(&mut report, number.into())?,
                Part::Clipboard => clipboard(&mut report)?,
            }
            report.load(machine::load());
        }
    }
    report.publish(options.json.as_deref())
}

fn headline(report: &Report) -> String {
    format!(
        "input: p50 {} us p99 {} us, allocations per event {}",
        word(report.median("latency", "event to message, p50"), 0),
        word(report.median("latency", "event to message, p99"), 0),
        word(report.median("latency", "allocations per event"), 1),
    )
}

/// The stage of the path's benchmark, with a SPICE server that the client is connected to.
struct Desk {
    stage: Stage,
    client: Process,
    server: StandIn,
    user: XInput,
    _painter: Process,
}

impl Desk {
    /// Starts everything; `None` without Xvfb.
    fn build() -> anyhow::Result<Option<Self>> {
        let Some(stage) = Stage::build(FULL_HD)? else {
            return Ok(None);
        };
        let painter = stage.paint(100)?;
        let server = StandIn::start(&std::env::current_exe()?)?;
        let socket = server.socket.display();
        let options = [
            "spice:enable=yes".to_owned(),
            format!("spice:host={socket}"),
            "spice:port=0".to_owned(),
        ];
        let mut client = stage.client_with("software", &options)?;
        stage.expect_picture(&mut stage.watcher()?, &mut client)?;
        let user = XInput::connect(stage.sink())?;
        focus(&user)?;
        user.move_to(900, 500)?;
        let desk = Self {
            stage,
            client,
            server,
            user,
            _painter: painter,
        };
        desk.wait_for_session()?;
        std::thread::sleep(WARM_UP);
        while desk.server.next_input(Duration::ZERO).is_some() {}
        Ok(Some(desk))
    }

    /// Types until a key arrives: the picture may be there before the session is.
    fn wait_for_session(&self) -> anyhow::Result<()> {
        let deadline = MonotonicClock.now() + Nanos::from(LIMIT);
        while MonotonicClock.now() < deadline {
            self.user.tap(KEY_A)?;
            if self.server.next_input(Duration::from_millis(200)).is_some() {
                return Ok(());
            }
        }
        anyhow::bail!("no key arrives: {}", self.client.output())
    }

    /// Lets the user do something, and tells how long its message took.
    fn time(
        &self,
        act: impl FnOnce(&XInput) -> anyhow::Result<()>,
        kind: u16,
    ) -> anyhow::Result<Nanos> {
        let start = MonotonicClock.now();
        act(&self.user)?;
        loop {
            let (time, arrived) = self
                .server
                .next_input(LIMIT)
                .context("the message does not arrive")?;
            if arrived == kind {
                return Ok(time - start);
            }
        }
    }
}

/// Gives the keyboard to the largest window there is: nobody manages them here.
pub(crate) fn focus(user: &XInput) -> anyhow::Result<()> {
    let conn = user.connection();
    let tree = conn.query_tree(user.root())?.reply()?;
    let mut largest = (0_u32, user.root());
    for window in tree.children {
        let geometry = conn.get_geometry(window)?.reply()?;
        let area = u32::from(geometry.width) * u32::from(geometry.height);
        largest = largest.max((area, window));
    }
    conn.set_input_focus(InputFocus::PARENT, largest.1, x11rb::CURRENT_TIME)?
        .check()?;
    Ok(())
}

fn latency(report: &mut Report, seed: u64) -> anyhow::Result<()> {
    let Some(desk) = Desk::build()? else {
        report.note("input not measured: there is no Xvfb".into());
        return Ok(());
    };
    let mut random = Random::new(seed + 1);
    let mut all = Percentiles::new();
    for event in 0..EVENTS {
        // Out of step with the frames.
        std::thread::sleep(Duration::from_micros(2_000 + random.below(8_000)));
        let is_press = event % 2 == 0;
        let taken = match event / 2 % 3 {
            0 => desk.time(
                |user| user.key(KEY_A, is_press),
                if is_press { 101 } else { 102 },
            ),
            1 => desk.time(
                |user| user.button(BTN_LEFT, is_press),
                if is_press { 113 } else { 114 },
            ),
            _ => desk.time(
                |user| user.move_by(if is_press { 5 } else { -5 }, 3 - 6 * i16::from(is_press)),
                111,
            ),
        };
        all.add(taken?);
    }
    let us = |percent| {
        all.percentile(percent)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    };
    report.add(Sample::new("latency", "event to message, p50", "us", us(50.0)).at_most(250.0));
    report.add(Sample::new(
        "latency",
        "event to message, p99",
        "us",
        us(99.0),
    ));
    let alone = to_a_client_alone(&desk)?;
    report.add(Sample::new(
        "latency",
        "XTEST to an X client alone, p50",
        "us",
        alone,
    ));
    end(desk.client)?;
    if let Some(count) = event_path::allocations(&std::env::current_exe()?)? {
        report.add(Sample::new("latency", "allocations per event", "", count));
    }
    Ok(())
}

/// Half of the times from XTEST to a client that does nothing but listen, on the same server, in microseconds.
fn to_a_client_alone(desk: &Desk) -> anyhow::Result<f64> {
    let arrivals = listen(desk.stage.sink())?;
    let mut all = Percentiles::new();
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(5));
        let start = MonotonicClock.now();
        desk.user.move_by(1, 0)?;
        let time = arrivals.recv_timeout(LIMIT)?;
        all.add(time - start);
        desk.user.move_by(-1, 0)?;
        arrivals.recv_timeout(LIMIT)?;
    }
    Ok(all
        .median()
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6))
}

/// Listens to the raw motion of a display on a thread of its own.
fn listen(display: &str) -> anyhow::Result<Receiver<Nanos>> {
    let (conn, screen) = RustConnection::connect(Some(display))?;
    let root = conn.setup().roots.get(screen).context("a screen")?.root;
    conn.xinput_xi_query_version(2, 2)?.reply()?;
    let mask = EventMask {
        deviceid: Device::ALL_MASTER.into(),
        mask: vec![XIEventMask::RAW_MOTION],
    };
    conn.xinput_xi_select_events(root, &[mask])?.check()?;
    let (sender, arrivals) = channel();
    std::thread::spawn(move || {
        while conn.wait_for_event().is_ok() {
            if sender.send(MonotonicClock.now()).is_err() {
                return;
            }
        }
    });
    Ok(arrivals)
}

/// One pair: the picture without and with a busy clipboard.
fn clipboard(report: &mut Report) -> anyhow::Result<()> {
    if !testkit::has_program("xclip", "clipboard benchmark") {
        report.note("clipboard not measured: there is no xclip".into());
        return Ok(());
    }
    let Some(mut desk) = Desk::build()? else {
        report.note("clipboard not measured: there is no Xvfb".into());
        return Ok(());
    };
    let mut watcher = desk.stage.watcher()?;
    let p95 = |intervals: &Percentiles| {
        intervals
            .percentile(95.0)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let without = watcher.watch(WATCHED, &AtomicBool::new(false))?;
    let display = desk.stage.sink().to_owned();
    let server = &mut desk.server;
    let (with, taken) = std::thread::scope(|scope| {
        let busy = scope.spawn(|| copy_and_paste(&display, server));
        let with = watcher.watch(WATCHED, &AtomicBool::new(false));
        let taken = busy
            .join()
            .map_err(|_| anyhow::anyhow!("copying panicked"))?;
        anyhow::Ok((with?, taken?))
    })?;
    let (without, with) = (p95(&without.intervals), p95(&with.intervals));
    report.add(Sample::new(
        "clipboard",
        "p95 of the frame interval without",
        "ms",
        without,
    ));
    report.add(Sample::new(
        "clipboard",
        "p95 of the frame interval with",
        "ms",
        with,
    ));
    report.add(Sample::new("clipboard", "with, of without", "", with / without).at_most(1.1));
    for (name, taken) in ["48 MiB from the guest", "48 MiB to the guest"]
        .iter()
        .zip(taken)
    {
        report.add(Sample::new("clipboard", *name, "s", taken.as_secs_f64()));
    }
    end(desk.client)
}

/// Copies and pastes once in each direction; how long each took.
fn copy_and_paste(display: &str, server: &mut StandIn) -> anyhow::Result<[Nanos; 2]> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), text(LOCAL_BYTES))?;
    let xclip = |arguments: &[&str]| {
        let mut command = Command::new("xclip");
        command
            .env("DISPLAY", display)
            .args(["-selection", "clipboard"])
            .args(arguments)
            .stdin(Stdio::null());
        command
    };
    server.copy(CLIPBOARD_BYTES)?;
    // The grab is on its way; a program that asks too early finds nothing.
    std::thread::sleep(Duration::from_millis(500));
    let start = MonotonicClock.now();
    let output = xclip(&["-o", "-t", "UTF8_STRING"]).output()?;
    let from_guest = MonotonicClock.now() - start;
    ensure!(
        output.stdout.len() == CLIPBOARD_BYTES,
        "the guest's text does not arrive"
    );
    let path = file.path().to_string_lossy().into_owned();
    xclip(&["-i", &path]).stdout(Stdio::null()).status()?;
    std::thread::sleep(Duration::from_millis(500));
    let start = MonotonicClock.now();
    ensure!(server.paste()? == LOCAL_BYTES, "our text does not arrive");
    Ok([from_guest, MonotonicClock.now() - start])
}
