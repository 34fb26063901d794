//! The running host: the tick on the main thread, capture and publication on another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::{SharedMemory, Source};
use kvmfr::FrameFlags;
use relay::Waker;
use relay::publisher::{
    ClientRequest, Image, PublishError, Published, Publisher, PublisherOptions,
};

use crate::capture::{Capture, CaptureError, Captured, TestCapture, XcbCapture};
use crate::config::{CaptureChoice, Settings};
use crate::identity;
use crate::stats::Stats;

/// The heartbeat of LGMP: clients give a host up after a second without one.
const TICK: Duration = Duration::from_millis(10);
/// The capture thread looks for new subscribers and at its stop flag at least this often.
const LOOK: Nanos = Nanos::from_millis(20);
/// How long a lost display server is waited for before the next attempt to reach it.
const RECONNECT: Nanos = Nanos::from_millis(1000);

/// Holds queues, pointer pictures and two small frames; the size to ask for when less turned out to be too little.
const LEAST_MEMORY: usize = 16 << 20;

/// Runs the host until a signal comes or the pattern ends.
///
/// # Errors
/// If the memory or the display cannot be opened.
pub fn run(settings: &Settings, is_over: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let capture = open_capture(settings)?;
    let source = Source::parse(&settings.app.shm_file)?;
    let memory = Arc::new(SharedMemory::open(&source)?);
    tracing::info!(%source, mib = memory.len() >> 20, "shared memory");
    let options = PublisherOptions {
        version: settings.app.kvmfr_version,
        description: identity::describe(capture.name()),
    };
    let publisher = Publisher::new(Arc::clone(&memory), options)
        .or_else(|error| {
            Err(memory
                .check_size(LEAST_MEMORY)
                .err()
                .map_or(error.into(), anyhow::Error::from))
        })
        .context("setting up the shared memory")?;
    tracing::info!(version = %settings.app.kvmfr_version, capture = capture.name(), "ready");
    let mut service = publisher.service();
    let waker = Waker::new().context("making the capture thread's waker")?;
    let stats = settings
        .run
        .stats
        .as_deref()
        .map(Stats::create)
        .transpose()?;
    let thread = CaptureThread {
        settings: settings.clone(),
        capture: Some(capture),
        publisher,
        waker: waker.clone(),
        is_over: Arc::clone(is_over),
        stats,
    };
    let thread = std::thread::Builder::new()
        .name("capture".into())
        .spawn(move || thread.run())
        .context("starting the capture thread")?;
    let mut fault = None;
    while !is_over.load(Ordering::Relaxed) && !thread.is_finished() {
        if let Err(error) = service.tick(MonotonicClock.now(), ignore) {
            match error {
                PublishError::Faulted => {
                    is_over.store(true, Ordering::Relaxed);
                    fault = Some(error);
                }
                _ => tracing::debug!(%error, "no session yet"),
            }
        }
        std::thread::sleep(TICK);
    }
    is_over.store(true, Ordering::Relaxed);
    waker.wake();
    let captured = thread
        .join()
        .map_err(|_| anyhow::anyhow!("the capture thread panicked"))?;
    fault.map_or(captured, |fault| Err(fault.into()))
}

/// No request of a client is offered yet, so none should come; it is acknowledged all the same.
fn ignore(request: ClientRequest) {
    tracing::debug!(?request, "ignored");
}

fn open_capture(settings: &Settings) -> anyhow::Result<Box<dyn Capture + Send>> {
    Ok(match settings.app.capture {
        CaptureChoice::Test => Box::new(TestCapture::new(&settings.test)),
        CaptureChoice::Xcb => Box::new(XcbCapture::open(None, settings.app.throttle_fps)?),
    })
}

struct CaptureThread {
    settings: Settings,
    /// `None` while the display server is gone.
    capture: Option<Box<dyn Capture + Send>>,
    publisher: Publisher,
    waker: Waker,
    is_over: Arc<AtomicBool>,
    stats: Option<Stats>,
}

impl CaptureThread {
    fn run(mut self) -> anyhow::Result<()> {
        let mut was_idle = true;
        while !self.is_over.load(Ordering::Relaxed) {
            let deadline = MonotonicClock.now() + LOOK;
            if let Some(stats) = &mut self.stats {
                stats.tick();
            }
            if !self.publisher.has_subscribers() {
                // Nobody looks: capture nothing.
                was_idle = true;
                self.waker.wait(LOOK.to_duration());
                self.waker.take();
                continue;
            }
            if std::mem::take(&mut was_idle)
                && let Some(capture) = &mut self.capture
            {
                capture.invalidate();
            }
            self.publisher.serve_new_subscribers();
            if !self.relay(deadline)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Captures and publishes once; false when the source has ended for good.
    fn relay(&mut self, deadline: Nanos) -> anyhow::Result<bool> {
        let Some(capture) = &mut self.capture else {
            self.reconnect();
            return Ok(true);
        };
        match capture.next(&self.waker, deadline) {
            Ok(captured) => {
                let start = MonotonicClock.now();
                let published = publish(&mut self.publisher, &captured);
                if let (Some(stats), Some(image)) = (&mut self.stats, &captured.image) {
                    stats.frame(
                        image.damage,
                        MonotonicClock.now() - start,
                        published.as_ref(),
                    );
                }
                match published {
                    Some(Err(error @ PublishError::Faulted)) => Err(error.into()),
                    Some(Err(error)) => {
                        tracing::debug!(%error, "frame dropped");
                        Ok(true)
                    }
                    _ => Ok(true),
                }
            }
            Err(CaptureError::Ended) => Ok(false),
            Err(error @ CaptureError::Lost(_)) => {
                tracing::warn!("{error}; trying again each second");
                self.capture = None;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn reconnect(&mut self) {
        match open_capture(&self.settings) {
            Ok(capture) => {
                tracing::info!("the display server is back");
                self.capture = Some(capture);
            }
            Err(error) => {
                tracing::debug!("{error:#}");
                let until = MonotonicClock.now() + RECONNECT;
                while MonotonicClock.now() < until && !self.is_over.load(Ordering::Relaxed) {
                    self.waker
                        .wait((until - MonotonicClock.now()).to_duration());
                    self.waker.take();
                }
            }
        }
    }
}

/// Publishes what was captured; tells what became of the image, if there was one.
fn publish(
    publisher: &mut Publisher,
    captured: &Captured<'_>,
) -> Option<Result<Published, PublishError>> {
    if let Some(pointer) = &captured.pointer
        && let Err(error) = publisher.publish_pointer(pointer)
    {
        tracing::debug!(%error, "pointer update dropped");
    }
    let image = captured.image.as_ref()?;
    Some(publisher.publish(&Image {
        layout: image.layout,
        pixels: image.pixels,
        damage: image.damage,
        flags: FrameFlags::empty(),
    }))
}
