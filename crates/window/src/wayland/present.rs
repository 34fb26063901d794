//! Software pictures on a Wayland surface.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clock::Nanos;
use ivshmem::SharedMemory;
use picture::{BufferRect, Canvas, Size};
use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::wl_shm::Format;
use wayland_client::{Connection, Proxy, QueueHandle};

use super::buffers::{History, MAX_BUFFERS};
use super::shell::{Shell, side};
use super::state::{Quiet, State};
use crate::copy::copy_rect;
use crate::surface::{Presented, SoftwarePresenter};
use crate::{WindowError, WindowEvent};

/// Most buffers of earlier sizes that wait for their release; of more, the oldest is destroyed all the same.
const MAX_RETIRED: usize = 8;

/// Memory that the compositor reads.
struct Buffer {
    memory: SharedMemory,
    buffer: WlBuffer,
    /// Set by the render thread at commit, cleared by the main thread at release.
    in_use: Arc<AtomicBool>,
}

impl Buffer {
    /// Makes a buffer of `size`.
    fn new(shell: &Shell, size: Size) -> Result<Self, WindowError> {
        let what = "making memory for pictures";
        let error = |e: rustix::io::Errno| WindowError::system(what, e);
        let bytes = size.area().saturating_mul(4);
        let pool_bytes = i32::try_from(bytes).map_err(|_| error(rustix::io::Errno::NOMEM))?;
        let bytes = usize::try_from(bytes).map_err(|_| error(rustix::io::Errno::NOMEM))?;
        let memory = SharedMemory::create("window-wayland", bytes).map_err(error)?;
        let pool = shell
            .shm
            .create_pool(memory.as_fd(), pool_bytes, &shell.queue, Quiet);
        let in_use = Arc::new(AtomicBool::new(false));
        let buffer = pool.create_buffer(
            0,
            side(size.width),
            side(size.height),
            side(size.width).saturating_mul(4),
            Format::Xrgb8888,
            &shell.queue,
            BufferRole(Arc::clone(&in_use)),
        );
        pool.destroy();
        Ok(Self {
            memory,
            buffer,
            in_use,
        })
    }

    /// Tells whether the compositor still reads it.
    fn is_in_use(&self) -> bool {
        // Pairs with the store at release: what the compositor read is behind us before we write.
        self.in_use.load(Ordering::Acquire)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

/// The main thread's knowledge of one buffer.
pub(super) struct BufferRole(Arc<AtomicBool>);

impl Dispatch2<WlBuffer, State> for BufferRole {
    fn event(
        &self,
        state: &mut State,
        _: &WlBuffer,
        event: wl_buffer::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        if let wl_buffer::Event::Release = event {
            self.0.store(false, Ordering::Release);
            if state.shell.is_waiting.swap(false, Ordering::AcqRel) {
                state.pending.push(WindowEvent::PresenterReady);
            }
        }
    }
}

/// Brings software pictures to a Wayland surface.
pub(crate) struct Presenter {
    shell: Arc<Shell>,
    buffers: Vec<Buffer>,
    retired: Vec<Buffer>,
    history: History,
}

impl Presenter {
    /// Makes a presenter for the surface of `shell`.
    pub(crate) fn new(shell: Arc<Shell>) -> Self {
        Self {
            shell,
            buffers: Vec::with_capacity(MAX_BUFFERS),
            retired: Vec::new(),
            history: History::new(Size::default()),
        }
    }

    /// Gives up the buffers of the old size; those the compositor still reads wait for their release.
    fn take_size(&mut self, size: Size) {
        self.history = History::new(size);
        self.retired.append(&mut self.buffers);
        self.retired.retain(Buffer::is_in_use);
        let excess = self.retired.len().saturating_sub(MAX_RETIRED);
        self.retired.drain(..excess);
    }

    /// A buffer to write, or `None` if the compositor reads all of them.
    fn free_buffer(&mut self) -> Result<Option<usize>, WindowError> {
        if let Some(free) = self.buffers.iter().position(|b| !b.is_in_use()) {
            return Ok(Some(free));
        }
        if self.buffers.len() == MAX_BUFFERS {
            return Ok(None);
        }
        self.buffers
            .push(Buffer::new(&self.shell, self.history.size())?);
        Ok(Some(self.history.add_buffer()))
    }

    /// Like [`Self::free_buffer`], but asks for a `PresenterReady` before it gives up.
    fn free_buffer_or_ask(&mut self) -> Result<Option<usize>, WindowError> {
        if let Some(free) = self.free_buffer()? {
            return Ok(Some(free));
        }
        self.shell.ask_for_ready();
        // A release between the look and the wish would have been told to nobody.
        self.free_buffer()
    }

    /// Tells the compositor what changed.
    fn send_damage(&self, rects: &[BufferRect]) {
        let surface = &self.shell.surface;
        if surface.version() < 4 {
            // Older compositors know damage in surface units only; rounding them is not worth it.
            surface.damage(0, 0, i32::MAX, i32::MAX);
            return;
        }
        let whole = BufferRect::of_size(self.history.size());
        for rect in rects {
            let rect = rect.intersection(whole);
            if !rect.is_empty() {
                surface.damage_buffer(rect.x, rect.y, side(rect.width), side(rect.height));
            }
        }
    }
}

impl SoftwarePresenter for Presenter {
    fn present(
        &mut self,
        canvas: &Canvas,
        damage: &[BufferRect],
    ) -> Result<Presented, WindowError> {
        let size = canvas.size();
        if size.is_empty() {
            return Ok(Presented::Done);
        }
        let all = [BufferRect::of_size(size)];
        let rects = if size == self.history.size() {
            damage
        } else {
            self.take_size(size);
            &all
        };
        if !self.retired.is_empty() {
            self.retired.retain(Buffer::is_in_use);
        }
        if rects.is_empty() && self.shell.tracker().is_met() {
            return Ok(Presented::Done);
        }
        let Some(index) = self.free_buffer_or_ask()? else {
            return Ok(Presented::Busy);
        };
        self.history.damage(rects);
        let Some(buffer) = self.buffers.get(index) else {
            return Ok(Presented::Busy);
        };
        for rect in self.history.missed(index) {
            copy_rect(canvas, *rect, buffer.memory.as_slice())
                .map_err(|e| WindowError::system("writing a buffer", std::io::Error::other(e)))?;
        }
        // The main thread's commits would tear the picture from its damage.
        let mut committing = self.shell.committing();
        self.shell.answer(size, &mut committing);
        self.shell.surface.attach(Some(&buffer.buffer), 0, 0);
        self.send_damage(rects);
        buffer.in_use.store(true, Ordering::Release);
        self.shell.surface.commit();
        // The answer, if there was one, has been committed with its picture.
        *committing = Nanos::ZERO;
        drop(committing);
        self.history.caught_up(index);
        self.shell.flush()?;
        Ok(Presented::Done)
    }

    fn transport(&self) -> &'static str {
        "wl_shm"
    }
}
