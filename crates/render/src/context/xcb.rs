//! Notices that the X server is gone before the driver does.
//!
//! Mesa 22 asks a dead connection for the window's size, believes the answer it does not get, and then sends rows of
//! pixels for minutes. So the connection is looked at before each frame.

use std::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use libloading::Library;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::RenderError;

const LIBRARY: &str = "libxcb.so.1";

type HasError = unsafe extern "C" fn(*mut c_void) -> c_int;
type FileDescriptor = unsafe extern "C" fn(*mut c_void) -> c_int;

/// A connection to an X server.
pub(super) struct Connection {
    connection: NonNull<c_void>,
    has_error: HasError,
    file_descriptor: FileDescriptor,
    /// Keeps the functions loaded.
    _library: Library,
}

impl Connection {
    /// Looks at a connection.
    ///
    /// # Safety
    /// `connection` must be an `xcb_connection_t` that outlives the result.
    pub(super) unsafe fn new(connection: NonNull<c_void>) -> Result<Self, RenderError> {
        let missing = |source| RenderError::Library {
            library: LIBRARY,
            package: "libxcb1",
            source: Box::new(source),
        };
        // SAFETY: libxcb has no initialisers with conditions; whoever made the connection has it loaded already.
        let library = unsafe { Library::new(LIBRARY) }.map_err(missing)?;
        // SAFETY: the signature is that of xcb.h.
        let has_error = unsafe { library.get::<HasError>(b"xcb_connection_has_error\0") };
        let has_error = *has_error.map_err(missing)?;
        // SAFETY: as above.
        let fd = unsafe { library.get::<FileDescriptor>(b"xcb_get_file_descriptor\0") };
        let file_descriptor = *fd.map_err(missing)?;
        Ok(Self {
            connection,
            has_error,
            file_descriptor,
            _library: library,
        })
    }

    /// Tells whether the server is still at the other end.
    pub(super) fn is_alive(&self) -> bool {
        // SAFETY: a valid connection by the promise to `new`.
        if unsafe { (self.has_error)(self.connection.as_ptr()) } != 0 {
            return false;
        }
        // SAFETY: as above.
        let fd = unsafe { (self.file_descriptor)(self.connection.as_ptr()) };
        if fd < 0 {
            return false;
        }
        // SAFETY: open as long as the connection is, and only borrowed for this call.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        // Nothing is asked for: a hang-up is reported in any case.
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        poll(&mut fds, Some(&at_once)).is_err() || !fds[0].revents().intersects(gone)
    }
}
