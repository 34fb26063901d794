//! The client without a window, inside the test process: its view thread and software renderer as they are, looked at
//! after each drawing.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use client::guest_view::SharedGuestView;
use client::memory::Relay;
use client::renderer::{Renderer, Shown, SoftwareView, UploadError};
use client::session::{Preferences, Session};
use client::view::{LogRation, Reports, View, ViewCommand};
use ivshmem::{PixelStream, SharedMemory};
use picture::png::RgbImage;
use picture::{Canvas, Damage, FrameLayout, Rotation, Scene, Size, ViewOptions};
use relay::{ReaderOptions, Waker};

use super::Viewer;
use super::compare::Kind;

type Seen = Arc<Mutex<Option<RgbImage>>>;

/// A view thread that ends when dropped.
struct Headless {
    commands: Sender<ViewCommand>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    seen: Seen,
}

/// Starts a view without a window, with the user's own rotation.
///
/// # Errors
/// If its thread cannot be started.
pub fn start(memory: Arc<SharedMemory>, rotation: Rotation) -> anyhow::Result<Viewer> {
    let seen = Seen::default();
    let waker = Waker::new()?;
    let (commands, for_view) = channel();
    let (sender, _) = channel();
    let own = (waker.clone(), Arc::clone(&seen));
    let body = move || {
        let (waker, seen) = own;
        let view = ViewOptions {
            rotation,
            ..ViewOptions::default()
        };
        let preferences = Preferences {
            view,
            alerts: false,
            ..Preferences::default()
        };
        View {
            relay: Some(Relay::on(memory, ReaderOptions::default())),
            console: None,
            waker,
            session: Session::new(preferences),
            sound: None,
            guest: SharedGuestView::default(),
            renderer: Box::new(Watched {
                view: SoftwareView::headless(),
                seen,
            }),
            commands: for_view,
            reports: Reports {
                sender,
                wake: Box::new(|| ()),
            },
            stats: None,
            ration: LogRation::default(),
        }
        .run();
    };
    let thread = std::thread::Builder::new()
        .name("view".into())
        .spawn(body)?;
    let headless = Headless {
        commands,
        waker,
        thread: Some(thread),
        seen,
    };
    Ok(Viewer {
        name: format!("the headless client turned by {rotation:?}"),
        kind: Kind::Software,
        window: None,
        rotation,
        process: None,
        eye: Box::new(move || Ok(headless.look())),
        delay: Duration::ZERO,
    })
}

impl Headless {
    fn look(&self) -> Option<RgbImage> {
        self.seen.lock().ok()?.clone()
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        let _ = self.commands.send(ViewCommand::Quit);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The real renderer, and a copy of what it drew last.
struct Watched {
    view: SoftwareView,
    seen: Seen,
}

impl Renderer for Watched {
    fn describe(&self) -> String {
        self.view.describe()
    }

    fn begin_picture(&mut self) {
        self.view.begin_picture();
    }

    fn upload(
        &mut self,
        layout: &FrameLayout,
        damage: &Damage,
        pixels: &mut dyn PixelStream,
    ) -> Result<(), UploadError> {
        self.view.upload(layout, damage, pixels)
    }

    fn resize(&mut self, size: Size) {
        self.view.resize(size);
    }

    fn invalidate(&mut self) {
        self.view.invalidate();
    }

    fn draw(&mut self, scene: &Scene<'_>) -> anyhow::Result<Shown> {
        let shown = self.view.draw(scene)?;
        if let Ok(mut seen) = self.seen.lock() {
            *seen = copy_of(self.view.canvas());
        }
        Ok(shown)
    }
}

fn copy_of(canvas: &Canvas) -> Option<RgbImage> {
    let (pixels, _) = canvas.bytes().as_chunks::<4>();
    let pixels = pixels.iter().flat_map(|&[b, g, r, _]| [r, g, b]).collect();
    RgbImage::new(canvas.size(), pixels)
}
