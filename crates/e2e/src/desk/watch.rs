//! Looks at every picture that a window shows, and tells which one it is.

use std::time::Duration;

use picture::png::RgbImage;
use picture::{PixelFormat, Size};
use testcard::{Pattern, Rows, STAMP_SIZE, Stamp, read_stamp};
use testkit::process::Process;
use testkit::programs::SharedFile;

use super::{CONSOLE, Desk, SIZE, Seat};

/// Percent of the host's picture that moves.
const SHARE: u32 = 5;

/// A host with the test pattern, of which every picture is known.
///
/// # Errors
/// If it cannot be started.
pub fn host(shm: &SharedFile) -> anyhow::Result<Process> {
    let share = format!("test:damageShare={SHARE}");
    let options = [share.as_str(), "test:pointer=none", "test:frameRate=30"];
    crate::pattern(shm, &options)
}

/// The stamp of the host's picture.
#[must_use]
pub fn stamp(image: &RgbImage) -> Option<Stamp> {
    read_stamp(&Rows::from(image), (0, 0))
}

/// What a window shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing yet.
    Nothing,
    /// The machine's own screen; dimmed or not.
    Console {
        /// The machine does not answer any more.
        is_dimmed: bool,
    },
    /// The host's picture; dimmed or not.
    Host {
        /// The host does not answer any more.
        is_dimmed: bool,
    },
}

/// Knows the pictures.
pub struct Eye {
    pattern: Pattern,
    pixels: Vec<u8>,
}

impl Eye {
    /// Knows those of [`host`], and a console of one colour.
    #[must_use]
    pub fn new() -> Self {
        let layout = testcard::layout(PixelFormat::Bgra8, SIZE);
        Self {
            pixels: vec![0; SIZE.area() as usize * 4],
            pattern: Pattern::new(layout, SHARE),
        }
    }

    /// Tells what a picture is, apart from texts; the places that are none of it, if it is nothing whole.
    ///
    /// # Errors
    /// If it is not.
    pub fn look(&mut self, image: &RgbImage) -> Result<Seen, String> {
        let half = |colour: [u8; 3]| colour.map(|part| part / 2);
        let is_all = |colour| places().all(|(x, y)| image.rgb(x, y) == Some(colour));
        if is_all(CONSOLE) {
            return Ok(Seen::Console { is_dimmed: false });
        }
        if is_all(half(CONSOLE)) {
            return Ok(Seen::Console { is_dimmed: true });
        }
        if is_all([0; 3]) {
            return Ok(Seen::Nothing);
        }
        if let Some(stamp) = stamp(image) {
            self.is_pattern(image, stamp, |colour| colour)?;
            return Ok(Seen::Host { is_dimmed: false });
        }
        let (bytes, _) = image.bytes().as_chunks::<3>();
        let bright = bytes
            .iter()
            .flat_map(|pixel| pixel.map(|part| part.saturating_mul(2)));
        let bright = RgbImage::new(image.size(), bright.collect());
        if let Some(stamp) = bright.as_ref().and_then(stamp) {
            self.is_pattern(image, stamp, half)?;
            return Ok(Seen::Host { is_dimmed: true });
        }
        let corner = image.rgb(0, 0);
        Err(format!(
            "neither console nor host, with {corner:?} in the corner"
        ))
    }

    /// Compares with the host's picture of that stamp.
    fn is_pattern(
        &mut self,
        image: &RgbImage,
        Stamp { serial, time_ns }: Stamp,
        shade: impl Fn([u8; 3]) -> [u8; 3],
    ) -> Result<(), String> {
        self.pattern.draw(&mut self.pixels, serial, time_ns);
        let wrong: Vec<(u32, u32)> = places()
            .filter(|&(x, y)| {
                let at = (y * SIZE.width + x) as usize * 4;
                let wanted = self.pixels.get(at..at + 3);
                let wanted = wanted.map(|bgr| shade([bgr[2], bgr[1], bgr[0]]));
                image.rgb(x, y) != wanted
            })
            .collect();
        // Seen between two updates of the window: the part that moves is a frame older than the stamp, or newer.
        let most = places().count() * SHARE as usize * 2 / 100;
        if wrong.len() > most {
            let first = wrong.first();
            return Err(format!(
                "{} places of frame {serial} are wrong, {first:?} first",
                wrong.len()
            ));
        }
        Ok(())
    }
}

impl Default for Eye {
    fn default() -> Self {
        Self::new()
    }
}

/// The places that are looked at: no text is there.
fn places() -> impl Iterator<Item = (u32, u32)> {
    let Size { width, height } = SIZE;
    let below = STAMP_SIZE.height;
    let is_free = move |y: &u32| {
        (below..height / 2 - 70).contains(y) || (height / 2 + 70..height - 80).contains(y)
    };
    let rows = (0..height).step_by(7).filter(is_free);
    rows.flat_map(move |y| (1..width).step_by(9).map(move |x| (x, y)))
}

/// Watches a window until it shows something for the first time, and then a little longer; all that was seen, in order.
///
/// # Errors
/// If a picture is nothing whole, or the wanted one does not come.
pub fn until<S: Seat>(
    desk: &mut Desk<S>,
    eye: &mut Eye,
    wanted: Seen,
    limit: Duration,
) -> anyhow::Result<Vec<Seen>> {
    let mut all: Vec<Seen> = Vec::new();
    let mut failure = None;
    let mut seen_at = None;
    testkit::wait_until(limit, || {
        let seen = desk.shoot().map(|image| (eye.look(&image), image));
        match seen {
            Ok((Ok(seen), _)) if all.last() == Some(&seen) => {}
            Ok((Ok(seen), _)) => all.push(seen),
            Ok((Err(error), image)) => {
                let file = std::env::temp_dir().join("desk-garbage.png");
                let saved = picture::png::encode(&image).map(|png| std::fs::write(&file, png));
                failure = Some(format!("{error}: {} ({saved:?})", file.display()));
            }
            Err(error) => failure = Some(format!("{error:#}")),
        }
        if all.last() == Some(&wanted) {
            seen_at.get_or_insert_with(std::time::Instant::now);
        }
        let is_settled = seen_at.is_some_and(|at| at.elapsed() > Duration::from_millis(300));
        failure.is_some() || is_settled || desk.client.has_ended()
    });
    if let Some(failure) = failure {
        anyhow::bail!(
            "{failure}, after {all:?}; client:\n{}",
            desk.client.output()
        );
    }
    let is_there = all.last() == Some(&wanted);
    anyhow::ensure!(
        is_there,
        "no {wanted:?} in {all:?}; client:\n{}",
        desk.client.output()
    );
    Ok(all)
}
