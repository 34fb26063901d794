//! Measures how long a whole frame takes from the post until its last byte is in the reader's buffer.
//!
//! `cargo run --release -p relay --example hand_off [frames]`: a publisher and a follower on two threads; for each size the
//! median and the 95th percentile in microseconds, beside one copy of the same bytes from private memory into the
//! shared memory by the same routine.

use std::error::Error;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use clock::{Clock, MonotonicClock, Nanos, Percentiles};
use ivshmem::{Rows, SharedMemory, Stores};
use kvmfr::{FRAME_QUEUE, FrameHeader, SessionDescription, Version};
use lgmp::{Client, Subscription};
use picture::{Damage, FrameLayout, PixelFormat, Size};
use relay::publisher::{FrameFlags, Image, Pixels, PublishError, Publisher, PublisherOptions};

/// Frames of each size when not told otherwise.
const FRAMES: u32 = 300;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    println!("size          copy us   p50 us   p95 us   p50/copy");
    let frames = std::env::args().nth(1);
    let frames = frames.map_or(Ok(FRAMES), |text| text.parse())?;
    for (width, height) in [(1920, 1080), (2560, 1440), (3840, 2160)] {
        measure(Size::new(width, height), frames)?;
    }
    Ok(())
}

fn us(time: Option<Nanos>) -> f64 {
    time.map_or(f64::NAN, |t| t.0 as f64 / 1e3)
}

fn now_ms() -> u64 {
    MonotonicClock.now().as_millis().unsigned_abs()
}

fn measure(size: Size, count: u32) -> Outcome<()> {
    let layout = FrameLayout::packed(PixelFormat::Bgra8, size);
    let bytes = usize::try_from(layout.data_bytes())?;
    let memory = Arc::new(SharedMemory::create("hand-off", 128 << 20)?);
    let pictures = [vec![0x11_u8; bytes], vec![0xee_u8; bytes]];
    let one_copy = copy_time(&memory, &pictures, bytes, count)?;
    let options = PublisherOptions {
        version: Version::V20,
        description: SessionDescription::default(),
    };
    let mut publisher = Publisher::new(Arc::clone(&memory), options)?;
    let mut service = publisher.service();
    let mut client = Client::new(Arc::clone(&memory));
    let _ = client.start(now_ms());
    std::thread::sleep(std::time::Duration::from_millis(20));
    service.tick(MonotonicClock.now(), |_| {})?;
    client.start(now_ms())?;
    let frames = client.subscribe(FRAME_QUEUE.id, now_ms())?;

    let is_done = AtomicBool::new(false);
    let (told, arrived) = mpsc::channel();
    let mut times = Percentiles::default();
    std::thread::scope(|scope| -> Outcome<()> {
        let (memory, is_done) = (&*memory, &is_done);
        // The follower owns its end of the channel, so that its failure ends the wait for it.
        let follower = scope.spawn(move || {
            let result = follow(memory, frames, bytes, is_done, &told);
            result.map_err(|error| error.to_string())
        });
        for (picture, _) in pictures.iter().cycle().zip(0..count) {
            service.tick(MonotonicClock.now(), |_| {})?;
            let image = Image {
                layout,
                pixels: Pixels::Private(picture),
                damage: &Damage::FULL,
                flags: FrameFlags::empty(),
            };
            let start = MonotonicClock.now();
            match publisher.publish(&image) {
                Ok(_) => match arrived.recv() {
                    Ok(end) => times.add(end - start),
                    Err(_) => break,
                },
                Err(PublishError::Busy) => {}
                Err(error) => return Err(error.into()),
            }
        }
        is_done.store(true, Ordering::Relaxed);
        follower.join().map_err(|_| "the follower panicked")??;
        Ok(())
    })?;
    let copy = us(one_copy.median());
    let middle = us(times.median());
    println!(
        "{:4}x{:<6} {copy:9.0} {middle:8.0} {:8.0}   {:8.2}",
        size.width,
        size.height,
        us(times.percentile(95.0)),
        middle / copy
    );
    Ok(())
}

/// One copy into the end of the memory, where nothing of the session lies at these sizes.
fn copy_time(
    memory: &SharedMemory,
    pictures: &[Vec<u8>; 2],
    bytes: usize,
    count: u32,
) -> Outcome<Percentiles> {
    let mut times = Percentiles::default();
    let at = memory.len() - bytes;
    for (picture, _) in pictures.iter().cycle().zip(0..count) {
        let start = MonotonicClock.now();
        let rows = Rows::single(bytes);
        memory
            .as_slice()
            .write_rows(at, &rows, picture, Stores::Auto)?;
        times.add(MonotonicClock.now() - start);
    }
    Ok(times)
}

/// Copies each frame right behind its writer and tells when the last byte came.
fn follow(
    memory: &SharedMemory,
    mut frames: Subscription,
    bytes: usize,
    is_done: &AtomicBool,
    told: &mpsc::Sender<Nanos>,
) -> Outcome<()> {
    let mut buffer = vec![0; bytes];
    let window = memory.as_slice();
    while !is_done.load(Ordering::Relaxed) {
        let Some(message) = frames.peek(now_ms())? else {
            spin_loop();
            continue;
        };
        let header = FrameHeader::read(Version::V20, window, message.offset, message.size)?;
        let pointer_at = message.offset as usize + header.fb_offset as usize;
        let pointer = window.atomic_u32(pointer_at)?;
        let mut seen = 0;
        while seen < bytes {
            let available = (pointer.load(Ordering::Acquire) as usize).min(bytes);
            if let Some(new) = buffer.get_mut(seen..available)
                && !new.is_empty()
            {
                let rows = Rows::single(new.len());
                let stores = Stores::for_reading(bytes);
                window.read_rows_with(pointer_at + 4 + seen, &rows, new, stores)?;
                seen = available;
            }
            spin_loop();
        }
        told.send(MonotonicClock.now())?;
        frames.release(now_ms())?;
    }
    Ok(())
}
