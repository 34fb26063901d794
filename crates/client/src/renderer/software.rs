//! The CPU draws: into a private canvas, which a presenter copies to the display server.

use ivshmem::{PixelStream, Rows, SharedSlice, Stores};
use picture::software::Compositor;
use picture::{BufferDamage, Canvas, Damage, FrameLayout, Scene, Size, transfer};
use window::{Presented, SoftwarePresenter, Surface};

use super::{Renderer, Shown, UploadError};

/// Where finished canvases go.
enum Target {
    /// A window.
    Window {
        surface: Surface,
        presenter: Box<dyn SoftwarePresenter>,
    },
    /// Nowhere: the canvas follows the guest's size and is only looked at.
    Headless,
}

/// The software renderer.
pub struct SoftwareView {
    compositor: Compositor,
    canvas: Canvas,
    target: Target,
    /// What was uploaded since the last drawing.
    frame_damage: Damage,
    /// The next upload begins another picture.
    is_new: bool,
    /// What was drawn but not shown yet, because the display server was busy.
    unshown: BufferDamage,
}

impl SoftwareView {
    /// Draws for a window of `size` buffer pixels.
    ///
    /// # Errors
    /// If the display server offers no way to show a picture.
    pub fn for_window(surface: Surface, size: Size) -> anyhow::Result<Self> {
        let presenter = surface.presenter()?;
        Ok(Self::new(
            Canvas::new(size),
            Target::Window { surface, presenter },
        ))
    }

    /// Draws for nobody, at the guest's own size.
    #[must_use]
    pub fn headless() -> Self {
        Self::new(Canvas::default(), Target::Headless)
    }

    fn new(canvas: Canvas, target: Target) -> Self {
        Self {
            compositor: Compositor::new(),
            canvas,
            target,
            frame_damage: Damage::NONE,
            is_new: false,
            unshown: BufferDamage::default(),
        }
    }

    /// The frame as it was uploaded last.
    #[must_use]
    pub fn frame(&self) -> Option<(&FrameLayout, &[u8])> {
        self.compositor.frame_store()
    }

    /// The picture as it was drawn last.
    #[must_use]
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }
}

impl Renderer for SoftwareView {
    fn describe(&self) -> String {
        match self.target {
            Target::Window { .. } => "software".into(),
            Target::Headless => "software, no window".into(),
        }
    }

    fn begin_picture(&mut self) {
        self.is_new = true;
    }

    fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: &mut dyn PixelStream,
    ) -> Result<(), UploadError> {
        if std::mem::take(&mut self.is_new) {
            self.compositor.clear_frame();
        }
        let store = self.compositor.frame_store_mut(layout);
        // Counted before copying: what is half copied must be drawn anew as well.
        self.frame_damage.merge(damage);
        copy_damage(layout, damage, pixels, store)
    }

    fn resize(&mut self, size: Size) {
        self.canvas.resize(size);
        self.compositor.invalidate();
    }

    fn invalidate(&mut self) {
        self.compositor.invalidate();
    }

    fn draw(&mut self, scene: &Scene<'_>) -> anyhow::Result<Shown> {
        if matches!(self.target, Target::Headless) {
            let size = scene.layout.map_or(self.canvas.size(), |layout| {
                scene.view.rotation.size(layout.upright())
            });
            if size != self.canvas.size() {
                self.resize(size);
            }
        }
        let drawn = self
            .compositor
            .compose(&mut self.canvas, scene, &self.frame_damage);
        self.frame_damage = Damage::NONE;
        self.unshown.merge(&drawn);
        let Target::Window { surface, presenter } = &mut self.target else {
            self.unshown = BufferDamage::default();
            return Ok(Shown::Yes);
        };
        surface.before_commit(self.canvas.size());
        match presenter.present(&self.canvas, self.unshown.rects())? {
            Presented::Done => {
                self.unshown = BufferDamage::default();
                Ok(Shown::Yes)
            }
            Presented::Busy => Ok(Shown::Busy),
        }
    }
}

/// Copies the damaged spans of a frame into private memory as they become final.
fn copy_damage(
    layout: &FrameLayout,
    damage: &Damage,
    pixels: &mut dyn PixelStream,
    store: &mut [u8],
) -> Result<(), UploadError> {
    let pitch = layout.pitch_bytes as usize;
    // Chosen for the frame as a whole: its pieces are too small to tell.
    let stores = Stores::for_reading(store.len());
    let mut available = 0;
    for span in transfer::spans(layout, damage) {
        let wanted = usize::try_from(span.wait_bytes(layout)).unwrap_or(usize::MAX);
        if available < wanted {
            available = pixels.wait_for(wanted)?;
        }
        let start = usize::try_from(span.start(layout)).unwrap_or(usize::MAX);
        let rows = Rows {
            rows: span.rows as usize,
            row_bytes: span.row_bytes as usize,
            src_pitch: pitch,
            dst_pitch: pitch,
        };
        let source: SharedSlice<'_> = pixels.pixels();
        let into = store.get_mut(start..).unwrap_or_default();
        source
            .read_rows_with(start, &rows, into, stores)
            .map_err(|error| UploadError::Failed(error.into()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ivshmem::{SharedMemory, Stalled};
    use picture::{FrameRect, PixelFormat};

    use super::*;

    /// A frame of which `ready` bytes are written, for ever.
    struct Written<'a> {
        memory: &'a SharedMemory,
        ready: usize,
    }

    impl PixelStream for Written<'_> {
        fn pixels(&self) -> SharedSlice<'_> {
            self.memory.as_slice()
        }

        fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled> {
            let stalled = Stalled {
                available: self.ready,
                wanted: bytes,
            };
            if bytes <= self.ready {
                Ok(self.ready)
            } else {
                Err(stalled)
            }
        }
    }

    fn frame() -> (FrameLayout, SharedMemory, Vec<u8>) {
        let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(16, 8));
        let bytes: Vec<u8> = (0..layout.data_bytes()).map(|i| (i * 7) as u8).collect();
        let memory = SharedMemory::create("test", bytes.len()).unwrap();
        memory.as_slice().copy_from(0, &bytes).unwrap();
        (layout, memory, bytes)
    }

    #[test]
    fn only_what_is_damaged_is_copied() {
        let (layout, memory, bytes) = frame();
        let mut view = SoftwareView::headless();
        let mut damage = Damage::NONE;
        damage.add(FrameRect::new(3, 2, 5, 4));
        let mut stream = Written {
            memory: &memory,
            ready: 6 * 64,
        };
        view.upload(&layout, &damage, &mut stream).unwrap();
        let (_, copied) = view.frame().unwrap();
        for (i, (copied, original)) in copied.iter().zip(&bytes).enumerate() {
            let (x, y) = (i % 64 / 4, i / 64);
            let is_damaged = (3..8).contains(&x) && (2..6).contains(&y);
            assert_eq!(*copied, if is_damaged { *original } else { 0 }, "byte {i}");
        }
    }

    #[test]
    fn a_host_that_stops_writing_is_an_error() {
        let (layout, memory, _) = frame();
        let mut view = SoftwareView::headless();
        let mut stream = Written {
            memory: &memory,
            ready: 100,
        };
        let result = view.upload(&layout, &Damage::FULL, &mut stream);
        assert!(matches!(result, Err(UploadError::Stalled(_))), "{result:?}");
    }

    #[test]
    fn without_a_window_the_canvas_has_the_guests_size() {
        let (layout, memory, bytes) = frame();
        let mut view = SoftwareView::headless();
        let mut stream = Written {
            memory: &memory,
            ready: bytes.len(),
        };
        view.upload(&layout, &Damage::FULL, &mut stream).unwrap();
        let scene = Scene {
            layout: Some(&layout),
            ..Scene::default()
        };
        assert_eq!(view.draw(&scene).unwrap(), Shown::Yes);
        assert_eq!(view.canvas().size(), Size::new(16, 8));
        let first = view.canvas().bgr(1, 0).unwrap();
        assert_eq!(first, [bytes[4], bytes[5], bytes[6]]);
    }
}
