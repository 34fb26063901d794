//! The session description: the user data of the LGMP header (kvmfr.md 1).

use zerocopy::{FromBytes, IntoBytes};

use crate::flags::Features;
use crate::text::{clean, padded, terminated};
use crate::version::Version;
use crate::wire::{Kvmfr, KvmfrRecord, KvmfrRecordOsInfo, KvmfrRecordVmInfo};

const VM_INFO: u8 = 1;
const OS_INFO: u8 = 2;

/// Most bytes that a description is read from; the same cap as LGMP has for user data.
const MAX_BYTES: usize = 64 << 10;

/// What a host says about itself and the machine it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionDescription {
    /// Version of the host program, for people.
    pub host_version: String,
    /// What the host can do.
    pub features: Features,
    /// The virtual machine, if told.
    pub vm: Option<VmInfo>,
    /// The operating system, if told.
    pub os: Option<OsInfo>,
}

/// The virtual machine of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmInfo {
    /// UUID in the order in which it is written, if known.
    pub uuid: Option<[u8; 16]>,
    /// Name of the capture method, for people.
    pub capture: String,
    /// Logical CPUs.
    pub cpus: u8,
    /// Physical cores in total.
    pub cores: u8,
    /// Sockets.
    pub sockets: u8,
    /// Name of the CPU.
    pub model: String,
}

/// The operating system of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsInfo {
    /// Which family.
    pub kind: OsKind,
    /// Its name, for people.
    pub name: String,
}

/// Families of operating systems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OsKind {
    /// Linux.
    Linux,
    /// One of the BSDs.
    Bsd,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
    /// Anything else, or a number that is not known.
    #[default]
    Other,
}

impl OsKind {
    const fn from_wire(number: u8) -> Self {
        match number {
            0 => Self::Linux,
            1 => Self::Bsd,
            2 => Self::MacOs,
            3 => Self::Windows,
            _ => Self::Other,
        }
    }

    const fn wire(self) -> u8 {
        match self {
            Self::Linux => 0,
            Self::Bsd => 1,
            Self::MacOs => 2,
            Self::Windows => 3,
            Self::Other => 4,
        }
    }
}

/// A description that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// Not even the fixed header is there.
    #[error("the session description has only {0} bytes")]
    TooShort(usize),
    /// Something other than KVMFR runs over LGMP.
    #[error("the session description is not one of KVMFR")]
    BadMagic,
    /// A version that is not spoken here.
    #[error("the host \"{host_version}\" speaks KVMFR {version}, which is not supported")]
    UnsupportedVersion {
        /// The number on the wire.
        version: u32,
        /// The host's version, cleaned.
        host_version: String,
    },
}

impl SessionDescription {
    /// Reads a copied description: its version and what it says. Strings come out cleaned (H14).
    ///
    /// A broken record ends the reading; what came before it counts.
    ///
    /// # Errors
    /// If the fixed header is short, not KVMFR's, or of another version.
    pub fn parse(bytes: &[u8]) -> Result<(Version, Self), DescriptionError> {
        let (header, records) =
            Kvmfr::read_from_prefix(bytes).map_err(|_| DescriptionError::TooShort(bytes.len()))?;
        if header.magic != Kvmfr::MAGIC {
            return Err(DescriptionError::BadMagic);
        }
        let host_version = clean(&header.hostver);
        let Some(version) = Version::from_wire(header.version) else {
            return Err(DescriptionError::UnsupportedVersion {
                version: header.version,
                host_version,
            });
        };
        let mut description = Self {
            host_version,
            features: Features::from_bits_retain(header.features),
            vm: None,
            os: None,
        };
        let records = records.get(..MAX_BYTES).unwrap_or(records);
        description.read_records(records);
        Ok((version, description))
    }

    fn read_records(&mut self, mut rest: &[u8]) {
        while let Ok((record, tail)) = KvmfrRecord::read_from_prefix(rest) {
            let Some((payload, next)) = tail.split_at_checked(record.size as usize) else {
                break;
            };
            match record.r#type {
                VM_INFO => self.vm = VmInfo::parse(payload).or(self.vm.take()),
                OS_INFO => self.os = OsInfo::parse(payload).or(self.os.take()),
                _ => {}
            }
            rest = next;
        }
    }

    /// The bytes for the LGMP header: fixed part, VM info, OS info, in the order of the original host.
    #[must_use]
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let header = Kvmfr {
            magic: Kvmfr::MAGIC,
            version: version.wire(),
            hostver: padded(&self.host_version),
            features: self.features.bits(),
        };
        let mut bytes = header.as_bytes().to_vec();
        if let Some(vm) = &self.vm {
            let fixed = KvmfrRecordVmInfo {
                uuid: vm.uuid.unwrap_or_default(),
                capture: padded(&vm.capture),
                cpus: vm.cpus,
                cores: vm.cores,
                sockets: vm.sockets,
            };
            push_record(&mut bytes, VM_INFO, fixed.as_bytes(), &vm.model);
        }
        if let Some(os) = &self.os {
            let fixed = KvmfrRecordOsInfo { os: os.kind.wire() };
            push_record(&mut bytes, OS_INFO, fixed.as_bytes(), &os.name);
        }
        bytes
    }
}

impl VmInfo {
    fn parse(payload: &[u8]) -> Option<Self> {
        let (fixed, model) = KvmfrRecordVmInfo::read_from_prefix(payload).ok()?;
        Some(Self {
            uuid: (fixed.uuid != [0; 16]).then_some(fixed.uuid),
            capture: clean(&fixed.capture),
            cpus: fixed.cpus,
            cores: fixed.cores,
            sockets: fixed.sockets,
            model: clean(model),
        })
    }
}

impl OsInfo {
    fn parse(payload: &[u8]) -> Option<Self> {
        let (fixed, name) = KvmfrRecordOsInfo::read_from_prefix(payload).ok()?;
        Some(Self {
            kind: OsKind::from_wire(fixed.os),
            name: clean(name),
        })
    }
}

fn push_record(bytes: &mut Vec<u8>, kind: u8, fixed: &[u8], text: &str) {
    let text = terminated(text);
    let record = KvmfrRecord {
        r#type: kind,
        padding: [0; 3],
        size: u32::try_from(fixed.len() + text.len()).unwrap_or(u32::MAX),
    };
    bytes.extend_from_slice(record.as_bytes());
    bytes.extend_from_slice(fixed);
    bytes.extend_from_slice(&text);
}

#[cfg(test)]
mod tests;
