//! A guest's screen whose every pixel is known.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use picture::Size;
use picture::png::{self, RgbImage};
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::x_server::XServer;

use crate::Viewer;

/// How long a picture may take to appear.
const LIMIT: Duration = Duration::from_secs(30);

/// Columns and rows at the bottom right corner that the guest's pointer may cover.
const POINTER: (u32, u32) = (80, 80);

/// An X screen with a picture in which no two neighbours are alike, relayed by our host.
pub struct PaintedScreen {
    /// The screen.
    pub server: XServer,
    /// The memory that it is relayed through.
    pub shm: SharedFile,
    /// What is on it, but for the pointer.
    pub painted: RgbImage,
    _host: Process,
    folder: tempfile::TempDir,
}

impl PaintedScreen {
    /// Starts a screen and a host on it; `None`, loudly, if there is no X server.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub fn start(size: Size) -> anyhow::Result<Option<Self>> {
        let Size { width, height } = size;
        let Some(server) = XServer::start(width, height)? else {
            return Ok(None);
        };
        let pixel = |x: u32, y: u32| [(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8];
        let pixels: Vec<[u8; 3]> = (0..height)
            .flat_map(|y| (0..width).map(move |x| pixel(x, y)))
            .collect();
        // weston-screenshooter takes the unused byte for alpha.
        let bgrx: Vec<u8> = pixels
            .iter()
            .flat_map(|&[r, g, b]| [b, g, r, 0xff])
            .collect();
        server.set_background(u16::try_from(width)?, u16::try_from(height)?, &bgrx)?;
        let (x, y) = ((width - 40).to_string(), (height - 40).to_string());
        server.run("xdotool", &["mousemove", &x, &y])?;
        let shm = SharedFile::create(32)?;
        let mut command = programs::host(&shm)?;
        command
            .env("DISPLAY", server.display())
            .arg("app:capture=XCB");
        let host = Process::start(&mut command)?;
        let painted = RgbImage::new(size, pixels.into_flattened());
        Ok(Some(Self {
            server,
            shm,
            painted: painted.ok_or_else(|| anyhow::anyhow!("three bytes a pixel"))?,
            _host: host,
            folder: tempfile::tempdir()?,
        }))
    }

    /// A command for a client of it.
    ///
    /// # Errors
    /// If the client is not built.
    pub fn client(&self, renderer: &str, options: &[&str]) -> anyhow::Result<Command> {
        let mut command = programs::client(&self.shm)?;
        command
            .arg(format!("app:renderer={renderer}"))
            .args(options);
        Ok(command)
    }

    /// Tells whether a screenshot shows the painted picture with its top left corner at a place, but for the pointer.
    ///
    /// # Errors
    /// The first pixel that is another one.
    pub fn is_shown(&self, shot: &RgbImage, left: u32, top: u32) -> Result<(), String> {
        let Size { width, height } = self.painted.size();
        let is_free = |x, y| x + POINTER.0 < width || y + POINTER.1 < height;
        for y in 0..height {
            for x in (0..width).filter(|x| is_free(*x, y)) {
                let (seen, wanted) = (shot.rgb(left + x, top + y), self.painted.rgb(x, y));
                if seen != wanted {
                    return Err(format!("at {x}, {y}: {seen:?} instead of {wanted:?}"));
                }
            }
        }
        Ok(())
    }

    /// Takes screenshots until one shows the picture at a place.
    ///
    /// # Errors
    /// If none does in half a minute, or the client ends.
    pub fn expect_shown(
        &self,
        viewer: &mut Viewer,
        (left, top): (u32, u32),
        mut shoot: impl FnMut() -> anyhow::Result<RgbImage>,
    ) -> anyhow::Result<()> {
        let mut last = Err("no screenshot".to_owned());
        testkit::wait_until(LIMIT, || {
            let shot = shoot().map_err(|error| format!("{error:#}"));
            last = shot.and_then(|shot| self.is_shown(&shot, left, top));
            last.is_ok() || viewer.process.has_ended()
        });
        last.map_err(|error| anyhow::anyhow!("{error}; client:\n{}", viewer.process.output()))
    }

    /// What is on another X server's screen.
    ///
    /// # Errors
    /// If ImageMagick fails.
    pub fn shoot(&self, screen: &XServer) -> anyhow::Result<RgbImage> {
        let file = self.folder.path().join("window.png");
        screen.screenshot(&file)?;
        read(&file)
    }
}

/// Reads a PNG.
///
/// # Errors
/// If it cannot be read.
pub fn read(file: &Path) -> anyhow::Result<RgbImage> {
    Ok(png::decode(&std::fs::read(file)?)?)
}
