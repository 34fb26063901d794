//! What can go wrong, and what the user can do about it.

use ivshmem::{AccessError, Stalled};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Drawing is not possible, or no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A library is not installed.
    #[error("{library} cannot be loaded; on Debian it is in the package {package}")]
    Library {
        /// File name of the library.
        library: &'static str,
        /// Where it comes from.
        package: &'static str,
        /// Why it was not loaded.
        #[source]
        source: Source,
    },
    /// The EGL library or driver is too old.
    #[error("{what} is too old: {found}, at least {needed} is needed")]
    TooOld {
        /// What is too old.
        what: &'static str,
        /// The version there is.
        found: String,
        /// The version that is needed.
        needed: &'static str,
    },
    /// The EGL library cannot draw on this kind of window.
    #[error("EGL lacks {extension}, so it cannot draw on {system}; try app:renderer=software")]
    Platform {
        /// The missing client extension.
        extension: &'static str,
        /// The window system.
        system: &'static str,
    },
    /// The window gave a handle that cannot be used.
    #[error("the window's handle cannot be used: {reason}")]
    Handle {
        /// What is wrong with it.
        reason: String,
    },
    /// No pixel format of the driver suits the window.
    #[error("EGL offers no configuration for {system} with GLES 3 and 8 bits a colour")]
    NoConfig {
        /// The window system.
        system: &'static str,
    },
    /// The driver lacks something that GLES 3.0 promises.
    #[error("the GLES driver lacks {what}")]
    Missing {
        /// The missing function or ability.
        what: String,
    },
    /// A call to EGL failed.
    #[error("{call} failed: {error}")]
    Egl {
        /// The function.
        call: &'static str,
        /// EGL's error.
        error: String,
    },
    /// A call to GL failed.
    #[error("{doing} failed with GL error {code:#06x}")]
    Gl {
        /// What was being done.
        doing: &'static str,
        /// GL's error.
        code: u32,
    },
    /// The driver does not accept one of our shaders.
    #[error("the driver refused the shader {name}: {log}")]
    Shader {
        /// Its name.
        name: &'static str,
        /// The driver's words.
        log: String,
    },
    /// The display server is gone, and the window with it.
    #[error("the connection to the display server is lost")]
    DisplayLost,
    /// The GPU was reset; the renderer must be made anew.
    #[error("the GPU was reset and the drawing context is lost")]
    ContextLost,
    /// A picture is larger than the driver can handle.
    #[error("{width}x{height} is more than the {max} pixels a side that the driver can handle")]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The driver's limit.
        max: u32,
    },
}

/// A frame was not taken over; the picture before it is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The host stopped writing half-way.
    #[error("the frame was not completed")]
    Stalled(#[source] Stalled),
    /// The GPU did not read the frame in time, so it was given back unread.
    #[error("the GPU did not read the frame in time")]
    GpuLate,
    /// The frame's bytes are not where its layout says.
    #[error("the frame leaves its memory")]
    Access(#[source] AccessError),
    /// The frame cannot be handled by this driver.
    #[error("the frame's layout cannot be shown: {reason}")]
    Layout {
        /// What is wrong with it.
        reason: String,
    },
    /// The frame was to be imported and nothing else ([`RenderOptions::upload`](crate::RenderOptions::upload)).
    #[error("the frame was not imported: {reason}")]
    NotImported {
        /// Why.
        reason: String,
    },
    /// The driver failed.
    #[error("handing the frame to the driver")]
    Render(#[from] RenderError),
}

impl From<Stalled> for UploadError {
    fn from(stalled: Stalled) -> Self {
        Self::Stalled(stalled)
    }
}

impl From<AccessError> for UploadError {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}
