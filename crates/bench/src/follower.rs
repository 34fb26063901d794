//! The reading side: takes frames the way the client does, and notes when it had them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::{PixelStream as _, Rows, SharedMemory, SharedSlice, Source, Stores};
use picture::{Damage, FrameLayout, transfer};
use relay::{Event, Frame, Reader, ReaderOptions, Waker};

use crate::publisher::{Answer, Order, PublisherProcess, TIME_BYTES};

/// The longest that a session may take to begin.
const CONNECT: Nanos = Nanos::from_millis(5_000);
/// How long to go on reading after the last post. Nobody rings before, so that the reader finds it by itself.
pub(crate) const TAIL: Duration = Duration::from_millis(50);

/// A frame that was read.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// When it was posted.
    pub posted: Nanos,
    /// When the reader held the message.
    pub held: Nanos,
    /// When its last byte was in the reader's own memory.
    pub done: Nanos,
}

/// A reader with memory of its own for the pixels.
pub struct Follower {
    reader: Reader,
    waker: Waker,
    into: Vec<u8>,
    /// Frames that were taken back while they were read.
    pub discarded: u32,
}

impl Follower {
    /// Opens a memory; nothing is read yet.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(memory: &Path) -> anyhow::Result<Self> {
        let memory = SharedMemory::open(&Source::File(memory.to_owned()))?;
        let reader = Reader::new(Arc::new(memory), ReaderOptions::default(), MonotonicClock);
        Ok(Self {
            reader,
            waker: Waker::new()?,
            into: Vec::new(),
            discarded: 0,
        })
    }

    /// Ends the reader's wait.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until the session has begun.
    ///
    /// # Errors
    /// If it does not.
    pub fn connect(&mut self) -> anyhow::Result<()> {
        let end = MonotonicClock.now() + CONNECT;
        let mut missing = None;
        loop {
            match self.reader.next(&self.waker, Some(end)) {
                Event::Connected(_) => return Ok(()),
                Event::Missing(link) => missing = Some(link),
                Event::Deadline => bail!("no session, missing: {missing:?}"),
                _ => {}
            }
        }
    }

    /// The reader itself and its waker, for those who wait by themselves.
    pub fn parts(&mut self) -> (&mut Reader, &Waker) {
        (&mut self.reader, &self.waker)
    }

    /// Reads frames until the waker is rung and `is_over`.
    ///
    /// `each` is called while the frame is held, with its pixels and the reader's copy of them.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn follow(
        &mut self,
        is_over: &AtomicBool,
        mut each: impl FnMut(Taken, SharedSlice<'_>, &[u8]),
    ) -> anyhow::Result<()> {
        loop {
            match self.reader.next(&self.waker, None) {
                Event::Frame(mut frame) => {
                    let held = MonotonicClock.now();
                    copy(&mut frame, &mut self.into)?;
                    let done = MonotonicClock.now();
                    let time = self.into.first_chunk::<TIME_BYTES>();
                    let posted = Nanos(i64::from_le_bytes(*time.context("a frame with a time")?));
                    let taken = Taken { posted, held, done };
                    each(taken, frame.pixels(), &self.into);
                    self.discarded += u32::from(frame.finish().is_err());
                }
                Event::Woken if is_over.load(Ordering::Acquire) => return Ok(()),
                Event::Missing(link) => bail!("the session ended: {link}"),
                _ => {}
            }
        }
    }

    /// Has an order carried out and reads what comes of it.
    ///
    /// # Errors
    /// If the publisher dies, or a frame cannot be read.
    pub fn follow_order(
        &mut self,
        publisher: &mut PublisherProcess,
        order: &Order,
        each: impl FnMut(Taken, SharedSlice<'_>, &[u8]),
    ) -> anyhow::Result<Answer> {
        let is_over = AtomicBool::new(false);
        let waker = self.waker();
        std::thread::scope(|scope| {
            let orders = scope.spawn(|| {
                let answer = publisher.publish(order);
                std::thread::sleep(TAIL);
                is_over.store(true, Ordering::Release);
                waker.wake();
                answer
            });
            self.follow(&is_over, each)?;
            join(orders.join())?
        })
    }
}

/// What a thread returned.
///
/// # Errors
/// If it panicked.
pub fn join<T>(result: std::thread::Result<T>) -> anyhow::Result<T> {
    result.map_err(|_| anyhow::anyhow!("a thread panicked"))
}

/// Copies what changed into private memory while the publisher is still writing, as the client does.
fn copy(frame: &mut Frame<'_>, into: &mut Vec<u8>) -> anyhow::Result<()> {
    let layout = *frame.layout();
    let bytes = usize::try_from(layout.data_bytes())?;
    // A new buffer has to be filled as a whole.
    let damage = if into.len() == bytes {
        frame.damage().clone()
    } else {
        into.clear();
        into.resize(bytes, 1);
        Damage::FULL
    };
    let stores = stores(&layout);
    let pitch = layout.pitch_bytes as usize;
    let mut available = 0;
    for span in transfer::spans(&layout, &damage) {
        let wanted = usize::try_from(span.wait_bytes(&layout))?;
        if available < wanted {
            available = frame.wait_for(wanted)?;
        }
        let rows = Rows {
            rows: span.rows as usize,
            row_bytes: span.row_bytes as usize,
            src_pitch: pitch,
            dst_pitch: pitch,
        };
        let start = usize::try_from(span.start(&layout))?;
        let into = into.get_mut(start..).unwrap_or_default();
        frame.pixels().read_rows_with(start, &rows, into, stores)?;
    }
    Ok(())
}

/// The kind of store that frames of a layout are copied with.
#[must_use]
pub fn stores(layout: &FrameLayout) -> Stores {
    Stores::for_reading(usize::try_from(layout.data_bytes()).unwrap_or(usize::MAX))
}
