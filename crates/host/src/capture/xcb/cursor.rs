//! The X pointer: its picture by XFixes, its movement by XInput 2 raw events.

use picture::{GuestPoint, PointerKind, PointerShape, PointerState};
use relay::PointerUpdate;
use x11rb::connection::RequestConnection;
use x11rb::errors::ReplyError;
use x11rb::protocol::xfixes::{self, ConnectionExt as _, GetCursorImageReply};
use x11rb::protocol::xinput::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, Window};
use x11rb::rust_connection::RustConnection;

use super::super::CaptureError;

/// Largest side of a pointer picture; the shape blocks hold 512 × 512.
const MAX_SIDE: u16 = 512;

pub(super) struct Cursor {
    shape: PointerShape,
    /// Where the click point is; unknown at first.
    point: Option<GuestPoint>,
    is_visible: bool,
    is_shape_dirty: bool,
    is_position_dirty: bool,
}

impl Cursor {
    /// Asks for events of the pointer's picture and movement.
    pub(super) fn watch(connection: &RustConnection, root: Window) -> Result<Self, CaptureError> {
        connection
            .xfixes_select_cursor_input(root, xfixes::CursorNotifyMask::DISPLAY_CURSOR)?
            .check()?;
        if connection
            .extension_information(xinput::X11_EXTENSION_NAME)?
            .is_some()
        {
            // From 2.1 on raw events come even while a program has grabbed the pointer.
            connection.xinput_xi_query_version(2, 2)?.reply()?;
            let mask = xinput::EventMask {
                deviceid: xinput::Device::ALL_MASTER.into(),
                mask: vec![xinput::XIEventMask::RAW_MOTION],
            };
            connection.xinput_xi_select_events(root, &[mask])?.check()?;
        } else {
            tracing::info!("no XInput: the pointer is looked at 20 times a second");
        }
        Ok(Self {
            shape: PointerShape {
                kind: PointerKind::Colour,
                width: 0,
                height: 0,
                pitch_bytes: 0,
                hot_spot: (0, 0),
                data: Vec::new(),
            },
            point: None,
            is_visible: true,
            is_shape_dirty: true,
            is_position_dirty: true,
        })
    }

    pub(super) fn shape_changed(&mut self) {
        self.is_shape_dirty = true;
    }

    pub(super) fn moved(&mut self) {
        self.is_position_dirty = true;
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.is_shape_dirty || self.is_position_dirty
    }

    /// Asks the server for what is dirty; `None` if it turns out to be as before.
    pub(super) fn update(
        &mut self,
        connection: &RustConnection,
        root: Window,
    ) -> Result<Option<PointerUpdate<'_>>, CaptureError> {
        // Both requests first, so that there is one round trip.
        let shape = std::mem::take(&mut self.is_shape_dirty)
            .then(|| connection.xfixes_get_cursor_image())
            .transpose()?;
        let position = std::mem::take(&mut self.is_position_dirty)
            .then(|| connection.query_pointer(root))
            .transpose()?;
        let mut has_shape = false;
        if let Some(shape) = shape {
            match shape.reply() {
                Ok(image) => has_shape = self.take(&image),
                // BadAccess when the program that made the cursor is gone: the last picture stays.
                Err(ReplyError::X11Error(error)) => {
                    tracing::debug!(?error, "reading the pointer's picture");
                }
                Err(ReplyError::ConnectionError(error)) => return Err(error.into()),
            }
        }
        let mut has_moved = false;
        if let Some(position) = position {
            let at = position.reply()?;
            let point = GuestPoint {
                x: i32::from(at.root_x),
                y: i32::from(at.root_y),
            };
            has_moved = self.point != Some(point) || self.is_visible != at.same_screen;
            self.point = Some(point);
            self.is_visible = at.same_screen;
        }
        let Some(point) = self.point.filter(|_| has_shape || has_moved) else {
            return Ok(None);
        };
        let (hot_x, hot_y) = self.shape.hot_spot;
        let position = GuestPoint {
            x: point.x - i32::try_from(hot_x).unwrap_or(0),
            y: point.y - i32::try_from(hot_y).unwrap_or(0),
        };
        let state = PointerState {
            position,
            is_visible: self.is_visible,
        };
        Ok(Some(PointerUpdate {
            state,
            shape: has_shape.then_some(&self.shape),
        }))
    }

    /// Takes a picture over; tells whether it differs from the one before.
    fn take(&mut self, image: &GetCursorImageReply) -> bool {
        let (width, height) = (image.width.min(MAX_SIDE), image.height.min(MAX_SIDE));
        let hot_spot = (
            u32::from(image.xhot.min(width.saturating_sub(1))),
            u32::from(image.yhot.min(height.saturating_sub(1))),
        );
        let rows = image
            .cursor_image
            .chunks_exact(usize::from(image.width).max(1));
        let pixels = rows
            .take(usize::from(height))
            .flat_map(|row| row.iter().take(usize::from(width)))
            .flat_map(|&argb| straight_bgra(argb));
        let is_same = (self.shape.width, self.shape.height) == (width.into(), height.into())
            && self.shape.hot_spot == hot_spot
            && pixels.clone().eq(self.shape.data.iter().copied());
        if is_same || width == 0 || height == 0 {
            return false;
        }
        self.shape.data.clear();
        self.shape.data.extend(pixels);
        self.shape.width = width.into();
        self.shape.height = height.into();
        self.shape.pitch_bytes = u32::from(width) * 4;
        self.shape.hot_spot = hot_spot;
        true
    }
}

/// Divides a premultiplied ARGB word by its alpha, rounding to nearest; B, G, R, A bytes.
fn straight_bgra(argb: u32) -> [u8; 4] {
    let [blue, green, red, alpha] = argb.to_le_bytes();
    if alpha == 0 {
        return [0; 4];
    }
    let half = u32::from(alpha) / 2;
    let divide = |value: u8| {
        let straight = (u32::from(value) * 255 + half) / u32::from(alpha);
        straight.min(255) as u8
    };
    [divide(blue), divide(green), divide(red), alpha]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn premultiplied_pixels_become_straight() {
        assert_eq!(straight_bgra(0xff10_2030), [0x30, 0x20, 0x10, 0xff]);
        assert_eq!(straight_bgra(0x8040_2010), [32, 64, 128, 128]);
        assert_eq!(straight_bgra(0x0012_3456), [0, 0, 0, 0]);
        assert_eq!(straight_bgra(0x01ff_0100), [0, 255, 255, 1]);
    }
}
