//! Drawing the scene: one trait, GLES or the CPU behind it.

mod gles;
mod software;

use ivshmem::{DmaBufs, PixelStream, Stalled};
use picture::{Damage, FrameLayout, Scene, Size};
use render::Uploads;
use window::Surface;

use crate::config::{Renderer as Choice, Settings};

pub use gles::GlesView;
pub use software::SoftwareView;

/// What became of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is on its way to the screen.
    Yes,
    /// The display server holds all buffers: it must be drawn again when one is free.
    Busy,
}

/// Why a frame could not be taken over; the picture before it stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The host stopped writing.
    #[error(transparent)]
    Stalled(#[from] Stalled),
    /// The renderer itself failed.
    #[error("taking over a frame")]
    Failed(#[source] anyhow::Error),
}

/// A renderer and the surface it shows its pictures on; used by the view thread alone.
pub trait Renderer {
    /// Its name and what it runs on, for the log and the statistics.
    fn describe(&self) -> String;

    /// Says that the next upload begins another picture: what its damage leaves out is black.
    ///
    /// Needed between two sources: their pictures may have the same layout. The picture there is stays until then.
    fn begin_picture(&mut self);

    /// Lets frames that lie in a memory with DMA-BUFs be read in place from now on, or says why there are none.
    ///
    /// Called when a session begins and when it ends, so that nothing of it stays open.
    fn set_dma_bufs(&mut self, _buffers: Result<DmaBufs, String>) {}

    /// How frames have come to the driver, if there is one.
    fn uploads(&self) -> Option<Uploads> {
        None
    }

    /// Takes over what is damaged, following the host as it writes.
    ///
    /// # Errors
    /// [`UploadError`]; the frame must then count as not consumed.
    fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: &mut dyn PixelStream,
    ) -> Result<(), UploadError>;

    /// Takes the new size of the window, in buffer pixels, and forgets what the window showed.
    fn resize(&mut self, size: Size);

    /// Forgets what the window showed: the next drawing shows everything.
    fn invalidate(&mut self);

    /// Draws what changed and shows it.
    ///
    /// # Errors
    /// If the surface is lost.
    fn draw(&mut self, scene: &Scene<'_>) -> anyhow::Result<Shown>;
}

/// Makes the renderer that the user chose, or the better one for this machine.
///
/// # Errors
/// If the chosen one does not work here; with `auto`, if none does.
pub fn choose(
    settings: &Settings,
    surface: &Surface,
    size: Size,
) -> anyhow::Result<Box<dyn Renderer>> {
    let software = || -> anyhow::Result<Box<dyn Renderer>> {
        Ok(Box::new(SoftwareView::for_window(surface.clone(), size)?))
    };
    match settings.app.renderer {
        Choice::Software => software(),
        Choice::Egl => Ok(Box::new(GlesView::for_window(
            surface.clone(),
            size,
            &settings.egl,
        )?)),
        Choice::Auto => match GlesView::for_window(surface.clone(), size, &settings.egl) {
            Ok(gles) if !gles.is_software() => Ok(Box::new(gles)),
            Ok(gles) => {
                tracing::info!(
                    "{}: drawn by the CPU, so the software renderer is faster",
                    gles.describe()
                );
                drop(gles);
                software()
            }
            Err(error) => {
                tracing::info!("no EGL ({error:#}): the software renderer draws");
                software()
            }
        },
    }
}
