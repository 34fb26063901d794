//! A screen of an X server and memory shared with it.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, bail};
use ivshmem::SharedMemory;
use picture::Size;
use x11rb::connection::Connection as _;
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::Window;
use x11rb::rust_connection::RustConnection;

/// Rows are B, G, R, X.
pub(crate) const PIXEL_BYTES: usize = 4;

/// A connection to a server whose screen has 24-bit pixels.
pub(crate) struct Screen {
    pub(crate) conn: RustConnection,
    pub(crate) root: Window,
    pub(crate) size: Size,
    pub(crate) depth: u8,
}

impl Screen {
    pub(crate) fn open(display: &str) -> anyhow::Result<Self> {
        let (conn, index) = RustConnection::connect(Some(display))
            .with_context(|| format!("connecting to the X server {display}"))?;
        let setup = conn.setup();
        let screen = setup.roots.get(index).context("the server has a screen")?;
        let depth = screen.root_depth;
        let bits = setup.pixmap_formats.iter().find(|f| f.depth == depth);
        if depth != 24 || bits.is_none_or(|format| format.bits_per_pixel != 32) {
            bail!("{display} has a depth of {depth} bits, not 24 in 32");
        }
        let size = Size::new(
            screen.width_in_pixels.into(),
            screen.height_in_pixels.into(),
        );
        let root = screen.root;
        conn.shm_query_version()?
            .reply()
            .with_context(|| format!("{display} has no MIT-SHM"))?;
        Ok(Self {
            conn,
            root,
            size,
            depth,
        })
    }
}

/// Memory that the server reads and writes.
pub(crate) struct Segment {
    pub(crate) id: u32,
    pub(crate) memory: SharedMemory,
}

impl Segment {
    pub(crate) fn create(conn: &RustConnection, bytes: usize) -> anyhow::Result<Self> {
        let memory = SharedMemory::create("testkit-x11", bytes)?;
        let id = conn.generate_id()?;
        let fd = memory.as_fd().try_clone_to_owned()?;
        conn.shm_attach_fd(id, fd, false)?
            .check()
            .context("handing a memory to the X server")?;
        Ok(Self { id, memory })
    }
}

/// A side or place as the protocol stores it.
pub(crate) fn short(pixels: u32) -> u16 {
    u16::try_from(pixels).unwrap_or(u16::MAX)
}

/// A coordinate as the protocol stores it.
pub(crate) fn coordinate(pixels: u32) -> i16 {
    i16::try_from(pixels).unwrap_or(i16::MAX)
}
