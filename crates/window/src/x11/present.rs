//! Software pictures on an X window.
//!
//! A window keeps what was put into it, so each picture is only its damage. A segment is a way to carry it there, laid
//! out like the canvas; the server tells by a completion event when it has read one.

use std::os::fd::AsFd;
use std::sync::Arc;

use ivshmem::SharedMemory;
use picture::{BufferRect, Canvas, Size};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::cookie::VoidCookie;
use x11rb::protocol::Event;
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, CreateGCAux, ImageFormat};
use x11rb::xcb_ffi::XCBConnection;

use super::link::Link;
use super::segments::{Rotation, SEGMENTS};
use super::{failed, lost, note};
use crate::copy::{copy_rect, for_each_run};
use crate::surface::{Presented, SoftwarePresenter};
use crate::{Backend, WindowError};

/// Memory that the X server reads.
struct Segment {
    /// The server's number for it.
    id: u32,
    memory: SharedMemory,
}

/// Brings software pictures to an X window.
pub(crate) struct Presenter {
    link: Arc<Link>,
    gc: u32,
    /// Whether MIT-SHM is used.
    is_shared: bool,
    segments: [Option<Segment>; SEGMENTS],
    rotation: Rotation,
    last_size: Size,
}

impl Presenter {
    /// Makes a presenter for the window of `link`.
    pub(crate) fn new(link: Arc<Link>) -> Result<Self, WindowError> {
        if !link.visual.is_bgrx {
            return Err(WindowError::Unsupported {
                backend: Backend::X11,
                what: "a visual with 24-bit pixels of the bytes B, G, R, X",
            });
        }
        let what = "making a graphics context";
        let gc = link.conn.generate_id().map_err(|e| failed(what, e))?;
        let aux = CreateGCAux::new().graphics_exposures(0);
        link.conn
            .create_gc(gc, link.window, &aux)
            .map_err(|e| failed(what, e))?
            .check()
            .map_err(|e| failed(what, e))?;
        let is_shared = link.is_local() && takes_memory(&link.conn)?;
        if !is_shared {
            tracing::info!("no MIT-SHM with descriptors: pictures travel through the X connection");
        }
        Ok(Self {
            link,
            gc,
            is_shared,
            segments: [const { None }; SEGMENTS],
            rotation: Rotation::default(),
            last_size: Size::default(),
        })
    }

    /// Reads the server's answers.
    fn drain(&mut self) -> Result<(), WindowError> {
        while let Some(event) = self.link.conn.poll_for_event().map_err(lost)? {
            match event {
                Event::ShmCompletion(done) => {
                    let id = done.shmseg;
                    let is_it = |s: &Option<Segment>| s.as_ref().is_some_and(|s| s.id == id);
                    if let Some(index) = self.segments.iter().position(is_it) {
                        self.rotation.completed(index);
                    }
                }
                Event::Error(error) => {
                    let kind = error.error_kind;
                    tracing::warn!(?kind, request = ?error.request_name, "X error while presenting");
                    if error.extension_name.as_deref() == Some(shm::X11_EXTENSION_NAME) {
                        // The completion of that picture never comes. Start over with fresh segments, or without.
                        self.drop_segments();
                        self.is_shared &= error.minor_opcode != u16::from(shm::ATTACH_FD_REQUEST);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives all segments back. The server works in order, so it has read them before it lets go of them.
    fn drop_segments(&mut self) {
        for segment in self.segments.iter_mut().filter_map(Option::take) {
            note(
                "detaching a segment",
                self.link.conn.shm_detach(segment.id).map(drop),
            );
        }
        self.rotation = Rotation::default();
        self.last_size = Size::default();
    }

    /// Makes sure that a segment holds `bytes`. Does not wait: a refusal comes as an error later.
    fn prepare(&mut self, index: usize, bytes: usize) -> Result<(), WindowError> {
        let Some(slot) = self.segments.get_mut(index) else {
            return Ok(());
        };
        if slot.as_ref().is_some_and(|s| s.memory.len() >= bytes) {
            return Ok(());
        }
        let conn = &self.link.conn;
        if let Some(old) = slot.take() {
            note("detaching a segment", conn.shm_detach(old.id).map(drop));
        }
        // A quarter more, so that a window that is being dragged larger does not need a new one at every step.
        let (segment, _) = attach(conn, bytes + bytes / 4)?;
        *slot = Some(segment);
        Ok(())
    }

    /// Puts rectangles by shared memory.
    fn put_shared(
        &mut self,
        index: usize,
        canvas: &Canvas,
        rects: &[BufferRect],
    ) -> Result<(), WindowError> {
        let Some(segment) = self.segments.get(index).and_then(Option::as_ref) else {
            return Ok(());
        };
        let size = canvas.size();
        let whole = BufferRect::of_size(size);
        let inside = |r: &BufferRect| r.intersection(whole);
        let Some(last) = rects.iter().rposition(|r| !inside(r).is_empty()) else {
            return Ok(());
        };
        for rect in rects {
            copy_rect(canvas, *rect, segment.memory.as_slice())
                .map_err(|e| WindowError::system("writing a segment", std::io::Error::other(e)))?;
        }
        for (i, rect) in rects.iter().enumerate() {
            let rect = inside(rect);
            if rect.is_empty() {
                continue;
            }
            let request = shm::PutImageRequest {
                drawable: self.link.window,
                gc: self.gc,
                total_width: short(size.width),
                total_height: short(size.height),
                src_x: short(rect.x.unsigned_abs()),
                src_y: short(rect.y.unsigned_abs()),
                src_width: short(rect.width),
                src_height: short(rect.height),
                dst_x: super::open::coordinate(rect.x),
                dst_y: super::open::coordinate(rect.y),
                depth: self.link.visual.depth,
                format: ImageFormat::Z_PIXMAP.into(),
                // The server works in order: when the last one is done, all are.
                send_event: i == last,
                shmseg: segment.id,
                offset: 0,
            };
            let sent = self.link.conn.send_trait_request_without_reply(request);
            sent.map(drop).map_err(lost)?;
        }
        self.rotation.sent(index);
        Ok(())
    }

    /// Puts rectangles through the connection, in pieces that fit a request.
    fn put_copied(&self, canvas: &Canvas, rects: &[BufferRect]) -> Result<(), WindowError> {
        let conn = &self.link.conn;
        let most = conn.maximum_request_bytes().saturating_sub(64);
        for rect in rects {
            let rect = rect.intersection(BufferRect::of_size(canvas.size()));
            if rect.is_empty() {
                continue;
            }
            let row_bytes = rect.width as usize * 4;
            let rows = u32::try_from((most / row_bytes).max(1)).unwrap_or(u32::MAX);
            let mut top = 0;
            while top < rect.height {
                let height = rows.min(rect.height - top);
                let y = rect.y.saturating_add_unsigned(top);
                let band = BufferRect::new(rect.x, y, rect.width, height);
                self.put_band(canvas, band)?;
                top += height;
            }
        }
        Ok(())
    }

    /// Puts one piece that fits a request.
    fn put_band(&self, canvas: &Canvas, band: BufferRect) -> Result<(), WindowError> {
        let mut bytes = Vec::with_capacity(band.width as usize * 4 * band.height as usize);
        for_each_run(canvas, band, |_, run| {
            bytes.extend_from_slice(run);
            Ok::<_, WindowError>(())
        })?;
        let sent = self.link.conn.put_image(
            ImageFormat::Z_PIXMAP,
            self.link.window,
            self.gc,
            short(band.width),
            short(band.height),
            super::open::coordinate(band.x),
            super::open::coordinate(band.y),
            0,
            self.link.visual.depth,
            &bytes,
        );
        sent.map(drop).map_err(lost)
    }
}

impl SoftwarePresenter for Presenter {
    fn present(
        &mut self,
        canvas: &Canvas,
        damage: &[BufferRect],
    ) -> Result<Presented, WindowError> {
        self.drain()?;
        let size = canvas.size();
        let all = [BufferRect::of_size(size)];
        let rects = if size == self.last_size { damage } else { &all };
        if size.is_empty() || rects.is_empty() {
            return Ok(Presented::Done);
        }
        if self.is_shared {
            let Some(index) = self.rotation.free() else {
                self.link.ask_for_ready();
                return Ok(Presented::Busy);
            };
            self.prepare(index, canvas.bytes().len())?;
            self.put_shared(index, canvas, rects)?;
        } else {
            self.put_copied(canvas, rects)?;
        }
        self.link.conn.flush().map_err(lost)?;
        self.last_size = size;
        Ok(Presented::Done)
    }

    fn transport(&self) -> &'static str {
        if self.is_shared {
            "MIT-SHM"
        } else {
            "PutImage"
        }
    }
}

impl Drop for Presenter {
    fn drop(&mut self) {
        self.drop_segments();
        note(
            "freeing the graphics context",
            self.link.conn.free_gc(self.gc).map(drop),
        );
        note("sending", self.link.conn.flush());
    }
}

/// A side or place as the request stores it; a canvas is never larger than a window can be.
fn short(n: u32) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Makes memory of `bytes` and has the server attach it; the answer need not be waited for.
fn attach(
    conn: &XCBConnection,
    bytes: usize,
) -> Result<(Segment, VoidCookie<'_, XCBConnection>), WindowError> {
    let what = "making memory for pictures";
    let memory =
        SharedMemory::create("window-x11", bytes).map_err(|e| WindowError::system(what, e))?;
    let fd = memory.as_fd().try_clone_to_owned();
    let fd = fd.map_err(|e| WindowError::system(what, e))?;
    let id = conn.generate_id().map_err(|e| failed(what, e))?;
    let cookie = conn.shm_attach_fd(id, fd, true).map_err(lost)?;
    Ok((Segment { id, memory }, cookie))
}

/// Tells whether the server takes memory by descriptor, which came with MIT-SHM 1.2: asks, and tries.
fn takes_memory(conn: &XCBConnection) -> Result<bool, WindowError> {
    let present = conn.extension_information(shm::X11_EXTENSION_NAME);
    if !matches!(present, Ok(Some(_))) {
        return Ok(false);
    }
    let version = || conn.shm_query_version().ok()?.reply().ok();
    if version().is_none_or(|v| (v.major_version, v.minor_version) < (1, 2)) {
        return Ok(false);
    }
    let (probe, cookie) = attach(conn, 4096)?;
    let attached = note("attaching shared memory", cookie.check());
    note("detaching a segment", conn.shm_detach(probe.id).map(drop));
    Ok(attached.is_some())
}
