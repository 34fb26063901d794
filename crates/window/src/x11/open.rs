//! Opens a window on an X server.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use calloop::generic::Generic;
use calloop::ping::make_ping;
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction, RegistrationToken};
use picture::{BufferPoint, BufferRect, Size};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::randr::{ConnectionExt as _, NotifyMask};
use x11rb::protocol::xinput::{self, ConnectionExt as _, XIEventMask};
use x11rb::protocol::xproto::{
    AtomEnum, ColormapAlloc, ConnectionExt as _, CreateWindowAux, EventMask, Gravity, PropMode,
    Screen, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;
use x11rb::xcb_ffi::{XCBConnection, load_libxcb};

use super::atoms::Atoms;
use super::capture::Devices;
use super::hints::{Wishes, motif};
use super::link::{Link, Visual};
use super::manager::{Manager, monitors};
use super::window::{Ready, X11Window};
use super::{failed, locks, note};
use crate::geometry::{centred, clamp_size};
use crate::{Backend, WindowConfig, WindowError, WindowWaker};

impl X11Window {
    /// Connects to the server and opens a window there.
    pub(crate) fn open(config: &WindowConfig) -> Result<Self, WindowError> {
        load_libxcb().map_err(|error| WindowError::MissingLibrary {
            library: "libxcb.so.1",
            package: "libxcb1",
            reason: error.to_string(),
        })?;
        let (conn, screen_number) = connect(config.display.as_deref())?;
        let (draw, _) = connect(config.display.as_deref())?;
        let screen = screen(&conn, screen_number)?;
        let atoms = Atoms::new(&conn)
            .map_err(|e| failed("naming atoms", e))?
            .reply()
            .map_err(|e| failed("naming atoms", e))?;
        let visual = Visual::choose(&conn, &screen);
        let manager = Manager::detect(&conn, screen.root, &atoms);
        let size = clamp_size(config.size);
        let wishes = Wishes {
            position: config.position,
            size,
            resizable: config.resizable,
            aspect: config.aspect,
            places_content: false,
        };
        let area = monitors(&conn, &screen).first().copied();
        let place = config
            .position
            .unwrap_or_else(|| centred(area.unwrap_or(BufferRect::of_size(size)), size));
        let window = create(&conn, &screen, visual, place, size)?;
        describe(&conn, window, config, &wishes, &atoms);
        let devices = select_input(&conn, &screen, window);
        let has_locks = locks::watch(&conn);

        let event_loop = new_loop()?;
        let (link, draw_token) = link(&event_loop, draw, screen_number, window, visual)?;
        watch(&event_loop.handle(), &conn, Mode::Level, |ready| {
            ready.has_events = true;
        })?;
        let mut this = Self::assemble(Parts {
            conn,
            display: config.display.clone(),
            screen,
            window,
            atoms,
            manager,
            wishes,
            borderless: config.borderless,
            event_loop,
            link,
            draw_token,
            devices,
            has_locks,
        });
        this.start(config.full_screen, config.maximize)?;
        Ok(this)
    }
}

/// What a window is assembled from.
pub(crate) struct Parts {
    pub(crate) conn: XCBConnection,
    pub(crate) display: Option<String>,
    pub(crate) screen: Screen,
    pub(crate) window: u32,
    pub(crate) atoms: Atoms,
    pub(crate) manager: Manager,
    pub(crate) wishes: Wishes,
    pub(crate) borderless: bool,
    pub(crate) event_loop: EventLoop<'static, Ready>,
    pub(crate) link: Arc<Link>,
    pub(crate) draw_token: RegistrationToken,
    pub(crate) devices: Option<Devices>,
    pub(crate) has_locks: bool,
}

/// Opens a connection.
fn connect(display: Option<&str>) -> Result<(XCBConnection, usize), WindowError> {
    let connect_error = |reason: String| WindowError::Connect {
        backend: Backend::X11,
        display: display.map_or_else(
            || std::env::var("DISPLAY").unwrap_or_default(),
            str::to_owned,
        ),
        reason,
    };
    let name = display
        .map(CString::new)
        .transpose()
        .map_err(|e| connect_error(e.to_string()))?;
    XCBConnection::connect(name.as_deref()).map_err(|e| connect_error(e.to_string()))
}

/// The screen that the display name means.
fn screen(conn: &XCBConnection, number: usize) -> Result<Screen, WindowError> {
    let screen = conn.setup().roots.get(number).cloned();
    screen.ok_or(WindowError::Unsupported {
        backend: Backend::X11,
        what: "a screen of that number",
    })
}

/// Creates the window, unmapped.
fn create(
    conn: &XCBConnection,
    screen: &Screen,
    visual: Visual,
    place: BufferPoint,
    size: Size,
) -> Result<u32, WindowError> {
    let what = "creating the window";
    let mut aux = CreateWindowAux::new()
        // No background: what is old stays until the new picture is there, instead of a flash.
        .bit_gravity(Gravity::NORTH_WEST)
        .border_pixel(0)
        .event_mask(EventMask::EXPOSURE | EventMask::STRUCTURE_NOTIFY | EventMask::PROPERTY_CHANGE);
    if visual.id != screen.root_visual {
        let colormap = conn.generate_id().map_err(|e| failed(what, e))?;
        conn.create_colormap(ColormapAlloc::NONE, colormap, screen.root, visual.id)
            .map_err(|e| failed(what, e))?;
        aux = aux.colormap(colormap);
    }
    let window = conn.generate_id().map_err(|e| failed(what, e))?;
    conn.create_window(
        visual.depth,
        window,
        screen.root,
        coordinate(place.x),
        coordinate(place.y),
        side(size.width),
        side(size.height),
        0,
        WindowClass::INPUT_OUTPUT,
        visual.id,
        &aux,
    )
    .map_err(|e| failed(what, e))?
    .check()
    .map_err(|e| failed(what, e))?;
    Ok(window)
}

/// A coordinate as X stores it.
pub(crate) fn coordinate(n: i32) -> i16 {
    i16::try_from(n).unwrap_or(if n < 0 { i16::MIN } else { i16::MAX })
}

/// A side as X stores it.
pub(crate) fn side(n: u32) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Sets the properties by which managers and task bars know the window.
fn describe(
    conn: &XCBConnection,
    window: u32,
    config: &WindowConfig,
    wishes: &Wishes,
    atoms: &Atoms,
) {
    let text = |property, kind, bytes: &[u8]| {
        let sent = conn.change_property8(PropMode::REPLACE, window, property, kind, bytes);
        note("setting a text property", sent.map(drop));
    };
    let long = |property, kind, values: &[u32]| {
        let sent = conn.change_property32(PropMode::REPLACE, window, property, kind, values);
        note("setting a property", sent.map(drop));
    };
    let title = config.title.as_bytes();
    text(AtomEnum::WM_NAME.into(), AtomEnum::STRING.into(), title);
    text(atoms._NET_WM_NAME, atoms.UTF8_STRING, title);
    let class = config.app_id.replace('\0', "");
    let class = format!("{class}\0{class}\0");
    text(
        AtomEnum::WM_CLASS.into(),
        AtomEnum::STRING.into(),
        class.as_bytes(),
    );
    let host = rustix::system::uname();
    let host = host.nodename().to_bytes();
    text(atoms.WM_CLIENT_MACHINE, AtomEnum::STRING.into(), host);
    long(
        atoms._NET_WM_PID,
        AtomEnum::CARDINAL.into(),
        &[std::process::id()],
    );
    let protocols = [atoms.WM_DELETE_WINDOW, atoms._NET_WM_PING];
    long(atoms.WM_PROTOCOLS, AtomEnum::ATOM.into(), &protocols);
    let kind = [atoms._NET_WM_WINDOW_TYPE_NORMAL];
    long(atoms._NET_WM_WINDOW_TYPE, AtomEnum::ATOM.into(), &kind);
    if config.borderless {
        long(atoms._MOTIF_WM_HINTS, atoms._MOTIF_WM_HINTS, &motif(false));
    }
    let sent = wishes.normal_hints().set_normal_hints(conn, window);
    note("setting the size hints", sent.map(drop));
    let hints = x11rb::properties::WmHints {
        input: Some(true),
        ..Default::default()
    };
    note(
        "setting the window hints",
        hints.set(conn, window).map(drop),
    );
}

/// Asks for input, focus and monitor events; returns the devices that the input is of.
fn select_input(conn: &XCBConnection, screen: &Screen, window: u32) -> Option<Devices> {
    let mut devices = None;
    let version = conn.xinput_xi_query_version(2, 2);
    let version = version.map_err(Into::into).and_then(|c| c.reply());
    if note("asking for XInput 2", version).is_some_and(|v| v.major_version >= 2) {
        let mask = XIEventMask::KEY_PRESS
            | XIEventMask::KEY_RELEASE
            | XIEventMask::BUTTON_PRESS
            | XIEventMask::BUTTON_RELEASE
            | XIEventMask::MOTION
            | XIEventMask::ENTER
            | XIEventMask::LEAVE
            | XIEventMask::FOCUS_IN
            | XIEventMask::FOCUS_OUT;
        let masks = [xinput::EventMask {
            deviceid: xinput::Device::ALL_MASTER.into(),
            mask: vec![mask],
        }];
        let sent = conn.xinput_xi_select_events(window, &masks);
        note("selecting input", sent.map(drop));
        devices = Devices::find(conn);
    } else {
        tracing::warn!("the X server has no XInput 2: the window takes no input");
    }
    if let Ok(Some(_)) = conn.extension_information(x11rb::protocol::randr::X11_EXTENSION_NAME) {
        let mask = NotifyMask::SCREEN_CHANGE;
        let sent = conn.randr_select_input(screen.root, mask);
        note("watching the monitors", sent.map(drop));
    }
    devices
}

/// Makes the event loop.
fn new_loop() -> Result<EventLoop<'static, Ready>, WindowError> {
    EventLoop::try_new().map_err(|e| WindowError::system("making an event loop", io(e)))
}

/// Brings a loop's error into the standard form.
fn io(error: calloop::Error) -> std::io::Error {
    match error {
        calloop::Error::IoError(error) => error,
        other => std::io::Error::other(other.to_string()),
    }
}

/// Watches a connection's socket.
fn watch(
    handle: &LoopHandle<'static, Ready>,
    conn: &XCBConnection,
    mode: Mode,
    mark: impl Fn(&mut Ready) + 'static,
) -> Result<RegistrationToken, WindowError> {
    let what = "watching the X connection";
    let fd = conn.as_fd().try_clone_to_owned();
    let fd = fd.map_err(|e| WindowError::system(what, e))?;
    let source = Generic::new(fd, Interest::READ, mode);
    handle
        .insert_source(source, move |_, _, ready| {
            mark(ready);
            Ok(PostAction::Continue)
        })
        .map_err(|e| WindowError::system(what, io(e.error)))
}

/// Makes the render thread's connection and has the loop watch it.
fn link(
    event_loop: &EventLoop<'static, Ready>,
    conn: XCBConnection,
    screen: usize,
    window: u32,
    visual: Visual,
) -> Result<(Arc<Link>, RegistrationToken), WindowError> {
    let what = "making a waker";
    let (ping, source) = make_ping().map_err(|e| WindowError::system(what, e))?;
    let handle = event_loop.handle();
    handle
        .insert_source(source, |(), (), ready| ready.is_woken = true)
        .map_err(|e| WindowError::system(what, io(e.error)))?;
    // Once only, and again when the presenter waits: completions of every picture shall not wake the main thread.
    let token = watch(&handle, &conn, Mode::OneShot, |ready| {
        ready.has_answers = true;
    })?;
    let link = Arc::new(Link {
        conn,
        screen,
        window,
        visual,
        is_waiting: AtomicBool::new(false),
        waker: WindowWaker(ping),
    });
    Ok((link, token))
}
