//! Drawing on a Wayland surface of a headless weston.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ffi::c_void;
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;

use common::{Frame, assert_close, bytes, layout, reference};
use picture::{Damage, PixelFormat, Rotation, Scene, Size};
use raw_window_handle::{
    DisplayHandle, HandleError, HasDisplayHandle, HasWindowHandle, RawDisplayHandle,
    RawWindowHandle, WaylandDisplayHandle, WaylandWindowHandle, WindowHandle,
};
use render::{GlesRenderer, RenderError, RenderOptions};
use testkit::compositor::Weston;
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::{wl_compositor, wl_registry, wl_surface};
use wayland_client::{Connection, Dispatch, Proxy as _, QueueHandle, delegate_noop};

struct State;

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for State {
    fn event(
        _: &mut Self,
        _: &wl_registry::WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(State: ignore wl_compositor::WlCompositor);
delegate_noop!(State: ignore wl_surface::WlSurface);

/// A surface and the connection it lives on.
#[derive(Clone)]
struct Surface {
    connection: Connection,
    surface: wl_surface::WlSurface,
}

impl HasDisplayHandle for Surface {
    fn display_handle(&self) -> Result<DisplayHandle<'_>, HandleError> {
        let display = self.connection.backend().display_ptr().cast::<c_void>();
        let handle = WaylandDisplayHandle::new(NonNull::new(display).unwrap());
        // SAFETY: the connection lives as long as `self`.
        Ok(unsafe { DisplayHandle::borrow_raw(RawDisplayHandle::Wayland(handle)) })
    }
}

impl HasWindowHandle for Surface {
    fn window_handle(&self) -> Result<WindowHandle<'_>, HandleError> {
        let surface = self.surface.id().as_ptr().cast::<c_void>();
        let handle = WaylandWindowHandle::new(NonNull::new(surface).unwrap());
        // SAFETY: the surface is never destroyed.
        Ok(unsafe { WindowHandle::borrow_raw(RawWindowHandle::Wayland(handle)) })
    }
}

#[test]
fn a_wayland_surface_is_drawn_on_and_resized() {
    let Some(weston) = Weston::start(640, 480).unwrap() else {
        return;
    };
    let stream = UnixStream::connect(weston.socket()).unwrap();
    let connection = Connection::from_socket(stream).unwrap();
    let (globals, mut queue) = registry_queue_init::<State>(&connection).unwrap();
    let handle = queue.handle();
    let compositor: wl_compositor::WlCompositor = globals.bind(&handle, 1..=4, ()).unwrap();
    let surface = compositor.create_surface(&handle, ());
    queue.roundtrip(&mut State).unwrap();
    let size = Size::new(300, 200);
    let surface = Surface {
        connection,
        surface,
    };
    let made = GlesRenderer::for_window(surface, size, &RenderOptions::default());
    let mut renderer = match made {
        Ok(renderer) => renderer,
        Err(error @ (RenderError::Library { .. } | RenderError::Platform { .. })) => {
            testkit::skip("EGL on Wayland", &error.to_string());
            return;
        }
        Err(error) => panic!("{error:?}"),
    };
    let layout = layout(PixelFormat::Bgra8, size, Rotation::Deg0);
    let picture = bytes(&layout, 1);
    let mut frame = Frame::new(&picture);
    renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
    let scene = Scene {
        layout: Some(&layout),
        ..Scene::default()
    };
    for size in [size, Size::new(450, 310)] {
        renderer.resize(size).unwrap();
        renderer.draw(&scene).unwrap();
        let want = reference::compose(&scene, &picture, size);
        let got = renderer.read_pixels().unwrap();
        assert_close(&got, &want, 2, &format!("{size:?}"));
        renderer.present().unwrap();
        // The compositor accepts the buffer: an error would end the connection.
        queue.roundtrip(&mut State).unwrap();
    }
}
