//! How the relay's cost grows with the changed share, the resolution and the number of readers.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use picture::Size;
use testkit::programs::SharedFile;

use crate::copy::ms;
use crate::follower::{Follower, TAIL, join};
use crate::machine::thread_cpu;
use crate::publisher::{Answer, Order, PublisherProcess, WARM_UP};
use crate::report::{Report, Sample};
use crate::spread::Spread;

const FULL_HD: Size = Size::new(1920, 1080);
const UHD: Size = Size::new(3840, 2160);
const FRAMES: u32 = 60;

/// One combination of what grows.
struct Case {
    name: String,
    size: Size,
    share: u32,
    readers: usize,
}

/// Measures each combination once.
///
/// # Errors
/// If publisher or a reader fail.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    for share in [1, 10, 50, 100] {
        let name = format!("4K, {share} % changed, 1 reader");
        measure(report, &case(name, UHD, share, 1))?;
    }
    let sizes = [
        ("1080p", FULL_HD),
        ("1440p", Size::new(2560, 1440)),
        ("5K", Size::new(5120, 2880)),
        ("8K", Size::new(7680, 4320)),
    ];
    for (name, size) in sizes {
        measure(
            report,
            &case(format!("{name}, 100 %, 1 reader"), size, 100, 1),
        )?;
    }
    for readers in [2, 4, 8] {
        let name = format!("1080p, 100 %, {readers} readers");
        measure(report, &case(name, FULL_HD, 100, readers))?;
    }
    Ok(())
}

const fn case(name: String, size: Size, share: u32, readers: usize) -> Case {
    Case {
        name,
        size,
        share,
        readers,
    }
}

/// What one reader saw: milliseconds from post to last byte of each frame, and processor time for each.
struct Read {
    delays: Vec<f64>,
    cpu_ms: f64,
}

fn measure(report: &mut Report, case: &Case) -> anyhow::Result<()> {
    // Two frames and their surroundings.
    let mib = (case.size.area() * 4 * 2 + (32 << 20)) >> 20;
    let file = SharedFile::create(mib.next_power_of_two())?;
    let mut publisher = PublisherProcess::start(file.path())?;
    let order = Order {
        size: case.size,
        share: case.share,
        rate: if case.size.area() > UHD.area() {
            10
        } else {
            20
        },
        jitter_us: 0,
        count: FRAMES + WARM_UP,
        seed: 0,
    };
    let mut followers = Vec::new();
    for _ in 0..case.readers {
        followers.push(Follower::open(file.path())?);
    }
    let (answer, reads) = read_all(&mut publisher, followers, &order)?;
    let delays: Vec<f64> = reads
        .iter()
        .flat_map(|read| &read.delays)
        .copied()
        .collect();
    let delay = Spread::of(&delays).map_or(f64::NAN, |spread| spread.median);
    let cpus: Vec<f64> = reads.iter().map(|read| read.cpu_ms).collect();
    let reader_cpu = Spread::of(&cpus).map_or(f64::NAN, |spread| spread.median);
    for (what, value) in [
        ("post to last byte", delay),
        ("publisher's CPU", ms(answer.cpu_per_frame)),
        ("a reader's CPU", reader_cpu),
    ] {
        report.add(Sample::new(
            "growth",
            format!("{}: {what}", case.name),
            "ms",
            value,
        ));
    }
    if answer.refused > 0 {
        report.note(format!("{}: {} frames refused", case.name, answer.refused));
    }
    Ok(())
}

/// Has an order read by several readers, each with a thread and a mapping of its own.
fn read_all(
    publisher: &mut PublisherProcess,
    followers: Vec<Follower>,
    order: &Order,
) -> anyhow::Result<(Answer, Vec<Read>)> {
    let is_over = AtomicBool::new(false);
    let is_ready = Barrier::new(followers.len() + 1);
    let wakers: Vec<_> = followers.iter().map(Follower::waker).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = followers
            .into_iter()
            .map(|follower| scope.spawn(|| read(follower, &is_ready, &is_over)))
            .collect();
        is_ready.wait();
        let answer = publisher.publish(order);
        std::thread::sleep(TAIL);
        is_over.store(true, Ordering::Release);
        wakers.iter().for_each(relay::Waker::wake);
        let mut reads = Vec::new();
        for thread in threads {
            reads.push(join(thread.join())??);
        }
        Ok((answer?, reads))
    })
}

fn read(mut follower: Follower, is_ready: &Barrier, is_over: &AtomicBool) -> anyhow::Result<Read> {
    let connected = follower.connect();
    // The others wait for this one, whatever became of it.
    is_ready.wait();
    connected?;
    let mut delays = Vec::new();
    let mut warm = None;
    follower.follow(is_over, |taken, _, _| {
        delays.push(ms(taken.done - taken.posted));
        if delays.len() == WARM_UP as usize {
            warm = Some(thread_cpu());
        }
    })?;
    let frames = delays.len().saturating_sub(WARM_UP as usize).max(1);
    let cpu = warm.map_or(f64::NAN, |warm| ms(thread_cpu() - warm));
    delays.drain(..(WARM_UP as usize).min(delays.len()));
    Ok(Read {
        delays,
        cpu_ms: cpu / frames as f64,
    })
}
