//! The host of the matrix: publishes one picture at a time from inside the test process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock as _, MonotonicClock};
use ivshmem::{SharedMemory, Source};
use kvmfr::{SessionDescription, Version};
use picture::{
    Damage, FrameLayout, PixelFormat, PointerKind, PointerShape, Rotation, Size, Transfer,
};
use relay::PointerUpdate;
use relay::publisher::{FrameFlags, Image, Pixels, Publisher, PublisherOptions, Service};
use testkit::programs::SharedFile;
use testkit::reference;

use super::cases::Case;
use super::compare::Expected;

/// Room for the largest frame, twice, and for the pointers.
const MEMORY_MIB: u64 = 16;
/// Clients of a busy machine may be slow.
const PATIENCE: Duration = Duration::from_secs(2);

/// A host that shows what it is told to.
pub struct Stage {
    shm: SharedFile,
    memory: Arc<SharedMemory>,
    host: Option<Host>,
    shown: Option<(Case, Arc<Picture>)>,
}

struct Host {
    publisher: Publisher,
    ticker: Ticker,
}

/// A published picture.
struct Picture {
    layout: FrameLayout,
    bytes: Vec<u8>,
    /// Rows that went over the wire.
    rows: u32,
}

/// What is on the stage now.
pub struct Shown {
    case: Case,
    picture: Arc<Picture>,
    shape: Option<PointerShape>,
}

impl Stage {
    /// Makes the memory, with no host in it.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn new() -> anyhow::Result<Self> {
        let shm = SharedFile::create(MEMORY_MIB)?;
        let memory = Arc::new(SharedMemory::open(&Source::File(shm.path().to_owned()))?);
        Ok(Self {
            shm,
            memory,
            host: None,
            shown: None,
        })
    }

    /// The memory's file.
    #[must_use]
    pub fn shm(&self) -> &SharedFile {
        &self.shm
    }

    /// The memory itself, for a client inside the test process.
    #[must_use]
    pub fn memory(&self) -> Arc<SharedMemory> {
        Arc::clone(&self.memory)
    }

    /// Publishes a case: with a new host if the version changes, and only the pointer if nothing else does.
    ///
    /// # Errors
    /// If the memory or a client does not let it.
    pub fn show(&mut self, case: &Case) -> anyhow::Result<Shown> {
        let version = case.content.version;
        if self
            .host
            .as_ref()
            .is_none_or(|host| host.publisher.version() != version)
        {
            // The old host ends before the new one begins.
            self.host = None;
            self.shown = None;
            self.host = Some(Host::start(&self.memory, version)?);
        }
        let Some(Host { publisher, .. }) = &mut self.host else {
            anyhow::bail!("a host was just started");
        };
        let shape = case.shape();
        let update = PointerUpdate {
            state: case.pointer_state(),
            shape: shape.as_ref(),
        };
        publisher.publish_pointer(&update)?;
        let picture = match &self.shown {
            Some((shown, picture)) if shown.has_picture_of(case) => Arc::clone(picture),
            _ => Arc::new(publish(publisher, case)?),
        };
        self.shown = Some((*case, Arc::clone(&picture)));
        Ok(Shown {
            case: *case,
            picture,
            shape,
        })
    }

    /// Sends what is shown to clients that came late.
    pub fn serve(&mut self) {
        if let Some(host) = &mut self.host {
            host.publisher.serve_new_subscribers();
        }
    }
}

fn publish(publisher: &mut Publisher, case: &Case) -> anyhow::Result<Picture> {
    let layout = case.layout();
    let bytes = case.bytes(&layout);
    let image = Image {
        layout,
        pixels: Pixels::Private(&bytes),
        damage: &Damage::FULL,
        flags: FrameFlags::empty(),
    };
    let rows = publisher.publish(&image)?.rows;
    Ok(Picture {
        layout,
        bytes,
        rows,
    })
}

impl Host {
    fn start(memory: &Arc<SharedMemory>, version: Version) -> anyhow::Result<Self> {
        let description = SessionDescription::default();
        let options = PublisherOptions {
            version,
            description,
        };
        let mut publisher = Publisher::new(Arc::clone(memory), options)?;
        publisher.set_patience(PATIENCE);
        let ticker = Ticker::start(publisher.service())?;
        Ok(Self { publisher, ticker })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.ticker.stop();
    }
}

/// The thread of the heartbeat.
struct Ticker {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(mut service: Service) -> anyhow::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let body = move || {
            while !seen.load(Ordering::Relaxed) {
                let _ = service.tick(MonotonicClock.now(), |_| ());
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let thread = std::thread::Builder::new()
            .name("tick".into())
            .spawn(body)?;
        Ok(Self {
            is_over,
            thread: Some(thread),
        })
    }

    fn stop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shown {
    /// How a client with such a window sees it; without one, at the guest's own size.
    #[must_use]
    pub fn view(&self, window: Option<Size>, rotation: Rotation) -> reference::View {
        let own = rotation.size(self.picture.layout.upright());
        let size = window.unwrap_or(own);
        reference::View {
            width: size.width,
            height: size.height,
            keep_aspect: true,
            dont_upscale: false,
            rotation: rotation.quarter_turns(),
            scale: 0,
        }
    }

    /// What must be seen.
    #[must_use]
    pub fn expected(&self, view: &reference::View) -> Expected {
        let frame = self.frame();
        let pointer = self.pointer();
        let is_masked = self.case.pointer == Some(PointerKind::MaskedColour);
        Expected {
            size: Size::new(view.width, view.height),
            pixels: reference::compose(&frame, pointer.as_ref(), view),
            under: is_masked.then(|| reference::compose(&frame, None, view)),
            tolerance: 0,
        }
    }

    fn frame(&self) -> reference::Frame<'_> {
        let layout = &self.picture.layout;
        reference::Frame {
            kind: match layout.format {
                PixelFormat::Bgra8 => 1,
                PixelFormat::Rgba8 => 2,
                PixelFormat::Rgba10 => 3,
                PixelFormat::Rgba16F => 4,
                PixelFormat::Bgr24Packed => 5,
                PixelFormat::Rgb24 => 6,
            },
            is_hdr: matches!(layout.transfer, Transfer::Pq2020 | Transfer::ScRgb),
            version: match self.case.content.version {
                Version::V16 => 16,
                Version::V19 => 19,
                Version::V20 => 20,
            },
            width: layout.frame.width,
            height: layout.frame.height,
            rows: self.picture.rows,
            pitch: layout.pitch_bytes as usize,
            rotation: layout.rotation.quarter_turns(),
            screen: (layout.screen.width, layout.screen.height),
            bytes: &self.picture.bytes,
        }
    }

    fn pointer(&self) -> Option<reference::Pointer<'_>> {
        let shape = self.shape.as_ref()?;
        let position = self.case.pointer_state().position;
        let (kind, rows) = match shape.kind {
            PointerKind::Colour => (0, shape.height),
            PointerKind::Monochrome => (1, 2 * shape.height),
            PointerKind::MaskedColour => (2, shape.height),
        };
        Some(reference::Pointer {
            kind,
            x: position.x,
            y: position.y,
            width: shape.width,
            rows,
            pitch: shape.pitch_bytes as usize,
            bytes: &shape.data,
        })
    }
}
