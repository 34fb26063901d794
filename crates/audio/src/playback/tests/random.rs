//! Whatever happens, in whatever order.

use clock::Nanos;
use proptest::prelude::*;

use super::world::CountedLane;
use crate::Format;
use crate::lane::{Input, Lane};
use crate::playback::{
    DeviceTiming, LARGEST_CHANGE, LARGEST_SLEW, Order, Packet, Playback, PlaybackSettings,
};

#[derive(Clone, Debug)]
enum Event {
    Wait(i64),
    Start,
    Stop,
    Packets { count: u8, frames: u32, stamp: u32 },
    Requests { count: u8, frames: u32 },
    Obey,
    Lose,
    Promise(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let frames = prop_oneof![1_u32..2_000, Just(0), Just(480), 0..100_000_u32];
    let gap = prop_oneof![
        0_i64..30_000_000,
        Just(10_000_000),
        0..5_000_000_000_i64,
        Just(i64::MAX / 4)
    ];
    let stamp = prop_oneof![0_u32..30, Just(10), any::<u32>()];
    prop_oneof![
        6 => gap.prop_map(Event::Wait),
        1 => Just(Event::Start),
        1 => Just(Event::Stop),
        8 => (1_u8..20, frames.clone(), stamp)
            .prop_map(|(count, frames, stamp)| Event::Packets { count, frames, stamp }),
        8 => (1_u8..20, frames).prop_map(|(count, frames)| Event::Requests { count, frames }),
        3 => Just(Event::Obey),
        1 => Just(Event::Lose),
        1 => any::<u32>().prop_map(Event::Promise),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn positions_grow_and_the_ratio_keeps_its_limits(events in prop::collection::vec(event(), 1..200)) {
        let format = Format::new(2, 48_000).unwrap();
        let mut playback = Playback::<CountedLane>::new(format, PlaybackSettings::default());
        let (mut now, mut time_ms) = (Nanos::ZERO, 0_u32);
        let mut positions = (0, 0);
        let mut last = None;
        playback.started(now);
        for event in events {
            match event {
                Event::Wait(ns) => now = now + Nanos(ns),
                Event::Start => playback.started(now),
                Event::Stop => playback.stopped(now),
                Event::Packets { count, frames, stamp } => for _ in 0..count {
                    time_ms = time_ms.wrapping_add(stamp);
                    playback.packet(Packet { arrived: now, time_ms, input: Input::counted(frames) });
                },
                Event::Requests { count, frames } => if let Some(lane) = playback.lane() {
                    for _ in 0..count {
                        lane.0.borrow_mut().request(now, frames);
                        now = now + Nanos(i64::from(frames) * 20_833);
                    }
                },
                Event::Obey => match playback.tick(now).order {
                    Order::Open => {
                        positions = (0, 0);
                        playback.attach(CountedLane::default(), DeviceTiming { max_period_frames: 512 }, now);
                    }
                    Order::Close => drop(playback.detach()),
                    Order::Keep => {}
                },
                Event::Lose => drop(playback.detach()),
                Event::Promise(frames) => playback.set_timing(DeviceTiming { max_period_frames: frames }),
            }
            let step = playback.tick(now);
            prop_assert!(step.next.is_none_or(|next| next >= now));
            let status = playback.status();
            for value in [status.target_ms, status.ratio_ppm, status.jitter_ms,
                status.latency_ms.unwrap_or(0.0), status.source_ppm.unwrap_or(0.0), status.device_ppm.unwrap_or(0.0)] {
                prop_assert!(value.is_finite(), "{status:?}");
            }
            prop_assert!(status.ratio_ppm.abs() <= LARGEST_CHANGE * 1e6 + 1e-6);
            if let Some(lane) = playback.lane() {
                prop_assert!(lane.position() >= positions.0 && lane.read_position() >= positions.1);
                prop_assert!(lane.position() <= lane.0.borrow().read + lane.capacity());
                positions = (lane.position(), lane.read_position());
            } else {
                positions = (0, 0);
            }
            // A ratio that is not placed anew changes by its slew only: at most 20 packets of 100 ms at once.
            if let Some((ratio, resyncs)) = last.replace((status.ratio_ppm, status.resyncs)) && resyncs == status.resyncs {
                let most = LARGEST_SLEW * 1e6 * 20.0 * 100_000.0 / 48_000.0;
                prop_assert!((ratio - status.ratio_ppm).abs() <= most + 1.0);
            }
        }
    }
}
