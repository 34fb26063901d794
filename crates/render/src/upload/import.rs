//! Without a copy of ours: the GPU reads the guest's memory, as a DMA-BUF.
//!
//! The highest rung of the ladder, above the copying ways ([`super::Upload`]). What the GPU reads is the memory itself,
//! which its writer may change at any time; so a picture is never drawn from it. Instead the GPU copies the damaged
//! rectangles into the renderer's own texture, after the host has finished them, and the frame is given back when a
//! fence says that this is done. That costs the GPU one pass over the damage, and has these reasons:
//!
//! - What is drawn later, when only the pointer moves, must not be what the host writes into that block next. The
//!   other way, keeping the frame's message until the next one is there, takes one of the host's two blocks away: it
//!   could write the next frame only when we have let go of the one before, and would wait, or evict us.
//! - A guest that keeps writing can spoil the picture it sends, and nothing else: the texture is ours.
//! - A frame that stalls leaves the picture as it was, as on the other rungs.
//!
//! Whether a driver can do this is only known when it has: the extensions are looked at first, then each layout is
//! tried, and of its first picture a few pixels are compared. A layout that fails is copied from then on, and after a
//! few of them everything is until the next session.
//!
//! Imports are kept for as long as the session and the layout stay the same ([`Ladder`], `kvmfr.md` 8, H11). Only a
//! range that a [`PixelStream`] hands out is exported, and that is the pixels of a frame that the reader has checked.

mod driver;
mod ladder;
mod source;
#[cfg(test)]
mod tests;

use ivshmem::{CpuAccess, DmaBufs, PixelStream, Stalled};
use picture::{Damage, FrameLayout, transfer};

use crate::context::Context;
use crate::desktop::Desktop;
use crate::error::{RenderError, UploadError};
use crate::gl::Gl;
use crate::options::RenderOptions;

use driver::{Closer, Driver, Maker};
use ladder::{Found, Ladder};
use source::ImageSource;

/// Longest wait for the GPU to have read a frame, in nanoseconds. A GPU that other programs keep busy, or a driver without
/// one on a busy machine, has been seen to take more than half a second now and then, and copying would not be faster.
const GPU_PATIENCE_NS: i32 = 2_000_000_000;

/// The rung: what the driver can do, and what is imported.
pub(crate) struct Import {
    driver: Result<Driver, String>,
    ladder: Ladder<driver::Imported>,
    /// The last frame of the memory was imported.
    is_taken: bool,
    /// What was logged last: why frames are copied, or nothing if they are not.
    logged: Option<String>,
}

impl Import {
    /// Looks at what the driver has; nothing is imported before there is a memory.
    pub(crate) fn new(gl: &Gl, context: &Context, options: &RenderOptions) -> Self {
        let driver = Driver::new(gl, context, options.external_imports);
        Self {
            driver: driver.map_err(|missing| format!("the driver lacks {missing}")),
            ladder: Ladder::new(),
            is_taken: false,
            logged: None,
        }
    }

    /// A rung that is never taken.
    pub(crate) fn off(reason: &str) -> Self {
        Self {
            driver: Err(reason.to_owned()),
            ladder: Ladder::new(),
            is_taken: false,
            logged: None,
        }
    }

    /// Goes to another memory, or to none; everything imported is closed. Without `gl` no context is current, and the
    /// textures go with theirs.
    pub(crate) fn set_buffers(&mut self, gl: Option<&Gl>, buffers: Result<DmaBufs, String>) {
        match (&self.driver, gl) {
            (Ok(driver), Some(gl)) => self.ladder.close(&mut Maker { gl, driver }),
            (Ok(driver), None) => self.ladder.close(&mut Closer(driver)),
            (Err(_), _) => {}
        }
        self.ladder.begin(buffers);
        self.is_taken = false;
    }

    /// Why frames are copied, if they are.
    pub(crate) fn reason(&self) -> Option<&str> {
        match &self.driver {
            _ if self.is_taken => None,
            Err(reason) => Some(reason),
            Ok(_) => self.ladder.reason(),
        }
    }

    /// How many images were made of the memory since the start.
    pub(crate) const fn imports(&self) -> u64 {
        self.ladder.imports()
    }

    /// Takes a frame over; false if it has to be copied.
    pub(crate) fn take_over(
        &mut self,
        gl: &Gl,
        desktop: &mut Desktop,
        layout: &FrameLayout,
        damage: &Damage,
        stream: &mut dyn PixelStream,
    ) -> Result<bool, UploadError> {
        let taken = match self.try_take_over(gl, desktop, layout, damage, stream) {
            Ok(Some(taken)) => taken,
            Ok(None) => return Ok(false),
            Err(Failure::Frame(error)) => return Err(error),
            Err(Failure::Rung(reason)) => {
                if let Ok(driver) = &self.driver {
                    self.ladder.fail(&mut Maker { gl, driver }, layout, reason);
                }
                false
            }
        };
        self.is_taken = taken;
        self.log();
        Ok(taken)
    }

    /// Tells whether the frame was taken over, or nothing if it is none of the memory's.
    fn try_take_over(
        &mut self,
        gl: &Gl,
        desktop: &mut Desktop,
        layout: &FrameLayout,
        damage: &Damage,
        stream: &mut dyn PixelStream,
    ) -> Result<Option<bool>, Failure> {
        let Ok(driver) = &self.driver else {
            return Ok(Some(false));
        };
        let mut maker = Maker { gl, driver };
        let source = |layout: &FrameLayout| ImageSource::of(layout, gl.has_bgra, gl.max_texture);
        let pixels = stream.pixels();
        let entry = match self.ladder.find(&mut maker, pixels, layout, source)? {
            Found::Image(entry) => entry,
            Found::Refused => return Ok(Some(false)),
            Found::Foreign => return Ok(None),
        };
        wait_for(layout, damage, stream)?;
        // The writer is a CPU: where caches or bounce buffers lie between, its driver is told to look anew.
        if let Err(error) = entry.buffer.access_by_cpu(CpuAccess::Write) {
            tracing::trace!(%error, "preparing a DMA-BUF");
        }
        maker.refresh(&entry.image);
        let (texture, texels) = (entry.image.texture(), entry.source.texels);
        desktop.take_over_imported(gl, texture, texels, layout, damage)?;
        if !gl.wait_for_gpu(GPU_PATIENCE_NS)? {
            return Err(Failure::Rung("the GPU did not read it in time".to_owned()));
        }
        if !entry.is_checked {
            let pixels = stream.pixels();
            if !desktop.agrees_with(gl, layout, damage, pixels)? {
                return Err(Failure::Rung("the driver garbles it".to_owned()));
            }
            self.ladder.checked();
        }
        Ok(Some(true))
    }

    /// Says which rung is taken, whenever that changes.
    fn log(&mut self) {
        let reason = self.reason().unwrap_or_default();
        if self.logged.as_deref() == Some(reason) {
            return;
        }
        if self.is_taken {
            let from = self.ladder.buffers_from();
            tracing::info!(from, "the GPU reads frames in place");
        } else {
            tracing::info!(reason, "frames are copied");
        }
        self.logged = Some(reason.to_owned());
    }
}

/// Why a frame was not imported.
enum Failure {
    /// The frame is at fault, or nothing can be drawn any more.
    Frame(UploadError),
    /// It is this rung's fault: the next one may do better.
    Rung(String),
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Render(error) => error.into(),
            UploadError::Layout { reason } => Self::Rung(reason),
            error => Self::Frame(error),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::ContextLost | RenderError::DisplayLost | RenderError::TooLarge { .. } => {
                Self::Frame(error.into())
            }
            error => Self::Rung(error.to_string()),
        }
    }
}

impl From<Stalled> for Failure {
    fn from(stalled: Stalled) -> Self {
        Self::Frame(stalled.into())
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Rung(reason)
    }
}

/// Waits until all that is damaged is final.
fn wait_for(
    layout: &FrameLayout,
    damage: &Damage,
    stream: &mut dyn PixelStream,
) -> Result<(), Stalled> {
    let last = transfer::spans(layout, damage).map(|span| span.wait_bytes(layout));
    let Some(bytes) = last.max() else {
        return Ok(());
    };
    let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
    let available = stream.wait_for(wanted)?;
    if available < wanted {
        return Err(Stalled { available, wanted });
    }
    Ok(())
}
