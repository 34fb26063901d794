//! Subscribers that miss their deadline, from either side (lgmp.md 5.1, 7.2, 9.1, 9.2).

use clock::Nanos;
use ivshmem::PixelStream as _;
use relay::{Discarded, Event, Link};
use testkit::handmade::table::FRAMES;
use testkit::handmade::{Frame, Image, Posted, Slot, Subscriber, Wire};

use super::publishing::Stage;
use super::rig::{Rig, Seen, fresh};

const SIZE: (u32, u32) = (19, 7);

/// How long an evicted bit rests (lgmp.md 2).
fn rest_ms(wire: Wire) -> u64 {
    match wire {
        Wire::V16 => 10_000,
        Wire::V19 | Wire::V20 => 1_000,
    }
}

fn with_frame(wire: Wire) -> Image {
    let mut image = fresh(wire);
    image.frames[0] = Some(Frame::new(1, SIZE, 6));
    image
}

impl Rig {
    fn post_frame(&mut self) {
        let slot = self.image.frame_slot(0);
        self.post(Posted {
            queue: FRAMES,
            slot,
        });
    }

    /// Lets the host's time pass, not the reader's.
    fn host_alone(&mut self, ms: i64) {
        for _ in 0..ms / 10 {
            self.host.tick(self.memory.as_slice()).unwrap();
        }
    }
}

#[test]
fn our_client_sees_that_it_was_evicted_and_subscribes_again() {
    for wire in Wire::ALL {
        let mut rig = Rig::connected(with_frame(wire));
        rig.expect_subscriber(0);
        rig.post_frame();
        let posted_at = rig.host.now;
        let slot = rig.image.frame_slot(0);
        rig.image.queues[0].slots = vec![(0, Slot { pending: 1, ..slot })];
        let queue = &mut rig.image.queues[0];
        (queue.write_pos, queue.count, queue.deadline) = (1, 1, posted_at + 1_000);
        rig.assert_session("posted");
        rig.host_alone(1_000);
        rig.assert_session("on the deadline");
        rig.host_alone(10);
        let queue = &mut rig.image.queues[0];
        let evicted_until = Some(posted_at + 1_010 + rest_ms(wire));
        queue.subscribers[0].evicted_until = evicted_until;
        (queue.start, queue.count) = (1, 0);
        queue.slots[0].1.pending = 0;
        rig.assert_session("evicted");

        // Nothing is told: the host is as alive as before.
        rig.settle(40);
        let client_id = rig.owner(0, 1);
        assert!(wire == Wire::V16 || client_id != 0, "{wire:?}");
        let queue = &mut rig.image.queues[0];
        queue.new_subs += 1;
        queue.subscribers.push(Subscriber {
            bit: 1,
            client_id,
            evicted_until: None,
        });
        rig.assert_session("subscribed again");
        rig.post_frame();
        let Seen::Frame(seen) = rig.look() else {
            panic!("{wire:?}: no frame for the new subscription");
        };
        assert!(seen.damage.is_full(), "{wire:?}");
    }
}

#[test]
fn a_frame_that_was_being_read_when_the_host_lost_patience_is_discarded() {
    for wire in Wire::ALL {
        let mut rig = Rig::connected(with_frame(wire));
        rig.post_frame();
        let (host, memory) = (&mut rig.host, &rig.memory);
        let Event::Frame(mut frame) = rig.reader.next(&rig.waker, Some(Nanos::ZERO)) else {
            panic!("{wire:?}: no frame");
        };
        frame.wait_for(usize::MAX).unwrap();
        for _ in 0..=101 {
            host.tick(memory.as_slice()).unwrap();
        }
        assert_eq!(frame.finish(), Err(Discarded::Evicted), "{wire:?}");
        rig.settle(50);
        rig.post_frame();
        assert!(matches!(rig.look(), Seen::Frame(_)), "{wire:?}");
    }
}

#[test]
fn our_client_takes_the_lowest_bit_that_has_rested_and_leaves_the_others() {
    for wire in Wire::ALL {
        let mut image = with_frame(wire);
        let now = image.timestamp;
        let slot = image.frame_slot(0);
        for queue in &mut image.queues {
            queue.subscribers = [Some(now + 60_000), Some(now), None]
                .into_iter()
                .zip(0..)
                .map(|(evicted_until, bit)| Subscriber {
                    bit,
                    client_id: 0x100 + bit,
                    evicted_until,
                })
                .collect();
            (queue.write_pos, queue.start, queue.count) = (2, 1, 1);
            queue.deadline = now + 900;
            queue.slots = vec![(0, slot), (1, Slot { pending: 4, ..slot })];
        }
        let mut rig = Rig::connected(image);
        let until = rig.image.queues[0].subscribers[1].evicted_until;
        rig.expect_subscriber(1);
        if wire == Wire::V16 {
            // Version 4 leaves the time of an old quarantine where it is (lgmp.md 9.1).
            let table = wire.table();
            let at = table.queue(0) + testkit::handmade::table::QUARANTINE + 8;
            assert_eq!(u64::from(rig.word(at)), until.unwrap());
            for queue in 0..2 {
                let at = table.queue(queue) + testkit::handmade::table::QUARANTINE + 8;
                rig.memory.as_slice().write(at, &0_u64).unwrap();
            }
        }
        rig.assert_session("subscribed");
        rig.post_frame();
        assert!(matches!(rig.look(), Seen::Frame(_)), "{wire:?}");
        // Bit 2 never reads and is evicted; this reader stays.
        rig.settle(1_500);
        let (on, bad) = rig.host.frames.subs(rig.memory.as_slice()).unwrap();
        assert_eq!((on & 7, bad & 7), (7, 5), "{wire:?}");
        rig.image.frames[0] = Some(Frame::new(1, SIZE, 7));
        rig.write_frame(0);
        rig.post_frame();
        assert!(matches!(rig.look(), Seen::Frame(_)), "{wire:?}");
    }
}

#[test]
fn a_queue_with_thirty_two_subscribers_is_reported_until_one_has_rested() {
    for wire in Wire::ALL {
        let mut image = with_frame(wire);
        let until = image.timestamp + 2_000;
        for queue in &mut image.queues {
            let all = (0..32).map(|bit| Subscriber {
                bit,
                client_id: 1 + bit,
                evicted_until: (bit == 20).then_some(until),
            });
            queue.subscribers = all.collect();
        }
        let mut rig = Rig::of(image);
        let mut link = None;
        for _ in 0..100 {
            rig.pass(10);
            if let Seen::Missing(missing) = rig.look() {
                link = Some(missing);
            }
        }
        assert_eq!(link, Some(Link::Queue), "{wire:?}");
        let mut ms = 0;
        while !matches!(rig.look(), Seen::Connected(_)) {
            ms += 10;
            assert!(ms < 3_000, "{wire:?}: no place");
            rig.pass(10);
        }
        assert!(rig.host.now > until, "{wire:?}: before the rest was over");
        rig.post_frame();
        assert!(matches!(rig.look(), Seen::Frame(_)), "{wire:?}");
    }
}

#[test]
fn what_the_last_owner_of_a_bit_left_behind_does_not_count_against_our_client() {
    for wire in Wire::ALL {
        let mut image = with_frame(wire);
        let slot = image.frame_slot(0);
        for queue in &mut image.queues {
            // Bit 0 unsubscribed with a message in hand; bit 1 holds it too (lgmp.md H5).
            queue.subscribers = vec![Subscriber {
                bit: 1,
                client_id: 9,
                evicted_until: None,
            }];
            (queue.write_pos, queue.count) = (1, 1);
            queue.deadline = image.timestamp + 500;
            queue.slots = vec![(0, Slot { pending: 3, ..slot })];
        }
        let mut rig = Rig::connected(image);
        rig.expect_subscriber(0);
        for queue in &mut rig.image.queues {
            queue.slots[0].1.pending = 2;
        }
        rig.assert_session("subscribed");
        rig.settle(1_000);
        let (_, bad) = rig.host.frames.subs(rig.memory.as_slice()).unwrap();
        assert_eq!(bad, 2, "{wire:?}");
        rig.post_frame();
        assert!(matches!(rig.look(), Seen::Frame(_)), "{wire:?}");
    }
}

#[test]
fn our_host_evicts_a_client_that_never_reads_and_the_bytes_say_so() {
    for wire in Wire::ALL {
        let mut stage = Stage::new(wire);
        let frames = stage.queue(FRAMES);
        let seat = frames.subscribe(stage.shared(), 0xabc).unwrap();
        stage.publish(&Frame::new(1, SIZE, 6));
        let slot = stage.image.frame_slot(0);
        let queue = &mut stage.image.queues[0];
        queue.subscribers = vec![Subscriber {
            bit: 0,
            client_id: 0xabc,
            evicted_until: None,
        }];
        queue.slots = vec![(0, Slot { pending: 1, ..slot })];
        (queue.write_pos, queue.count, queue.deadline) = (1, 1, 6_000);
        stage.assert_session("posted");
        for _ in 0..100 {
            stage.tick();
        }
        stage.assert_session("on the deadline");
        stage.tick();
        let queue = &mut stage.image.queues[0];
        let until = 6_010 + rest_ms(wire);
        queue.subscribers[0].evicted_until = Some(until);
        queue.slots[0].1.pending = 0;
        (queue.start, queue.count) = (1, 0);
        stage.assert_session("evicted");
        assert!(frames.peek(stage.shared(), seat).is_err(), "{wire:?}");
        assert!(!stage.publisher.has_subscribers(), "{wire:?}");

        // It subscribes again and reads from then on.
        let mut seat = frames.subscribe(stage.shared(), 0xabd).unwrap();
        assert_eq!(seat.bit, 1, "{wire:?}");
        stage.publish(&Frame::new(1, SIZE, 7));
        let message = frames.peek(stage.shared(), seat).unwrap();
        assert_eq!(message, Some(stage.image.frame_slot(1).into()), "{wire:?}");
        frames.done(stage.shared(), &mut seat).unwrap();
        assert_eq!(frames.subs(stage.shared()).unwrap(), (3, 1), "{wire:?}");

        // Our host gives the bit back itself when it has rested (H15).
        while stage.image.timestamp < until {
            stage.tick();
        }
        assert_eq!(frames.subs(stage.shared()).unwrap(), (3, 1), "{wire:?}");
        stage.tick();
        assert_eq!(frames.subs(stage.shared()).unwrap(), (2, 0), "{wire:?}");
    }
}

#[test]
fn our_host_goes_on_for_the_others_when_one_client_never_reads() {
    for wire in Wire::ALL {
        let mut stage = Stage::new(wire);
        let frames = stage.queue(FRAMES);
        frames.subscribe(stage.shared(), 1).unwrap();
        let mut seat = frames.subscribe(stage.shared(), 2).unwrap();
        for index in 0..2 {
            stage.publish(&Frame::new(1, SIZE, 6));
            assert!(
                frames.peek(stage.shared(), seat).unwrap().is_some(),
                "{wire:?} {index}"
            );
            frames.done(stage.shared(), &mut seat).unwrap();
        }
        assert!(
            !stage.publisher.has_room(),
            "{wire:?}: the first one holds both blocks"
        );
        for _ in 0..101 {
            stage.tick();
        }
        assert!(stage.publisher.has_room(), "{wire:?}: it was evicted");
        stage.publish(&Frame::new(1, SIZE, 6));
        let message = frames.peek(stage.shared(), seat).unwrap();
        assert_eq!(message, Some(stage.image.frame_slot(0).into()), "{wire:?}");
    }
}
