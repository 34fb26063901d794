use proptest::prelude::*;

use super::*;
use crate::damage::{MAX_DAMAGE_RECTS, Rect};

const SLOT: u32 = 15_200_256;
const ROOM: u64 = SLOT as u64;

/// Offsets of the fields that every version has, and of the rest where it exists (kvmfr.md 4.1).
struct At {
    screen: usize,
    data: usize,
    frame: usize,
    rotation: usize,
    pitch: usize,
    offset: usize,
    count: usize,
    rects: usize,
}

const fn at(version: Version) -> At {
    let [screen, data, frame, rotation, pitch, offset, count, rects] = match version {
        // The screen of 16 is width × real height; only its height has a word of its own.
        Version::V16 => [12, 12, 12, 24, 32, 36, 40, 44],
        Version::V19 => [12, 20, 20, 28, 36, 40, 44, 48],
        Version::V20 => [12, 20, 28, 36, 44, 48, 52, 56],
    };
    At {
        screen,
        data,
        frame,
        rotation,
        pitch,
        offset,
        count,
        rects,
    }
}

fn whole() -> FrameHeader {
    FrameHeader::whole(FrameType::Bgra, Size::new(1920, 1080), 7680, 4092)
}

fn encoded(version: Version, header: &FrameHeader) -> Vec<u8> {
    let mut buffer = [0xaa; MAX_FRAME_HEADER_BYTES];
    header.encode(version, &mut buffer).to_vec()
}

fn with_word(version: Version, offset: usize, value: u32) -> Result<FrameHeader, HeaderError> {
    let mut bytes = encoded(version, &whole());
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    FrameHeader::parse(version, &bytes, SLOT, ROOM)
}

#[test]
fn the_words_lie_where_the_specification_says() {
    let header = FrameHeader {
        format_version: 3,
        serial: 77,
        screen: Size::new(2560, 1440),
        rotation: 3,
        flags: FrameFlags::BLOCK_SCREENSAVER,
        damage: DamageList::from_rects([Rect::new(1, 2, 3, 4)]),
        ..whole()
    };
    let words = |bytes: &[u8]| -> Vec<u32> {
        let words = bytes.chunks(4);
        words
            .map(|w| u32::from_le_bytes(w.try_into().expect("4")))
            .collect()
    };
    let of_16 = words(&encoded(Version::V16, &header));
    let expected = [
        3, 77, 1, 1920, 1080, 1080, 3, 1920, 7680, 4092, 1, 1, 2, 3, 4,
    ];
    assert_eq!(of_16[..15], expected);
    assert_eq!((of_16.len(), of_16[267]), (268, 1));
    let of_19 = words(&encoded(Version::V19, &header));
    let expected = [
        3, 77, 1, 2560, 1440, 1920, 1080, 3, 1920, 7680, 4092, 1, 1, 2, 3, 4,
    ];
    assert_eq!(of_19[..16], expected);
    assert_eq!((of_19.len(), of_19[268]), (269, 1));
    let of_20 = words(&encoded(Version::V20, &header));
    let expected = [
        3, 77, 1, 2560, 1440, 1920, 1080, 1920, 1080, 3, 1920, 7680, 4092, 1, 1, 2, 3, 4,
    ];
    assert_eq!(of_20[..18], expected);
    assert_eq!((of_20.len(), of_20[270]), (271, 1));
}

#[test]
fn a_short_copy_is_refused() {
    for version in Version::ALL {
        let bytes = encoded(version, &whole());
        let short = &bytes[..bytes.len() - 1];
        let error = FrameHeader::parse(version, short, SLOT, ROOM);
        assert_eq!(error, Err(HeaderError::TooShort(short.len())));
        assert!(FrameHeader::parse(version, &[], SLOT, ROOM).is_err());
    }
}

#[test]
fn a_block_is_read_only_inside_the_memory() {
    let memory = ivshmem::SharedMemory::create("kvmfr-frame", 16 << 10).expect("memfd");
    let small = FrameHeader::whole(FrameType::Bgra, Size::new(16, 64), 64, 4092);
    for version in Version::ALL {
        let bytes = encoded(version, &small);
        memory.as_slice().copy_from(4096, &bytes).expect("fits");
        let read = |offset| FrameHeader::read(version, memory.as_slice(), offset, 8192);
        assert_eq!(read(4096), Ok(small.clone()));
        for offset in [4097, 4098, (16 << 10) - 1000, 16 << 10, u32::MAX - 3] {
            let error = HeaderError::Block {
                offset,
                memory: 16 << 10,
            };
            assert_eq!(read(offset), Err(error));
        }
        // The block would end behind the memory: its rows are cut there.
        let start = (16 << 10) - 4096 - 10 * 64;
        memory.as_slice().copy_from(start, &bytes).expect("fits");
        assert_eq!(read(start as u32).map(|h| h.rows), Ok(10));
    }
}

#[test]
fn types_are_those_of_the_version() {
    for version in Version::ALL {
        let last = if version == Version::V20 { 6 } else { 4 };
        for value in [0, last + 1, 7, u32::MAX] {
            assert_eq!(with_word(version, 8, value), Err(HeaderError::Type(value)));
        }
        for value in 1..=3 {
            let header = with_word(version, 8, value).expect("same size of pixels");
            assert_eq!(header.frame_type.wire(), value);
        }
    }
    // Twice the bytes per pixel do not fit the pitch, half of them do.
    let error = with_word(Version::V19, 8, 4);
    assert!(matches!(error, Err(HeaderError::Pitch { .. })));
    assert!(with_word(Version::V20, 8, 6).is_ok());
}

#[test]
fn rotation_ends_at_3() {
    for version in Version::ALL {
        let offset = at(version).rotation;
        for value in 0..=3 {
            let header = with_word(version, offset, value).expect("in range");
            assert_eq!(u32::from(header.rotation), value);
        }
        for value in [4, 256, 257, u32::MAX] {
            let error = with_word(version, offset, value);
            assert_eq!(error, Err(HeaderError::Rotation(value)));
        }
    }
}

#[test]
fn every_side_is_between_1_and_32768() {
    for version in Version::ALL {
        let at = at(version);
        let mut offsets = vec![
            at.screen,
            at.data,
            at.data + 4,
            at.frame,
            at.frame + 4,
            at.screen + 4,
        ];
        if version == Version::V16 {
            offsets.push(20);
        }
        for offset in offsets {
            for value in [0, MAX_SIDE + 1, u32::MAX] {
                let error = with_word(version, offset, value);
                assert!(
                    matches!(error, Err(HeaderError::Size { .. })),
                    "{version} {offset} {value}: {error:?}"
                );
            }
            assert!(with_word(version, offset, 1).is_ok(), "{version} {offset}");
        }
        let tallest = if version == Version::V16 {
            20
        } else {
            at.screen + 4
        };
        assert!(with_word(version, tallest, MAX_SIDE).is_ok());
    }
}

#[test]
fn a_frame_has_no_more_pixels_than_two_8k_screens() {
    let parsed = |version, width, height| {
        let header = FrameHeader {
            rows: 1,
            flags: FrameFlags::TRUNCATED,
            ..FrameHeader::whole(FrameType::Bgra, Size::new(width, height), 4 * width, 4092)
        };
        FrameHeader::parse(version, &encoded(version, &header), SLOT, ROOM)
    };
    for version in Version::ALL {
        for (width, height) in [(15_360, 4_320), (8192, 8192), (MAX_SIDE, 2048)] {
            assert!(parsed(version, width, height).is_ok(), "{version} {width}");
            let error = parsed(version, width, height * 2);
            assert!(
                matches!(error, Err(HeaderError::Size { .. })),
                "{version} {width}: {error:?}"
            );
        }
    }
}

#[test]
fn a_pitch_holds_a_row_of_whole_pixels_and_is_capped() {
    for version in Version::ALL {
        let offset = at(version).pitch;
        for good in [7680, 7684, 8192] {
            assert_eq!(with_word(version, offset, good).expect("sane").pitch, good);
        }
        for bad in [0, 1, 7676, 7679, 7681, MAX_PITCH_BYTES + 4, u32::MAX - 3] {
            let error = with_word(version, offset, bad);
            assert!(matches!(error, Err(HeaderError::Pitch { .. })), "{bad}");
        }
    }
}

#[test]
fn the_stride_is_not_believed() {
    let stride = 40;
    assert!(with_word(Version::V20, stride, 0).is_ok());
    assert_eq!(with_word(Version::V20, stride, u32::MAX), Ok(whole()));
}

#[test]
fn the_write_pointer_lies_behind_the_header_and_inside_the_block() {
    for version in Version::ALL {
        let offset = at(version).offset;
        let least = version.frame_header_bytes() as u32;
        for good in [least, 4092, 65532] {
            assert!(with_word(version, offset, good).is_ok(), "{good}");
        }
        for bad in [
            0,
            least - 4,
            4093,
            4094,
            SLOT,
            SLOT - 3,
            u32::MAX - 3,
            u32::MAX,
        ] {
            let error = with_word(version, offset, bad);
            assert!(matches!(error, Err(HeaderError::Offset { .. })), "{bad}");
        }
        // The pointer itself fits, but no row does.
        let error = with_word(version, offset, SLOT - 4);
        assert!(matches!(error, Err(HeaderError::NoRows { .. })));
    }
}

#[test]
fn rows_are_cut_to_the_block_and_to_the_mapping() {
    let bytes = encoded(Version::V20, &whole());
    let rows = |slot: u32, room: u64| {
        FrameHeader::parse(Version::V20, &bytes, slot, room).map(|h| (h.rows, h.frame.height))
    };
    let whole = 4096 + 1080 * 7680;
    assert_eq!(rows(whole, u64::MAX), Ok((1080, 1080)));
    assert_eq!(rows(whole - 1, u64::MAX), Ok((1079, 1080)));
    assert_eq!(rows(u32::MAX, u64::from(whole) - 1), Ok((1079, 1080)));
    assert_eq!(rows(4096 + 7680, u64::MAX), Ok((1, 1080)));
    assert!(matches!(
        rows(4096 + 7679, u64::MAX),
        Err(HeaderError::NoRows { .. })
    ));
    assert!(matches!(rows(4095, 0), Err(HeaderError::Offset { .. })));
}

#[test]
fn more_data_than_the_picture_has_is_not_looked_at() {
    let header = with_word(Version::V20, at(Version::V20).data + 4, 1081).expect("sane");
    assert_eq!(header.rows, 1080);
    let header = with_word(Version::V16, 16, 1081).expect("sane");
    assert_eq!((header.rows, header.frame.height), (1080, 1080));
}

#[test]
fn a_damage_count_beyond_64_is_everything() {
    for version in Version::ALL {
        for count in [0, 65, u32::MAX] {
            let header = with_word(version, at(version).count, count).expect("sane");
            assert!(header.damage.is_full());
        }
    }
}

#[test]
fn damage_is_clamped_and_empty_rectangles_are_dropped() {
    for version in Version::ALL {
        let at = at(version);
        let mut bytes = encoded(version, &whole());
        let rects = [
            [0, 0, 0, 5],
            [1919, 1079, u32::MAX, u32::MAX],
            [1920, 0, 1, 1],
            [u32::MAX, u32::MAX, u32::MAX, u32::MAX],
            [10, 20, 30, 40],
        ];
        bytes[at.count] = rects.len() as u8;
        for (i, word) in rects.iter().flatten().enumerate() {
            let start = at.rects + 4 * i;
            bytes[start..start + 4].copy_from_slice(&word.to_le_bytes());
        }
        let header = FrameHeader::parse(version, &bytes, SLOT, ROOM).expect("sane");
        let kept = [Rect::new(1919, 1079, 1, 1), Rect::new(10, 20, 30, 40)];
        assert_eq!(header.damage.rects(), kept);
        assert!(!header.damage.is_full());
    }
}

#[test]
fn all_64_rectangles_are_carried_and_65_are_everything() {
    let rects = |n: u32| (0..n).map(|i| Rect::new(i, i, 1, 1));
    for version in Version::ALL {
        let header = FrameHeader {
            damage: DamageList::from_rects(rects(64)),
            ..whole()
        };
        let parsed = FrameHeader::parse(version, &encoded(version, &header), SLOT, ROOM);
        assert_eq!(parsed.expect("sane").damage.rects().len(), MAX_DAMAGE_RECTS);
    }
    assert!(DamageList::from_rects(rects(65)).is_full());
}

#[test]
fn nothing_changed_travels_as_one_pixel() {
    let header = FrameHeader {
        damage: DamageList::from_rects([]),
        ..whole()
    };
    let parsed = FrameHeader::parse(Version::V20, &encoded(Version::V20, &header), SLOT, ROOM);
    assert_eq!(
        parsed.expect("sane").damage.rects(),
        [Rect::new(0, 0, 1, 1)]
    );
}

#[test]
fn truncation_is_told_by_height_in_16_and_by_flag_in_19() {
    let header = FrameHeader {
        rows: 1000,
        flags: FrameFlags::TRUNCATED,
        ..whole()
    };
    for version in Version::ALL {
        let parsed = FrameHeader::parse(version, &encoded(version, &header), SLOT, ROOM);
        assert_eq!(parsed, Ok(header.clone()), "{version}");
    }
    // Scaled to half by the host: 1000 of 1080 rows for a screen of 2160.
    let header = FrameHeader {
        screen: Size::new(3840, 2160),
        ..header
    };
    let parsed = FrameHeader::parse(Version::V19, &encoded(Version::V19, &header), SLOT, ROOM);
    assert_eq!(parsed, Ok(header));
}

#[test]
fn hdr_bits_mean_nothing_before_20_and_unknown_bits_are_kept() {
    let flags = FrameFlags::from_bits_retain(0x8000_001b);
    let header = FrameHeader { flags, ..whole() };
    let parsed = |version| {
        let bytes = encoded(version, &header);
        FrameHeader::parse(version, &bytes, SLOT, ROOM)
            .expect("sane")
            .flags
    };
    assert_eq!(parsed(Version::V20).bits(), 0x8000_001b);
    assert_eq!(parsed(Version::V19).bits(), 0x8000_0003);
    assert_eq!(parsed(Version::V16).bits(), 0x0000_0001);
}

#[test]
fn packed_frames_carry_the_texture_of_the_formula() {
    let frame = Size::new(1367, 768);
    let header = FrameHeader::whole(FrameType::Bgr32, frame, 4352, 4092);
    assert_eq!((header.data_width, header.rows), (1088, 767));
    let bytes = encoded(Version::V20, &header);
    // The stride of packed frames counts texels.
    assert_eq!(bytes[40..44], 1088_u32.to_le_bytes());
    let parsed = FrameHeader::parse(Version::V20, &bytes, SLOT, ROOM);
    assert_eq!(parsed, Ok(header.clone()));
    for pitch in [4351, 4348, 4354] {
        let bytes = encoded(
            Version::V20,
            &FrameHeader {
                pitch,
                ..header.clone()
            },
        );
        let error = FrameHeader::parse(Version::V20, &bytes, SLOT, ROOM);
        assert!(matches!(error, Err(HeaderError::Pitch { .. })), "{pitch}");
    }
}

fn headers(version: Version) -> impl Strategy<Value = FrameHeader> {
    let types: usize = if version == Version::V20 { 6 } else { 4 };
    let size = (1_u32..=2000, 1_u32..=1000);
    let rects = proptest::collection::vec((0_u32..2000, 0_u32..1000, 1_u32..99, 1_u32..99), 0..=64);
    let rest = (any::<u32>(), any::<u32>(), 0_u8..4, 0_u32..32, any::<u32>());
    (0..types, size, rects, 1_u32..=1000, rest).prop_map(
        move |(frame_type, (width, height), rects, rows, rest)| {
            let (format_version, serial, rotation, extra, flags) = rest;
            let frame_type = FrameType::ALL[frame_type];
            let frame = Size::new(width, height);
            let whole = FrameHeader::whole(frame_type, frame, 0, 4092);
            let pitch = match frame_type {
                FrameType::Bgr32 => whole.data_width * 4 + 4 * extra,
                _ => (width + extra) * frame_type.bytes_per_pixel(),
            };
            let rects = rects
                .iter()
                .filter_map(|&(x, y, w, h)| Rect::new(x, y, w, h).clamped(frame));
            let rects: Vec<_> = rects.collect();
            let damage = match rects.len() {
                0 => DamageList::FULL,
                _ => DamageList::from_rects(rects),
            };
            let rows = rows.min(whole.rows);
            let mut flags = FrameFlags::from_bits_retain(flags);
            flags.set(FrameFlags::TRUNCATED, rows < height);
            match version {
                Version::V16 => {
                    flags &= FrameFlags::BLOCK_SCREENSAVER | FrameFlags::TRUNCATED;
                }
                Version::V19 => flags.remove(FrameFlags::HDR | FrameFlags::HDR_PQ),
                Version::V20 => {}
            }
            FrameHeader {
                format_version,
                serial,
                rows,
                rotation,
                pitch,
                damage,
                flags,
                ..whole
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        (version, header) in (0_usize..3).prop_flat_map(|i| {
            let version = Version::ALL[i];
            (Just(version), headers(version))
        }),
    ) {
        let parsed = FrameHeader::parse(version, &encoded(version, &header), u32::MAX, u64::MAX);
        prop_assert_eq!(parsed, Ok(header));
    }

    #[test]
    fn whatever_is_accepted_lies_in_block_and_mapping(
        version in 0_usize..3,
        changes in proptest::collection::vec((0_usize..268, any::<u32>()), 0..8),
        small in proptest::collection::vec((0_usize..16, 0_u32..70_000), 0..8),
        slot: u32,
        room in 0_u64..1 << 33,
    ) {
        let version = Version::ALL[version];
        let mut bytes = encoded(version, &whole());
        for (word, value) in changes.into_iter().chain(small) {
            bytes[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
        }
        if let Ok(header) = FrameHeader::parse(version, &bytes, slot, room) {
            let end = header.data_offset() + header.data_bytes();
            prop_assert!(end <= room.min(u64::from(slot)));
            prop_assert!(header.rows >= 1 && header.rows <= header.frame.height);
            for rect in header.damage.rects() {
                prop_assert_eq!(rect.clamped(header.frame), Some(*rect));
            }
        }
    }
}
