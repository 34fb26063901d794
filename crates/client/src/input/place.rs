//! Points of the window as pixels of the guest, and back.

use picture::{BufferPosition, GuestPoint, GuestPosition, Placement, Rotation, SurfacePoint};

/// Beyond any screen, and far from where integers end.
const FAR: f64 = 1e9;

/// The physical position of a logical point.
pub(super) fn on_buffer(point: SurfacePoint, scale: f64) -> BufferPosition {
    BufferPosition {
        x: point.x * scale,
        y: point.y * scale,
    }
}

/// Rounds down; what is no number is 0.
pub(super) fn whole(value: f64) -> i32 {
    // No loss: within the limits there are integers only.
    value.floor().clamp(-FAR, FAR) as i32
}

/// The guest's pixel under a position; the nearest one if it is beside the picture. `None` if there is no picture.
pub(super) fn guest_pixel(placement: &Placement, at: BufferPosition) -> Option<GuestPoint> {
    let turned = placement.turned_desktop();
    let target = placement.target;
    if turned.is_empty() || target.is_empty() {
        return None;
    }
    let x = along(at.x - f64::from(target.x), target.width, turned.width);
    let y = along(at.y - f64::from(target.y), target.height, turned.height);
    // Pixels are mirrored as pixels: the first becomes the last.
    let mirrored = |value: i32, size: u32| pixels(size).saturating_sub(1).saturating_sub(value);
    let desktop = placement.desktop;
    let (x, y) = match placement.own_turn {
        Rotation::Deg0 => (x, y),
        Rotation::Deg90 => (y, mirrored(x, desktop.height)),
        Rotation::Deg180 => (mirrored(x, desktop.width), mirrored(y, desktop.height)),
        Rotation::Deg270 => (mirrored(y, desktop.width), x),
    };
    Some(GuestPoint { x, y })
}

/// Which of `size` pixels, shown over `shown` physical ones, is at `at`.
fn along(at: f64, shown: u32, size: u32) -> i32 {
    let last = pixels(size).saturating_sub(1);
    // A reduced picture has several pixels in its last physical one, and the guest's edge must be within reach: there
    // are things that only show up there.
    if at >= f64::from(shown) - 1.0 && size >= shown {
        return last;
    }
    whole(at * f64::from(size) / f64::from(shown)).clamp(0, last)
}

fn pixels(size: u32) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// A way on the window as a way on the guest's desktop, of the same length.
pub(super) fn turned_back(turn: Rotation, (dx, dy): (f64, f64)) -> (f64, f64) {
    match turn {
        Rotation::Deg0 => (dx, dy),
        Rotation::Deg90 => (dy, -dx),
        Rotation::Deg180 => (-dx, -dy),
        Rotation::Deg270 => (-dy, dx),
    }
}

/// The point of the window in the middle of a guest's pixel; `None` if the picture does not show it.
pub(super) fn on_surface(
    placement: &Placement,
    pixel: GuestPoint,
    scale: f64,
) -> Option<SurfacePoint> {
    let middle = GuestPosition {
        x: f64::from(pixel.x) + 0.5,
        y: f64::from(pixel.y) + 0.5,
    };
    let at = placement.guest_to_buffer(middle);
    (placement.contains(at) && scale > 0.0).then(|| SurfacePoint {
        x: at.x / scale,
        y: at.y / scale,
    })
}

#[cfg(test)]
mod tests;
