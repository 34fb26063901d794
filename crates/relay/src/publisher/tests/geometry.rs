//! The division of the memory, compared with that of real hosts.

use kvmfr::OsInfo;
use serde_json::Value;

use super::*;

/// A description of so many bytes.
fn description_of(bytes: usize) -> SessionDescription {
    let mut description = SessionDescription {
        os: Some(OsInfo::default()),
        ..SessionDescription::default()
    };
    let least = description.encode(Version::V16).len();
    if let Some(os) = &mut description.os {
        os.name = "x".repeat(bytes - least);
    }
    description
}

fn number(value: &Value, name: &str) -> u32 {
    let number = value[name].as_u64().unwrap_or_else(|| panic!("no {name}"));
    u32::try_from(number).expect("32 bits")
}

#[test]
fn queues_rings_and_blocks_lie_where_real_hosts_put_them() {
    let Some(folder) = testkit::golden_folder() else {
        return;
    };
    for name in [
        "seed-1920x1080-BGRA",
        "seed-1366x768-BGRA",
        "b6-1920x1080-BGRA",
        "b6-1366x768-BGRA",
        "b7-1920x1080-BGRA",
        "b7-1366x768-BGRA",
        "b7-3840x2081-BGRA-truncated",
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("facts");
        let facts: Value = serde_json::from_str(&text).expect("JSON");
        compare(&facts);
    }
}

fn compare(facts: &Value) {
    let version = Version::from_wire(number(facts, "kvmfrVersion")).expect("known");
    let bytes = facts["shmSize"].as_u64().expect("size") as usize;
    let memory = Arc::new(SharedMemory::create("geometry", bytes).expect("memfd"));
    let description = description_of(number(&facts["lgmp"], "udataSize") as usize);
    let options = PublisherOptions {
        version,
        description,
    };
    let publisher = Publisher::new(Arc::clone(&memory), options).expect("room");
    let word = |at: u32| memory.as_slice().read::<u32>(at as usize).expect("inside");
    assert_eq!(word(0), 0x504d_474c);
    assert_eq!(word(4), number(facts, "lgmpVersion"));
    assert_eq!(word(24), number(&facts["lgmp"], "numQueues"));
    let udata_size = Geometry::of(version.lgmp()).udata_size as u32;
    assert_eq!(word(udata_size), number(&facts["lgmp"], "udataSize"));
    let blocks = publisher.shared.blocks;
    for queue in facts["lgmp"]["queues"].as_array().expect("queues") {
        // Queue id, slots, maximal time and ring are at 0, 4, 12 and 20 in every version.
        let base = number(queue, "offset");
        assert_eq!(word(base), number(queue, "queueID"));
        assert_eq!(word(base + 4), number(queue, "numMessages"));
        assert_eq!(word(base + 12), number(queue, "maxTime"));
        assert_eq!(word(base + 20), number(queue, "messagesOffset"));
        for message in queue["messages"].as_array().expect("messages") {
            if !message["body"].is_object() {
                continue;
            }
            let block = lgmp::Block {
                offset: number(message, "offset"),
                size: number(message, "size"),
            };
            if number(queue, "queueID") == FRAME_QUEUE.id {
                assert!(blocks.frames.contains(&block), "{block:?}");
                assert_eq!(
                    number(&message["body"], "offset"),
                    blocks.division.fb_offset
                );
            } else {
                let known = blocks.cursors.contains(&block) || blocks.shapes.contains(&block);
                assert!(known, "{block:?}");
            }
        }
    }
    let last = blocks.frames[1];
    assert_eq!((last.offset + last.size) as usize, bytes, "exactly the end");
}

#[test]
fn the_32_mib_example_of_the_specification_is_met() {
    for (version, heap) in [
        (Version::V16, 5272),
        (Version::V19, 5912),
        (Version::V20, 5912),
    ] {
        let memory = Arc::new(SharedMemory::create("geometry", 32 * MIB).expect("memfd"));
        let options = PublisherOptions {
            version,
            description: description_of(149),
        };
        let publisher = Publisher::new(memory, options).expect("room");
        let blocks = publisher.shared.blocks;
        assert_eq!(blocks.cursors[0].offset, heap + 48 + 336);
        assert_eq!(blocks.shapes[0].offset, heap + 48 + 336 + 480);
        assert_eq!(blocks.frames.map(|b| b.offset), [3_153_920, 18_354_176]);
        assert_eq!(blocks.frames.map(|b| b.size), [15_200_256; 2]);
    }
}
