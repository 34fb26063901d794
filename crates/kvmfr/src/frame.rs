//! The frame header: one checked value for the three layouts (kvmfr.md 4).

use ivshmem::SharedSlice;
use zerocopy::{FromBytes, IntoBytes};

use crate::damage::DamageList;
use crate::flags::FrameFlags;
use crate::packed::PackedGeometry;
use crate::version::Version;
use crate::wire::{Frame16, Frame19, Frame20};

/// Bytes of the longest frame header; a buffer of this size holds any.
pub const MAX_FRAME_HEADER_BYTES: usize = size_of::<Frame20>();

/// Most columns or rows of screen, frame and data (H1).
pub const MAX_SIDE: u32 = 32768;

/// Most pixels of a frame: two 8K screens side by side. A header could claim sixteen times as many with one row behind
/// it, and whoever composes the whole picture would need 4 GiB.
pub const MAX_PIXELS: u64 = 1 << 26;

/// Longest row (H1): four times the longest sane payload.
pub const MAX_PITCH_BYTES: u32 = 1 << 20;

/// Bytes of the write pointer between header and pixels.
pub const WRITE_POINTER_BYTES: u32 = 4;

/// A size in pixels or texels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// Makes a size.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Counts the pixels.
    #[must_use]
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Tells whether both sides are between 1 and [`MAX_SIDE`].
    #[must_use]
    pub const fn is_sane(self) -> bool {
        self.width >= 1 && self.width <= MAX_SIDE && self.height >= 1 && self.height <= MAX_SIDE
    }
}

/// The storage of the pixels (kvmfr.md 4.3); the discriminant is the wire value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameType {
    /// B, G, R, A bytes.
    Bgra = 1,
    /// R, G, B, A bytes.
    Rgba = 2,
    /// Ten bits each of R, G, B and two of A in a word.
    Rgba10 = 3,
    /// Four half floats.
    Rgba16F = 4,
    /// B, G, R bytes packed in 32-bit texels; version 20.
    Bgr32 = 5,
    /// R, G, B bytes; version 20.
    Rgb24 = 6,
}

impl FrameType {
    /// Every type, in the order of the wire values.
    pub const ALL: [Self; 6] = [
        Self::Bgra,
        Self::Rgba,
        Self::Rgba10,
        Self::Rgba16F,
        Self::Bgr32,
        Self::Rgb24,
    ];

    /// The type of a wire value, if the version has it.
    #[must_use]
    pub fn from_wire(version: Version, number: u32) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|t| t.wire() == number)?;
        found.is_in(version).then_some(found)
    }

    /// The wire value.
    #[must_use]
    pub const fn wire(self) -> u32 {
        self as u32
    }

    /// Tells whether a version has this type.
    #[must_use]
    pub const fn is_in(self, version: Version) -> bool {
        match self {
            Self::Bgra | Self::Rgba | Self::Rgba10 | Self::Rgba16F => true,
            Self::Bgr32 | Self::Rgb24 => matches!(version, Version::V20),
        }
    }

    /// Bytes of one pixel.
    #[must_use]
    pub const fn bytes_per_pixel(self) -> u32 {
        match self {
            Self::Bgra | Self::Rgba | Self::Rgba10 => 4,
            Self::Rgba16F => 8,
            Self::Bgr32 | Self::Rgb24 => 3,
        }
    }

    /// What a pitch must be a multiple of: the pixel, or the texel of type 5; type 6 may have any.
    #[must_use]
    const fn pitch_unit(self) -> u32 {
        match self {
            Self::Bgr32 => 4,
            Self::Rgb24 => 1,
            Self::Bgra | Self::Rgba | Self::Rgba10 | Self::Rgba16F => self.bytes_per_pixel(),
        }
    }

    /// Bytes that one step of the stride field stands for.
    #[must_use]
    const fn stride_unit(self) -> u32 {
        match self {
            Self::Bgr32 => 4,
            other => other.bytes_per_pixel(),
        }
    }
}

/// A checked frame header: every value is in range, and all pixels lie inside block and mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Counts changes of the format; compare the format itself instead (H15).
    pub format_version: u32,
    /// Serial of the frame.
    pub serial: u32,
    /// Storage of the pixels.
    pub frame_type: FrameType,
    /// The guest's screen, unrotated.
    pub screen: Size,
    /// The picture, unrotated, with all the rows it should have.
    pub frame: Size,
    /// Columns of the stored texture; differs from the picture's for packed formats.
    pub data_width: u32,
    /// Rows that are really there, at most those of the picture.
    pub rows: u32,
    /// Clockwise quarter turns that show the picture upright, 0 to 3.
    pub rotation: u8,
    /// Bytes from row to row.
    pub pitch: u32,
    /// Where in the block the write pointer is.
    pub fb_offset: u32,
    /// What changed since the previous serial.
    pub damage: DamageList,
    /// The flags, unknown bits included.
    pub flags: FrameFlags,
}

/// A frame header that must not be used (H1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The copy is shorter than the header.
    #[error("a frame header of {0} bytes")]
    TooShort(usize),
    /// A block that starts off a word, or so late that no header fits in the mapping.
    #[error("a frame block at offset {offset} in a memory of {memory} bytes")]
    Block {
        /// Where it would start.
        offset: u32,
        /// Bytes of the mapping.
        memory: usize,
    },
    /// No type of this version.
    #[error("frame type {0}")]
    Type(u32),
    /// More than three quarter turns.
    #[error("rotation {0}")]
    Rotation(u32),
    /// A side that is zero or too long, or more pixels than any screen has.
    #[error("{what} of {width} × {height}")]
    Size {
        /// Which one.
        what: &'static str,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Rows that overlap, are too long, or start within a pixel.
    #[error("pitch of {pitch} bytes for rows of {row_bytes}")]
    Pitch {
        /// Bytes from row to row.
        pitch: u32,
        /// Bytes of the pixels in a row.
        row_bytes: u64,
    },
    /// A write pointer inside the header, misaligned, or outside the block.
    #[error("framebuffer at {fb_offset} in a block of {block} bytes")]
    Offset {
        /// Where the write pointer would be.
        fb_offset: u32,
        /// Bytes of the block that can be used.
        block: u64,
    },
    /// Not even one row fits.
    #[error("no row of {pitch} bytes fits in {room} bytes")]
    NoRows {
        /// Bytes from row to row.
        pitch: u32,
        /// Bytes for pixels.
        room: u64,
    },
}

/// The fields of any version, not checked.
struct Raw {
    format_version: u32,
    serial: u32,
    frame_type: u32,
    screen: Size,
    frame: Size,
    data: Size,
    rotation: u32,
    pitch: u32,
    fb_offset: u32,
    flags: FrameFlags,
}

impl FrameHeader {
    /// A header for a whole, upright, fully damaged picture that fits; serial and format version are zero.
    #[must_use]
    pub fn whole(frame_type: FrameType, frame: Size, pitch: u32, fb_offset: u32) -> Self {
        let packed = match frame_type {
            FrameType::Bgr32 => PackedGeometry::of(frame),
            _ => None,
        };
        Self {
            format_version: 0,
            serial: 0,
            frame_type,
            screen: frame,
            frame,
            data_width: packed.map_or(frame.width, |p| p.data_width),
            rows: packed.map_or(frame.height, |p| p.data_height),
            rotation: 0,
            pitch,
            fb_offset,
            damage: DamageList::FULL,
            flags: FrameFlags::empty(),
        }
    }

    /// Bytes of pixel data.
    #[must_use]
    pub const fn data_bytes(&self) -> u64 {
        self.rows as u64 * self.pitch as u64
    }

    /// Where in the block the pixels start.
    #[must_use]
    pub const fn data_offset(&self) -> u64 {
        self.fb_offset as u64 + WRITE_POINTER_BYTES as u64
    }

    /// Copies the header of a block out of the shared memory, once, and reads the copy.
    ///
    /// `offset` and `slot_size` are those of the slot.
    ///
    /// # Errors
    /// If the block does not lie in the memory, and as [`FrameHeader::parse`].
    pub fn read(
        version: Version,
        memory: SharedSlice<'_>,
        offset: u32,
        slot_size: u32,
    ) -> Result<Self, HeaderError> {
        let outside = HeaderError::Block {
            offset,
            memory: memory.len(),
        };
        let mut buffer = [0; MAX_FRAME_HEADER_BYTES];
        let copy = buffer
            .get_mut(..version.frame_header_bytes())
            .ok_or(outside)?;
        if !offset.is_multiple_of(4) || memory.copy_to(offset as usize, copy).is_err() {
            return Err(outside);
        }
        let room = memory.len().saturating_sub(offset as usize) as u64;
        Self::parse(version, copy, slot_size, room)
    }

    /// Reads a copied header.
    ///
    /// `slot_size` is the slot's size, `room` the bytes from the start of the block to the end of the mapping. Rows
    /// beyond either are cut off, because the original hosts overrun a truncated frame by up to a page.
    ///
    /// # Errors
    /// Names the first field that is wrong.
    pub fn parse(
        version: Version,
        bytes: &[u8],
        slot_size: u32,
        room: u64,
    ) -> Result<Self, HeaderError> {
        let short = HeaderError::TooShort(bytes.len());
        let (raw, damage_count, rects) = match version {
            Version::V16 => {
                let (wire, _) = Frame16::read_from_prefix(bytes).map_err(|_| short)?;
                (
                    Raw::of_16(&wire),
                    wire.damage_rects_count,
                    wire.damage_rects,
                )
            }
            Version::V19 => {
                let (wire, _) = Frame19::read_from_prefix(bytes).map_err(|_| short)?;
                (
                    Raw::of_19(&wire),
                    wire.damage_rects_count,
                    wire.damage_rects,
                )
            }
            Version::V20 => {
                let (wire, _) = Frame20::read_from_prefix(bytes).map_err(|_| short)?;
                (
                    Raw::of_20(&wire),
                    wire.damage_rects_count,
                    wire.damage_rects,
                )
            }
        };
        let mut header = raw.check(version, room.min(u64::from(slot_size)))?;
        header.damage = DamageList::from_wire(damage_count, &rects, header.frame);
        Ok(header)
    }

    /// Writes the header as `version` lays it out; returns the part of `buffer` that it fills.
    ///
    /// Versions 16 and 19 have no place for the full height beside the rows that are there: there it travels as the
    /// height of the screen.
    #[must_use]
    pub fn encode<'a>(
        &self,
        version: Version,
        buffer: &'a mut [u8; MAX_FRAME_HEADER_BYTES],
    ) -> &'a [u8] {
        let stride = self.pitch / self.frame_type.stride_unit();
        let (damage_rects_count, damage_rects) = self.damage.to_wire();
        let written = match version {
            Version::V16 => put(
                buffer,
                &Frame16 {
                    format_ver: self.format_version,
                    frame_serial: self.serial,
                    r#type: self.frame_type.wire(),
                    width: self.frame.width,
                    height: self.rows,
                    real_height: self.frame.height,
                    rotation: u32::from(self.rotation),
                    stride,
                    pitch: self.pitch,
                    offset: self.fb_offset,
                    damage_rects_count,
                    damage_rects,
                    block_screensaver: u8::from(self.flags.contains(FrameFlags::BLOCK_SCREENSAVER)),
                    padding: [0; 3],
                },
            ),
            Version::V19 => put(
                buffer,
                &Frame19 {
                    format_ver: self.format_version,
                    frame_serial: self.serial,
                    r#type: self.frame_type.wire(),
                    screen_width: self.screen.width,
                    screen_height: self.screen.height,
                    frame_width: self.frame.width,
                    frame_height: self.rows,
                    rotation: u32::from(self.rotation),
                    stride,
                    pitch: self.pitch,
                    offset: self.fb_offset,
                    damage_rects_count,
                    damage_rects,
                    flags: self.flags.bits(),
                },
            ),
            Version::V20 => put(
                buffer,
                &Frame20 {
                    format_ver: self.format_version,
                    frame_serial: self.serial,
                    r#type: self.frame_type.wire(),
                    screen_width: self.screen.width,
                    screen_height: self.screen.height,
                    data_width: self.data_width,
                    data_height: self.rows,
                    frame_width: self.frame.width,
                    frame_height: self.frame.height,
                    rotation: u32::from(self.rotation),
                    stride,
                    pitch: self.pitch,
                    offset: self.fb_offset,
                    damage_rects_count,
                    damage_rects,
                    flags: self.flags.bits(),
                },
            ),
        };
        buffer.get(..written).unwrap_or_default()
    }
}

/// Copies a wire structure to the front of the buffer; returns its length.
fn put<T: IntoBytes + zerocopy::Immutable>(
    buffer: &mut [u8; MAX_FRAME_HEADER_BYTES],
    wire: &T,
) -> usize {
    let bytes = wire.as_bytes();
    if let Some(place) = buffer.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
    bytes.len()
}

/// What the flags of versions before 20 cannot mean.
const FLAGS_OF_20: FrameFlags = FrameFlags::HDR.union(FrameFlags::HDR_PQ);

impl Raw {
    fn of_16(wire: &Frame16) -> Self {
        let mut flags = FrameFlags::empty();
        flags.set(FrameFlags::BLOCK_SCREENSAVER, wire.block_screensaver != 0);
        flags.set(FrameFlags::TRUNCATED, wire.height < wire.real_height);
        let frame = Size::new(wire.width, wire.real_height);
        Self {
            format_version: wire.format_ver,
            serial: wire.frame_serial,
            frame_type: wire.r#type,
            screen: frame,
            frame,
            data: Size::new(wire.width, wire.height),
            rotation: wire.rotation,
            pitch: wire.pitch,
            fb_offset: wire.offset,
            flags,
        }
    }

    fn of_19(wire: &Frame19) -> Self {
        let flags = FrameFlags::from_bits_retain(wire.flags).difference(FLAGS_OF_20);
        let screen = Size::new(wire.screen_width, wire.screen_height);
        let data = Size::new(wire.frame_width, wire.frame_height);
        let mut frame = data;
        if flags.contains(FrameFlags::TRUNCATED) && screen.is_sane() && data.is_sane() {
            // The full height is not sent: it follows from the screen's, scaled as the width is.
            let full = u64::from(screen.height) * u64::from(data.width) / u64::from(screen.width);
            let full = u32::try_from(full).unwrap_or(MAX_SIDE).min(MAX_SIDE);
            frame.height = frame.height.max(full);
        }
        Self {
            format_version: wire.format_ver,
            serial: wire.frame_serial,
            frame_type: wire.r#type,
            screen,
            frame,
            data,
            rotation: wire.rotation,
            pitch: wire.pitch,
            fb_offset: wire.offset,
            flags,
        }
    }

    fn of_20(wire: &Frame20) -> Self {
        Self {
            format_version: wire.format_ver,
            serial: wire.frame_serial,
            frame_type: wire.r#type,
            screen: Size::new(wire.screen_width, wire.screen_height),
            frame: Size::new(wire.frame_width, wire.frame_height),
            data: Size::new(wire.data_width, wire.data_height),
            rotation: wire.rotation,
            pitch: wire.pitch,
            fb_offset: wire.offset,
            flags: FrameFlags::from_bits_retain(wire.flags),
        }
    }

    /// Everything of H1 but the damage. `block` is what can be used of the block.
    fn check(self, version: Version, block: u64) -> Result<FrameHeader, HeaderError> {
        let frame_type = FrameType::from_wire(version, self.frame_type)
            .ok_or(HeaderError::Type(self.frame_type))?;
        let rotation = u8::try_from(self.rotation)
            .ok()
            .filter(|turns| *turns <= 3)
            .ok_or(HeaderError::Rotation(self.rotation))?;
        let sizes = [
            ("screen", self.screen),
            ("frame", self.frame),
            ("frame data", self.data),
        ];
        for (what, Size { width, height }) in sizes {
            let is_huge = what == "frame" && self.frame.area() > MAX_PIXELS;
            if !Size::new(width, height).is_sane() || is_huge {
                return Err(HeaderError::Size {
                    what,
                    width,
                    height,
                });
            }
        }
        self.check_pitch(frame_type)?;
        let room = self.check_offset(version, block)?;
        let fitting = u32::try_from(room / u64::from(self.pitch)).unwrap_or(u32::MAX);
        let rows = self.data.height.min(self.frame.height).min(fitting);
        if rows == 0 {
            return Err(HeaderError::NoRows {
                pitch: self.pitch,
                room,
            });
        }
        Ok(FrameHeader {
            format_version: self.format_version,
            serial: self.serial,
            frame_type,
            screen: self.screen,
            frame: self.frame,
            data_width: self.data.width,
            rows,
            rotation,
            pitch: self.pitch,
            fb_offset: self.fb_offset,
            damage: DamageList::FULL,
            flags: self.flags,
        })
    }

    fn check_pitch(&self, frame_type: FrameType) -> Result<(), HeaderError> {
        let payload = u64::from(self.frame.width) * u64::from(frame_type.bytes_per_pixel());
        let row_bytes = match frame_type {
            FrameType::Bgr32 => payload.max(u64::from(self.data.width) * 4),
            _ => payload,
        };
        let is_sane = u64::from(self.pitch) >= row_bytes
            && self.pitch <= MAX_PITCH_BYTES
            && self.pitch.is_multiple_of(frame_type.pitch_unit());
        if is_sane {
            Ok(())
        } else {
            Err(HeaderError::Pitch {
                pitch: self.pitch,
                row_bytes,
            })
        }
    }

    /// Checks where the pixels start; returns how many bytes there are for them.
    fn check_offset(&self, version: Version, block: u64) -> Result<u64, HeaderError> {
        let start = u64::from(self.fb_offset) + u64::from(WRITE_POINTER_BYTES);
        let is_sane = self.fb_offset as usize >= version.frame_header_bytes()
            && self.fb_offset.is_multiple_of(4)
            && start <= block;
        if is_sane {
            Ok(block - start)
        } else {
            Err(HeaderError::Offset {
                fb_offset: self.fb_offset,
                block,
            })
        }
    }
}

#[cfg(test)]
mod tests;
