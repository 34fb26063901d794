//! Plays the hosts of the recorded memory images (`golden/README.md`), so that a real client reads them.
//!
//! Written from lgmp.md 3 to 7 alone: it shares nothing with `lgmp` and `kvmfr`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::bail;
use ivshmem::{SharedMemory, SharedSlice, Source};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::programs::SharedFile;

/// Between two heartbeats, as in the hosts.
const TICK: Duration = Duration::from_millis(10);
/// How long the player waits for a lock: a client that was killed may hold it for ever.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// A recorded image: the memory and what is known about it.
pub struct Image {
    /// Its name without an ending.
    pub name: String,
    /// The facts recorded beside it.
    pub facts: Value,
    /// The whole memory.
    pub memory: Vec<u8>,
}

impl Image {
    /// The names of all images in a folder, in order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            if let Some(name) = name.to_string_lossy().strip_suffix(".shm.zst") {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Unpacks an image.
    ///
    /// # Errors
    /// If it or its facts cannot be read, or it is not the one that the facts are about.
    pub fn load(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let facts = std::fs::read_to_string(folder.join(format!("{name}.json")))?;
        let facts: Value = serde_json::from_str(&facts)?;
        let file = std::fs::File::open(folder.join(format!("{name}.shm.zst")))?;
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(file)
            .map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        let mut memory = Vec::new();
        std::io::Read::read_to_end(&mut decoder, &mut memory)?;
        if sha256(&memory) != facts["sha256Shm"].as_str().unwrap_or_default() {
            bail!("{name} is not what it was when its facts were recorded");
        }
        Ok(Self {
            name: name.to_owned(),
            facts,
            memory,
        })
    }

    /// A number among the facts, by the names on the way to it.
    #[must_use]
    pub fn number(&self, path: &[&str]) -> usize {
        let value = path.iter().fold(&self.facts, |value, key| &value[key]);
        number(value, &path.join("."))
    }

    /// A piece of the memory.
    #[must_use]
    pub fn bytes(&self, at: usize, len: usize) -> &[u8] {
        &self.memory[at..at + len]
    }

    /// The queue with this id.
    #[must_use]
    pub fn queue(&self, id: usize) -> &Value {
        let queues = self.facts["lgmp"]["queues"].as_array();
        let mut queues = queues.into_iter().flatten();
        queues
            .find(|queue| number(&queue["queueID"], "queueID") == id)
            .unwrap_or(&Value::Null)
    }

    /// The message that was posted last in a queue, if any was.
    #[must_use]
    pub fn newest(&self, id: usize) -> Option<Message> {
        let queue = self.queue(id);
        let slots = number(&queue["numMessages"], "numMessages");
        let position = number(&queue["position"], "position");
        Message::recorded(&queue["messages"][(position + slots - 1) % slots])
    }

    /// The message that announced the newest frame that is complete.
    #[must_use]
    pub fn complete_frame(&self) -> Option<Message> {
        let at = self.number(&["frame", "at"]);
        let messages = self.queue(FRAME_QUEUE)["messages"].as_array()?;
        let mut messages = messages.iter().filter_map(Message::recorded);
        messages.find(|message| message.offset as usize == at)
    }
}

/// The id of the frame queue.
pub const FRAME_QUEUE: usize = 2;
/// The id of the pointer queue.
pub const POINTER_QUEUE: usize = 1;

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number(value: &Value, what: &str) -> usize {
    let number = value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok());
    number.unwrap_or_else(|| panic!("the facts hold no number {what}"))
}

/// What a slot of a queue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The application's word.
    pub udata: u32,
    /// Bytes of the block.
    pub size: u32,
    /// Where the block is.
    pub offset: u32,
}

impl Message {
    /// A message among the facts; `None` for a slot that was never used.
    fn recorded(facts: &Value) -> Option<Self> {
        let word = |key: &str| u32::try_from(facts[key].as_u64()?).ok();
        let message = Self {
            udata: word("udata")?,
            size: word("size")?,
            offset: word("offset")?,
        };
        (message.size > 0).then_some(message)
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
    pub fn start(image: &Image, programme: Programme) -> anyhow::Result<Self> {
        let shm = SharedFile::create(image.memory.len() as u64 >> 20)?;
        let memory = SharedMemory::open(&Source::File(shm.path().to_owned()))?;
        memory.as_slice().copy_from(0, &image.memory)?;
        let host = Host::wake(image, &memory)?;
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

/// The offsets that differ between the versions (lgmp.md 4).
#[derive(Clone, Copy)]
struct Fields {
    is_lock_a_word: bool,
    lock: usize,
    subs: usize,
    start: usize,
    deadline: usize,
    count: usize,
}

impl Fields {
    fn of(version: usize) -> anyhow::Result<Self> {
        let at = match version {
            4 => 280,
            5 | 6 => 408,
            _ => bail!("LGMP {version} has no offsets here"),
        };
        Ok(Self {
            is_lock_a_word: version == 6,
            lock: at,
            subs: at + 8,
            start: at + 16,
            deadline: at + 24,
            count: at + 32,
        })
    }
}

/// One queue as the player serves it.
struct Queue {
    base: usize,
    slots: u32,
    ring: usize,
    position: u32,
    max_time: u64,
    fields: Fields,
}

const NEW_SUBS: usize = 8;
const WRITE_POSITION: usize = 16;
const SESSION_ID: usize = 8;
const TIMESTAMP: usize = 16;

struct Host {
    frames: Queue,
    pointer: Queue,
    now: u64,
}

impl Host {
    /// Takes an image over: nobody is subscribed, nothing is queued, and the session is another one.
    fn wake(image: &Image, memory: &SharedMemory) -> anyhow::Result<Self> {
        let shared = memory.as_slice();
        let fields = Fields::of(image.number(&["lgmpVersion"]))?;
        let queue = |id| -> anyhow::Result<Queue> {
            let facts = image.queue(id);
            let fact = |key: &str| number(&facts[key], key);
            let queue = Queue {
                base: fact("offset"),
                slots: u32::try_from(fact("numMessages"))?,
                ring: fact("messagesOffset"),
                position: u32::try_from(fact("position"))?,
                max_time: fact("maxTime") as u64,
                fields,
            };
            queue.clear(shared)?;
            Ok(queue)
        };
        let (frames, pointer) = (queue(FRAME_QUEUE)?, queue(POINTER_QUEUE)?);
        let session = u32::try_from(image.number(&["lgmp", "sessionID"]))? ^ 1;
        shared
            .atomic_u32(SESSION_ID)?
            .store(session, Ordering::SeqCst);
        Ok(Self {
            frames,
            pointer,
            now: image.number(&["lgmp", "timestamp"]) as u64,
        })
    }

    fn play(mut self, memory: &SharedMemory, programme: &Programme, is_over: &AtomicBool) {
        // Frames that are still to come, by the time they are due.
        let mut due = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            if let Err(error) = self.tick(memory, programme, &mut due) {
                eprintln!("the player stops: {error:#}");
                return;
            }
            std::thread::sleep(TICK);
        }
    }

    fn tick(
        &mut self,
        memory: &SharedMemory,
        programme: &Programme,
        due: &mut Vec<(Instant, Message)>,
    ) -> anyhow::Result<()> {
        let shared = memory.as_slice();
        self.now += 10;
        shared
            .atomic_u64(TIMESTAMP)?
            .store(self.now, Ordering::SeqCst);
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

impl Queue {
    fn clear(&self, shared: SharedSlice<'_>) -> anyhow::Result<()> {
        let word = |at: usize| shared.atomic_u32(self.base + at);
        self.unlock(shared)?;
        shared
            .atomic_u64(self.base + self.fields.subs)?
            .store(0, Ordering::SeqCst);
        word(self.fields.start)?.store(self.position, Ordering::SeqCst);
        word(self.fields.count)?.store(0, Ordering::SeqCst);
        word(NEW_SUBS)?.store(0, Ordering::SeqCst);
        for slot in 0..self.slots {
            self.slot(shared, slot, 12)?.store(0, Ordering::SeqCst);
        }
        Ok(())
    }

    fn slot<'a>(
        &self,
        shared: SharedSlice<'a>,
        index: u32,
        part: usize,
    ) -> anyhow::Result<&'a std::sync::atomic::AtomicU32> {
        Ok(shared.atomic_u32(self.ring + 16 * index as usize + part)?)
    }

    fn has_new_subscribers(&self, shared: SharedSlice<'_>) -> anyhow::Result<bool> {
        Ok(shared
            .atomic_u32(self.base + NEW_SUBS)?
            .swap(0, Ordering::SeqCst)
            > 0)
    }

    /// lgmp.md 7.1.
    fn post(&mut self, shared: SharedSlice<'_>, message: Message, now: u64) -> anyhow::Result<()> {
        self.lock(shared)?;
        let result = self.post_locked(shared, message, now);
        self.unlock(shared)?;
        result
    }

    fn post_locked(
        &mut self,
        shared: SharedSlice<'_>,
        message: Message,
        now: u64,
    ) -> anyhow::Result<()> {
        let subs = shared
            .atomic_u64(self.base + self.fields.subs)?
            .load(Ordering::SeqCst);
        let healthy = (subs >> 32) as u32 & !(subs as u32);
        let count = shared.atomic_u32(self.base + self.fields.count)?;
        let queued = count.load(Ordering::SeqCst);
        if healthy == 0 {
            return Ok(());
        }
        if queued + 1 >= self.slots {
            bail!("the queue is full");
        }
        let words = [message.udata, message.size, message.offset, healthy];
        for (part, word) in words.into_iter().enumerate() {
            let slot = self.slot(shared, self.position, 4 * part)?;
            slot.store(word, Ordering::SeqCst);
        }
        count.fetch_add(1, Ordering::SeqCst);
        if queued == 0 {
            let deadline = shared.atomic_u64(self.base + self.fields.deadline)?;
            deadline.store(now + self.max_time, Ordering::SeqCst);
        }
        self.position = (self.position + 1) % self.slots;
        let position = shared.atomic_u32(self.base + WRITE_POSITION)?;
        position.store(self.position, Ordering::SeqCst);
        Ok(())
    }

    fn lock(&self, shared: SharedSlice<'_>) -> anyhow::Result<()> {
        let at = self.base + self.fields.lock;
        let end = Instant::now() + LOCK_PATIENCE;
        while Instant::now() < end {
            let is_mine = if self.fields.is_lock_a_word {
                let word = shared.atomic_u32(at)?;
                word.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok()
            } else {
                shared.atomic_u8(at)?.swap(1, Ordering::SeqCst) == 0
            };
            if is_mine {
                return Ok(());
            }
            std::thread::yield_now();
        }
        bail!("the lock of a queue is stuck")
    }

    fn unlock(&self, shared: SharedSlice<'_>) -> anyhow::Result<()> {
        let at = self.base + self.fields.lock;
        if self.fields.is_lock_a_word {
            shared.atomic_u32(at)?.store(0, Ordering::SeqCst);
        } else {
            shared.atomic_u8(at)?.store(0, Ordering::SeqCst);
        }
        Ok(())
    }
}
