//! `bench`: measures, paints and watches. Started by `cargo xtask bench`.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use bench::audio::command::{self as audio, AudioOptions};
use bench::input::{self, InputOptions};
use bench::relay_bench::{self, RelayOptions};
use bench::zero_copy;
use clap::Parser;
use clock::Nanos;
use picture::Size;
use testkit::allocations::Counting;
use testkit::paint::{PaintOptions, Painter};
use testkit::watch::Watcher;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Measures the relay, or any other by painting on one X screen and watching another.
#[derive(Parser)]
enum Task {
    /// Measures the relay and the programs.
    Relay(RelayOptions),
    /// Measures keyboard, pointer and clipboard.
    Input(InputOptions),
    /// Simulates days of sound.
    Audio(AudioOptions),
    /// Paints stamped pictures on an X screen.
    Paint {
        /// The X server.
        #[arg(long)]
        display: String,
        /// Size of the window in the upper left corner.
        #[arg(long, value_parser = parse_size)]
        size: Size,
        /// Pictures a second.
        #[arg(long, default_value_t = 60)]
        rate: u32,
        /// Percent of the pixels that change from picture to picture.
        #[arg(long, default_value_t = 100)]
        damage_share: u32,
        /// Ends after this time instead of never.
        #[arg(long)]
        seconds: Option<f64>,
    },
    /// Watches an X screen for stamped pictures, and says how many came and how old they were.
    Watch {
        /// The X server.
        #[arg(long)]
        display: String,
        /// How long.
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// Column and row of the picture's upper left corner.
        #[arg(long, value_parser = parse_size, default_value = "0x0")]
        origin: Size,
    },
    /// Serves SPICE without a machine; for the benchmarks themselves.
    #[command(hide = true)]
    StandIn {
        /// The socket.
        socket: PathBuf,
    },
    /// Takes frames over in a guest by each way; for the benchmarks themselves.
    #[command(hide = true)]
    ZeroCopyInside {
        /// The device of the kernel module.
        device: PathBuf,
    },
    /// Publishes frames as told; for the benchmarks themselves.
    #[command(hide = true)]
    Publish {
        /// The shared memory.
        memory: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Relay(options) => relay_bench::run(&options),
        Task::Input(options) => input::run(&options),
        Task::Audio(options) => audio::run_all(&options),
        Task::StandIn { socket } => bench::stand_in::run(&socket),
        Task::Paint {
            display,
            size,
            rate,
            damage_share,
            seconds,
        } => {
            let options = PaintOptions {
                display,
                size,
                rate,
                damage_share,
            };
            let limit = seconds.map(Nanos::from_secs_f64);
            let painted = Painter::open(&options)?.run(limit, &AtomicBool::new(false))?;
            println!(
                "{} painted, {} left out",
                painted.pictures, painted.left_out
            );
            Ok(())
        }
        Task::Watch {
            display,
            seconds,
            origin,
        } => {
            let mut watcher = Watcher::open(&display, (origin.width, origin.height))?;
            let seen = watcher.watch(Nanos::from_secs_f64(seconds), &AtomicBool::new(false))?;
            let ms = |percent| {
                let time = seen.latency.percentile(percent);
                time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
            };
            println!(
                "{} pictures, {:.1} a second, {} out of order; latency p50 {:.1} ms, p99 {:.1} ms",
                seen.pictures,
                seen.rate(),
                seen.out_of_order,
                ms(50.0),
                ms(99.0)
            );
            Ok(())
        }
        Task::ZeroCopyInside { device } => zero_copy::inside::run(&device),
        Task::Publish { memory } => bench::publisher::run(&memory),
    }
}

/// Two numbers with an `x` between them.
fn parse_size(text: &str) -> Result<Size, String> {
    let parse = || {
        let (width, height) = text.split_once('x')?;
        Some(Size::new(width.parse().ok()?, height.parse().ok()?))
    };
    parse().ok_or_else(|| format!("{text} is not of the form 1920x1080"))
}
