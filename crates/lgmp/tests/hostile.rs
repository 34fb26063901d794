//! A peer that writes anything anywhere between any two operations: nothing panics, loops or leaves the memory.

mod support;

use lgmp::{QueueError, WireVersion};
use proptest::prelude::*;
use support::{Bench, set};

/// A word of the header or the rings, and what it becomes.
fn damage() -> impl Strategy<Value = (usize, u32)> {
    let value = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        0..12_u32,
        any::<u32>(),
        (0..0x1_0000_u32).prop_map(|offset| offset & !3),
    ];
    // Mostly where it hurts: the header, the queue in use (by both layouts), and the rings.
    let at = prop_oneof![
        1 => 0..8_usize,
        4 => 1048 / 4..1092 / 4_usize,
        4 => 1176 / 4..1200 / 4_usize,
        4 => (1048 + 280) / 4..(1048 + 344) / 4_usize,
        4 => (1176 + 408) / 4..(1176 + 472) / 4_usize,
        4 => 5120 / 4..5300 / 4_usize,
        4 => 5760 / 4..5940 / 4_usize,
        2 => 0..6200 / 4_usize,
    ];
    (at.prop_map(|word| 4 * word), value)
}

fn run(version: WireVersion, steps: &[(u8, Vec<(usize, u32)>)]) {
    let mut bench = Bench::new(version);
    let mut client = bench.client();
    let mut reader = client.subscribe(1, bench.now).ok();
    let fields = bench.geometry.queue;
    // Stuck locks have tests of their own, and each would cost a quarter of a second here.
    let locks: Vec<usize> = (0..5)
        .flat_map(|index| {
            [fields.lock, fields.cm_lock].map(|at| bench.geometry.queue_base(index) + at)
        })
        .collect();
    for (operation, damages) in steps {
        for (at, value) in damages {
            if !locks.contains(at) {
                set(&bench.memory, *at, *value);
            }
        }
        bench.now += 10;
        let now = bench.now;
        if bench.host.tick(now).is_err() {
            bench = Bench::on(bench.memory, version, now);
        }
        let _ = bench.queue.post(u32::from(*operation), bench.block, now);
        let _ = (bench.queue.pending(), bench.queue.take_new_subscribers());
        while bench.queue.next_message().is_some() {
            bench.queue.acknowledge();
        }
        if client.check(now).is_err() {
            reader = None;
            let _ = client.start(now);
        }
        let Some(subscription) = reader.as_mut() else {
            reader = client.subscribe(1, now).ok();
            continue;
        };
        let result = match operation % 4 {
            0 => subscription.release(now),
            1 => subscription
                .skip_to_last(now)
                .map(|skipped| assert!(skipped < 1024)),
            2 => {
                let _ = subscription.send(&[*operation; 12]);
                Ok(())
            }
            _ => subscription.peek(now).map(|message| {
                if let Some(message) = message {
                    let end = u64::from(message.offset) + u64::from(message.size);
                    assert!(end <= bench.memory.len() as u64);
                    assert!(message.offset as usize >= bench.geometry.header_size);
                }
            }),
        };
        if result.is_err_and(|error| error != QueueError::LockTimeout) {
            reader = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_survived(
        version in prop::sample::select(WireVersion::ALL.to_vec()),
        steps in prop::collection::vec((any::<u8>(), prop::collection::vec(damage(), 0..4)), 1..60),
    ) {
        run(version, &steps);
    }
}
