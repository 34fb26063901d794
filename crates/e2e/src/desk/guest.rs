//! Guests: a real X screen that SPICE's messages move, and a picture whose pointer stays where it is put.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock as _, MonotonicClock};
use ivshmem::{SharedMemory, Source};
use kvmfr::{SessionDescription, Version};
use picture::{
    Damage, FrameLayout, GuestPoint, PixelFormat, PointerKind, PointerShape, PointerState, Size,
};
use relay::PointerUpdate;
use relay::publisher::{FrameFlags, Image, Pixels, Publisher, PublisherOptions};
use testkit::process::Process;
use testkit::programs::{self, SharedFile};
use testkit::spice_server::{Arrival, INPUTS};
use testkit::x_input::XInput;
use testkit::x_server::XServer;

use super::wire::Input;

/// What is told of each message to the SPICE server.
pub type Listener = Box<dyn Fn(&Arrival) + Send + Sync>;

/// How long the guest's pointer may take to where it belongs.
const LIMIT: Duration = Duration::from_secs(15);

/// An X screen captured by our host. What the client sends by SPICE happens on it, as in a real guest.
pub struct XGuest {
    /// The guest's own way to its pointer.
    pub user: Arc<XInput>,
    /// The memory to the client.
    pub shm: SharedFile,
    host: Process,
    /// The guest's display server.
    pub server: XServer,
}

impl XGuest {
    /// Starts a guest. `None`, loudly, if there is no X server.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(size: Size) -> anyhow::Result<Option<Self>> {
        let Some(server) = XServer::start(size.width, size.height)? else {
            return Ok(None);
        };
        server.run("xsetroot", &["-solid", "#2060a0"])?;
        let user = Arc::new(XInput::connect(server.display())?);
        let shm = SharedFile::create(32)?;
        let mut command = programs::host(&shm)?;
        command.env("DISPLAY", server.display());
        let host = Process::start(command.arg("app:capture=XCB"))?;
        Ok(Some(Self {
            user,
            shm,
            host,
            server,
        }))
    }

    /// The colour of its screen.
    pub const COLOUR: [u8; 3] = [0x20, 0x60, 0xa0];

    /// Makes motion and buttons that a SPICE server is told of happen here.
    #[must_use]
    pub fn listener(&self) -> Listener {
        let user = Arc::clone(&self.user);
        Box::new(move |arrival| {
            if arrival.channel == INPUTS {
                // The test sees by the guest's pointer that it did not work.
                let _ = happen(&user, Input::from(arrival));
            }
        })
    }

    /// Waits until the guest's pointer is at a place.
    ///
    /// # Errors
    /// If it does not come there.
    pub fn expect_pointer(&self, place: (i16, i16)) -> anyhow::Result<()> {
        let mut seen = None;
        let is_there = testkit::wait_until(LIMIT, || {
            seen = self.user.pointer().ok();
            seen == Some(place)
        });
        anyhow::ensure!(
            is_there,
            "the guest's pointer is at {seen:?} instead of {place:?}; host:\n{}",
            self.host.output()
        );
        Ok(())
    }
}

fn happen(user: &XInput, input: Input) -> anyhow::Result<()> {
    const BUTTONS: [u32; 8] = [0, 0x110, 0x112, 0x111, 0, 0, 0x113, 0x114];
    let button = |id: u8| BUTTONS.get(usize::from(id)).copied().unwrap_or_default();
    match input {
        Input::Motion(dx, dy, _) => user.move_by(i16::try_from(dx)?, i16::try_from(dy)?),
        Input::Press(id, _) if button(id) != 0 => user.button(button(id), true),
        Input::Release(id, _) if button(id) != 0 => user.button(button(id), false),
        _ => Ok(()),
    }
}

/// A host inside the test that shows one colour, and whose pointer is where the test says. It cannot set the pointer.
pub struct StillGuest {
    /// The memory to the client.
    pub shm: Arc<SharedFile>,
    publisher: Arc<Mutex<Publisher>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where in the shape of its pointer a [`StillGuest`]'s clicks go.
const HOT_SPOT: (i32, i32) = (3, 5);

impl StillGuest {
    /// The colour of its screen.
    pub const COLOUR: [u8; 3] = [0x60, 0xa0, 0x20];

    /// Starts it.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn start(size: Size, pointer: (i32, i32)) -> anyhow::Result<Self> {
        let shm = Arc::new(SharedFile::create(16)?);
        let memory = Arc::new(SharedMemory::open(&Source::File(shm.path().to_owned()))?);
        let options = PublisherOptions {
            version: Version::V20,
            description: SessionDescription::default(),
        };
        let mut publisher = Publisher::new(memory, options)?;
        let layout = FrameLayout::packed(PixelFormat::Bgra8, size);
        let [r, g, b] = Self::COLOUR;
        let pixels = [b, g, r, 0].repeat(usize::try_from(size.area())?);
        publisher.publish(&Image {
            layout,
            pixels: Pixels::Private(&pixels),
            damage: &Damage::FULL,
            flags: FrameFlags::empty(),
        })?;
        let mut service = publisher.service();
        let publisher = Arc::new(Mutex::new(publisher));
        let is_over = Arc::new(AtomicBool::new(false));
        let (seen, serving) = (Arc::clone(&is_over), Arc::clone(&publisher));
        let body = move || {
            while !seen.load(Ordering::Relaxed) {
                let _ = service.tick(MonotonicClock.now(), |_| ());
                lock(&serving).serve_new_subscribers();
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        let thread = std::thread::Builder::new().name("still".into());
        let guest = Self {
            shm,
            publisher,
            is_over,
            thread: Some(thread.spawn(body)?),
        };
        guest.set_pointer(pointer)?;
        Ok(guest)
    }

    /// Puts the pointer somewhere.
    ///
    /// # Errors
    /// If the client does not take it.
    pub fn set_pointer(&self, (x, y): (i32, i32)) -> anyhow::Result<()> {
        let shape = PointerShape {
            kind: PointerKind::Colour,
            width: 8,
            height: 8,
            pitch_bytes: 32,
            hot_spot: (HOT_SPOT.0.cast_unsigned(), HOT_SPOT.1.cast_unsigned()),
            data: [0, 0, 0xff, 0xff].repeat(64),
        };
        let position = GuestPoint {
            x: x - HOT_SPOT.0,
            y: y - HOT_SPOT.1,
        };
        lock(&self.publisher).publish_pointer(&PointerUpdate {
            state: PointerState {
                position,
                is_visible: true,
            },
            shape: Some(&shape),
        })?;
        Ok(())
    }
}

fn lock(publisher: &Mutex<Publisher>) -> std::sync::MutexGuard<'_, Publisher> {
    publisher.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for StillGuest {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
