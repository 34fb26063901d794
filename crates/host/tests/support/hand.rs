//! An X program that draws, moves the pointer and changes its picture.

use x11rb::connection::Connection as _;
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::{
    ChangeGCAux, ChangeWindowAttributesAux, ConnectionExt as _, CreateGCAux, Cursor, Gcontext,
    Rectangle, SubwindowMode, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// What `fake_input` calls a motion, as in `xproto`.
const MOTION: u8 = 6;

/// A connection that draws on the root window.
pub(crate) struct Hand {
    connection: RustConnection,
    root: Window,
    gc: Gcontext,
}

impl Hand {
    pub(crate) fn on(display: &str) -> Self {
        let (connection, screen) = RustConnection::connect(Some(display)).unwrap();
        let root = connection.setup().roots[screen].root;
        let gc = connection.generate_id().unwrap();
        let aux = CreateGCAux::new().subwindow_mode(SubwindowMode::INCLUDE_INFERIORS);
        connection.create_gc(gc, root, &aux).unwrap();
        Self {
            connection,
            root,
            gc,
        }
    }

    /// Fills each rectangle (x, y, width, height) with 0xRRGGBB by a request of its own, all sent at once.
    pub(crate) fn fill(&self, colour: u32, rects: &[(i16, i16, u16, u16)]) {
        let aux = ChangeGCAux::new().foreground(colour);
        self.connection.change_gc(self.gc, &aux).unwrap();
        for &(x, y, width, height) in rects {
            let rect = Rectangle {
                x,
                y,
                width,
                height,
            };
            self.connection
                .poly_fill_rectangle(self.root, self.gc, &[rect])
                .unwrap();
        }
        self.connection.sync().unwrap();
    }

    /// Puts the pointer somewhere without anybody being told.
    pub(crate) fn warp(&self, x: i16, y: i16) {
        let (root, none) = (self.root, x11rb::NONE);
        self.connection
            .warp_pointer(none, root, 0, 0, 0, 0, x, y)
            .unwrap();
        self.connection.sync().unwrap();
    }

    /// Where the pointer is.
    pub(crate) fn pointer(&self) -> (i16, i16) {
        let reply = self.connection.query_pointer(self.root).unwrap();
        let reply = reply.reply().unwrap();
        (reply.root_x, reply.root_y)
    }

    /// Moves the pointer as a mouse does.
    pub(crate) fn push(&self, x: i16, y: i16) {
        self.connection
            .xtest_fake_input(MOTION, 0, 0, self.root, x, y, 0)
            .unwrap();
        self.connection.sync().unwrap();
    }

    /// Shows a pointer of 16 × 16 pixels in one colour on the root window.
    pub(crate) fn show_pointer(&self, colour: (u8, u8, u8), hot_spot: (u16, u16)) {
        let connection = &self.connection;
        let (mask, cursor) = (
            connection.generate_id().unwrap(),
            connection.generate_id().unwrap(),
        );
        let gc = connection.generate_id().unwrap();
        connection
            .create_pixmap(1, mask, self.root, 16, 16)
            .unwrap();
        let aux = CreateGCAux::new().foreground(1);
        connection.create_gc(gc, mask, &aux).unwrap();
        let all = Rectangle {
            x: 0,
            y: 0,
            width: 16,
            height: 16,
        };
        connection.poly_fill_rectangle(mask, gc, &[all]).unwrap();
        let wide = |value: u8| u16::from(value) * 0x101;
        let (r, g, b) = (wide(colour.0), wide(colour.1), wide(colour.2));
        let (x, y) = hot_spot;
        connection
            .create_cursor(cursor, mask, mask, r, g, b, r, g, b, x, y)
            .unwrap();
        self.use_pointer(cursor);
    }

    fn use_pointer(&self, cursor: Cursor) {
        let aux = ChangeWindowAttributesAux::new().cursor(cursor);
        self.connection
            .change_window_attributes(self.root, &aux)
            .unwrap();
        self.connection.sync().unwrap();
    }

    /// Tells whether the server hands out the pointer's picture.
    pub(crate) fn can_read_pointer(&self) -> bool {
        self.connection.xfixes_query_version(4, 0).unwrap();
        let image = self.connection.xfixes_get_cursor_image().unwrap();
        image.reply().is_ok()
    }
}
