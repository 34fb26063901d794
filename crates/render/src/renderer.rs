//! The renderer: what is drawn when, and how it gets into the window.

use ivshmem::{DmaBufs, PixelStream};
use khronos_egl as egl;
use picture::{
    BufferDamage, BufferRect, Canvas, Damage, FrameLayout, Placement, PointerShape, PointerState,
    Scene, Size,
};
use raw_window_handle::{HasDisplayHandle, HasWindowHandle};

use crate::context::Context;
use crate::damage::{History, bars};
use crate::desktop::{BufferRectExt as _, Desktop};
use crate::driver::DriverInfo;
use crate::error::{RenderError, UploadError};
use crate::gl::{Framebuffer, Gl, TexelFormat, Texture, int};
use crate::options::RenderOptions;
use crate::overlay::Overlay;
use crate::pointer::Pointer;
use crate::upload::{self, Import, Upload, UploadPath, Uploads};

/// What a call to [`GlesRenderer::draw`] did.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Which pixels of the window may differ from what was presented last.
    pub damage: BufferDamage,
    /// How many pixels were drawn; more than the damage if the back buffer was older.
    pub pixels: u64,
}

impl Drawn {
    /// Tells whether the window shows all of it already, so that nothing needs to be presented.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.damage.is_none()
    }
}

/// Everything that was drawn last, apart from pixels: if it differs, everything is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    placement: Option<Placement>,
    dimmed: bool,
}

/// A pointer as it was drawn last.
#[derive(Clone, Copy, Debug, PartialEq)]
struct PointerLook {
    rect: BufferRect,
    state: PointerState,
    generation: u64,
}

/// A texture that stands for a window.
struct Offscreen {
    texture: Texture,
    framebuffer: Framebuffer,
}

/// Draws scenes with GLES 3; belongs to the thread that made it.
pub struct GlesRenderer {
    // First, so that it is dropped first: the driver may call the log function in `gl` until the context is gone.
    context: Context,
    gl: Gl,
    driver: DriverInfo,
    import: Import,
    /// Frames that are not imported fail.
    must_import: bool,
    upload: Box<dyn Upload>,
    uploads: Uploads,
    desktop: Desktop,
    pointer: Pointer,
    overlay: Overlay,
    offscreen: Option<Offscreen>,
    size: Size,
    may_blit: bool,
    look: Option<Look>,
    pointer_look: Option<PointerLook>,
    history: History,
    unpresented: BufferDamage,
}

impl GlesRenderer {
    /// Makes a renderer for a window whose buffer has `size` physical pixels.
    ///
    /// The surface is kept until the renderer goes, so that the window cannot go before.
    ///
    /// # Errors
    /// If a library is missing, or the driver cannot draw on this window.
    pub fn for_window<S>(
        surface: S,
        size: Size,
        options: &RenderOptions,
    ) -> Result<Self, RenderError>
    where
        S: HasWindowHandle + HasDisplayHandle + 'static,
    {
        let size = at_least_one(size);
        Self::new(Context::for_window(surface, size, options)?, size, options)
    }

    /// Makes a renderer without a window, for tests and benchmarks.
    ///
    /// # Errors
    /// If a library is missing, or the driver cannot draw without a window.
    pub fn surfaceless(size: Size, options: &RenderOptions) -> Result<Self, RenderError> {
        let size = at_least_one(size);
        Self::new(Context::surfaceless(options)?, size, options)
    }

    fn new(mut context: Context, size: Size, options: &RenderOptions) -> Result<Self, RenderError> {
        let mut gl = Gl::new(context.egl())?;
        if options.debug {
            gl.log_messages();
        }
        let driver = describe(&context, &gl);
        if driver.is_software() && !options.no_buffer_age {
            context.preserve_back_buffer();
        }
        let upload = upload::choose(&gl, context.egl(), options.upload)?;
        tracing::info!(
            driver = %driver,
            upload = ?upload.path(),
            back_buffer = ?context.back_buffer(),
            single_buffered = context.is_single_buffered(),
            "GLES renderer"
        );
        let mut this = Self {
            desktop: Desktop::new(&gl)?,
            pointer: Pointer::new(&gl)?,
            overlay: Overlay::new(&gl)?,
            import: match options.upload {
                None | Some(UploadPath::Import) => Import::new(&gl, &context, options),
                Some(_) => Import::off("another way was asked for"),
            },
            must_import: options.upload == Some(UploadPath::Import),
            uploads: Uploads {
                path: upload.path(),
                not_imported: None,
                imported_frames: 0,
                copied_frames: 0,
                copied_bytes: 0,
                imports: 0,
                checked_bytes: 0,
            },
            context,
            gl,
            driver,
            upload,
            offscreen: None,
            size,
            may_blit: !options.no_blit,
            look: None,
            pointer_look: None,
            history: History::new(),
            unpresented: BufferDamage::NONE,
        };
        this.make_offscreen()?;
        this.gl.check("making the renderer")?;
        Ok(this)
    }

    /// What the driver says of itself.
    #[must_use]
    pub const fn driver(&self) -> &DriverInfo {
        &self.driver
    }

    /// How the last frame got to the driver; before the first one, how frames are copied.
    #[must_use]
    pub const fn upload_path(&self) -> UploadPath {
        self.uploads.path
    }

    /// How frames have come to the driver so far.
    #[must_use]
    pub fn uploads(&self) -> Uploads {
        Uploads {
            not_imported: self.import.reason().map(str::to_owned),
            imports: self.import.imports(),
            checked_bytes: self.import.checked_bytes(),
            ..self.uploads.clone()
        }
    }

    /// Lets frames that lie in a memory with DMA-BUFs be read in place from now on, or says why there are none.
    ///
    /// To be called when a session begins, and with an error when it ends: all that was imported before is closed.
    pub fn set_dma_bufs(&mut self, buffers: Result<DmaBufs, String>) {
        let is_current = self
            .context
            .make_current()
            .inspect_err(|error| tracing::debug!(%error, "closing imports"));
        let gl = is_current.is_ok().then_some(&self.gl);
        self.import.set_buffers(gl, buffers);
    }

    /// The size of the window's buffer in physical pixels.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The layout of the picture that is shown.
    #[must_use]
    pub fn layout(&self) -> Option<&FrameLayout> {
        self.desktop.layout()
    }

    /// Says that the next frame begins another picture: only its damage is copied, and the rest is black, even if the
    /// layout is that of the picture there is. Until it has been taken over that one stays.
    pub const fn begin_picture(&mut self) {
        self.desktop.begin_picture();
    }

    /// Takes over a frame, following the host while it is still writing.
    ///
    /// `damage` is what changed since the last frame that was taken over without an error; all is copied if the
    /// layout is another one.
    ///
    /// # Errors
    /// If the host stalls, the layout cannot be handled or the driver fails. The picture before is then kept,
    /// and the next call's damage must include this one's.
    pub fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        stream: &mut dyn PixelStream,
    ) -> Result<(), UploadError> {
        self.context.make_current()?;
        let damage = self.desktop.needed(layout, damage, &self.gl)?;
        let (gl, desktop) = (&self.gl, &mut self.desktop);
        if self
            .import
            .take_over(gl, desktop, layout, &damage, stream)?
        {
            self.uploads.path = UploadPath::Import;
            self.uploads.imported_frames += 1;
            return Ok(());
        }
        // More than before, if an import has spoilt the picture.
        let damage = desktop.needed(layout, &damage, gl)?;
        if self.must_import {
            let reason = self.import.reason().unwrap_or("it is not in the memory");
            return Err(UploadError::NotImported {
                reason: reason.to_owned(),
            });
        }
        self.uploads.copied_bytes += self.upload.stage(gl, layout, &damage, stream)?;
        desktop.take_over(gl, self.upload.as_mut(), layout, &damage)?;
        self.uploads.path = self.upload.path();
        self.uploads.copied_frames += 1;
        Ok(())
    }

    /// Takes over a pointer picture ahead of the scene that shows it; [`GlesRenderer::draw`] does so by itself.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn set_pointer_shape(&mut self, shape: Option<&PointerShape>) -> Result<(), RenderError> {
        self.context.make_current()?;
        self.pointer.set_shape(&self.gl, shape)
    }

    /// Forgets what the window shows: the next call of [`GlesRenderer::draw`] draws all of it.
    pub fn invalidate(&mut self) {
        self.look = None;
    }

    /// Takes on a new size of the window's buffer in physical pixels.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn resize(&mut self, size: Size) -> Result<(), RenderError> {
        let size = at_least_one(size);
        if size == self.size {
            return Ok(());
        }
        self.context.make_current()?;
        self.size = size;
        self.context.resize(size);
        self.history.clear();
        self.look = None;
        if self.offscreen.is_some() {
            self.make_offscreen()?;
        }
        Ok(())
    }

    /// Draws a scene over the frames taken over so far; only what changed, if the driver keeps its buffers.
    ///
    /// The picture lies as the layout of the last frame taken over says; without such a frame, or if the scene has
    /// no layout, there is none.
    ///
    /// # Errors
    /// If the driver fails; [`RenderError::ContextLost`] if a new renderer is needed.
    pub fn draw(&mut self, scene: &Scene<'_>) -> Result<Drawn, RenderError> {
        self.context.make_current()?;
        let drawn = self.try_draw(scene);
        if drawn.is_err() {
            // Nobody knows what was drawn.
            self.look = None;
        }
        drawn
    }

    fn try_draw(&mut self, scene: &Scene<'_>) -> Result<Drawn, RenderError> {
        let layout = scene.layout.and(self.desktop.layout());
        let placement = layout.map(|layout| Placement::new(layout, self.size, &scene.view));
        self.find_changes(scene, placement.as_ref())?;
        let mut region = self.unpresented.clone();
        if !self
            .history
            .add_since(self.context.buffer_age(), &mut region)
        {
            region.clear();
            region.add(BufferRect::of_size(self.size));
        }
        let message = self.overlay.rect();
        if meets(&region, message) {
            // It is blended, so what is under it must be drawn first.
            region.add(message.intersection(BufferRect::of_size(self.size)));
        }
        if !region.is_none() {
            self.draw_region(scene, placement.as_ref(), &region);
            self.gl.check("drawing")?;
        }
        Ok(Drawn {
            damage: self.unpresented.clone(),
            pixels: region.area(),
        })
    }

    /// Adds to what is to be presented whatever the scene changes.
    fn find_changes(
        &mut self,
        scene: &Scene<'_>,
        placement: Option<&Placement>,
    ) -> Result<(), RenderError> {
        let whole = BufferRect::of_size(self.size);
        let old_message = self.overlay.rect();
        let is_rewritten = self.overlay.update(&self.gl, scene.status, self.size)?;
        self.pointer.set_shape(&self.gl, scene.shape)?;
        let pointer = scene
            .visible_pointer()
            .zip(placement)
            .map(|((shape, state), placement)| {
                let size = Size::new(shape.width, shape.height);
                PointerLook {
                    rect: placement.pointer_rect(state.position, size),
                    state,
                    generation: self.pointer.generation(),
                }
            });
        let old_pointer = std::mem::replace(&mut self.pointer_look, pointer);
        let look = Look {
            placement: placement.copied(),
            dimmed: scene.dimmed,
        };
        let damage = self.desktop.take_damage();
        if self.look.replace(look) != Some(look) {
            self.unpresented.add(whole);
            return Ok(());
        }
        let mut add = |rect: BufferRect| self.unpresented.add(rect.intersection(whole));
        if let Some(placement) = placement {
            for rect in damage.rects_in(placement.frame) {
                add(placement.frame_to_buffer(rect));
            }
        }
        if old_pointer != pointer {
            [old_pointer, pointer]
                .into_iter()
                .flatten()
                .for_each(|pointer| add(pointer.rect));
        }
        if is_rewritten {
            add(old_message);
            add(self.overlay.rect());
        }
        Ok(())
    }

    fn draw_region(
        &mut self,
        scene: &Scene<'_>,
        placement: Option<&Placement>,
        region: &BufferDamage,
    ) {
        let (gl, size) = (&self.gl, self.size);
        let target = placement.map_or_else(BufferRect::default, |placement| placement.target);
        let offscreen = self.offscreen.as_ref().map(|target| target.framebuffer);
        gl.draw_into(offscreen, size);
        let mut parts = [BufferRect::default(); picture::damage::MAX_RECTS];
        let mut count = 0;
        for &rect in region.rects() {
            for bar in bars(size, target) {
                let part = bar.intersection(rect);
                if !part.is_empty() {
                    let [x, y, width, height] = part.numbers();
                    gl.fill([x, int(size.height) - y - height, width, height], 0.0);
                }
            }
            let part = rect.intersection(target);
            if let Some(slot) = parts.get_mut(count)
                && !part.is_empty()
            {
                *slot = part;
                count += 1;
            }
        }
        let dim = scene.dimmed;
        if let Some(placement) = placement {
            let parts = &parts[..count];
            self.desktop.draw(gl, placement, dim, self.may_blit, parts);
            if let Some(look) = self.pointer_look
                && meets(region, look.rect)
            {
                self.pointer
                    .draw(gl, &self.desktop, placement, look.state, dim);
            }
        }
        if meets(region, self.overlay.rect()) {
            self.overlay.draw(gl, size);
        }
    }

    /// Hands what was drawn to the display.
    ///
    /// # Errors
    /// If the window is gone or the driver fails; [`RenderError::ContextLost`] if a new renderer is needed.
    pub fn present(&mut self) -> Result<(), RenderError> {
        self.context.make_current()?;
        if self.context.is_single_buffered() || !self.context.has_window() {
            self.gl.flush();
        } else {
            self.context.swap(self.size, self.unpresented.rects())?;
        }
        self.history.push(&self.unpresented);
        self.unpresented.clear();
        Ok(())
    }

    /// Waits until everything asked for is done; for measurements.
    ///
    /// # Errors
    /// If the driver failed meanwhile.
    pub fn finish(&mut self) -> Result<(), RenderError> {
        self.context.make_current()?;
        self.gl.finish();
        self.gl.check("finishing")
    }

    /// Reads back what was drawn since the last [`GlesRenderer::present`]; without a window at any time.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn read_pixels(&mut self) -> Result<Canvas, RenderError> {
        self.context.make_current()?;
        let offscreen = self.offscreen.as_ref().map(|target| target.framebuffer);
        self.gl.read_from(offscreen);
        let mut canvas = Canvas::new(self.size);
        let mut rgba = vec![0; canvas.bytes().len()];
        self.gl.read_pixels(self.size, &mut rgba)?;
        let pitch = canvas.pitch_bytes();
        // GL's first row is the lowest.
        let rows = rgba.chunks_exact(pitch).rev();
        for (into, from) in canvas.bytes_mut().chunks_exact_mut(pitch).zip(rows) {
            let (into, _) = into.as_chunks_mut::<4>();
            let (from, _) = from.as_chunks::<4>();
            for (into, &[r, g, b, _]) in into.iter_mut().zip(from) {
                *into = [b, g, r, 0xff];
            }
        }
        Ok(canvas)
    }

    /// Makes the texture that stands for a window, if there is none.
    fn make_offscreen(&mut self) -> Result<(), RenderError> {
        if self.context.has_window() {
            return Ok(());
        }
        if let Some(old) = self.offscreen.take() {
            self.gl.delete_framebuffer(old.framebuffer);
            self.gl.delete_texture(old.texture);
        }
        let format = match self.gl.has_bgra {
            true => TexelFormat::Bgra8,
            false => TexelFormat::Rgba8,
        };
        let texture = self.gl.texture(format, self.size)?;
        let framebuffer = self.gl.framebuffer(&texture)?;
        self.offscreen = Some(Offscreen {
            texture,
            framebuffer,
        });
        Ok(())
    }
}

impl Drop for GlesRenderer {
    fn drop(&mut self) {
        // Before the context: images belong to the display, which others may have open for longer.
        self.set_dma_bufs(Err(String::new()));
    }
}

impl std::fmt::Debug for GlesRenderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GlesRenderer")
            .field("driver", &self.driver.renderer)
            .field("size", &self.size)
            .field("upload", &self.uploads.path)
            .finish_non_exhaustive()
    }
}

fn describe(context: &Context, gl: &Gl) -> DriverInfo {
    let mut extensions = context.extensions().clone();
    extensions.extend(gl.extensions().iter().cloned());
    DriverInfo {
        vendor: gl.name(glow::VENDOR),
        renderer: gl.name(glow::RENDERER),
        version: gl.name(glow::VERSION),
        egl_vendor: context.describe(egl::VENDOR),
        egl_version: context.describe(egl::VERSION),
        extensions,
    }
}

/// Tells whether a rectangle has pixels in a region.
fn meets(region: &BufferDamage, rect: BufferRect) -> bool {
    region
        .rects()
        .iter()
        .any(|part| !part.intersection(rect).is_empty())
}

/// Windows without pixels cannot be drawn on.
fn at_least_one(size: Size) -> Size {
    Size::new(size.width.max(1), size.height.max(1))
}
