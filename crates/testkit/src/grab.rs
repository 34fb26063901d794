//! Takes pictures of an X screen from inside the test process, in a millisecond.

use picture::Size;
use picture::png::RgbImage;
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::ImageFormat;

use anyhow::{Context as _, bail};

use crate::segment::{PIXEL_BYTES, Screen, Segment, coordinate, short};

/// Reads one rectangle of an X screen again and again.
pub struct Grabber {
    screen: Screen,
    segment: Segment,
    bytes: Vec<u8>,
    origin: (u32, u32),
    size: Size,
}

impl Grabber {
    /// Connects to the server of `display`, to read `size` pixels at `origin` of its screen.
    ///
    /// # Errors
    /// If the server cannot be reached, lacks MIT-SHM, or has a smaller screen.
    pub fn open(display: &str, origin: (u32, u32), size: Size) -> anyhow::Result<Self> {
        let screen = Screen::open(display)?;
        let end = (origin.0 + size.width, origin.1 + size.height);
        if end.0 > screen.size.width || end.1 > screen.size.height {
            bail!("{display} has a screen of only {:?}", screen.size);
        }
        let bytes = usize::try_from(size.area())? * PIXEL_BYTES;
        let segment = Segment::create(&screen.conn, bytes)?;
        Ok(Self {
            screen,
            segment,
            bytes: vec![0; bytes],
            origin,
            size,
        })
    }

    /// What is on the screen now.
    ///
    /// # Errors
    /// If the server goes away.
    pub fn grab(&mut self) -> anyhow::Result<RgbImage> {
        let image = self.screen.conn.shm_get_image(
            self.screen.root,
            coordinate(self.origin.0),
            coordinate(self.origin.1),
            short(self.size.width),
            short(self.size.height),
            u32::MAX,
            ImageFormat::Z_PIXMAP.into(),
            self.segment.id,
            0,
        )?;
        image.reply()?;
        self.segment.memory.as_slice().copy_to(0, &mut self.bytes)?;
        let (pixels, _) = self.bytes.as_chunks::<PIXEL_BYTES>();
        let pixels = pixels.iter().flat_map(|&[b, g, r, _]| [r, g, b]).collect();
        RgbImage::new(self.size, pixels).context("three bytes a pixel")
    }
}
