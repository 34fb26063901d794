//! Taking pictures over into the renderer, from whichever source.

use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::PixelStream as _;
use picture::{Damage, FrameLayout, PixelFormat};
use relay::Frame;
use testcard::{Rows, STAMP_SIZE, Stamp};

use crate::console::Console;
use crate::renderer::Renderer;
use crate::session::{FrameNotes, Session};
use crate::stats::Stats;

/// The console is taken over this often at most: its changes come in dozens of small pieces.
const CONSOLE_INTERVAL: Nanos = Nanos::from_micros(16_000);

/// Whose picture the renderer holds: the two must never mix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Held {
    /// None that is complete.
    #[default]
    Nothing,
    /// A relayed frame.
    Frame,
    /// A surface of the console.
    Surface(u32),
}

/// Takes pictures over, and remembers what was.
#[derive(Default)]
pub(super) struct TakeOver {
    held: Held,
    damage: Damage,
    /// The stamp in the frame that was taken over last and not drawn yet.
    stamp: Option<Nanos>,
    last_serial: Option<u32>,
    /// When the console is looked at next.
    next_surface: Nanos,
    /// A surface that the renderer cannot take.
    refused: Option<u32>,
}

impl TakeOver {
    /// The time in the last frame, if it was not drawn yet.
    pub(super) fn take_stamp(&mut self) -> Option<Nanos> {
        self.stamp.take()
    }

    /// Takes a relayed frame over.
    pub(super) fn frame(
        &mut self,
        mut frame: Frame<'_>,
        renderer: &mut dyn Renderer,
        session: &mut Session,
        stats: Option<&mut Stats>,
    ) {
        if !session.wants_frames() {
            return;
        }
        let start = MonotonicClock.now();
        let layout = *frame.layout();
        if self.held == Held::Frame {
            self.damage.clone_from(frame.damage());
        } else {
            self.damage = Damage::FULL;
            renderer.begin_picture();
        }
        // Until all of it is there.
        let before = std::mem::take(&mut self.held);
        let notes = FrameNotes {
            layout,
            wants_screen_on: frame.wants_screensaver_inhibited(),
            wants_attention: frame.wants_activation(),
            is_truncated: frame.is_truncated(),
            recommended_mib: frame.recommended_size_mib(),
        };
        let uploaded = renderer.upload(&layout, &self.damage, &mut frame);
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
                self.held = Held::Frame;
                session.frame(&notes, MonotonicClock.now());
                // A stamp that was shown before says nothing about this frame.
                let is_new = stamp.is_some_and(|stamp| self.last_serial != Some(stamp.serial));
                self.last_serial = stamp.map(|stamp| stamp.serial);
                self.stamp = stamp.filter(|_| is_new).map(time_of);
                if let Some(stats) = stats {
                    stats.frame(MonotonicClock.now() - start);
                }
            }
            Err(error) => {
                // What it changed is in the damage of the next one, if that is one of the relay's.
                if before == Held::Frame {
                    self.held = before;
                }
                tracing::debug!("frame dropped: {error:#}");
                if let Some(stats) = stats {
                    stats.dropped();
                }
            }
        }
    }

    /// Takes over what is new on the console, if its picture is wanted; returns when to look again.
    pub(super) fn console(
        &mut self,
        console: &Console,
        has_damage: bool,
        renderer: &mut dyn Renderer,
        session: &mut Session,
        now: Nanos,
    ) -> Option<Nanos> {
        let serial = session.wanted_surface(now)?;
        let is_whole = self.held != Held::Surface(serial);
        if self.refused == Some(serial) || (!is_whole && !has_damage) {
            return None;
        }
        if !is_whole && now < self.next_surface {
            return Some(self.next_surface);
        }
        let mut update = console.take_update(serial, is_whole)?;
        self.next_surface = now + CONSOLE_INTERVAL;
        if is_whole {
            renderer.begin_picture();
        }
        self.held = Held::Nothing;
        let (layout, damage) = (update.layout, update.damage.clone());
        match renderer.upload(&layout, &damage, &mut update) {
            Ok(()) => {
                self.held = Held::Surface(serial);
                session.console_shown(serial, layout, now);
            }
            Err(error) => {
                tracing::warn!("taking over the console: {error:#}");
                self.refused = Some(serial);
                session.console_failed(&error.to_string(), now);
            }
        }
        None
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

#[cfg(test)]
mod tests;
