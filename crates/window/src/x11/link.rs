//! The render thread's connection to the X server.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{AddressFamily, getpeername};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ImageOrder, Screen, VisualClass};
use x11rb::xcb_ffi::XCBConnection;

use crate::WindowWaker;

/// The pixels of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visual {
    /// The server's number for it.
    pub(crate) id: u32,
    /// Bits per pixel that count.
    pub(crate) depth: u8,
    /// Tells whether pixels are the bytes B, G, R, X.
    pub(crate) is_bgrx: bool,
}

impl Visual {
    /// The root window's visual if it has BGRX pixels, else another one that has, else the root's all the same.
    pub(crate) fn choose(conn: &impl Connection, screen: &Screen) -> Self {
        let all = || {
            let depths = screen.allowed_depths.iter();
            depths.flat_map(|depth| {
                let visuals = depth.visuals.iter();
                visuals.map(|visual| {
                    let masks = [visual.red_mask, visual.green_mask, visual.blue_mask];
                    Self {
                        id: visual.visual_id,
                        depth: depth.depth,
                        is_bgrx: visual.class == VisualClass::TRUE_COLOR
                            && masks == [0x00ff_0000, 0xff00, 0xff]
                            && has_four_bytes(conn, depth.depth),
                    }
                })
            })
        };
        let root = all().find(|v| v.id == screen.root_visual);
        root.filter(|v| v.is_bgrx)
            .or_else(|| all().find(|v| v.is_bgrx && v.depth == 24))
            .or(root)
            .unwrap_or(Self {
                id: screen.root_visual,
                depth: screen.root_depth,
                is_bgrx: false,
            })
    }
}

/// Tells whether pixels of this depth are stored in four bytes, lowest first.
fn has_four_bytes(conn: &impl Connection, depth: u8) -> bool {
    let setup = conn.setup();
    setup.image_byte_order == ImageOrder::LSB_FIRST
        && setup
            .pixmap_formats
            .iter()
            .any(|f| f.depth == depth && f.bits_per_pixel == 32 && f.scanline_pad == 32)
}

/// The connection that pictures travel on, and the window they go to.
pub(crate) struct Link {
    /// Read by the render thread only.
    pub(crate) conn: XCBConnection,
    /// Number of the screen.
    pub(crate) screen: usize,
    /// The window, which belongs to the other connection.
    pub(crate) window: u32,
    /// Its pixels.
    pub(crate) visual: Visual,
    /// Set by the presenter when all segments are in use, cleared by the main thread when the server answered.
    pub(crate) is_waiting: AtomicBool,
    /// Makes the main thread look at `is_waiting`.
    pub(crate) waker: WindowWaker,
}

impl Link {
    /// Tells whether descriptors can be passed to the server: over a Unix socket only.
    pub(crate) fn is_local(&self) -> bool {
        getpeername(&self.conn).is_ok_and(|peer| {
            peer.is_some_and(|address| address.address_family() == AddressFamily::UNIX)
        })
    }

    /// Asks the main thread to watch for an answer of the server and to report it as `PresenterReady`.
    pub(crate) fn ask_for_ready(&self) {
        // Pairs with the swap in `X11Window::dispatch`; the eventfd in between orders everything else.
        if !self.is_waiting.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }
}
