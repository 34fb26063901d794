//! The head of a cursor block (kvmfr.md 3).

use ivshmem::SharedSlice;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::flags::PointerFlags;
use crate::wire::KvmfrCursor;

/// Most columns or rows of a shape that is seen (H7); real hosts stay within 512 × 512.
pub const MAX_SHAPE_SIDE: u32 = 1024;

/// How a shape combines with the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CursorKind {
    /// B, G, R, A bytes.
    Colour,
    /// One bit a pixel: AND mask over XOR mask.
    Monochrome,
    /// B, G, R, mask bytes.
    MaskedColour,
}

impl CursorKind {
    /// Every kind, in the order of the wire values.
    pub const ALL: [Self; 3] = [Self::Colour, Self::Monochrome, Self::MaskedColour];

    /// The kind of a wire value.
    #[must_use]
    pub const fn from_wire(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Colour),
            1 => Some(Self::Monochrome),
            2 => Some(Self::MaskedColour),
            _ => None,
        }
    }

    /// The wire value.
    #[must_use]
    pub const fn wire(self) -> u32 {
        self as u32
    }

    /// Bytes of a row of `width` pixels without padding.
    #[must_use]
    pub const fn row_bytes(self, width: u32) -> u64 {
        match self {
            Self::Monochrome => width.div_ceil(8) as u64,
            Self::Colour | Self::MaskedColour => width as u64 * 4,
        }
    }
}

/// A checked pointer message: what the flags of its slot declare valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorHeader {
    /// Left edge of the picture in guest desktop pixels; what the block held, valid with [`PointerFlags::POSITION`].
    pub x: i16,
    /// Top edge of the picture.
    pub y: i16,
    /// The shape, if the flags say that there is one.
    pub shape: Option<ShapeHeader>,
}

/// A checked shape; its pixels follow the 24 bytes of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeHeader {
    /// How it combines with the screen.
    pub kind: CursorKind,
    /// Click point from the left, as sent.
    pub hx: i8,
    /// Click point from the top, as sent.
    pub hy: i8,
    /// Columns.
    pub width: u32,
    /// Rows of data; twice the rows that are seen for [`CursorKind::Monochrome`].
    pub height: u32,
    /// Bytes from row to row.
    pub pitch: u32,
}

/// A shape that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The slot is too small for the header.
    #[error("a pointer message of {0} bytes")]
    TooShort(u32),
    /// A shape type that does not exist.
    #[error("pointer shape type {0}")]
    Type(u32),
    /// A width or height out of range, or odd for a monochrome shape.
    #[error("pointer shape of {width} × {height}")]
    Size {
        /// Columns.
        width: u32,
        /// Rows of data.
        height: u32,
    },
    /// Rows that overlap.
    #[error("pointer shape with a pitch of {0} bytes")]
    Pitch(u32),
    /// More bytes than the block has.
    #[error("pointer shape of {wanted} bytes in a block with room for {room}")]
    Data {
        /// Bytes of the rows.
        wanted: u64,
        /// Bytes behind the header.
        room: u32,
    },
}

impl ShapeHeader {
    /// Bytes of pixels behind the header.
    #[must_use]
    pub const fn data_bytes(&self) -> u64 {
        self.height as u64 * self.pitch as u64
    }

    /// Rows that are seen.
    #[must_use]
    pub const fn visible_height(&self) -> u32 {
        match self.kind {
            CursorKind::Monochrome => self.height / 2,
            CursorKind::Colour | CursorKind::MaskedColour => self.height,
        }
    }

    /// The click point, clamped to the shape (H9).
    #[must_use]
    pub fn hot_spot(&self) -> (u32, u32) {
        let clamp = |at: i8, side: u32| u32::try_from(at).unwrap_or(0).min(side.saturating_sub(1));
        (
            clamp(self.hx, self.width),
            clamp(self.hy, self.visible_height()),
        )
    }

    /// Checks a shape against the room behind the header (H7).
    ///
    /// # Errors
    /// Names the first field that is wrong.
    pub fn check(&self, room: u32) -> Result<(), CursorError> {
        let is_mono = self.kind == CursorKind::Monochrome;
        let sides_fit = (1..=MAX_SHAPE_SIDE).contains(&self.width)
            && (1..=MAX_SHAPE_SIDE).contains(&self.visible_height());
        if !sides_fit || (is_mono && !self.height.is_multiple_of(2)) {
            return Err(CursorError::Size {
                width: self.width,
                height: self.height,
            });
        }
        if u64::from(self.pitch) < self.kind.row_bytes(self.width) {
            return Err(CursorError::Pitch(self.pitch));
        }
        if self.data_bytes() > u64::from(room) {
            return Err(CursorError::Data {
                wanted: self.data_bytes(),
                room,
            });
        }
        Ok(())
    }
}

impl CursorHeader {
    /// Bytes of the header.
    pub const BYTES: usize = size_of::<KvmfrCursor>();

    /// Copies the header of a block out of the shared memory, once, and reads the copy.
    ///
    /// `offset` and `slot_size` are those of the slot. The pixels follow at `offset` + [`CursorHeader::BYTES`].
    ///
    /// # Errors
    /// If the block does not lie in the memory, and as [`CursorHeader::parse`].
    pub fn read(
        flags: PointerFlags,
        memory: SharedSlice<'_>,
        offset: u32,
        slot_size: u32,
    ) -> Result<Self, CursorError> {
        let mut copy = [0; Self::BYTES];
        let offset = offset as usize;
        let left = u32::try_from(memory.len().saturating_sub(offset)).unwrap_or(u32::MAX);
        let room = slot_size.min(left);
        let short = CursorError::TooShort(room);
        memory.copy_to(offset, &mut copy).map_err(|_| short)?;
        Self::parse(flags, &copy, room)
    }

    /// Reads a copied header.
    ///
    /// `room` is what the block holds in all: the slot's size, or less if the mapping ends before. The shape's
    /// fields are looked at only if `flags` has [`PointerFlags::SHAPE`].
    ///
    /// # Errors
    /// If the copy is short or the shape is not sane.
    pub fn parse(flags: PointerFlags, bytes: &[u8], room: u32) -> Result<Self, CursorError> {
        let short = CursorError::TooShort(room);
        let (header, _) = KvmfrCursor::read_from_prefix(bytes).map_err(|_| short)?;
        let room = room.checked_sub(Self::BYTES as u32).ok_or(short)?;
        let shape = if flags.contains(PointerFlags::SHAPE) {
            let shape = ShapeHeader {
                kind: CursorKind::from_wire(header.r#type)
                    .ok_or(CursorError::Type(header.r#type))?,
                hx: header.hx,
                hy: header.hy,
                width: header.width,
                height: header.height,
                pitch: header.pitch,
            };
            shape.check(room)?;
            Some(shape)
        } else {
            None
        };
        Ok(Self {
            x: header.x,
            y: header.y,
            shape,
        })
    }

    /// The bytes of the header; a missing shape is all zero.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut header = KvmfrCursor::new_zeroed();
        header.x = self.x;
        header.y = self.y;
        if let Some(shape) = &self.shape {
            header.r#type = shape.kind.wire();
            header.hx = shape.hx;
            header.hy = shape.hy;
            header.width = shape.width;
            header.height = shape.height;
            header.pitch = shape.pitch;
        }
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(header.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests;
