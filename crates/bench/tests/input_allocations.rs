//! A key on its way through the client costs no allocation of ours: what is left is the X library's.

use std::path::Path;

use testkit::allocations::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What x11rb takes to read the event of one key: 3, and now and then one more for a packet of the server.
const PER_KEY: f64 = 3.5;

#[test]
fn a_key_costs_the_x_librarys_allocations_and_no_more() {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    let Some(count) = bench::input::event_path::allocations(bench).unwrap() else {
        return;
    };
    eprintln!("allocations per key event: {count}");
    assert!(count <= PER_KEY, "{count}");
}
