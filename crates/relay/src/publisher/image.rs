//! What a capture hands over, and what becomes of it on the wire.

use ivshmem::SharedSlice;
use kvmfr::{
    FrameBlocks, FrameFlags, FrameHeader, FrameType, MAX_PITCH_BYTES, PackedGeometry, Version,
    recommended_memory_mib,
};
use picture::{Damage, FrameLayout, PixelFormat};

use super::PublishError;
use crate::translate;

/// A captured picture. The caller keeps it unchanged until [`Publisher::publish`](super::Publisher::publish) returns.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// Shape and meaning of the pixels.
    pub layout: FrameLayout,
    /// The complete picture, at the layout's pitch.
    pub pixels: Pixels<'a>,
    /// What changed since the previous call, whether or not that succeeded.
    pub damage: &'a Damage,
    /// [`FrameFlags::BLOCK_SCREENSAVER`] and [`FrameFlags::REQUEST_ACTIVATION`]; the others follow from the layout.
    pub flags: FrameFlags,
}

/// Where the pixels of an image are.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// In memory of this process.
    Private(&'a [u8]),
    /// In memory shared with whoever captured them.
    Shared(SharedSlice<'a>),
}

impl Pixels<'_> {
    /// Bytes that there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Private(bytes) => bytes.len(),
            Self::Shared(window) => window.len(),
        }
    }

    /// Tells whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The flags that a capture may set.
const CALLERS_FLAGS: FrameFlags =
    FrameFlags::BLOCK_SCREENSAVER.union(FrameFlags::REQUEST_ACTIVATION);

/// Describes an image on the wire, in blocks of `block_bytes`: all of the header but serial, format version and damage.
pub(super) fn header_of(
    image: &Image<'_>,
    version: Version,
    division: &FrameBlocks,
    block_bytes: u32,
) -> Result<FrameHeader, PublishError> {
    let layout = &image.layout;
    let bad = || PublishError::Layout(Box::new(*layout));
    let meaning = translate::transfer_flags(version, layout.format, layout.transfer).ok_or(
        PublishError::Unsupported {
            version,
            format: layout.format,
            transfer: layout.transfer,
        },
    )?;
    let frame = translate::wire_size(layout.frame);
    let screen = translate::wire_size(layout.screen);
    if !frame.is_sane() || !screen.is_sane() || layout.rows == 0 {
        return Err(bad());
    }
    let row_bytes = layout.format.row_bytes(frame.width);
    if u64::from(layout.pitch_bytes) < row_bytes {
        return Err(bad());
    }
    let frame_type = translate::frame_type(layout.format);
    let pitch = wire_pitch(layout).filter(|pitch| *pitch <= MAX_PITCH_BYTES);
    let pitch = pitch.ok_or_else(bad)?;
    let mut header = FrameHeader::whole(frame_type, frame, pitch, division.fb_offset);
    let whole = header.rows;
    let fitting = division.pixel_bytes(block_bytes) / pitch;
    header.rows = whole.min(layout.rows).min(fitting);
    header.screen = screen;
    header.rotation = layout.rotation.quarter_turns() as u8;
    header.flags = image.flags & CALLERS_FLAGS | meaning;
    header.flags.set(FrameFlags::TRUNCATED, header.rows < whole);
    if header.rows == 0 {
        let bytes = u64::from(frame.height) * u64::from(pitch);
        return Err(PublishError::TooSmall {
            needed_mib: recommended_memory_mib(bytes),
        });
    }
    let needed = u64::from(header.rows - 1) * u64::from(layout.pitch_bytes) + row_bytes;
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    if image.pixels.len() < needed {
        return Err(PublishError::ShortImage {
            needed,
            available: image.pixels.len(),
        });
    }
    Ok(header)
}

/// The pitch on the wire: the image's own where the frame type allows it, so that whole bands are one copy.
fn wire_pitch(layout: &FrameLayout) -> Option<u32> {
    let own = layout.pitch_bytes;
    let width = layout.frame.width;
    match layout.format {
        PixelFormat::Bgra8 | PixelFormat::Rgba8 | PixelFormat::Rgba10 | PixelFormat::Rgba16F => {
            let pixel = layout.format.bytes_per_pixel();
            Some(if own.is_multiple_of(pixel) {
                own
            } else {
                width * pixel
            })
        }
        PixelFormat::Bgr24Packed => {
            let least = PackedGeometry::of(translate::wire_size(layout.frame))?.pitch_bytes();
            Some(if own >= least && own.is_multiple_of(4) {
                own
            } else {
                least
            })
        }
        // NvFBC's alignment (kvmfr.md 4.3), rounded up so that every width fits.
        PixelFormat::Rgb24 => Some(if own.is_multiple_of(3) {
            own
        } else {
            width.div_ceil(4).next_multiple_of(64) * 4 * 3
        }),
    }
}

/// What a client compares to tell a change of format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    frame_type: FrameType,
    screen: kvmfr::Size,
    frame: kvmfr::Size,
    rows: u32,
    rotation: u8,
    pitch: u32,
    meaning: FrameFlags,
}

impl Format {
    pub(super) fn of(header: &FrameHeader) -> Self {
        Self {
            frame_type: header.frame_type,
            screen: header.screen,
            frame: header.frame,
            rows: header.rows,
            rotation: header.rotation,
            pitch: header.pitch,
            meaning: header.flags & (FrameFlags::HDR | FrameFlags::HDR_PQ),
        }
    }
}
