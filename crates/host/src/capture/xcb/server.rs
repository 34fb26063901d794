//! Reaching an X server, and whether it can be captured at all.

use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::damage::{self, ConnectionExt as _};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::xfixes::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, Window};
use x11rb::rust_connection::RustConnection;
use x11rb::x11_utils::X11Error;

use super::super::CaptureError;

/// Connects to `display` (default: `DISPLAY`), and finds the root window to capture.
pub(super) fn connect(display: Option<&str>) -> Result<(RustConnection, Window), CaptureError> {
    let (connection, number) = RustConnection::connect(display)
        .map_err(|error| CaptureError::Unreachable(error.to_string()))?;
    let screen = connection.setup().roots.get(number);
    let root = screen
        .map(|screen| screen.root)
        .ok_or_else(|| CaptureError::Unusable(format!("the X server has no screen {number}")))?;
    require_extensions(&connection)?;
    refuse_xwayland(&connection, root)?;
    Ok((connection, root))
}

/// A number for something new on the server.
pub(super) fn new_id(connection: &RustConnection) -> Result<u32, CaptureError> {
    connection.generate_id().map_err(|error| match error {
        ReplyOrIdError::ConnectionError(error) => error.into(),
        ReplyOrIdError::X11Error(error) => ReplyError::X11Error(error).into(),
        ReplyOrIdError::IdsExhausted => CaptureError::Lost("it has no numbers left".into()),
    })
}

fn require_extensions(connection: &RustConnection) -> Result<(), CaptureError> {
    for name in [
        damage::X11_EXTENSION_NAME,
        randr::X11_EXTENSION_NAME,
        xfixes::X11_EXTENSION_NAME,
    ] {
        if connection.extension_information(name)?.is_none() {
            return Err(CaptureError::Unusable(format!(
                "the X server lacks the extension {name}, without which it cannot be captured"
            )));
        }
    }
    // Each must be asked for its version before anything else.
    connection.damage_query_version(1, 1)?.reply()?;
    connection.randr_query_version(1, 3)?.reply()?;
    connection.xfixes_query_version(4, 0)?.reply()?;
    Ok(())
}

fn refuse_xwayland(connection: &RustConnection, root: Window) -> Result<(), CaptureError> {
    let has_extension = connection.query_extension(b"XWAYLAND")?.reply()?.present;
    let resources = connection
        .randr_get_screen_resources_current(root)?
        .reply()?;
    let mut outputs = Vec::new();
    for output in resources.outputs {
        let info = connection
            .randr_get_output_info(output, resources.config_timestamp)?
            .reply()?;
        outputs.push(info.name);
    }
    if is_xwayland(has_extension, outputs.iter().map(Vec::as_slice)) {
        return Err(CaptureError::Unusable(
            "this X server is an Xwayland, whose root window is always black: log in to an X11 session instead"
                .into(),
        ));
    }
    Ok(())
}

/// Tells an Xwayland by its extension (from 23.1 on) or by the names of its outputs (before).
fn is_xwayland<'a>(has_extension: bool, mut outputs: impl Iterator<Item = &'a [u8]>) -> bool {
    has_extension || outputs.any(|name| name.starts_with(b"XWAYLAND"))
}

/// What a server said no to, for people.
pub(super) fn refusal(error: &X11Error) -> String {
    let request = error.request_name.unwrap_or("a request");
    format!("the X server refused {request} ({:?})", error.error_kind)
}

impl From<ConnectionError> for CaptureError {
    fn from(error: ConnectionError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<ReplyError> for CaptureError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => error.into(),
            ReplyError::X11Error(error) => Self::Unusable(refusal(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(has_extension: bool, outputs: &[&str]) -> bool {
        is_xwayland(has_extension, outputs.iter().map(|name| name.as_bytes()))
    }

    #[test]
    fn xwayland_is_told_by_its_extension_or_its_outputs() {
        assert!(is_refused(true, &["DP-1"]));
        assert!(is_refused(false, &["XWAYLAND0"]));
        assert!(is_refused(false, &["HDMI-1", "XWAYLAND12"]));
    }

    #[test]
    fn real_screens_are_not_taken_for_xwayland() {
        assert!(!is_refused(false, &[]));
        assert!(!is_refused(false, &["screen"]));
        assert!(!is_refused(
            false,
            &["DP-1", "VIRTUAL-XWAYLAND", "xwayland"]
        ));
    }
}
