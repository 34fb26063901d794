//! From the SPICE thread to the device no packet takes memory from the heap, on any thread, once sound is played.

#![cfg(not(loom))]
#![allow(
    clippy::unwrap_used,
    reason = "a fixture that does not come up ends the test"
)]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio::device::Backend;
use audio::device::null::Null;
use audio::{Format, Sound, SoundSettings};
use testkit::allocations::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is counted is the whole program's, so there is one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const LIMIT: Duration = Duration::from_secs(20);
/// Packets that are told at once; fewer than the buffers that are kept.
const PACKETS: u64 = 20;

fn start() -> Sound {
    let make = || Box::new(Null::new()) as Box<dyn Backend>;
    Sound::start_with(SoundSettings::default(), Arc::new(make), Box::new(|_| ())).unwrap()
}

/// Tells packets, and waits until they have been taken.
fn play(sound: &Sound, samples: &[u8], told: &mut u64) {
    for _ in 0..PACKETS {
        // 10 ms each.
        *told += 1;
        sound.handle().packet((*told * 10) as u32, samples);
    }
    let taken = || {
        let playback = sound.handle().status().playback;
        playback.is_some_and(|playback| playback.packets >= *told)
    };
    assert!(testkit::wait_until(LIMIT, taken));
}

#[test]
fn packets_take_no_memory_once_sound_is_played() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sound = start();
    let samples = [7; 1920];
    let mut told = 0;
    sound.handle().started(Format::new(2, 48_000).unwrap());
    for _ in 0..5 {
        play(&sound, &samples, &mut told);
    }
    let is_open = || sound.handle().status().device.is_some();
    assert!(testkit::wait_until(LIMIT, is_open));
    play(&sound, &samples, &mut told);
    let before = allocations::total();
    for _ in 0..10 {
        play(&sound, &samples, &mut told);
    }
    assert_eq!(allocations::total() - before, 0);
    assert_eq!(sound.handle().status().dropped_packets, 0);
}

#[test]
fn a_sound_that_plays_ends_at_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sound = start();
    let mut told = 0;
    sound.handle().started(Format::new(8, 192_000).unwrap());
    play(&sound, &[1; 160], &mut told);
    let start = std::time::Instant::now();
    drop(sound);
    assert!(start.elapsed() < Duration::from_secs(1));
}
