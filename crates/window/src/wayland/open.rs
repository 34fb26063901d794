//! Opens a window on a Wayland compositor.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calloop::EventLoop;
use calloop::ping::make_ping;
use calloop_wayland_source::WaylandSource;
use clock::{Clock, MonotonicClock, Nanos};
use picture::Size;
use smithay_client_toolkit::activation::ActivationState;
use smithay_client_toolkit::compositor::CompositorState;
use smithay_client_toolkit::output::OutputState;
use smithay_client_toolkit::registry::RegistryState;
use smithay_client_toolkit::seat::SeatState;
use wayland_client::globals::{GlobalList, registry_queue_init};
use wayland_client::{ConnectError, Connection, QueueHandle};
use wayland_protocols::wp::fractional_scale::v1::client::wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1;
use wayland_protocols::wp::viewporter::client::wp_viewporter::WpViewporter;
use wayland_protocols::xdg::decoration::zv1::client::zxdg_decoration_manager_v1::ZxdgDecorationManagerV1;
use wayland_protocols::xdg::decoration::zv1::client::zxdg_toplevel_decoration_v1::Mode;
use wayland_protocols::xdg::shell::client::xdg_wm_base::XdgWmBase;

use super::capture::Grabs;
use super::configure::{Target, Tracker};
use super::keyboard::Focus;
use super::seat::Seats;
use super::shell::{Shell, lost};
use super::state::{Quiet, State};
use super::toplevel::{Role, Suggestion};
use super::window::WaylandWindow;
use crate::clipboard::wayland::Selection;
use crate::geometry::{Scale, clamp_size};
use crate::{Backend, WindowConfig, WindowError, WindowWaker};

/// How long the compositor may take to configure a new window.
const CONFIGURE_LIMIT: Nanos = Nanos::from_millis(10_000);

impl WaylandWindow {
    /// Connects to the compositor and opens a window there.
    pub(crate) fn open(config: &WindowConfig) -> Result<Self, WindowError> {
        let conn = connect(config.display.as_deref())?;
        let (globals, queue) =
            registry_queue_init::<State>(&conn).map_err(|error| lost(&conn, error))?;
        let handle = queue.handle();
        let what = "making an event loop";
        let event_loop = EventLoop::try_new().map_err(|e| WindowError::system(what, io(e)))?;
        let (ping, ping_source) = make_ping().map_err(|e| WindowError::system(what, e))?;
        event_loop
            .handle()
            .insert_source(ping_source, |(), (), _: &mut State| {})
            .map_err(|e| WindowError::system(what, io(e.error)))?;
        WaylandSource::new(conn.clone(), queue)
            .insert(event_loop.handle())
            .map_err(|e| WindowError::system(what, io(e.error)))?;

        let compositor = CompositorState::bind(&globals, &handle)
            .map_err(|_| lacks("the global wl_compositor"))?;
        let shell = create(
            &conn,
            &globals,
            &handle,
            &compositor,
            config,
            WindowWaker(ping),
        )?;
        let state = State {
            shell: Arc::new(shell),
            registry: RegistryState::new(&globals),
            outputs: OutputState::new(&globals, &handle),
            compositor,
            seat_state: SeatState::new(&globals, &handle),
            seats: Seats::new(),
            focus: Focus::default(),
            grabs: Grabs::new(&globals, &handle),
            selection: Selection::default(),
            activation: ActivationState::bind(&globals, &handle).ok(),
            idle_manager: globals.bind(&handle, 1..=1, Quiet).ok(),
            idle_inhibitor: None,
            suggestion: Suggestion::default(),
            own_resize: None,
            floating: clamp_size(config.size),
            is_floating: true,
            is_full_screen: false,
            is_configured: false,
            needs_commit: false,
            is_resizable: config.resizable,
            aspect: config.aspect.filter(|size| !size.is_empty()),
            pending: Vec::new(),
            reported: None,
        };
        let mut window = Self { event_loop, state };
        window.wait_for_configure(config)?;
        Ok(window)
    }

    /// Waits until the compositor has told the first size.
    fn wait_for_configure(&mut self, config: &WindowConfig) -> Result<(), WindowError> {
        let deadline = MonotonicClock.now() + CONFIGURE_LIMIT;
        while !self.state.is_configured {
            let left = (deadline - MonotonicClock.now()).to_duration();
            if left == Duration::ZERO {
                let reason = "the compositor did not configure the window within ten seconds";
                return Err(connect_error(config.display.as_deref(), reason));
            }
            self.event_loop
                .dispatch(left, &mut self.state)
                .map_err(|error| lost(&self.state.shell.conn, error))?;
        }
        Ok(())
    }
}

/// The error for a server that cannot be reached.
fn connect_error(display: Option<&str>, reason: impl ToString) -> WindowError {
    let named = || std::env::var("WAYLAND_DISPLAY").unwrap_or_default();
    WindowError::Connect {
        backend: Backend::Wayland,
        display: display.map_or_else(named, str::to_owned),
        reason: reason.to_string(),
    }
}

/// The error for a compositor without a protocol that a window needs.
const fn lacks(what: &'static str) -> WindowError {
    WindowError::Unsupported {
        backend: Backend::Wayland,
        what,
    }
}

/// Brings a loop's error into the standard form.
fn io(error: calloop::Error) -> std::io::Error {
    match error {
        calloop::Error::IoError(error) => error,
        other => std::io::Error::other(other.to_string()),
    }
}

/// Opens a connection to a socket by name or path, or to what the environment says.
fn connect(display: Option<&str>) -> Result<Connection, WindowError> {
    let connection = match display {
        None => Connection::connect_to_env(),
        Some(name) => {
            let mut path = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_default());
            // An absolute name replaces the folder.
            path.push(name);
            let stream =
                UnixStream::connect(&path).map_err(|error| connect_error(display, error))?;
            Connection::from_socket(stream)
        }
    };
    connection.map_err(|error| match error {
        ConnectError::NoWaylandLib => WindowError::MissingLibrary {
            library: "libwayland-client.so.0",
            package: "libwayland-client0",
            reason: error.to_string(),
        },
        error => connect_error(display, error),
    })
}

/// Creates the surface and its roles, and asks for the first configure.
fn create(
    conn: &Connection,
    globals: &GlobalList,
    queue: &QueueHandle<State>,
    compositor: &CompositorState,
    config: &WindowConfig,
    waker: WindowWaker,
) -> Result<Shell, WindowError> {
    let base: XdgWmBase = globals
        .bind(queue, 1..=6, Role)
        .map_err(|_| lacks("the global xdg_wm_base (xdg-shell)"))?;
    let shm = globals
        .bind(queue, 1..=1, Quiet)
        .map_err(|_| lacks("the global wl_shm"))?;
    let surface = compositor.create_surface(queue);
    let xdg_surface = base.get_xdg_surface(&surface, queue, Role);
    let toplevel = xdg_surface.get_toplevel(queue, Role);
    toplevel.set_title(config.title.clone());
    toplevel.set_app_id(config.app_id.clone());

    let decorations: Option<ZxdgDecorationManagerV1> = globals.bind(queue, 1..=1, Quiet).ok();
    let decoration = decorations.map(|manager| {
        let decoration = manager.get_toplevel_decoration(&toplevel, queue, Quiet);
        decoration.set_mode(if config.borderless {
            Mode::ClientSide
        } else {
            Mode::ServerSide
        });
        decoration
    });

    let viewporter: Option<WpViewporter> = globals.bind(queue, 1..=1, Quiet).ok();
    let fractional: Option<WpFractionalScaleManagerV1> = globals.bind(queue, 1..=1, Quiet).ok();
    let (viewport, fractional, scale) = match (viewporter, fractional) {
        (Some(viewporter), Some(manager)) => (
            Some(viewporter.get_viewport(&surface, queue, Quiet)),
            Some(manager.get_fractional_scale(&surface, queue, Role)),
            Scale::per_120(120),
        ),
        _ => (None, None, Scale::whole(1)),
    };

    let size = clamp_size(config.size);
    if !config.resizable {
        set_limits(&toplevel, size, size);
    }
    if config.maximize {
        toplevel.set_maximized();
    }
    if config.full_screen {
        toplevel.set_fullscreen(None);
    }
    // A commit without a buffer asks for the first configure.
    surface.commit();
    Ok(Shell {
        conn: conn.clone(),
        queue: queue.clone(),
        compositor: compositor.wl_compositor().clone(),
        shm,
        surface,
        xdg_surface,
        toplevel,
        decoration,
        viewport,
        fractional,
        tracker: Mutex::new(Tracker::new(Target {
            logical: size,
            scale,
        })),
        is_waiting: AtomicBool::new(false),
        commits: Mutex::new(Nanos::ZERO),
        waker,
    })
}

/// Fixes the size at `size`, where it was fixed at `before`. The render thread may commit between the two requests,
/// so the order is such that the minimum is never above the maximum.
pub(super) fn set_limits(
    toplevel: &wayland_protocols::xdg::shell::client::xdg_toplevel::XdgToplevel,
    before: Size,
    size: Size,
) {
    use super::shell::side;
    let larger = Size::new(size.width.max(before.width), size.height.max(before.height));
    toplevel.set_max_size(side(larger.width), side(larger.height));
    toplevel.set_min_size(side(size.width), side(size.height));
    toplevel.set_max_size(side(size.width), side(size.height));
}
