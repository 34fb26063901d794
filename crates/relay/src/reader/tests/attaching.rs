//! From nothing to a session, and back to one.

use super::rig::*;
use crate::reader::*;

#[test]
fn an_empty_memory_is_named_once_and_then_the_host_is_found() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    assert_eq!(rig.look(), Seen::Missing(Link::Magic));
    assert_eq!(rig.wait(2_000), Seen::Nothing);
    assert_eq!(rig.reader.status(), Status::Missing(Link::Magic));
    rig.start_host(WireVersion::V6, Version::V20);
    assert_eq!(rig.wait(200), Seen::Connected);
}

#[test]
fn a_memory_that_is_too_small_is_named() {
    let mut rig = Rig::empty(4096);
    rig.poke(0, lgmp::MAGIC);
    rig.poke(4, 6);
    let link = Link::MemoryTooSmall { bytes: 4096 };
    assert_eq!(rig.look(), Seen::Missing(link));
}

#[test]
fn every_pair_of_versions_is_accepted_and_described() {
    for (lgmp, kvmfr) in PAIRS {
        let rig = Rig::connected(lgmp, kvmfr);
        let info = rig.reader.session().unwrap();
        assert_eq!((info.lgmp, info.kvmfr), (lgmp, kvmfr));
        assert_eq!(info.uuid(), Some(*b"0123456789abcdef"));
        assert!(info.features().contains(Features::SET_CURSOR_POSITION));
        assert!(!info.host_version().contains('\u{1b}'));
        assert!(info.host_version().contains("host"));
        assert_eq!(rig.reader.status(), Status::Missing(Link::FirstFrame));
    }
}

#[test]
fn other_versions_are_named_by_their_numbers() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    rig.start_host(WireVersion::V6, Version::V20);
    rig.poke(4, 10);
    let lgmp_10 = Link::Version {
        lgmp: 10,
        kvmfr: None,
    };
    rig.clock.advance(Nanos::from_millis(10));
    assert_eq!(rig.look(), Seen::Missing(lgmp_10));
    rig.poke(4, 6);
    assert_eq!(rig.wait(200), Seen::Connected);
}

#[test]
fn a_description_of_another_version_or_of_nothing_is_refused() {
    let cases = [
        (
            WireVersion::V6,
            description().encode(Version::V19),
            Some(19),
        ),
        (
            WireVersion::V4,
            description().encode(Version::V20),
            Some(20),
        ),
        (WireVersion::V6, b"KVMFR---\x22\0\0\0".to_vec(), None),
        (WireVersion::V6, vec![0xff; 48], None),
        (WireVersion::V6, Vec::new(), None),
    ];
    for (lgmp, udata, kvmfr) in cases {
        let mut rig = Rig::empty(MEMORY_BYTES);
        let now = rig.now();
        rig.host = Some(FakeHost::with_udata(
            &rig.memory,
            lgmp,
            Version::V20,
            &udata,
            now,
        ));
        let lgmp = lgmp.number();
        assert_eq!(rig.wait(200), Seen::Missing(Link::Version { lgmp, kvmfr }));
        assert_eq!(rig.wait(1_000), Seen::Nothing);
    }
}

#[test]
fn a_host_that_died_earlier_shows_no_sign_of_life() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    rig.start_host(WireVersion::V6, Version::V20);
    rig.host = None;
    // The reader of the rig has seen the memory empty: this one sees the dead host only.
    rig.reader = Reader::new(
        Arc::clone(&rig.memory),
        ReaderOptions::default(),
        rig.clock.clone(),
    );
    assert_eq!(rig.look(), Seen::Nothing);
    assert_eq!(rig.wait(290), Seen::Nothing);
    assert_eq!(rig.wait(50), Seen::Missing(Link::Heartbeat));
}

#[test]
fn a_queue_that_is_missing_is_waited_for() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    rig.start_host(WireVersion::V6, Version::V20);
    // A host that has not made its second queue yet, kept alive by hand.
    rig.host = None;
    let id_at = queue_at(WireVersion::V6, 1);
    rig.poke(id_at, 77);
    let wait = |rig: &mut Rig, ms: i64| {
        for _ in 0..ms / 10 {
            rig.clock.advance(Nanos::from_millis(10));
            rig.poke(16, rig.peek(16) + 10);
            let seen = rig.look();
            if seen != Seen::Nothing {
                return seen;
            }
        }
        Seen::Nothing
    };
    assert_eq!(wait(&mut rig, 400), Seen::Nothing);
    assert_eq!(wait(&mut rig, 200), Seen::Missing(Link::Queue));
    rig.poke(id_at, kvmfr::POINTER_QUEUE.id);
    assert_eq!(wait(&mut rig, 100), Seen::Connected);
}

#[test]
fn queues_without_a_free_place_are_told() {
    let mut rig = Rig::empty(MEMORY_BYTES);
    rig.start_host(WireVersion::V6, Version::V20);
    let subs_at = queue_at(WireVersion::V6, 0) + 416;
    rig.poke(subs_at + 4, u32::MAX);
    assert_eq!(rig.wait(1_000), Seen::Missing(Link::Queue));
}

#[test]
fn a_first_frame_that_does_not_come_is_told() {
    let mut rig = Rig::newest();
    assert_eq!(rig.wait(1_490), Seen::Nothing);
    assert_eq!(rig.wait(50), Seen::Missing(Link::FirstFrame));
    rig.post(&header(0));
    assert_eq!(rig.look(), Seen::full(0));
    assert_eq!(rig.reader.status(), Status::Connected);
    assert_eq!(rig.wait(3_000), Seen::Nothing);
}

#[test]
fn a_heartbeat_that_stops_ends_the_session_and_its_return_begins_one() {
    let mut rig = Rig::newest();
    rig.post(&header(0));
    assert_eq!(rig.look(), Seen::full(0));
    let host = rig.host.take();
    assert_eq!(rig.wait(990), Seen::Nothing);
    assert_eq!(rig.wait(100), Seen::Missing(Link::Heartbeat));
    assert_eq!(rig.reader.session(), None);
    assert_eq!(rig.wait(5_000), Seen::Nothing);
    rig.host = host;
    assert_eq!(rig.wait(100), Seen::Connected);
    rig.host().post_again(Nanos::ZERO);
    assert_eq!(rig.look(), Seen::full(0));
}

#[test]
fn a_host_of_another_version_is_followed_at_once() {
    for (from, to) in [(0, 2), (2, 0), (1, 2), (2, 1)] {
        let mut rig = Rig::connected(PAIRS[from].0, PAIRS[from].1);
        rig.post(&header(5));
        assert_eq!(rig.look(), Seen::full(5));
        rig.start_host(PAIRS[to].0, PAIRS[to].1);
        assert_eq!(rig.wait(100), Seen::Connected);
        assert_eq!(rig.reader.session().unwrap().kvmfr, PAIRS[to].1);
        rig.post(&header(5));
        assert_eq!(rig.look(), Seen::full(5));
    }
}

#[test]
fn a_memory_that_is_wiped_is_named_and_a_new_host_found() {
    let mut rig = Rig::newest();
    rig.host = None;
    rig.memory.as_slice().zero(0, 8192).unwrap();
    assert_eq!(rig.wait(100), Seen::Missing(Link::Magic));
    rig.start_host(WireVersion::V6, Version::V20);
    assert_eq!(rig.wait(200), Seen::Connected);
}

#[test]
fn a_waker_ends_a_wait_without_deadline() {
    let mut rig = Rig::newest();
    rig.waker.wake();
    assert!(matches!(rig.reader.next(&rig.waker, None), Event::Woken));
    assert_eq!(rig.look(), Seen::Nothing);
}

#[test]
fn a_reader_that_goes_leaves_its_places_free() {
    let mut rig = Rig::newest();
    assert!(rig.host().frames.has_subscribers() && rig.host().pointer.has_subscribers());
    let Rig { reader, host, .. } = rig;
    drop(reader);
    let host = host.unwrap();
    assert!(!host.frames.has_subscribers() && !host.pointer.has_subscribers());
}
