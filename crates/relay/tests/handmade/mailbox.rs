//! Messages from clients to the host, from either side (lgmp.md 7.4 and 9.7, kvmfr.md 5.3).

use picture::GuestPoint;
use relay::publisher::ClientRequest;
use relay::{CursorPosition, SetCursorError};
use testkit::handmade::table::POINTER;
use testkit::handmade::{Frame, Wire};
use testkit::played::Queue;

use super::publishing::Stage;
use super::rig::{Rig, Seen, fresh};

/// The twelve bytes of *set cursor position* (kvmfr.md 5.3).
fn message(x: i32, y: i32) -> Vec<u8> {
    [0, x, y].map(i32::to_le_bytes).concat()
}

#[test]
fn our_clients_messages_lie_byte_for_byte_where_the_table_says() {
    for wire in Wire::ALL {
        let mut rig = Rig::connected(fresh(wire));
        rig.expect_subscriber(0);
        rig.assert_session("connected");
        // More than once around the mailbox, in version 4 over its end (H7).
        for number in 0..25 {
            let (x, y) = (number * 100 - 1, -number);
            let wanted = GuestPoint { x, y };
            rig.reader.set_cursor_position(wanted).unwrap();
            rig.image.queues[1].mailbox.sent.push(message(x, y));
            let when = format!("{wire:?}, message {number}");
            rig.assert_session(&format!("{when} sent"));
            assert!(matches!(rig.look(), Seen::Nothing), "{when}");

            let shared = rig.memory.as_slice();
            let taken = rig.host.pointer.take_message(shared).unwrap();
            assert_eq!(taken, Some(message(x, y)), "{when}");
            rig.image.queues[1].mailbox.taken += 1;
            rig.assert_session(&format!("{when} taken"));
            assert!(matches!(rig.look(), Seen::Nothing), "{when}");

            rig.host.pointer.acknowledge(rig.memory.as_slice()).unwrap();
            rig.image.queues[1].mailbox.acknowledged += 1;
            let answer = rig.look();
            let is_answered = matches!(answer, Seen::Cursor(CursorPosition::Acknowledged));
            assert!(is_answered, "{when}: {answer:?}");
            rig.assert_session(&format!("{when} acknowledged"));
        }
    }
}

#[test]
fn the_eleventh_message_in_version_4_lies_over_the_next_queue_header() {
    let mut rig = Rig::connected(fresh(Wire::V16));
    for number in 0..11 {
        rig.reader
            .set_cursor_position(GuestPoint { x: number, y: 480 })
            .unwrap();
        let taken = rig
            .host
            .pointer
            .take_message(rig.memory.as_slice())
            .unwrap();
        assert_eq!(taken, Some(message(number, 480)));
        rig.host.pointer.acknowledge(rig.memory.as_slice()).unwrap();
    }
    // lgmp.md H7: "lands at 0x0810".
    let words = [0x810, 0x814, 0x818, 0x81c].map(|at| rig.word(at));
    assert_eq!(words, [12, 0, 10, 480]);
}

#[test]
fn a_mailbox_that_another_client_filled_is_full_until_the_host_reads() {
    for wire in Wire::ALL {
        let mut image = fresh(wire);
        let mailbox = &mut image.queues[1].mailbox;
        mailbox.sent = (0..13).map(|i| message(i, i)).collect();
        (mailbox.taken, mailbox.acknowledged) = (3, 2);
        let mut rig = Rig::connected(image);
        let to = GuestPoint { x: 5, y: 6 };
        let refused = rig.reader.set_cursor_position(to);
        assert_eq!(refused, Err(SetCursorError::Send(lgmp::SendError::Full)));
        rig.expect_subscriber(0);
        rig.assert_session("refused");

        let taken = rig
            .host
            .pointer
            .take_message(rig.memory.as_slice())
            .unwrap();
        assert_eq!(taken, Some(message(3, 3)), "{wire:?}");
        rig.reader.set_cursor_position(to).unwrap();
        let mailbox = &mut rig.image.queues[1].mailbox;
        mailbox.sent.push(message(5, 6));
        mailbox.taken = 4;
        rig.assert_session("sent");
        // Those of the other client are acknowledged first.
        for _ in 2..13 {
            rig.host.pointer.acknowledge(rig.memory.as_slice()).unwrap();
            assert!(matches!(rig.look(), Seen::Nothing), "{wire:?}");
        }
        rig.host.pointer.acknowledge(rig.memory.as_slice()).unwrap();
        let answer = rig.look();
        let is_answered = matches!(answer, Seen::Cursor(CursorPosition::Acknowledged));
        assert!(is_answered, "{wire:?}: {answer:?}");
    }
}

#[test]
fn an_original_clients_messages_are_served_and_acknowledged_by_our_host() {
    for wire in Wire::ALL {
        let mut stage = Stage::new(wire);
        let pointer = stage.queue(POINTER);
        pointer.subscribe(stage.shared(), 0x51).unwrap();
        stage.publish(&Frame::new(1, (64, 48), 3));
        for number in 0..25 {
            let (x, y) = (number * 2, 47 - number);
            let serial = pointer.send(stage.shared(), &message(x, y)).unwrap();
            assert_eq!(serial, number as u32 + 1, "{wire:?}");
            assert_eq!(acknowledged(&stage, &pointer), number as u32, "{wire:?}");
            let expected = ClientRequest::SetCursorPosition(GuestPoint { x, y });
            assert_eq!(stage.tick(), [expected], "{wire:?}");
            assert_eq!(acknowledged(&stage, &pointer), serial, "{wire:?}");
            let available = pointer.word(stage.shared(), pointer.table.cm_avail);
            assert_eq!(load(available), 10, "{wire:?}");
        }
    }
}

#[test]
fn our_host_clamps_to_the_desktop_and_only_acknowledges_what_it_does_not_know() {
    for wire in Wire::ALL {
        let mut stage = Stage::new(wire);
        let pointer = stage.queue(POINTER);
        // Turned by a quarter: the desktop is 48 wide and 64 high (kvmfr.md 4.4).
        let frame = Frame {
            rotation: 1,
            ..Frame::new(1, (64, 48), 3)
        };
        stage.publish(&frame);
        let unknown = [7_u32, 1, 1].map(u32::to_le_bytes).concat();
        for bytes in [
            message(i32::MIN, 60),
            unknown,
            message(47, i32::MAX),
            message(48, 1)[..8].to_vec(),
        ] {
            pointer.send(stage.shared(), &bytes).unwrap();
        }
        let at = |x, y| ClientRequest::SetCursorPosition(GuestPoint { x, y });
        assert_eq!(stage.tick(), [at(0, 60), at(47, 63)], "{wire:?}");
        assert_eq!(acknowledged(&stage, &pointer), 4, "{wire:?}");
    }
}

#[test]
fn a_full_mailbox_is_emptied_in_one_tick() {
    for wire in Wire::ALL {
        let mut stage = Stage::new(wire);
        let pointer = stage.queue(POINTER);
        stage.publish(&Frame::new(1, (64, 48), 3));
        for round in 0..3 {
            for number in 0..10 {
                pointer
                    .send(stage.shared(), &message(number, round))
                    .unwrap();
            }
            assert!(pointer.send(stage.shared(), &message(0, 0)).is_err());
            let at = |x| ClientRequest::SetCursorPosition(GuestPoint { x, y: round });
            assert_eq!(
                stage.tick(),
                (0..10).map(at).collect::<Vec<_>>(),
                "{wire:?}"
            );
            let count = 10 * (round as u32 + 1);
            assert_eq!(acknowledged(&stage, &pointer), count, "{wire:?}");
        }
    }
}

fn load(word: anyhow::Result<&std::sync::atomic::AtomicU32>) -> u32 {
    word.unwrap().load(std::sync::atomic::Ordering::SeqCst)
}

fn acknowledged(stage: &Stage, queue: &Queue) -> u32 {
    load(queue.word(stage.shared(), queue.table.cm_rserial))
}
