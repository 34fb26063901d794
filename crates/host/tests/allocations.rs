//! Once running, neither a picture nor a pointer costs an allocation of ours: what x11rb makes for its events, requests and
//! replies is counted here and pinned.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::{Clock as _, MonotonicClock, Nanos};
use host::capture::{Capture as _, Due, XcbCapture};
use ivshmem::SharedMemory;
use kvmfr::{FrameFlags, SessionDescription, Version};
use relay::Waker;
use relay::publisher::{Image, Publisher, PublisherOptions};
use support::hand::Hand;
use support::observer::Observer;
use testkit::x_server::XServer;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Counts what the calling thread asks for.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local integer only, which
// has no destructor and so needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises about address and sizes are passed on.
        unsafe { System.realloc(address, layout, size) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: `address` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Until every buffer has its size.
const WARM_UP: usize = 30;
const ROUNDS: usize = 100;

/// x11rb's for each picture: two for the event of the damage, one for resetting it, three for fetching it.
const PER_PICTURE: u64 = 6;
/// x11rb's for a pointer that moved: six for the XInput event and its lists, three for asking where it is.
const PER_MOVE: u64 = 9;
/// x11rb's for a new picture of the pointer: two for its event, and seven or eight for picture and place asked for at once.
const PER_SHAPE: u64 = 10;

/// Captures and publishes, counting what that costs.
struct Bench {
    capture: XcbCapture,
    publisher: Publisher,
    service: relay::publisher::Service,
    waker: Waker,
}

/// What one change cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    allocations: u64,
    pictures: u32,
    pointers: u32,
}

impl Bench {
    /// Relays what comes until a picture or a pointer has; what is of the other kind does not end it.
    fn relay(&mut self, until: fn(&Cost) -> bool) -> Cost {
        let mut cost = Cost::default();
        let end = MonotonicClock.now() + Nanos::from_millis(5_000);
        while !until(&cost) {
            let now = MonotonicClock.now();
            assert!(now < end, "nothing came: {cost:?}");
            let before = COUNT.get();
            self.service.tick(now, |_| {}).unwrap();
            self.publisher.serve_new_subscribers();
            let soon = now + Nanos::from_millis(10);
            let due = self.capture.wait(&self.waker, Nanos::ZERO, soon).unwrap();
            self.fetch(due, &mut cost);
            cost.allocations += COUNT.get() - before;
        }
        cost
    }

    fn fetch(&mut self, due: Due, cost: &mut Cost) {
        if due.pointer
            && let Some(update) = self.capture.pointer().unwrap()
        {
            let _ = self.publisher.publish_pointer(&update);
            cost.pointers += 1;
        }
        if due.image
            && self.publisher.has_room()
            && let Some(image) = self.capture.image().unwrap()
        {
            let _ = self.publisher.publish(&Image {
                layout: image.layout,
                pixels: image.pixels,
                damage: image.damage,
                flags: FrameFlags::empty(),
            });
            cost.pictures += 1;
        }
    }
}

/// What most of the changes that `act` makes cost: now and then a look at the pointer comes on top.
fn usual_cost(bench: &mut Bench, until: fn(&Cost) -> bool, mut act: impl FnMut(usize)) -> u64 {
    let mut costs = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        act(round);
        costs.push(bench.relay(until).allocations);
    }
    let costs = &mut costs[WARM_UP..];
    costs.sort_unstable();
    eprintln!("allocations: {costs:?}");
    costs[ROUNDS / 2]
}

#[test]
fn a_captured_and_published_change_allocates_what_its_x_requests_do() {
    let Some(server) = XServer::start(640, 480).unwrap() else {
        return;
    };
    let memory = Arc::new(SharedMemory::create("allocations", 16 << 20).unwrap());
    let options = PublisherOptions {
        version: Version::V20,
        description: SessionDescription::default(),
    };
    let publisher = Publisher::new(Arc::clone(&memory), options).unwrap();
    let mut bench = Bench {
        capture: XcbCapture::open(Some(server.display())).unwrap(),
        service: publisher.service(),
        publisher,
        waker: Waker::new().unwrap(),
    };
    let hand = Hand::on(server.display());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (is_over, memory) = (&is_over, Arc::clone(&memory));
        scope.spawn(move || {
            let mut observer = Observer::of(memory);
            while !is_over.load(Ordering::Relaxed) {
                observer.watch(Duration::from_millis(20));
            }
        });
        // Whatever fails must not leave the other thread running.
        let results = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            bench.relay(|cost| cost.pictures > 0 && cost.pointers > 0);
            let picture = usual_cost(
                &mut bench,
                |cost| cost.pictures > 0,
                |i| {
                    hand.fill(i as u32, &[(10, i as i16, 100, 50)]);
                },
            );
            let movement = usual_cost(
                &mut bench,
                |cost| cost.pointers > 0,
                |i| {
                    hand.push(100 + i as i16, 300);
                },
            );
            let shape = usual_cost(
                &mut bench,
                |cost| cost.pointers > 0,
                |i| {
                    hand.show_pointer((i as u8, 0, 0), (1, 1));
                },
            );
            [picture, movement, shape]
        }));
        is_over.store(true, Ordering::Relaxed);
        let [picture, movement, shape] = results.unwrap();
        assert!(picture <= PER_PICTURE, "{picture} for a picture");
        assert!(movement <= PER_MOVE, "{movement} for a movement");
        assert!(shape <= PER_SHAPE, "{shape} for a shape");
    });
}
