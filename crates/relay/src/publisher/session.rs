//! The memory as this host divides it, and the session that runs in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ivshmem::SharedMemory;
use kvmfr::{
    BLOCK_ALIGNMENT, CURSOR_BLOCK_BYTES, CURSOR_BLOCKS, FRAME_BLOCKS, FRAME_QUEUE, FrameBlocks,
    POINTER_QUEUE, QueueShape, SHAPE_BLOCK_BYTES, SHAPE_BLOCKS, Version,
};
use lgmp::{Block, Host, HostBuilder, HostQueue, InitError, QueueSpec};
use picture::Size;

use super::PublishError;

/// Where everything lies; the same in every session of one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) cursors: [Block; CURSOR_BLOCKS],
    pub(super) shapes: [Block; SHAPE_BLOCKS],
    pub(super) frames: [Block; FRAME_BLOCKS],
    pub(super) division: FrameBlocks,
}

impl Blocks {
    /// Takes all blocks in the order of the original host (kvmfr.md 2), and clears those for the pointer.
    fn allocate(builder: &mut HostBuilder, memory: &SharedMemory) -> Result<Self, PublishError> {
        let nothing = Block { offset: 0, size: 0 };
        let mut cursors = [nothing; CURSOR_BLOCKS];
        for block in &mut cursors {
            *block = builder.block(CURSOR_BLOCK_BYTES, 4)?;
        }
        let mut shapes = [nothing; SHAPE_BLOCKS];
        for block in &mut shapes {
            *block = builder.block(SHAPE_BLOCK_BYTES, 4)?;
        }
        for block in cursors.iter().chain(&shapes) {
            memory
                .as_slice()
                .zero(block.offset as usize, block.size as usize)?;
        }
        let division = FrameBlocks::plan(builder.available(), BLOCK_ALIGNMENT)
            .ok_or(PublishError::NoFrameRoom(memory.len()))?;
        let mut frames = [nothing; FRAME_BLOCKS];
        for block in &mut frames {
            *block = builder.block(division.request_bytes, division.alignment)?;
        }
        Ok(Self {
            cursors,
            shapes,
            frames,
            division,
        })
    }
}

/// One session: from the setting up of the memory until somebody destroys it.
#[derive(Debug)]
pub(super) struct Session {
    /// Counts the sessions of this publisher.
    pub(super) epoch: u64,
    pub(super) host: Host,
    pub(super) frames: HostQueue,
    pub(super) pointer: HostQueue,
}

/// What publisher and service share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) memory: Arc<SharedMemory>,
    pub(super) version: Version,
    pub(super) blocks: Blocks,
    udata: Vec<u8>,
    /// Read by whoever posts or ticks, which do not keep each other out; written only while a new session is set up,
    /// so that no post of the old one can hit the new one.
    session: RwLock<Session>,
    /// The desktop that clients' positions refer to, width in the high half; written by the publisher, read by the
    /// service. Relaxed: it guards nothing.
    desktop: AtomicU64,
}

const fn spec(shape: QueueShape) -> QueueSpec {
    QueueSpec {
        id: shape.id,
        length: shape.length,
        max_time_ms: shape.max_time_ms,
    }
}

fn set_up(
    memory: &Arc<SharedMemory>,
    version: Version,
    udata: &[u8],
    epoch: u64,
    now_ms: u64,
) -> Result<(Session, Blocks), PublishError> {
    if memory.is_faulted() {
        return Err(PublishError::Faulted);
    }
    let mut builder = HostBuilder::new(Arc::clone(memory), version.lgmp(), udata)?;
    let frames = builder.queue(spec(FRAME_QUEUE))?;
    let pointer = builder.queue(spec(POINTER_QUEUE))?;
    let blocks = Blocks::allocate(&mut builder, memory)?;
    let host = builder.publish(now_ms)?;
    let session = Session {
        epoch,
        host,
        frames,
        pointer,
    };
    Ok((session, blocks))
}

impl Shared {
    /// Sets the memory up for its first session.
    pub(super) fn new(
        memory: Arc<SharedMemory>,
        version: Version,
        udata: Vec<u8>,
        now_ms: u64,
    ) -> Result<Self, PublishError> {
        let (session, blocks) = set_up(&memory, version, &udata, 0, now_ms)?;
        Ok(Self {
            memory,
            version,
            blocks,
            udata,
            session: RwLock::new(session),
            desktop: AtomicU64::new(0),
        })
    }

    /// The session of the moment. Hold it only to post or to ask.
    pub(super) fn session(&self) -> RwLockReadGuard<'_, Session> {
        self.session.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the memory up anew, with another session id; the same size gives the same blocks.
    pub(super) fn restart(&self, now_ms: u64) -> Result<(), PublishError> {
        let mut session = self.session.write().unwrap_or_else(PoisonError::into_inner);
        let epoch = session.epoch.wrapping_add(1);
        let (fresh, blocks) = set_up(&self.memory, self.version, &self.udata, epoch, now_ms)?;
        if blocks != self.blocks {
            return Err(PublishError::Init(InitError::TooSmall {
                wanted: self.memory.len(),
                available: self.memory.len(),
            }));
        }
        *session = fresh;
        Ok(())
    }

    /// Notes the desktop of the frame that was published last.
    pub(super) fn set_desktop(&self, desktop: Size) {
        let packed = u64::from(desktop.width) << 32 | u64::from(desktop.height);
        self.desktop.store(packed, Ordering::Relaxed);
    }

    /// The desktop of the frame that was published last, if there was one.
    pub(super) fn desktop(&self) -> Option<Size> {
        let packed = self.desktop.load(Ordering::Relaxed);
        let size = Size::new((packed >> 32) as u32, packed as u32);
        (!size.is_empty()).then_some(size)
    }
}
