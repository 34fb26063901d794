//! Writes the seed corpora: `cargo run --example seeds [FOLDER WITH GOLDEN IMAGES]`, from this folder.
//!
//! Self-made sessions of the three versions with a small frame and a pointer, and the heads of real hosts' memories.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ivshmem::SharedMemory;
use kvmfr::{
    CursorHeader, CursorKind, DamageList, Features, FrameFlags, FrameHeader, FrameType,
    MAX_FRAME_HEADER_BYTES, OsInfo, OsKind, Rect, SessionDescription, SetCursorPos, ShapeHeader,
    Size, Version, VmInfo,
};
use lgmp::{Client, HostBuilder, QueueSpec};
use picture::png::{self, RgbImage};
use testkit::golden::Image;

const VERSIONS: [Version; 3] = [Version::V16, Version::V19, Version::V20];
const GOLDEN: [&str; 3] = ["seed-1366x768-BGRA", "b6-1366x768-BGRA", "b7-1366x768-BGRA"];
/// Header, rings and a few blocks.
const HEAD: usize = 7 << 10;
const FB_OFFSET: u32 = 1084;

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a seed");
}

fn description() -> SessionDescription {
    SessionDescription {
        host_version: "B7".into(),
        features: Features::SET_CURSOR_POSITION,
        vm: Some(VmInfo {
            uuid: Some([7; 16]),
            capture: "XCB".into(),
            cpus: 8,
            cores: 4,
            sockets: 1,
            model: "Example CPU".into(),
        }),
        os: Some(OsInfo {
            kind: OsKind::Linux,
            name: "Debian".into(),
        }),
    }
}

fn header(version: Version) -> FrameHeader {
    let mut header = FrameHeader::whole(FrameType::Bgra, Size::new(8, 8), 32, FB_OFFSET);
    header.serial = 7;
    header.rotation = 1;
    header.damage = DamageList::from_rects([Rect::new(1, 2, 3, 4), Rect::new(0, 0, 8, 1)]);
    if version == Version::V20 {
        header.flags = FrameFlags::BLOCK_SCREENSAVER;
    }
    header
}

fn header_bytes(version: Version) -> Vec<u8> {
    let mut buffer = [0; MAX_FRAME_HEADER_BYTES];
    header(version).encode(version, &mut buffer).to_vec()
}

fn pointer() -> CursorHeader {
    let shape = ShapeHeader {
        kind: CursorKind::Colour,
        hx: 1,
        hy: 2,
        width: 4,
        height: 4,
        pitch: 16,
    };
    CursorHeader {
        x: 10,
        y: 20,
        shape: Some(shape),
    }
}

/// A memory with a client, a posted frame and a posted pointer.
fn session(version: Version) -> Vec<u8> {
    let memory = Arc::new(SharedMemory::create("seed", 64 << 10).expect("a memfd"));
    let udata = description().encode(version);
    let mut builder =
        HostBuilder::new(Arc::clone(&memory), version.lgmp(), &udata).expect("a header");
    let spec = |id, length| QueueSpec {
        id,
        length,
        max_time_ms: 1000,
    };
    let frames = builder.queue(spec(2, 2)).expect("a queue");
    let pointers = builder.queue(spec(1, 20)).expect("a queue");
    let small = builder.block(24 + 64, 4).expect("a block");
    let large = builder.block(FB_OFFSET + 4 + 256, 4).expect("a block");
    let host = builder.publish(1).expect("a session");
    let mut client = Client::new(Arc::clone(&memory));
    host.tick(11).expect("a tick");
    client.start(0).expect("a session");
    let subscriptions = [2, 1].map(|id| client.subscribe(id, 0).expect("a place"));
    let shared = memory.as_slice();
    shared
        .copy_from(small.offset as usize, &pointer().encode())
        .expect("room");
    shared
        .copy_from(large.offset as usize, &header_bytes(version))
        .expect("room");
    shared
        .copy_from((large.offset + FB_OFFSET) as usize, &256_u32.to_le_bytes())
        .expect("room");
    frames.post(0, large, 12).expect("a frame");
    for _ in 0..3 {
        pointers.post(7, small, 12).expect("a pointer");
    }
    // Every slot leads somewhere, so that posting the next one does as well.
    let filled = |base: usize, slots: usize, words: [u32; 3]| {
        for slot in 0..slots {
            for (i, word) in words.into_iter().enumerate() {
                shared.write(base + 16 * slot + 4 * i, &word).expect("room");
            }
        }
    };
    let geometry = lgmp::Geometry::of(version.lgmp());
    let ring = |index| {
        let base = geometry.queue_base(index);
        let offset: u32 = shared
            .read(base + geometry.queue.ring_offset)
            .expect("a word");
        offset as usize
    };
    filled(ring(0), 3, [0, large.size, large.offset]);
    filled(ring(1), 21, [7, small.size, small.offset]);
    let mut image = vec![0; (large.offset + large.size) as usize];
    shared.copy_to(0, &mut image).expect("an image");
    drop(subscriptions);
    image
}

/// The image with pokes before it: a frame's width, a ring's position, and the session's number.
fn scripted(image: &[u8]) -> Vec<u8> {
    let pokes: [(u8, u16, u32); 3] = [(6, 12, u32::MAX), (12, 8, 1), (18, 2, 99)];
    let mut bytes = vec![3];
    for (step, word, value) in pokes {
        bytes.push(step);
        bytes.extend(word.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(image);
    bytes
}

fn golden(folder: &Path, name: &str) -> Vec<u8> {
    let mut image = Image::load(folder, name).expect("a golden image");
    image.memory.truncate(HEAD);
    image.memory
}

fn images(folder: &Path) {
    for ((index, version), name) in (0..).zip(VERSIONS).zip(GOLDEN) {
        let (number, own) = (version.wire(), session(version));
        write(
            "relay_reader_image",
            &format!("own-{number}"),
            &[&[0], own.as_slice()].concat(),
        );
        write(
            "lgmp_client_image",
            &format!("own-{number}"),
            &scripted(&own),
        );
        write(
            "lgmp_host_image",
            &format!("own-{number}"),
            &[&[index], &*scripted(&[])].concat(),
        );
        let real = golden(folder, name);
        write("lgmp_client_image", name, &[&[0], real.as_slice()].concat());
        let udata_size_at = if number == 16 { 5112 } else { 5752 };
        let size = real[udata_size_at..]
            .first_chunk()
            .map_or(0, |b| u32::from_le_bytes(*b));
        let udata = &real[udata_size_at + 4..][..size as usize];
        write("kvmfr_session", name, udata);
    }
}

fn messages() {
    for (index, version) in (0..).zip(VERSIONS) {
        let room = [[0, 8, 0, 0], [0, 16, 0, 0]].concat();
        let bytes = [&[index], room.as_slice(), &header_bytes(version)].concat();
        write(
            "kvmfr_frame_header",
            &format!("good-{}", version.wire()),
            &bytes,
        );
        write(
            "kvmfr_session",
            &format!("own-{}", version.wire()),
            &description().encode(version),
        );
    }
    let room = 24 + 64_u8;
    for flags in [1, 4, 7] {
        let bytes = [&[flags, room, 0, 0, 0], pointer().encode().as_slice()].concat();
        write("kvmfr_cursor", &format!("flags-{flags}"), &bytes);
    }
    let message = SetCursorPos { x: -1, y: 480 }.encode();
    write("kvmfr_client_message", "set-cursor-position", &message);
}

fn texts() {
    let ini = "; comment\n[win]\nfullScreen=yes\ntitle=Guest \u{e9}\nfpsMin=x\n[egl]\npeakLuminance=1e9\nnope=1\n";
    write("options_ini", "good.ini", ini.as_bytes());
    write(
        "options_ini",
        "broken.ini",
        b"a=b\n[]\n[x\n[x] y\n=v\nword\n\xff\xfe=\x1b[2J\n",
    );
    write(
        "options_arguments",
        "usual",
        b"-F\nwin:title=Guest\n--stats\nfile.json\n-h\n-K\n60",
    );
    write(
        "options_arguments",
        "odd",
        b"--stats=\n--nope\n-\n--\n-xy\nwin:titel=\nwin:fpsMin=\xff",
    );
    for (name, text) in [
        ("pci", "pci:0000:00:04.0"),
        ("fd", "fd:7"),
        ("file", "/dev/shm/lg"),
    ] {
        write("shm_source", name, text.as_bytes());
    }
    let pixels = (0..5 * 3 * 3).map(|i| i as u8 * 5).collect();
    let image = RgbImage::new(picture::Size::new(5, 3), pixels).expect("three bytes a pixel");
    write(
        "png_decode",
        "small.png",
        &png::encode(&image).expect("a picture"),
    );
}

/// A message on PLAYBACK (0) or RECORD (1), as a step of the target.
fn message(channel: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short");
    [
        &[channel, kind - 100],
        length.to_le_bytes().as_slice(),
        payload,
    ]
    .concat()
}

/// 48 kHz, 16 bits.
fn start(channels: u8) -> [u8; 10] {
    [channels, 0, 0, 0, 1, 0, 0x80, 0xbb, 0, 0]
}

fn sound() {
    // 10 ms packets and periods of 480 frames, by turns; then a pause, a lost device, and on.
    let start_mark = [&[0; 4], start(2).as_slice()].concat();
    let packets = [5, 0xe0, 1, 8, 10];
    let requests = [4, 0xe0, 1, 8];
    let mut usual = [
        message(0, 105, &[2, 0, 128, 0, 128]),
        message(0, 103, &start(2)),
    ]
    .concat();
    for _ in 0..6 {
        usual.extend([&packets[..], &requests].concat());
    }
    usual.extend(message(0, 101, &[1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]));
    usual.extend([&[3, 0xe8, 3, 0], packets.as_slice(), &requests, &[6, 0, 4]].concat());
    usual.extend([&packets[..], &requests].concat());
    usual.extend(
        [
            message(0, 104, &[]),
            requests.to_vec(),
            [3, 0xe8, 3, 5].to_vec(),
        ]
        .concat(),
    );
    write("spice_sound", "usual", &usual);
    let stamps = [
        message(0, 103, &start(1)),
        [5, 0, 1, 31, 200].to_vec(),
        [4, 0, 16, 31].to_vec(),
        [5, 0xc0, 18, 3, 0].to_vec(),
        [3, 0xff, 0xff, 15].to_vec(),
        packets.to_vec(),
        message(0, 103, &start(8)),
        packets.to_vec(),
        [4, 1, 0, 31].to_vec(),
    ];
    write("spice_sound", "jumps", &stamps.concat());
    let odd = [
        message(0, 103, &start_mark),
        message(0, 103, &start(9)),
        message(0, 102, &[0, 0, 0, 0, 3, 0]),
        message(0, 101, &[0, 0, 0, 0, 1]),
        [2, 9, 101, 0, 255, 255, 255, 255, 0, 0, 0].to_vec(),
        packets.to_vec(),
    ];
    write("spice_sound", "odd", &odd.concat());
    let record = [
        message(1, 101, &start(2)),
        [7, 8, 1, 2, 3, 4, 5, 6, 7, 8].to_vec(),
        message(1, 103, &[1, 255, 255]),
        message(1, 104, &[1]),
        message(1, 102, &[]),
        [7, 1, 1].to_vec(),
    ];
    write("spice_sound", "record", &record.concat());
}

fn main() {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "../../shared/golden".into());
    images(Path::new(&folder));
    messages();
    texts();
    sound();
}
