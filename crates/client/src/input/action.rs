//! What goes into the model besides window events, and what comes out of it.

use picture::{GuestPoint, SurfacePoint};
use spice::inputs::Locks;
use spice::{Command, MouseModes};

use super::Bind;

/// Something that is to be done because of the user's input; in order.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Give this to the SPICE session; only keys, pointer, locks, mouse mode and [`Command::ReleaseAll`] come.
    Spice(Command),
    /// Have the host put the guest's pointer there, and tell [`super::InputModel::realigned`] what became of it.
    SetPointer(GuestPoint),
    /// Capture the pointer.
    CapturePointer,
    /// End the capture, and leave the local pointer there if the display server can.
    ReleasePointer(Option<SurfacePoint>),
    /// Take all keys of the user's desktop, or give them back.
    GrabKeyboard(bool),
    /// Show or hide the local pointer over the window.
    ShowLocalPointer(bool),
    /// A key bind of the client's own.
    Bind(Bind),
    /// Show this for a moment, whatever `win:alerts` says: it answers the user.
    Message(String),
    /// Show these lines until further notice, in place of those before; or hide them.
    Help(Option<Vec<String>>),
    /// Connect to SPICE at once, even if another client has taken over: the user wants it. Comes with each key and click
    /// while there is no session, and means nothing while one is on its way.
    Reconnect,
}

/// What the SPICE session tells the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpiceInput {
    /// A session stands, with nothing pressed and relative mode asked for.
    Ready,
    /// There is no session any more: the user's keys and clicks ask for one.
    Lost,
    /// The mouse modes changed.
    Mouse(MouseModes),
    /// The lights of the guest's lock keys, as often as they are told.
    Locks(Locks),
    /// The guest can record, if it is let; or no longer.
    Record(bool),
}
