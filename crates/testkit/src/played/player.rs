//! Plays the host of a whole memory in a thread, so that a real client reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ivshmem::{SharedMemory, SharedSlice, Source};

use super::{Message, Queue, beat};
use crate::handmade::table::{FRAMES, POINTER};
use crate::handmade::{Image, Slot};
use crate::programs::SharedFile;

/// Between two heartbeats, as in the hosts.
const TICK: Duration = Duration::from_millis(10);

/// A memory whose host can be played.
pub trait Playable {
    /// The whole memory.
    fn memory(&self) -> Vec<u8>;

    /// Takes the host's part in it.
    ///
    /// # Errors
    /// If the memory is not what it should be.
    fn host(&self, shared: SharedSlice<'_>) -> anyhow::Result<Host>;
}

impl Playable for Image {
    fn memory(&self) -> Vec<u8> {
        self.sheet().bytes()
    }

    fn host(&self, shared: SharedSlice<'_>) -> anyhow::Result<Host> {
        let table = self.wire.table();
        let mut pointer = Queue::of(shared, table, POINTER)?;
        pointer.mailbox = self.queues[1].mailbox.taken % table.cm_cycle;
        Ok(Host {
            frames: Queue::of(shared, table, FRAMES)?,
            pointer,
            now: self.timestamp,
        })
    }
}

impl From<Slot> for Message {
    fn from(slot: Slot) -> Self {
        Self {
            udata: slot.udata,
            size: slot.size,
            offset: slot.offset,
        }
    }
}

/// What the player posts, each to every new subscriber.
#[derive(Clone, Debug, Default)]
pub struct Programme {
    /// Frames, with the time that passes before each.
    pub frames: Vec<(Duration, Message)>,
    /// The pointer.
    pub pointer: Option<Message>,
}

/// A host that keeps an image alive: heartbeat, and the recorded messages again to whoever subscribes.
pub struct Player {
    shm: SharedFile,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    /// Puts an image into a shared memory of its own and begins to play its host.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn start(image: &impl Playable, programme: Programme) -> anyhow::Result<Self> {
        let bytes = image.memory();
        let shm = SharedFile::create(bytes.len() as u64 >> 20)?;
        let memory = SharedMemory::open(&Source::File(shm.path().to_owned()))?;
        memory.as_slice().copy_from(0, &bytes)?;
        let host = image.host(memory.as_slice())?;
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = std::thread::Builder::new().name("player".into());
        let thread = thread.spawn(move || host.play(&memory, &programme, &seen))?;
        Ok(Self {
            shm,
            is_over,
            thread: Some(thread),
        })
    }

    /// The memory it plays in.
    #[must_use]
    pub fn shm(&self) -> &SharedFile {
        &self.shm
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a played host knows.
#[derive(Clone, Debug)]
pub struct Host {
    /// The queue of frames.
    pub frames: Queue,
    /// The queue of the pointer.
    pub pointer: Queue,
    /// Its clock in milliseconds.
    pub now: u64,
}

impl Host {
    fn play(mut self, memory: &SharedMemory, programme: &Programme, is_over: &AtomicBool) {
        // Frames that are still to come, by the time they are due.
        let mut due = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            if let Err(error) = self.serve(memory.as_slice(), programme, &mut due) {
                eprintln!("the player stops: {error:#}");
                return;
            }
            std::thread::sleep(TICK);
        }
    }

    /// Lets 10 ms pass: the heartbeat, and what is due in both queues (lgmp.md 7.2).
    ///
    /// # Errors
    /// If a lock is stuck.
    pub fn tick(&mut self, shared: SharedSlice<'_>) -> anyhow::Result<()> {
        self.now += 10;
        beat(shared, self.now)?;
        self.frames.process(shared, self.now)?;
        self.pointer.process(shared, self.now)
    }

    fn serve(
        &mut self,
        shared: SharedSlice<'_>,
        programme: &Programme,
        due: &mut Vec<(Instant, Message)>,
    ) -> anyhow::Result<()> {
        self.tick(shared)?;
        if self.frames.has_new_subscribers(shared)? {
            let mut at = Instant::now();
            due.clear();
            for &(wait, message) in &programme.frames {
                at += wait;
                due.push((at, message));
            }
        }
        while due.first().is_some_and(|(at, _)| *at <= Instant::now()) {
            let (_, message) = due.remove(0);
            self.frames.post(shared, message, self.now)?;
        }
        if self.pointer.has_new_subscribers(shared)?
            && let Some(message) = programme.pointer
        {
            self.pointer.post(shared, message, self.now)?;
        }
        Ok(())
    }
}
