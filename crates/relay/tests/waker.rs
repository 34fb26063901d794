//! The waker between two threads: a ring ends one wait, and no wait after it.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use relay::Waker;

const ROUNDS: u32 = 500;

#[test]
fn a_taken_ring_never_ends_a_later_wait_more_than_once() {
    let waker = Waker::new().unwrap();
    let (go, done) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (other, g, d) = (waker.clone(), go.clone(), done.clone());
    let ringer = std::thread::spawn(move || {
        for round in 1..=ROUNDS {
            while g.load(Ordering::Acquire) < round {
                std::thread::yield_now();
            }
            other.wake();
            d.store(round, Ordering::Release);
        }
    });
    let mut stuck = 0;
    for round in 1..=ROUNDS {
        go.store(round, Ordering::Release);
        while !waker.take() {}
        while done.load(Ordering::Acquire) < round {
            std::thread::yield_now();
        }
        // The ring is over and taken: one wait may end early, the next must not.
        waker.wait(Duration::from_micros(500));
        waker.take();
        let start = Instant::now();
        waker.wait(Duration::from_micros(500));
        if start.elapsed() < Duration::from_micros(400) {
            stuck += 1;
            waker.wake();
            waker.take();
        }
    }
    ringer.join().unwrap();
    assert_eq!(stuck, 0, "of {ROUNDS} rings");
}
