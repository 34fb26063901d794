//! The GPU draws.

use anyhow::Context as _;
use ivshmem::{DmaBufs, PixelStream};
use picture::{Damage, FrameLayout, Scene, Size};
use render::{GlesRenderer, RenderOptions, Uploads};
use window::Surface;

use super::{Renderer, Shown, UploadError};
use crate::config::EglSettings;

/// The GLES renderer on a window.
pub struct GlesView {
    gles: GlesRenderer,
    surface: Surface,
    size: Size,
}

impl GlesView {
    /// Makes a context on the calling thread, for a window of `size` buffer pixels.
    ///
    /// # Errors
    /// If EGL or the driver is missing or lacks something; the error names it.
    pub fn for_window(surface: Surface, size: Size, egl: &EglSettings) -> anyhow::Result<Self> {
        let options = RenderOptions {
            vsync: egl.vsync,
            double_buffer: egl.double_buffer,
            no_buffer_age: egl.no_buffer_age,
            no_swap_damage: egl.no_swap_damage,
            debug: egl.debug,
            ..RenderOptions::default()
        };
        let gles = GlesRenderer::for_window(surface.clone(), size, &options).context("EGL")?;
        Ok(Self {
            gles,
            surface,
            size,
        })
    }

    /// Tells whether a CPU poses as the GPU.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.gles.driver().is_software()
    }
}

impl Renderer for GlesView {
    fn describe(&self) -> String {
        format!("EGL on {}", self.gles.driver())
    }

    fn begin_picture(&mut self) {
        self.gles.begin_picture();
    }

    fn set_dma_bufs(&mut self, buffers: Result<DmaBufs, String>) {
        self.gles.set_dma_bufs(buffers);
    }

    fn uploads(&self) -> Option<Uploads> {
        Some(self.gles.uploads())
    }

    fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: &mut dyn PixelStream,
    ) -> Result<(), UploadError> {
        self.gles
            .upload(layout, damage, pixels)
            .map_err(|error| UploadError::Failed(error.into()))
    }

    fn resize(&mut self, size: Size) {
        self.size = size;
        if let Err(error) = self.gles.resize(size) {
            tracing::warn!(%error, "resizing");
        }
    }

    fn invalidate(&mut self) {
        self.gles.invalidate();
    }

    fn draw(&mut self, scene: &Scene<'_>) -> anyhow::Result<Shown> {
        self.gles.draw(scene)?;
        self.surface.before_commit(self.size);
        self.gles.present()?;
        Ok(Shown::Yes)
    }
}
