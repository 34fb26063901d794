//! The ways of the pixels from shared memory into a texture: a ladder of which the highest rung that works is taken.
//!
//! 1. [`Import`]: the GPU reads the memory itself, as a DMA-BUF.
//! 2. [`Persistent`] and 3. [`Staging`], whichever is better here: each copies the guest's bytes exactly once out of
//!    the shared memory, while the host may still be writing.
//!
//! On all of them GL gets a frame only when all of it is there: a host that stalls leaves the old picture as it was.

// Only `persistent` has unsafe code: it holds a pointer that GL gave.
mod import;
mod persistent;
mod probe;
mod staging;

use ivshmem::{AccessError, PixelStream, Rows, SharedSlice, Stalled};
use picture::{Damage, FrameLayout, transfer};

use crate::error::{RenderError, UploadError};
use crate::gl::{Gl, TexelRect, Texture};

pub(crate) use import::Import;
pub(crate) use persistent::Persistent;
pub(crate) use probe::choose;
pub(crate) use staging::Staging;

/// How pixels get into a texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UploadPath {
    /// Into private memory, from where the driver copies them.
    Staging,
    /// Into a ring of buffers of the driver that stay mapped (GL_EXT_buffer_storage).
    Persistent,
    /// Not by a copy of the CPU: the GPU reads the memory as a DMA-BUF (EGL_EXT_image_dma_buf_import).
    Import,
}

impl UploadPath {
    /// A word for logs and statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Persistent => "persistent",
            Self::Import => "import",
        }
    }
}

/// How frames have come to the driver so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploads {
    /// The way of the last one.
    pub path: UploadPath,
    /// Why frames of the guest's memory are not imported, if they are not.
    pub not_imported: Option<String>,
    /// Frames that were imported.
    pub imported_frames: u64,
    /// Frames that were copied.
    pub copied_frames: u64,
    /// Bytes of frames that the CPU copied out of the shared memory.
    pub copied_bytes: u64,
    /// Bytes of pixels that the CPU read to compare the first picture of each imported layout at some places.
    pub checked_bytes: u64,
    /// Images that were made of parts of the memory.
    pub imports: u64,
}

/// One way of the pixels.
pub(crate) trait Upload {
    /// Which one it is.
    fn path(&self) -> UploadPath;

    /// Copies the damaged bytes out of the shared memory, following a host that is still writing; returns how many.
    ///
    /// After an error nothing of it is submitted, and the frame before stays.
    fn stage(
        &mut self,
        gl: &Gl,
        layout: &FrameLayout,
        damage: &Damage,
        stream: &mut dyn PixelStream,
    ) -> Result<u64, UploadError>;

    /// Lets GL take the staged bytes into a texture; `rects` cover no more than the damage that was staged.
    fn submit(
        &mut self,
        gl: &Gl,
        texture: &Texture,
        row_texels: u32,
        rects: &mut dyn Iterator<Item = TexelRect>,
    ) -> Result<(), RenderError>;
}

/// Calls `copy` for each run of damaged rows as soon as it is final: where it starts, and its shape in the frame.
/// Returns how many bytes they are.
fn chase(
    layout: &FrameLayout,
    damage: &Damage,
    stream: &mut dyn PixelStream,
    mut copy: impl FnMut(SharedSlice<'_>, usize, &Rows) -> Result<(), AccessError>,
) -> Result<u64, UploadError> {
    let size = |bytes: u64| {
        usize::try_from(bytes).map_err(|_| UploadError::Layout {
            reason: format!("{bytes} bytes are more than memory can hold"),
        })
    };
    let (mut available, mut copied) = (0, 0_u64);
    for span in transfer::spans(layout, damage) {
        let wanted = size(span.wait_bytes(layout))?;
        if wanted > available {
            available = stream.wait_for(wanted)?;
            if available < wanted {
                return Err(Stalled { available, wanted }.into());
            }
        }
        let pitch = size(layout.pitch_bytes.into())?;
        let rows = Rows {
            rows: size(span.rows.into())?,
            row_bytes: size(span.row_bytes.into())?,
            src_pitch: pitch,
            dst_pitch: pitch,
        };
        copy(stream.pixels(), size(span.start(layout))?, &rows)?;
        copied += u64::from(span.rows) * u64::from(span.row_bytes);
    }
    Ok(copied)
}

/// Bytes of a whole frame, if it is not absurdly large.
fn frame_bytes(layout: &FrameLayout) -> Result<usize, UploadError> {
    // 1 GiB: a frame of the greatest size that a driver's textures and real memories allow has less.
    let bytes = layout.data_bytes();
    usize::try_from(bytes)
        .ok()
        .filter(|&bytes| bytes <= 1 << 30)
        .ok_or_else(|| UploadError::Layout {
            reason: format!("{bytes} bytes are too many"),
        })
}

/// Where a rectangle's first texel lies in a frame.
fn first_byte(rect: &TexelRect, row_texels: u32, texel_bytes: u32) -> Option<usize> {
    let texels = u64::from(rect.y) * u64::from(row_texels) + u64::from(rect.x);
    usize::try_from(texels.checked_mul(texel_bytes.into())?).ok()
}
