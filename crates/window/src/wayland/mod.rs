//! Windows on a Wayland compositor.
//!
//! The toplevel is spoken to by raw xdg-shell instead of by smithay-client-toolkit's window, because that one
//! acknowledges a configure when it arrives: a commit of a buffer of the old size by the render thread would then claim
//! to be of the new one, which compositors punish for maximised windows. Here [`Shell::before_commit`] acknowledges,
//! just before the commit of the right size. Outputs, seats and the pointer are the toolkit's.

mod buffers;
mod capture;
mod configure;
mod keyboard;
mod open;
mod present;
mod seat;
mod shell;
mod state;
mod toplevel;
mod window;

pub(crate) use present::Presenter;
pub(crate) use shell::Shell;
pub(crate) use state::State;
pub(crate) use window::WaylandWindow;
