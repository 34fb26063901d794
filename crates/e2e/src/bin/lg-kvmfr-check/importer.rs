//! The driver of `module/test`, which uses DMA-BUFs as a graphics card's driver would.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};

use anyhow::Context as _;
use rustix::io::Errno;

/// A user of one DMA-BUF.
pub(crate) struct Importer(File);

impl Importer {
    /// One that uses none yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/kvmfr_test");
        Ok(Self(file.context("/dev/kvmfr_test")?))
    }

    /// Does one thing.
    pub(crate) fn tell(&mut self, command: &str) -> Result<(), Errno> {
        match self.0.write_all(command.as_bytes()) {
            Ok(()) => Ok(()),
            Err(error) => Err(Errno::from_raw_os_error(
                error.raw_os_error().unwrap_or(libc::EIO),
            )),
        }
    }

    /// Starts to use a buffer.
    pub(crate) fn attach(&mut self, buffer: impl AsFd) -> Result<(), Errno> {
        self.tell(&format!("attach {}", buffer.as_fd().as_raw_fd()))
    }

    /// Does something that finds a word.
    pub(crate) fn ask(&mut self, command: &str) -> anyhow::Result<u64> {
        self.tell(command).with_context(|| command.to_owned())?;
        let mut word = [0; 8];
        self.0.read_exact(&mut word)?;
        Ok(u64::from_ne_bytes(word))
    }
}
