//! What resampling costs: CPU time of this thread for each second of sound.
//!
//! `cargo run -p audio --release --example resampler [seconds]`

use audio::{Format, Input, Lane as _, Phase, Resampler, SampleLane};
use clock::Nanos;

/// Frames of a packet: 10 ms, as SPICE sends them.
const PACKET: usize = 480;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: f64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 60.0,
    };
    let packets = (seconds * 100.0) as usize;
    for channels in [1, 2, 6, 8] {
        let format = Format::new(channels, 48_000)?;
        let mut resampler = Resampler::new(format, PACKET)?;
        let input = vec![0.25; PACKET * format.channels()];
        let mut made = 0;
        let cost = cpu(|| {
            for packet in 0..packets {
                made += resampler.process(&input, ratio(packet), &mut |_| {});
            }
        })?;
        let share = 100.0 * cost / seconds;
        println!("resampler, {channels} channels: {share:.3} % of a core, {made} frames made");
    }
    let (mut lane, mut pull) = SampleLane::new(Format::new(2, 48_000)?, 48_000)?;
    lane.set_phase(Phase::Run);
    let (bytes, mut out) = ([0; PACKET * 4], [0.0; PACKET * 2]);
    let cost = cpu(|| {
        for packet in 0..packets {
            lane.write(Input::sampled(&bytes, 2), ratio(packet));
            pull.pull(&mut out, Nanos(0));
        }
    })?;
    let share = 100.0 * cost / seconds;
    println!("bytes to callback, 2 channels: {share:.3} % of a core");
    Ok(())
}

/// A ratio that moves all the time.
fn ratio(packet: usize) -> f64 {
    1.0 + 0.005 * (packet as f64 / 300.0).sin()
}

/// Seconds of CPU time that `work` takes on this thread.
fn cpu(work: impl FnOnce()) -> std::io::Result<f64> {
    let start = on_cpu()?;
    work();
    Ok(on_cpu()? - start)
}

/// Seconds that this thread has been on a CPU.
fn on_cpu() -> std::io::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = text.split_whitespace().next().unwrap_or_default();
    ns.parse()
        .map(|ns: f64| ns / 1e9)
        .map_err(std::io::Error::other)
}
