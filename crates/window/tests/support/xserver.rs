//! Xvfb, with or without a window manager, and an observer of its screen.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use picture::Size;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, ImageFormat, Window as XWindow,
    WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use super::{Process, Shot, has_program, wait_for};

/// A running Xvfb of 1280 by 720.
pub(crate) struct XServer {
    manager: Option<Process>,
    server: Process,
    pub(crate) display: String,
    pub(crate) conn: RustConnection,
    pub(crate) root: XWindow,
}

impl XServer {
    /// Starts a server; `None` (and a loud note) if it is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &[])
    }

    /// Starts a server with further arguments.
    pub(crate) fn start_with(test: &str, arguments: &[&str]) -> Option<Self> {
        if !has_program("Xvfb", test) {
            return None;
        }
        let mut server = Process::start(
            Command::new("Xvfb")
                .args([
                    "-displayfd",
                    "1",
                    "-screen",
                    "0",
                    "1280x720x24",
                    "-noreset",
                    "-ac",
                ])
                .args(["-nolisten", "tcp", "-extension", "SECURITY"])
                .args(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let mut line = String::new();
        let out = server.0.stdout.take().expect("a pipe");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("a display number");
        let display = format!(":{}", line.trim());
        let (conn, screen) = RustConnection::connect(Some(&display)).expect("the server answers");
        let root = conn.setup().roots[screen].root;
        Some(Self {
            manager: None,
            server,
            display,
            conn,
            root,
        })
    }

    /// Starts openbox; `false` (and a loud note) if it is not installed.
    pub(crate) fn manage(&mut self, test: &str) -> bool {
        if !has_program("openbox", test) {
            return false;
        }
        let home = std::env::temp_dir();
        self.manager = Some(Process::start(
            Command::new("openbox")
                .env("DISPLAY", &self.display)
                .env("HOME", home)
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        ));
        // Openbox does not manage windows that are mapped while it starts: wait until it takes one.
        let state = self.atom("WM_STATE");
        wait_for("openbox", || {
            let probe = self.conn.generate_id().unwrap();
            let (root, aux) = (self.root, Default::default());
            let class = WindowClass::INPUT_OUTPUT;
            self.conn
                .create_window(0, probe, root, 0, 0, 50, 50, 0, class, 0, &aux)
                .unwrap();
            self.conn.map_window(probe).unwrap();
            self.conn.flush().unwrap();
            std::thread::sleep(Duration::from_millis(100));
            let managed = !self.words(probe, state).is_empty();
            self.conn.destroy_window(probe).unwrap().check().unwrap();
            managed.then_some(())
        });
        true
    }

    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    pub(crate) fn atom(&self, name: &str) -> u32 {
        let cookie = self.conn.intern_atom(false, name.as_bytes()).unwrap();
        cookie.reply().unwrap().atom
    }

    pub(crate) fn words(&self, window: XWindow, property: u32) -> Vec<u32> {
        let bytes = self.bytes(window, property);
        let words = bytes.as_chunks::<4>().0;
        words.iter().map(|word| u32::from_ne_bytes(*word)).collect()
    }

    /// A property's bytes; none if there is no such property or, any more, window.
    pub(crate) fn bytes(&self, window: XWindow, property: u32) -> Vec<u8> {
        let kind = AtomEnum::ANY;
        let cookie = self
            .conn
            .get_property(false, window, property, kind, 0, 1024);
        let reply = cookie.unwrap().reply();
        reply.map(|reply| reply.value).unwrap_or_default()
    }

    /// The window of ours, found by its class anywhere in the tree.
    pub(crate) fn find_window(&self, class: &str) -> XWindow {
        wait_for("the window", || self.search(self.root, class))
    }

    fn search(&self, from: XWindow, class: &str) -> Option<XWindow> {
        let found = self.bytes(from, AtomEnum::WM_CLASS.into());
        if found == format!("{class}\0{class}\0").as_bytes() {
            return Some(from);
        }
        let children = self.conn.query_tree(from).ok()?.reply().ok()?.children;
        children
            .into_iter()
            .find_map(|child| self.search(child, class))
    }

    /// Where a window's content begins, and its size.
    pub(crate) fn place(&self, window: XWindow) -> (i32, i32, Size) {
        let at = self.conn.translate_coordinates(window, self.root, 0, 0);
        let at = at.unwrap().reply().unwrap();
        let size = self.conn.get_geometry(window).unwrap().reply().unwrap();
        let size = Size::new(size.width.into(), size.height.into());
        (at.dst_x.into(), at.dst_y.into(), size)
    }

    /// Tells whether a manager has put a frame around a window.
    pub(crate) fn is_framed(&self, window: XWindow) -> bool {
        let extents = self.words(window, self.atom("_NET_FRAME_EXTENTS"));
        extents.iter().any(|side| *side > 0)
    }

    pub(crate) fn shot(&self) -> Shot {
        let size = self.place(self.root).2;
        let (width, height) = (size.width as u16, size.height as u16);
        let image = self
            .conn
            .get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, width, height, !0)
            .unwrap()
            .reply()
            .unwrap();
        let pixels = image.data.as_chunks::<4>().0;
        Shot {
            size,
            pixels: pixels.iter().map(|&[b, g, r, _]| [b, g, r]).collect(),
        }
    }

    /// Sends a message to the manager, or to the window itself.
    pub(crate) fn send(&self, to_window: bool, window: XWindow, kind: u32, data: [u32; 5]) {
        let message = ClientMessageEvent::new(32, window, kind, data);
        let (to, mask) = if to_window {
            (window, EventMask::NO_EVENT)
        } else {
            let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
            (self.root, mask)
        };
        self.conn.send_event(false, to, mask, message).unwrap();
        self.conn.flush().unwrap();
    }

    /// Makes the server believe in input: an event type of the core protocol, its detail, and a place.
    pub(crate) fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) {
        let root = self.root;
        let sent = self.conn.xtest_fake_input(kind, detail, 0, root, x, y, 0);
        sent.unwrap().check().unwrap();
    }
}
