//! The headers of real peers, as recorded in `golden/` beside the checkout.

use std::mem::offset_of;

use kvmfr::{
    CursorHeader, CursorKind, FrameFlags, FrameHeader, FrameType, PointerFlags, SessionDescription,
    Version, wire,
};
use serde_json::Value;
use testkit::golden::Image;
use testkit::golden_images;

fn json(path: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(path).expect("readable");
    serde_json::from_str(&text).expect("JSON")
}

fn number(value: &Value, name: &str) -> u32 {
    let number = value[name].as_u64().unwrap_or_else(|| panic!("no {name}"));
    u32::try_from(number).expect("32 bits")
}

fn version(facts: &Value) -> Version {
    Version::from_wire(number(facts, "kvmfrVersion")).expect("known")
}

/// The messages of a queue with a body.
fn messages(facts: &Value, queue: u32) -> Vec<Value> {
    let queues = facts["lgmp"]["queues"].as_array().expect("queues");
    let queue = queues.iter().find(|q| number(q, "queueID") == queue);
    let messages = queue.expect("queue")["messages"]
        .as_array()
        .expect("messages");
    let with_body = messages.iter().filter(|m| m["body"].is_object());
    with_body.cloned().collect()
}

#[test]
fn every_offset_is_that_of_the_compiled_headers() {
    let Some(folder) = testkit::golden_folder() else {
        return;
    };
    for (name, version) in [("seed", 16), ("b6", 19), ("b7", 20)] {
        let layout = json(&folder.join(format!("layout-{name}.json")));
        assert_eq!(number(&layout, "kvmfr"), version);
        let pin = |name: &str, offset: usize| {
            assert_eq!(number(&layout, name) as usize, offset, "{version} {name}");
        };
        macro_rules! pin_all {
            ($kind:ident $wire:literal: $($name:literal $field:ident),+) => {
                pin(concat!("sizeof ", $wire), size_of::<wire::$kind>());
                $(pin(concat!($wire, ".", $name), offset_of!(wire::$kind, $field));)+
            };
        }
        pin_all!(Kvmfr "KVMFR": "magic" magic, "version" version, "hostver" hostver, "features" features);
        pin_all!(KvmfrRecord "KVMFRRecord": "type" r#type, "size" size);
        pin("KVMFRRecord.data", size_of::<wire::KvmfrRecord>());
        pin(
            "sizeof KVMFRRecord_VMInfo",
            size_of::<wire::KvmfrRecordVmInfo>(),
        );
        pin(
            "KVMFRRecord_VMInfo.model",
            size_of::<wire::KvmfrRecordVmInfo>(),
        );
        pin(
            "sizeof KVMFRRecord_OSInfo",
            size_of::<wire::KvmfrRecordOsInfo>(),
        );
        pin_all!(KvmfrCursor "KVMFRCursor": "x" x, "y" y, "type" r#type, "hx" hx, "hy" hy,
            "width" width, "height" height, "pitch" pitch);
        macro_rules! pin_frame {
            ($kind:ident: $($name:literal $field:ident),+) => {
                pin_all!($kind "KVMFRFrame": "formatVer" format_ver, "frameSerial" frame_serial,
                    "type" r#type, "rotation" rotation, "stride" stride, "pitch" pitch, "offset" offset,
                    "damageRectsCount" damage_rects_count, "damageRects" damage_rects,
                    $($name $field),+)
            };
        }
        match version {
            16 => {
                pin_frame!(Frame16: "width" width, "height" height, "realHeight" real_height,
                    "blockScreensaver" block_screensaver);
            }
            19 => {
                pin_frame!(Frame19: "screenWidth" screen_width, "screenHeight" screen_height,
                    "frameWidth" frame_width, "frameHeight" frame_height, "flags" flags);
            }
            _ => {
                pin_frame!(Frame20: "screenWidth" screen_width, "screenHeight" screen_height,
                    "dataWidth" data_width, "dataHeight" data_height,
                    "frameWidth" frame_width, "frameHeight" frame_height, "flags" flags);
            }
        }
        pin("sizeof FrameBuffer", kvmfr::WRITE_POINTER_BYTES as usize);
    }
}

#[test]
fn session_descriptions_are_read_and_written_byte_for_byte() {
    for Image { facts, memory, .. } in golden_images() {
        let start = if number(&facts, "lgmpVersion") == 4 {
            5116
        } else {
            5756
        };
        let udata = &memory[start..start + number(&facts["lgmp"], "udataSize") as usize];
        let (parsed, description) = SessionDescription::parse(udata).expect("valid");
        assert_eq!(parsed, version(&facts));
        assert_eq!(Some(&*description.host_version), facts["hostver"].as_str());
        assert!(description.features.is_empty());
        assert_eq!(description.vm.as_ref().expect("VM info").capture, "XCB");
        assert_eq!(
            description.os.as_ref().expect("OS info").kind,
            kvmfr::OsKind::Linux
        );
        assert_eq!(description.encode(parsed), without_padding(udata));
    }
}

/// The same description with the padding of its records zeroed, where the original hosts leave what was there.
fn without_padding(udata: &[u8]) -> Vec<u8> {
    let mut udata = udata.to_vec();
    let mut at = size_of::<wire::Kvmfr>();
    while at < udata.len() {
        udata[at + 1..at + 4].fill(0);
        let size = udata[at + 4..at + 8].try_into().expect("4 bytes");
        at += 8 + u32::from_le_bytes(size) as usize;
    }
    udata
}

#[test]
fn frame_headers_say_what_the_facts_say_and_are_written_byte_for_byte() {
    for Image { facts, memory, .. } in golden_images() {
        let version = version(&facts);
        let messages = messages(&facts, kvmfr::FRAME_QUEUE.id);
        assert!(!messages.is_empty());
        for message in messages {
            let (body, slot_size) = (&message["body"], number(&message, "size"));
            let start = number(&message, "offset") as usize;
            let bytes = &memory[start..start + version.frame_header_bytes()];
            let room = (memory.len() - start) as u64;
            let header = FrameHeader::parse(version, bytes, slot_size, room).expect("valid");
            compare(version, &header, body);
            let mut buffer = [0; kvmfr::MAX_FRAME_HEADER_BYTES];
            let written = header.encode(version, &mut buffer);
            assert_eq!(written, bytes, "{}", facts["file"]);
        }
    }
}

fn compare(version: Version, header: &FrameHeader, body: &Value) {
    assert_eq!(header.format_version, number(body, "formatVer"));
    assert_eq!(header.serial, number(body, "frameSerial"));
    assert_eq!(header.frame_type, FrameType::Bgra);
    assert_eq!(header.rows, number(body, "rows"));
    assert_eq!(u32::from(header.rotation), number(body, "rotation"));
    assert_eq!(header.pitch, number(body, "pitch"));
    assert_eq!(header.fb_offset, number(body, "offset"));
    assert!(header.damage.is_full());
    let at = u64::from(number(body, "at"));
    assert_eq!(at + header.data_offset(), u64::from(number(body, "dataAt")));
    let (frame, screen) = (header.frame, header.screen);
    if version == Version::V16 {
        assert_eq!(
            (frame.width, header.rows),
            (number(body, "width"), number(body, "height"))
        );
        assert_eq!(screen.height, number(body, "realHeight"));
        assert_eq!(header.flags, FrameFlags::empty());
    } else {
        assert_eq!(screen.width, number(body, "screenWidth"));
        assert_eq!(screen.height, number(body, "screenHeight"));
        assert_eq!(frame.width, number(body, "frameWidth"));
        assert_eq!(frame.height, number(body, "frameHeight"));
        assert_eq!(header.flags.bits(), number(body, "flags"));
    }
}

#[test]
fn pointer_messages_say_what_the_facts_say_and_are_written_byte_for_byte() {
    let (mut images, mut shapes) = (0, 0);
    for Image { facts, memory, .. } in golden_images() {
        images += 1;
        for message in messages(&facts, kvmfr::POINTER_QUEUE.id) {
            let body = &message["body"];
            let flags = PointerFlags::from_bits_retain(number(&message, "udata"));
            let start = number(&message, "offset") as usize;
            let bytes = &memory[start..start + CursorHeader::BYTES];
            let header =
                CursorHeader::parse(flags, bytes, number(&message, "size")).expect("valid");
            assert_eq!(i64::from(header.x), body["x"].as_i64().expect("x"));
            assert_eq!(i64::from(header.y), body["y"].as_i64().expect("y"));
            let Some(shape) = header.shape else { continue };
            shapes += 1;
            assert_eq!(shape.kind, CursorKind::Colour);
            assert_eq!(i64::from(shape.hx), body["hx"].as_i64().expect("hx"));
            assert_eq!(i64::from(shape.hy), body["hy"].as_i64().expect("hy"));
            assert_eq!(shape.width, number(body, "width"));
            assert_eq!(shape.height, number(body, "height"));
            assert_eq!(shape.pitch, number(body, "pitch"));
            assert_eq!(header.encode(), bytes);
        }
    }
    assert!(shapes >= images);
}
