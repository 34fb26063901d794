use ivshmem::Rows;
use picture::{Rotation, Transfer};
use proptest::prelude::*;

use super::*;

const BGRA: PixelFormat = PixelFormat::Bgra8;

#[test]
fn every_format_of_every_version_arrives_whole() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let mut viewer = fixture.attach();
        for (i, format) in PixelFormat::ALL.into_iter().enumerate() {
            let mut layout = FrameLayout {
                pitch_bytes: format.row_bytes(141) as u32 + 3,
                ..layout(format, 141, 60)
            };
            let is_half = format == PixelFormat::Rgba16F;
            if is_half && version != Version::V20 {
                layout.transfer = Transfer::Linear;
            }
            let bytes = pattern(&layout, i as u32);
            let result = fixture.publish(layout, &bytes);
            if version != Version::V20 && format.bytes_per_pixel() == 3 {
                assert!(matches!(result, Err(PublishError::Unsupported { .. })));
                continue;
            }
            let published = result.expect("room");
            assert_eq!((published.serial, published.recipients), (i as u32, 1));
            let (header, pixels) = fixture.take(&mut viewer).expect("posted");
            assert_eq!(header.frame_type.wire(), i as u32 + 1);
            assert_eq!((header.frame.width, header.frame.height), (141, 60));
            assert_eq!((header.rows, header.fb_offset), (60, 4092));
            let flags = u32::from(is_half && version == Version::V20) * 0x08;
            assert!(header.damage.is_full() && header.flags.bits() == flags);
            assert!(
                pixels == rows_of(&layout, &bytes, 60),
                "{version} {format:?}"
            );
        }
    }
}

#[test]
fn padding_of_the_source_does_not_matter() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    for pitch_bytes in [400, 401, 404, 640] {
        let layout = FrameLayout {
            pitch_bytes,
            ..layout(BGRA, 100, 50)
        };
        let mut bytes = pattern(&layout, pitch_bytes);
        // The last row ends with its last pixel.
        bytes.truncate(49 * pitch_bytes as usize + 400);
        fixture.publish(layout, &bytes).expect("room");
        let (header, pixels) = fixture.take(&mut viewer).expect("posted");
        assert_eq!(
            header.pitch,
            if pitch_bytes == 401 { 400 } else { pitch_bytes }
        );
        assert!(pixels == rows_of(&layout, &bytes, 50), "{pitch_bytes}");
    }
}

#[test]
fn pixels_can_come_from_shared_memory() {
    let mut fixture = Fixture::new(Version::V19);
    let mut viewer = fixture.attach();
    let layout = layout(BGRA, 300, 200);
    let bytes = pattern(&layout, 1);
    let segment = SharedMemory::create("segment", bytes.len()).expect("memfd");
    segment.as_slice().copy_from(0, &bytes).expect("fits");
    let image = Image {
        layout,
        pixels: Pixels::Shared(segment.as_slice()),
        damage: &Damage::FULL,
        flags: FrameFlags::empty(),
    };
    fixture.publisher.publish(&image).expect("room");
    assert!(fixture.take(&mut viewer).expect("posted").1 == bytes);
}

#[test]
fn packed_24_bit_frames_have_the_texture_of_the_formula() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    // 67 is 3 modulo 4: packed = 204, 67 * 200 / 68 = 197 rows.
    let layout = layout(PixelFormat::Bgr24Packed, 67, 200);
    let bytes = pattern(&layout, 1);
    let published = fixture.publish(layout, &bytes).expect("room");
    assert_eq!(published.rows, 197);
    let (header, pixels) = fixture.take(&mut viewer).expect("posted");
    assert_eq!(
        (header.data_width, header.rows, header.pitch),
        (64, 197, 256)
    );
    assert!(!header.flags.contains(FrameFlags::TRUNCATED));
    assert!(pixels == rows_of(&layout, &bytes, 197));
}

#[test]
fn the_layout_is_told_with_screen_rotation_and_meaning() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let layout = FrameLayout {
        transfer: Transfer::Pq2020,
        screen: Size::new(200, 100),
        rotation: Rotation::Deg270,
        ..layout(PixelFormat::Rgba10, 100, 50)
    };
    fixture.publish(layout, &pattern(&layout, 1)).expect("room");
    let (header, _) = fixture.take(&mut viewer).expect("posted");
    assert_eq!(
        crate::translate::frame_layout(Version::V20, &header),
        layout
    );
    assert_eq!(header.flags.bits(), 0x18);
}

#[test]
fn a_version_without_the_words_refuses_hdr() {
    let mut fixture = Fixture::new(Version::V19);
    let layout = FrameLayout {
        transfer: Transfer::ScRgb,
        ..layout(PixelFormat::Rgba16F, 16, 16)
    };
    let result = fixture.publish(layout, &pattern(&layout, 1));
    assert!(matches!(result, Err(PublishError::Unsupported { .. })));
}

#[test]
fn impossible_images_are_refused_and_post_nothing() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let good = layout(BGRA, 100, 50);
    let bytes = pattern(&good, 1);
    let short = &bytes[..bytes.len() - 1];
    let error = PublishError::ShortImage {
        needed: 20_000,
        available: 19_999,
    };
    assert_eq!(fixture.publish(good, short), Err(error));
    let bad = [
        FrameLayout {
            frame: Size::new(0, 50),
            ..good
        },
        FrameLayout {
            frame: Size::new(100, 32769),
            ..good
        },
        FrameLayout {
            screen: Size::new(100, 0),
            ..good
        },
        FrameLayout {
            pitch_bytes: 399,
            ..good
        },
        FrameLayout {
            pitch_bytes: (1 << 20) + 4,
            ..good
        },
        FrameLayout { rows: 0, ..good },
    ];
    for layout in bad {
        let result = fixture.publish(layout, &bytes);
        assert!(matches!(result, Err(PublishError::Layout(_))), "{layout:?}");
    }
    assert!(fixture.take(&mut viewer).is_none());
}

#[test]
fn a_picture_too_large_is_truncated_and_says_so() {
    for version in Version::ALL {
        let mut fixture = Fixture::with_memory(version, 16 * MIB);
        let mut viewer = fixture.attach();
        let layout = layout(BGRA, 1920, 1080);
        // kvmfr.md 6: 6 807 552 bytes of pixels fit in a block of 16 MiB; the alignment page counts.
        let rows = 6_807_552 / 7680;
        for seed in 0..2 {
            let bytes = pattern(&layout, seed);
            let published = fixture.publish(layout, &bytes).expect("room");
            assert_eq!(published.rows, rows);
            let (header, pixels) = fixture.take(&mut viewer).expect("posted");
            assert_eq!((header.rows, header.frame.height), (rows, 1080));
            assert_eq!(header.flags, FrameFlags::TRUNCATED);
            assert!(pixels == rows_of(&layout, &bytes, rows as usize));
        }
    }
}

#[test]
fn a_truncated_frame_stays_inside_its_block() {
    let mut fixture = Fixture::with_memory(Version::V20, 16 * MIB);
    let layout = layout(BGRA, 1920, 1080);
    let [first, second] = fixture.publisher.shared.blocks.frames;
    let end = (first.offset + first.size) as usize;
    assert_eq!(end, second.offset as usize);
    let canary = [0x5a; 8192];
    let memory = Arc::clone(&fixture.memory);
    memory.as_slice().copy_from(end, &canary).expect("inside");
    fixture.publish(layout, &pattern(&layout, 1)).expect("room");
    let mut after = [0; 8192];
    memory.as_slice().copy_to(end, &mut after).expect("inside");
    assert_eq!(after, canary);
}

#[test]
fn a_memory_without_room_for_one_row_is_named_with_a_better_size() {
    let mut fixture = Fixture::with_memory(Version::V20, 4 * MIB);
    let layout = layout(PixelFormat::Rgba16F, 32768, 100);
    let bytes = vec![0; layout.data_bytes() as usize];
    let published = fixture.publish(layout, &bytes).expect("two rows fit");
    assert!(published.rows >= 1 && published.rows < 4);
    let mut fixture = Fixture::with_memory(Version::V20, 3 * MIB + 100 * 4096);
    let needed_mib = 64;
    let result = fixture.publish(layout, &bytes);
    assert_eq!(result, Err(PublishError::TooSmall { needed_mib }));
    let tiny = SharedMemory::create("tiny", 3 * MIB).expect("memfd");
    let options = PublisherOptions {
        version: Version::V20,
        description: SessionDescription::default(),
    };
    let error = Publisher::new(Arc::new(tiny), options).expect_err("no room");
    assert!(matches!(
        error,
        PublishError::Init(_) | PublishError::NoFrameRoom(_)
    ));
}

#[test]
fn damage_is_relative_to_the_serial_before() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let layout = layout(BGRA, 100, 50);
    let bytes = pattern(&layout, 1);
    let steps = [
        changed(1, 2, 3, 4),
        changed(10, 10, 5, 5),
        changed(90, 40, 99, 99),
    ];
    let mut told = Vec::new();
    for damage in &steps {
        fixture
            .publish_changed(layout, &bytes, damage)
            .expect("room");
        told.push(fixture.take(&mut viewer).expect("posted").0.damage);
    }
    assert!(told[0].is_full(), "the first frame is new altogether");
    assert_eq!(told[1].rects(), [kvmfr::Rect::new(10, 10, 5, 5)]);
    assert_eq!(told[2].rects(), [kvmfr::Rect::new(90, 40, 10, 10)]);
}

#[test]
fn an_unchanged_picture_copies_nothing_once_both_blocks_have_it() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let layout = layout(BGRA, 100, 50);
    let bytes = pattern(&layout, 1);
    let mut copied = Vec::new();
    for _ in 0..4 {
        let published = fixture.publish_changed(layout, &bytes, &Damage::NONE);
        copied.push(published.expect("room").bytes);
        assert!(fixture.take(&mut viewer).expect("posted").1 == bytes);
    }
    assert_eq!(copied, [20_000, 20_000, 0, 0]);
}

#[test]
fn a_change_of_layout_counts_the_format_up_and_refills_both_blocks() {
    let mut fixture = Fixture::new(Version::V16);
    let mut viewer = fixture.attach();
    let layouts = [
        layout(BGRA, 100, 50),
        layout(BGRA, 50, 100),
        layout(PixelFormat::Rgba8, 50, 100),
    ];
    for (i, layout) in layouts.into_iter().enumerate() {
        let bytes = pattern(&layout, i as u32);
        for again in 0..3 {
            let damage = changed(0, 0, 1, 1);
            fixture
                .publish_changed(layout, &bytes, &damage)
                .expect("room");
            let (header, pixels) = fixture.take(&mut viewer).expect("posted");
            assert_eq!(header.format_version, i as u32);
            assert_eq!(header.damage.is_full(), again == 0);
            assert!(pixels == bytes);
        }
    }
}

#[test]
fn a_full_queue_refuses_the_frame_and_owes_its_damage() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let layout = layout(BGRA, 100, 50);
    let mut bytes = pattern(&layout, 1);
    for _ in 0..2 {
        assert!(fixture.publisher.has_room());
        fixture
            .publish_changed(layout, &bytes, &Damage::NONE)
            .expect("room");
    }
    assert!(!fixture.publisher.has_room());
    bytes = pattern(&layout, 2);
    let busy = fixture.publish_changed(layout, &bytes, &changed(0, 0, 100, 25));
    assert_eq!(busy, Err(PublishError::Busy));
    assert!(fixture.take(&mut viewer).is_some() && fixture.take(&mut viewer).is_some());
    let last = fixture.publish_changed(layout, &bytes, &changed(0, 25, 50, 25));
    assert_eq!(last.expect("room").serial, 2);
    let (header, _) = fixture.take(&mut viewer).expect("posted");
    let owed = [
        kvmfr::Rect::new(0, 0, 100, 25),
        kvmfr::Rect::new(0, 25, 50, 25),
    ];
    assert_eq!(header.damage.rects(), owed);
}

#[test]
fn a_stuck_lock_drops_the_frame_and_the_next_one_is_fully_damaged() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let mut viewer = fixture.attach();
        let layout = layout(BGRA, 100, 50);
        fixture.publish(layout, &pattern(&layout, 1)).expect("room");
        fixture.take(&mut viewer).expect("posted");
        let bytes = pattern(&layout, 2);
        fixture.set_lock(0, true);
        let result = fixture.publish_changed(layout, &bytes, &changed(0, 0, 1, 1));
        assert_eq!(result, Err(PublishError::LockTimeout));
        fixture.set_lock(0, false);
        let result = fixture.publish_changed(layout, &bytes, &Damage::NONE);
        assert_eq!(result.expect("free").serial, 1);
        let (header, pixels) = fixture.take(&mut viewer).expect("posted");
        assert!(header.damage.is_full());
        assert!(pixels == bytes);
    }
}

#[test]
fn a_frame_that_nobody_saw_waits_for_the_first_subscriber() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let layout = layout(BGRA, 100, 50);
        assert!(fixture.publisher.needs_frame());
        let bytes = pattern(&layout, 1);
        assert_eq!(fixture.publish(layout, &bytes).expect("room").recipients, 0);
        assert!(!fixture.publisher.has_subscribers() && !fixture.publisher.needs_frame());
        assert!(!fixture.publisher.serve_new_subscribers());
        let mut viewer = fixture.attach();
        assert!(fixture.publisher.has_subscribers());
        assert!(fixture.publisher.serve_new_subscribers());
        assert!(!fixture.publisher.serve_new_subscribers(), "only once");
        let (header, pixels) = fixture.take(&mut viewer).expect("sent again");
        assert_eq!(header.serial, 0);
        assert!(pixels == bytes);
    }
}

#[test]
fn a_late_subscriber_gets_the_latest_frame_with_its_serial_and_damage() {
    let mut fixture = Fixture::new(Version::V19);
    let mut first = fixture.attach();
    let layout = layout(BGRA, 100, 50);
    let bytes = pattern(&layout, 1);
    for _ in 0..3 {
        fixture
            .publish_changed(layout, &bytes, &changed(1, 1, 2, 2))
            .expect("room");
        fixture.take(&mut first).expect("posted");
    }
    let mut second = fixture.attach();
    assert!(fixture.publisher.serve_new_subscribers());
    for viewer in [&mut first, &mut second] {
        let (header, pixels) = fixture.take(viewer).expect("sent again");
        assert_eq!((header.serial, header.damage.rects().len()), (2, 1));
        assert!(pixels == bytes);
    }
    // A frame serves new subscribers too.
    let mut third = fixture.attach();
    fixture.publish(layout, &bytes).expect("room");
    assert!(!fixture.publisher.serve_new_subscribers());
    assert_eq!(fixture.take(&mut third).expect("posted").0.serial, 3);
}

#[test]
fn a_new_subscriber_waits_while_the_queue_is_full() {
    let mut fixture = Fixture::new(Version::V20);
    let mut slow = fixture.attach();
    let layout = layout(BGRA, 100, 50);
    let bytes = pattern(&layout, 1);
    fixture.publish(layout, &bytes).expect("room");
    fixture.publish(layout, &bytes).expect("room");
    let mut late = fixture.attach();
    assert!(!fixture.publisher.serve_new_subscribers());
    fixture.take(&mut slow).expect("posted");
    assert!(fixture.publisher.serve_new_subscribers());
    assert_eq!(fixture.take(&mut late).expect("sent again").0.serial, 1);
}

#[test]
fn the_block_of_an_unreleased_frame_is_never_written() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let layout = layout(BGRA, 100, 50);
    for serial in 0..20 {
        let held = viewer.frames.peek(fixture.now_ms()).expect("subscribed");
        let before = held.map(|message| fixture.read(message));
        fixture
            .publish(layout, &pattern(&layout, serial))
            .expect("room");
        if serial % 3 == 0 {
            fixture.publisher.serve_new_subscribers();
        }
        assert_eq!(held.map(|message| fixture.read(message)), before);
        if held.is_some() {
            viewer.frames.release(fixture.now_ms()).expect("subscribed");
        }
    }
}

#[test]
fn a_stalled_subscriber_is_evicted_and_the_healthy_one_goes_on() {
    for version in Version::ALL {
        let mut fixture = Fixture::new(version);
        let stalled = fixture.attach();
        let mut healthy = fixture.attach();
        let layout = layout(BGRA, 100, 50);
        let bytes = pattern(&layout, 1);
        for _ in 0..2 {
            fixture.publish(layout, &bytes).expect("room");
            fixture.take(&mut healthy).expect("posted");
        }
        assert_eq!(fixture.publish(layout, &bytes), Err(PublishError::Busy));
        for _ in 0..11 {
            fixture.ticks(10);
            // A client that looks only once a second would have to take itself for frozen.
            assert_eq!(healthy.frames.peek(fixture.now_ms()), Ok(None));
        }
        assert!(!stalled.frames.is_still_mine());
        let published = fixture.publish(layout, &bytes).expect("room again");
        assert_eq!(published.recipients, 1);
        assert!(
            fixture
                .take(&mut healthy)
                .expect("posted")
                .0
                .damage
                .is_full()
        );
    }
}

#[test]
fn a_killed_subscriber_does_not_keep_the_publisher_awake() {
    let mut fixture = Fixture::new(Version::V20);
    let killed = fixture.attach();
    let layout = layout(BGRA, 100, 50);
    let bytes = pattern(&layout, 1);
    assert!(fixture.publisher.has_subscribers());
    fixture.publish(layout, &bytes).expect("room");
    let update = PointerUpdate {
        state: picture::PointerState::default(),
        shape: None,
    };
    fixture.publisher.publish_pointer(&update).expect("room");
    fixture.ticks(110);
    assert!(!fixture.publisher.has_subscribers());
    drop(killed);
}

#[test]
fn activation_is_asked_for_once() {
    for version in [Version::V19, Version::V20] {
        let mut fixture = Fixture::new(version);
        let mut viewer = fixture.attach();
        let layout = layout(BGRA, 100, 50);
        let bytes = pattern(&layout, 1);
        fixture.publish(layout, &bytes).expect("room");
        fixture.publish(layout, &bytes).expect("room");
        let asking = Image {
            layout,
            pixels: Pixels::Private(&bytes),
            damage: &Damage::NONE,
            flags: FrameFlags::REQUEST_ACTIVATION | FrameFlags::BLOCK_SCREENSAVER,
        };
        // A refused frame passes its wish on.
        assert_eq!(fixture.publisher.publish(&asking), Err(PublishError::Busy));
        fixture.take(&mut viewer).expect("posted");
        fixture.take(&mut viewer).expect("posted");
        fixture.publish(layout, &bytes).expect("room");
        let (header, _) = fixture.take(&mut viewer).expect("posted");
        assert_eq!(header.flags, FrameFlags::REQUEST_ACTIVATION);
        fixture.publisher.publish(&asking).expect("room");
        let (header, _) = fixture.take(&mut viewer).expect("posted");
        assert_eq!(header.flags, asking.flags);
        // Whoever comes later is not asked again.
        let mut late = fixture.attach();
        assert!(fixture.publisher.serve_new_subscribers());
        let (header, _) = fixture.take(&mut late).expect("sent again");
        assert_eq!(header.flags, FrameFlags::BLOCK_SCREENSAVER);
    }
}

#[test]
fn a_forgotten_frame_is_not_sent_again() {
    let mut fixture = Fixture::new(Version::V20);
    let layout = layout(BGRA, 100, 50);
    let bytes = pattern(&layout, 1);
    fixture.publish(layout, &bytes).expect("room");
    fixture.publisher.forget_frame();
    assert!(fixture.publisher.needs_frame());
    let mut viewer = fixture.attach();
    assert!(!fixture.publisher.serve_new_subscribers());
    fixture
        .publish_changed(layout, &bytes, &Damage::NONE)
        .expect("room");
    let (header, _) = fixture.take(&mut viewer).expect("posted");
    assert!(header.damage.is_full());
    assert_eq!(header.serial, 1);
}

#[test]
fn bytes_below_the_write_pointer_are_final() {
    let mut fixture = Fixture::new(Version::V20);
    let mut viewer = fixture.attach();
    let layout = layout(BGRA, 1280, 720);
    let frames = [
        pattern(&layout, 1),
        pattern(&layout, 2),
        pattern(&layout, 3),
    ];
    for (serial, bytes) in frames.iter().enumerate() {
        let memory = Arc::clone(&fixture.memory);
        let now_ms = fixture.now_ms();
        let frames = &mut viewer.frames;
        std::thread::scope(|scope| {
            let follower = scope.spawn(move || follow(&memory, frames, now_ms, bytes));
            fixture.publish(layout, bytes).expect("room");
            let header = follower.join().expect("every byte was final");
            assert_eq!(header.serial, serial as u32);
        });
        viewer.frames.release(now_ms).expect("subscribed");
    }
}

/// Reads a frame behind its writer and compares every byte as soon as it is announced.
fn follow(
    memory: &SharedMemory,
    frames: &mut Subscription,
    now_ms: u64,
    expected: &[u8],
) -> FrameHeader {
    let message = loop {
        if let Some(message) = frames.peek(now_ms).expect("subscribed") {
            break message;
        }
        std::hint::spin_loop();
    };
    let memory = memory.as_slice();
    let header = FrameHeader::read(Version::V20, memory, message.offset, message.size);
    let header = header.expect("sane");
    let at = (message.offset + header.fb_offset) as usize;
    let pointer = memory.atomic_u32(at).expect("aligned");
    let mut seen = 0;
    let mut copy = vec![0; expected.len()];
    while seen < expected.len() {
        let available = pointer.load(std::sync::atomic::Ordering::Acquire) as usize;
        assert!(available >= seen, "the write pointer went back");
        let new = &mut copy[seen..available];
        memory.copy_to(at + 4 + seen, new).expect("inside");
        assert!(*new == expected[seen..available], "not final at {seen}");
        seen = available;
    }
    header
}

/// A change of a picture: rectangles, and whether the viewer looks at the frame.
#[derive(Clone, Debug)]
struct Step {
    rects: Vec<(u32, u32, u32, u32)>,
    releases: u32,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rect = (0_u32..200, 0_u32..120, 1_u32..80, 1_u32..40);
    let rects = prop_oneof![
        9 => proptest::collection::vec(rect.clone(), 0..6),
        1 => proptest::collection::vec(rect, 60..90),
    ];
    let step = (rects, 0_u32..3).prop_map(|(rects, releases)| Step { rects, releases });
    proptest::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever changes, is refused or is skipped: the block that is posted is the whole picture, and adding up the
    /// damage of all serials gives it too.
    #[test]
    fn every_posted_block_is_the_whole_picture(steps in steps(), packed: bool) {
        let mut fixture = Fixture::with_memory(Version::V20, 8 * MIB);
        let mut viewer = fixture.attach();
        let format = if packed { PixelFormat::Bgr24Packed } else { BGRA };
        let layout = layout(format, 160, 100);
        let mut picture = pattern(&layout, 0);
        let mut added_up = vec![0; picture.len()];
        for (seed, step) in steps.into_iter().enumerate() {
            let fresh = pattern(&layout, seed as u32 + 1);
            let mut damage = Damage::NONE;
            for (x, y, width, height) in step.rects {
                let rect = FrameRect::new(x, y, width, height).clamped(layout.frame);
                paint(&layout, &fresh, &mut picture, rect);
                damage.add(rect);
            }
            let result = fixture.publish_changed(layout, &picture, &damage);
            if result.is_err() {
                prop_assert_eq!(result, Err(PublishError::Busy));
            } else {
                let message = newest(&fixture, &mut viewer);
                let (header, pixels) = fixture.read(message);
                prop_assert!(pixels == picture);
                for rect in crate::translate::damage(&header.damage).rects_in(layout.frame) {
                    paint(&layout, &pixels, &mut added_up, rect);
                }
                prop_assert!(added_up == picture);
            }
            for _ in 0..step.releases {
                viewer.frames.release(fixture.now_ms()).expect("subscribed");
            }
        }
    }
}

/// The message that was posted last, whatever is queued before it.
fn newest(fixture: &Fixture, viewer: &mut Viewer) -> Message {
    let pending = fixture.publisher.shared.session().frames.pending();
    if pending == 2 {
        viewer.frames.release(fixture.now_ms()).expect("subscribed");
    }
    let message = viewer.frames.peek(fixture.now_ms()).expect("subscribed");
    message.expect("posted")
}

/// Copies a rectangle from one picture to another of the same layout.
fn paint(layout: &FrameLayout, from: &[u8], into: &mut [u8], rect: FrameRect) {
    let pixel = layout.format.bytes_per_pixel() as usize;
    let rows = Rows {
        rows: rect.height as usize,
        row_bytes: rect.width as usize * pixel,
        src_pitch: layout.pitch_bytes as usize,
        dst_pitch: layout.pitch_bytes as usize,
    };
    let start = rect.y as usize * rows.src_pitch + rect.x as usize * pixel;
    for y in 0..rows.rows {
        let at = start + y * rows.src_pitch;
        into[at..at + rows.row_bytes].copy_from_slice(&from[at..at + rows.row_bytes]);
    }
}
