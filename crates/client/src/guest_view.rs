//! What the window shows of the guest, as far as the input needs to know it: written by the view, read by the main thread.

use std::sync::{Arc, Mutex, PoisonError};

use picture::{GuestPoint, Placement};

/// Where the picture comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureSource {
    /// There is none yet.
    #[default]
    Nothing,
    /// The host application in the guest.
    Relay,
    /// The virtual machine's own screen, by SPICE.
    Console,
}

/// What the window shows of the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GuestView {
    /// Where the picture comes from.
    pub source: PictureSource,
    /// How the picture lies in the window's buffer.
    pub placement: Option<Placement>,
    /// Where the guest says that the hot spot of its pointer is, if it shows one.
    pub pointer: Option<GuestPoint>,
    /// The host can put the guest's pointer where it is told.
    pub can_set_pointer: bool,
    /// The host says that the guest runs Linux.
    pub is_linux: bool,
    /// The UUID of the guest's machine, in the order of its text, if the host knows it.
    pub uuid: Option<[u8; 16]>,
}

/// A [`GuestView`] that two threads share; held for the time of a copy only.
#[derive(Clone, Debug, Default)]
pub struct SharedGuestView(Arc<Mutex<GuestView>>);

impl SharedGuestView {
    /// The state of this moment.
    #[must_use]
    pub fn get(&self) -> GuestView {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the state.
    pub fn set(&self, view: GuestView) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = view;
    }
}
