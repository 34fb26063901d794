//! Real display servers, and what tests do with windows on them.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use picture::{BufferRect, Canvas, Size};
use window::{Presented, SoftwarePresenter, Window, WindowError, WindowEvent};

pub(crate) mod compositor;
pub(crate) mod xserver;

/// How long anything may take that another process has to do.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// Finds a program; tells loudly if a test cannot run without it.
pub(crate) fn has_program(name: &str, test: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    if !found {
        eprintln!("SKIPPED: {test}: the program {name} is not installed");
    }
    found
}

/// A process that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Dispatches until `done` says so about all events that came meanwhile, which are returned.
pub(crate) fn pump(
    window: &mut Window,
    what: &str,
    mut done: impl FnMut(&Window, &[WindowEvent]) -> bool,
) -> Vec<WindowEvent> {
    let start = Instant::now();
    let mut events = Vec::new();
    while !done(window, &events) {
        assert!(
            start.elapsed() < LIMIT,
            "waited in vain for {what}, got {events:?}"
        );
        window
            .dispatch(Some(Duration::from_millis(20)), &mut events)
            .expect("the display server lives");
    }
    events
}

/// Dispatches until an event comes.
pub(crate) fn pump_event(window: &mut Window, event: &WindowEvent) -> Vec<WindowEvent> {
    pump(window, &format!("{event:?}"), |_, events| {
        events.contains(event)
    })
}

/// Dispatches until the window's buffers have a size.
pub(crate) fn pump_size(window: &mut Window, size: Size) {
    pump(window, &format!("{size:?}"), |window, _| {
        window.buffer_size() == size
    });
}

/// Dispatches until the server is found gone.
pub(crate) fn pump_until_lost(window: &mut Window) -> WindowError {
    let start = Instant::now();
    let mut events = Vec::new();
    loop {
        if let Err(error) = window.dispatch(Some(Duration::from_millis(20)), &mut events) {
            return error;
        }
        assert!(start.elapsed() < LIMIT, "the loss went unnoticed");
    }
}

/// Presents, dispatching while all buffers are busy.
pub(crate) fn present(
    window: &mut Window,
    presenter: &mut dyn SoftwarePresenter,
    canvas: &Canvas,
    damage: &[BufferRect],
) {
    let start = Instant::now();
    while presenter.present(canvas, damage).expect("presenting") == Presented::Busy {
        assert!(start.elapsed() < LIMIT, "busy for ever");
        let mut events = Vec::new();
        window
            .dispatch(Some(Duration::from_millis(5)), &mut events)
            .expect("the display server lives");
    }
}

/// Fills a rectangle of a canvas.
pub(crate) fn fill(canvas: &mut Canvas, rect: BufferRect, bgr: [u8; 3]) {
    let rect = rect.intersection(BufferRect::of_size(canvas.size()));
    let pitch = canvas.pitch_bytes();
    for y in rect.y as usize..rect.y as usize + rect.height as usize {
        for x in rect.x as usize..rect.x as usize + rect.width as usize {
            let at = y * pitch + x * 4;
            canvas.bytes_mut()[at..at + 3].copy_from_slice(&bgr);
        }
    }
}

/// A picture in which no two of a few thousand neighbouring pixels are alike.
pub(crate) fn pattern(size: Size) -> Canvas {
    let mut canvas = Canvas::new(size);
    let pitch = canvas.pitch_bytes();
    for y in 0..size.height as usize {
        for x in 0..size.width as usize {
            let at = y * pitch + x * 4;
            let pixel = [
                x as u8,
                y as u8,
                (x / 256 * 16 + y / 256 * 64 + 32) as u8,
                0,
            ];
            canvas.bytes_mut()[at..at + 4].copy_from_slice(&pixel);
        }
    }
    canvas
}

/// A picture read from a screen.
#[derive(Debug)]
pub(crate) struct Shot {
    pub(crate) size: Size,
    /// B, G, R of each pixel.
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Shot {
    pub(crate) fn at(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        let index = y as usize * self.size.width as usize + x as usize;
        self.pixels.get(index).copied()
    }

    /// Tells whether `canvas` is to be seen with its top left corner at a place.
    pub(crate) fn shows(&self, canvas: &Canvas, left: u32, top: u32) -> bool {
        let size = canvas.size();
        (0..size.height)
            .all(|y| (0..size.width).all(|x| self.at(left + x, top + y) == canvas.bgr(x, y)))
    }

    /// Finds where `canvas` is to be seen.
    pub(crate) fn find(&self, canvas: &Canvas) -> Option<(u32, u32)> {
        let size = canvas.size();
        let lefts = || 0..=self.size.width.saturating_sub(size.width);
        let mut tops = 0..=self.size.height.saturating_sub(size.height);
        tops.find_map(|y| lefts().find(|&x| self.shows(canvas, x, y)).map(|x| (x, y)))
    }

    /// Reads a binary PPM file's contents.
    pub(crate) fn from_ppm(bytes: &[u8]) -> Option<Self> {
        let mut words = Vec::new();
        let mut at = 0;
        while words.len() < 4 {
            let end = at + bytes.get(at..)?.iter().position(u8::is_ascii_whitespace)?;
            if end > at {
                words.push(std::str::from_utf8(&bytes[at..end]).ok()?);
            }
            at = end + 1;
        }
        let size = Size::new(words[1].parse().ok()?, words[2].parse().ok()?);
        let rgb = bytes.get(at..)?.as_chunks::<3>().0;
        let pixels = rgb.iter().map(|&[r, g, b]| [b, g, r]).collect();
        (words[0] == "P6").then_some(Self { size, pixels })
    }
}

/// Tells whether this process may change users.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Tells whether a path is a socket that answers.
pub(crate) fn answers(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}
