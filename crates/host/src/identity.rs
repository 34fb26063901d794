//! What the host tells about itself and its machine (kvmfr.md 1.2).

use std::collections::BTreeSet;
use std::path::Path;

use kvmfr::{Features, OsInfo, OsKind, SessionDescription, VmInfo};

/// Reads the description of this machine; what cannot be read stays unknown.
#[must_use]
pub(crate) fn describe(capture: &str, features: Features) -> SessionDescription {
    SessionDescription {
        features,
        ..describe_at(Path::new("/"), capture)
    }
}

fn describe_at(root: &Path, capture: &str) -> SessionDescription {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let processors = Processors::parse(&read("proc/cpuinfo"));
    SessionDescription {
        host_version: env!("CARGO_PKG_VERSION").into(),
        features: Features::default(),
        vm: Some(VmInfo {
            uuid: parse_uuid(&read("sys/class/dmi/id/product_uuid")),
            capture: capture.into(),
            cpus: processors.logical,
            cores: processors.cores,
            sockets: processors.sockets,
            model: processors.model,
        }),
        os: Some(OsInfo {
            kind: OsKind::Linux,
            name: os_name(&read("etc/os-release")),
        }),
    }
}

/// The 16 bytes of a UUID in the order in which it is written; `None` for anything else and for all zeros.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (number != 0).then(|| number.to_be_bytes())
}

/// `PRETTY_NAME` of os-release(5).
fn os_name(text: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.map_or("Linux", |name| name.trim().trim_matches(['"', '\'']))
        .to_owned()
}

/// What `/proc/cpuinfo` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Processors {
    logical: u8,
    cores: u8,
    sockets: u8,
    model: String,
}

impl Processors {
    fn parse(text: &str) -> Self {
        let mut logical = 0_usize;
        let mut cores = BTreeSet::new();
        let mut sockets = BTreeSet::new();
        let mut model = String::new();
        let mut socket = 0_u32;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match name.trim() {
                "processor" => logical += 1,
                "physical id" => {
                    socket = value.parse().unwrap_or(0);
                    sockets.insert(socket);
                }
                "core id" => {
                    cores.insert((socket, value.parse::<u32>().unwrap_or(0)));
                }
                "model name" if model.is_empty() => model = value.to_owned(),
                _ => {}
            }
        }
        let count = |n: usize, least: usize| u8::try_from(n.max(least)).unwrap_or(u8::MAX);
        // Not every architecture tells which core a processor belongs to.
        let known_cores = if cores.is_empty() {
            logical
        } else {
            cores.len()
        };
        Self {
            logical: count(logical, 1),
            cores: count(known_cores, 1),
            sockets: count(sockets.len(), 1),
            model,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_keep_the_order_in_which_they_are_written() {
        let uuid = parse_uuid("00112233-4455-6677-8899-aabbccddeeff\n");
        let expected: [u8; 16] = std::array::from_fn(|i| (i * 0x11) as u8);
        assert_eq!(uuid, Some(expected));
    }

    #[test]
    fn what_is_no_uuid_is_unknown() {
        for text in [
            "",
            "zz112233-4455-6677-8899-aabbccddeeff",
            "1234",
            "+0112233445566778899aabbccddeeff",
        ] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
        assert_eq!(parse_uuid("00000000-0000-0000-0000-000000000000"), None);
    }

    #[test]
    fn processors_are_counted_by_kind() {
        let one = |id, socket, core| {
            format!(
                "processor : {id}\nmodel name\t: Some CPU\nphysical id : {socket}\ncore id : {core}\n\n"
            )
        };
        let text = [one(0, 0, 0), one(1, 0, 0), one(2, 0, 1), one(3, 1, 0)].concat();
        let expected = Processors {
            logical: 4,
            cores: 3,
            sockets: 2,
            model: "Some CPU".into(),
        };
        assert_eq!(Processors::parse(&text), expected);
    }

    #[test]
    fn processors_without_core_numbers_are_cores() {
        let seen = Processors::parse("processor : 0\n\nprocessor : 1\n");
        assert_eq!((seen.logical, seen.cores, seen.sockets), (2, 2, 1));
    }

    #[test]
    fn a_machine_that_tells_nothing_is_described_all_the_same() {
        let empty = tempfile::tempdir().unwrap();
        let description = describe_at(empty.path(), "test");
        let vm = description.vm.unwrap();
        assert_eq!((vm.uuid, vm.cpus, vm.cores, vm.sockets), (None, 1, 1, 1));
        assert_eq!(description.os.unwrap().name, "Linux");
    }

    #[test]
    fn the_systems_name_is_unquoted() {
        assert_eq!(
            os_name("ID=x\nPRETTY_NAME=\"Some OS 1.0\"\n"),
            "Some OS 1.0"
        );
    }
}
