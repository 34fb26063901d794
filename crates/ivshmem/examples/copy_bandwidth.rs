//! Prints the bandwidth of the copy kernels by size, beside plain `memcpy`, as the best of several rounds.
//!
//! `cargo run --release -p ivshmem --example copy_bandwidth`
//!
//! All kinds of one size run in turns within the same rounds, so that their ratios hold on a noisy machine too. The
//! mapping's two halves take turns, as a host's two frame buffers do. The lines `read, use` add one pass over the
//! private copy after a read, as the renderer's.
//!
//! `memcpy` at 64 KiB was seen ten times slower for reads than for writes on one processor (Zen 3, glibc 2.36);
//! why was not looked into. The lines `chase` need two idle processors.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ivshmem::{AccessError, Rows, SharedMemory, SharedSlice, Stores};

/// Rounds per size, of which the best counts.
const ROUNDS: usize = 12;

/// What is compared; `None` is plain `memcpy`.
const KINDS: [Option<Stores>; 4] = [
    None,
    Some(Stores::Cached),
    Some(Stores::Streaming),
    Some(Stores::Auto),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const MIB: usize = 1 << 20;
    let largest = 3840 * 2160 * 4;
    let memory = SharedMemory::create("copy-bandwidth", 2 * 32 * MIB)?;
    let shared = memory.as_slice();
    shared.zero(0, shared.len())?;
    let source: Vec<u8> = (0..largest).map(|at| at as u8).collect();
    let mut private = vec![1_u8; largest];

    println!("GB/s (and ratio to memcpy); read: mapping to private, write: private to mapping");
    println!(
        "{:>24} {:>7} {:>14} {:>14} {:>14}",
        "", "memcpy", "cached", "streaming", "auto"
    );
    let sizes = [
        ("64 KiB", 64 << 10),
        ("1 MiB", MIB),
        ("1920x1080", 1920 * 1080 * 4),
        ("2560x1440", 2560 * 1440 * 4),
        ("16 MiB", 16 * MIB),
        ("3840x2160", largest),
    ];
    for (name, size) in sizes {
        let mut best = [[Duration::MAX; 4]; 3];
        for round in 0..ROUNDS {
            let base = round % 2 * 32 * MIB;
            for turn in 0..KINDS.len() {
                // Each kind follows each other one equally often: what lies in the cache is the predecessor's.
                let kind = (turn + round) % KINDS.len();
                let stores = KINDS[kind];
                let half = shared.subslice(base, size)?;
                let start = Instant::now();
                write(half, &source[..size], stores, |_| ())?;
                keep(&mut best[0][kind], start);
                let start = Instant::now();
                read(half, &mut private[..size], stores, |_| ())?;
                keep(&mut best[1][kind], start);
                black_box(private[..size].iter().fold(0_u8, |sum, &byte| sum ^ byte));
                keep(&mut best[2][kind], start);
            }
        }
        for (what, best) in ["write", "read", "read, use"].into_iter().zip(best) {
            print!("{name:>14} {what:>9}");
            for (kind, time) in best.into_iter().enumerate() {
                let rate = size as f64 / time.as_secs_f64() / 1e9;
                let ratio = best[0].as_secs_f64() / time.as_secs_f64();
                if kind == 0 {
                    print!(" {rate:>7.2}");
                } else {
                    print!(" {rate:>7.2} ({ratio:.2})");
                }
            }
            println!();
        }
        chase(shared, &source[..size], &mut private[..size])?;
    }
    Ok(())
}

/// Times a writer and a reader that follows it piece by piece on another processor.
fn chase(
    shared: SharedSlice<'_>,
    source: &[u8],
    private: &mut [u8],
) -> Result<(), Box<dyn std::error::Error>> {
    let (cached, streaming) = (Some(Stores::Cached), Some(Stores::Streaming));
    let pairs = [
        ("memcpy", None, None),
        ("cached, cached", cached, cached),
        ("cached, streaming", cached, streaming),
        ("streaming, cached", streaming, cached),
        ("streaming, streaming", streaming, streaming),
    ];
    let mut best = [Duration::MAX; 5];
    for round in 0..3 * ROUNDS {
        let half = shared.subslice(round % 2 * (32 << 20), source.len())?;
        for turn in 0..pairs.len() {
            let kind = (turn + round) % pairs.len();
            let (_, writer, reader) = pairs[kind];
            let start = Instant::now();
            let written = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                let written = &written;
                scope.spawn(move || {
                    write(half, source, writer, |bytes| {
                        written.store(bytes, Ordering::Release);
                    })
                });
                read(half, private, reader, |bytes| {
                    while written.load(Ordering::Acquire) < bytes {
                        std::hint::spin_loop();
                    }
                })
            })?;
            keep(&mut best[kind], start);
        }
    }
    for ((name, _, _), time) in pairs.iter().zip(best) {
        let rate = source.len() as f64 / time.as_secs_f64() / 1e9;
        println!("{:>17} chase {name:>24} {rate:>7.2}", "");
    }
    Ok(())
}

/// Copies in pieces of 1 MiB, as a publisher does; plain `memcpy` if no kind of stores is given.
fn write(
    into: SharedSlice<'_>,
    from: &[u8],
    stores: Option<Stores>,
    progress: impl Fn(usize),
) -> Result<(), AccessError> {
    for (index, piece) in from.chunks(1 << 20).enumerate() {
        let offset = index << 20;
        match stores {
            Some(stores) => {
                into.write_rows(
                    offset,
                    &Rows::single(piece.len()),
                    piece,
                    match stores {
                        Stores::Auto => Stores::for_writing(from.len()),
                        given => given,
                    },
                )?;
            }
            None => {
                let target = into.subslice(offset, piece.len())?.as_ptr();
                // SAFETY: the window is as long as the piece, and nobody else uses this memory.
                unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), target, piece.len()) };
            }
        }
        progress(offset + piece.len());
    }
    Ok(())
}

/// Copies in pieces of 1 MiB, as a reader chasing the writer does.
fn read(
    from: SharedSlice<'_>,
    into: &mut [u8],
    stores: Option<Stores>,
    progress: impl Fn(usize),
) -> Result<(), AccessError> {
    let total = into.len();
    for (index, piece) in into.chunks_mut(1 << 20).enumerate() {
        let offset = index << 20;
        progress(offset + piece.len());
        match stores {
            Some(stores) => {
                let rows = Rows::single(piece.len());
                from.read_rows_with(
                    offset,
                    &rows,
                    piece,
                    match stores {
                        Stores::Auto => Stores::for_reading(total),
                        given => given,
                    },
                )?;
            }
            None => {
                let source = from.subslice(offset, piece.len())?.as_ptr();
                // SAFETY: the window is as long as the piece, and nobody else uses this memory.
                unsafe { std::ptr::copy_nonoverlapping(source, piece.as_mut_ptr(), piece.len()) };
            }
        }
    }
    Ok(())
}

/// Keeps the better time.
fn keep(best: &mut Duration, start: Instant) {
    *best = (*best).min(start.elapsed());
}
