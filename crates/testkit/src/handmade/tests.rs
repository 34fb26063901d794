//! The writer against what is known from elsewhere: the numbers that the specification prints, the layout that a C
//! compiler gave the wire structures, and the committed images.

use serde_json::Value;

use super::catalogue::folder;
use super::table::{FrameTable, QUEUES, Table};
use super::*;

fn description() -> Description {
    Description {
        host_version: "B6",
        features: 1,
        records: vec![
            Record::Vm {
                uuid: std::array::from_fn(|i| 0x10 + i as u8),
                capture: "DXGI",
                cpus: 8,
                cores: 4,
                sockets: 1,
                model: "Example CPU",
            },
            Record::Os {
                kind: 3,
                name: "Windows 10 Pro",
            },
        ],
    }
}

#[test]
fn the_session_data_is_the_example_of_the_specification() {
    let parts = description().parts(Wire::V19);
    let bytes: Vec<u8> = parts.into_iter().flat_map(|(bytes, _)| bytes).collect();
    // kvmfr.md 1.3, its two rows of zeros included.
    let mut expected = b"KVMFR---\x13\0\0\0B6".to_vec();
    expected.resize(0x2c, 0);
    expected.extend([1, 0, 0, 0, 1, 0, 0, 0, 0x3f, 0, 0, 0]);
    expected.extend(0x10..=0x1f);
    expected.extend(b"DXGI");
    expected.resize(0x68, 0);
    expected.extend(b"\x08\x04\x01Example CPU\0\x02\0\0\0\x10\0\0\0\x03Windows 10 Pro\0");
    assert_eq!(bytes, expected);
    assert_eq!(bytes.len(), 143);
}

#[test]
fn the_blocks_lie_where_the_specification_counts_them() {
    // kvmfr.md 6, 32 MiB behind 149 bytes of session data.
    for (wire, heap, rings, cursors, shapes) in [
        (Wire::V16, 5272, [5272, 5320], 5656, 6136),
        (Wire::V19, 5912, [5912, 5960], 6296, 6776),
        (Wire::V20, 5912, [5912, 5960], 6296, 6776),
    ] {
        let layout = Layout::of(wire, 149, 32 << 20);
        assert_eq!((layout.heap, layout.rings), (heap, rings), "{wire:?}");
        assert_eq!(layout.cursors[0].offset, cursors, "{wire:?}");
        assert_eq!(layout.shapes[0].offset, shapes, "{wire:?}");
        let size = 15_200_256;
        let frames = [3_153_920, 18_354_176].map(|offset| Block { offset, size });
        assert_eq!(layout.frames, frames, "{wire:?}");
    }
    for (mib, size) in [
        (16, 6_811_648),
        (64, 31_977_472),
        (128, 65_531_904),
        (256, 132_640_768),
        (512, 266_858_496),
    ] {
        let layout = Layout::of(Wire::V20, 149, mib << 20);
        assert_eq!(layout.frames[0].size, size, "{mib} MiB");
    }
}

#[test]
fn the_words_are_those_of_the_worked_example() {
    // lgmp.md 12: the host's own words, a subscriber, a message and its release, a client's message.
    for (wire, v4) in [(Wire::V16, true), (Wire::V19, false), (Wire::V20, false)] {
        let mut image = Image::new(wire, &description());
        image.udata = vec![(b"KVMFR---".to_vec(), String::new())];
        let [a, b] = &mut image.queues;
        a.new_subs = 1;
        a.subscribers = vec![Subscriber {
            bit: 0,
            client_id: 0x1234_5678,
            evicted_until: None,
        }];
        (a.write_pos, a.count, a.deadline) = (1, 1, 6_000);
        let slot = Slot {
            udata: 0,
            size: 100,
            offset: 0x1808,
            pending: 1,
        };
        a.slots = vec![(0, slot)];
        b.mailbox.sent = vec![[0, 0, 480_u32].map(u32::to_le_bytes).concat()];
        let bytes = image.sheet().bytes();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        let pick = |old: usize, new: usize| word(if v4 { old } else { new });
        assert_eq!(&bytes[..4], b"\x4c\x47\x4d\x50");
        assert_eq!(word(4), wire.lgmp());
        assert_eq!(pick(0x13f8, 0x1678), 8);
        let udata = if v4 { 0x13fc } else { 0x167c };
        assert_eq!(
            &bytes[udata..udata + 8],
            b"\x4b\x56\x4d\x46\x52\x2d\x2d\x2d"
        );
        assert_eq!([word(0x18), word(0x20), word(0x24)], [2, 2, 3]);
        assert_eq!([word(0x28), word(0x2c), word(0x30)], [1, 1000, 1]);
        assert_eq!(word(0x34), if v4 { 5128 } else { 5768 });
        assert_eq!(pick(0x160, 0x1e0), 10);
        assert_eq!(pick(0x418, 0x498), 1);
        assert_eq!(pick(0x41c, 0x49c), 21);
        assert_eq!(pick(0x424, 0x4a4), 1000);
        assert_eq!(pick(0x42c, 0x4ac), if v4 { 5176 } else { 5816 });
        assert_eq!(pick(0x144, 0x1c4), 1, "ON");
        assert_eq!(pick(0x140, 0x1c0), 0, "BAD");
        if !v4 {
            assert_eq!(word(0x138), 0x1234_5678);
            assert_eq!([word(0x1d0), word(0x1d8)], [6_000, 1]);
            let slot = [0x1688, 0x168c, 0x1690, 0x1694].map(word);
            assert_eq!(slot, [0, 0x64, 0x1808, 1]);
            assert_eq!([0x658, 0x65c, 0x660].map(word), [9, 1, 1]);
            assert_eq!([0x668, 0x66c, 0x670, 0x674].map(word), [12, 0, 0, 0x1e0]);
        }
        assert_eq!(pick(0x558, 0x658), 9);
    }
}

/// A number of the layout that a C compiler gave the structures.
fn compiled(layout: &Value, name: &str) -> Option<usize> {
    layout[name].as_u64().map(|at| at as usize)
}

#[test]
fn the_offsets_are_those_of_the_compiled_structures() {
    let Some(folder) = crate::golden_folder() else {
        return;
    };
    for (wire, file) in [(Wire::V16, "seed"), (Wire::V19, "b6"), (Wire::V20, "b7")] {
        let text = std::fs::read_to_string(folder.join(format!("layout-{file}.json")));
        let layout: Value = serde_json::from_str(&text.expect("readable")).expect("JSON");
        check_lgmp(&layout, wire.table());
        check_frame(&layout, wire);
    }
}

fn check_lgmp(layout: &Value, table: &Table) {
    for (name, ours) in [
        ("LGMPHeader.queues", QUEUES),
        ("LGMPHeader.udataSize", table.udata_size),
        ("LGMPHeader.udata", table.udata),
        ("sizeof LGMPHeader", table.header_size),
        ("sizeof LGMPHeaderQueue", table.queue_stride),
        ("LGMPHeaderQueue.lock", table.lock),
        ("LGMPHeaderQueue.subs", table.subs),
        ("LGMPHeaderQueue.start", table.start),
        ("LGMPHeaderQueue.msgTimeout", table.deadline),
        ("LGMPHeaderQueue.count", table.count),
        ("LGMPHeaderQueue.cMsgLock", table.cm_lock),
        ("LGMPHeaderQueue.cMsgAvail", table.cm_avail),
        ("LGMPHeaderQueue.cMsgWPos", table.cm_wpos),
        ("LGMPHeaderQueue.cMsgWSerial", table.cm_wserial),
        ("LGMPHeaderQueue.cMsgRSerial", table.cm_rserial),
        ("LGMPHeaderQueue.cMsgs", table.cm),
        ("LGMPHeaderQueue.timeout", table::QUARANTINE),
    ] {
        assert_eq!(compiled(layout, name), Some(ours), "{name}");
    }
    let owner = compiled(layout, "LGMPHeaderQueue.clientID");
    assert_eq!(owner, table.client_id);
}

fn check_frame(layout: &Value, wire: Wire) {
    let table = FrameTable::of(wire);
    let one_of = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| compiled(layout, name));
        found.next()
    };
    let data: &[&str] = match wire {
        Wire::V20 => &["KVMFRFrame.dataWidth"],
        Wire::V19 => &["KVMFRFrame.frameWidth"],
        Wire::V16 => &["KVMFRFrame.width"],
    };
    for (names, ours) in [
        (data, Some(table.data)),
        (&["KVMFRFrame.screenWidth"], table.screen),
        (&["KVMFRFrame.realHeight"], table.real_height),
        (&["KVMFRFrame.rotation"], Some(table.rotation)),
        (&["KVMFRFrame.stride"], Some(table.stride)),
        (&["KVMFRFrame.pitch"], Some(table.pitch)),
        (&["KVMFRFrame.offset"], Some(table.fb_offset)),
        (&["KVMFRFrame.damageRectsCount"], Some(table.damage_count)),
        (&["KVMFRFrame.damageRects"], Some(table.damage)),
        (&["KVMFRFrame.flags"], table.flags),
        (&["sizeof KVMFRFrame"], Some(table.bytes)),
    ] {
        assert_eq!(one_of(names), ours, "{wire:?} {names:?}");
    }
}

#[test]
fn the_committed_images_are_what_the_writer_makes() {
    let scenes = catalogue();
    if std::env::var_os("LG_WRITE_HANDMADE").is_some() {
        for scene in &scenes {
            let file = folder().join(format!("{}.txt", scene.name));
            std::fs::write(file, scene.image.sheet().listing()).expect("writable");
        }
    }
    let committed = committed().expect("readable");
    let mut names: Vec<_> = scenes.iter().map(|scene| scene.name).collect();
    names.sort_unstable();
    assert!(committed.iter().map(|(name, _)| &**name).eq(names));
    for (name, sheet) in committed {
        let scene = scenes.iter().find(|scene| scene.name == name);
        let made = scene.expect("named above").image.sheet();
        assert_eq!(made.listing(), sheet.listing(), "{name}");
        assert_eq!(made.bytes(), sheet.bytes(), "{name}");
    }
}

#[test]
fn a_value_on_another_one_is_not_written() {
    let mut sheet = Sheet::new(16);
    sheet.word(4, 1, "first");
    sheet.word(8, 2, "behind");
    let overlap = |at: usize| {
        let mut sheet = sheet.clone();
        std::panic::catch_unwind(move || sheet.word(at, 3, "third")).is_err()
    };
    assert!([1, 4, 7, 11, 13].into_iter().all(overlap));
    assert!(![0, 12].into_iter().any(overlap));
}
