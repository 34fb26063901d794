//! The capture thread: from a source of pictures into the shared memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clock::{Clock as _, MonotonicClock, Nanos};
use kvmfr::FrameFlags;
use relay::publisher::{Image, PublishError};

use super::open_capture;
use super::stage::Stage;
use crate::capture::{Capture, CaptureError, CapturedImage};
use crate::config::Settings;
use crate::pace::Pace;
use crate::stats::Stats;

/// The thread looks around at least this often, for the statistics.
const LOOK: Nanos = Nanos::from_millis(1000);
/// How often a source is asked to take note of what has happened while nobody looks.
const REST: Nanos = Nanos::from_millis(100);
/// How long after a picture that could not be had the next is tried.
const RETRY: Nanos = Nanos::from_millis(20);
/// The same if only another size of screen or memory can help.
const LONG_RETRY: Nanos = Nanos::from_millis(1000);
/// How long a lost display server is waited for before the next attempt to reach it.
const RECONNECT: Nanos = Nanos::from_millis(1000);

/// What the capture thread works with.
pub(super) struct Relaying {
    pub(super) settings: Settings,
    pub(super) stage: Arc<Stage>,
    /// `None` while the display server is gone.
    pub(super) capture: Option<Box<dyn Capture + Send>>,
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
        while !self.stage.is_over.load(Ordering::Relaxed) {
            if let Some(stats) = &mut self.stats {
                stats.tick();
            }
            match self.round() {
                Ok(()) => {}
                Err(RoundError::Capture(CaptureError::Ended)) => return Ok(()),
                Err(RoundError::Capture(error @ CaptureError::Lost(_))) => {
                    tracing::warn!("{error}; trying again each second");
                    self.capture = None;
                    self.stage.set_mover(None);
                    // Whoever comes now is not shown what is no longer there.
                    self.stage.publisher().forget_frame();
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
        let (is_watched, needs_frame) = {
            let mut publisher = self.stage.publisher();
            (publisher.has_subscribers(), publisher.needs_frame())
        };
        if !is_watched {
            // Nobody looks: capture nothing.
            self.is_idle = true;
            capture.rest()?;
            self.pause(REST);
            return Ok(());
        }
        // What changed meanwhile is unknown; and a new session has no picture at all.
        if std::mem::take(&mut self.is_idle) || needs_frame {
            capture.invalidate();
        }
        let deadline = MonotonicClock.now() + LOOK;
        let due = capture.wait(&self.stage.waker, self.pace.image_from(), deadline)?;
        if due.pointer
            && let Some(update) = capture.pointer()?
            && let Err(error) = self.stage.publisher().publish_pointer(&update)
        {
            tracing::debug!(%error, "the pointer has to wait");
        }
        if !due.image {
            return Ok(());
        }
        let now = MonotonicClock.now();
        let has_room = self.stage.publisher().has_room();
        self.pace.found_room(has_room, now);
        if !has_room {
            // A picture fetched now would be old when it can go out.
            return Ok(());
        }
        match capture.image()? {
            Some(image) => {
                self.pace.fetched(now);
                let result = publish(&self.stage, &image, &mut self.stats);
                self.judge(result)
            }
            None => {
                self.pace.retry_at(now + RETRY);
                Ok(())
            }
        }
    }

    /// Sees that a picture that was not published is fetched again; ends on what cannot get better.
    fn judge(&mut self, result: Result<(), PublishError>) -> Result<(), RoundError> {
        let Err(error) = result else {
            self.failure = None;
            return Ok(());
        };
        let now = MonotonicClock.now();
        match error {
            PublishError::Faulted => return Err(RoundError::Memory(error)),
            PublishError::TooSmall { .. }
            | PublishError::Unsupported { .. }
            | PublishError::Layout(_) => {
                self.pace.retry_at(now + LONG_RETRY);
                if self.failure.as_ref() != Some(&error) {
                    tracing::warn!("nothing can be shown: {error}");
                }
                self.failure = Some(error);
            }
            error => {
                tracing::debug!(%error, "a picture has to wait");
                self.pace.retry_at(now + RETRY);
                // Perhaps nothing else changes, and this was the last picture for a long time.
                if let Some(capture) = &mut self.capture {
                    capture.invalidate();
                }
            }
        }
        Ok(())
    }

    fn reconnect(&mut self) -> Result<(), RoundError> {
        match open_capture(&self.settings) {
            Ok(capture) => {
                tracing::info!("the display server is back");
                self.stage.set_mover(capture.mover());
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
        self.stage.waker.wait(time.to_duration());
        self.stage.waker.take();
    }
}

fn publish(
    stage: &Stage,
    image: &CapturedImage<'_>,
    stats: &mut Option<Stats>,
) -> Result<(), PublishError> {
    let start = MonotonicClock.now();
    let published = Image {
        layout: image.layout,
        pixels: image.pixels,
        damage: image.damage,
        flags: FrameFlags::empty(),
    };
    let mut publisher = stage.publisher();
    let result = match image.told {
        Some(rects) => publisher.publish_telling(&published, rects),
        None => publisher.publish(&published),
    };
    drop(publisher);
    if let Some(stats) = stats {
        stats.frame(image.damage, MonotonicClock.now() - start, &result);
    }
    result.map(drop)
}
