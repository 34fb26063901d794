//! Files from host to guest (spice.md 8.5).

use crate::wire::{Malformed, Put, Reader};

/// Transfers at one time.
const MAX_FILES: usize = 64;
/// The longest name that common file systems take.
const MAX_NAME_BYTES: usize = 255;

/// The number of a file transfer, chosen by the caller, unique while the transfer lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// What the guest says about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileStatus {
    /// Send the data.
    Go,
    /// The guest gave it up.
    Cancelled,
    /// It failed, here or there.
    Error,
    /// It arrived whole.
    Done,
    /// The guest's disk is too full.
    NoSpace {
        /// The bytes that are free, if the guest says.
        free: Option<u64>,
    },
    /// The guest's session is locked.
    Locked,
    /// Nobody is there to take it.
    NoAgent,
    /// The guest takes no files, or this name or number cannot be sent.
    Disabled,
    /// A result that the protocol does not have.
    Unknown(u32),
}

/// The transfers under way.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Number and bytes not sent yet.
    open: Vec<(FileId, u64)>,
}

impl Files {
    /// The body of FILE_XFER_START; `None` when the name is no base name or the number is in use.
    pub(super) fn start(&mut self, id: FileId, name: &str, size: u64) -> Option<Vec<u8>> {
        let is_bad = name.is_empty()
            || matches!(name, "." | "..")
            || name.len() > MAX_NAME_BYTES
            || name
                .chars()
                .any(|c| c.is_control() || matches!(c, '/' | '\\'));
        if is_bad || self.open.len() >= MAX_FILES || self.is_open(id) {
            return None;
        }
        self.open.push((id, size));
        let mut body = Vec::new();
        body.put_u32(id.0);
        body.put(format!("[vdagent-file-xfer]\nname={name}\nsize={size}\n\0").as_bytes());
        Some(body)
    }

    /// The head of FILE_XFER_DATA; `None` when there is no such transfer or the data is more than was announced.
    pub(super) fn data(&mut self, id: FileId, length: usize) -> Option<Vec<u8>> {
        let length = u64::try_from(length).ok()?;
        let (_, left) = self.open.iter_mut().find(|(open, _)| *open == id)?;
        *left = left.checked_sub(length)?;
        let mut head = Vec::with_capacity(12);
        head.put_u32(id.0);
        head.put_u64(length);
        Some(head)
    }

    /// Reads FILE_XFER_STATUS.
    pub(super) fn status(&mut self, body: &[u8]) -> Result<(FileId, FileStatus), Malformed> {
        let mut reader = Reader::new(body);
        let id = FileId(reader.u32()?);
        let status = match reader.u32()? {
            0 => FileStatus::Go,
            1 => FileStatus::Cancelled,
            2 => FileStatus::Error,
            3 => FileStatus::Done,
            4 => FileStatus::NoSpace {
                free: reader.u64().ok(),
            },
            5 => FileStatus::Locked,
            6 => FileStatus::NoAgent,
            7 => FileStatus::Disabled,
            other => FileStatus::Unknown(other),
        };
        if status != FileStatus::Go {
            self.forget(id);
        }
        Ok((id, status))
    }

    pub(super) fn is_open(&self, id: FileId) -> bool {
        self.open.iter().any(|(open, _)| *open == id)
    }

    /// True if there was such a transfer.
    pub(super) fn forget(&mut self, id: FileId) -> bool {
        let before = self.open.len();
        self.open.retain(|(open, _)| *open != id);
        self.open.len() < before
    }
}

/// The body of FILE_XFER_STATUS by which we give up.
pub(super) fn cancelled(id: FileId) -> Vec<u8> {
    let mut body = Vec::with_capacity(8);
    body.put_u32(id.0);
    body.put_u32(1);
    body
}
