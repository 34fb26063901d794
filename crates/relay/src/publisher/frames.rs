//! The frame side of a publisher.

use std::sync::atomic::Ordering;

use ivshmem::{AccessError, SharedSlice, store_fence};
use kvmfr::{
    FRAME_BLOCKS, FRAME_QUEUE, FrameFlags, FrameHeader, MAX_FRAME_HEADER_BYTES, Version, wire,
};
use lgmp::Block;
use picture::{Damage, FrameRect, Size};

use super::PublishError;
use super::copy::{Transfer, WritePointer};
use super::image::{Format, Image, header_of};
use super::pace::{millis, wait_until};
use super::session::{Session, Shared};
use super::{Pace, Published};
use crate::translate;

/// What the publisher knows of its frames.
#[derive(Debug)]
pub(super) struct Frames {
    /// Session that the rest is about.
    epoch: u64,
    /// Serial of the next frame; goes on through sessions.
    serial: u32,
    format_version: u32,
    format: Option<Format>,
    /// What changed since the last frame that was posted.
    owed: Damage,
    /// Whether a frame that was to ask for activation was not posted.
    owed_flags: FrameFlags,
    /// What changed since each block was filled.
    missing: [Damage; FRAME_BLOCKS],
    /// Block for the next frame.
    next: usize,
    /// Block of the last frame of this session, complete.
    last: Option<usize>,
    /// Whether that frame asks for activation.
    is_asking: bool,
    /// New subscribers that have not been served.
    new_subscribers: u32,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self {
            epoch: 0,
            serial: 0,
            format_version: 0,
            format: None,
            owed: Damage::FULL,
            owed_flags: FrameFlags::empty(),
            missing: [Damage::FULL; FRAME_BLOCKS],
            next: 0,
            last: None,
            is_asking: false,
            new_subscribers: 0,
        }
    }

    /// Forgets what is in the blocks if another session has begun: nobody knows what became of them.
    pub(super) fn sync(&mut self, session: &Session) {
        if self.epoch != session.epoch {
            self.epoch = session.epoch;
            self.missing = [Damage::FULL; FRAME_BLOCKS];
            self.new_subscribers = 0;
            self.forget();
        }
    }

    /// Makes the next frame stand for itself.
    pub(super) const fn forget(&mut self) {
        self.owed = Damage::FULL;
        self.last = None;
    }

    /// Tells whether there is a frame that new subscribers can be sent.
    pub(super) const fn has_frame(&self) -> bool {
        self.last.is_some()
    }

    pub(super) fn publish(
        &mut self,
        shared: &Shared,
        image: &Image<'_>,
        told: Option<&[FrameRect]>,
        pace: &Pace,
    ) -> Result<Published, PublishError> {
        // They say nothing of what an earlier frame still owes.
        let told = told.filter(|_| self.owed.is_none());
        let mut header = self.describe(shared, image)?;
        let has_room = || shared.session().frames.pending() < FRAME_QUEUE.length;
        if !wait_until(&*pace.clock, pace.patience, has_room) {
            return Err(PublishError::Busy);
        }
        let index = self.next;
        let block = *shared
            .blocks
            .frames
            .get(index)
            .ok_or(PublishError::SessionLost)?;
        let pixels = FrameBlock::new(shared, block)?;
        let recipients = self.post(shared, &mut header, told, block, &pixels, pace)?;
        let transfer = Transfer {
            pixels: image.pixels,
            src_pitch: image.layout.pitch_bytes as usize,
            into: pixels.data,
            dst_pitch: header.pitch as usize,
            pixel_bytes: image.layout.format.bytes_per_pixel() as usize,
            size: Size::new(header.frame.width, header.rows),
        };
        let bytes = self.fill(&transfer, pixels.pointer, index)?;
        if shared.session().epoch != self.epoch {
            return Err(PublishError::SessionLost);
        }
        Ok(Published {
            serial: header.serial,
            recipients,
            rows: header.rows,
            bytes,
        })
    }

    /// Describes the image on the wire, and takes over what it owes to the clients.
    fn describe(
        &mut self,
        shared: &Shared,
        image: &Image<'_>,
    ) -> Result<FrameHeader, PublishError> {
        self.sync(&shared.session());
        let division = &shared.blocks.division;
        let block_bytes = shared.blocks.frames.first().map_or(0, |block| block.size);
        let header = match header_of(image, shared.version, division, block_bytes) {
            Ok(header) => header,
            Err(error) => {
                self.owed = Damage::FULL;
                return Err(error);
            }
        };
        let format = Format::of(&header);
        if self.format != Some(format) {
            if self.format.is_some() {
                self.format_version = self.format_version.wrapping_add(1);
            }
            self.format = Some(format);
            self.owed = Damage::FULL;
            self.missing = [Damage::FULL; FRAME_BLOCKS];
        }
        self.owed.merge(image.damage);
        self.owed.clamp(image.layout.frame);
        self.owed_flags |= image.flags & FrameFlags::REQUEST_ACTIVATION;
        shared.set_desktop(image.layout.desktop());
        Ok(header)
    }

    /// Writes the header and posts the block; the pixels follow. Returns how many subscribers get it.
    fn post(
        &mut self,
        shared: &Shared,
        header: &mut FrameHeader,
        told: Option<&[FrameRect]>,
        block: Block,
        pixels: &FrameBlock<'_>,
        pace: &Pace,
    ) -> Result<u32, PublishError> {
        let session = shared.session();
        self.sync(&session);
        // Before the post: whoever subscribes after this is served once more, which does no harm.
        let fresh = session.frames.take_new_subscribers();
        self.new_subscribers = self.new_subscribers.saturating_add(fresh);
        header.serial = self.serial;
        header.format_version = self.format_version;
        let frame = Size::new(header.frame.width, header.frame.height);
        header.damage = match told {
            Some(rects) if !self.owed.is_full() => translate::raw_damage_list(rects),
            _ => translate::damage_list(&self.owed, frame),
        };
        header.flags |= self.owed_flags;
        pixels.pointer.reset();
        let mut buffer = [0; MAX_FRAME_HEADER_BYTES];
        let bytes = header.encode(shared.version, &mut buffer);
        pixels.block.copy_from(0, bytes)?;
        store_fence();
        let posted = session.frames.post(0, block, millis(pace.clock.now()));
        let posted = posted.map_err(PublishError::from).inspect_err(|error| {
            // A full queue only delays; after anything else nobody can be sure what clients saw (H16).
            if *error != PublishError::Busy {
                self.owed = Damage::FULL;
            }
        })?;
        self.serial = self.serial.wrapping_add(1);
        for missing in &mut self.missing {
            missing.merge(&self.owed);
        }
        self.owed = Damage::NONE;
        self.owed_flags = FrameFlags::empty();
        self.is_asking = header.flags.contains(FrameFlags::REQUEST_ACTIVATION);
        self.new_subscribers = 0;
        Ok(posted.recipients)
    }

    /// Copies what the block missed.
    fn fill(
        &mut self,
        transfer: &Transfer<'_>,
        pointer: WritePointer<'_>,
        index: usize,
    ) -> Result<usize, PublishError> {
        // The frame that was the last one is complete and stays the one to send again until this one is.
        self.next = (index + 1) % FRAME_BLOCKS;
        let Some(missing) = self.missing.get_mut(index) else {
            return Ok(0);
        };
        let mut missed = std::mem::replace(missing, Damage::FULL);
        missed.clamp(transfer.size);
        let bytes = transfer.run(&missed, pointer).inspect_err(|_| {
            self.last = None;
            self.owed = Damage::FULL;
        })?;
        *missing = Damage::NONE;
        self.last = Some(index);
        Ok(bytes)
    }

    /// Posts the last frame again if somebody has subscribed since; tells whether it did.
    pub(super) fn serve(&mut self, shared: &Shared, pace: &Pace) -> Result<bool, PublishError> {
        let session = shared.session();
        self.sync(&session);
        let fresh = session.frames.take_new_subscribers();
        self.new_subscribers = self.new_subscribers.saturating_add(fresh);
        let block = self.last.and_then(|last| shared.blocks.frames.get(last));
        let (Some(&block), true) = (block, self.new_subscribers > 0) else {
            return Ok(false);
        };
        if session.frames.pending() >= FRAME_QUEUE.length {
            return Err(PublishError::Busy);
        }
        if self.is_asking {
            self.stop_asking(shared, block)?;
        }
        session
            .frames
            .post(0, block, millis(pace.clock.now()))
            .map_err(PublishError::from)?;
        self.new_subscribers = 0;
        Ok(true)
    }

    /// Takes the one-shot request for activation out of a frame that is sent again.
    fn stop_asking(&mut self, shared: &Shared, block: Block) -> Result<(), AccessError> {
        let offset = match shared.version {
            Version::V16 => return Ok(()),
            Version::V19 => std::mem::offset_of!(wire::Frame19, flags),
            Version::V20 => std::mem::offset_of!(wire::Frame20, flags),
        };
        let word = shared
            .memory
            .as_slice()
            .atomic_u32(block.offset as usize + offset)?;
        // Relaxed: one word that means the same to every reader but for this bit.
        word.fetch_and(!FrameFlags::REQUEST_ACTIVATION.bits(), Ordering::Relaxed);
        self.is_asking = false;
        Ok(())
    }
}

/// The parts of a frame block.
#[derive(Clone, Copy)]
struct FrameBlock<'a> {
    block: SharedSlice<'a>,
    pointer: WritePointer<'a>,
    data: SharedSlice<'a>,
}

impl<'a> FrameBlock<'a> {
    fn new(shared: &'a Shared, block: Block) -> Result<Self, AccessError> {
        let size = block.size as usize;
        let pointer_at = shared.blocks.division.fb_offset as usize;
        let data_at = shared.blocks.division.alignment as usize;
        let block = shared
            .memory
            .as_slice()
            .subslice(block.offset as usize, size)?;
        Ok(Self {
            block,
            pointer: WritePointer::new(block.atomic_u32(pointer_at)?),
            data: block.subslice(data_at, size.saturating_sub(data_at))?,
        })
    }
}
