//! Paints the test card on an X screen at a fixed rate, each picture with its number and time.
//!
//! Knows nothing of any relay: whatever shows the screen elsewhere can be measured with [`crate::watch`]. The pictures
//! are drawn beforehand, so that the painter takes hardly any time away from what is measured.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::{Rows, Stores};
use picture::{FrameLayout, FrameRect, PixelFormat, Size};
use testcard::{Pattern, STAMP_SIZE, Stamp, write_stamp};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::shm;
use x11rb::protocol::xproto::{
    ConnectionExt as _, CreateGCAux, CreateWindowAux, ImageFormat, WindowClass,
};

use crate::segment::{PIXEL_BYTES, Screen, Segment, coordinate, short};

/// Pictures in rotation: so many phases has the pattern.
const PICTURES: usize = 3;
/// How far the pattern moves from one picture to the next.
const PHASE: u32 = 11;

/// What to paint.
#[derive(Clone, Debug)]
pub struct PaintOptions {
    /// The X server, as in `DISPLAY`.
    pub display: String,
    /// Size of the window in the screen's upper left corner.
    pub size: Size,
    /// Pictures a second.
    pub rate: u32,
    /// Percent of the pixels that change from picture to picture, 1 to 100.
    pub damage_share: u32,
}

/// What was painted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Painted {
    /// Pictures that were put on the screen.
    pub pictures: u32,
    /// Pictures that were left out because the server had not finished an earlier one, or the painter was late.
    pub left_out: u32,
}

/// A window that shows the moving test card.
pub struct Painter {
    screen: Screen,
    window: u32,
    gc: u32,
    size: Size,
    period: Nanos,
    damage_share: u32,
    pictures: Vec<Segment>,
    /// Whether the server has not read the last picture yet.
    is_busy: bool,
    stamp_layout: FrameLayout,
    stamp: Vec<u8>,
    serial: u32,
}

impl Painter {
    /// Opens the window and draws the pictures.
    ///
    /// # Errors
    /// If the server cannot be reached, lacks what is needed, or the size is too small for a stamp.
    pub fn open(options: &PaintOptions) -> anyhow::Result<Self> {
        let size = options.size;
        if size.width < STAMP_SIZE.width || size.height <= STAMP_SIZE.height {
            bail!("{}x{} has no room for a stamp", size.width, size.height);
        }
        let screen = Screen::open(&options.display)?;
        let (window, gc) = open_window(&screen, size)?;
        let stamp_layout = FrameLayout::packed(PixelFormat::Bgra8, STAMP_SIZE);
        Ok(Self {
            pictures: draw_pictures(&screen, size)?,
            screen,
            window,
            gc,
            size,
            period: Nanos(1_000_000_000 / i64::from(options.rate.max(1))),
            damage_share: options.damage_share.clamp(1, 100),
            is_busy: false,
            stamp: vec![0; usize::try_from(stamp_layout.data_bytes())?],
            stamp_layout,
            serial: 0,
        })
    }

    /// Paints until `is_over`, for at most `limit`, on a schedule that does not drift.
    ///
    /// # Errors
    /// If the server goes away or refuses a picture.
    pub fn run(&mut self, limit: Option<Nanos>, is_over: &AtomicBool) -> anyhow::Result<Painted> {
        // The kernel would otherwise round each wait up by 50 us.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let start = MonotonicClock.now();
        let mut painted = Painted::default();
        let mut due = start;
        while !is_over.load(Ordering::Relaxed) && limit.is_none_or(|limit| due - start < limit) {
            std::thread::sleep((due - MonotonicClock.now()).to_duration());
            if self.paint()? {
                painted.pictures += 1;
            } else {
                painted.left_out += 1;
            }
            due = due + self.period;
            while due < MonotonicClock.now() {
                due = due + self.period;
                painted.left_out += 1;
            }
        }
        Ok(painted)
    }

    /// Paints the next picture now; `false` if the server has not finished the last one.
    ///
    /// Pictures must not queue up there: their waiting is not the relay's doing.
    ///
    /// # Errors
    /// If the server goes away or refuses a picture.
    pub fn paint(&mut self) -> anyhow::Result<bool> {
        self.read_answers()?;
        if self.is_busy {
            return Ok(false);
        }
        let time_ns = u64::try_from(MonotonicClock.now().0)?;
        let serial = self.serial;
        let stamp = Stamp { serial, time_ns };
        if !write_stamp(&mut self.stamp, &self.stamp_layout, stamp) {
            bail!("no room for a stamp");
        }
        let index = self.serial as usize % PICTURES;
        let picture = self.pictures.get(index).context("a picture")?;
        let rows = Rows {
            rows: STAMP_SIZE.height as usize,
            row_bytes: STAMP_SIZE.width as usize * PIXEL_BYTES,
            src_pitch: STAMP_SIZE.width as usize * PIXEL_BYTES,
            dst_pitch: self.size.width as usize * PIXEL_BYTES,
        };
        let window = picture.memory.as_slice();
        window.write_rows(0, &rows, &self.stamp, Stores::Cached)?;
        match changing_part(self.size, self.damage_share, serial) {
            None => self.put(picture.id, FrameRect::of_size(self.size), true)?,
            Some(part) => {
                self.put(picture.id, part, false)?;
                self.put(picture.id, FrameRect::of_size(STAMP_SIZE), true)?;
            }
        }
        self.screen.conn.flush()?;
        self.is_busy = true;
        self.serial = self.serial.wrapping_add(1);
        Ok(true)
    }

    fn read_answers(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.screen.conn.poll_for_event()? {
            match event {
                Event::ShmCompletion(_) => self.is_busy = false,
                Event::Error(error) => bail!("the X server refused a picture: {error:?}"),
                _ => {}
            }
        }
        Ok(())
    }

    fn put(&self, segment: u32, part: FrameRect, is_last: bool) -> anyhow::Result<()> {
        let request = shm::PutImageRequest {
            drawable: self.window,
            gc: self.gc,
            total_width: short(self.size.width),
            total_height: short(self.size.height),
            src_x: short(part.x),
            src_y: short(part.y),
            src_width: short(part.width),
            src_height: short(part.height),
            dst_x: coordinate(part.x),
            dst_y: coordinate(part.y),
            depth: self.screen.depth,
            format: ImageFormat::Z_PIXMAP.into(),
            send_event: is_last,
            shmseg: segment,
            offset: 0,
        };
        let conn = &self.screen.conn;
        x11rb::connection::RequestConnection::send_trait_request_without_reply(conn, request)?;
        Ok(())
    }
}

fn open_window(screen: &Screen, size: Size) -> anyhow::Result<(u32, u32)> {
    let conn = &screen.conn;
    let window = conn.generate_id()?;
    // Without a window manager's help or hindrance: exactly there, exactly so large.
    let aux = CreateWindowAux::new()
        .override_redirect(1)
        .background_pixel(0);
    conn.create_window(
        screen.depth,
        window,
        screen.root,
        0,
        0,
        short(size.width),
        short(size.height),
        0,
        WindowClass::INPUT_OUTPUT,
        x11rb::COPY_FROM_PARENT,
        &aux,
    )?
    .check()?;
    let gc = conn.generate_id()?;
    conn.create_gc(gc, window, &CreateGCAux::new().graphics_exposures(0))?
        .check()?;
    conn.map_window(window)?.check()?;
    Ok((window, gc))
}

fn draw_pictures(screen: &Screen, size: Size) -> anyhow::Result<Vec<Segment>> {
    let layout = FrameLayout::packed(PixelFormat::Bgra8, size);
    let mut pixels = vec![0; usize::try_from(layout.data_bytes())?];
    let mut pattern = Pattern::new(layout, 100);
    let mut pictures = Vec::with_capacity(PICTURES);
    for phase in 0..PICTURES as u32 {
        pattern.draw(&mut pixels, phase * PHASE, 0);
        let segment = Segment::create(&screen.conn, pixels.len())?;
        segment.memory.as_slice().copy_from(0, &pixels)?;
        pictures.push(segment);
    }
    Ok(pictures)
}

/// The part below the stamp that changes with picture `serial`; `None` is everything.
///
/// Together with the stamp it has `share` percent of the pixels, as far as the stamp leaves any.
fn changing_part(size: Size, share: u32, serial: u32) -> Option<FrameRect> {
    if share >= 100 {
        return None;
    }
    let pixels = (size.area() * u64::from(share) / 100).saturating_sub(STAMP_SIZE.area());
    let below = size.height - STAMP_SIZE.height;
    // Of the shape of the screen, as far as it goes.
    let height = ((pixels as f64 * f64::from(size.height) / f64::from(size.width)).sqrt() as u32)
        .clamp(1, below);
    let width = u32::try_from(pixels / u64::from(height)).unwrap_or(u32::MAX);
    let width = width.clamp(1, size.width);
    let wander = |step: u32, room: u32| serial.wrapping_mul(step) % (room + 1);
    Some(FrameRect::new(
        wander(37, size.width - width),
        STAMP_SIZE.height + wander(23, below - height),
        width,
        height,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_one_hundred_changes_everything() {
        assert_eq!(changing_part(Size::new(1920, 1080), 100, 3), None);
    }

    #[test]
    fn part_and_stamp_have_the_share_that_was_asked_for() {
        let size = Size::new(1920, 1080);
        for share in [1, 10, 50, 99] {
            for serial in [0, 1, 1000, u32::MAX] {
                let part = changing_part(size, share, serial).unwrap();
                let seen = (part.area() + STAMP_SIZE.area()) as f64 * 100.0 / size.area() as f64;
                assert!((seen - f64::from(share)).abs() < 0.2, "{share}: {seen}");
                assert_eq!(part.clamped(size), part);
                assert!(part.y >= STAMP_SIZE.height);
            }
        }
    }

    #[test]
    fn the_smallest_screen_still_has_a_part() {
        let size = Size::new(STAMP_SIZE.width, STAMP_SIZE.height + 1);
        let part = changing_part(size, 1, 7).unwrap();
        assert_eq!(part.area(), 1);
    }
}
