//! A user at a client, between a display server and a SPICE server that notes what arrives.
//!
//! The cases are the same on X11 and on Wayland; what differs is behind [`Seat`].

pub mod console;
pub mod guest;
pub mod keys;
pub mod pointer;
pub mod seat;
pub mod watch;
pub mod wire;

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use picture::png::RgbImage;
use picture::{Size, StatusText, TextPlace};
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::spice_server::{Arrival, INPUTS, ServerOptions, SpiceServer};

use guest::Listener;
pub use seat::{PLACE, SCREEN, Seat, Wayland, X11};
use wire::Input;

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The window of most cases, and the picture of most guests.
pub const SIZE: Size = Size::new(640, 480);

/// What shows nothing but the machine's own screen has this colour.
pub const CONSOLE: [u8; 3] = [0xb0, 0x40, 0x80];

/// Scroll Lock.
pub const ESCAPE: u32 = 70;
/// Marks an end in the stream of keys (F15).
const MARKER: u32 = 185;
/// Typed to see whether keys arrive (F14).
const KNOCK: u32 = 184;

/// The height of letters that the client uses where a logical unit is a pixel.
pub const LETTERS: f32 = 16.0;
/// The colour of letters.
const INK: [u8; 3] = [0xf0, 0xf0, 0xf0];

/// What a desk is made of.
pub struct Setup<'a> {
    /// The client's window.
    pub window: Size,
    /// The client's options.
    pub options: &'a [&'a str],
    /// The SPICE server.
    pub server: ServerOptions,
    /// Told of what arrives there.
    pub listener: Option<Listener>,
    /// Keys go to the guest as soon as there is a session, and what comes before the first is of no interest.
    pub has_keys: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            window: SIZE,
            options: &[],
            server: server(),
            listener: None,
            has_keys: true,
        }
    }
}

/// A server that shows [`CONSOLE`].
#[must_use]
pub fn server() -> ServerOptions {
    let [r, g, b] = CONSOLE;
    ServerOptions {
        picture: (SIZE.width, SIZE.height, u32::from_be_bytes([0, r, g, b])),
        ..ServerOptions::default()
    }
}

/// A user at a client.
pub struct Desk<S> {
    /// The client.
    pub client: Process,
    /// The user.
    pub seat: S,
    /// The virtual machine, as far as SPICE goes.
    pub server: SpiceServer,
    window: Size,
    _folder: tempfile::TempDir,
}

impl<S: Seat> Desk<S> {
    /// Starts a client, and waits until its window has the focus and input is possible.
    ///
    /// # Errors
    /// If that does not come about.
    pub fn open(seat: S, shm: &SharedFile, setup: Setup<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("spice.sock");
        let server = SpiceServer::listen(&path, setup.server, setup.listener)?;
        let mut command = programs::client(shm)?;
        seat.use_for(&mut command);
        let Size { width, height } = setup.window;
        command
            .env("RUST_LOG", "info,client::machine=debug")
            .args(server.client_options())
            .arg(format!("win:size={width}x{height}"))
            .args(["app:renderer=software", "win:quickSplash=yes"])
            .args(setup.options);
        let mut desk = Self {
            client: Process::start(&mut command)?,
            seat,
            server,
            window: setup.window,
            _folder: folder,
        };
        desk.expect_window()?;
        let open = "channel Inputs: Open";
        let is_there = desk.client.prints(open, LIMIT);
        ensure!(is_there, "no SPICE; client:\n{}", desk.client.output());
        if setup.has_keys {
            desk.expect_keys()?;
        }
        Ok(desk)
    }

    /// Types until something arrives: the client knows of the channel a little later than the server.
    fn expect_keys(&mut self) -> anyhow::Result<()> {
        let (deadline, step) = (Instant::now() + LIMIT, Duration::from_millis(100));
        while Instant::now() < deadline {
            self.seat.tap(KNOCK)?;
            let knock = wire::code(KNOCK).map(Input::Up);
            let is_knock = |arrival: &Arrival| Some(Input::from(arrival)) == knock;
            if self
                .server
                .wait_for(INPUTS, step, |all| all.iter().any(is_knock))
            {
                // Behind all that were typed.
                self.inputs()?;
                return Ok(());
            }
        }
        bail!("no key arrives; client:\n{}", self.client.output())
    }

    /// Waits until the window is in its place and has the focus.
    ///
    /// # Errors
    /// If it does not come.
    pub fn expect_window(&mut self) -> anyhow::Result<()> {
        let there = self.seat.expect_window(self.window);
        there.map_err(|error| error.context(self.client.output()))
    }

    /// All input that arrived since the last call, for which a key is typed that marks its end.
    ///
    /// # Errors
    /// If the key does not arrive.
    pub fn inputs(&mut self) -> anyhow::Result<Vec<Input>> {
        let marker = wire::code(MARKER).map(Input::Up);
        self.seat.tap(MARKER)?;
        let is_there = self.server.wait_for(INPUTS, LIMIT, |all| {
            all.iter()
                .any(|arrival| Some(Input::from(arrival)) == marker)
        });
        let mut inputs = self.arrived();
        ensure!(
            is_there,
            "no input but {inputs:?}; client:\n{}",
            self.client.output()
        );
        self.server.forget_arrivals();
        let down = wire::code(MARKER).map(Input::Down);
        inputs.retain(|input| ![marker, down].contains(&Some(*input)));
        Ok(inputs)
    }

    /// Waits until just that input has arrived, and no more: a window manager may let keys overtake buttons.
    ///
    /// # Errors
    /// If it does not.
    pub fn expect_inputs(&mut self, expected: &[Input]) -> anyhow::Result<()> {
        let what = format!("{expected:?}");
        self.expect_input(&what, |all| all.len() >= expected.len())?;
        let inputs = self.inputs()?;
        ensure!(inputs == expected, "{inputs:?} instead of {expected:?}");
        Ok(())
    }

    /// All input that has arrived by now, since it was forgotten.
    #[must_use]
    pub fn arrived(&self) -> Vec<Input> {
        self.server
            .arrivals(INPUTS)
            .iter()
            .map(Input::from)
            .collect()
    }

    /// Waits until the input satisfies `is_done`.
    ///
    /// # Errors
    /// If it does not.
    pub fn expect_input(
        &mut self,
        what: &str,
        mut is_done: impl FnMut(&[Input]) -> bool,
    ) -> anyhow::Result<()> {
        let is_there = self.server.wait_for(INPUTS, LIMIT, |all| {
            is_done(&all.iter().map(Input::from).collect::<Vec<_>>())
        });
        let arrived = self.arrived();
        let output = || self.client.output();
        ensure!(is_there, "no {what} in {arrived:?}; client:\n{}", output());
        Ok(())
    }

    /// What the client's window shows.
    ///
    /// # Errors
    /// If the display server is gone.
    pub fn shoot(&mut self) -> anyhow::Result<RgbImage> {
        let screen = self.seat.shoot()?;
        Ok(cut(&screen, PLACE, self.window))
    }

    /// Waits until a picture of the window satisfies `is_right`, and returns it.
    ///
    /// # Errors
    /// If none does.
    pub fn expect_picture(
        &mut self,
        what: &str,
        mut is_right: impl FnMut(&RgbImage) -> bool,
    ) -> anyhow::Result<RgbImage> {
        let mut last = Err(anyhow::anyhow!("no picture"));
        testkit::wait_until(LIMIT, || {
            last = self.shoot();
            last.as_ref().is_ok_and(&mut is_right) || self.client.has_ended()
        });
        let image = last?;
        if !is_right(&image) {
            let file = std::env::temp_dir().join("desk-failed.png");
            std::fs::write(&file, picture::png::encode(&image)?)?;
            let output = self.client.output();
            bail!("no {what}: {}; client:\n{output}", file.display());
        }
        Ok(image)
    }

    /// Waits until a place of the window has a colour.
    ///
    /// # Errors
    /// If it does not get it.
    pub fn expect_colour(&mut self, (x, y): (u32, u32), colour: [u8; 3]) -> anyhow::Result<()> {
        let what = format!("{colour:x?} at {x}, {y}");
        self.expect_picture(&what, |image| image.rgb(x, y) == Some(colour))
            .map(drop)
    }

    /// Waits until a text is to be read.
    ///
    /// # Errors
    /// If it does not appear.
    pub fn expect_text(&mut self, text: &StatusText) -> anyhow::Result<RgbImage> {
        let what = format!("{:?}", text.lines());
        self.expect_picture(&what, |image| is_read(image, text))
    }

    /// Waits until a message at the lower edge is to be read.
    ///
    /// # Errors
    /// If it does not appear.
    pub fn expect_message(&mut self, message: &str) -> anyhow::Result<()> {
        let text = StatusText::new([message]).with_height(LETTERS);
        self.expect_text(&text.at(TextPlace::Bottom)).map(drop)
    }

    /// Waits until the pointer is captured.
    ///
    /// # Errors
    /// If it is not.
    pub fn capture(&mut self) -> anyhow::Result<()> {
        self.seat.tap(ESCAPE)?;
        self.expect_message("The pointer is captured; Scroll Lock releases it")
    }

    /// Waits until the pointer is not captured any more.
    ///
    /// # Errors
    /// If it still is.
    pub fn release(&mut self) -> anyhow::Result<()> {
        self.seat.tap(ESCAPE)?;
        self.expect_message("The pointer is released")
    }
}

/// A part of a picture.
#[must_use]
pub fn cut(image: &RgbImage, (left, top): (u32, u32), size: Size) -> RgbImage {
    let pixel = |x, y| image.rgb(left + x, top + y).unwrap_or_default();
    let rows = (0..size.height).flat_map(|y| (0..size.width).flat_map(move |x| pixel(x, y)));
    RgbImage::new(size, rows.collect()).unwrap_or_else(|| unreachable!("three bytes a pixel"))
}

/// Tells whether a picture shows a text as the client draws it: every pixel that is all letter is one.
#[must_use]
pub fn is_read(image: &RgbImage, text: &StatusText) -> bool {
    let bitmap = text.rasterise(image.size());
    let (left, top) = (bitmap.rect.x.cast_unsigned(), bitmap.rect.y.cast_unsigned());
    let [r, g, b] = INK;
    let letters = bitmap.pixels.as_chunks::<4>().0.iter().zip(0_u32..);
    let mut letters = letters
        .filter(|(pixel, _)| **pixel == [b, g, r, 0xff])
        .peekable();
    letters.peek().is_some()
        && letters.all(|(_, at)| {
            let (x, y) = (at % bitmap.rect.width, at / bitmap.rect.width);
            image.rgb(left + x, top + y) == Some(INK)
        })
}

/// How many pixels of letters there are in the lowest rows, where messages and rates are.
#[must_use]
pub fn ink_at_the_bottom(image: &RgbImage) -> usize {
    let Size { width, height } = image.size();
    let rows = height.saturating_sub(80)..height;
    let places = rows.flat_map(|y| (0..width).map(move |x| (x, y)));
    places
        .filter(|(x, y)| image.rgb(*x, *y) == Some(INK))
        .count()
}
