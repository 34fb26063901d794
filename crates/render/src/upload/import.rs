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
//! - So does a GPU that is too busy to read a frame: it is given back before the host would evict us. What of its copy may
//!   still get into the texture is copied anew with the next frame.
//!
//! Whether a driver can do this is only known when it has: the extensions are looked at first, then each layout is
//! tried, and its first picture that is not all of one colour is compared at some pixels. A layout that fails is copied from
//! then on, and after a few of them everything is until the next session. What may pass, such as a want of
//! memory or a busy GPU, has frames copied for a while only.
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
use crate::conversion::ImportedTexels;
use crate::desktop::{Desktop, Verdict};
use crate::error::{RenderError, UploadError};
use crate::gl::{Gl, ImportedTexture};
use crate::options::RenderOptions;

use driver::{Closer, Driver, Maker};
use ladder::{Found, Ladder};
use source::ImageSource;

/// Longest wait for the GPU to have read a frame, in nanoseconds. The host evicts a client that keeps a message for a second
/// (`kvmfr.md` 5.2), and part of that may have gone by while the host was writing.
const GPU_PATIENCE_NS: i32 = 500_000_000;

/// So many frames in a row that the GPU did not read in time, and frames are copied for a while.
const MAX_LATE: u32 = 3;

/// Lines for the log at once, and frames after which there may be one more.
const LOG_BURST: u32 = 8;
const LOG_INTERVAL: u32 = 600;

/// The rung: what the driver can do, and what is imported.
pub(crate) struct Import {
    driver: Result<Driver, String>,
    ladder: Ladder<driver::Imported>,
    /// The last frame of the memory was imported.
    is_taken: bool,
    lateness: Lateness,
    checked_bytes: u64,
    /// What was logged last: why frames are copied, or nothing if they are not.
    logged: Option<String>,
    ration: Ration,
}

impl Import {
    /// Looks at what the driver has; nothing is imported before there is a memory.
    pub(crate) fn new(gl: &Gl, context: &Context, options: &RenderOptions) -> Self {
        let driver = Driver::new(gl, context, options.external_imports);
        Self::with(driver.map_err(|missing| format!("the driver lacks {missing}")))
    }

    /// A rung that is never taken.
    pub(crate) fn off(reason: &str) -> Self {
        Self::with(Err(reason.to_owned()))
    }

    fn with(driver: Result<Driver, String>) -> Self {
        Self {
            driver,
            ladder: Ladder::new(),
            is_taken: false,
            lateness: Lateness::default(),
            checked_bytes: 0,
            logged: None,
            ration: Ration::default(),
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
        self.lateness = Lateness::default();
        self.is_taken = false;
    }

    /// Why frames are copied, if they are.
    pub(crate) fn reason(&self) -> Option<&str> {
        match &self.driver {
            _ if self.is_taken => None,
            // What the user or the memory does not allow is the better answer.
            Err(reason) => Some(self.ladder.no_buffers().unwrap_or(reason)),
            Ok(_) => self.ladder.reason(),
        }
    }

    /// How many images were made of the memory since the start.
    pub(crate) const fn imports(&self) -> u64 {
        self.ladder.imports()
    }

    /// How many bytes of pictures the CPU read to compare them.
    pub(crate) const fn checked_bytes(&self) -> u64 {
        self.checked_bytes
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
            Err(Failure::Late) if !self.lateness.is_too_much() => return Err(UploadError::GpuLate),
            Err(failure) => {
                if let (Ok(driver), Some(fault)) = (&self.driver, failure.fault()) {
                    self.ladder.fail(&mut Maker { gl, driver }, layout, fault);
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
        let mut wait = |patience_ns| gl.wait_for_gpu(patience_ns);
        let mut pass = Pass {
            gl,
            desktop,
            layout,
            damage,
            lateness: &mut self.lateness,
            wait: &mut wait,
        };
        pass.begin(stream)?;
        // The writer is a CPU: where caches or bounce buffers lie between, its driver is told to look anew.
        if let Err(error) = entry.buffer.access_by_cpu(CpuAccess::Write) {
            tracing::trace!(%error, "preparing a DMA-BUF");
        }
        maker.refresh(&entry.image);
        pass.copy(entry.image.texture(), entry.source.texels)?;
        if !entry.is_checked {
            let pixels = stream.pixels();
            let (verdict, looked_at) = desktop.compare(gl, layout, damage, pixels)?;
            self.checked_bytes += looked_at;
            match verdict {
                Verdict::Right => self.ladder.checked(),
                Verdict::Unclear => {}
                Verdict::Wrong => {
                    // Earlier pictures of which nothing could be said may be wrong as well.
                    desktop.reject(gl);
                    return Err("the driver garbles it".to_owned().into());
                }
            }
        }
        self.ladder.taken();
        Ok(Some(true))
    }

    /// Says which rung is taken when that changes, as often as the ration allows.
    fn log(&mut self) {
        let is_allowed = self.ration.frame();
        let reason = self.reason().unwrap_or_default();
        if self.logged.as_deref() == Some(reason) {
            return;
        }
        let reason = reason.to_owned();
        let from = self.ladder.buffers_from();
        match (is_allowed, self.is_taken) {
            (true, true) => tracing::info!(from, "the GPU reads frames in place"),
            (true, false) => tracing::info!(reason, "frames are copied"),
            (false, _) => tracing::trace!(reason, "another way for frames"),
        }
        if is_allowed {
            self.ration.spend();
        }
        self.logged = Some(reason);
    }
}

/// How many lines may be logged; a guest that changes its layout with each frame would fill the log.
struct Ration {
    left: u32,
    frames: u32,
}

impl Default for Ration {
    fn default() -> Self {
        let (left, frames) = (LOG_BURST, 0);
        Self { left, frames }
    }
}

impl Ration {
    /// Counts a frame; tells whether something may be logged.
    fn frame(&mut self) -> bool {
        self.frames += 1;
        if self.frames >= LOG_INTERVAL {
            self.frames = 0;
            self.left = (self.left + 1).min(LOG_BURST);
        }
        self.left > 0
    }

    const fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

/// How many frames in a row the GPU did not read in time.
#[derive(Default)]
struct Lateness(u32);

impl Lateness {
    const fn is_too_much(&self) -> bool {
        self.0 >= MAX_LATE
    }
}

/// A frame on its way from an import into the picture.
struct Pass<'a> {
    gl: &'a Gl,
    desktop: &'a mut Desktop,
    layout: &'a FrameLayout,
    damage: &'a Damage,
    lateness: &'a mut Lateness,
    /// Waits for the GPU, so many nanoseconds at most; tells whether it has done everything.
    wait: &'a mut dyn FnMut(i32) -> Result<bool, RenderError>,
}

impl Pass<'_> {
    /// Waits for the host, and for a GPU that is behind.
    fn begin(&mut self, stream: &mut dyn PixelStream) -> Result<(), Failure> {
        wait_for(self.layout, self.damage, stream)?;
        // With nothing asked for yet, so that nothing of this frame can get into the picture if it takes too long, and
        // a GPU that hangs does not get more and more to do.
        match self.lateness.0 {
            0 => Ok(()),
            _ => self.wait(GPU_PATIENCE_NS / 2),
        }
    }

    /// Lets the GPU copy the damage, and waits until it has: from then on the frame may be given back.
    fn copy(&mut self, image: &ImportedTexture, texels: ImportedTexels) -> Result<(), Failure> {
        let (gl, layout, damage) = (self.gl, self.layout, self.damage);
        let patience_ns = match self.lateness.0 {
            0 => GPU_PATIENCE_NS,
            _ => GPU_PATIENCE_NS / 2,
        };
        let asked = self
            .desktop
            .take_over_imported(gl, image, texels, layout, damage);
        let done = asked
            .map_err(Failure::from)
            .and_then(|()| self.wait(patience_ns));
        match &done {
            Ok(()) => {
                self.desktop.accept(gl, damage);
                self.lateness.0 = 0;
            }
            Err(_) => self.desktop.reject(gl),
        }
        done
    }

    fn wait(&mut self, patience_ns: i32) -> Result<(), Failure> {
        if (self.wait)(patience_ns)? {
            return Ok(());
        }
        self.lateness.0 = self.lateness.0.saturating_add(1);
        Err(Failure::Late)
    }
}

/// What is wrong with importing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// Frames of this layout can never be imported, which is known without trying.
    Layout(String),
    /// It was tried, and there is no reason why it should work another time.
    Lasting(String),
    /// It may work later.
    Passing(String),
}

/// Why a frame was not imported.
enum Failure {
    /// The frame is at fault, or nothing can be drawn any more.
    Frame(UploadError),
    /// The GPU did not read it in time.
    Late,
    /// It is this rung's fault: the next one may do better.
    Rung(Fault),
}

impl Failure {
    /// Why the next rung is taken.
    fn fault(self) -> Option<Fault> {
        match self {
            Self::Frame(_) => None,
            Self::Late => Some(Fault::Passing(format!(
                "the GPU did not read {MAX_LATE} frames in time"
            ))),
            Self::Rung(fault) => Some(fault),
        }
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Render(error) => error.into(),
            UploadError::Layout { reason } => Self::Rung(Fault::Layout(reason)),
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
            // GL_OUT_OF_MEMORY.
            RenderError::Gl { code: 0x0505, .. } => Self::Rung(Fault::Passing(error.to_string())),
            error => error.to_string().into(),
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
        Self::Rung(Fault::Lasting(reason))
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
