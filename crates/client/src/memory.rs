//! The shared memory that the user named, opened anew when it is replaced.
//!
//! A virtual machine that starts again may make a new file of the same name. The old one stays mapped and silent, so
//! while the host is missing the name is looked up again.

use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use clock::{MonotonicClock, Nanos};
use ivshmem::{DmaBufs, OpenError, SharedMemory, Source};
use relay::{Reader, ReaderOptions};

use crate::config::Settings;

/// How often the name is looked up while the host is missing.
const LOOK: Nanos = Nanos::from_millis(500);

/// A memory, the reader on it, and how to get another one.
pub struct Relay {
    /// The reader.
    pub reader: Reader,
    memory: Arc<SharedMemory>,
    source: Option<Source>,
    options: ReaderOptions,
    allow_dma: bool,
    next_look: Nanos,
    wants_frames: bool,
}

impl Relay {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// If it cannot be opened; the error names the remedy.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let source = Source::parse(&settings.app.shm_file)?;
        let memory = Arc::new(SharedMemory::open(&source)?);
        tracing::info!(%source, mib = memory.len() >> 20, "shared memory");
        let options = ReaderOptions {
            frame_poll: settings.app.frame_poll,
            pointer_poll: settings.app.cursor_poll,
            ..ReaderOptions::default()
        };
        let mut relay = Self::new(memory, Some(source), options);
        relay.allow_dma = settings.app.allow_dma;
        Ok(relay)
    }

    /// Reads a memory that is mapped already and never replaced.
    #[must_use]
    pub fn on(memory: Arc<SharedMemory>, options: ReaderOptions) -> Self {
        Self::new(memory, None, options)
    }

    fn new(memory: Arc<SharedMemory>, source: Option<Source>, options: ReaderOptions) -> Self {
        let reader = Reader::new(Arc::clone(&memory), options, MonotonicClock);
        Self {
            reader,
            memory,
            source,
            options,
            allow_dma: true,
            next_look: Nanos::ZERO,
            wants_frames: true,
        }
    }

    /// What makes DMA-BUFs of the memory, or why nothing does.
    ///
    /// # Errors
    /// If the user or the machine does not allow it, in words.
    pub fn dma_bufs(&self) -> Result<DmaBufs, String> {
        if !self.allow_dma {
            return Err("app:allowDMA is off".into());
        }
        let buffers = self.memory.dma_bufs();
        buffers.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }

    /// Says whether frames are wanted, to this reader and those that follow it; they are at first.
    pub fn want_frames(&mut self, is_wanted: bool) {
        self.wants_frames = is_wanted;
        self.reader.want_frames(is_wanted);
    }

    /// Opens the memory anew if it was replaced or cut; returns when to look again.
    ///
    /// To be called while the host is missing.
    ///
    /// # Errors
    /// If there is another memory, or none, and it cannot be opened; with the time of the next look.
    pub fn renew(&mut self, now: Nanos) -> Result<Nanos, (OpenError, Nanos)> {
        if now < self.next_look {
            return Ok(self.next_look);
        }
        self.next_look = now + LOOK;
        let Some(source) = &self.source else {
            return Ok(self.next_look);
        };
        if !self.memory.is_faulted() && !is_replaced(&self.memory, source) {
            return Ok(self.next_look);
        }
        let memory = SharedMemory::open(source).map_err(|error| (error, self.next_look))?;
        tracing::info!(mib = memory.len() >> 20, "the shared memory was replaced");
        self.memory = Arc::new(memory);
        self.reader = Reader::new(Arc::clone(&self.memory), self.options, MonotonicClock);
        self.reader.want_frames(self.wants_frames);
        Ok(self.next_look)
    }
}

/// Tells whether the name stands for another file, or one of another size, than the mapped one.
fn is_replaced(memory: &SharedMemory, source: &Source) -> bool {
    match source {
        Source::File(path) => is_other_file(memory, path).unwrap_or(true),
        // Devices and descriptors keep their identity.
        _ => false,
    }
}

fn is_other_file(memory: &SharedMemory, path: &Path) -> std::io::Result<bool> {
    let mapped = std::fs::File::from(memory.as_fd().try_clone_to_owned()?).metadata()?;
    let named = std::fs::metadata(path)?;
    let identity = |data: &std::fs::Metadata| (data.dev(), data.ino());
    Ok(identity(&mapped) != identity(&named) || named.len() != memory.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunSettings;

    #[test]
    fn the_user_decides_whether_the_memory_gets_dma_bufs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        let reason = |allow_dma| {
            let mut options = options::Options::new(crate::config::table());
            let file = format!("app:shmFile={}", path.display());
            let allowed = format!("app:allowDMA={}", if allow_dma { "yes" } else { "no" });
            options.apply_arguments(&[file.into(), allowed.into()], &[]);
            let settings = Settings::new(&options, RunSettings::default());
            Relay::open(&settings).unwrap().dma_bufs().unwrap_err()
        };
        assert_eq!(reason(false), "app:allowDMA is off");
        // A plain file has none.
        assert!(reason(true).contains("kvmfr"), "{}", reason(true));
    }

    #[test]
    fn a_file_that_is_made_anew_or_grows_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        let make = |len: u64| std::fs::File::create(&path).unwrap().set_len(len).unwrap();
        make(1 << 20);
        let memory = SharedMemory::open(&Source::File(path.clone())).unwrap();
        assert!(!is_other_file(&memory, &path).unwrap());
        make(2 << 20);
        assert!(is_other_file(&memory, &path).unwrap(), "grown");
        std::fs::remove_file(&path).unwrap();
        assert!(is_other_file(&memory, &path).is_err(), "gone");
        make(1 << 20);
        assert!(is_other_file(&memory, &path).unwrap(), "made anew");
    }
}
