//! Memory images of real hosts: what they wrote is where our tables say, and our client reads it.

mod support;

use std::path::Path;
use std::sync::Arc;

use ivshmem::SharedMemory;
use lgmp::{Client, Geometry, StartError, WireVersion};
use serde_json::Value;
use support::{get, get64, set, set64};

fn facts(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a readable file of facts");
    serde_json::from_str(&text).expect("facts in JSON")
}

fn number(value: &Value, key: &str) -> u64 {
    let value = &value[key];
    let text = || value.as_str()?.strip_prefix("0x").map(str::to_owned);
    value
        .as_u64()
        .or_else(|| u64::from_str_radix(&text()?, 16).ok())
        .unwrap_or_else(|| panic!("no number {key}"))
}

fn word(value: &Value, key: &str) -> u32 {
    u32::try_from(number(value, key)).expect("a 32-bit fact")
}

/// The facts and the memory of each recorded host.
fn images() -> impl Iterator<Item = (Value, Arc<SharedMemory>)> {
    testkit::golden_images().map(|image| {
        let memory = support::memory(image.memory.len());
        memory.as_slice().copy_from(0, &image.memory).expect("room");
        (image.facts, memory)
    })
}

#[test]
fn layout_tables_equal_what_the_compiler_printed() {
    let Some(folder) = testkit::golden_folder() else {
        return;
    };
    for (name, version) in [
        ("layout-seed.json", WireVersion::V4),
        ("layout-b6.json", WireVersion::V5),
        ("layout-b7.json", WireVersion::V6),
    ] {
        let facts = facts(&folder.join(name));
        let geometry = Geometry::of(version);
        let queue = &geometry.queue;
        assert_eq!(word(&facts, "lgmp"), version.number());
        let client_id = facts["LGMPHeaderQueue.clientID"].as_u64();
        assert_eq!(client_id, queue.client_id.map(|at| at as u64), "{name}");
        for (key, ours) in [
            ("sizeof LGMPHeader", geometry.header_size),
            ("LGMPHeader.queues", geometry.queue_base(0)),
            ("LGMPHeader.udataSize", geometry.udata_size),
            ("LGMPHeader.udata", geometry.udata),
            ("sizeof LGMPHeaderQueue", geometry.queue_stride),
            ("LGMPHeaderQueue.queueID", queue.queue_id),
            ("LGMPHeaderQueue.numMessages", queue.slots),
            ("LGMPHeaderQueue.newSubCount", queue.new_subs),
            ("LGMPHeaderQueue.maxTime", queue.max_time),
            ("LGMPHeaderQueue.position", queue.write_pos),
            ("LGMPHeaderQueue.messagesOffset", queue.ring_offset),
            ("LGMPHeaderQueue.timeout", queue.quarantine_until),
            ("LGMPHeaderQueue.lock", queue.lock),
            ("LGMPHeaderQueue.subs", queue.subs),
            ("LGMPHeaderQueue.start", queue.start),
            ("LGMPHeaderQueue.msgTimeout", queue.deadline),
            ("LGMPHeaderQueue.count", queue.count),
            ("LGMPHeaderQueue.cMsgLock", queue.cm_lock),
            ("LGMPHeaderQueue.cMsgAvail", queue.cm_avail),
            ("LGMPHeaderQueue.cMsgWPos", queue.cm_wpos),
            ("LGMPHeaderQueue.cMsgWSerial", queue.cm_wserial),
            ("LGMPHeaderQueue.cMsgRSerial", queue.cm_rserial),
            ("LGMPHeaderQueue.cMsgs", queue.cm),
        ] {
            assert_eq!(number(&facts, key), ours as u64, "{name}: {key}");
        }
    }
}

#[test]
fn words_of_real_hosts_lie_where_the_tables_say() {
    for (facts, memory) in images() {
        let lgmp = &facts["lgmp"];
        let version = WireVersion::from_wire(word(lgmp, "lgmpVersion")).expect("one of three");
        let geometry = Geometry::of(version);
        assert_eq!(get(&memory, geometry.udata_size), word(lgmp, "udataSize"));
        for (index, queue) in (0..).zip(lgmp["queues"].as_array().expect("queues")) {
            let base = geometry.queue_base(index);
            assert_eq!(base as u64, number(queue, "offset"));
            let fields = &geometry.queue;
            for (key, field) in [
                ("queueID", fields.queue_id),
                ("numMessages", fields.slots),
                ("position", fields.write_pos),
                ("messagesOffset", fields.ring_offset),
                ("start", fields.start),
                ("count", fields.count),
                ("maxTime", fields.max_time),
            ] {
                let found = get(&memory, base + field);
                assert_eq!(found, word(queue, key), "{}: {key}", facts["file"]);
            }
            assert_eq!(get64(&memory, base + fields.subs), number(queue, "subs"));
            for (slot, message) in (0..).zip(queue["messages"].as_array().expect("messages")) {
                let at = word(queue, "messagesOffset") as usize + 16 * slot;
                assert_eq!(at as u64, number(message, "at"));
                for (part, key) in ["udata", "size", "offset", "pendingSubs"]
                    .iter()
                    .enumerate()
                {
                    assert_eq!(get(&memory, at + 4 * part), word(message, key));
                }
            }
        }
    }
}

#[test]
fn a_client_attaches_to_a_real_hosts_memory_and_reads_its_messages() {
    for (facts, memory) in images() {
        let lgmp = &facts["lgmp"];
        let mut client = Client::new(Arc::clone(&memory));
        assert_eq!(
            client.start(0),
            Err(StartError::NoHeartbeat),
            "the image stands still"
        );
        set(&memory, 8, word(lgmp, "sessionID") ^ 1);
        let beat = number(lgmp, "timestamp") + 10;
        set64(&memory, 16, beat);
        let session = client.start(10).expect("a session");
        assert_eq!(session.version.number(), word(lgmp, "lgmpVersion"));
        assert_eq!(session.session_id, word(lgmp, "sessionID") ^ 1);
        assert_eq!(session.udata.len() as u64, number(lgmp, "udataSize"));
        assert!(session.udata.starts_with(b"KVMFR---"));
        let geometry = Geometry::of(session.version);
        for (index, queue) in (0..).zip(lgmp["queues"].as_array().expect("queues")) {
            let base = geometry.queue_base(index);
            set64(&memory, base + geometry.queue.subs, 0);
            let mut reader = client
                .subscribe(word(queue, "queueID"), 20)
                .expect("a free bit");
            assert_eq!(reader.bit(), 0);
            assert_eq!(reader.max_time_ms(), word(queue, "maxTime"));
            assert_eq!(
                reader.peek(20),
                Ok(None),
                "old messages are not for new subscribers"
            );
            repost_newest(&memory, geometry, base, queue, beat);
            let message = reader.peek(30).expect("subscribed").expect("the message");
            let newest = newest(queue);
            assert_eq!(message.udata, word(newest, "udata"));
            assert_eq!(message.size, word(newest, "size"));
            assert_eq!(message.offset, word(newest, "offset"));
            reader.release(30).expect("subscribed");
            assert_eq!(get(&memory, base + geometry.queue.count), 0);
            let start = get(&memory, base + geometry.queue.start);
            assert_eq!(start, get(&memory, base + geometry.queue.write_pos));
            assert_eq!(get64(&memory, base + geometry.queue.deadline), beat + 1000);
            reader.unsubscribe(40).expect("subscribed");
            assert_eq!(get64(&memory, base + geometry.queue.subs), 0);
        }
    }
}

/// The message in the slot before `position`.
fn newest(queue: &Value) -> &Value {
    let slots = number(queue, "numMessages");
    let index = (number(queue, "position") + slots - 1) % slots;
    &queue["messages"][usize::try_from(index).expect("an index")]
}

/// Plays the host: posts the recorded newest message again, to subscriber 0.
fn repost_newest(memory: &SharedMemory, geometry: &Geometry, base: usize, queue: &Value, now: u64) {
    let position = word(queue, "position");
    let at = word(queue, "messagesOffset") as usize + 16 * position as usize;
    // An image in which messages were queued: they belong to subscribers that are gone.
    set(memory, base + geometry.queue.start, position);
    let newest = newest(queue);
    for (part, key) in ["udata", "size", "offset"].iter().enumerate() {
        set(memory, at + 4 * part, word(newest, key));
    }
    set(memory, at + 12, 1);
    set(memory, base + geometry.queue.count, 1);
    set64(memory, base + geometry.queue.deadline, now + 1000);
    let next = (position + 1) % word(queue, "numMessages");
    set(memory, base + geometry.queue.write_pos, next);
}
