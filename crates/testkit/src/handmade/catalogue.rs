//! The images that are committed, and the lists of damage that every kind of frame is tried with.

use std::path::PathBuf;

use anyhow::Context as _;

use super::table::{FRAMES, POINTER, QueueKind, Wire};
use super::{
    BLOCK_SCREENSAVER, Description, Frame, HDR, HDR_PQ, Image, Mailbox, POSITION, Pointer,
    REQUEST_ACTIVATION, Record, SHAPE, Sheet, Slot, Subscriber, VISIBLE,
};

/// Small, and of a width that costs frames of type 5 a row (kvmfr.md 4.3).
const SIZE: (u32, u32) = (19, 7);

/// An image and what its host still has to do: heartbeats, and these messages.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The name of its file.
    pub name: &'static str,
    /// The memory.
    pub image: Image,
    /// To be posted in order.
    pub posts: Vec<Posted>,
}

/// A message that is due.
#[derive(Clone, Copy, Debug)]
pub struct Posted {
    /// Its queue.
    pub queue: QueueKind,
    /// What its slot says.
    pub slot: Slot,
}

impl Scene {
    fn new(name: &'static str, wire: Wire, frame: Frame) -> Self {
        let description = Description {
            host_version: name,
            features: 1,
            records: vec![
                Record::Unknown {
                    kind: 200,
                    payload: b"skip me".to_vec(),
                },
                Record::Vm {
                    uuid: *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
                    capture: "by hand",
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
        };
        let mut image = Image::new(wire, &description);
        image.frames[0] = Some(frame);
        let posts = vec![Posted {
            queue: FRAMES,
            slot: image.frame_slot(0),
        }];
        Self { name, image, posts }
    }

    /// A second frame behind the first.
    fn then(mut self, frame: Frame) -> Self {
        self.image.frames[1] = Some(frame);
        let slot = self.image.frame_slot(1);
        self.posts.push(Posted {
            queue: FRAMES,
            slot,
        });
        self
    }

    fn with_pointer(mut self, pointer: Pointer, bits: u32) -> Self {
        self.image.shapes.push((0, pointer));
        let slot = self.image.shape_slot(0, bits);
        self.posts.push(Posted {
            queue: POINTER,
            slot,
        });
        self
    }

    /// Only the place changes, by a small block.
    fn then_moved(mut self, x: i16, y: i16) -> Self {
        self.image.cursors.push((0, Pointer::at(x, y)));
        let slot = self.image.cursor_slot(0, POSITION | VISIBLE);
        self.posts.push(Posted {
            queue: POINTER,
            slot,
        });
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Image)) -> Self {
        change(&mut self.image);
        self
    }
}

fn frame(kind: u32, rotation: u32, flags: u32, serial: u32) -> Frame {
    Frame {
        rotation,
        flags,
        ..Frame::new(kind, SIZE, serial)
    }
}

/// The rectangles of a name for a frame of a size, and what the header counts: what `test:damage` is called after, and
/// the limits of the wire.
#[must_use]
pub fn damage_lists(size: (u32, u32)) -> Vec<(&'static str, Vec<[u32; 4]>)> {
    let (width, height) = size;
    let cells = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let cells = cells.filter(|(x, y)| (x + y) % 2 == 0);
    let single: Vec<_> = cells.map(|(x, y)| [x, y, 1, 1]).collect();
    let most = u32::MAX;
    vec![
        ("none", vec![]),
        ("one", vec![[2, 1, 5, 3]]),
        ("sixty-four", single[..64].to_vec()),
        ("overlap", vec![[1, 1, 9, 4], [4, 0, 8, 3], [5, 2, 2, 2]]),
        (
            "zero",
            vec![[0, 0, 0, 0], [3, 3, 2, 2], [5, 5, 0, 1], [5, 5, 1, 0]],
        ),
        ("nothing", vec![[4, 4, 0, 0], [0, 0, 0, 7]]),
        (
            "invalid",
            vec![
                [width, height, 16, 16],
                [width - 4, 0, 64, 2],
                [most, most, most, most],
                [0, height - 1, 2, most],
            ],
        ),
        ("whole", vec![[0, 0, width, height]]),
        // 65 rectangles cannot be sent: they are everything (kvmfr.md H1).
        ("too-many", single[..65].to_vec()),
    ]
}

fn rects(name: &str) -> Vec<[u32; 4]> {
    let lists = damage_lists(SIZE);
    let list = lists.into_iter().find(|(known, _)| *known == name);
    list.map(|(_, rects)| rects).expect("a list of that name")
}

/// The images of all committed files.
#[must_use]
pub fn catalogue() -> Vec<Scene> {
    let shown = POSITION | VISIBLE | SHAPE;
    vec![
        Scene::new("16-bgra", Wire::V16, frame(1, 0, BLOCK_SCREENSAVER, 41))
            .then(frame(1, 0, 0, 42).damaged(&rects("overlap")))
            .with_pointer(Pointer::shape(1, 2, -3), shown),
        Scene::new("16-rgba10-turned", Wire::V16, frame(3, 1, 0, 7))
            .with_pointer(Pointer::shape(0, 1, 8), shown),
        Scene::new("16-rgba16f-cut", Wire::V16, frame(4, 0, 0, 0).cut(4))
            .with_pointer(Pointer::shape(2, 5, 2), POSITION | SHAPE)
            .with(|image| image.queues[1].mailbox = mailbox(12, 11, 11)),
        Scene::new(
            "19-rgba-turned",
            Wire::V19,
            frame(2, 3, REQUEST_ACTIVATION, u32::MAX),
        )
        .then(frame(2, 3, 0, 0).damaged(&rects("zero")))
        .with_pointer(Pointer::shape(2, 3, 3), shown),
        Scene::new(
            "19-bgra-cut",
            Wire::V19,
            frame(1, 2, BLOCK_SCREENSAVER, 5).cut(5),
        )
        .with_pointer(Pointer::shape(0, -4, 1), shown)
        .then_moved(9, 2),
        Scene::new("19-rgba16f-evicted", Wire::V19, frame(4, 0, 0, 99)).with(evict),
        Scene::new("20-bgr32", Wire::V20, frame(5, 2, 0, 1000))
            .then(frame(5, 2, 0, 1001).damaged(&rects("invalid")))
            .with_pointer(Pointer::shape(0, 6, 1), shown),
        Scene::new("20-rgb24", Wire::V20, frame(6, 0, 0, 1))
            .then(frame(6, 0, 0, 2).damaged(&rects("sixty-four")))
            .with_pointer(Pointer::shape(1, 4, 0), shown)
            .with(|image| image.queues[1].mailbox = mailbox(10, 3, 2)),
        Scene::new("20-rgba10-hdr", Wire::V20, frame(3, 0, HDR, 3)),
        Scene::new("20-rgba10-hdr-pq", Wire::V20, frame(3, 3, HDR | HDR_PQ, 3)),
        Scene::new("20-rgba16f-hdr", Wire::V20, frame(4, 1, HDR, 8))
            .with_pointer(Pointer::shape(2, 2, 2), shown)
            .with(evict),
        Scene::new(
            "20-rgba-cut-activation",
            Wire::V20,
            frame(2, 0, REQUEST_ACTIVATION | BLOCK_SCREENSAVER, 77).cut(3),
        )
        .then_moved(-2, 4),
    ]
}

/// *Set cursor position* messages (kvmfr.md 5.3).
fn mailbox(sent: u32, taken: u32, acknowledged: u32) -> Mailbox {
    let message = |i: u32| [0, 100 + i, 480 - i].map(u32::to_le_bytes).concat();
    Mailbox {
        sent: (0..sent).map(message).collect(),
        taken,
        acknowledged,
    }
}

/// Both queues in the middle of their life: one subscriber evicted and resting, one whose rest is over, one healthy
/// that still holds the oldest message.
fn evict(image: &mut Image) {
    let subscriber = |bit, evicted_until| Subscriber {
        bit,
        client_id: 0x00c1_1e00 + bit,
        evicted_until,
    };
    let (past, future) = (image.timestamp - 1, image.timestamp + 60_000);
    let slots = [image.frame_slot(1), image.shape_slot(2, SHAPE)];
    for (queue, slot) in image.queues.iter_mut().zip(slots) {
        queue.subscribers = vec![
            subscriber(0, Some(future)),
            subscriber(1, Some(past)),
            subscriber(2, None),
        ];
        queue.write_pos = 2;
        queue.start = 1;
        queue.count = 1;
        queue.deadline = image.timestamp + 700;
        let pending = 1 << 2;
        queue.slots = vec![(0, slot), (1, Slot { pending, ..slot })];
    }
}

/// The committed images by name, as they lie in the repository.
///
/// # Errors
/// If a file cannot be read.
pub fn committed() -> anyhow::Result<Vec<(String, Sheet)>> {
    let mut sheets = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path)?;
        let sheet = Sheet::parse(&text).with_context(|| path.display().to_string())?;
        sheets.push((name.into_owned(), sheet));
    }
    sheets.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(sheets)
}

/// Where the committed images are.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/handmade")
}
