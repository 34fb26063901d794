//! Once a session runs, neither role allocates.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use lgmp::WireVersion;
use support::Bench;

/// The system's allocator with a count; the file has one test, so nobody else allocates meanwhile.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, so from the system, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn posting_reading_and_ticking_do_not_allocate() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        let mut reader = client.subscribe(1, bench.now).expect("a free bit");
        let before = ALLOCATIONS.load(Ordering::Relaxed);
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
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        assert_eq!(allocations, 0, "{version:?}");
    }
}
