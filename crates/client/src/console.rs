//! The virtual machine's own screen, as SPICE sends it, kept where the renderers can take it from.
//!
//! Written by the thread that receives from the server, read by the view. The pixels lie in a memory of our own, so that
//! the console goes the same way as a relayed frame: [`Update`] is a layout, a damage and a pixel stream. Nothing is
//! drawn for a message: damage is collected until the view takes it, and the view's bell rings once until it does.

mod pointer;
mod surface;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ivshmem::{PixelStream, SharedMemory, SharedSlice, Stalled};
use picture::{Damage, FrameLayout, PointerShape, PointerState};
use relay::Waker;
use spice::cursor::CursorEvent;
use spice::display::{DisplayEvent, Unsupported};
use spice::session::ChannelState;
use spice::{ChannelKind, Event};

use pointer::Pointer;
use surface::Surface;

/// The picture and the pointer of the machine's own screen; clones share them.
#[derive(Clone)]
pub struct Console(Arc<Shared>);

struct Shared {
    waker: Waker,
    screen: Mutex<Screen>,
}

/// What the two threads share; held for the time of a copy only.
#[derive(Default)]
struct Screen {
    surface: Option<Surface>,
    /// Surfaces there have been: two of the same size are still two pictures.
    surfaces: u32,
    incomplete: Option<Unsupported>,
    pointer: Pointer,
    missing: Option<Arc<str>>,
    /// The bell was rung, and the view has not looked since.
    has_news: bool,
}

/// What there is to be shown of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurfaceState {
    /// Which surface: a new one has another number.
    pub serial: u32,
    /// The server says that it can be shown.
    pub is_marked: bool,
    /// All of it has been drawn on.
    pub is_covered: bool,
    /// Something on it could not be drawn.
    pub incomplete: Option<Unsupported>,
}

/// What the view sees of the console at one time.
#[derive(Clone, Debug)]
pub struct Look {
    /// The picture; `None` if the server shows none, or is not there.
    pub surface: Option<SurfaceState>,
    /// Something was drawn on it since the last [`Console::take_update`].
    pub has_damage: bool,
    /// Where the pointer is.
    pub pointer: PointerState,
    /// What it looks like.
    pub shape: Option<Arc<PointerShape>>,
    /// What SPICE waits for, in words for the user.
    pub missing: Option<Arc<str>>,
}

impl Console {
    /// Makes a console that shows nothing yet and rings `waker` when that changes.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Self(Arc::new(Shared {
            waker,
            screen: Mutex::default(),
        }))
    }

    /// The bell that is rung: the view must wait for it.
    #[must_use]
    pub fn waker(&self) -> &Waker {
        &self.0.waker
    }

    /// Takes in whatever concerns the screen of what happens in a SPICE session; to be given all of it.
    pub fn event(&self, event: &Event<'_>) {
        match event {
            Event::Display(event) => self.display(event),
            Event::Cursor(event) => self.cursor(event),
            Event::Channel { kind, state } if *state != ChannelState::Open => match kind {
                ChannelKind::Display => self.closed(),
                ChannelKind::Cursor => self.change(|screen| screen.pointer = Pointer::default()),
                _ => {}
            },
            Event::Ended(_) => self.closed(),
            _ => {}
        }
    }

    /// Takes in what happened to the picture.
    pub fn display(&self, event: &DisplayEvent<'_>) {
        match event {
            DisplayEvent::Created(size) => {
                // Made before the lock is taken: mapping memory takes its time.
                let surface = Surface::new(*size)
                    .inspect_err(|error| tracing::warn!(%error, ?size, "the console's picture"))
                    .ok();
                self.replace(surface);
            }
            DisplayEvent::Destroyed => self.replace(None),
            DisplayEvent::Marked => self.change(|screen| {
                if let Some(surface) = &mut screen.surface {
                    surface.is_marked = true;
                }
            }),
            DisplayEvent::Incomplete(what) => {
                tracing::warn!("the console's picture is incomplete: {what}");
                self.change(|screen| screen.incomplete = Some(*what));
            }
            event => self.draw(event),
        }
    }

    /// Takes in what happened to the pointer.
    pub fn cursor(&self, event: &CursorEvent) {
        match event {
            // Converted before the lock is taken.
            CursorEvent::Shape(shape) => {
                let shape = pointer::shape(shape);
                self.change(|screen| screen.pointer.shape = shape.map(Arc::new));
            }
            CursorEvent::Moved { x, y } => self.change(|screen| {
                screen.pointer.hot_spot = (i32::from(*x), i32::from(*y));
                screen.pointer.is_visible = true;
            }),
            CursorEvent::Hidden => self.change(|screen| screen.pointer.is_visible = false),
            _ => {}
        }
    }

    /// Takes in that nothing comes from the server any more; the picture is no longer true.
    pub fn closed(&self) {
        self.replace(None);
        self.change(|screen| {
            screen.pointer = Pointer::default();
            screen.incomplete = None;
        });
    }

    /// Says what SPICE waits for, in a sentence for the user; shown where the picture should be.
    pub fn set_missing(&self, sentence: Option<&str>) {
        self.change(|screen| screen.missing = sentence.map(Arc::from));
    }

    /// What there is to be shown; the bell rings again for what comes after.
    #[must_use]
    pub fn look(&self) -> Look {
        let mut screen = self.lock();
        screen.has_news = false;
        Look {
            surface: screen.surface_state(),
            has_damage: screen.surface.as_ref().is_some_and(Surface::has_damage),
            pointer: screen.pointer.state(),
            shape: screen.pointer.shape.clone(),
            missing: screen.missing.clone(),
        }
    }

    /// Takes what was drawn since the last call; with `is_whole` all that was ever drawn on this surface, which is
    /// black elsewhere. `None` if surface `serial` is gone, or nothing was drawn.
    #[must_use]
    pub fn take_update(&self, serial: u32, is_whole: bool) -> Option<Update> {
        let mut screen = self.lock();
        if screen.surfaces != serial {
            return None;
        }
        let surface = screen.surface.as_mut()?;
        let (damage, memory) = surface.take(is_whole)?;
        Some(Update {
            layout: surface.layout(),
            damage,
            memory,
        })
    }

    /// Puts another surface, or none, in the place of the one there is.
    fn replace(&self, surface: Option<Surface>) {
        let mut old = surface;
        self.change(|screen| {
            if old.is_some() {
                screen.surfaces = screen.surfaces.wrapping_add(1);
            }
            std::mem::swap(&mut screen.surface, &mut old);
        });
        // Unmapped without the lock.
        drop(old);
    }

    /// Draws, and rings if the view does not know of any damage yet.
    fn draw(&self, event: &DisplayEvent<'_>) {
        let mut screen = self.lock();
        let Some(surface) = &mut screen.surface else {
            return;
        };
        let before = (surface.has_damage(), surface.is_covered());
        if let Err(error) = surface.draw(event) {
            tracing::debug!(%error, "drawing on the console");
        }
        let is_news = before != (surface.has_damage(), surface.is_covered());
        if is_news {
            self.ring(screen);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Screen)) {
        let mut screen = self.lock();
        change(&mut screen);
        self.ring(screen);
    }

    /// Rings once until the view looks; without the lock, so that the view finds it free.
    fn ring(&self, mut screen: MutexGuard<'_, Screen>) {
        let is_first = !std::mem::replace(&mut screen.has_news, true);
        drop(screen);
        if is_first {
            self.0.waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Screen> {
        self.0.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Screen {
    fn surface_state(&self) -> Option<SurfaceState> {
        let surface = self.surface.as_ref()?;
        Some(SurfaceState {
            serial: self.surfaces,
            is_marked: surface.is_marked,
            is_covered: surface.is_covered(),
            incomplete: self.incomplete,
        })
    }
}

/// What is to be copied of the console, as a renderer wants it.
///
/// The memory may be drawn on meanwhile: what was copied half-drawn is in the next update's damage.
pub struct Update {
    /// The shape of the picture: 8-bit B, G, R and a byte without meaning.
    pub layout: FrameLayout,
    /// What is to be copied.
    pub damage: Damage,
    memory: Arc<SharedMemory>,
}

impl PixelStream for Update {
    fn pixels(&self) -> SharedSlice<'_> {
        self.memory.as_slice()
    }

    fn wait_for(&mut self, bytes: usize) -> Result<usize, Stalled> {
        let available = self.memory.len();
        if bytes <= available {
            return Ok(available);
        }
        Err(Stalled {
            available,
            wanted: bytes,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
