//! Watches an X screen for the stamps of the test card: how many pictures arrive, and how old they are.
//!
//! The server tells when something was drawn (DAMAGE); only then the few rows of the stamp are read (MIT-SHM).

use std::sync::atomic::{AtomicBool, Ordering};

use clock::{Clock as _, MonotonicClock, Nanos, Percentiles};
use rustix::event::{PollFd, PollFlags, Timespec};
use testcard::{STAMP_SIZE, Stamp};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{ConnectionExt as _, ReportLevel};
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::ImageFormat;

use crate::segment::{PIXEL_BYTES, Screen, Segment, coordinate, short};

/// Longest wait for something to be drawn before `is_over` is looked at again.
const LOOK: Nanos = Nanos::from_millis(100);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Different pictures that were seen.
    pub pictures: u32,
    /// Pictures that came after one painted later.
    pub out_of_order: u32,
    /// From the stamp to its being read here.
    pub latency: Percentiles,
    /// From one picture to the next.
    pub intervals: Percentiles,
    /// From the first picture to the last.
    pub span: Nanos,
}

impl Seen {
    /// Pictures a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.span <= Nanos::ZERO {
            return 0.0;
        }
        f64::from(self.pictures.saturating_sub(1)) / self.span.as_secs_f64()
    }
}

/// Sorts out which stamps are new.
#[derive(Debug, Default)]
struct Tally {
    seen: Seen,
    first: Option<Nanos>,
    last: Option<Stamp>,
    last_seen: Option<Nanos>,
}

impl Tally {
    /// Counts a stamp read at `now`; `true` if it is a new one.
    fn add(&mut self, stamp: Stamp, now: Nanos) -> bool {
        if self.last == Some(stamp) {
            return false;
        }
        if self.last.is_some_and(|last| stamp.time_ns < last.time_ns) {
            self.seen.out_of_order += 1;
        }
        self.last = Some(stamp);
        self.seen.pictures += 1;
        let painted = Nanos(i64::try_from(stamp.time_ns).unwrap_or(i64::MAX));
        self.seen.latency.add(now - painted);
        if let Some(before) = self.last_seen.replace(now) {
            self.seen.intervals.add(now - before);
        }
        self.seen.span = now - *self.first.get_or_insert(now);
        true
    }
}

/// Looks at the stamp in the upper left corner of a screen whenever something was drawn.
pub struct Watcher {
    screen: Screen,
    damage: u32,
    segment: Segment,
    row: Vec<u8>,
    origin: (u32, u32),
}

impl Watcher {
    /// Starts watching the stamp at `origin` on the screen of `display`.
    ///
    /// # Errors
    /// If the server cannot be reached or lacks DAMAGE or MIT-SHM.
    pub fn open(display: &str, origin: (u32, u32)) -> anyhow::Result<Self> {
        let screen = Screen::open(display)?;
        let bytes = usize::try_from(STAMP_SIZE.area())? * PIXEL_BYTES;
        let segment = Segment::create(&screen.conn, bytes)?;
        screen.conn.damage_query_version(1, 1)?.reply()?;
        let damage = screen.conn.generate_id()?;
        screen
            .conn
            .damage_create(damage, screen.root, ReportLevel::NON_EMPTY)?
            .check()?;
        Ok(Self {
            screen,
            damage,
            segment,
            row: vec![0; bytes],
            origin,
        })
    }

    /// Watches for `limit`, or until `is_over`.
    ///
    /// # Errors
    /// If the server goes away.
    pub fn watch(&mut self, limit: Nanos, is_over: &AtomicBool) -> anyhow::Result<Seen> {
        let end = MonotonicClock.now() + limit;
        let mut tally = Tally::default();
        // What was drawn before does not say how long it took.
        if let Some(stamp) = self.look()? {
            tally.last = Some(stamp);
        }
        while !is_over.load(Ordering::Relaxed) {
            let left = end - MonotonicClock.now();
            if left <= Nanos::ZERO {
                break;
            }
            if self.wait(left.min(LOOK))?
                && let Some(stamp) = self.look()?
            {
                tally.add(stamp, MonotonicClock.now());
            }
        }
        Ok(tally.seen)
    }

    /// Waits until a stamp is there, for at most `limit`; returns when it was seen.
    ///
    /// # Errors
    /// If the server goes away.
    pub fn first(&mut self, limit: Nanos) -> anyhow::Result<Option<Nanos>> {
        let end = MonotonicClock.now() + limit;
        loop {
            if self.look()?.is_some() {
                return Ok(Some(MonotonicClock.now()));
            }
            let left = end - MonotonicClock.now();
            if left <= Nanos::ZERO {
                return Ok(None);
            }
            self.wait(left.min(LOOK))?;
        }
    }

    /// Reads the stamp as it is now, and asks for news of what is drawn later.
    fn look(&mut self) -> anyhow::Result<Option<Stamp>> {
        let conn = &self.screen.conn;
        let (x, y) = self.origin;
        let size = self.screen.size;
        if x + STAMP_SIZE.width > size.width || y + STAMP_SIZE.height > size.height {
            return Ok(None);
        }
        // First: what is drawn after this request makes a new event.
        conn.damage_subtract(self.damage, x11rb::NONE, x11rb::NONE)?;
        conn.shm_get_image(
            self.screen.root,
            coordinate(x),
            coordinate(y),
            short(STAMP_SIZE.width),
            short(STAMP_SIZE.height),
            u32::MAX,
            ImageFormat::Z_PIXMAP.into(),
            self.segment.id,
            0,
        )?
        .reply()?;
        self.segment.memory.as_slice().copy_to(0, &mut self.row)?;
        let rows = testcard::Rows {
            bytes: &self.row,
            pitch_bytes: STAMP_SIZE.width as usize * PIXEL_BYTES,
            bytes_per_pixel: PIXEL_BYTES,
        };
        Ok(testcard::read_stamp(&rows, (0, 0)))
    }

    /// Waits until something was drawn; `false` if nothing was.
    fn wait(&self, limit: Nanos) -> anyhow::Result<bool> {
        let end = MonotonicClock.now() + limit;
        loop {
            let mut is_drawn = false;
            while let Some(event) = self.screen.conn.poll_for_event()? {
                is_drawn |= matches!(event, Event::DamageNotify(_));
            }
            if is_drawn {
                return Ok(true);
            }
            let left = end - MonotonicClock.now();
            if left <= Nanos::ZERO {
                return Ok(false);
            }
            let mut fds = [PollFd::new(self.screen.conn.stream(), PollFlags::IN)];
            let limit = Timespec {
                tv_sec: left.0 / 1_000_000_000,
                tv_nsec: left.0 % 1_000_000_000,
            };
            match rustix::event::poll(&mut fds, Some(&limit)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(serial: u32, ms: u64) -> Stamp {
        let time_ns = ms * 1_000_000;
        Stamp { serial, time_ns }
    }

    #[test]
    fn each_picture_counts_once() {
        let mut tally = Tally::default();
        assert!(tally.add(stamp(1, 10), Nanos::from_millis(15)));
        assert!(!tally.add(stamp(1, 10), Nanos::from_millis(16)));
        assert!(tally.add(stamp(2, 20), Nanos::from_millis(25)));
        assert_eq!((tally.seen.pictures, tally.seen.out_of_order), (2, 0));
        assert_eq!(tally.seen.latency.max(), Some(Nanos::from_millis(5)));
        assert_eq!(tally.seen.rate(), 100.0);
    }

    #[test]
    fn an_older_picture_is_noticed() {
        let mut tally = Tally::default();
        tally.add(stamp(2, 20), Nanos::from_millis(25));
        tally.add(stamp(1, 10), Nanos::from_millis(26));
        assert_eq!((tally.seen.pictures, tally.seen.out_of_order), (2, 1));
    }

    #[test]
    fn nothing_seen_is_a_rate_of_zero() {
        assert_eq!(Seen::default().rate(), 0.0);
    }
}
