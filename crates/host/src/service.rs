//! The running host: the tick on the main thread, capture and publication on another.

mod relaying;
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::{SharedMemory, Source};
use kvmfr::Features;
use relay::Waker;
use relay::publisher::{PublishError, Publisher, PublisherOptions, Service};

use crate::capture::{Capture, CaptureError, TestCapture, XcbCapture};
use crate::config::{CaptureChoice, Settings};
use crate::identity;
use crate::pace::Pace;
use crate::stats::Stats;
use relaying::Relaying;
use stage::Stage;

/// The heartbeat of LGMP: clients give a host up after a second without one.
const TICK: Duration = Duration::from_millis(10);

/// How long the capture thread may take to end. A display server that hangs holds it for longer; the process ends
/// without it then.
const END_LIMIT: Nanos = Nanos::from_millis(500);

/// Holds queues, pointer pictures and two small frames; the size to ask for when less turned out to be too little.
const LEAST_MEMORY: usize = 16 << 20;

/// Runs the host until `is_over` is set or the pattern ends.
///
/// # Errors
/// If the memory or the display cannot be opened, or fails for good.
pub fn run(settings: &Settings, is_over: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let capture = open_capture(settings)?;
    let memory = open_memory(settings)?;
    let mover = capture.mover();
    let features = match &mover {
        Some(_) => Features::SET_CURSOR_POSITION,
        None => Features::empty(),
    };
    let publisher = publisher(settings, &memory, capture.name(), features)?;
    let service = publisher.service();
    let waker = Waker::new().context("making the capture thread's waker")?;
    let stage = Arc::new(Stage::new(publisher, mover, waker, Arc::clone(is_over)));
    let stats = settings.run.stats.as_deref();
    let relaying = Relaying {
        settings: settings.clone(),
        stage: Arc::clone(&stage),
        capture: Some(capture),
        stats: stats.map(Stats::create).transpose()?,
        pace: Pace::new(settings.app.throttle_fps),
        is_idle: true,
        failure: None,
    };
    let thread = std::thread::Builder::new()
        .name("capture".into())
        .spawn(move || relaying.run())
        .context("starting the capture thread")?;
    serve(service, thread, &stage)
}

/// Ticks until it is over or the capture thread has ended, and sees that both end.
fn serve(
    mut service: Service,
    thread: JoinHandle<anyhow::Result<()>>,
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut fault = None;
    let mut end = None;
    let mut is_watched = false;
    while !thread.is_finished() {
        let now = MonotonicClock.now();
        if stage.is_over.load(Ordering::Relaxed) {
            stage.waker.wake();
            if now > *end.get_or_insert(now + END_LIMIT) {
                tracing::warn!("ended while the display server does not answer");
                return fault.map_or(Ok(()), |fault: PublishError| Err(fault.into()));
            }
        }
        match service.tick(now, |request| stage.act(request)) {
            // The capture thread has a new session to fill.
            Ok(tick) if tick.has_restarted => stage.waker.wake(),
            Ok(_) => {}
            Err(error @ PublishError::Faulted) => {
                stage.is_over.store(true, Ordering::Relaxed);
                fault = Some(error);
            }
            Err(error) => tracing::debug!(%error, "no session yet"),
        }
        stage.catch_up();
        is_watched = stage.serve_newcomers(is_watched);
        std::thread::sleep(TICK);
    }
    let captured = thread
        .join()
        .map_err(|_| anyhow::anyhow!("the capture thread panicked"))?;
    fault.map_or(captured, |fault| Err(fault.into()))
}

fn open_memory(settings: &Settings) -> anyhow::Result<Arc<SharedMemory>> {
    let source = Source::parse(&settings.app.shm_file)?;
    let memory = SharedMemory::open(&source)?;
    tracing::info!(%source, mib = memory.len() >> 20, "shared memory");
    Ok(Arc::new(memory))
}

fn publisher(
    settings: &Settings,
    memory: &Arc<SharedMemory>,
    capture: &str,
    features: Features,
) -> anyhow::Result<Publisher> {
    let version = settings.app.kvmfr_version;
    let options = PublisherOptions {
        version,
        description: identity::describe(capture, features),
    };
    let publisher = Publisher::new(Arc::clone(memory), options)
        .map_err(|error| {
            // Too small is what it mostly is, and the check knows the remedy.
            let too_small = memory.check_size(LEAST_MEMORY).err();
            too_small.map_or(error.into(), anyhow::Error::from)
        })
        .context("setting up the shared memory")?;
    tracing::info!(%version, capture, "ready");
    Ok(publisher)
}

fn open_capture(settings: &Settings) -> Result<Box<dyn Capture + Send>, CaptureError> {
    Ok(match settings.app.capture {
        CaptureChoice::Test => Box::new(TestCapture::new(&settings.test)),
        CaptureChoice::Xcb => Box::new(XcbCapture::open(None)?),
    })
}
