//! Measures how soon a reader has a frame in its hands, and what the waiting costs.
//!
//! `cargo run --release -p relay --example wake [seconds]`: a second process posts frames at 60, 144 and 240 Hz, each up to
//! 1 ms late (uniform, not adding up), and writes the time of the post into the frame. Then it falls silent for a few
//! seconds, several times, and posts one frame after each silence.

use std::error::Error;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, MonotonicClock, Nanos, Percentiles};
use ivshmem::{PixelStream, SharedMemory, Source};
use kvmfr::{FRAME_QUEUE, FrameHeader, FrameType, POINTER_QUEUE, QueueShape, Size, Version};
use lgmp::{HostBuilder, QueueSpec, WireVersion};
use relay::{Event, Reader, ReaderOptions, Waker};

const MEMORY_BYTES: usize = 16 << 20;
const BLOCK_BYTES: u32 = 64 << 10;
const JITTER_NS: u64 = 1_000_000;
const SILENCE: Duration = Duration::from_secs(3);
const SILENCES: u32 = 8;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, path, hz, seconds] = arguments.as_slice()
        && role == "post"
    {
        return post(PathBuf::from(path), hz.parse()?, seconds.parse()?);
    }
    let seconds = arguments.get(1).map_or(Ok(10), |text| text.parse())?;
    for hz in [60, 144, 240] {
        measure(hz, seconds)?;
    }
    Ok(())
}

/// Processor time of this thread in nanoseconds.
fn cpu_ns() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().unwrap_or("0").parse()?)
}

fn us(time: Option<Nanos>) -> f64 {
    time.map_or(f64::NAN, |t| t.0 as f64 / 1e3)
}

/// What was seen while posts came, and after silences.
#[derive(Default)]
struct Seen {
    delays: Percentiles,
    after_silence: Percentiles,
    busy_cpu: (u64, i64),
    idle_cpu: (u64, i64),
}

fn measure(hz: u64, seconds: u64) -> Outcome<()> {
    let memory = Arc::new(SharedMemory::create("wake", MEMORY_BYTES)?);
    let path = format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        memory.as_fd().as_raw_fd()
    );
    let mut child = Command::new(std::env::current_exe()?)
        .args(["post", &path, &hz.to_string(), &seconds.to_string()])
        .spawn()?;
    let seen = watch(&memory, &mut child, seconds)?;
    child.wait()?;
    let share = |(cpu, wall): (u64, i64)| cpu as f64 / wall.max(1) as f64 * 100.0;
    println!(
        "{hz:>3} Hz: {} frames, p50 {:.1} us, p90 {:.1} us, p99 {:.1} us, max {:.0} us, {:.2} % of a core; \
         silent: {:.2} %, first frame after it p50 {:.1} ms, max {:.1} ms",
        seen.delays.count(),
        us(seen.delays.median()),
        us(seen.delays.percentile(90.0)),
        us(seen.delays.percentile(99.0)),
        us(seen.delays.max()),
        share(seen.busy_cpu),
        share(seen.idle_cpu),
        us(seen.after_silence.median()) / 1e3,
        us(seen.after_silence.max()) / 1e3,
    );
    Ok(())
}

fn watch(memory: &Arc<SharedMemory>, child: &mut Child, seconds: u64) -> Outcome<Seen> {
    let clock = MonotonicClock;
    let waker = Waker::new()?;
    let mut reader = Reader::new(Arc::clone(memory), ReaderOptions::default(), clock);
    let mut seen = Seen::default();
    let (mut first, mut last) = (None, clock.now());
    let mut started = (0, Nanos::ZERO);
    let mut idle: Option<(u64, Nanos)> = None;
    while child.try_wait()?.is_none() {
        let deadline = clock.now() + Nanos::from_millis(250);
        let event = reader.next(&waker, Some(deadline));
        let now = clock.now();
        let Event::Frame(mut frame) = event else {
            // A second after the last frame the idle time begins.
            if idle.is_none() && first.is_some() && now - last > Nanos::from_millis(1_000) {
                idle = Some((cpu_ns()?, now));
            }
            continue;
        };
        frame.wait_for(8)?;
        let posted = Nanos(frame.pixels().read::<i64>(0)?);
        frame.finish()?;
        let cpu = cpu_ns()?;
        if let Some((idle_cpu, since)) = idle.take() {
            seen.idle_cpu.0 += cpu - idle_cpu;
            seen.idle_cpu.1 += (now - since).0;
            seen.after_silence.add(now - posted);
        } else if first.is_none_or(|first| now - first < Nanos::from_millis(500)) {
            // Not counted: the rhythm has to be found first.
            first.get_or_insert(now);
            started = (cpu, now);
        } else if first.is_some_and(|f| now - f < Nanos::from(Duration::from_secs(seconds))) {
            seen.delays.add(now - posted);
            seen.busy_cpu = (cpu - started.0, (now - started.1).0);
        }
        last = now;
    }
    Ok(seen)
}

/// The host: one frame each period, then one after each silence.
fn post(path: PathBuf, hz: u64, seconds: u64) -> Outcome<()> {
    let clock = MonotonicClock;
    let memory = Arc::new(SharedMemory::open(&Source::File(path))?);
    let now_ms = || u64::try_from(clock.now().as_millis()).unwrap_or(0);
    let description = kvmfr::SessionDescription::default().encode(Version::V20);
    let mut builder = HostBuilder::new(Arc::clone(&memory), WireVersion::V6, &description)?;
    let spec = |shape: QueueShape| QueueSpec {
        id: shape.id,
        length: shape.length,
        max_time_ms: shape.max_time_ms,
    };
    let frames = builder.queue(spec(FRAME_QUEUE))?;
    let _pointer = builder.queue(spec(POINTER_QUEUE))?;
    let blocks = [
        builder.block(BLOCK_BYTES, 4096)?,
        builder.block(BLOCK_BYTES, 4096)?,
    ];
    let host = builder.publish(now_ms())?;
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut serial = 0;
    let mut post_at = |at: Nanos| -> Outcome<()> {
        loop {
            host.tick(now_ms())?;
            let left = (at - clock.now()).to_duration();
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
        let block = blocks[serial as usize % 2];
        let mut header = FrameHeader::whole(FrameType::Bgra, Size::new(64, 64), 256, 4092);
        header.serial = serial;
        serial += 1;
        let mut buffer = [0; kvmfr::MAX_FRAME_HEADER_BYTES];
        let shared = memory
            .as_slice()
            .subslice(block.offset as usize, block.size as usize)?;
        shared.copy_from(0, header.encode(Version::V20, &mut buffer))?;
        shared.write(4092, &(64_u32 * 256))?;
        shared.write(4096, &clock.now().0)?;
        // A full queue is a slow reader; the next frame comes anyway.
        let _ = frames.post(0, block, now_ms());
        Ok(())
    };
    let start = clock.now() + Nanos::from_millis(300);
    for frame in 0..i64::try_from(seconds * hz)? {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let late = i64::try_from(random % JITTER_NS)?;
        post_at(Nanos(
            start.0 + frame * 1_000_000_000 / i64::try_from(hz)? + late,
        ))?;
    }
    for round in 0..SILENCES {
        let odd = Duration::from_micros(u64::from(round) * 1_700);
        post_at(clock.now() + Nanos::from(SILENCE + odd))?;
    }
    Ok(())
}
