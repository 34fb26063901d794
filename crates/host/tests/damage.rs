//! What `test:damage` puts on the wire, read by hand at the offsets of the specification's tables.

#![expect(
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test"
)]

use std::time::{Duration, Instant};

use ivshmem::{SharedMemory, Source};
use testkit::handmade::Wire;
use testkit::handmade::table::{FRAMES, FrameTable, MAGIC};
use testkit::played::{Queue, Seat, word};
use testkit::process::Process;
use testkit::programs::{self, SharedFile};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 200;
/// How long the host may take for everything.
const LIMIT: Duration = Duration::from_secs(20);
/// Frames that are looked at.
const FRAME_COUNT: usize = 8;

type Rect = [u64; 4];

/// A real host with the test pattern, and a client of it that is played by hand.
struct Looker {
    memory: SharedMemory,
    frames: Queue,
    seat: Seat,
    wire: Wire,
    _host: Process,
}

impl Looker {
    fn start(wire: Wire, damage: &str) -> Self {
        let shm = SharedFile::create(32).unwrap();
        let memory = SharedMemory::open(&Source::File(shm.path().to_owned())).unwrap();
        let mut command = programs::host(&shm).unwrap();
        command
            .args([
                "app:capture=test",
                "test:pointer=none",
                "test:frameRate=200",
            ])
            .arg(format!("app:kvmfrVersion={}", wire.kvmfr()))
            .arg(format!("test:width={WIDTH}"))
            .arg(format!("test:height={HEIGHT}"))
            .arg(format!("test:damage={damage}"));
        let host = Process::start(&mut command).unwrap();
        let magic = word(memory.as_slice(), MAGIC).unwrap();
        let is_there = || magic.load(std::sync::atomic::Ordering::SeqCst) != 0;
        assert!(testkit::wait_until(LIMIT, is_there), "no host");
        let frames = Queue::of(memory.as_slice(), wire.table(), FRAMES).unwrap();
        let seat = frames.subscribe(memory.as_slice(), 0x1234).unwrap();
        Self {
            memory,
            frames,
            seat,
            wire,
            _host: host,
        }
    }

    /// The rectangles of the next frame.
    fn next(&mut self) -> Vec<Rect> {
        let shared = self.memory.as_slice();
        let start = Instant::now();
        let message = loop {
            if let Some(message) = self.frames.peek(shared, self.seat).unwrap() {
                break message;
            }
            assert!(start.elapsed() < LIMIT, "no frame");
            std::thread::sleep(Duration::from_millis(1));
        };
        let table = FrameTable::of(self.wire);
        let field = |at: usize| shared.read::<u32>(message.offset as usize + at).unwrap();
        let rects = (0..field(table.damage_count) as usize).map(|index| {
            let at = table.damage + 16 * index;
            [0, 4, 8, 12].map(|part| u64::from(field(at + part)))
        });
        let rects = rects.collect();
        self.frames.done(shared, &mut self.seat).unwrap();
        rects
    }
}

/// The rectangles of some frames after the first one, in which everything is new.
fn told(wire: Wire, damage: &str) -> Vec<Vec<Rect>> {
    let mut looker = Looker::start(wire, damage);
    assert!(looker.next().is_empty(), "{damage}: the first frame");
    (0..FRAME_COUNT).map(|_| looker.next()).collect()
}

fn is_outside(rect: &Rect) -> bool {
    rect[0] + rect[2] > u64::from(WIDTH) || rect[1] + rect[3] > u64::from(HEIGHT)
}

fn is_empty(rect: &Rect) -> bool {
    rect[2] == 0 || rect[3] == 0
}

fn overlap(rects: &[Rect]) -> bool {
    let meet = |a: &Rect, b: &Rect, axis: usize| {
        a[axis] < b[axis] + b[axis + 2] && b[axis] < a[axis] + a[axis + 2]
    };
    let mut pairs = rects.iter().enumerate();
    pairs.any(|(i, a)| {
        rects[i + 1..]
            .iter()
            .any(|b| meet(a, b, 0) && meet(a, b, 1))
    })
}

fn is_sane(rects: &[Rect]) -> bool {
    !rects.is_empty() && !rects.iter().any(|rect| is_outside(rect) || is_empty(rect))
}

#[test]
fn every_way_of_telling_damage_reaches_the_wire() {
    let all = |damage: &str, rule: fn(&[Rect]) -> bool| {
        for rects in told(Wire::V20, damage) {
            assert!(rule(&rects), "{damage}: {rects:?}");
        }
    };
    all("moving", |rects| is_sane(rects) && rects.len() < 10);
    all("full", <[Rect]>::is_empty);
    all("null", <[Rect]>::is_empty);
    all("max", |rects| is_sane(rects) && rects.len() == 64);
    all("overlap", |rects| is_sane(rects) && overlap(rects));
    all("zero", |rects| {
        rects.iter().any(is_empty) && !rects.iter().all(is_empty)
    });
}

#[test]
fn rectangles_outside_the_picture_reach_clients_of_every_version() {
    for wire in Wire::ALL {
        for rects in told(wire, "invalid") {
            assert!(rects.iter().any(is_outside), "{wire:?}: {rects:?}");
            assert!(!rects.iter().all(is_outside), "{wire:?}: {rects:?}");
            let most = u64::from(u32::MAX);
            assert!(rects.contains(&[most; 4]), "{wire:?}: {rects:?}");
        }
    }
}
