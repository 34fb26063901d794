//! A window's clipboard, and what tests expect of it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use window::clipboard::{
    Clipboard, ClipboardError, ClipboardEvent, ClipboardFormat, ClipboardLimits,
};
use window::{Window, WindowEvent};

use super::LIMIT;

/// 20 letters of several alphabets, and line ends.
pub(crate) const TEXT: &str = "Grüße, Жук, 漢字 ☃ 🦀\nα\n";

/// A window and its clipboard.
pub(crate) struct Board {
    pub(crate) window: Window,
    pub(crate) clipboard: Box<dyn Clipboard>,
    events: Receiver<ClipboardEvent>,
}

impl Board {
    pub(crate) fn new(mut window: Window, limits: ClipboardLimits) -> Self {
        let (sender, events) = channel();
        let sink = Box::new(move |event| drop(sender.send(event)));
        let clipboard = window.clipboard(limits, sink).expect("a clipboard");
        Self {
            window,
            clipboard,
            events,
        }
    }

    /// Lets the main thread do its part for a moment.
    pub(crate) fn turn(&mut self) -> Vec<WindowEvent> {
        let mut events = Vec::new();
        let step = Some(Duration::from_millis(5));
        // A lost server is what some tests are about.
        let _ = self.window.dispatch(step, &mut events);
        events
    }

    /// The next event.
    pub(crate) fn next(&mut self, what: &str) -> ClipboardEvent {
        self.next_within(LIMIT)
            .unwrap_or_else(|| panic!("waited in vain for {what}"))
    }

    /// The next event, if it comes within `limit`.
    pub(crate) fn next_within(&mut self, limit: Duration) -> Option<ClipboardEvent> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Ok(event) = self.events.try_recv() {
                return Some(event);
            }
            self.turn();
        }
        None
    }

    /// Expects an offer of another program's.
    pub(crate) fn expect_offer(&mut self, formats: &[ClipboardFormat]) {
        let event = self.next("an offer");
        assert_eq!(event, ClipboardEvent::Offered(formats.to_vec()));
    }

    /// Expects somebody to paste.
    pub(crate) fn expect_wanted(&mut self, format: ClipboardFormat) -> u64 {
        match self.next("somebody who pastes") {
            ClipboardEvent::Wanted { id, format: wanted } if wanted == format => id,
            event => panic!("{event:?}"),
        }
    }

    /// Expects the answer to a request.
    pub(crate) fn expect_answer(&mut self, id: u64) -> Result<Vec<u8>, ClipboardError> {
        match self.next("an answer") {
            ClipboardEvent::Received { id: of, data } if of == id => data,
            event => panic!("{event:?}"),
        }
    }

    /// Answers whoever pastes.
    pub(crate) fn supply(&self, id: u64, data: &[u8]) {
        self.clipboard.supply(id, Some(Arc::from(data)));
    }

    /// Runs a program that pastes, supplies `data` once, and returns what it printed.
    pub(crate) fn paste(
        &mut self,
        mut command: Command,
        format: ClipboardFormat,
        data: &[u8],
    ) -> Vec<u8> {
        let output = Pasting::start(&mut command);
        let id = self.expect_wanted(format);
        self.supply(id, data);
        output.finish(self)
    }
}

/// A program that pastes.
pub(crate) struct Pasting(std::thread::JoinHandle<std::io::Result<std::process::Output>>);

impl Pasting {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let child = child.expect("the program starts");
        Self(std::thread::spawn(move || child.wait_with_output()))
    }

    /// What it printed, when it has ended.
    pub(crate) fn finish(self, board: &mut Board) -> Vec<u8> {
        let start = Instant::now();
        while !self.0.is_finished() {
            assert!(start.elapsed() < LIMIT, "it pastes for ever");
            board.turn();
        }
        self.0.join().unwrap().unwrap().stdout
    }
}

/// Bytes in which no two of many pieces are alike; text, as far as anybody looks.
pub(crate) fn long_text(bytes: usize) -> Vec<u8> {
    let lines = (0_u32..).flat_map(|line| format!("{line:x} ").into_bytes());
    lines.take(bytes).collect()
}

/// A real PNG, with all kinds of bytes in it.
pub(crate) fn png() -> Vec<u8> {
    let size = picture::Size::new(64, 64);
    let rgb: Vec<u8> = (0..64_u32 * 64 * 3).map(|i| (i * i / 8) as u8).collect();
    let image = picture::png::RgbImage::new(size, rgb).unwrap();
    picture::png::encode(&image).unwrap()
}
