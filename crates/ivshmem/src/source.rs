//! Names of shared memories, as the option `app:shmFile` spells them.

use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the shared memory is found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file: the one QEMU makes in `/dev/shm`, or any other.
    File(PathBuf),
    /// A device of the `kvmfr` kernel module.
    KvmfrDevice(PathBuf),
    /// A descriptor this process was started with.
    Fd(RawFd),
    /// An IVSHMEM device on this machine's PCI bus; without an address the first there is. Only in a guest.
    Pci(Option<PciAddress>),
}

/// A name that is none of a shared memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing was named.
    #[error("the name of the shared memory is empty")]
    Empty,
    /// What follows `fd:` is no descriptor.
    #[error("{given:?} is no file descriptor; give a number, as in fd:3")]
    Descriptor {
        /// What follows `fd:`.
        given: String,
    },
    /// What follows `pci:` is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl Source {
    /// The name of the memory to open if nobody names one: that of the kernel module's first device if there is one, else
    /// of the file that QEMU makes. `system_root` is `/` but for tests.
    #[must_use]
    pub fn usual_name(system_root: &Path) -> &'static str {
        if system_root.join("dev/kvmfr0").exists() {
            "/dev/kvmfr0"
        } else {
            "/dev/shm/looking-glass"
        }
    }

    /// Reads a name: `pci`, `pci:0000:00:04.0`, `fd:3`, `kvmfr0`, or a path.
    ///
    /// A file that is named like one of the others is reached by a path with a slash.
    ///
    /// # Errors
    /// If the name is empty or what follows the prefix is malformed. Whether the memory exists is not looked at.
    pub fn parse(name: &str) -> Result<Self, SourceError> {
        if name.is_empty() {
            return Err(SourceError::Empty);
        }
        if name == "pci" {
            return Ok(Self::Pci(None));
        }
        if let Some(address) = name.strip_prefix("pci:") {
            return Ok(Self::Pci(Some(address.parse()?)));
        }
        if let Some(number) = name.strip_prefix("fd:") {
            return match number.parse() {
                Ok(fd) if number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self::Fd(fd)),
                _ => Err(SourceError::Descriptor {
                    given: number.to_owned(),
                }),
            };
        }
        if name.starts_with("kvmfr") && !name.contains('/') {
            return Ok(Self::KvmfrDevice(Path::new("/dev").join(name)));
        }
        if name.starts_with("/dev/kvmfr") {
            return Ok(Self::KvmfrDevice(name.into()));
        }
        Ok(Self::File(name.into()))
    }

    /// What to open when nothing is configured: `/dev/kvmfr0` if it exists, else `/dev/shm/looking-glass`.
    #[must_use]
    pub fn default_on_this_machine() -> Self {
        Self::default_in(Path::new("/dev"))
    }

    /// The default with a device folder of its own.
    fn default_in(dev: &Path) -> Self {
        let device = dev.join("kvmfr0");
        if device.exists() {
            Self::KvmfrDevice(device)
        } else {
            Self::File(dev.join("shm/looking-glass"))
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(name: &str) -> Result<Self, SourceError> {
        Self::parse(name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::KvmfrDevice(path) => path.display().fmt(f),
            Self::Fd(fd) => write!(f, "fd:{fd}"),
            Self::Pci(None) => f.write_str("pci"),
            Self::Pci(Some(address)) => write!(f, "pci:{address}"),
        }
    }
}

/// The address of a PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Domain (segment); above 0xffff behind some controllers.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device, at most 0x1f.
    pub device: u8,
    /// Function, at most 7.
    pub function: u8,
}

/// Text that is no PCI address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no PCI address; write it as lspci -D shows it, as in 0000:00:04.0")]
pub struct AddressError {
    given: String,
}

impl FromStr for PciAddress {
    type Err = AddressError;

    /// Reads `0000:00:04.0`, or `00:04.0` in domain 0.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse_address(text).ok_or_else(|| AddressError {
            given: text.to_owned(),
        })
    }
}

/// Reads an address.
fn parse_address(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0000", rest));
    let address = PciAddress {
        domain: hex(domain, 4..=8)?,
        bus: u8::try_from(hex(bus, 2..=2)?).ok()?,
        device: u8::try_from(hex(device, 2..=2)?).ok()?,
        function: u8::try_from(hex(function, 1..=1)?).ok()?,
    };
    (address.device <= 0x1f && address.function <= 7).then_some(address)
}

/// Reads a hexadecimal number of so many digits, without a sign.
fn hex(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let fits = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT_4: PciAddress = PciAddress {
        domain: 0,
        bus: 0,
        device: 4,
        function: 0,
    };

    #[test]
    fn every_form_is_read_and_shown_again() {
        let forms = [
            ("pci", Source::Pci(None)),
            ("pci:0000:00:04.0", Source::Pci(Some(SLOT_4))),
            ("fd:7", Source::Fd(7)),
            ("/dev/kvmfr1", Source::KvmfrDevice("/dev/kvmfr1".into())),
            ("/dev/shm/lg", Source::File("/dev/shm/lg".into())),
            ("lg", Source::File("lg".into())),
            ("./kvmfr0", Source::File("./kvmfr0".into())),
            ("pcie", Source::File("pcie".into())),
        ];
        for (name, source) in forms {
            assert_eq!(Source::parse(name), Ok(source.clone()));
            assert_eq!(source.to_string(), name);
        }
    }

    #[test]
    fn a_device_name_without_a_slash_lies_in_dev() {
        assert_eq!(
            Source::parse("kvmfr0"),
            Ok(Source::KvmfrDevice("/dev/kvmfr0".into()))
        );
    }

    #[test]
    fn a_short_address_is_in_domain_0() {
        assert_eq!(Source::parse("pci:00:04.0"), Ok(Source::Pci(Some(SLOT_4))));
    }

    #[test]
    fn malformed_names_are_refused_by_what_is_wrong() {
        assert_eq!(Source::parse(""), Err(SourceError::Empty));
        for name in ["fd:", "fd:-1", "fd:+3", "fd:x", "fd:99999999999"] {
            let error = Source::parse(name).unwrap_err();
            assert!(matches!(error, SourceError::Descriptor { .. }), "{name}");
        }
        for name in [
            "pci:",
            "pci:4",
            "pci:00:04",
            "pci:00:20.0",
            "pci:00:04.8",
            "pci:0000:00:+4.0",
            "pci:0:00:04.0",
            "pci:1:0000:00:04.0",
        ] {
            let error = Source::parse(name).unwrap_err();
            assert!(matches!(error, SourceError::Address(_)), "{name}");
            assert!(error.to_string().contains("0000:00:04.0"), "{name}");
        }
    }

    #[test]
    fn the_default_is_the_device_if_there_is_one() {
        let dev = tempfile::tempdir().unwrap();
        let file = dev.path().join("shm/looking-glass");
        assert_eq!(Source::default_in(dev.path()), Source::File(file));
        let device = dev.path().join("kvmfr0");
        std::fs::write(&device, "").unwrap();
        assert_eq!(Source::default_in(dev.path()), Source::KvmfrDevice(device));
    }
}
