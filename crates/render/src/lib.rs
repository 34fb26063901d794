//! GLES renderer: context, desktop, pointer and frame upload.
//!
//! Sits between `picture`, which says what a scene is and where its parts lie, and the driver. Frames come in as
//! a [`picture::FrameLayout`] and an [`ivshmem::PixelStream`], of which the bytes are copied while the host still
//! writes them; where to draw comes in as handles of `raw-window-handle`. `libEGL` and the driver are loaded when the
//! first renderer is made, and a machine without them gets an error that names what is missing.
//!
//! ```no_run
//! # use picture::{Damage, FrameLayout, Scene, Size};
//! # fn show(stream: &mut dyn ivshmem::PixelStream, layout: &FrameLayout) -> Result<(), Box<dyn std::error::Error>> {
//! use render::{GlesRenderer, RenderOptions};
//!
//! let mut renderer = GlesRenderer::surfaceless(Size::new(1280, 720), &RenderOptions::default())?;
//! renderer.upload(layout, &Damage::FULL, stream)?;
//! let scene = Scene { layout: Some(layout), ..Scene::default() };
//! if !renderer.draw(&scene)?.is_unchanged() {
//!     renderer.present()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How a frame gets to the GPU
//! Where the memory has DMA-BUFs ([`GlesRenderer::set_dma_bufs`]) and the driver takes them, the GPU reads frames in
//! place and copies what changed into the renderer's own texture. No frame's pixels are copied by the CPU; of the first
//! picture of each layout it compares some with what the GPU has made of them. Everywhere else the bytes are copied
//! once, into buffers of the driver or into private memory. [`GlesRenderer::uploads`] tells which it is, and why.
//!
//! # How a picture is drawn
//! Frames of 8-bit colours go into a texture as they are; the others are converted to such a texture, the changed
//! rectangles only (`convert.frag`). A 1:1 picture is then copied into the window (`glBlitFramebuffer`), any other is
//! drawn by `desktop.frag`. The pointer is drawn with the picture under it computed once more, so that inverted
//! pixels are exact and drawing twice does no harm; the message is blended on top.
//!
//! # Threads and clocks
//! A renderer belongs to the thread that made it, and makes its context current in each call. It blocks in
//! [`GlesRenderer::upload`] as long as the stream does, and up to a second for a GPU that is behind by a whole ring of
//! buffers, or half of one for one that is to read a frame in place; in [`GlesRenderer::present`] as long as the display
//! demands (`egl:vsync`). No clock is read, except once to compare upload paths.
//!
//! # Sources
//! EGL 1.5, OpenGL ES 3.0; EGL_EXT_platform_xcb, EGL_KHR_platform_wayland, EGL_MESA_platform_surfaceless,
//! EGL_EXT_image_dma_buf_import, EGL_EXT_image_dma_buf_import_modifiers, EGL_KHR_image_base, GL_OES_EGL_image,
//! GL_OES_EGL_image_external_essl3, drm_fourcc.h; EGL_EXT_buffer_age, EGL_KHR_swap_buffers_with_damage, EGL_EXT_create_context_robustness, GL_EXT_buffer_storage,
//! GL_EXT_texture_format_BGRA8888, GL_KHR_debug; wayland-egl-core.h; kvmfr.md 3.3, 4.3, 4.4 and 4.8.

#![deny(unsafe_code)]

mod context;
mod conversion;
mod damage;
mod desktop;
mod driver;
mod error;
mod gl;
mod options;
mod overlay;
mod pointer;
mod program;
mod renderer;
mod upload;

pub use driver::DriverInfo;
pub use error::{RenderError, UploadError};
pub use options::RenderOptions;
pub use renderer::{Drawn, GlesRenderer};
pub use upload::{UploadPath, Uploads};
