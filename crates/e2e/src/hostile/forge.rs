//! A host that posts whatever a test wants: LGMP by our own library, every byte of the messages by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lgmp::{Block, Host, HostBuilder, HostQueue, QueueSpec, WireVersion};

use super::image::Image;
use super::{Pair, payload};

/// Distance of ticks, as in real hosts.
const TICK: Duration = Duration::from_millis(10);
/// Until when a message is taken by a client that lives, or its time is over.
const TAKEN: Duration = Duration::from_millis(1_000);
/// How long a subscriber may sit on a message: less than real hosts allow, so that bad messages cost less time.
const MAX_TIME_MS: u32 = 400;
/// A client that has just lost a subscription may miss a good frame, but not for longer.
const AGAIN: Duration = Duration::from_millis(2_500);

/// A live session whose messages are forged.
pub struct Forger {
    image: Image,
    host: Arc<Host>,
    frames: HostQueue,
    pointer: HostQueue,
    frame_blocks: [Block; 2],
    pointer_block: Block,
    start: Instant,
    serial: u32,
    ticker: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

/// What is posted instead of a block: any place, any size, any word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    /// The application's word.
    pub udata: u32,
    /// First byte of the payload, if not that of the block.
    pub offset: Option<u32>,
    /// Bytes of it, if not those of the block.
    pub size: Option<u32>,
}

impl Forger {
    /// Takes the memory over and keeps a session alive in it until dropped.
    ///
    /// # Errors
    /// If the memory is too small for it.
    pub fn start(image: &Image, description: &[u8]) -> anyhow::Result<Self> {
        let version = match image.pair {
            Pair::Seed => WireVersion::V4,
            Pair::B6 => WireVersion::V5,
            Pair::B7 => WireVersion::V6,
        };
        let start = Instant::now();
        let mut builder = HostBuilder::new(Arc::clone(image.memory()), version, description)?;
        let frames = builder.queue(QueueSpec {
            id: 2,
            length: 2,
            max_time_ms: MAX_TIME_MS,
        })?;
        let pointer = builder.queue(QueueSpec {
            id: 1,
            length: 20,
            max_time_ms: MAX_TIME_MS,
        })?;
        let pointer_block = builder.block(payload::POINTER_BLOCK, 4)?;
        let frame_block = |b: &mut HostBuilder| b.block(payload::FRAME_BLOCK, 4096);
        let frame_blocks = [frame_block(&mut builder)?, frame_block(&mut builder)?];
        let host = Arc::new(builder.publish(millis(start)).context("publishing")?);
        let is_over = Arc::new(AtomicBool::new(false));
        let (ticking, until) = (Arc::clone(&host), Arc::clone(&is_over));
        let ticker = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                // A header that the test itself has spoilt is none of the host's business here.
                let _ = ticking.tick(millis(start));
                std::thread::sleep(TICK);
            }
        });
        Ok(Self {
            image: image.clone(),
            host,
            frames,
            pointer,
            frame_blocks,
            pointer_block,
            start,
            serial: 0,
            ticker: Some(ticker),
            is_over,
        })
    }

    /// The number of the session.
    #[must_use]
    pub fn session_id(&self) -> u32 {
        self.host.session_id()
    }

    /// Waits until a client is subscribed to both queues; false if none is in time.
    #[must_use]
    pub fn has_client(&self, limit: Duration) -> bool {
        testkit::wait_until(limit, || {
            self.frames.has_subscribers() && self.pointer.has_subscribers()
        })
    }

    /// The serial for the next frame.
    pub fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Posts a frame with this header and write pointer, and waits until it is taken or its time is over.
    ///
    /// Returns whether somebody took it in time.
    pub fn post_frame(&mut self, header: &[u8], write_pointer: u32, slot: Slot) -> bool {
        let block = self.frame_blocks[self.serial as usize % 2];
        let at = block.offset as usize;
        self.image.put(at, header);
        self.image.put(
            at + payload::FB_OFFSET as usize,
            &write_pointer.to_le_bytes(),
        );
        self.post(&self.frames, block, slot)
    }

    /// Posts well-formed frames until one is taken; false if none is.
    pub fn post_good_frame(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < AGAIN {
            let serial = self.next_serial();
            let header = payload::FrameBytes::good(self.image.pair, serial);
            let written = payload::SIDE * payload::SIDE * 4;
            if self.post_frame(&header.bytes, written, Slot::default()) {
                return true;
            }
        }
        false
    }

    /// Posts a frame whose pixels come byte by byte, or forth and back, for longer than anybody waits for one.
    pub fn post_crawling_frame(&mut self, step: impl Fn(u32) -> u32) {
        let serial = self.next_serial();
        let header = payload::FrameBytes::good(self.image.pair, serial);
        let block = self.frame_blocks[serial as usize % 2];
        let at = block.offset as usize;
        self.image.put(at, &header.bytes);
        self.image.put(at + payload::FB_OFFSET as usize, &[0; 4]);
        let _ = self.frames.post(0, block, millis(self.start));
        for round in 0..60 {
            std::thread::sleep(Duration::from_millis(20));
            let written = step(round).to_le_bytes();
            self.image.put(at + payload::FB_OFFSET as usize, &written);
        }
    }

    /// Posts a pointer message with this header.
    pub fn post_pointer(&mut self, header: &[u8], slot: Slot) -> bool {
        self.image.put(self.pointer_block.offset as usize, header);
        self.post(&self.pointer, self.pointer_block, slot)
    }

    fn post(&self, queue: &HostQueue, block: Block, slot: Slot) -> bool {
        // A client that was evicted or fell out with the last message is back at once, if at all.
        if !self.has_client(TAKEN) {
            return false;
        }
        let forged = Block {
            offset: slot.offset.unwrap_or(block.offset),
            size: slot.size.unwrap_or(block.size),
        };
        let is_posted = queue.post(slot.udata, forged, millis(self.start));
        let is_gone = testkit::wait_until(TAKEN, || queue.pending() == 0);
        is_gone && is_posted.is_ok_and(|posted| posted.recipients > 0)
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
    }
}

/// The forger's clock, which starts late enough to differ from any heartbeat before.
fn millis(start: Instant) -> u64 {
    let passed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    // Differs from forger to forger, as the heartbeat of a restarted Windows host does.
    passed.saturating_add(u64::from(std::process::id()))
}
