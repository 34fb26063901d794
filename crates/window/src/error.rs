//! What can go wrong with a window.

use crate::Backend;

/// Why a window could not be opened, or stopped working.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The environment names no display server.
    #[error(
        "neither WAYLAND_DISPLAY nor DISPLAY is set: start the program inside a graphical session"
    )]
    NoDisplay,
    /// Both display servers were tried.
    #[error("no window on either display server: {wayland}; {x11}")]
    NoBackend {
        /// What Wayland said.
        wayland: Box<WindowError>,
        /// What X11 said.
        x11: Box<WindowError>,
    },
    /// A library that is loaded at run time is not installed.
    #[error(
        "the library {library} cannot be loaded ({reason}): install it, on Debian the package {package}"
    )]
    MissingLibrary {
        /// File name of the library.
        library: &'static str,
        /// The Debian package that has it.
        package: &'static str,
        /// What the loader said.
        reason: String,
    },
    /// No connection to the display server.
    #[error("connecting to the {backend} display {display}: {reason}")]
    Connect {
        /// Which kind of server.
        backend: Backend,
        /// Its name.
        display: String,
        /// Why not.
        reason: String,
    },
    /// The server lacks something that a window needs.
    #[error("the {backend} display server lacks {what}")]
    Unsupported {
        /// Which kind of server.
        backend: Backend,
        /// What it lacks.
        what: &'static str,
    },
    /// The server refused a request that a window needs.
    #[error("the {backend} display server refused {what}: {reason}")]
    Refused {
        /// Which kind of server.
        backend: Backend,
        /// The request.
        what: &'static str,
        /// What the server said.
        reason: String,
    },
    /// The connection is gone; the window cannot be used any more.
    #[error("the connection to the {backend} display server was lost: {reason}")]
    Disconnected {
        /// Which kind of server.
        backend: Backend,
        /// What the library said.
        reason: String,
    },
    /// The operating system refused something.
    #[error("{what}")]
    System {
        /// What was asked.
        what: &'static str,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
}

impl WindowError {
    /// Wraps an answer of the operating system.
    pub(crate) fn system(what: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::System {
            what,
            source: source.into(),
        }
    }

    /// The error for a lost connection.
    pub(crate) fn disconnected(backend: Backend, reason: impl ToString) -> Self {
        Self::Disconnected {
            backend,
            reason: reason.to_string(),
        }
    }

    /// The error for a refused request.
    pub(crate) fn refused(backend: Backend, what: &'static str, reason: impl ToString) -> Self {
        Self::Refused {
            backend,
            what,
            reason: reason.to_string(),
        }
    }
}
