//! The whole path: painted on one X server, captured by our host, shown by our client on another, seen there.

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clock::Nanos;
use picture::Size;
use rustix::process::Signal;
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::watch::{Seen, Watcher};
use testkit::x_server::XServer;

use crate::copy::ms;
use crate::report::{Report, Sample};

/// Pictures a second on the source.
pub(crate) const RATE: u32 = 60;
/// Until the programs run evenly.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// How long is measured.
const MEASURED: Nanos = Nanos::from_millis(6_000);
/// How long programs may take to come up.
pub(crate) const START: Nanos = Nanos::from_millis(15_000);

/// How long a program may take to end.
const END: Duration = Duration::from_secs(3);

const FULL_HD: Size = Size::new(1920, 1080);
const UHD: Size = Size::new(3840, 2160);

/// What is measured: renderer, size, changed share, and the targets (rate, median in ms) if there are any.
struct Case {
    renderer: &'static str,
    size: (&'static str, Size),
    share: u32,
    least_rate: Option<f64>,
    most_ms: Option<f64>,
}

const CASES: [Case; 6] = [
    case("software", ("1080p", FULL_HD), 100, Some(57.0), Some(15.0)),
    case("EGL", ("1080p", FULL_HD), 100, Some(40.0), Some(35.0)),
    case("software", ("1080p", FULL_HD), 1, None, Some(8.0)),
    case("EGL", ("1080p", FULL_HD), 1, None, Some(20.0)),
    case("software", ("4K", UHD), 100, None, None),
    case("EGL", ("4K", UHD), 100, None, None),
];

const fn case(
    renderer: &'static str,
    size: (&'static str, Size),
    share: u32,
    least_rate: Option<f64>,
    most_ms: Option<f64>,
) -> Case {
    Case {
        renderer,
        size,
        share,
        least_rate,
        most_ms,
    }
}

/// Measures each case once.
///
/// # Errors
/// If a program fails, or nothing is seen.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    for case in &CASES {
        let (size_name, size) = case.size;
        let Some(mut stage) = Stage::build(size)? else {
            report.note("whole path not measured: there is no Xvfb".into());
            return Ok(());
        };
        let _painter = stage.paint(case.share)?;
        let mut client = stage.client(case.renderer)?;
        let seen = stage.watch(&mut client)?;
        end(client)?;
        let name = |what: &str| {
            let (renderer, share) = (case.renderer, case.share);
            format!("{size_name} {renderer}, {share} % changed: {what}")
        };
        let rate = Sample::new("path", name("frames shown"), "/s", seen.rate());
        report.add(match case.least_rate {
            Some(least) => rate.at_least(least),
            None => rate,
        });
        let percentile = |percent| seen.latency.percentile(percent).map_or(f64::NAN, ms);
        let p50 = Sample::new("path", name("latency p50"), "ms", percentile(50.0));
        report.add(match case.most_ms {
            Some(most) => p50.at_most(most),
            None => p50,
        });
        report.add(Sample::new(
            "path",
            name("latency p99"),
            "ms",
            percentile(99.0),
        ));
        if seen.out_of_order > 0 {
            report.note(format!(
                "{}: {} frames out of order",
                name("order"),
                seen.out_of_order
            ));
        }
    }
    Ok(())
}

/// Ends a client the way its user does.
///
/// A killed one keeps its place in the queues for a second, in which the host can hardly post for the next one.
pub(crate) fn end(mut client: Process) -> anyhow::Result<()> {
    client.signal(Signal::TERM);
    let status = client.wait(END);
    status.with_context(|| format!("the client does not end: {}", client.output()))?;
    Ok(())
}

/// Two X servers with our host on the first.
pub(crate) struct Stage {
    size: Size,
    source: XServer,
    sink: XServer,
    shm: SharedFile,
    pub(crate) host: Process,
}

impl Stage {
    /// Starts servers and host; `None` without Xvfb.
    pub(crate) fn build(size: Size) -> anyhow::Result<Option<Self>> {
        let Some(source) = XServer::start(size.width, size.height)? else {
            return Ok(None);
        };
        let Some(sink) = XServer::start(size.width, size.height)? else {
            return Ok(None);
        };
        let mib = (size.area() * 4 * 2 + (16 << 20)) >> 20;
        let shm = SharedFile::create(mib.next_power_of_two())?;
        let mut command = programs::host(&shm)?;
        command
            .env("DISPLAY", source.display())
            .arg("app:capture=XCB");
        let host = Process::start(&mut command)?;
        Ok(Some(Self {
            size,
            source,
            sink,
            shm,
            host,
        }))
    }

    /// Starts the painter, as a process of its own.
    pub(crate) fn paint(&self, share: u32) -> anyhow::Result<Process> {
        let Size { width, height } = self.size;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["paint", "--display", self.source.display()])
            .args(["--size", &format!("{width}x{height}")])
            .args(["--rate", &RATE.to_string()])
            .args(["--damage-share", &share.to_string()]);
        Process::start(&mut command)
    }

    /// Starts the client, its window as large as the screen.
    pub(crate) fn client(&self, renderer: &str) -> anyhow::Result<Process> {
        self.client_with(renderer, &[])
    }

    /// The same with further options.
    pub(crate) fn client_with(
        &self,
        renderer: &str,
        options: &[String],
    ) -> anyhow::Result<Process> {
        let Size { width, height } = self.size;
        let mut command = programs::client(&self.shm)?;
        command
            .env("DISPLAY", self.sink.display())
            .arg(format!("app:renderer={renderer}"))
            .arg(format!("win:size={width}x{height}"))
            .args([
                "win:position=0x0",
                "win:borderless=yes",
                "win:quickSplash=yes",
                "win:alerts=no",
            ])
            .args(options);
        Process::start(&mut command)
    }

    /// The X server that the client shows its window on.
    pub(crate) fn sink(&self) -> &str {
        self.sink.display()
    }

    /// A watcher of what the client shows.
    pub(crate) fn watcher(&self) -> anyhow::Result<Watcher> {
        Watcher::open(self.sink.display(), (0, 0))
    }

    /// Waits until pictures arrive, and watches for a while.
    pub(crate) fn watch(&mut self, client: &mut Process) -> anyhow::Result<Seen> {
        let mut watcher = self.watcher()?;
        self.expect_picture(&mut watcher, client)?;
        std::thread::sleep(WARM_UP);
        watcher.watch(MEASURED, &AtomicBool::new(false))
    }

    /// Waits for the first picture; returns when it was seen.
    pub(crate) fn expect_picture(
        &self,
        watcher: &mut Watcher,
        client: &mut Process,
    ) -> anyhow::Result<Nanos> {
        let seen = watcher.first(START)?;
        if client.has_ended() {
            bail!("the client ended: {}", client.output());
        }
        seen.with_context(|| {
            let (host, client) = (self.host.output(), client.output());
            format!("nothing is shown; host:\n{host}\nclient:\n{client}")
        })
    }
}
