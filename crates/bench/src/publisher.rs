//! The other process: publishes frames when told to, with the time of the post in their first bytes.
//!
//! It is this program again, with the command `publish`. It reads orders from its standard input, one a line, and
//! answers each with one line when it is done.

use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clock::{Clock as _, MonotonicClock, Nanos};
use ivshmem::{SharedMemory, Source};
use kvmfr::{SessionDescription, Version};
use picture::{Damage, FrameLayout, FrameRect, PixelFormat, Size};
use relay::publisher::{FrameFlags, Image, Pixels, Publisher, PublisherOptions, Service};

use crate::machine::thread_cpu;
use crate::random::Random;

/// Bytes of a frame that hold the time of the post.
pub const TIME_BYTES: usize = size_of::<i64>();

/// The first frames of an order do not count: the reader finds the rhythm meanwhile, and the pages come into being.
pub const WARM_UP: u32 = 20;

/// How often the session's heartbeat and mailbox are looked after, as the host does.
const TICK: Duration = Duration::from_millis(10);

/// A number of frames to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Size of the picture, BGRA.
    pub size: Size,
    /// Percent of it that changes from frame to frame.
    pub share: u32,
    /// Frames a second.
    pub rate: u32,
    /// Microseconds by which a frame may be late; the next one is not.
    pub jitter_us: u32,
    /// Frames.
    pub count: u32,
    /// Seed of the lateness.
    pub seed: u64,
}

impl Order {
    fn line(&self) -> String {
        let Size { width, height } = self.size;
        let Self {
            share,
            rate,
            jitter_us,
            count,
            seed,
            ..
        } = self;
        format!("{width} {height} {share} {rate} {jitter_us} {count} {seed}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let mut small = || u32::try_from(next()?).ok();
        Some(Self {
            size: Size::new(small()?, small()?),
            share: small()?,
            rate: small()?.max(1),
            jitter_us: small()?,
            count: small()?,
            seed: next()?,
        })
    }

    /// What changes: everything, or a part of the picture's shape from the upper left corner on.
    #[must_use]
    pub fn damage(&self) -> Damage {
        if self.share >= 100 {
            return Damage::FULL;
        }
        let side = (f64::from(self.share) / 100.0).sqrt();
        let part = |len: u32| ((f64::from(len) * side).round() as u32).clamp(2, len.max(2));
        let mut damage = Damage::NONE;
        damage.add(FrameRect::new(
            0,
            0,
            part(self.size.width),
            part(self.size.height),
        ));
        damage
    }
}

/// What the publisher answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Processor time of the publishing thread for each frame after the first [`WARM_UP`] ones.
    pub cpu_per_frame: Nanos,
    /// Frames that were published.
    pub published: u32,
    /// Frames that were not, because the readers were busy.
    pub refused: u32,
}

impl Answer {
    fn line(&self) -> String {
        format!(
            "{} {} {}\n",
            self.cpu_per_frame.0, self.published, self.refused
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(Self {
            cpu_per_frame: Nanos(words.next()?.parse().ok()?),
            published: words.next()?.parse().ok()?,
            refused: words.next()?.parse().ok()?,
        })
    }
}

/// The publishing process, as its starter sees it; killed when dropped.
pub struct PublisherProcess {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PublisherProcess {
    /// Starts it on a memory.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(memory: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("publish")
            .arg(memory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the publisher")?;
        let orders = child.stdin.take().context("the publisher's input")?;
        let answers = child.stdout.take().context("the publisher's output")?;
        let mut process = Self {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        process.answer().context("the publisher did not come up")?;
        Ok(process)
    }

    /// Makes it publish, and waits until it has; meant for a thread of its own while another reads.
    ///
    /// # Errors
    /// If it has died.
    pub fn publish(&mut self, order: &Order) -> anyhow::Result<Answer> {
        self.orders.write_all(order.line().as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Answer::parse(&line).with_context(|| format!("the publisher said {line:?}"))
    }
}

impl Drop for PublisherProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The publishing process itself: works off its standard input until that ends.
///
/// # Errors
/// If the memory cannot be used, or an order not be understood.
pub fn run(memory: &Path) -> anyhow::Result<()> {
    // The kernel would otherwise round each wait up by 50 us.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let memory = Arc::new(SharedMemory::open(&Source::File(memory.to_owned()))?);
    let options = PublisherOptions {
        version: Version::V20,
        description: SessionDescription {
            host_version: "bench".into(),
            ..SessionDescription::default()
        },
    };
    let mut publisher = Publisher::new(memory, options)?;
    let is_over = AtomicBool::new(false);
    let service = publisher.service();
    std::thread::scope(|scope| {
        scope.spawn(|| tick(service, &is_over));
        let result = work_off_orders(&mut publisher);
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

fn tick(mut service: Service, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        if let Err(error) = service.tick(MonotonicClock.now(), |_| {}) {
            eprintln!("the session: {error}");
        }
        std::thread::sleep(TICK);
    }
}

fn work_off_orders(publisher: &mut Publisher) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut pixels = Vec::new();
    let mut answer = Answer::default();
    let mut lines = std::io::stdin().lock().lines();
    loop {
        out.write_all(answer.line().as_bytes())?;
        out.flush()?;
        let Some(line) = lines.next() else {
            return Ok(());
        };
        let line = line?;
        let Some(order) = Order::parse(&line) else {
            bail!("not an order: {line:?}");
        };
        answer = publish(publisher, &order, &mut pixels)?;
    }
}

fn publish(
    publisher: &mut Publisher,
    order: &Order,
    pixels: &mut Vec<u8>,
) -> anyhow::Result<Answer> {
    let layout = FrameLayout::packed(PixelFormat::Bgra8, order.size);
    let bytes = usize::try_from(layout.data_bytes())?;
    if pixels.len() != bytes {
        // Written, so that the pages are there.
        pixels.clear();
        pixels.extend((0..bytes).map(|i| i as u8));
    }
    let damage = order.damage();
    let mut random = Random::new(order.seed);
    let mut answer = Answer::default();
    let (mut counted, mut frames) = (Nanos::ZERO, 0);
    let start = MonotonicClock.now();
    for frame in 1..=i64::from(order.count) {
        let late = random.below(u64::from(order.jitter_us) * 1_000 + 1);
        let on_time = Nanos(frame * 1_000_000_000 / i64::from(order.rate));
        let due = start + on_time + Nanos(i64::try_from(late)?);
        std::thread::sleep((due - MonotonicClock.now()).to_duration());
        let cpu = thread_cpu();
        let now = MonotonicClock.now();
        if let Some(place) = pixels.get_mut(..TIME_BYTES) {
            place.copy_from_slice(&now.0.to_le_bytes());
        }
        let image = Image {
            layout,
            pixels: Pixels::Private(pixels),
            damage: &damage,
            flags: FrameFlags::empty(),
        };
        match publisher.publish(&image) {
            Ok(_) => answer.published += 1,
            Err(error) => {
                answer.refused += 1;
                eprintln!("not published: {error}");
            }
        }
        if frame > i64::from(WARM_UP) {
            counted = counted + (thread_cpu() - cpu);
            frames += 1;
        }
    }
    answer.cpu_per_frame = Nanos(counted.0 / frames.max(1));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Order = Order {
        size: Size::new(3840, 2160),
        share: 10,
        rate: 60,
        jitter_us: 1_000,
        count: 300,
        seed: u64::MAX,
    };

    #[test]
    fn an_order_survives_the_pipe() {
        assert_eq!(Order::parse(&ORDER.line()), Some(ORDER));
        assert_eq!(Order::parse("1 2 3"), None);
        assert_eq!(Order::parse("1 2 3 4 5 6 -7"), None);
    }

    #[test]
    fn an_answer_survives_the_pipe() {
        let answer = Answer {
            cpu_per_frame: Nanos(5),
            published: 6,
            refused: 7,
        };
        assert_eq!(Answer::parse(&answer.line()), Some(answer));
    }

    #[test]
    fn damage_has_the_share_that_was_ordered() {
        for share in [1, 10, 50] {
            let order = Order { share, ..ORDER };
            let seen = order.damage().area_in(ORDER.size) as f64 * 100.0;
            let seen = seen / ORDER.size.area() as f64;
            assert!((seen - f64::from(share)).abs() < 0.1, "{share}: {seen}");
        }
        let full = Order {
            share: 100,
            ..ORDER
        };
        assert!(full.damage().is_full());
    }
}
