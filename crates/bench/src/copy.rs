//! The relay's own cost: from the post to the last byte in the reader's memory, against one plain `memcpy`.

use std::time::Duration;

use clock::{Clock as _, MonotonicClock, Nanos};
use picture::{FrameLayout, PixelFormat, Size};
use testkit::programs::SharedFile;

use crate::follower::{Follower, stores};
use crate::machine::thread_cpu;
use crate::plain;
use crate::publisher::{Order, PublisherProcess, WARM_UP};
use crate::report::{Report, Sample};
use crate::spread::Spread;

/// The resolutions, their rates, and how much memory they need.
///
/// The rates leave time for the plain copy between two posts and are not lower than what the reader predicts.
const CASES: [(&str, Size, u32, u64); 3] = [
    ("1080p", Size::new(1920, 1080), 60, 64),
    ("4K", Size::new(3840, 2160), 20, 128),
    ("8K", Size::new(7680, 4320), 10, 512),
];
/// Frames that are counted.
const FRAMES: u32 = 60;
/// What 4K may cost.
const LIMIT: f64 = 1.35;

/// Measures each resolution once.
///
/// # Errors
/// If publisher or reader fail.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    for (name, size, rate, mib) in CASES {
        let case = measure(size, rate, mib)?;
        let ratio = Sample::new("copy", format!("{name} ratio"), "", case.whole / case.plain);
        report.add(if name == "4K" {
            ratio.at_most(LIMIT)
        } else {
            ratio
        });
        let sample = |what: &str, ms: f64| Sample::new("copy", format!("{name} {what}"), "ms", ms);
        report.add(sample("post to last byte", case.whole));
        report.add(sample("message held to last byte", case.chase));
        report.add(sample("plain memcpy", case.plain));
        report.add(sample("publisher's CPU", case.publisher));
        let layout = FrameLayout::packed(PixelFormat::Bgra8, size);
        report.note(format!(
            "{name}: reader's stores {:?}, writer's {:?}",
            stores(&layout),
            ivshmem::Stores::for_writing(usize::try_from(layout.data_bytes())?),
        ));
    }
    Ok(())
}

/// Medians over the frames of one run, in milliseconds.
struct Case {
    whole: f64,
    chase: f64,
    plain: f64,
    publisher: f64,
}

fn measure(size: Size, rate: u32, mib: u64) -> anyhow::Result<Case> {
    let file = SharedFile::create(mib)?;
    let mut publisher = PublisherProcess::start(file.path())?;
    let mut follower = Follower::open(file.path())?;
    follower.connect()?;
    let order = Order {
        size,
        share: 100,
        rate,
        jitter_us: 0,
        count: WARM_UP + FRAMES,
        seed: 0,
    };
    // Filled, so that the pages are there, as the reader's own are after its first frame.
    let mut private = vec![1; usize::try_from(size.area() * 4)?];
    let (mut whole, mut chase, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    let mut free = Nanos::ZERO;
    let answer = follower.follow_order(&mut publisher, &order, |taken, pixels, _| {
        // A frame that was posted during the plain copy had to wait for this reader's own doing.
        if taken.posted < free {
            return;
        }
        whole.push(ms(taken.done - taken.posted));
        chase.push(ms(taken.done - taken.held));
        let start = (MonotonicClock.now(), thread_cpu());
        plain::copy(pixels, &mut private);
        let cpu = thread_cpu() - start.1;
        free = MonotonicClock.now();
        // On a busy machine another program may have had the core in between, which would flatter the relay.
        if (free - start.0).0 <= cpu.0 + cpu.0 / 10 {
            plain.push(ms(free - start.0));
        }
        std::hint::black_box(&private);
    })?;
    // The session ends before its memory does.
    drop(follower);
    drop(publisher);
    std::thread::sleep(Duration::from_millis(20));
    let middle = |times: &[f64]| {
        let counted = times.get(WARM_UP as usize / 2..).unwrap_or_default();
        Spread::of(counted).map_or(f64::NAN, |spread| spread.median)
    };
    Ok(Case {
        whole: middle(&whole),
        chase: middle(&chase),
        plain: middle(&plain),
        publisher: ms(answer.cpu_per_frame),
    })
}

/// A time in milliseconds.
pub(crate) fn ms(time: Nanos) -> f64 {
    time.as_secs_f64() * 1e3
}
