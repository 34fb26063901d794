use proptest::prelude::*;

use super::*;

/// kvmfr.md 1.3, byte by byte.
fn example() -> Vec<u8> {
    let mut bytes = b"KVMFR---\x13\0\0\0B6".to_vec();
    bytes.resize(0x2c, 0);
    bytes.extend([1, 0, 0, 0, 1, 0, 0, 0, 0x3f, 0, 0, 0]);
    bytes.extend(0x10..=0x1f);
    bytes.extend(b"DXGI");
    bytes.resize(0x68, 0);
    bytes.extend([8, 4, 1]);
    bytes.extend(b"Example CPU\0");
    bytes.extend([2, 0, 0, 0, 0x10, 0, 0, 0, 3]);
    bytes.extend(b"Windows 10 Pro\0");
    assert_eq!(bytes.len(), 143);
    bytes
}

fn example_description() -> SessionDescription {
    SessionDescription {
        host_version: "B6".into(),
        features: Features::SET_CURSOR_POSITION,
        vm: Some(VmInfo {
            uuid: Some(std::array::from_fn(|i| 0x10 + i as u8)),
            capture: "DXGI".into(),
            cpus: 8,
            cores: 4,
            sockets: 1,
            model: "Example CPU".into(),
        }),
        os: Some(OsInfo {
            kind: OsKind::Windows,
            name: "Windows 10 Pro".into(),
        }),
    }
}

#[test]
fn the_worked_example_is_read() {
    let parsed = SessionDescription::parse(&example()).expect("valid");
    assert_eq!(parsed, (Version::V19, example_description()));
}

#[test]
fn the_worked_example_is_written() {
    assert_eq!(example_description().encode(Version::V19), example());
}

#[test]
fn short_headers_other_magic_and_other_versions_are_refused() {
    let mut bytes = example();
    for len in 0..48 {
        assert_eq!(
            SessionDescription::parse(&bytes[..len]),
            Err(DescriptionError::TooShort(len))
        );
    }
    for version in [0, 15, 17, 18, 21, u32::MAX] {
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let error = SessionDescription::parse(&bytes).expect_err("unknown version");
        let expected = DescriptionError::UnsupportedVersion {
            version,
            host_version: "B6".into(),
        };
        assert_eq!(error, expected);
    }
    bytes[0] = b'k';
    assert_eq!(
        SessionDescription::parse(&bytes),
        Err(DescriptionError::BadMagic)
    );
}

#[test]
fn a_description_cut_anywhere_keeps_the_records_before_the_cut() {
    let bytes = example();
    for len in 48..bytes.len() {
        let (_, description) = SessionDescription::parse(&bytes[..len]).expect("header is whole");
        assert_eq!(description.vm.is_some(), len >= 48 + 8 + 63, "{len}");
        assert_eq!(description.os, None, "{len}");
    }
}

#[test]
fn unknown_records_are_skipped_and_a_record_too_long_ends_the_reading() {
    let mut bytes = example();
    let records = bytes.split_off(48);
    bytes.extend([9, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3]);
    bytes.extend(&records);
    let (_, description) = SessionDescription::parse(&bytes).expect("valid");
    assert_eq!(description, example_description());
    for size in [bytes.len() as u32, u32::MAX] {
        bytes[52..56].copy_from_slice(&size.to_le_bytes());
        let (_, description) = SessionDescription::parse(&bytes).expect("valid");
        assert_eq!((description.vm, description.os), (None, None));
    }
}

#[test]
fn a_record_without_its_fixed_part_or_its_nul_is_survived() {
    let mut bytes = example();
    bytes.truncate(48);
    bytes.extend([1, 0, 0, 0, 50, 0, 0, 0]);
    bytes.extend([7; 50]);
    bytes.extend([2, 0, 0, 0, 4, 0, 0, 0, 200, b'a', b'b', b'c']);
    let (_, description) = SessionDescription::parse(&bytes).expect("valid");
    assert_eq!(description.vm, None);
    let os = OsInfo {
        kind: OsKind::Other,
        name: "abc".into(),
    };
    assert_eq!(description.os, Some(os));
}

#[test]
fn hostile_strings_come_out_clean() {
    let mut bytes = example();
    bytes[12..44].copy_from_slice(&[0x1b; 32]);
    let (_, description) = SessionDescription::parse(&bytes).expect("valid");
    assert_eq!(description.host_version, "");
}

#[test]
fn unknown_features_are_kept() {
    let mut bytes = example();
    bytes[44..48].copy_from_slice(&0x8000_0001_u32.to_le_bytes());
    let (_, description) = SessionDescription::parse(&bytes).expect("valid");
    assert_eq!(description.features.bits(), 0x8000_0001);
}

fn vm_info() -> impl Strategy<Value = VmInfo> {
    let uuid = proptest::option::of(any::<[u8; 16]>().prop_filter("known", |u| *u != [0; 16]));
    let numbers = any::<(u8, u8, u8)>();
    (uuid, "[ -~]{0,31}", numbers, "[ -~]{0,100}").prop_map(
        |(uuid, capture, (cpus, cores, sockets), model)| VmInfo {
            uuid,
            capture,
            cpus,
            cores,
            sockets,
            model,
        },
    )
}

fn os_info() -> impl Strategy<Value = OsInfo> {
    let kind = (0_u8..=4).prop_map(OsKind::from_wire);
    (kind, "[ -~äß€]{0,60}").prop_map(|(kind, name)| OsInfo { kind, name })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        host_version in "[ -~]{0,31}",
        features: u32,
        vm in proptest::option::of(vm_info()),
        os in proptest::option::of(os_info()),
        version in 0_usize..3,
    ) {
        let features = Features::from_bits_retain(features);
        let description = SessionDescription { host_version, features, vm, os };
        let version = Version::ALL[version];
        let parsed = SessionDescription::parse(&description.encode(version));
        prop_assert_eq!(parsed, Ok((version, description)));
    }

    #[test]
    fn any_bytes_are_survived(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = example();
        bytes.truncate(48);
        bytes.extend(tail);
        prop_assert!(SessionDescription::parse(&bytes).is_ok());
    }
}
