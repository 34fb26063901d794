//! The view thread: reads the relay, takes frames over, draws. Everything that costs time happens here, in one place.

use std::sync::mpsc::{Receiver, Sender};

use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::PixelStream as _;
use picture::{Damage, FrameLayout, PixelFormat, Size};
use relay::Waker;
use relay::{Event, Frame, SessionInfo};
use testcard::{Rows, STAMP_SIZE, Stamp};

use crate::memory::Relay;
use crate::renderer::{Renderer, Shown};
use crate::session::{FrameNotes, Session, WindowCommand};
use crate::stats::Stats;

/// How soon a drawing is tried again that the display server had no buffer for, if it does not say when it has.
const BUSY_RETRY: Nanos = Nanos::from_millis(16);

/// Most events of the relay that are taken in before a drawing.
const EVENTS_A_DRAWING: u32 = 4;

/// What the main thread tells the view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ViewCommand {
    /// The window has this size now, in buffer pixels, and this scale.
    Resized(Size, f64),
    /// The window's content was lost.
    Exposed,
    /// The display server has a buffer again.
    Ready,
    /// The program ends.
    Quit,
}

/// What the view tells the main thread.
#[derive(Debug)]
pub enum ViewReport {
    /// The window is asked for something.
    Window(WindowCommand),
    /// The view has ended because it could not go on.
    Failed(anyhow::Error),
}

/// The main thread's ends of the channels.
pub struct Reports {
    /// Where reports go.
    pub sender: Sender<ViewReport>,
    /// Makes the main thread look.
    pub wake: Box<dyn Fn() + Send>,
}

/// All that the view thread owns.
pub struct View {
    /// The memory and its reader.
    pub relay: Relay,
    /// Ends the reader's wait when there is a command.
    pub waker: Waker,
    /// What is shown.
    pub session: Session,
    /// Who draws it.
    pub renderer: Box<dyn Renderer>,
    /// What the main thread wants.
    pub commands: Receiver<ViewCommand>,
    /// Whom to tell.
    pub reports: Reports,
    /// Where figures go, if they are wanted.
    pub stats: Option<Stats>,
    /// How many sessions are worth a line in the log.
    pub ration: LogRation,
}

/// Keeps a guest that begins session after session from filling the log.
#[derive(Debug, Default)]
pub struct LogRation {
    left: u32,
    last: Nanos,
}

impl LogRation {
    /// Messages at once, and after that one each [`Self::INTERVAL`].
    const BURST: u32 = 8;
    const INTERVAL: Nanos = Nanos::from_millis(2000);

    /// Tells whether a message may be logged at `now`, and counts it.
    pub fn allows(&mut self, now: Nanos) -> bool {
        let earned = (now - self.last).0 / Self::INTERVAL.0;
        if earned > 0 {
            self.last = now;
            self.left = u32::try_from(earned).map_or(Self::BURST, |e| {
                (self.left.saturating_add(e)).min(Self::BURST)
            });
        }
        let is_allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_allowed
    }
}

/// What is known of the frame that was taken over last and not drawn yet.
#[derive(Default)]
struct Fresh {
    stamp: Option<Nanos>,
    last_serial: Option<u32>,
}

impl View {
    /// Runs until [`ViewCommand::Quit`] or until nothing can be drawn any more, which is reported.
    pub fn run(mut self) {
        if let Err(error) = self.run_until_quit() {
            let _ = self.reports.sender.send(ViewReport::Failed(error));
            (self.reports.wake)();
        }
    }

    fn run_until_quit(&mut self) -> anyhow::Result<()> {
        let renderer = self.renderer.describe();
        let mut damage = Damage::NONE;
        let mut fresh = Fresh::default();
        let mut retry = None;
        while self.take_commands() {
            let now = MonotonicClock.now();
            let note = self.session.tick(now);
            if retry.is_some_and(|at| now >= at) {
                self.session.draw_again();
            }
            if self.session.take_needs_draw() {
                retry = self.draw(now, &mut fresh)?;
            }
            let look = self.look_for_memory(now);
            let stats = self.stats.as_mut().map(|stats| {
                stats.tick(now, &renderer, self.session.missing_link());
                stats.due()
            });
            self.report();
            // What has come together is drawn together: only the first look may wait.
            let mut deadline = [note, retry, look, stats].into_iter().flatten().min();
            for _ in 0..EVENTS_A_DRAWING {
                if !self.take_event(deadline, &mut damage, &mut fresh) {
                    break;
                }
                deadline = Some(now);
            }
        }
        Ok(())
    }

    /// Does what the main thread wants; false if it wants the end.
    fn take_commands(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                ViewCommand::Resized(size, scale) => {
                    self.renderer.resize(size);
                    self.session.window_changed(scale);
                }
                ViewCommand::Exposed => {
                    self.renderer.invalidate();
                    self.session.draw_again();
                }
                ViewCommand::Ready => self.session.draw_again(),
                ViewCommand::Quit => return false,
            }
        }
        true
    }

    /// While the host is missing, opens the memory anew if it was replaced; returns when to look again.
    fn look_for_memory(&mut self, now: Nanos) -> Option<Nanos> {
        self.session.missing_link()?;
        match self.relay.renew(now) {
            Ok(next_look) => Some(next_look),
            Err((error, next_look)) => {
                self.session.missing(error.to_string(), now);
                Some(next_look)
            }
        }
    }

    /// Takes one thing in that happened until `deadline`; tells whether there was one of the relay's.
    fn take_event(
        &mut self,
        deadline: Option<Nanos>,
        damage: &mut Damage,
        fresh: &mut Fresh,
    ) -> bool {
        match self.relay.reader.next(&self.waker, deadline) {
            Event::Connected(info) => {
                if self.ration.allows(MonotonicClock.now()) {
                    log_session(info);
                }
                self.session.connected();
            }
            Event::Missing(link) => {
                let now = MonotonicClock.now();
                if self.ration.allows(now) {
                    tracing::info!("{link}");
                }
                self.session.missing(link.to_string(), now);
            }
            Event::Frame(frame) => take_over(
                frame,
                self.renderer.as_mut(),
                &mut self.session,
                self.stats.as_mut(),
                damage,
                fresh,
            ),
            Event::Pointer(update) => {
                self.session.pointer(update.state, update.shape);
                if let Some(stats) = &mut self.stats {
                    stats.pointer();
                }
            }
            _ => return false,
        }
        true
    }

    /// Draws the scene; returns when to try again if the display server was busy.
    fn draw(&mut self, start: Nanos, fresh: &mut Fresh) -> anyhow::Result<Option<Nanos>> {
        match self.renderer.draw(&self.session.scene())? {
            Shown::Busy => Ok(Some(start + BUSY_RETRY)),
            Shown::Yes => {
                if let Some(stats) = &mut self.stats {
                    let end = MonotonicClock.now();
                    stats.drawn(end, end - start, fresh.stamp.take());
                }
                Ok(None)
            }
        }
    }

    fn report(&mut self) {
        let mut is_any = false;
        for command in self.session.take_commands() {
            is_any |= self
                .reports
                .sender
                .send(ViewReport::Window(command))
                .is_ok();
        }
        if is_any {
            (self.reports.wake)();
        }
    }
}

fn take_over(
    mut frame: Frame<'_>,
    renderer: &mut dyn Renderer,
    session: &mut Session,
    stats: Option<&mut Stats>,
    damage: &mut Damage,
    fresh: &mut Fresh,
) {
    let start = MonotonicClock.now();
    let layout = *frame.layout();
    damage.clone_from(frame.damage());
    let notes = FrameNotes {
        layout,
        wants_screen_on: frame.wants_screensaver_inhibited(),
        wants_attention: frame.wants_activation(),
        is_truncated: frame.is_truncated(),
        recommended_mib: frame.recommended_size_mib(),
    };
    let uploaded = renderer.upload(&layout, damage, &mut frame);
    let stamp = if stats.is_some() && uploaded.is_ok() {
        stamp_of(&frame, &layout)
    } else {
        None
    };
    let result = match uploaded {
        Ok(()) => frame.finish().map_err(anyhow::Error::from),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => {
            session.frame(&notes, MonotonicClock.now());
            // A stamp that was shown before says nothing about this frame.
            let is_new = stamp.is_some_and(|stamp| fresh.last_serial != Some(stamp.serial));
            fresh.last_serial = stamp.map(|stamp| stamp.serial);
            fresh.stamp = stamp.filter(|_| is_new).map(time_of);
            if let Some(stats) = stats {
                stats.frame(MonotonicClock.now() - start);
            }
        }
        Err(error) => {
            tracing::debug!("frame dropped: {error:#}");
            if let Some(stats) = stats {
                stats.dropped();
            }
        }
    }
}

/// Reads the test pattern's stamp from the frame's first rows, if it carries one.
fn stamp_of(frame: &Frame<'_>, layout: &FrameLayout) -> Option<Stamp> {
    let bytes_per_pixel = match layout.format {
        PixelFormat::Bgra8 | PixelFormat::Rgba8 => 4,
        PixelFormat::Bgr24Packed | PixelFormat::Rgb24 => 3,
        PixelFormat::Rgba10 | PixelFormat::Rgba16F => return None,
    };
    let pitch_bytes = STAMP_SIZE.width as usize * bytes_per_pixel;
    let mut bytes = [0; (STAMP_SIZE.width * STAMP_SIZE.height * 4) as usize];
    for (y, row) in bytes
        .chunks_exact_mut(pitch_bytes)
        .take(STAMP_SIZE.height as usize)
        .enumerate()
    {
        frame
            .pixels()
            .copy_to(y * layout.pitch_bytes as usize, row)
            .ok()?;
    }
    testcard::read_stamp(
        &Rows {
            bytes: &bytes,
            pitch_bytes,
            bytes_per_pixel,
        },
        (0, 0),
    )
}

fn time_of(stamp: Stamp) -> Nanos {
    Nanos(i64::try_from(stamp.time_ns).unwrap_or(0))
}

fn log_session(info: &SessionInfo) {
    tracing::info!(
        "connected to host \"{}\" ({})",
        info.host_version(),
        info.kvmfr
    );
    if let Some(vm) = &info.description.vm {
        tracing::info!(
            "guest: {} ({} CPUs, {} cores, {} sockets), captured by {}",
            vm.model,
            vm.cpus,
            vm.cores,
            vm.sockets,
            vm.capture
        );
    }
    if let Some(os) = &info.description.os {
        tracing::info!("guest: {}", os.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_fill_the_log() {
        let mut ration = LogRation::default();
        let hour = Nanos::from_millis(3_600_000);
        let mut logged = |from: Nanos, count: i64| {
            (0..count)
                .filter(|i| ration.allows(from + Nanos::from_millis(*i)))
                .count()
        };
        assert_eq!(logged(hour, 1000), 8, "a burst");
        assert_eq!(logged(hour + Nanos::from_millis(3000), 1000), 1);
        assert_eq!(logged(hour + hour, 1000), 8, "rested");
    }
}
