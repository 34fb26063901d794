//! Reading the root window, into a segment shared with the X server or through the connection.

use std::os::fd::AsFd;

use ivshmem::SharedMemory;
use picture::{Damage, FrameLayout, PixelFormat, Size};
use relay::publisher::Pixels;
use rustix::net::{AddressFamily, getsockname};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::ReplyError;
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, ImageOrder, Window};
use x11rb::rust_connection::RustConnection;

use super::super::{CaptureError, CapturedImage};

/// Rows between two bands that cost less to read than another request does.
const CHEAP_GAP: u32 = 16;

/// Every plane of the picture.
const ALL_PLANES: u32 = !0;

/// The private or shared copy of the root window.
pub(super) struct Screen {
    root: Window,
    layout: FrameLayout,
    store: Store,
}

enum Store {
    /// MIT-SHM: the server writes into this memfd.
    Segment { id: shm::Seg, memory: SharedMemory },
    /// Without MIT-SHM 1.2, or over a network: replies are copied here.
    Private(Vec<u8>),
}

impl Screen {
    /// Learns the size and format of the root window and prepares room for it.
    pub(super) fn open(connection: &RustConnection, root: Window) -> Result<Self, CaptureError> {
        let layout = layout_of(connection, root)?;
        Ok(Self {
            root,
            store: store_for(connection, &layout),
            layout,
        })
    }

    /// Learns size and format anew; tells whether they changed. Then everything has to be grabbed again.
    pub(super) fn refit(&mut self, connection: &RustConnection) -> Result<bool, CaptureError> {
        let layout = layout_of(connection, self.root)?;
        if layout == self.layout {
            return Ok(false);
        }
        // The server holds its side until it is told, or until the connection ends.
        if let Store::Segment { id, .. } = self.store {
            connection.shm_detach(id)?;
        }
        self.store = store_for(connection, &layout);
        self.layout = layout;
        Ok(true)
    }

    pub(super) fn layout(&self) -> &FrameLayout {
        &self.layout
    }

    /// Fetches the rows that hold `damage`, whole rows, so that each lands at its place.
    pub(super) fn grab(
        &mut self,
        connection: &RustConnection,
        damage: &Damage,
    ) -> Result<(), ReplyError> {
        let height = self.layout.frame.height;
        let mut bands = Bands::default();
        if damage.is_full() {
            bands.add(0, height);
        }
        damage
            .rects()
            .iter()
            .for_each(|rect| bands.add(rect.y, rect.height));
        let bands = bands.merged();
        match &mut self.store {
            Store::Segment { id, .. } => {
                grab_shared(connection, self.root, &self.layout, *id, bands)
            }
            Store::Private(bytes) => {
                grab_private(connection, self.root, &self.layout, bytes, bands)
            }
        }
    }

    /// The picture as last grabbed.
    pub(super) fn image<'a>(&'a self, damage: &'a Damage) -> CapturedImage<'a> {
        let pixels = match &self.store {
            Store::Segment { memory, .. } => Pixels::Shared(memory.as_slice()),
            Store::Private(bytes) => Pixels::Private(bytes),
        };
        CapturedImage {
            layout: self.layout,
            pixels,
            damage,
            told: None,
        }
    }
}

fn layout_of(connection: &RustConnection, root: Window) -> Result<FrameLayout, CaptureError> {
    let geometry = connection.get_geometry(root)?.reply()?;
    let setup = connection.setup();
    let depth = setup
        .pixmap_formats
        .iter()
        .find(|format| format.depth == geometry.depth);
    let is_bgrx = depth.is_some_and(|format| format.bits_per_pixel == 32)
        && matches!(geometry.depth, 24 | 32)
        && setup.image_byte_order == ImageOrder::LSB_FIRST;
    if !is_bgrx {
        return Err(CaptureError::Unusable(format!(
            "the screen has depth {}: only 24 and 32 bits in little-endian order can be captured",
            geometry.depth
        )));
    }
    let size = Size::new(u32::from(geometry.width), u32::from(geometry.height));
    Ok(FrameLayout::packed(PixelFormat::Bgra8, size))
}

/// Room for a picture of that layout: shared with the server, or private if that cannot be.
fn store_for(connection: &RustConnection, layout: &FrameLayout) -> Store {
    let len = usize::try_from(layout.data_bytes()).unwrap_or(usize::MAX);
    share(connection, len).unwrap_or_else(|reason| {
        tracing::info!(%reason, "no MIT-SHM: pictures come through the connection, slower");
        Store::Private(vec![0; len])
    })
}

/// Makes a memfd that the server maps as well.
fn share(connection: &RustConnection, len: usize) -> Result<Store, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    if connection
        .extension_information(shm::X11_EXTENSION_NAME)
        .map_err(|e| text(&e))?
        .is_none()
    {
        return Err("the server lacks MIT-SHM".into());
    }
    // Trying it over a network would end the connection.
    let address = getsockname(connection.stream()).map_err(|e| text(&e))?;
    if address.address_family() != AddressFamily::UNIX {
        return Err("the server is reached over a network".into());
    }
    let version = connection.shm_query_version().map_err(|e| text(&e))?;
    let version = version.reply().map_err(|e| text(&e))?;
    if (version.major_version, version.minor_version) < (1, 2) {
        return Err("the server's MIT-SHM is older than 1.2".into());
    }
    let memory = SharedMemory::create("looking-glass-capture", len).map_err(|e| text(&e))?;
    let fd = memory.as_fd().try_clone_to_owned().map_err(|e| text(&e))?;
    let id = connection.generate_id().map_err(|e| text(&e))?;
    let attached = connection
        .shm_attach_fd(id, fd, false)
        .map_err(|e| text(&e))?;
    attached.check().map_err(|e| text(&e))?;
    Ok(Store::Segment { id, memory })
}

fn grab_shared(
    connection: &RustConnection,
    root: Window,
    layout: &FrameLayout,
    segment: shm::Seg,
    bands: &[(u32, u32)],
) -> Result<(), ReplyError> {
    // Requests are served in order: the reply to the last says that all are done.
    let mut last = None;
    for &(first, rows) in bands {
        let cookie = connection.shm_get_image(
            root,
            0,
            first as i16,
            layout.frame.width as u16,
            rows as u16,
            ALL_PLANES,
            ImageFormat::Z_PIXMAP.into(),
            segment,
            first * layout.pitch_bytes,
        )?;
        // Each reply is taken when the next request is under way.
        if let Some(earlier) = last.replace(cookie) {
            earlier.reply()?;
        }
    }
    last.map_or(Ok(()), |cookie| cookie.reply().map(drop))
}

fn grab_private(
    connection: &RustConnection,
    root: Window,
    layout: &FrameLayout,
    bytes: &mut [u8],
    bands: &[(u32, u32)],
) -> Result<(), ReplyError> {
    for &(first, rows) in bands {
        let reply = connection
            .get_image(
                ImageFormat::Z_PIXMAP,
                root,
                0,
                first as i16,
                layout.frame.width as u16,
                rows as u16,
                ALL_PLANES,
            )?
            .reply()?;
        let start = first as usize * layout.pitch_bytes as usize;
        let room = bytes.get_mut(start..).unwrap_or_default();
        let len = room.len().min(reply.data.len());
        if let (Some(to), Some(from)) = (room.get_mut(..len), reply.data.get(..len)) {
            to.copy_from_slice(from);
        }
    }
    Ok(())
}

/// Runs of rows, first and count.
struct Bands {
    len: usize,
    runs: [(u32, u32); picture::damage::MAX_RECTS],
}

impl Default for Bands {
    fn default() -> Self {
        Self {
            len: 0,
            runs: [(0, 0); picture::damage::MAX_RECTS],
        }
    }
}

impl Bands {
    fn add(&mut self, first: u32, rows: u32) {
        if let Some(slot) = self.runs.get_mut(self.len) {
            *slot = (first, rows);
            self.len += 1;
        }
    }

    /// Sorts the runs and joins those that are close.
    fn merged(&mut self) -> &[(u32, u32)] {
        let runs = &mut self.runs[..self.len];
        runs.sort_unstable();
        let mut kept = 0;
        for i in 1..runs.len() {
            let (first, rows) = runs[kept];
            let end = first + rows;
            let (next, next_rows) = runs[i];
            if next <= end + CHEAP_GAP {
                runs[kept].1 = end.max(next + next_rows) - first;
            } else {
                kept += 1;
                runs[kept] = (next, next_rows);
            }
        }
        &runs[..runs.len().min(kept + 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_that_overlap_or_are_close_are_read_at_once() {
        let mut bands = Bands::default();
        for (first, rows) in [(100, 10), (0, 5), (5, 5), (105, 20), (300, 1), (26, 1)] {
            bands.add(first, rows);
        }
        bands.add(318, 2);
        assert_eq!(bands.merged(), [(0, 27), (100, 25), (300, 1), (318, 2)]);
        assert!(Bands::default().merged().is_empty());
    }
}
