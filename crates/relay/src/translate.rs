//! Between KVMFR's words and `picture`'s.

use kvmfr::{CursorKind, DamageList, FrameFlags, FrameHeader, FrameType, ShapeHeader, Version};
use picture::pointer::PointerKind;
use picture::{
    Damage, FrameLayout, FrameRect, PixelFormat, PointerShape, PointerState, Rotation, Size,
    Transfer,
};

/// A change of the guest's pointer.
#[derive(Clone, Copy, Debug)]
pub struct PointerUpdate<'a> {
    /// Where it is and whether it is shown.
    pub state: PointerState,
    /// Its picture, if that is new.
    pub shape: Option<&'a PointerShape>,
}

/// The storage that a frame type names.
pub(crate) const fn pixel_format(frame_type: FrameType) -> PixelFormat {
    match frame_type {
        FrameType::Bgra => PixelFormat::Bgra8,
        FrameType::Rgba => PixelFormat::Rgba8,
        FrameType::Rgba10 => PixelFormat::Rgba10,
        FrameType::Rgba16F => PixelFormat::Rgba16F,
        FrameType::Bgr32 => PixelFormat::Bgr24Packed,
        FrameType::Rgb24 => PixelFormat::Rgb24,
    }
}

/// The frame type of a storage.
pub(crate) const fn frame_type(format: PixelFormat) -> FrameType {
    match format {
        PixelFormat::Bgra8 => FrameType::Bgra,
        PixelFormat::Rgba8 => FrameType::Rgba,
        PixelFormat::Rgba10 => FrameType::Rgba10,
        PixelFormat::Rgba16F => FrameType::Rgba16F,
        PixelFormat::Bgr24Packed => FrameType::Bgr32,
        PixelFormat::Rgb24 => FrameType::Rgb24,
    }
}

/// What the pixels of a frame mean (kvmfr.md 4.8); the flags mean nothing for other types, and before version 20.
const fn transfer(version: Version, frame_type: FrameType, flags: FrameFlags) -> Transfer {
    match (version, frame_type, flags.contains(FrameFlags::HDR)) {
        (Version::V20, FrameType::Rgba10, true) => Transfer::Pq2020,
        // Version 20 always carries the flag here, and so a frame without it means the same.
        (Version::V20, FrameType::Rgba16F, _) => Transfer::ScRgb,
        (_, FrameType::Rgba16F, _) => Transfer::Linear,
        _ => Transfer::Srgb,
    }
}

/// The flags that say what pixels mean, or `None` if the version cannot say it of this storage.
pub(crate) fn transfer_flags(
    version: Version,
    format: PixelFormat,
    meaning: Transfer,
) -> Option<FrameFlags> {
    let flags = match meaning {
        Transfer::Srgb | Transfer::Linear => FrameFlags::empty(),
        Transfer::ScRgb => FrameFlags::HDR,
        Transfer::Pq2020 => FrameFlags::HDR | FrameFlags::HDR_PQ,
    };
    let frame_type = frame_type(format);
    let is_said = frame_type.is_in(version) && transfer(version, frame_type, flags) == meaning;
    is_said.then_some(flags)
}

/// `picture`'s size of KVMFR's.
const fn size(size: kvmfr::Size) -> Size {
    Size::new(size.width, size.height)
}

/// KVMFR's size of `picture`'s.
pub(crate) const fn wire_size(size: Size) -> kvmfr::Size {
    kvmfr::Size::new(size.width, size.height)
}

/// The layout that a checked header describes.
pub(crate) fn frame_layout(version: Version, header: &FrameHeader) -> FrameLayout {
    FrameLayout {
        format: pixel_format(header.frame_type),
        transfer: transfer(version, header.frame_type, header.flags),
        frame: size(header.frame),
        rows: header.rows,
        pitch_bytes: header.pitch,
        screen: size(header.screen),
        rotation: Rotation::from_quarter_turns(u32::from(header.rotation)),
    }
}

/// The changed area that a checked header names, relative to the serial before it.
pub(crate) fn damage(list: &DamageList) -> Damage {
    if list.is_full() {
        return Damage::FULL;
    }
    let mut damage = Damage::NONE;
    for rect in list.rects() {
        damage.add(FrameRect::new(rect.x, rect.y, rect.width, rect.height));
    }
    damage
}

/// The rectangles for a header of a picture of `frame`.
pub(crate) fn damage_list(damage: &Damage, frame: Size) -> DamageList {
    if damage.is_full() {
        return DamageList::FULL;
    }
    let rects = damage.rects_in(frame);
    DamageList::from_rects(rects.map(|r| kvmfr::Rect::new(r.x, r.y, r.width, r.height)))
}

/// Rectangles for a header as they are, whatever they are.
pub(crate) fn raw_damage_list(rects: &[FrameRect]) -> DamageList {
    let rects = rects.iter();
    DamageList::from_rects(rects.map(|r| kvmfr::Rect::new(r.x, r.y, r.width, r.height)))
}

/// The way of combining that a shape names.
const fn pointer_kind(kind: CursorKind) -> PointerKind {
    match kind {
        CursorKind::Colour => PointerKind::Colour,
        CursorKind::Monochrome => PointerKind::Monochrome,
        CursorKind::MaskedColour => PointerKind::MaskedColour,
    }
}

/// The picture of a checked shape; `data` is the copy of its [`ShapeHeader::data_bytes`].
pub(crate) fn pointer_shape(header: &ShapeHeader, data: Vec<u8>) -> PointerShape {
    PointerShape {
        kind: pointer_kind(header.kind),
        width: header.width,
        height: header.visible_height(),
        pitch_bytes: header.pitch,
        hot_spot: header.hot_spot(),
        data,
    }
}

/// The header of a picture, not checked; hot spots beyond a signed byte are clamped (H9).
pub(crate) fn shape_header(shape: &PointerShape) -> ShapeHeader {
    let (kind, rows) = match shape.kind {
        PointerKind::Colour => (CursorKind::Colour, shape.height),
        PointerKind::Monochrome => (CursorKind::Monochrome, shape.height.saturating_mul(2)),
        PointerKind::MaskedColour => (CursorKind::MaskedColour, shape.height),
    };
    let byte = |at: u32| i8::try_from(at).unwrap_or(i8::MAX);
    ShapeHeader {
        kind,
        hx: byte(shape.hot_spot.0),
        hy: byte(shape.hot_spot.1),
        width: shape.width,
        height: rows,
        pitch: shape.pitch_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_survive_there_and_back() {
        for format in PixelFormat::ALL {
            assert_eq!(pixel_format(frame_type(format)), format);
        }
    }

    #[test]
    fn pixels_mean_what_type_and_flags_say() {
        let hdr = FrameFlags::HDR;
        let none = FrameFlags::empty();
        let of_20 = |frame_type, flags| transfer(Version::V20, frame_type, flags);
        assert_eq!(of_20(FrameType::Rgba10, hdr), Transfer::Pq2020);
        assert_eq!(of_20(FrameType::Rgba10, none), Transfer::Srgb);
        assert_eq!(of_20(FrameType::Rgba16F, hdr), Transfer::ScRgb);
        assert_eq!(of_20(FrameType::Rgba16F, none), Transfer::ScRgb);
        assert_eq!(of_20(FrameType::Bgra, hdr), Transfer::Srgb);
        for version in [Version::V16, Version::V19] {
            for flags in [hdr, none] {
                let of = |frame_type| transfer(version, frame_type, flags);
                assert_eq!(of(FrameType::Rgba10), Transfer::Srgb);
                assert_eq!(of(FrameType::Rgba16F), Transfer::Linear);
            }
        }
    }

    #[test]
    fn only_version_20_can_say_hdr() {
        let said = |version, transfer| {
            transfer_flags(version, PixelFormat::Rgba10, transfer).map(|flags| flags.bits())
        };
        assert_eq!(said(Version::V20, Transfer::Pq2020), Some(0x18));
        assert_eq!(said(Version::V19, Transfer::Pq2020), None);
        assert_eq!(said(Version::V16, Transfer::Srgb), Some(0));
        assert_eq!(said(Version::V20, Transfer::ScRgb), None);
        let half = |version, transfer| {
            transfer_flags(version, PixelFormat::Rgba16F, transfer).map(|flags| flags.bits())
        };
        assert_eq!(half(Version::V20, Transfer::ScRgb), Some(0x08));
        assert_eq!(half(Version::V20, Transfer::Linear), None);
        assert_eq!(half(Version::V19, Transfer::Linear), Some(0));
        assert_eq!(half(Version::V19, Transfer::ScRgb), None);
        let packed = PixelFormat::Bgr24Packed;
        assert_eq!(transfer_flags(Version::V19, packed, Transfer::Srgb), None);
        assert!(transfer_flags(Version::V20, packed, Transfer::Srgb).is_some());
    }

    #[test]
    fn hot_spots_are_clamped_to_a_signed_byte() {
        let shape = PointerShape {
            kind: PointerKind::Monochrome,
            width: 256,
            height: 256,
            pitch_bytes: 32,
            hot_spot: (127, 128),
            data: Vec::new(),
        };
        let header = shape_header(&shape);
        assert_eq!((header.hx, header.hy, header.height), (127, 127, 512));
        assert_eq!(pointer_shape(&header, Vec::new()).height, 256);
    }

    #[test]
    fn damage_is_clipped_and_everything_stays_everything() {
        let frame = Size::new(100, 50);
        assert!(damage_list(&Damage::FULL, frame).is_full());
        let mut changed = Damage::NONE;
        changed.add(FrameRect::new(90, 40, 100, 100));
        changed.add(FrameRect::new(200, 0, 1, 1));
        let list = damage_list(&changed, frame);
        assert_eq!(list.rects(), [kvmfr::Rect::new(90, 40, 10, 10)]);
        assert_eq!(damage(&list).rects(), [FrameRect::new(90, 40, 10, 10)]);
        assert!(damage(&DamageList::FULL).is_full());
    }
}
