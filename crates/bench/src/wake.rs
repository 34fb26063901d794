//! How soon a waiting reader holds a new message, and what the waiting costs.

use std::sync::atomic::{AtomicBool, Ordering};

use clock::{Clock as _, MonotonicClock, Nanos, Percentiles};
use ivshmem::PixelStream as _;
use picture::Size;
use relay::Event;
use testkit::programs::SharedFile;

use crate::copy::ms;
use crate::follower::{Follower, join};
use crate::machine::thread_cpu;
use crate::publisher::{Order, PublisherProcess};
use crate::random::Random;
use crate::report::{Report, Sample};

/// Frames so small that copying them does not count.
const SIZE: Size = Size::new(64, 16);
const MEMORY_MIB: u64 = 16;
const RATES: [u32; 3] = [60, 144, 240];
/// A post is up to this late; the next one is not.
const JITTER_US: u32 = 1_000;
/// The reader has to find the rhythm.
const WARM_UP_MS: i64 = 1_000;
const MEASURED_SECONDS: u32 = 6;
/// After this long nothing counts as being posted any more.
const SILENCE: Nanos = Nanos::from_millis(1_000);
const IDLE: Nanos = Nanos::from_millis(3_000);
/// Frames after a silence in one run.
const FIRST_FRAMES: u32 = 3;

/// Measures waiting once: at each rate, idle, and out of idleness.
///
/// # Errors
/// If publisher or reader fail.
pub fn run(report: &mut Report, seed: u64) -> anyhow::Result<()> {
    let file = SharedFile::create(MEMORY_MIB)?;
    let mut publisher = PublisherProcess::start(file.path())?;
    let mut follower = Follower::open(file.path())?;
    follower.connect()?;
    for rate in RATES {
        steady(report, &mut publisher, &mut follower, rate, seed)?;
    }
    silence(report, &mut publisher, &mut follower, seed)
}

fn order(rate: u32, count: u32, seed: u64) -> Order {
    Order {
        size: SIZE,
        share: 100,
        rate,
        jitter_us: JITTER_US,
        count,
        seed,
    }
}

fn us(time: Option<Nanos>) -> f64 {
    time.map_or(f64::NAN, |time| time.0 as f64 / 1e3)
}

fn percent(cpu: Nanos, wall: Nanos) -> f64 {
    cpu.as_secs_f64() / wall.as_secs_f64() * 100.0
}

fn steady(
    report: &mut Report,
    publisher: &mut PublisherProcess,
    follower: &mut Follower,
    rate: u32,
    seed: u64,
) -> anyhow::Result<()> {
    let count = rate * (MEASURED_SECONDS + 1);
    let mut delays = Percentiles::new();
    let begin = MonotonicClock.now() + Nanos::from_millis(WARM_UP_MS);
    let (mut first, mut last) = (None, (Nanos::ZERO, Nanos::ZERO));
    let mut seen = 0;
    let answer = follower.follow_order(publisher, &order(rate, count, seed), |taken, _, _| {
        seen += 1;
        if taken.held < begin {
            return;
        }
        delays.add(taken.held - taken.posted);
        last = (thread_cpu(), MonotonicClock.now());
        first.get_or_insert(last);
    })?;
    let first = first.unwrap_or_default();
    let cpu = percent(last.0 - first.0, last.1 - first.1);
    let name = |what: &str| format!("{rate} Hz {what}");
    report.add(Sample::new("wake", name("p50"), "us", us(delays.median())).at_most(60.0));
    let p99 = us(delays.percentile(99.0));
    report.add(Sample::new("wake", name("p99"), "us", p99).at_most(400.0));
    let waiting = Sample::new("wake", name("waiting CPU"), "%", cpu);
    report.add(if rate == 60 {
        waiting.at_most(2.0)
    } else {
        waiting
    });
    let lost = f64::from(answer.published) - f64::from(seen);
    report.add(Sample::new("wake", name("frames not seen"), "", lost));
    Ok(())
}

/// Nothing is posted for a while; then one frame, seen by itself or after the user did something.
fn silence(
    report: &mut Report,
    publisher: &mut PublisherProcess,
    follower: &mut Follower,
    seed: u64,
) -> anyhow::Result<()> {
    let until = MonotonicClock.now() + SILENCE;
    wait(follower, until)?;
    let start = (thread_cpu(), MonotonicClock.now());
    wait(follower, start.1 + IDLE)?;
    let end = (thread_cpu(), MonotonicClock.now());
    let cpu = percent(end.0 - start.0, end.1 - start.1);
    report.add(Sample::new("wake", "idle CPU", "%", cpu).at_most(0.3));

    let mut random = Random::new(seed);
    let mut by_itself = Percentiles::new();
    for _ in 0..FIRST_FRAMES {
        let odd = Nanos(i64::try_from(random.below(20_000_000))?);
        wait(follower, MonotonicClock.now() + SILENCE + odd)?;
        // The rate is that of the one post: a millisecond from now.
        follower.follow_order(publisher, &order(1_000, 1, seed), |taken, _, _| {
            by_itself.add(taken.held - taken.posted);
        })?;
    }
    let worst = by_itself.max().map_or(f64::NAN, ms);
    report.add(Sample::new("wake", "first frame after silence, worst", "ms", worst).at_most(10.0));

    let mut rung = Percentiles::new();
    for _ in 0..FIRST_FRAMES {
        let odd = Nanos(i64::try_from(random.below(20_000_000))?);
        wait(follower, MonotonicClock.now() + SILENCE + odd)?;
        if let Some(delay) = ring(publisher, follower, seed)? {
            rung.add(delay);
        }
    }
    let median = us(rung.median());
    report.add(Sample::new(
        "wake",
        "frame after a ring of the waker",
        "us",
        median,
    ));
    Ok(())
}

/// Reads on while nothing is expected.
fn wait(follower: &mut Follower, until: Nanos) -> anyhow::Result<()> {
    let (reader, waker) = follower.parts();
    loop {
        match reader.next(waker, Some(until)) {
            Event::Deadline => return Ok(()),
            Event::Missing(link) => anyhow::bail!("the session ended: {link}"),
            _ => {}
        }
    }
}

/// Has one frame posted and rings right after it; returns the time from the ring to the frame.
///
/// `None` if the reader had found the frame before.
fn ring(
    publisher: &mut PublisherProcess,
    follower: &mut Follower,
    seed: u64,
) -> anyhow::Result<Option<Nanos>> {
    let has_frame = AtomicBool::new(false);
    let (reader, waker) = follower.parts();
    std::thread::scope(|scope| {
        let ringer = scope.spawn(|| -> anyhow::Result<Option<Nanos>> {
            publisher.publish(&order(1_000, 1, seed))?;
            if has_frame.load(Ordering::Acquire) {
                return Ok(None);
            }
            let rung = MonotonicClock.now();
            waker.wake();
            Ok(Some(rung))
        });
        let mut held = None;
        let mut end = MonotonicClock.now() + SILENCE;
        loop {
            match reader.next(waker, Some(end)) {
                Event::Frame(mut frame) => {
                    let now = MonotonicClock.now();
                    held = Some(now);
                    has_frame.store(true, Ordering::Release);
                    frame.wait_for(usize::MAX)?;
                    let _ = frame.finish();
                    end = now + Nanos::from_millis(20);
                }
                Event::Deadline => break,
                _ => {}
            }
        }
        let rung = join(ringer.join())??;
        Ok(held
            .zip(rung)
            .map(|(held, rung)| held - rung)
            .filter(|d| *d >= Nanos::ZERO))
    })
}
