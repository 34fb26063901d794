//! The fields of KVMFR's messages (`kvmfr.md` 1, 3 and 4), and well-formed ones to spoil.

use super::{Field, Pair};

/// Columns and rows of the well-formed frames.
pub const SIDE: u32 = 64;
/// Where the write pointer of the well-formed frames is.
pub const FB_OFFSET: u32 = 4092;
/// Bytes of a forged frame's block: 64 × 64 pixels of four bytes behind a page.
pub const FRAME_BLOCK: u32 = 4096 + SIDE * SIDE * 4;
/// Bytes of a forged pointer's block: 64 × 64 pixels of four bytes behind the header.
pub const POINTER_BLOCK: u32 = 24 + 64 * 64 * 4;

/// The offsets of a frame header's fields in the three versions (`kvmfr.md` 4.1).
type Row = (&'static str, Option<usize>, Option<usize>, Option<usize>);

const FRAME: [Row; 16] = [
    ("format version", Some(0), Some(0), Some(0)),
    ("frame serial", Some(4), Some(4), Some(4)),
    ("frame type", Some(8), Some(8), Some(8)),
    ("screen width", None, Some(12), Some(12)),
    ("screen height", None, Some(16), Some(16)),
    ("data width", Some(12), Some(20), Some(20)),
    ("data height", Some(16), Some(24), Some(24)),
    ("real height", Some(20), None, None),
    ("frame width", None, None, Some(28)),
    ("frame height", None, None, Some(32)),
    ("rotation", Some(24), Some(28), Some(36)),
    ("stride", Some(28), Some(32), Some(40)),
    ("pitch", Some(32), Some(36), Some(44)),
    ("framebuffer offset", Some(36), Some(40), Some(48)),
    ("damage count", Some(40), Some(44), Some(52)),
    ("flags", Some(1068), Some(1072), Some(1080)),
];

/// Bytes of a frame header.
#[must_use]
pub const fn frame_bytes(pair: Pair) -> usize {
    pair.pick(1072, 1076, 1084)
}

fn offset(pair: Pair, row: &Row) -> Option<usize> {
    match pair {
        Pair::Seed => row.1,
        Pair::B6 => row.2,
        Pair::B7 => row.3,
    }
}

/// A frame header under construction.
#[derive(Clone, Debug)]
pub struct FrameBytes {
    pair: Pair,
    /// The header as it goes into the memory.
    pub bytes: Vec<u8>,
}

impl FrameBytes {
    /// A header of 64 × 64 BGRA pixels, fully damaged.
    #[must_use]
    pub fn good(pair: Pair, serial: u32) -> Self {
        let mut header = Self {
            pair,
            bytes: vec![0; frame_bytes(pair)],
        };
        header.set("frame serial", serial);
        header.set("frame type", 1);
        for name in ["screen width", "screen height", "data width", "data height"] {
            header.set(name, SIDE);
        }
        for name in ["real height", "frame width", "frame height", "stride"] {
            header.set(name, SIDE);
        }
        header.set("pitch", SIDE * 4);
        header.set("framebuffer offset", FB_OFFSET);
        header
    }

    /// Sets a field, if the version has it.
    pub fn set(&mut self, name: &str, value: u32) {
        let row = FRAME.iter().find(|row| row.0 == name);
        if let Some(at) = row.and_then(|row| offset(self.pair, row)) {
            self.put(at, &value.to_le_bytes());
        }
    }

    /// Sets a damage rectangle: x, y, width, height.
    pub fn set_rect(&mut self, index: usize, rect: [u32; 4]) {
        let first = self.pair.pick(44, 48, 56) + 16 * index;
        for (i, value) in rect.into_iter().enumerate() {
            self.put(first + 4 * i, &value.to_le_bytes());
        }
    }

    /// Writes bytes; what lies outside the header is left out.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
    }
}

/// Every field of a frame header but the rectangles.
#[must_use]
pub fn frame_fields(pair: Pair) -> Vec<Field> {
    let block = u64::from(FRAME_BLOCK);
    let header = frame_bytes(pair) as u64;
    let (side, pitch) = (u64::from(SIDE), u64::from(SIDE * 4));
    let long = 1 << 20;
    let fields = FRAME
        .iter()
        .filter_map(|row| Some((row.0, offset(pair, row)?)));
    fields
        .map(|(name, at)| {
            let others: &[u64] = match name {
                "frame type" => &[2, 3, 4, 5, 6, 7],
                "rotation" => &[2, 3, 4],
                "stride" => &[side - 1, side + 1],
                "pitch" => &[pitch - 4, pitch - 1, pitch + 1, pitch + 4, long, long + 4],
                "framebuffer offset" => &[
                    header - 1,
                    header,
                    header + 4,
                    4093,
                    block - 8,
                    block - 4,
                    block - 3,
                    block,
                ],
                "damage count" => &[2, 64, 65],
                "flags" => &[2, 4, 8, 16, 31, 32],
                "frame serial" | "format version" => &[1 << 31],
                _ => &[side - 1, side + 1, 32768, 32769, 1 << 16, 1 << 31],
            };
            Field::new(name, at, 4, others)
        })
        .collect()
}

/// Rectangles that a header must not be believed, with the count before them.
pub const RECTS: [(u32, [u32; 4]); 8] = [
    (1, [0, 0, 0, 0]),
    (1, [u32::MAX, u32::MAX, u32::MAX, u32::MAX]),
    (1, [0, 0, u32::MAX, u32::MAX]),
    (1, [SIDE, SIDE, 1, 1]),
    (1, [SIDE - 1, SIDE - 1, 2, 2]),
    (1, [1, 1, u32::MAX, 1]),
    (64, [u32::MAX - 1, 0, 2, 2]),
    (65, [0, 0, 1, 1]),
];

/// A pointer header of a 32 × 32 colour picture.
#[must_use]
pub fn good_pointer() -> [u8; 24] {
    let mut bytes = [0; 24];
    let words: [(usize, u32); 3] = [(12, 32), (16, 32), (20, 128)];
    for (at, value) in words {
        for (place, byte) in bytes.iter_mut().skip(at).zip(value.to_le_bytes()) {
            *place = byte;
        }
    }
    bytes
}

/// Every field of a pointer header (`kvmfr.md` 3.2).
#[must_use]
pub fn pointer_fields() -> Vec<Field> {
    let sides = [1023, 1024, 1025, 32768, 1 << 31];
    vec![
        Field::new("x", 0, 2, &[0x7fff, 0x8000]),
        Field::new("y", 2, 2, &[0x7fff, 0x8000]),
        Field::new("shape type", 4, 4, &[2, 3]),
        Field::new("hotspot x", 8, 1, &[31, 32, 0x7f, 0x80]),
        Field::new("hotspot y", 9, 1, &[31, 32, 0x7f, 0x80]),
        Field::new("width", 12, 4, &sides),
        Field::new("height", 16, 4, &[&[31, 33], sides.as_slice()].concat()),
        Field::new("pitch", 20, 4, &[127, 129, 512, 513, 1 << 20, 1 << 31]),
    ]
}

/// A session description with both records (`kvmfr.md` 1).
#[must_use]
pub fn good_description(pair: Pair) -> Vec<u8> {
    let mut bytes = b"KVMFR---".to_vec();
    bytes.extend(pair.kvmfr().to_le_bytes());
    bytes.extend([b'h'; 31]);
    bytes.push(0);
    bytes.extend(1_u32.to_le_bytes());
    for (kind, payload) in [
        (1_u32, [vec![7; 51], b"model\0".to_vec()].concat()),
        (2, b"\0os\0".to_vec()),
    ] {
        bytes.extend(kind.to_le_bytes());
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
    }
    bytes
}

/// Every number of a session description; the texts are in `description_texts`.
#[must_use]
pub fn description_fields() -> Vec<Field> {
    vec![
        Field::new("description magic", 0, 8, &[]),
        Field::new(
            "description version",
            8,
            4,
            &[15, 16, 17, 18, 19, 20, 21, 34],
        ),
        Field::new("description features", 44, 4, &[2]),
        Field::new("record 1 type", 48, 1, &[2, 3]),
        Field::new("record 1 padding", 49, 1, &[]),
        Field::new(
            "record 1 size",
            52,
            4,
            &[50, 51, 52, 56, 57, 58, 69, 70, 1 << 31],
        ),
        Field::new("record 1 uuid", 56, 8, &[]),
        Field::new("record 1 cpus", 104, 1, &[]),
        Field::new("record 1 cores", 105, 1, &[]),
        Field::new("record 1 sockets", 106, 1, &[]),
        Field::new("record 2 type", 113, 1, &[3]),
        Field::new("record 2 size", 117, 4, &[4, 5, 1 << 31]),
        Field::new("record 2 os", 121, 1, &[4, 5]),
    ]
}

/// Descriptions of odd lengths and with texts that must not reach a log or a screen as they are.
#[must_use]
pub fn odd_descriptions(pair: Pair) -> Vec<Vec<u8>> {
    let good = good_description(pair);
    let mut all: Vec<Vec<u8>> = [0, 1, 47, 48, 49, 55, 56, 57, good.len() - 1]
        .map(|len| good[..len].to_vec())
        .into();
    let mut texts = good.clone();
    for range in [12..44, 72..104] {
        for (at, byte) in texts.iter_mut().enumerate() {
            if range.contains(&at) {
                *byte = [0x1b, b']', 0xff, 0x07, 0xc2, 0x9b, b'\n', 0xe2, 0x80, 0xae][at % 10];
            }
        }
    }
    all.push(texts);
    let mut many = good[..48].to_vec();
    while many.len() + 8 <= 60 << 10 {
        many.extend([3, 0, 0, 0, 0, 0, 0, 0]);
    }
    all.push(many);
    all
}
