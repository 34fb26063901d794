//! Windows on an X server.
//!
//! The window and its events live on one connection, which only the main thread uses. Pictures, whether by EGL or by
//! [`Presenter`], travel on a second one ([`Link`]), which only the render thread reads: so no thread ever sleeps on a
//! socket whose events another thread has already taken.

mod atoms;
mod capture;
mod events;
mod hints;
mod input;
mod link;
mod locks;
mod manager;
mod open;
mod present;
mod raw;
mod segments;
mod states;
mod window;

pub(crate) use link::Link;
pub(crate) use present::Presenter;
pub(crate) use window::X11Window;

use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};

use crate::{Backend, WindowError};

/// Turns a failed connection into the error that ends the window.
pub(crate) fn lost(error: impl Into<ConnectionError>) -> WindowError {
    WindowError::disconnected(Backend::X11, error.into())
}

/// Turns a failed request into an error: a lost connection or a refusal.
pub(crate) fn failed(what: &'static str, error: impl Into<ReplyOrIdError>) -> WindowError {
    match error.into() {
        ReplyOrIdError::ConnectionError(error) => lost(error),
        ReplyOrIdError::X11Error(error) => {
            WindowError::refused(Backend::X11, what, format_args!("{:?}", error.error_kind))
        }
        ReplyOrIdError::IdsExhausted => {
            WindowError::refused(Backend::X11, what, "no resource identifiers are left")
        }
    }
}

/// Logs a request that failed but that the window can do without.
pub(crate) fn note<T>(what: &'static str, result: Result<T, impl Into<ReplyError>>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let error = error.into();
            tracing::warn!(%error, "X11: {what}");
            None
        }
    }
}
