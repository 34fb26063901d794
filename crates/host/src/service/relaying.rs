//! The capture thread: from a source of pictures into the shared memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clock::{Clock as _, MonotonicClock, Nanos};
use kvmfr::FrameFlags;
use relay::Waker;
use relay::publisher::{Image, PublishError, Publisher};

use super::open_capture;
use crate::capture::{Capture, CaptureError, CapturedImage};
use crate::config::Settings;
use crate::pace::Pace;
use crate::stats::Stats;

/// New subscribers are looked for at least this often.
const LOOK: Nanos = Nanos::from_millis(20);
/// While the clients are busy, how often room is looked for; they cannot tell.
const ROOM_LOOK: Nanos = Nanos::from_micros(500);
/// How long after a picture that could not be had the next is tried.
const RETRY: Nanos = Nanos::from_millis(20);
/// How long a lost display server is waited for before the next attempt to reach it.
const RECONNECT: Nanos = Nanos::from_millis(1000);

/// What the capture thread works with.
pub(super) struct Relaying {
    pub(super) settings: Settings,
    /// `None` while the display server is gone.
    pub(super) capture: Option<Box<dyn Capture + Send>>,
    pub(super) publisher: Publisher,
    pub(super) waker: Waker,
    pub(super) is_over: Arc<AtomicBool>,
    pub(super) stats: Option<Stats>,
    pub(super) pace: Pace,
    /// Nobody looks.
    pub(super) is_idle: bool,
    /// Why the last picture was not published; told once.
    pub(super) failure: Option<PublishError>,
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Memory(PublishError),
}

impl Relaying {
    /// Relays until it is over, the source has ended, or something is broken for good.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        while !self.is_over.load(Ordering::Relaxed) {
            if let Some(stats) = &mut self.stats {
                stats.tick();
            }
            match self.round() {
                Ok(()) => {}
                Err(RoundError::Capture(CaptureError::Ended)) => return Ok(()),
                Err(RoundError::Capture(error @ CaptureError::Lost(_))) => {
                    tracing::warn!("{error}; trying again each second");
                    self.capture = None;
                    // Whoever comes now is not shown what is no longer there.
                    self.publisher.forget_frame();
                }
                Err(RoundError::Capture(error)) => return Err(error.into()),
                Err(RoundError::Memory(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for one change and relays it.
    fn round(&mut self) -> Result<(), RoundError> {
        let Some(capture) = &mut self.capture else {
            return self.reconnect();
        };
        if !self.publisher.has_subscribers() {
            // Nobody looks: capture nothing.
            self.is_idle = true;
            capture.rest()?;
            self.pause(LOOK);
            return Ok(());
        }
        // What changed meanwhile is unknown; and a new session has no picture at all.
        if std::mem::take(&mut self.is_idle) | self.publisher.needs_frame() {
            capture.invalidate();
        }
        self.publisher.serve_new_subscribers();
        let deadline = MonotonicClock.now() + LOOK;
        let due = capture.wait(&self.waker, self.pace.image_from(), deadline)?;
        if due.pointer
            && let Some(update) = capture.pointer()?
            && let Err(error) = self.publisher.publish_pointer(&update)
        {
            tracing::debug!(%error, "the pointer has to wait");
        }
        if !due.image {
            return Ok(());
        }
        let now = MonotonicClock.now();
        if !self.publisher.has_room() {
            // A picture fetched now would be old when it can go out.
            self.pace.retry_at(now + ROOM_LOOK);
            return Ok(());
        }
        match capture.image()? {
            Some(image) => {
                self.pace.fetched(now);
                let result = publish(&mut self.publisher, &image, &mut self.stats);
                self.judge(result)
            }
            None => {
                self.pace.retry_at(now + RETRY);
                Ok(())
            }
        }
    }

    /// Says what kept a picture from being published, once; ends on what cannot get better.
    fn judge(&mut self, result: Result<(), PublishError>) -> Result<(), RoundError> {
        let Err(error) = result else {
            self.failure = None;
            return Ok(());
        };
        self.pace.retry_at(MonotonicClock.now() + RETRY);
        match error {
            PublishError::Faulted => return Err(RoundError::Memory(error)),
            PublishError::Busy | PublishError::LockTimeout | PublishError::SessionLost => {
                tracing::debug!(%error, "a picture has to wait");
            }
            error if self.failure.as_ref() != Some(&error) => {
                tracing::warn!("nothing can be shown: {error}");
                self.failure = Some(error);
            }
            _ => {}
        }
        Ok(())
    }

    fn reconnect(&mut self) -> Result<(), RoundError> {
        match open_capture(&self.settings) {
            Ok(capture) => {
                tracing::info!("the display server is back");
                self.capture = Some(capture);
            }
            Err(error @ (CaptureError::Unreachable(_) | CaptureError::Lost(_))) => {
                tracing::debug!("{error}");
                self.pause(RECONNECT);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Does nothing for a while, or until the waker is rung.
    fn pause(&self, time: Nanos) {
        self.waker.wait(time.to_duration());
        self.waker.take();
    }
}

fn publish(
    publisher: &mut Publisher,
    image: &CapturedImage<'_>,
    stats: &mut Option<Stats>,
) -> Result<(), PublishError> {
    let start = MonotonicClock.now();
    let result = publisher.publish(&Image {
        layout: image.layout,
        pixels: image.pixels,
        damage: image.damage,
        flags: FrameFlags::empty(),
    });
    if let Some(stats) = stats {
        stats.frame(image.damage, MonotonicClock.now() - start, &result);
    }
    result.map(drop)
}
