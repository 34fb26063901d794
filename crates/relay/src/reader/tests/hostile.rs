//! Random damage to a live memory: nothing may panic, hang or grow, and the next honest host is found.

use ivshmem::PixelStream;
use proptest::prelude::*;

use super::rig::*;
use crate::reader::*;

/// Looks while one memory is damaged and repaired.
const LOOKS: usize = 30;

/// Somewhere in what the protocol reads: headers, rings, frame headers, write pointers, cursor headers.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![
        3 => 0..1_500_usize,
        3 => 1_500..1_600_usize,
        2 => 0..12_usize,
        1 => 0..(MEMORY_BYTES / 4),
    ]
}

fn value() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(0x8000_0000),
        0..64_u32,
        any::<u32>(),
    ]
}

/// Takes what comes and checks what a user of it relies on.
fn take(rig: &mut Rig) {
    match rig.reader.next(&rig.waker, Some(Nanos::ZERO)) {
        Event::Frame(mut frame) => {
            let layout = *frame.layout();
            assert_eq!(frame.pixels().len() as u64, layout.data_bytes());
            assert!(layout.rows <= layout.frame.height && layout.rows > 0);
            for rect in frame.damage().rects() {
                assert!(rect.right() <= u64::from(layout.frame.width));
                assert!(rect.bottom() <= u64::from(layout.frame.height));
            }
            if let Ok(available) = frame.wait_for(usize::MAX) {
                assert_eq!(available, frame.pixels().len());
            }
            let _ = frame.finish();
        }
        Event::Pointer(update) => {
            if let Some(shape) = update.shape {
                assert!(shape.width <= 1024 && shape.height <= 1024);
                assert!(shape.data.len() <= 4 << 20);
                assert!(shape.hot_spot.0 < shape.width && shape.hot_spot.1 < shape.height);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_to_the_memory_is_survived_and_the_next_host_found(
        pair in 0..3_usize,
        pokes in prop::collection::vec((place(), value(), 0..LOOKS), 1..40),
        position in any::<i32>(),
    ) {
        let (lgmp, version) = PAIRS[pair];
        let mut rig = Rig::connected(lgmp, version);
        for look in 0..LOOKS {
            for &(word, value, _) in pokes.iter().filter(|poke| poke.2 == look) {
                rig.poke(word * 4, value);
            }
            let now = rig.now();
            if let Some(host) = &mut rig.host {
                // The host may find its memory broken; here that only means that it stops.
                let header = header(look as u32);
                host.try_post(&header, now);
            }
            rig.clock.advance(Nanos::from_millis(7));
            let _ = rig.reader.set_cursor_position(point(position, position));
            take(&mut rig);
        }
        rig.start_host(WireVersion::V6, Version::V20);
        let mut is_found = false;
        for _ in 0..300 {
            match rig.wait(10) {
                Seen::Connected => {
                    is_found = true;
                    break;
                }
                _ => continue,
            }
        }
        prop_assert!(is_found);
        rig.post(&header(1_000));
        prop_assert_eq!(rig.wait(50), Seen::full(1_000));
    }
}
