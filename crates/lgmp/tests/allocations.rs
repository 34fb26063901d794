//! Once a session runs, neither role allocates.

mod support;

use lgmp::WireVersion;
use support::Bench;
use testkit::allocations::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn posting_reading_and_ticking_do_not_allocate() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        let mut reader = client.subscribe(1, bench.now).expect("a free bit");
        let before = allocations::count();
        for number in 0..100 {
            bench.post(number);
            bench.post(number + 1);
            reader.skip_to_last(bench.now).expect("subscribed");
            let message = reader.peek(bench.now).expect("subscribed");
            assert_eq!(message.map(|message| message.udata), Some(number + 1));
            reader.release(bench.now).expect("subscribed");
            let serial = reader.send(&[1; 12]).expect("room");
            assert!(bench.queue.next_message().is_some());
            bench.queue.acknowledge();
            assert_eq!(reader.is_acknowledged(serial), Ok(true));
            bench.pass(10);
            client.check(bench.now).expect("a heartbeat");
        }
        assert_eq!(allocations::count() - before, 0, "{version:?}");
    }
}
