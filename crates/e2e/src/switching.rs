//! A window that shows now the relayed picture, now the machine's own screen, and everything that is seen in it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use picture::Size;
use picture::png::{self, RgbImage};
use testkit::grab::Grabber;

/// Between two looks; a monitor shows a picture for 16 ms.
const LOOK: Duration = Duration::from_millis(4);
/// More different pictures than a few switches make.
const MOST: usize = 400;
/// Above and below the middle of the window: the message that says what is waited for.
const TEXT: u32 = 50;

/// A picture that may be seen, and what may differ in it.
pub struct Truth {
    /// What to call it.
    pub name: &'static str,
    /// The whole window.
    pub window: RgbImage,
    /// Where the pointer, or a cursor that blinks, is: left, top, right, bottom.
    pub free: Option<(u32, u32, u32, u32)>,
}

impl Truth {
    /// That picture in the middle of an otherwise black window.
    ///
    /// # Errors
    /// If it is too large.
    pub fn centred(name: &'static str, picture: &RgbImage, window: Size) -> anyhow::Result<Self> {
        let size = picture.size();
        let left = window.width.checked_sub(size.width).context("a width")? / 2;
        let top = window.height.checked_sub(size.height).context("a height")? / 2;
        let mut pixels = Vec::new();
        for y in 0..window.height {
            for x in 0..window.width {
                let inside = x.checked_sub(left).zip(y.checked_sub(top));
                let pixel = inside.and_then(|(x, y)| picture.rgb(x, y));
                pixels.extend(pixel.unwrap_or_default());
            }
        }
        Ok(Self {
            name,
            window: RgbImage::new(window, pixels).context("three bytes a pixel")?,
            free: None,
        })
    }

    /// Tells whether a picture is this one; dimmed and under a message, if that `is_waiting`.
    #[must_use]
    pub fn explains(&self, seen: &RgbImage, is_waiting: bool) -> bool {
        let size = self.window.size();
        if seen.size() != size {
            return false;
        }
        let is_free = |x: u32, y: u32| {
            let in_text = is_waiting && y.abs_diff(size.height / 2) < TEXT;
            let near = |(left, top, right, bottom): (u32, u32, u32, u32)| {
                (left..right).contains(&x) && (top..bottom).contains(&y)
            };
            in_text || self.free.is_some_and(near)
        };
        let shade = |pixel: Option<[u8; 3]>| match is_waiting {
            true => pixel.map(|rgb| rgb.map(|value| value >> 1)),
            false => pixel,
        };
        (0..size.height).all(|y| {
            (0..size.width).all(|x| seen.rgb(x, y) == shade(self.window.rgb(x, y)) || is_free(x, y))
        })
    }
}

/// Keeps every picture that is seen on a part of an X screen.
pub struct Witness {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Vec<RgbImage>>>,
}

impl Witness {
    /// Starts looking at the window whose top left corner is that of the screen.
    ///
    /// # Errors
    /// If the X server cannot be reached.
    pub fn start(display: &str, window: Size) -> anyhow::Result<Self> {
        let mut grabber = Grabber::open(display, (0, 0), window)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut seen: Vec<RgbImage> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let picture = grabber.grab()?;
                if seen.last() != Some(&picture) {
                    ensure!(seen.len() < MOST, "the window is never at rest");
                    seen.push(picture);
                }
                std::thread::sleep(LOOK);
            }
            Ok(seen)
        });
        Ok(Self { is_over, thread })
    }

    /// Ends looking; returns what was seen, in order.
    ///
    /// # Errors
    /// If the X server went away.
    pub fn end(self) -> anyhow::Result<Vec<RgbImage>> {
        self.is_over.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(seen) => seen,
            Err(_) => bail!("the witness panicked"),
        }
    }
}

/// Names what each picture shows, once for as long as it is the same.
///
/// # Errors
/// If one is none of `truths`, neither bright nor dimmed; it is left in `folder`.
pub fn explain(
    seen: &[RgbImage],
    truths: &[Truth],
    folder: &Path,
) -> anyhow::Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for (number, picture) in seen.iter().enumerate() {
        let explains =
            |truth: &&Truth| truth.explains(picture, false) || truth.explains(picture, true);
        let Some(truth) = truths.iter().find(explains) else {
            let file = folder.join(format!("unexplained-{number}.png"));
            std::fs::write(&file, png::encode(picture)?)?;
            bail!(
                "picture {number} of {} after {names:?} is none that may be seen: {}",
                seen.len(),
                file.display()
            );
        };
        if names.last() != Some(&truth.name) {
            names.push(truth.name);
        }
    }
    Ok(names)
}
