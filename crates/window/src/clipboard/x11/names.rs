//! Atoms.

use x11rb::errors::ReplyError;
use x11rb::protocol::xproto::{Atom, ConnectionExt as _};
use x11rb::rust_connection::RustConnection;

use super::super::ClipboardFormat;
use super::super::format::{NAMES, Name, formats_of, names_of};

x11rb::atom_manager! {
    /// The names of the protocol itself.
    pub(super) Atoms:
    AtomsCookie {
        ATOM_PAIR,
        CLIPBOARD,
        COMPOUND_TEXT,
        INCR,
        MULTIPLE,
        STRING,
        TARGETS,
        TIMESTAMP,
        UTF8_STRING,
        LOOKING_GLASS_CLIPBOARD,
        LOOKING_GLASS_TIME,
    }
}

/// The atoms of all [`NAMES`], in their order.
pub(super) struct Names([Atom; NAMES.len()]);

impl Names {
    pub(super) fn new(conn: &RustConnection) -> Result<Self, ReplyError> {
        let mut cookies = Vec::with_capacity(NAMES.len());
        for name in &NAMES {
            cookies.push(conn.intern_atom(false, name.text.as_bytes())?);
        }
        let mut atoms = [x11rb::NONE; NAMES.len()];
        for (atom, cookie) in atoms.iter_mut().zip(cookies) {
            *atom = cookie.reply()?.atom;
        }
        Ok(Self(atoms))
    }

    /// All names with their atoms.
    fn all(&self) -> impl Iterator<Item = (&'static Name, Atom)> {
        NAMES.iter().zip(self.0)
    }

    /// The name that an atom stands for, if it is a known one.
    pub(super) fn find(&self, atom: Atom) -> Option<&'static Name> {
        self.all().find(|(_, a)| *a == atom).map(|(name, _)| name)
    }

    /// The atoms of a format, best first.
    pub(super) fn atoms(&self, format: ClipboardFormat) -> impl Iterator<Item = Atom> {
        names_of(format).filter_map(|name| {
            let mut all = self.all();
            all.find(|(n, _)| *n == name).map(|(_, atom)| atom)
        })
    }

    /// The formats among targets.
    pub(super) fn formats(&self, targets: &[Atom]) -> Vec<ClipboardFormat> {
        formats_of(|i| self.0.get(i).is_some_and(|atom| targets.contains(atom)))
    }
}
