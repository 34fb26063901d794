//! Memory images written byte by byte from the specification's tables, shown by the real client: what it shows is what
//! the naive reference composes from the same description.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::bail;
use e2e::matrix::compare::Expected;
use e2e::matrix::{Viewer, headless};
use ivshmem::{SharedMemory, SharedSlice};
use picture::png::{self, RgbImage};
use picture::{Rotation, Size};
use testkit::handmade::table::{FRAMES, MAGIC};
use testkit::handmade::{
    Description, Frame, HDR, HDR_PQ, Image, MEMORY_BYTES, POSITION, Pointer, SHAPE, Sheet, VISIBLE,
    Wire, catalogue, committed, damage_lists,
};
use testkit::played::{self, Host, Message, Playable, Player, Programme};
use testkit::{programs, reference};

/// How long a viewer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// As in `testkit`'s own images: 19 columns cost frames of type 5 a row.
const SIZE: (u32, u32) = (19, 7);

fn reference_frame(wire: Wire, frame: &Frame) -> reference::Frame<'_> {
    reference::Frame {
        kind: frame.kind,
        // The flag means nothing before version 20 (kvmfr.md 4.5).
        is_hdr: frame.flags & HDR != 0 && wire == Wire::V20,
        version: wire.kvmfr(),
        width: frame.size.0,
        height: frame.size.1,
        rows: frame.rows,
        pitch: frame.pitch as usize,
        rotation: frame.rotation,
        screen: frame.screen,
        bytes: &frame.pixels,
    }
}

fn reference_pointer(pointer: &Pointer) -> reference::Pointer<'_> {
    reference::Pointer {
        kind: pointer.kind,
        x: pointer.x.into(),
        y: pointer.y.into(),
        width: pointer.width,
        rows: pointer.rows,
        pitch: pointer.pitch as usize,
        bytes: &pointer.pixels,
    }
}

/// What must be seen at the guest's own size, turned by the user.
fn expected(wire: Wire, frame: &Frame, pointer: Option<&Pointer>, turns: u32) -> Expected {
    let (mut width, mut height) = frame.size;
    if (frame.rotation + turns) % 2 == 1 {
        (width, height) = (height, width);
    }
    let view = reference::View {
        width,
        height,
        keep_aspect: true,
        dont_upscale: false,
        rotation: turns,
        scale: 0,
    };
    let seen = reference_frame(wire, frame);
    let pointer = pointer.map(reference_pointer);
    // Computing light may cost a step; moving bytes may not.
    let is_light = frame.kind == 4 || (frame.kind == 3 && seen.is_hdr);
    let is_masked = pointer.as_ref().is_some_and(|pointer| pointer.kind == 2);
    Expected {
        size: Size::new(width, height),
        pixels: reference::compose(&seen, pointer.as_ref(), &view),
        under: is_masked.then(|| reference::compose(&seen, None, &view)),
        tolerance: u8::from(is_light),
    }
}

/// A host that is played by hand in a memory that clients keep looking at.
struct Stage {
    memory: Arc<SharedMemory>,
    image: Image,
    host: Host,
    viewers: Vec<Viewer>,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let memory = Arc::new(SharedMemory::create("handmade", MEMORY_BYTES)?);
        let image = Image::new(Wire::V16, &description());
        // Turned once by the guest and once more by the user.
        let turns = [Rotation::Deg0, Rotation::Deg270];
        let viewers = turns.map(|turn| headless::start(Arc::clone(&memory), turn));
        Ok(Self {
            host: image.host(memory.as_slice())?,
            viewers: viewers.into_iter().collect::<anyhow::Result<_>>()?,
            image,
            memory,
        })
    }

    /// Another host takes the memory over.
    fn set_up(&mut self, image: Image) -> anyhow::Result<()> {
        let shared = self.memory.as_slice();
        let magic = played::word(shared, MAGIC)?;
        magic.store(0, Ordering::SeqCst);
        shared.zero(4, shared.len() - 4)?;
        let sheet = image.sheet();
        for entry in sheet.entries().iter().filter(|entry| entry.at != MAGIC) {
            shared.copy_from(entry.at, &entry.bytes)?;
        }
        magic.store(u32::from_le_bytes(*b"LGMP"), Ordering::SeqCst);
        self.host = image.host(shared)?;
        self.image = image;
        Ok(())
    }

    /// Ticks and serves new subscribers until everybody shows what the image says.
    fn expect(&mut self, index: usize, name: &str) -> anyhow::Result<()> {
        let frame = self.image.frames[index].clone();
        let frame = frame.unwrap_or_else(|| panic!("{name}: no frame"));
        let pointer = self
            .image
            .shapes
            .first()
            .map(|(_, pointer)| pointer.clone());
        for viewer in 0..self.viewers.len() {
            let turns = self.viewers[viewer].rotation.quarter_turns();
            let expected = expected(self.image.wire, &frame, pointer.as_ref(), turns);
            let start = Instant::now();
            loop {
                self.tick(index)?;
                let seen = (self.viewers[viewer].eye)()?;
                let wrong = match seen {
                    Some(seen) => expected.difference(&seen),
                    None => Some("it shows nothing".to_owned()),
                };
                let Some(wrong) = wrong else { break };
                if start.elapsed() > LIMIT {
                    bail!("{}, {name}: {wrong}", self.viewers[viewer].name);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }

    fn tick(&mut self, index: usize) -> anyhow::Result<()> {
        let shared = self.memory.as_slice();
        self.host.tick(shared)?;
        if self.host.frames.has_new_subscribers(shared)? {
            let slot = self.image.frame_slot(index);
            self.host.frames.post(shared, slot.into(), self.host.now)?;
        }
        if self.host.pointer.has_new_subscribers(shared)? && !self.image.shapes.is_empty() {
            let slot = self.image.shape_slot(0, POSITION | VISIBLE | SHAPE);
            self.host.pointer.post(shared, slot.into(), self.host.now)?;
        }
        Ok(())
    }

    fn post(&mut self, message: Message) -> anyhow::Result<()> {
        let (shared, now) = (self.memory.as_slice(), self.host.now);
        self.host.frames.post(shared, message, now)
    }

    /// Writes another frame over a block that nobody reads any more, and announces it.
    fn replace(&mut self, index: usize, frame: Frame) -> anyhow::Result<()> {
        self.image.frames[index] = Some(frame);
        let block = self.image.layout().frames[index];
        let range = block.offset as usize..(block.offset + block.size) as usize;
        let sheet = self.image.sheet();
        let entries = sheet.entries().iter();
        for entry in entries.filter(|entry| range.contains(&entry.at)) {
            self.memory.as_slice().copy_from(entry.at, &entry.bytes)?;
        }
        let slot = self.image.frame_slot(index);
        self.post(slot.into())
    }
}

fn description() -> Description {
    Description {
        host_version: "by hand",
        features: 0,
        records: Vec::new(),
    }
}

/// Flags that change what pixels mean.
fn meanings(wire: Wire, kind: u32) -> &'static [u32] {
    match (wire, kind) {
        (Wire::V20, 3) => &[0, HDR, HDR | HDR_PQ],
        (Wire::V20, 4) => &[HDR, 0],
        (Wire::V20, 1) | (Wire::V19, 3 | 4) => &[0, HDR],
        _ => &[0],
    }
}

#[test]
fn the_client_shows_every_type_rotation_pointer_and_damage_list_as_described() -> anyhow::Result<()>
{
    let mut stage = Stage::new()?;
    let mut session = 0;
    for wire in Wire::ALL {
        for kind in wire.kinds() {
            for flags in meanings(wire, kind) {
                for rotation in 0..4 {
                    session += 1;
                    show(&mut stage, wire, kind, *flags, rotation, session)?;
                }
            }
        }
    }
    Ok(())
}

/// One session: a first frame with a pointer, then the next two with a list of damage each.
fn show(
    stage: &mut Stage,
    wire: Wire,
    kind: u32,
    flags: u32,
    rotation: u32,
    session: u32,
) -> anyhow::Result<()> {
    let name = format!("{wire:?}, type {kind}, flags {flags:#x}, {rotation} turns");
    let mut image = Image::new(wire, &description());
    image.session_id = session;
    let first = Frame {
        flags,
        rotation,
        ..Frame::new(kind, SIZE, session)
    };
    image.frames[0] = Some(first.clone());
    // The fourth has no pointer.
    if session % 4 != 3 {
        let pointer = Pointer::shape(session % 4, (session % 12) as i16 - 3, 1);
        image.shapes = vec![(0, pointer)];
    }
    stage.set_up(image)?;
    stage.expect(0, &name)?;
    let lists = damage_lists(SIZE);
    let mut last = first;
    for index in [1, 0] {
        let (list, rects) = &lists[(2 * session as usize + index) % lists.len()];
        last = last.after(rects, session + 7 + index as u32);
        stage.replace(index, last.clone())?;
        stage.expect(index, &format!("{name}, damage {list}"))?;
    }
    Ok(())
}

/// An image as it was committed.
struct Committed {
    sheet: Sheet,
    image: Image,
}

impl Playable for Committed {
    fn memory(&self) -> Vec<u8> {
        self.sheet.bytes()
    }

    fn host(&self, shared: SharedSlice<'_>) -> anyhow::Result<Host> {
        self.image.host(shared)
    }
}

#[test]
fn the_real_client_takes_screenshots_of_the_committed_images() -> anyhow::Result<()> {
    let scenes = catalogue();
    for (name, sheet) in committed()? {
        let scene = scenes.iter().find(|scene| scene.name == name);
        let scene = scene.unwrap_or_else(|| panic!("{name} has no description"));
        let posted = |is_frame: bool| {
            let mut posts = scene.posts.iter();
            let post = posts.find(|post| (post.queue == FRAMES) == is_frame);
            post.map(|post| Message::from(post.slot))
        };
        let frames = posted(true).map(|message| (Duration::ZERO, message));
        let programme = Programme {
            frames: frames.into_iter().collect(),
            pointer: posted(false).filter(|message| message.udata & SHAPE != 0),
        };
        let is_visible = programme.pointer.is_some_and(|m| m.udata & VISIBLE != 0);
        let image = scene.image.clone();
        let player = Player::start(&Committed { sheet, image }, programme)?;
        let seen = screenshot(&player).map_err(|error| error.context(name.clone()))?;
        let frame = scene.image.frames[0].as_ref();
        let frame = frame.unwrap_or_else(|| panic!("{name} has no frame"));
        let pointer = scene.image.shapes.first().map(|(_, pointer)| pointer);
        let meant = expected(scene.image.wire, frame, pointer.filter(|_| is_visible), 0);
        assert_eq!(meant.difference(&seen), None, "{name}");
    }
    Ok(())
}

fn screenshot(player: &Player) -> anyhow::Result<RgbImage> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("shown.png");
    programs::screenshot(player.shm(), &file, Duration::from_secs(20))?;
    Ok(png::decode(&std::fs::read(&file)?)?)
}
