//! One test or more per hazard of section 14: memory damaged by hand, and what each role makes of it.

mod support;

use std::sync::Arc;

use ivshmem::SharedMemory;
use lgmp::{
    Client, Corrupted, Geometry, PostError, QueueError, SendError, SessionLost, StartError,
    SubscribeError, WireVersion,
};
use support::{Bench, MAX_TIME, get, get64, memory, set, set64};

/// `sessionID` of the header.
const SESSION_ID_AT: usize = 8;

const FROM_5: [WireVersion; 2] = [WireVersion::V5, WireVersion::V6];

/// A client that has looked at the memory once, with a heartbeat since then.
fn looking_client(bench: &mut Bench) -> Client {
    let client = Client::new(Arc::clone(&bench.memory));
    bench.pass(10);
    client
}

#[test]
fn h1_more_queues_than_fit_are_not_looked_at() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        set(&bench.memory, 24, u32::MAX);
        let missing = client.subscribe(77, bench.now).err();
        assert_eq!(missing, Some(SubscribeError::NoSuchQueue(77)));
    }
}

#[test]
fn h1_udata_that_leaves_the_memory_is_refused() {
    for version in WireVersion::ALL {
        for size in [60 * 1024, 64 * 1024 + 1, u32::MAX] {
            let mut bench = Bench::new(version);
            let mut client = looking_client(&mut bench);
            set(&bench.memory, bench.geometry.udata_size, size);
            assert_eq!(client.start(0), Err(StartError::BadUdata), "{size}");
        }
    }
}

#[test]
fn a_memory_without_a_usable_header_gives_its_reason() {
    assert_eq!(Client::new(memory(1)).start(0), Err(StartError::TooSmall));
    assert_eq!(Client::new(memory(4096)).start(0), Err(StartError::NoMagic));
    let short = memory(4096);
    set(&short, 0, lgmp::MAGIC);
    set(&short, 4, 6);
    assert_eq!(
        Client::new(Arc::clone(&short)).start(0),
        Err(StartError::TooSmall)
    );
    set(&short, 4, 7);
    assert_eq!(
        Client::new(short).start(0),
        Err(StartError::UnsupportedVersion(7))
    );
}

#[test]
fn h2_a_ring_that_cannot_exist_is_refused() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        let fields = bench.geometry.queue;
        let offset = get(&bench.memory, bench.field(fields.ring_offset));
        for (field, good, bad) in [
            (fields.slots, 5, vec![0, 1, 1025, u32::MAX, 0x1000_0000]),
            (
                fields.ring_offset,
                offset,
                vec![0, 64, offset + 1, 64 * 1024 - 16, u32::MAX - 3],
            ),
            (fields.write_pos, 0, vec![5, u32::MAX]),
        ] {
            for value in bad {
                set(&bench.memory, bench.field(field), value);
                let refused = client.subscribe(1, bench.now).err();
                assert_eq!(
                    refused,
                    Some(SubscribeError::BadGeometry),
                    "{field} = {value}"
                );
                assert_eq!(get64(&bench.memory, bench.field(fields.subs)), 0);
            }
            set(&bench.memory, bench.field(field), good);
        }
        assert!(client.subscribe(1, bench.now).is_ok());
    }
}

#[test]
fn h2_a_position_outside_the_ring_ends_the_subscription() {
    for version in WireVersion::ALL {
        type Operation = fn(&mut lgmp::Subscription, u64) -> Option<QueueError>;
        let operations: [Operation; 3] = [
            |reader, now| reader.peek(now).err(),
            |reader, now| reader.release(now).err(),
            |reader, now| reader.skip_to_last(now).err(),
        ];
        for operation in operations {
            let mut bench = Bench::new(version);
            let mut reader = bench.subscriber();
            set(
                &bench.memory,
                bench.field(bench.geometry.queue.write_pos),
                5,
            );
            assert_eq!(
                operation(&mut reader, bench.now),
                Some(QueueError::Corrupted)
            );
        }
    }
}

/// A subscriber that has met a position outside the ring.
fn misled(version: WireVersion) -> (Bench, lgmp::Subscription) {
    let mut bench = Bench::new(version);
    let mut reader = bench.subscriber();
    bench.post(0);
    let position = bench.field(bench.geometry.queue.write_pos);
    let sane = get(&bench.memory, position);
    set(&bench.memory, position, 5);
    assert_eq!(reader.peek(bench.now), Err(QueueError::Corrupted));
    set(&bench.memory, position, sane);
    (bench, reader)
}

#[test]
fn h2_a_misled_subscriber_gives_back_its_bit_and_what_it_holds() {
    for version in WireVersion::ALL {
        let (bench, reader) = misled(version);
        assert!(bench.queue.has_subscribers());
        assert_eq!(reader.unsubscribe(bench.now), Ok(()));
        let subs = bench.field(bench.geometry.queue.subs);
        assert_eq!(get64(&bench.memory, subs), 0);
        assert_eq!(get(&bench.memory, bench.pending_at(0)), 0);
    }
}

#[test]
fn h2_a_misled_subscriber_writes_nothing_where_the_session_or_the_bit_is_anothers() {
    for version in WireVersion::ALL {
        let owner = Geometry::of(version).queue.client_id;
        for is_session in [true, false] {
            let (bench, reader) = misled(version);
            let word = match (is_session, owner) {
                (true, _) => SESSION_ID_AT,
                (false, Some(owner)) => bench.field(owner),
                (false, None) => continue,
            };
            set(&bench.memory, word, get(&bench.memory, word) ^ 1);
            let before = snapshot(&bench.memory);
            assert!(reader.unsubscribe(bench.now).is_err());
            assert!(snapshot(&bench.memory) == before, "something was written");
        }
    }
}

#[test]
fn h3_payload_outside_the_memory_or_in_the_header_or_the_ring_is_refused() {
    for version in WireVersion::ALL {
        let ring = u32::try_from(Bench::new(version).pending_at(0) - 12).expect("small");
        for (offset, size) in [
            (ring, 4),
            (ring - 4, 8),
            (ring + 8, 4096),
            (0, 16),
            (5000, 16),
            (60 * 1024, 8 * 1024),
            (u32::MAX, u32::MAX),
        ] {
            let mut bench = Bench::new(version);
            let mut reader = bench.subscriber();
            bench.post(0);
            let slot = bench.pending_at(0) - 12;
            set(&bench.memory, slot + 4, size);
            set(&bench.memory, slot + 8, offset);
            assert_eq!(
                reader.peek(bench.now),
                Err(QueueError::Corrupted),
                "{offset}+{size}"
            );
        }
    }
}

#[test]
fn h4_a_client_gives_up_on_a_stuck_lock() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        let mut reader = client.subscribe(1, bench.now).expect("a free bit");
        bench.post(1);
        bench.jam(bench.geometry.queue.lock);
        let before = std::time::Instant::now();
        assert_eq!(
            client.subscribe(1, bench.now).err(),
            Some(SubscribeError::LockTimeout)
        );
        assert!(before.elapsed() >= std::time::Duration::from_millis(250));
        // Releasing only tries, and leaves the retiring to the host.
        reader.release(bench.now).expect("subscribed");
        assert_eq!(get(&bench.memory, bench.pending_at(0)), 0);
        assert_eq!(bench.queue.pending(), 1);
        bench.jam(bench.geometry.queue.cm_lock);
        assert_eq!(reader.send(b"x"), Err(SendError::LockTimeout));
        assert_eq!(reader.unsubscribe(bench.now), Err(QueueError::LockTimeout));
    }
}

#[test]
fn h4_the_host_keeps_beating_and_forces_a_stuck_lock_after_a_second() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut reader = bench.subscriber();
        bench.post(1);
        bench.jam(bench.geometry.queue.lock);
        assert_eq!(
            bench.queue.post(2, bench.block, bench.now),
            Err(PostError::LockTimeout)
        );
        bench.pass(1000);
        assert_eq!(get64(&bench.memory, 16), bench.now, "the heartbeat");
        assert!(bench.queue.has_subscribers());
        bench.pass(20);
        assert!(!bench.queue.has_subscribers());
        assert_eq!(bench.queue.pending(), 0);
        assert_eq!(get(&bench.memory, bench.pending_at(0)), 0);
        assert_eq!(reader.peek(bench.now), Err(QueueError::Evicted));
        let mut next = bench.subscriber();
        assert_eq!(bench.post(3), 1);
        let message = next
            .peek(bench.now)
            .expect("subscribed")
            .expect("a message");
        assert_eq!(message.udata, 3);
    }
}

#[test]
fn h4_a_lock_that_is_stuck_for_a_while_only_costs_that_while() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut reader = bench.subscriber();
        let lock = bench.field(bench.geometry.queue.lock);
        for number in 0..5 {
            bench.jam(bench.geometry.queue.lock);
            bench.pass(300);
            set(&bench.memory, lock, get(&bench.memory, lock) & !0xff);
            bench.post(number);
            let message = reader.peek(bench.now).expect("subscribed");
            assert_eq!(message.map(|message| message.udata), Some(number));
            reader.release(bench.now).expect("subscribed");
        }
    }
}

#[test]
fn h5_what_a_leaving_subscriber_held_does_not_count_against_the_next() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut slow = bench.subscriber();
        let reader = bench.subscriber();
        bench.post(1);
        bench.post(2);
        slow.release(bench.now).expect("subscribed");
        reader.unsubscribe(bench.now).expect("subscribed");
        assert_eq!(get(&bench.memory, bench.pending_at(1)), 0b01);
        // A careless client leaves its bit behind; the next owner and the host both clear it.
        set(&bench.memory, bench.pending_at(1), 0b11);
        let mut next = bench.subscriber();
        assert_eq!(next.bit(), 1);
        assert_eq!(get(&bench.memory, bench.pending_at(1)), 0b01);
        slow.release(bench.now).expect("subscribed");
        bench.pass(u64::from(MAX_TIME) / 2 - 100);
        assert_eq!(next.peek(bench.now), Ok(None));
        assert_eq!(bench.queue.pending(), 0);
    }
}

#[test]
fn h5_the_host_forgets_what_a_reused_bit_held() {
    for version in FROM_5 {
        let mut bench = Bench::new(version);
        let _slow = bench.subscriber();
        let careless = bench.subscriber();
        bench.post(1);
        // Bit 1 changes hands by the rules of the original client, between two ticks.
        let owner = bench.field(bench.geometry.queue.client_id.expect("from version 5 on")) + 4;
        set(&bench.memory, owner, 0x1234);
        let new_subs = bench.field(bench.geometry.queue.new_subs);
        set(&bench.memory, new_subs, get(&bench.memory, new_subs) + 1);
        assert_eq!(get(&bench.memory, bench.pending_at(0)), 0b11);
        bench.pass(10);
        assert_eq!(get(&bench.memory, bench.pending_at(0)), 0b01);
        drop(careless);
    }
}

#[test]
fn h6_an_old_handle_writes_nothing_into_a_new_session() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut old = bench.subscriber();
        let leaving = bench.subscriber();
        bench.post(1);
        let old_queue = bench.queue.clone();
        let old_session = bench.host.session_id();
        let mut bench = Bench::on(Arc::clone(&bench.memory), version, bench.now + 5);
        assert_ne!(bench.host.session_id(), old_session);
        let _new = bench.subscriber();
        bench.post(2);
        let before = snapshot(&bench.memory);
        let lost = QueueError::SessionLost(SessionLost::Restarted);
        assert!(!old.is_still_mine());
        assert_eq!(old.send(b"x"), Err(SendError::Ended(lost)));
        assert_eq!(old.peek(bench.now), Err(lost));
        assert_eq!(old.release(bench.now), Err(lost));
        assert_eq!(old.skip_to_last(bench.now), Err(lost));
        assert_eq!(old.is_acknowledged(1), Err(SessionLost::Restarted));
        assert_eq!(leaving.unsubscribe(bench.now), Err(lost));
        let posted = old_queue.post(3, bench.block, bench.now);
        assert_eq!(posted, Err(PostError::Corrupted(Corrupted)));
        assert_eq!(old_queue.next_message(), None);
        old_queue.acknowledge();
        assert!(snapshot(&bench.memory) == before, "something was written");
    }
}

fn snapshot(memory: &SharedMemory) -> Vec<u8> {
    let mut bytes = vec![0; memory.len()];
    memory.as_slice().copy_to(0, &mut bytes).expect("in bounds");
    bytes
}

#[test]
fn h6_a_bit_with_another_owner_is_not_written() {
    for version in FROM_5 {
        let mut bench = Bench::new(version);
        let mut reader = bench.subscriber();
        bench.post(1);
        let owner = bench.field(bench.geometry.queue.client_id.expect("from version 5 on"));
        set(&bench.memory, owner, get(&bench.memory, owner) ^ 1);
        let before = snapshot(&bench.memory);
        assert_eq!(reader.release(bench.now), Err(QueueError::Evicted));
        assert!(snapshot(&bench.memory) == before, "something was written");
    }
}

#[test]
fn h7_the_mailbox_of_version_4_cycles_through_eleven_slots() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut sender = bench.subscriber();
        for number in 0..25_u32 {
            let cycle = if version == WireVersion::V4 { 11 } else { 10 };
            let at = bench.field(bench.geometry.queue.cm) + 68 * (number as usize % cycle);
            let serial = sender.send(&number.to_le_bytes()).expect("room");
            assert_eq!(serial, number + 1);
            assert_eq!(get(&bench.memory, at), 4);
            assert_eq!(get(&bench.memory, at + 4), number);
            let message = bench.queue.next_message().expect("a message");
            assert_eq!(message.bytes(), number.to_le_bytes());
            bench.queue.acknowledge();
            assert_eq!(sender.is_acknowledged(serial), Ok(true));
            bench.pass(10);
        }
    }
    // "The 11th message of a session, sent on queue index 1, lands at 0x0810."
    let bench = Bench::new(WireVersion::V4);
    assert_eq!(bench.field(bench.geometry.queue.cm) + 68 * 10, 0x0810);
}

#[test]
fn h7_version_4_sends_only_where_the_last_slot_hurts_nobody() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let now = bench.now + 10;
        let mut first = bench.client().subscribe(2, now).expect("a free bit");
        let sent = first.send(b"x");
        if version == WireVersion::V4 {
            assert_eq!(sent, Err(SendError::Unsafe));
        } else {
            assert_eq!(sent, Ok(1));
        }
    }
}

#[test]
fn h8_messages_of_impossible_length_are_passed_over_and_acknowledged() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut sender = bench.subscriber();
        assert_eq!(sender.send(&[0; 65]), Err(SendError::TooLong(65)));
        let bad = sender.send(b"bad").expect("room");
        let good = sender.send(&[7; 64]).expect("room");
        set(&bench.memory, bench.field(bench.geometry.queue.cm), 65);
        let message = bench.queue.next_message().expect("the good one");
        assert_eq!(message.bytes(), [7; 64]);
        assert_eq!(sender.is_acknowledged(bad), Ok(true));
        assert_eq!(sender.is_acknowledged(good), Ok(false));
    }
}

#[test]
fn h8_a_host_reads_ten_messages_per_tick_and_a_full_mailbox_says_so() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut sender = bench.subscriber();
        for number in 0..10 {
            sender.send(&[number]).expect("room");
        }
        assert_eq!(sender.send(b"x"), Err(SendError::Full));
        for number in 0..10 {
            let message = bench.queue.next_message().expect("a message");
            assert_eq!(message.bytes(), [number]);
        }
        sender.send(b"y").expect("room");
        assert_eq!(bench.queue.next_message(), None, "ten since the last tick");
        bench.pass(10);
        assert!(bench.queue.next_message().is_some());
    }
}

#[test]
fn h8_a_mailbox_that_contradicts_itself_is_repaired() {
    for version in WireVersion::ALL {
        for (field, value) in [
            ("avail", 11),
            ("avail", u32::MAX),
            ("wpos", 11),
            ("wpos", 4000),
        ] {
            let mut bench = Bench::new(version);
            let mut sender = bench.subscriber();
            let fields = bench.geometry.queue;
            let field = if field == "avail" {
                fields.cm_avail
            } else {
                fields.cm_wpos
            };
            set(&bench.memory, bench.field(field), value);
            assert_eq!(sender.send(b"x"), Err(SendError::Corrupted));
            assert_eq!(bench.queue.next_message(), None);
            bench.pass(10);
            let serial = sender.send(b"x").expect("room again");
            assert_eq!(
                bench.queue.next_message().map(|message| message.len),
                Some(1)
            );
            bench.queue.acknowledge();
            assert_eq!(sender.is_acknowledged(serial), Ok(true));
        }
    }
}

#[test]
fn h8_a_sender_killed_half_way_is_finished_by_the_host() {
    for version in WireVersion::ALL {
        // After its position, or after its position and its count, with one message before it or nine.
        for (before, counted) in [(1, false), (1, true), (9, false), (9, true)] {
            let mut bench = Bench::new(version);
            let mut sender = bench.subscriber();
            for number in 0..before {
                sender.send(&[number]).expect("room");
            }
            sender.send(b"last").expect("room");
            let fields = bench.geometry.queue;
            let (avail, serial) = (bench.field(fields.cm_avail), bench.field(fields.cm_wserial));
            set(&bench.memory, serial, get(&bench.memory, serial) - 1);
            if !counted {
                set(&bench.memory, avail, get(&bench.memory, avail) + 1);
            }
            bench.jam(fields.cm_lock);
            bench.pass(1000);
            assert_eq!(
                bench.queue.next_message(),
                None,
                "the lock is not forced yet"
            );
            bench.pass(20);
            for number in 0..before {
                let message = bench.queue.next_message().expect("a message");
                assert_eq!(message.bytes(), [number]);
            }
            let message = bench.queue.next_message().expect("the killed sender's");
            assert_eq!(message.bytes(), b"last");
            assert_eq!(bench.queue.next_message(), None);
            assert_eq!(get(&bench.memory, serial), u32::from(before) + 1);
        }
    }
}

#[test]
fn h9_a_client_killed_while_retiring_is_repaired_at_the_next_acquisition() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let _slow = bench.subscriber();
        for number in 0..3 {
            bench.post(number);
        }
        let fields = bench.geometry.queue;
        // Killed after `start`, before `count`.
        set(&bench.memory, bench.field(fields.start), 1);
        bench.post(3);
        assert_eq!(get(&bench.memory, bench.field(fields.count)), 3);
        for (start, count, write) in [
            (5, 3, 4),
            (77, 1, 4),
            (1, 0, 4),
            (1, 9, 4),
            (1, 3, 2),
            (1, 3, 99),
        ] {
            set(&bench.memory, bench.field(fields.start), start);
            set(&bench.memory, bench.field(fields.count), count);
            set(&bench.memory, bench.field(fields.write_pos), write);
            bench.pass(10);
            let at = |field| get(&bench.memory, bench.field(field));
            assert_eq!(at(fields.write_pos), 4);
            assert_eq!((at(fields.start) + at(fields.count)) % 5, 4);
            assert!(at(fields.start) < 5);
        }
    }
}

#[test]
fn h9_a_client_does_not_retire_from_a_ring_that_has_drifted() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut reader = bench.subscriber();
        bench.post(1);
        bench.post(2);
        let count = bench.field(bench.geometry.queue.count);
        set(&bench.memory, count, 3);
        reader.release(bench.now).expect("subscribed");
        assert_eq!(get(&bench.memory, bench.pending_at(0)), 0);
        assert_eq!(
            get(&bench.memory, bench.field(bench.geometry.queue.start)),
            0
        );
        bench.pass(10);
        assert_eq!(get(&bench.memory, count), 1);
    }
}

#[test]
fn h10_zeroed_memory_makes_the_host_ask_for_a_new_session() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        let session = bench.host.session_id();
        let header = bench.geometry.header_size;
        bench.memory.as_slice().zero(0, header).expect("in bounds");
        assert_eq!(bench.host.tick(bench.now), Err(Corrupted));
        assert_eq!(client.check(bench.now), Err(SessionLost::Restarted));
        assert_eq!(client.start(bench.now), Err(StartError::NoMagic));
        let mut bench = Bench::on(Arc::clone(&bench.memory), version, bench.now);
        assert_ne!(bench.host.session_id(), session);
        bench.pass(10);
        let again = client.start(bench.now).expect("the new session");
        assert_eq!(again.session_id, bench.host.session_id());
        assert!(client.subscribe(1, bench.now).is_ok());
    }
}

#[test]
fn h10_any_word_that_only_the_host_writes_is_missed() {
    for version in WireVersion::ALL {
        let geometry = Bench::new(version).geometry;
        let queue = geometry.queue_base(1);
        let fields = geometry.queue;
        for at in [
            0,
            4,
            8,
            24,
            geometry.udata_size,
            queue + fields.queue_id,
            queue + fields.slots,
            queue + fields.max_time,
            queue + fields.ring_offset,
        ] {
            let bench = Bench::new(version);
            set(&bench.memory, at, get(&bench.memory, at) ^ 0x100);
            assert_eq!(bench.host.tick(bench.now), Err(Corrupted), "{at}");
        }
    }
}

#[test]
fn h11_an_eviction_while_reading_is_seen_afterwards() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut reader = bench.subscriber();
        bench.post(1);
        assert!(matches!(reader.peek(bench.now), Ok(Some(_))));
        assert!(reader.is_still_mine());
        bench.pass(u64::from(MAX_TIME) + 20);
        assert!(!reader.is_still_mine());
        assert_eq!(reader.release(bench.now), Err(QueueError::Evicted));
    }
}

#[test]
fn h12_a_deadline_that_never_comes_is_not_believed() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let _slow = bench.subscriber();
        bench.post(1);
        set64(
            &bench.memory,
            bench.field(bench.geometry.queue.deadline),
            u64::MAX,
        );
        bench.pass(u64::from(MAX_TIME) + 30);
        assert!(!bench.queue.has_subscribers());
    }
}

#[test]
fn h13_a_host_that_was_paused_evicts_nobody_at_once() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let reader = bench.subscriber();
        bench.post(1);
        bench.now += 60_000;
        bench.host.tick(bench.now).expect("an intact header");
        assert!(bench.queue.has_subscribers());
        assert!(reader.is_still_mine());
        bench.pass(500);
        assert!(bench.queue.has_subscribers());
        bench.pass(600);
        assert!(!bench.queue.has_subscribers(), "but a whole max_time later");
    }
}

#[test]
fn h13_a_heartbeat_that_stops_ends_the_session_and_the_same_host_can_be_joined_again() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        let start = 5000;
        client
            .start(start)
            .expect_err("no heartbeat since the last start");
        bench.pass(10);
        client.start(start).expect("a heartbeat");
        assert_eq!(client.check(start + 1000), Ok(()));
        assert_eq!(client.heartbeat_age_ms(start + 1000), Some(1000));
        assert_eq!(
            client.check(start + 1001),
            Err(SessionLost::HeartbeatStopped)
        );
        assert_eq!(
            client.check(start + 1002),
            Err(SessionLost::Restarted),
            "none is running"
        );
        assert_eq!(client.start(start + 1100), Err(StartError::NoHeartbeat));
        bench.pass(10);
        client.start(start + 1200).expect("the same session");
        assert_eq!(client.check(start + 1300), Ok(()));
    }
}

#[test]
fn h14_client_ids_are_nonzero_and_differ() {
    for version in FROM_5 {
        let mut bench = Bench::new(version);
        let readers: Vec<_> = (0..8).map(|_| bench.subscriber()).collect();
        let mut ids: Vec<u32> = bench.queue.client_ids().collect();
        assert_eq!(ids.len(), readers.len());
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), readers.len());
        assert!(!ids.contains(&0));
    }
}

#[test]
fn h15_the_host_frees_the_bits_of_crashed_clients() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        drop(bench.subscriber());
        bench.post(1);
        bench.pass(u64::from(MAX_TIME) + 20);
        let subs = bench.field(bench.geometry.queue.subs);
        assert_eq!(get64(&bench.memory, subs), 0x1_0000_0001);
        let quarantine = bench.geometry.quarantine(MAX_TIME);
        bench.pass(quarantine - 30);
        assert_eq!(get64(&bench.memory, subs), 0x1_0000_0001);
        bench.pass(40);
        assert_eq!(get64(&bench.memory, subs), 0);
        assert_eq!(bench.subscriber().bit(), 0);
    }
}

#[test]
fn h15_a_client_frees_a_bit_whose_quarantine_is_over_but_no_other() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let fields = bench.geometry.queue;
        // As a C host leaves it: bits 0 and 1 evicted, only bit 0's quarantine over.
        set64(&bench.memory, bench.field(fields.subs), 0x3_0000_0003);
        let until = bench.field(fields.quarantine_until);
        set64(&bench.memory, until, bench.now);
        set64(&bench.memory, until + 8, bench.now + 10_000);
        let mut client = bench.client();
        let bits = [(); 2].map(|()| client.subscribe(1, bench.now).expect("a bit").bit());
        assert_eq!(bits, [0, 2]);
        assert_eq!(
            get64(&bench.memory, bench.field(fields.subs)),
            0x7_0000_0002
        );
    }
}

#[test]
fn a_thirty_third_subscriber_is_refused() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut client = bench.client();
        let bits = (0..32).map(|_| client.subscribe(1, bench.now).expect("a bit").bit());
        assert!(bits.eq(0..32));
        assert_eq!(
            client.subscribe(1, bench.now).err(),
            Some(SubscribeError::Full)
        );
        assert_eq!(bench.post(1), 32);
    }
}

#[test]
fn h16_a_thawed_client_gives_up_what_it_held() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut frozen = bench.subscriber();
        let mut other = bench.subscriber();
        bench.post(1);
        other.release(bench.now).expect("subscribed");
        bench.pass(510);
        let subs = bench.field(bench.geometry.queue.subs);
        let before = get64(&bench.memory, subs);
        assert_eq!(frozen.peek(bench.now), Err(QueueError::Thawed));
        assert_eq!(
            frozen.release(bench.now),
            Err(QueueError::Thawed),
            "and stays dead"
        );
        if version == WireVersion::V4 {
            assert_eq!(
                get64(&bench.memory, subs),
                before,
                "version 4 writes nothing"
            );
        } else {
            assert_eq!(get64(&bench.memory, subs), 0x2_0000_0000);
            assert_eq!(get(&bench.memory, bench.pending_at(0)), 0);
        }
    }
}

#[test]
fn h16_a_message_that_was_not_posted_to_a_subscriber_is_never_released_by_it() {
    for version in WireVersion::ALL {
        let mut bench = Bench::new(version);
        let mut reader = bench.subscriber();
        let _other = bench.subscriber();
        bench.post(1);
        bench.post(2);
        // The host took slot 0 back from this subscriber.
        set(&bench.memory, bench.pending_at(0), 0b10);
        let message = reader
            .peek(bench.now)
            .expect("subscribed")
            .expect("a message");
        assert_eq!(message.udata, 2);
        assert_eq!(get(&bench.memory, bench.pending_at(0)), 0b10);
    }
}
