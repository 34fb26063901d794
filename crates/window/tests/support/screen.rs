//! An observer of an X screen.

use picture::Size;
use testkit::window_manager::WindowManager;
use testkit::x_server::XServer;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, ImageFormat, Window as XWindow,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use super::shot::Shot;
use super::{SCREEN, wait_for};

/// A running Xvfb, and a connection to look at its screen.
pub(crate) struct Screen {
    server: XServer,
    pub(crate) conn: RustConnection,
    pub(crate) root: XWindow,
}

impl Screen {
    /// Starts a server without a window manager; `None` (and a loud note) if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Option<Self> {
        let server = XServer::start_with(SCREEN.width, SCREEN.height, arguments);
        let server = server.expect("Xvfb comes up")?;
        let (conn, screen) = RustConnection::connect(Some(server.display())).unwrap();
        let root = conn.setup().roots[screen].root;
        Some(Self { server, conn, root })
    }

    /// Starts a server and openbox.
    pub(crate) fn start_managed() -> Option<Self> {
        let mut this = Self::start()?;
        this.manage().then_some(this)
    }

    /// Starts openbox; `false` (and a loud note) if it is not installed.
    pub(crate) fn manage(&mut self) -> bool {
        self.server.manage().expect("openbox comes up")
    }

    /// Starts another window manager; `false` (and a loud note) if it is not installed.
    pub(crate) fn manage_by(&mut self, manager: WindowManager) -> bool {
        self.server.manage_by(manager).expect("it comes up")
    }

    pub(crate) fn display(&self) -> String {
        self.server.display().to_owned()
    }

    /// Runs a program on this display.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) {
        self.server.run(program, arguments).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.server.process().kill();
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
