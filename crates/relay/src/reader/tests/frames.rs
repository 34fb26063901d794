//! Frames: damage, repeats, chasing the write pointer, and what must not be shown.

use std::sync::atomic::{AtomicI64, Ordering};

use ivshmem::PixelStream;
use lgmp::Geometry;
use picture::FrameRect;

use super::rig::*;
use crate::reader::*;

const A: FrameRect = FrameRect::new(1, 2, 3, 4);
const B: FrameRect = FrameRect::new(10, 20, 5, 6);
const C: FrameRect = FrameRect::new(30, 40, 7, 8);

/// A rig whose first frame, serial 0, was consumed.
fn running() -> Rig {
    let mut rig = Rig::newest();
    rig.post(&damaged(0, A));
    assert_eq!(rig.look(), Seen::full(0));
    rig
}

#[test]
fn the_first_frame_is_full_and_the_next_has_its_own_damage() {
    for (lgmp, version) in PAIRS {
        let mut rig = Rig::connected(lgmp, version);
        rig.post(&damaged(0, A));
        assert_eq!(rig.look(), Seen::full(0));
        rig.post(&damaged(1, B));
        assert_eq!(rig.look(), Seen::partial(1, &[B]));
        assert_eq!(rig.look(), Seen::Nothing);
    }
}

#[test]
fn the_pixels_are_those_of_the_frame() {
    let mut rig = Rig::newest();
    rig.post(&header(7));
    rig.with_frame(|mut frame| {
        assert_eq!(frame.wait_for(100).unwrap(), DATA_BYTES as usize);
        let mut pixels = vec![0; DATA_BYTES as usize];
        frame.pixels().copy_to(0, &mut pixels).unwrap();
        assert!(pixels.iter().all(|&byte| byte == 7));
        assert_eq!(frame.layout().frame, picture::Size::new(SIDE, SIDE));
        assert_eq!(frame.finish(), Ok(()));
    });
}

#[test]
fn of_two_waiting_frames_the_newest_is_shown_with_the_damage_of_both() {
    let mut rig = running();
    rig.post(&damaged(1, B));
    rig.post(&damaged(2, C));
    assert_eq!(rig.look(), Seen::partial(2, &[B, C]));
    assert_eq!(rig.host().frames.pending(), 0);
}

#[test]
fn a_gap_in_the_serials_means_everything() {
    let mut rig = running();
    rig.post(&damaged(2, B));
    assert_eq!(rig.look(), Seen::full(2));
    rig.post(&damaged(3, C));
    assert_eq!(rig.look(), Seen::partial(3, &[C]));
}

#[test]
fn a_repeat_is_skipped_and_its_slot_released() {
    let mut rig = running();
    let now = rig.now();
    rig.host().post_again(now);
    assert_eq!(rig.look(), Seen::Nothing);
    assert_eq!(rig.host().frames.pending(), 0);
    rig.post(&damaged(1, B));
    assert_eq!(rig.look(), Seen::partial(1, &[B]));
}

#[test]
fn a_change_of_any_part_of_the_format_means_everything() {
    let changes: [fn(&mut kvmfr::FrameHeader); 4] = [
        |h| h.frame = kvmfr::Size::new(SIDE, SIDE - 1),
        |h| h.rotation = 1,
        |h| h.frame_type = kvmfr::FrameType::Rgba,
        |h| h.screen = kvmfr::Size::new(2 * SIDE, 2 * SIDE),
    ];
    for change in changes {
        let mut rig = running();
        let mut header = damaged(1, B);
        change(&mut header);
        header.rows = header.frame.height;
        rig.post(&header);
        assert_eq!(rig.look(), Seen::full(1));
    }
}

#[test]
fn a_frame_that_is_dropped_counts_for_the_next_one() {
    let mut rig = running();
    rig.post(&damaged(1, B));
    rig.with_frame(|frame| drop(frame));
    assert_eq!(rig.host().frames.pending(), 0);
    rig.post(&damaged(2, C));
    assert_eq!(rig.look(), Seen::partial(2, &[B, C]));
}

#[test]
fn a_dropped_frame_that_is_sent_again_is_shown() {
    let mut rig = running();
    rig.post(&damaged(1, B));
    rig.with_frame(|frame| drop(frame));
    let now = rig.now();
    rig.host().post_again(now);
    assert_eq!(rig.look(), Seen::partial(1, &[B]));
}

#[test]
fn a_frame_overwritten_while_it_was_read_is_discarded() {
    let mut rig = running();
    rig.post(&damaged(1, B));
    let at = rig.host().blocks[1].offset as usize + 4;
    let memory = Arc::clone(&rig.memory);
    rig.with_frame(|frame| {
        memory.as_slice().write(at, &99_u32).unwrap();
        assert_eq!(frame.finish(), Err(Discarded::Overwritten));
    });
    rig.post(&damaged(2, C));
    assert_eq!(rig.look(), Seen::full(2));
}

#[test]
fn an_evicted_reader_discards_the_frame_and_subscribes_again() {
    for (lgmp, version) in PAIRS {
        let mut rig = Rig::connected(lgmp, version);
        rig.post(&header(0));
        let clock = rig.clock.clone();
        let host = rig.host.take().unwrap();
        rig.with_frame(|frame| {
            // One tick after the deadline, not a gap in the host's clock.
            for _ in 0..111 {
                clock.advance(Nanos::from_millis(10));
                host.tick(clock.now());
            }
            assert_eq!(frame.finish(), Err(Discarded::Evicted));
        });
        rig.host = Some(host);
        assert_eq!(rig.wait(100), Seen::Nothing);
        assert!(rig.host().frames.take_new_subscribers() > 0);
        rig.post(&damaged(1, B));
        assert_eq!(rig.look(), Seen::full(1));
        assert!(rig.reader.session().is_some());
    }
}

#[test]
fn a_corrupted_queue_is_subscribed_to_again() {
    let mut rig = running();
    let position = queue_at(WireVersion::V6, 0) + 16;
    let sane = rig.peek(position);
    rig.poke(position, 1_000_000);
    assert_eq!(rig.look(), Seen::Nothing);
    rig.poke(position, sane);
    assert_eq!(rig.wait(100), Seen::Nothing);
    rig.post(&damaged(1, B));
    assert_eq!(rig.wait(100), Seen::full(1));
}

#[test]
fn a_queue_that_is_corrupted_again_and_again_costs_no_subscriber_bits() {
    for (lgmp, version) in PAIRS {
        let mut rig = Rig::connected(lgmp, version);
        let fields = Geometry::of(lgmp).queue;
        rig.post(&header(0));
        assert_eq!(rig.look(), Seen::full(0));
        for _ in 0..40 {
            for queue in [0, 1] {
                let at = queue_at(lgmp, queue) + fields.write_pos;
                let sane = rig.peek(at);
                rig.poke(at, 1_000_000);
                assert_eq!(rig.look(), Seen::Nothing);
                rig.poke(at, sane);
                // The other queue's, and at most the new one of this.
                assert!(rig.subscribers(lgmp, queue) <= 1, "{lgmp:?}");
                assert_eq!(rig.wait(50), Seen::Nothing);
                assert_eq!(rig.subscribers(lgmp, queue), 1, "{lgmp:?}");
            }
        }
        rig.post(&header(7));
        assert_eq!(rig.wait(100), Seen::full(7));
    }
}

#[test]
fn a_header_of_nonsense_is_released_and_the_next_frame_is_full() {
    let mut rig = running();
    let now = rig.now();
    for pitch in [0, SIDE * 4 - 4, 1 << 21] {
        let mut header = damaged(1, B);
        header.pitch = pitch;
        rig.host().post(&header, now);
        assert_eq!(rig.look(), Seen::Nothing);
        assert_eq!(rig.host().frames.pending(), 0);
    }
    rig.post(&damaged(1, B));
    assert_eq!(rig.look(), Seen::full(1));
}

#[test]
fn flags_and_truncation_are_told() {
    let mut rig = Rig::newest();
    let mut flagged = header(0);
    flagged.flags = kvmfr::FrameFlags::BLOCK_SCREENSAVER | kvmfr::FrameFlags::REQUEST_ACTIVATION;
    rig.post(&flagged);
    rig.with_frame(|frame| {
        assert!(frame.wants_screensaver_inhibited() && frame.wants_activation());
        assert!(!frame.is_truncated());
        assert_eq!(frame.recommended_size_mib(), 16);
    });
    // A host that forgets the flag (kvmfr.md 6).
    let mut short = header(1);
    short.rows = SIDE / 2;
    rig.post(&short);
    rig.with_frame(|frame| {
        assert!(frame.is_truncated() && frame.layout().is_truncated());
        assert_eq!(frame.pixels().len(), (DATA_BYTES / 2) as usize);
    });
}

/// A clock that goes on by 100 µs whenever it is read.
#[derive(Clone, Default)]
struct Running(Arc<AtomicI64>);

impl Clock for Running {
    fn now(&self) -> Nanos {
        Nanos(self.0.fetch_add(100_000, Ordering::SeqCst))
    }
}

/// A connected rig whose reader's clock runs.
fn with_running_clock() -> Rig {
    let mut rig = Rig::empty(MEMORY_BYTES);
    let clock = Running(Arc::new(AtomicI64::new(rig.now().0)));
    rig.reader = Reader::new(Arc::clone(&rig.memory), ReaderOptions::default(), clock);
    rig.start_host(WireVersion::V6, Version::V20);
    rig.pass(20);
    assert_eq!(rig.look(), Seen::Connected);
    rig
}

#[test]
fn a_half_written_frame_is_given_up_and_the_next_is_full() {
    let mut rig = with_running_clock();
    rig.post(&header(0));
    assert_eq!(rig.look(), Seen::full(0));
    let now = rig.now();
    rig.host().post_unfinished(&damaged(1, A), 1_000, now);
    rig.with_frame(|mut frame| {
        assert_eq!(frame.wait_for(900), Ok(1_000));
        let stalled = frame.wait_for(1_001).unwrap_err();
        assert_eq!((stalled.available, stalled.wanted), (1_000, 1_001));
        assert!(frame.wait_for(1_001).is_err());
        assert_eq!(frame.finish(), Err(Discarded::Stalled));
    });
    rig.post(&damaged(2, B));
    assert_eq!(rig.look(), Seen::full(2));
}

#[test]
fn a_stalled_frame_that_is_only_dropped_spoils_the_next_too() {
    let mut rig = with_running_clock();
    rig.post(&header(0));
    assert_eq!(rig.look(), Seen::full(0));
    let now = rig.now();
    rig.host().post_unfinished(&damaged(1, A), 0, now);
    rig.with_frame(|mut frame| assert!(frame.wait_for(1).is_err()));
    rig.post(&damaged(2, B));
    assert_eq!(rig.look(), Seen::full(2));
}

#[test]
fn a_wait_ends_even_if_the_clock_stands_still() {
    let mut rig = Rig::newest();
    let now = rig.now();
    rig.host().post_unfinished(&header(0), 0, now);
    rig.with_frame(|mut frame| assert!(frame.wait_for(1).is_err()));
}

#[test]
fn a_frame_is_followed_while_another_thread_writes_it() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    rig.reader = Reader::new(
        Arc::clone(&rig.memory),
        ReaderOptions::default(),
        clock::MonotonicClock,
    );
    rig.start_host(WireVersion::V6, Version::V20);
    rig.pass(20);
    while rig.look() != Seen::Connected {}
    let now = rig.now();
    rig.host().post_unfinished(&header(3), 0, now);
    let block = rig.host().blocks[0];
    let host = rig.host.take().unwrap();
    let (release, gate) = std::sync::mpsc::channel::<u32>();
    let writer = std::thread::spawn(move || {
        while let Ok(written) = gate.recv() {
            host.set_write_pointer(block, written);
        }
    });
    rig.with_frame(|mut frame| {
        for step in 1..=4 {
            let bytes = DATA_BYTES / 4 * step;
            release.send(bytes).unwrap();
            assert_eq!(frame.wait_for(bytes as usize), Ok(bytes as usize));
        }
        assert_eq!(frame.finish(), Ok(()));
    });
    drop(release);
    writer.join().unwrap();
}

#[test]
fn a_reader_that_wants_no_frames_takes_none_and_begins_anew_later() {
    for (lgmp, version) in PAIRS {
        let mut rig = Rig::connected(lgmp, version);
        rig.post(&damaged(0, A));
        assert_eq!(rig.look(), Seen::full(0));
        rig.reader.want_frames(false);
        rig.post(&damaged(1, B));
        assert_eq!(rig.host().frames.pending(), 0, "nobody to be sent to");
        assert_eq!(rig.wait(4_000), Seen::Nothing, "nothing is missing");
        rig.reader.want_frames(true);
        rig.reader.want_frames(true);
        assert_eq!(rig.wait(50), Seen::Nothing);
        rig.post(&damaged(2, C));
        assert_eq!(rig.look(), Seen::full(2));
    }
}

#[test]
fn a_frame_that_does_not_come_after_a_pause_is_told() {
    let mut rig = running();
    rig.reader.want_frames(false);
    rig.pass(2_000);
    rig.reader.want_frames(true);
    assert_eq!(rig.wait(1_500), Seen::Nothing);
    assert_eq!(rig.wait(50), Seen::Missing(Link::FirstFrame));
}

#[test]
fn a_session_without_frames_is_one() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    rig.reader.want_frames(false);
    rig.start_host(lgmp::WireVersion::V6, Version::V20);
    rig.pass(20);
    assert_eq!(rig.look(), Seen::Connected);
    assert_eq!(rig.wait(4_000), Seen::Nothing);
}
