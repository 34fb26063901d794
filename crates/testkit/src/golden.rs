//! The recorded memory images of real hosts (`golden/README.md`), and how [`Player`] plays their hosts.

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::bail;
use ivshmem::SharedSlice;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::handmade::table::{SESSION_ID, Table};
use crate::played::{self, Host, Playable, Queue};

pub use crate::played::{Message, Player, Programme};

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
        recorded(&queue["messages"][(position + slots - 1) % slots])
    }

    /// The message that announced the newest frame that is complete.
    #[must_use]
    pub fn complete_frame(&self) -> Option<Message> {
        let at = self.number(&["frame", "at"]);
        let messages = self.queue(FRAME_QUEUE)["messages"].as_array()?;
        let mut messages = messages.iter().filter_map(recorded);
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

/// A message among the facts; `None` for a slot that was never used.
fn recorded(facts: &Value) -> Option<Message> {
    let word = |key: &str| u32::try_from(facts[key].as_u64()?).ok();
    let message = Message {
        udata: word("udata")?,
        size: word("size")?,
        offset: word("offset")?,
    };
    (message.size > 0).then_some(message)
}

impl Playable for Image {
    fn memory(&self) -> Vec<u8> {
        self.memory.clone()
    }

    /// Takes the image over: nobody is subscribed, nothing is queued, and the session is another one.
    fn host(&self, shared: SharedSlice<'_>) -> anyhow::Result<Host> {
        let lgmp = u32::try_from(self.number(&["lgmpVersion"]))?;
        let queue = |id| -> anyhow::Result<Queue> {
            let facts = self.queue(id);
            let fact = |key: &str| number(&facts[key], key);
            let queue = Queue {
                base: fact("offset"),
                slots: u32::try_from(fact("numMessages"))?,
                ring: fact("messagesOffset"),
                position: u32::try_from(fact("position"))?,
                max_time: fact("maxTime") as u64,
                table: Table::of(lgmp),
                mailbox: 0,
            };
            queue.clear(shared)?;
            Ok(queue)
        };
        let (frames, pointer) = (queue(FRAME_QUEUE)?, queue(POINTER_QUEUE)?);
        let session = u32::try_from(self.number(&["lgmp", "sessionID"]))? ^ 1;
        played::word(shared, SESSION_ID)?.store(session, Ordering::SeqCst);
        Ok(Host {
            frames,
            pointer,
            now: self.number(&["lgmp", "timestamp"]) as u64,
        })
    }
}
