//! What the reader makes of frames, damage and pointers.

use picture::pointer::PointerKind;
use picture::{GuestPoint, PixelFormat, PointerState, Rotation, Size, Transfer};
use testkit::handmade::table::{FRAMES, POINTER};
use testkit::handmade::{
    BLOCK_SCREENSAVER, Frame, HDR, HDR_PQ, Image, POSITION, Pointer, Posted, REQUEST_ACTIVATION,
    SHAPE, TRUNCATED, VISIBLE, Wire, catalogue, committed, damage_lists, pixel_bytes,
};

use super::rig::{Rig, Seen, SeenFrame, fresh};

/// Loses a row in frames of type 5, and has room for 64 rectangles that do not touch at a side.
const SIZE: (u32, u32) = (19, 7);

/// What kvmfr.md 4.8 says about a frame's pixels.
fn meaning(wire: Wire, frame: &Frame) -> Transfer {
    match (frame.kind, wire, frame.flags & HDR != 0) {
        (3, Wire::V20, true) => Transfer::Pq2020,
        (4, Wire::V20, _) => Transfer::ScRgb,
        (4, _, _) => Transfer::Linear,
        _ => Transfer::Srgb,
    }
}

fn format(kind: u32) -> PixelFormat {
    match kind {
        1 => PixelFormat::Bgra8,
        2 => PixelFormat::Rgba8,
        3 => PixelFormat::Rgba10,
        4 => PixelFormat::Rgba16F,
        5 => PixelFormat::Bgr24Packed,
        _ => PixelFormat::Rgb24,
    }
}

fn rotation(turns: u32) -> Rotation {
    match turns {
        0 => Rotation::Deg0,
        1 => Rotation::Deg90,
        2 => Rotation::Deg180,
        _ => Rotation::Deg270,
    }
}

/// kvmfr.md 6: the power of two that holds two frames and 10 MiB.
fn recommended(frame: &Frame) -> u64 {
    let bytes = f64::from(frame.size.1) * f64::from(frame.pitch) * 2.0;
    let least = bytes / f64::from(1 << 20) + 10.0;
    (0..)
        .map(|power| 1 << power)
        .find(|mib: &u64| *mib as f64 >= least)
        .unwrap()
}

/// Compares everything but the damage.
fn assert_frame(seen: &SeenFrame, frame: &Frame, wire: Wire, name: &str) {
    let layout = seen.layout;
    let size = |(width, height): (u32, u32)| Size::new(width, height);
    assert_eq!(seen.serial, frame.serial, "{name}");
    assert_eq!(layout.format, format(frame.kind), "{name}");
    assert_eq!(layout.transfer, meaning(wire, frame), "{name}");
    assert_eq!(layout.rotation, rotation(frame.rotation), "{name}");
    assert_eq!(layout.frame, size(frame.size), "{name}");
    assert_eq!(layout.screen, size(frame.screen), "{name}");
    assert_eq!(layout.rows, frame.rows, "{name}");
    assert_eq!(layout.pitch_bytes, frame.pitch, "{name}");
    assert_eq!(seen.is_truncated, frame.flags & TRUNCATED != 0, "{name}");
    let inhibits = frame.flags & BLOCK_SCREENSAVER != 0;
    assert_eq!(seen.wants_screensaver_inhibited, inhibits, "{name}");
    // Version 16 has no word for it.
    let activates = frame.flags & REQUEST_ACTIVATION != 0 && wire != Wire::V16;
    assert_eq!(seen.wants_activation, activates, "{name}");
    assert_eq!(seen.recommended_size_mib, recommended(frame), "{name}");
    let row_bytes = (frame.size.0 * pixel_bytes(frame.kind)) as usize;
    for y in 0..frame.rows {
        let start = (y * frame.pitch) as usize;
        let row = &seen.pixels[start..start + row_bytes];
        assert_eq!(row, frame.row(y), "{name}, row {y}");
    }
}

/// What is told holds all that changed, and never costs more than the rectangles one by one would.
fn assert_damage(seen: &SeenFrame, frame: &Frame, name: &str) {
    let (width, height) = frame.size;
    let size = Size::new(width, height);
    let mut told = vec![false; (width * height) as usize];
    for rect in seen.damage.rects_in(size) {
        for y in rect.y..rect.y + rect.height {
            for x in rect.x..rect.x + rect.width {
                told[(y * width + x) as usize] = true;
            }
        }
    }
    let cells = frame.cells();
    let truth: Vec<bool> = cells.map(|(x, y)| frame.touches(x, y)).collect();
    let missing = truth
        .iter()
        .zip(&told)
        .position(|(meant, told)| *meant && !told);
    assert_eq!(missing, None, "{name}: of {:?}", seen.damage);
    let clamp = |start: u32, len: u32, end: u32| {
        let last = (u64::from(start) + u64::from(len)).min(u64::from(end));
        last.saturating_sub(u64::from(start))
    };
    let area = |r: &[u32; 4]| clamp(r[0], r[2], width) * clamp(r[1], r[3], height);
    let most: u64 = frame.damage.iter().map(area).sum();
    let is_all = truth.iter().all(|touched| *touched);
    let cost = seen.damage.area_in(size);
    assert!(
        is_all || cost <= most,
        "{name}: {cost} pixels instead of {most}"
    );
    assert_eq!(seen.damage.is_none(), !truth.contains(&true), "{name}");
}

impl Rig {
    fn expect_frame(&mut self, name: &str) -> Box<SeenFrame> {
        match self.look() {
            Seen::Frame(seen) => seen,
            other => panic!("{name}: {other:?} instead of a frame"),
        }
    }

    /// Posts a frame from a block and compares what is seen of it.
    fn show(&mut self, index: usize, frame: Frame, name: &str) -> Box<SeenFrame> {
        self.image.frames[index] = Some(frame.clone());
        self.write_frame(index);
        let slot = self.image.frame_slot(index);
        self.post(Posted {
            queue: FRAMES,
            slot,
        });
        self.pass(10);
        let seen = self.expect_frame(name);
        assert_frame(&seen, &frame, self.image.wire, name);
        seen
    }

    /// Posts a shape, shown or hidden, and compares what is seen of it.
    fn point(&mut self, pointer: &Pointer, is_visible: bool, name: &str) {
        self.image.shapes = vec![(0, pointer.clone())];
        self.write_pointer();
        let bits = POSITION | SHAPE | if is_visible { VISIBLE } else { 0 };
        let slot = self.image.shape_slot(0, bits);
        self.post(Posted {
            queue: POINTER,
            slot,
        });
        self.pass(10);
        let Seen::Pointer(state, shape) = self.look() else {
            panic!("{name}: no pointer");
        };
        assert_eq!(state, state_of(pointer, is_visible), "{name}");
        if let Some(shape) = shape {
            assert_shape(&shape, pointer, name);
        } else {
            assert!(!is_visible, "{name}: a shape only the second time");
        }
    }
}

fn state_of(pointer: &Pointer, is_visible: bool) -> PointerState {
    PointerState {
        position: GuestPoint {
            x: pointer.x.into(),
            y: pointer.y.into(),
        },
        is_visible,
    }
}

fn assert_shape(shape: &picture::PointerShape, pointer: &Pointer, name: &str) {
    let kinds = [
        PointerKind::Colour,
        PointerKind::Monochrome,
        PointerKind::MaskedColour,
    ];
    assert_eq!(shape.kind, kinds[pointer.kind as usize], "{name}");
    let size = (pointer.width, pointer.seen_rows());
    assert_eq!((shape.width, shape.height), size, "{name}");
    let (hx, hy) = pointer.hot_spot;
    let hot_spot = (hx.cast_unsigned().into(), hy.cast_unsigned().into());
    assert_eq!(shape.hot_spot, hot_spot, "{name}");
    let row_bytes = pointer.row_bytes() as usize;
    let rows = pointer.pixels.chunks(pointer.pitch as usize);
    let rows = rows.flat_map(|row| &row[..row_bytes]);
    assert!(rows.eq(&shape.data), "{name}: the shape's rows");
}

/// Flags that change what pixels mean, for each type of a version.
fn meanings(wire: Wire, kind: u32) -> &'static [u32] {
    match (wire, kind) {
        (Wire::V20, 3) => &[0, HDR, HDR | HDR_PQ, HDR_PQ],
        (Wire::V20, 4) => &[HDR, HDR | HDR_PQ, HDR_PQ, 0],
        // Without meaning for other types, and before version 20.
        (Wire::V20, 1) | (Wire::V19, 3 | 4) => &[0, HDR, HDR | HDR_PQ],
        _ => &[0],
    }
}

#[test]
fn every_type_rotation_damage_list_and_pointer_is_read_as_described() {
    let mut frames = 0;
    for wire in Wire::ALL {
        for kind in wire.kinds() {
            for flags in meanings(wire, kind) {
                for rotation in 0..4 {
                    frames += read_all_lists(wire, kind, *flags, rotation);
                }
            }
        }
    }
    // 4 types in 16; 4 and four more meanings in 19; 6 and eight more in 20.
    assert_eq!(frames, (4 + 8 + 14) * 4 * 10);
}

/// One session of one format; returns how many frames there were.
fn read_all_lists(wire: Wire, kind: u32, flags: u32, rotation: u32) -> u32 {
    let mut rig = Rig::connected(fresh(wire));
    let mut serial = 0xffff_fffc;
    let next = |serial: &mut u32| {
        *serial = serial.wrapping_add(1);
        Frame {
            flags,
            rotation,
            serial: *serial,
            ..Frame::new(kind, SIZE, 2)
        }
    };
    let name = format!("{wire:?}, type {kind}, flags {flags:#x}, {rotation} turns");
    // A first frame changes everything, whatever it says.
    let first = next(&mut serial).damaged(&[[0, 0, 1, 1]]);
    let seen = rig.show(0, first, &name);
    assert!(seen.damage.is_full(), "{name}");
    let mut shown = 1;
    for (list, rects) in damage_lists(SIZE) {
        let name = format!("{name}, damage {list}");
        let mut frame = next(&mut serial).damaged(&rects);
        frame.paint(serial);
        let seen = rig.show(shown as usize % 2, frame.clone(), &name);
        assert_damage(&seen, &frame, &name);
        shown += 1;
    }
    for kind in 0..3 {
        let name = format!("{name}, pointer {kind}");
        let pointer = Pointer::shape(kind, -5 + kind as i16, 3);
        rig.point(&pointer, true, &name);
        rig.point(&Pointer { x: 9, ..pointer }, false, &name);
    }
    shown
}

#[test]
fn the_damage_of_a_frame_that_was_skipped_is_added() {
    for wire in Wire::ALL {
        let mut rig = Rig::connected(fresh(wire));
        rig.show(0, Frame::new(1, SIZE, 10), "the first");
        for (index, rect) in [(1, [2, 1, 3, 2]), (0, [9, 4, 2, 2])] {
            let frame = Frame {
                serial: 12 - index as u32,
                ..Frame::new(1, SIZE, 10)
            };
            rig.image.frames[index] = Some(frame.damaged(&[rect]));
            rig.write_frame(index);
            let slot = rig.image.frame_slot(index);
            rig.post(Posted {
                queue: FRAMES,
                slot,
            });
        }
        let seen = rig.expect_frame("the third");
        assert_eq!(seen.serial, 12);
        let both = Frame::new(1, SIZE, 10).damaged(&[[2, 1, 3, 2], [9, 4, 2, 2]]);
        assert_damage(&seen, &both, "both");
        assert!(!seen.damage.is_full());
    }
}

#[test]
fn frames_whose_rows_did_not_fit_say_so() {
    for wire in Wire::ALL {
        for kind in 1..=4 {
            let name = format!("{wire:?}, type {kind}, cut");
            let mut rig = Rig::connected(fresh(wire));
            let flags = meanings(wire, kind)[0];
            let frame = Frame {
                flags,
                ..Frame::new(kind, SIZE, 5)
            };
            rig.show(0, frame.cut(3), &name);
        }
    }
    // A host that clamps the rows without saying so (kvmfr.md 6).
    let mut rig = Rig::connected(fresh(Wire::V20));
    let silent = Frame {
        flags: 0,
        ..Frame::new(1, SIZE, 1).cut(3)
    };
    rig.image.frames[0] = Some(silent);
    rig.write_frame(0);
    let slot = rig.image.frame_slot(0);
    rig.post(Posted {
        queue: FRAMES,
        slot,
    });
    assert!(rig.expect_frame("a silent cut").is_truncated);
}

#[test]
fn a_screen_that_was_sent_smaller_is_told_apart_from_its_frame() {
    for wire in [Wire::V19, Wire::V20] {
        let mut rig = Rig::connected(fresh(wire));
        let frame = Frame {
            screen: (38, 14),
            ..Frame::new(1, SIZE, 5)
        };
        rig.show(0, frame, "downsampled");
    }
}

#[test]
fn the_flags_of_the_guest_are_handed_on() {
    for wire in Wire::ALL {
        for flags in 0..4 {
            let mut rig = Rig::connected(fresh(wire));
            let frame = Frame {
                flags,
                ..Frame::new(1, SIZE, 5)
            };
            rig.show(1, frame, &format!("{wire:?}, flags {flags}"));
        }
    }
}

#[test]
fn committed_images_are_read_as_described() {
    let scenes = catalogue();
    let files = committed().unwrap();
    assert_eq!(files.len(), scenes.len());
    for (name, sheet) in files {
        let scene = scenes.iter().find(|scene| scene.name == name).unwrap();
        let mut rig = Rig::on(scene.image.clone(), &sheet);
        let info = rig.connect();
        assert_eq!(info.session_id, scene.image.session_id, "{name}");
        assert_eq!(info.lgmp.number(), scene.image.wire.lgmp(), "{name}");
        assert_eq!(info.kvmfr.wire(), scene.image.wire.kvmfr(), "{name}");
        assert_eq!(info.host_version(), name);
        assert_eq!(info.features().bits(), 1, "{name}");
        assert_eq!(
            info.uuid().unwrap().to_vec(),
            (0x10..0x20).collect::<Vec<u8>>(),
            "{name}"
        );
        let vm = info.description.vm.as_ref().unwrap();
        assert_eq!(
            (&*vm.capture, &*vm.model),
            ("by hand", "Example CPU"),
            "{name}"
        );
        assert_eq!((vm.cpus, vm.cores, vm.sockets), (8, 4, 1), "{name}");
        let os = info.description.os.as_ref().unwrap();
        let known = (os.kind, &*os.name);
        assert_eq!(known, (kvmfr::OsKind::Windows, "Windows 10 Pro"), "{name}");
        for (number, posted) in scene.posts.iter().enumerate() {
            rig.post(*posted);
            rig.pass(10);
            expect_posted(
                &mut rig,
                &scene.image,
                *posted,
                &format!("{name}, {number}"),
            );
        }
    }
}

fn expect_posted(rig: &mut Rig, image: &Image, posted: Posted, name: &str) {
    let layout = image.layout();
    let is_at = |offset: u32| offset == posted.slot.offset;
    if posted.queue == FRAMES {
        let index = usize::from(!is_at(layout.frames[0].offset));
        let frame = image.frames[index].as_ref().unwrap();
        let seen = rig.expect_frame(name);
        assert_frame(&seen, frame, image.wire, name);
        let as_first = Frame::new(frame.kind, frame.size, 0);
        assert_damage(&seen, if index == 0 { &as_first } else { frame }, name);
        return;
    }
    let Seen::Pointer(state, shape) = rig.look() else {
        panic!("{name}: no pointer");
    };
    let is_visible = posted.slot.udata & VISIBLE != 0;
    if is_at(layout.shapes[0].offset) {
        let (_, pointer) = &image.shapes[0];
        assert_eq!(state, state_of(pointer, is_visible), "{name}");
        assert_shape(&shape.unwrap(), pointer, name);
    } else {
        let (_, pointer) = &image.cursors[0];
        assert_eq!(state, state_of(pointer, is_visible), "{name}");
        assert_eq!(shape, None, "{name}");
    }
}
