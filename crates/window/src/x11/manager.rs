//! Finds out what manages windows here, if anything does.

use picture::BufferRect;
use x11rb::connection::Connection;
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, EventMask, Screen};

use super::atoms::Atoms;
use super::note;

/// Most atoms that are read from one list of a window manager.
const MAX_ATOMS: u32 = 1024;

/// Who manages windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Nobody: a window is where it puts itself and never gets the focus by itself.
    Nobody,
    /// A window manager that knows the ICCCM only.
    Plain,
    /// One that knows the EWMH, and which of its atoms.
    Ewmh(Vec<Atom>),
}

impl Manager {
    /// Asks the server.
    pub(crate) fn detect(conn: &impl Connection, root: u32, atoms: &Atoms) -> Self {
        if let Some(supported) = ewmh_atoms(conn, root, atoms) {
            return Self::Ewmh(supported);
        }
        // Only one client can select this on the root window, and that is what makes it the window manager.
        let redirected = conn
            .get_window_attributes(root)
            .map_err(Into::into)
            .and_then(|cookie| cookie.reply())
            .is_ok_and(|a| a.all_event_masks.contains(EventMask::SUBSTRUCTURE_REDIRECT));
        if redirected {
            Self::Plain
        } else {
            Self::Nobody
        }
    }

    /// Tells whether the manager acts on this atom.
    pub(crate) fn supports(&self, atom: Atom) -> bool {
        matches!(self, Self::Ewmh(atoms) if atoms.contains(&atom))
    }
}

/// The atoms that a live EWMH window manager says it supports.
fn ewmh_atoms(conn: &impl Connection, root: u32, atoms: &Atoms) -> Option<Vec<Atom>> {
    let check = atoms._NET_SUPPORTING_WM_CHECK;
    let child = words(conn, root, check, AtomEnum::WINDOW)?
        .first()
        .copied()?;
    // A manager that has died leaves the property behind, but its window is gone or another's.
    let own = words(conn, child, check, AtomEnum::WINDOW)?
        .first()
        .copied()?;
    if own != child {
        return None;
    }
    words(conn, root, atoms._NET_SUPPORTED, AtomEnum::ATOM)
}

/// Reads a property of 32-bit words; `None` if it is missing or of another type.
pub(crate) fn words(
    conn: &impl Connection,
    window: u32,
    property: Atom,
    kind: AtomEnum,
) -> Option<Vec<u32>> {
    let cookie = conn.get_property(false, window, property, kind, 0, MAX_ATOMS);
    let reply = cookie.ok()?.reply().ok()?;
    Some(reply.value32()?.collect())
}

/// The monitors, the primary one first; the whole root window if the server does not tell.
pub(crate) fn monitors(conn: &impl Connection, screen: &Screen) -> Vec<BufferRect> {
    let mut found = Vec::new();
    let cookie = conn.randr_get_monitors(screen.root, true);
    if let Some(reply) = note(
        "asking for the monitors",
        cookie.map_err(Into::into).and_then(|c| c.reply()),
    ) {
        for monitor in reply.monitors {
            let (x, y) = (i32::from(monitor.x), i32::from(monitor.y));
            let rect = BufferRect::new(x, y, monitor.width.into(), monitor.height.into());
            if rect.is_empty() {
                continue;
            }
            let at = if monitor.primary { 0 } else { found.len() };
            found.insert(at, rect);
        }
    }
    if found.is_empty() {
        found.push(root_area(conn, screen));
    }
    found
}

/// The root window, as large as it is now.
fn root_area(conn: &impl Connection, screen: &Screen) -> BufferRect {
    let cookie = conn.get_geometry(screen.root);
    let reply = cookie.map_err(Into::into).and_then(|c| c.reply());
    let (width, height) = note("asking for the root window", reply)
        .map_or((screen.width_in_pixels, screen.height_in_pixels), |g| {
            (g.width, g.height)
        });
    BufferRect::new(0, 0, width.into(), height.into())
}
