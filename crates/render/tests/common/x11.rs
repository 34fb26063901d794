//! A window on an X server of our own.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use picture::{Canvas, Size};
use raw_window_handle::{
    DisplayHandle, HandleError, HasDisplayHandle, HasWindowHandle, RawDisplayHandle,
    RawWindowHandle, WindowHandle, XcbDisplayHandle, XcbWindowHandle,
};
use testkit::x_server::XServer;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, ImageFormat, WindowClass,
};
use x11rb::xcb_ffi::{XCBConnection, load_libxcb};

/// A mapped window and the connection it lives on.
#[derive(Clone)]
pub(crate) struct Window {
    connection: Arc<XCBConnection>,
    window: u32,
    visual: u32,
}

impl Window {
    pub(crate) fn open(server: &XServer, size: Size) -> Self {
        load_libxcb().unwrap();
        let name = std::ffi::CString::new(server.display()).unwrap();
        let (connection, screen) = XCBConnection::connect(Some(&name)).unwrap();
        let root = &connection.setup().roots[screen];
        let window = connection.generate_id().unwrap();
        connection
            .create_window(
                root.root_depth,
                window,
                root.root,
                0,
                0,
                size.width as u16,
                size.height as u16,
                0,
                WindowClass::INPUT_OUTPUT,
                0,
                &CreateWindowAux::new(),
            )
            .unwrap();
        connection.map_window(window).unwrap().check().unwrap();
        Self {
            visual: root.root_visual,
            window,
            connection: Arc::new(connection),
        }
    }

    pub(crate) fn resize(&self, size: Size) {
        let to = ConfigureWindowAux::new()
            .width(size.width)
            .height(size.height);
        let sent = self.connection.configure_window(self.window, &to);
        sent.unwrap().check().unwrap();
    }

    pub(crate) fn destroy(&self) {
        let sent = self.connection.destroy_window(self.window);
        sent.unwrap().check().unwrap();
    }

    /// What the server shows; it answers only after it has handled all that was sent before.
    pub(crate) fn screenshot(&self, size: Size) -> Canvas {
        let (width, height) = (size.width as u16, size.height as u16);
        let sent = self.connection.get_image(
            ImageFormat::Z_PIXMAP,
            self.window,
            0,
            0,
            width,
            height,
            u32::MAX,
        );
        let mut canvas = Canvas::new(size);
        let image = sent.unwrap().reply().unwrap();
        canvas.bytes_mut().copy_from_slice(&image.data);
        canvas
    }
}

impl HasDisplayHandle for Window {
    fn display_handle(&self) -> Result<DisplayHandle<'_>, HandleError> {
        let connection = self.connection.get_raw_xcb_connection();
        let handle = XcbDisplayHandle::new(NonNull::new(connection.cast::<c_void>()), 0);
        // SAFETY: the connection lives as long as `self`.
        Ok(unsafe { DisplayHandle::borrow_raw(RawDisplayHandle::Xcb(handle)) })
    }
}

impl HasWindowHandle for Window {
    fn window_handle(&self) -> Result<WindowHandle<'_>, HandleError> {
        let mut handle = XcbWindowHandle::new(self.window.try_into().unwrap());
        handle.visual_id = self.visual.try_into().ok();
        // SAFETY: the window is only destroyed by the tests that want to see what happens.
        Ok(unsafe { WindowHandle::borrow_raw(RawWindowHandle::Xcb(handle)) })
    }
}
