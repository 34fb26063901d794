//! The real-time callback takes no memory. Alone in its file: the allocator counts the whole program.
#![cfg(feature = "pipewire")]

mod sound;

use audio::device::pipewire::PipeWire;
use sound::{LIMIT, Playing, format, request};
use testkit::allocations::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_device_that_plays_takes_no_memory() {
    let Some(server) = testkit::sound_server::PipeWire::start().expect("a server") else {
        return;
    };
    let mut backend = PipeWire::at(server.socket());
    let playing = Playing::open(&mut backend, &request(format(2, 48_000), 128)).expect("a device");
    let pulls = || playing.feed.counters().pulls;
    let wait_for = |count: u64| {
        let wanted = pulls() + count;
        assert!(testkit::wait_until(LIMIT, || pulls() >= wanted));
    };
    wait_for(10);
    let before = allocations::total();
    wait_for(200);
    assert_eq!(allocations::total() - before, 0);
}
