use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use std::path::PathBuf;

use super::*;
use crate::memory::Mapping;

/// The page size of the machine.
fn page() -> usize {
    rustix::param::page_size()
}

/// A system that answers as told, and for the rest as the real one.
struct Fake {
    real: Linux,
    open: Option<Errno>,
    seek_end: Result<u64, Errno>,
    region_size: Result<u64, Errno>,
    map: Option<Errno>,
    /// Only this file's mapping fails.
    map_fails_for: Option<PathBuf>,
    /// Whether enabling a PCI device has an effect.
    enable_works: bool,
    enabled: Cell<u32>,
    opened: RefCell<Vec<PathBuf>>,
    sysfs: PathBuf,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            real: Linux::default(),
            open: None,
            seek_end: Err(Errno::SPIPE),
            region_size: Err(Errno::NOTTY),
            map: None,
            map_fails_for: None,
            enable_works: true,
            enabled: Cell::new(0),
            opened: RefCell::default(),
            sysfs: "/nonexistent".into(),
        }
    }
}

impl System for Fake {
    fn open(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.opened.borrow_mut().push(path.into());
        match self.open {
            Some(errno) => Err(errno),
            None => self.real.open(path),
        }
    }

    fn duplicate(&self, fd: RawFd) -> Result<OwnedFd, Errno> {
        self.real.duplicate(fd)
    }

    fn file_size(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno> {
        self.real.file_size(fd)
    }

    fn seek_end(&self, _: BorrowedFd<'_>) -> Result<u64, Errno> {
        self.seek_end
    }

    fn region_size(&self, _: BorrowedFd<'_>) -> Result<u64, Errno> {
        self.region_size
    }

    fn map(&self, fd: BorrowedFd<'_>, len: usize) -> Result<Mapping, Errno> {
        let last = self.opened.borrow().last().cloned();
        if self.map_fails_for.is_some() && last == self.map_fails_for {
            return Err(Errno::INVAL);
        }
        match self.map {
            Some(errno) => Err(errno),
            None => self.real.map(fd, len),
        }
    }

    fn enable(&self, file: &Path) -> io::Result<()> {
        self.enabled.set(self.enabled.get() + 1);
        self.real.enable(file)?;
        if self.enable_works {
            set_command(file.parent().unwrap(), 0x0103);
        }
        Ok(())
    }

    fn sysfs(&self) -> &Path {
        &self.sysfs
    }
}

/// A file of `len` bytes in a folder of its own.
fn file(len: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("looking-glass");
    File::create(&path).unwrap().set_len(len).unwrap();
    (folder, path)
}

mod files {
    use super::*;

    #[test]
    fn a_file_is_mapped_whole_and_shared() {
        let (_folder, path) = file(3 * page() as u64);
        let first = SharedMemory::open(&Source::File(path.clone())).unwrap();
        let second = SharedMemory::open(&Source::File(path)).unwrap();
        assert_eq!(first.len(), 3 * page());
        assert_eq!(first.caching(), Caching::WriteBack);
        first.as_slice().write(first.len() - 4, &7_u32).unwrap();
        assert_eq!(second.as_slice().read::<u32>(first.len() - 4), Ok(7));
        assert!(!first.is_faulted());
    }

    #[test]
    fn a_missing_file_is_named_with_the_line_for_qemu() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        let error = SharedMemory::open(&Source::File(path.clone())).unwrap_err();
        assert_eq!(error, OpenError::MissingFile { path: path.clone() });
        let text = error.to_string();
        assert!(
            text.contains(&format!("mem-path={}", path.display())),
            "{text}"
        );
        assert!(text.contains("memory-backend-file"), "{text}");
    }

    #[test]
    fn an_empty_file_is_refused() {
        let (_folder, path) = file(0);
        let error = SharedMemory::open(&Source::File(path.clone())).unwrap_err();
        let name = path.display().to_string();
        assert_eq!(error, OpenError::Empty { name });
    }

    #[test]
    fn a_file_of_parts_of_pages_is_refused() {
        for len in [1, page() as u64 - 1, page() as u64 + 1] {
            let (_folder, path) = file(len);
            let error = SharedMemory::open(&Source::File(path)).unwrap_err();
            assert!(
                matches!(error, OpenError::PartialPage { bytes, .. } if bytes == len),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_file_is_refused_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let error = SharedMemory::open(&Source::File(folder.path().into())).unwrap_err();
        assert!(error.to_string().contains("is a directory"), "{error}");
        let error = SharedMemory::open(&Source::File("/dev/null".into())).unwrap_err();
        assert!(
            error.to_string().contains("device of another kind"),
            "{error}"
        );
    }

    #[test]
    fn a_file_of_another_user_is_refused_with_a_rule_for_this_one() {
        let (folder, path) = file(page() as u64);
        let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(folder.path(), mode(0o755)).unwrap();
        fs::set_permissions(&path, mode(0o400)).unwrap();
        let opened = path.clone();
        let error = std::thread::spawn(move || {
            // The user that counts for files is a thread's own; changing it takes root's rights from this one.
            // SAFETY: takes a number only.
            unsafe { libc::syscall(libc::SYS_setfsuid, 65534_u32) };
            SharedMemory::open(&Source::File(opened)).unwrap_err()
        })
        .join()
        .unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let remedy = Remedy::Tmpfiles {
            path: path.clone(),
            uid,
        };
        let source = Errno::ACCESS;
        assert_eq!(
            error,
            OpenError::Denied {
                path,
                remedy,
                source
            }
        );
        let text = error.to_string();
        assert!(text.contains(&format!("0660 {uid} kvm -")), "{text}");
        assert!(text.contains("/etc/tmpfiles.d/"), "{text}");
    }

    #[test]
    fn a_mapping_the_kernel_refuses_is_reported_with_its_reason() {
        let (_folder, path) = file(page() as u64);
        let system = Fake {
            map: Some(Errno::NOMEM),
            ..Fake::default()
        };
        let error = open(&Source::File(path), &system).unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), Errno::NOMEM.to_string());
    }

    #[test]
    fn a_device_memory_in_sysfs_is_known_by_its_name() {
        let cases = [
            (
                "/sys/bus/pci/devices/0000:00:04.0/resource2",
                Caching::Uncached,
            ),
            (
                "/sys/bus/pci/devices/0000:00:04.0/resource2_wc",
                Caching::WriteCombined,
            ),
            ("/home/user/resource2", Caching::WriteBack),
            ("/dev/shm/looking-glass", Caching::WriteBack),
        ];
        for (path, caching) in cases {
            assert_eq!(caching_of(Path::new(path)), caching, "{path}");
        }
    }

    #[test]
    fn a_memory_that_is_too_small_is_told_which_size_to_set() {
        assert_eq!(check_size(32 << 20, 32 << 20), Ok(()));
        let text = check_size(32 << 20, 40 << 20).unwrap_err().to_string();
        assert!(
            text.contains("32 MiB is too small, 40 MiB are needed"),
            "{text}"
        );
        assert!(text.ends_with("to 64M"), "{text}");
        let memory = SharedMemory::create("small", page()).unwrap();
        assert!(memory.check_size(page()).is_ok());
        assert!(memory.check_size(page() + 1).is_err());
    }
}

mod descriptors {
    use super::*;

    #[test]
    fn a_descriptor_is_mapped_and_stays_open() {
        let given = SharedMemory::create("given", page()).unwrap();
        let fd = given.as_fd().as_raw_fd();
        let memory = SharedMemory::open(&Source::Fd(fd)).unwrap();
        assert_ne!(memory.as_fd().as_raw_fd(), fd);
        drop(memory);
        let memory = SharedMemory::open(&Source::Fd(fd)).unwrap();
        given.as_slice().write(8, &9_u32).unwrap();
        assert_eq!(memory.as_slice().read::<u32>(8), Ok(9));
    }

    #[test]
    fn a_number_that_is_no_descriptor_is_refused() {
        for fd in [-1, i32::MAX] {
            let error = SharedMemory::open(&Source::Fd(fd)).unwrap_err();
            assert_eq!(error, OpenError::BadDescriptor { fd });
        }
    }

    #[test]
    fn a_descriptor_for_reading_only_is_refused() {
        let (_folder, path) = file(page() as u64);
        let fd = File::open(path).unwrap().into_raw_fd();
        let error = SharedMemory::open(&Source::Fd(fd)).unwrap_err();
        let name = format!("fd:{fd}");
        assert_eq!(error, OpenError::NotWritable { name });
    }

    #[test]
    fn a_pipe_is_refused() {
        let (end, _other) = rustix::pipe::pipe().unwrap();
        let error = SharedMemory::open(&Source::Fd(end.as_raw_fd())).unwrap_err();
        assert!(error.to_string().contains("is a pipe"), "{error}");
    }

    #[test]
    fn a_memory_of_our_own_cannot_be_cut() {
        let memory = SharedMemory::create("sealed", page()).unwrap();
        assert_eq!(rustix::fs::ftruncate(&memory, 0), Err(Errno::PERM));
    }
}

mod devices {
    use super::*;

    /// A device of `len` bytes that answers as told. Its name tells nothing: the memory behind it is a file's.
    fn device(
        len: usize,
        seek_end: Result<u64, Errno>,
        region_size: Result<u64, Errno>,
    ) -> Result<usize, OpenError> {
        let (_folder, path) = file(len as u64);
        let system = Fake {
            seek_end,
            region_size,
            ..Fake::default()
        };
        open(&Source::KvmfrDevice(path), &system).map(|memory| {
            memory.as_slice().write(len - 1, &1_u8).unwrap();
            memory.len()
        })
    }

    #[test]
    fn the_size_comes_from_lseek_first() {
        let len = 2 * page();
        assert_eq!(device(len, Ok(len as u64), Ok(1)), Ok(len));
    }

    #[test]
    fn the_size_comes_from_ioctl_where_lseek_knows_none() {
        let len = 2 * page();
        for seek_end in [Ok(0), Err(Errno::SPIPE), Err(Errno::INVAL)] {
            assert_eq!(device(len, seek_end, Ok(len as u64)), Ok(len));
        }
    }

    #[test]
    fn sizes_that_no_region_has_are_refused() {
        let none = Err(Errno::SPIPE);
        assert!(matches!(
            device(0, none, Ok(0)),
            Err(OpenError::Empty { .. })
        ));
        assert!(matches!(
            device(page(), Ok(100), Ok(0)),
            Err(OpenError::PartialPage { bytes: 100, .. })
        ));
        assert!(matches!(
            device(page(), none, Err(Errno::NOTTY)),
            Err(OpenError::NotMemory { .. })
        ));
        assert!(matches!(
            device(page(), none, Err(Errno::INVAL)),
            Err(OpenError::System {
                source: Errno::INVAL,
                ..
            })
        ));
    }

    #[test]
    fn a_missing_device_or_driver_names_the_module() {
        for errno in [Errno::NOENT, Errno::NXIO, Errno::NODEV] {
            let system = Fake {
                open: Some(errno),
                ..Fake::default()
            };
            let error = open(&Source::parse("kvmfr0").unwrap(), &system).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("/dev/kvmfr0 does not exist"), "{text}");
            assert!(text.contains("modprobe kvmfr"), "{text}");
        }
    }

    #[test]
    fn a_device_without_permission_names_the_udev_rule() {
        let system = Fake {
            open: Some(Errno::ACCESS),
            ..Fake::default()
        };
        let error = open(&Source::parse("kvmfr0").unwrap(), &system).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("SUBSYSTEM==\"kvmfr\""), "{text}");
        assert!(text.contains("/etc/udev/rules.d/"), "{text}");
    }

    #[test]
    fn the_real_ioctl_is_refused_by_a_file() {
        let (_folder, path) = file(page() as u64);
        let file = File::open(path).unwrap();
        let linux = Linux::default();
        assert_eq!(linux.region_size(file.as_fd()), Err(Errno::NOTTY));
        assert_eq!(linux.seek_end(file.as_fd()), Ok(page() as u64));
    }
}

/// Writes a PCI device's configuration with a command register.
fn set_command(device: &Path, command: u16) {
    let mut config = vec![0xf4, 0x1a, 0x10, 0x11];
    config.extend(command.to_le_bytes());
    config.resize(256, 0);
    fs::write(device.join("config"), config).unwrap();
}

mod pci {
    use super::*;

    const MEMORY_ON: u16 = 0x0102;
    const MEMORY_OFF: u16 = 0x0101;

    /// A sysfs with PCI devices.
    struct Sysfs(tempfile::TempDir);

    impl Sysfs {
        /// A sysfs with a network card at the lowest address.
        fn new() -> Self {
            let sysfs = Self(tempfile::tempdir().unwrap());
            sysfs.device("0000:00:01.0", "0x8086", "0x100e", MEMORY_ON);
            sysfs
        }

        fn device(&self, address: &str, vendor: &str, device: &str, command: u16) -> PathBuf {
            let folder = self.0.path().join("bus/pci/devices").join(address);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("vendor"), format!("{vendor}\n")).unwrap();
            fs::write(folder.join("device"), format!("{device}\n")).unwrap();
            fs::write(folder.join("enable"), "0\n").unwrap();
            set_command(&folder, command);
            folder
        }

        fn ivshmem(&self, address: &str, command: u16, bars: &[&str]) -> PathBuf {
            let folder = self.device(address, "0x1af4", "0x1110", command);
            for bar in bars {
                let file = File::create(folder.join(bar)).unwrap();
                file.set_len(2 * page() as u64).unwrap();
            }
            folder
        }

        fn system(&self) -> Fake {
            Fake {
                sysfs: self.0.path().into(),
                ..Fake::default()
            }
        }
    }

    const BOTH: &[&str] = &["resource0", "resource2", "resource2_wc"];

    fn at(address: &str) -> Source {
        Source::parse(&format!("pci:{address}")).unwrap()
    }

    #[test]
    fn the_write_combined_view_is_preferred_and_known_as_such() {
        let sysfs = Sysfs::new();
        let folder = sysfs.ivshmem("0000:00:04.0", MEMORY_ON, BOTH);
        let system = sysfs.system();
        let memory = open(&Source::Pci(None), &system).unwrap();
        assert_eq!(memory.len(), 2 * page());
        assert_eq!(memory.caching(), Caching::WriteCombined);
        assert_eq!(memory.as_slice().caching(), Caching::WriteCombined);
        assert_eq!(*system.opened.borrow(), [folder.join("resource2_wc")]);
        memory.as_slice().write(0, &5_u8).unwrap();
        assert_eq!(fs::read(folder.join("resource2_wc")).unwrap()[0], 5);
    }

    #[test]
    fn the_uncached_view_serves_where_the_other_is_missing_or_cannot_be_mapped() {
        let sysfs = Sysfs::new();
        let folder = sysfs.ivshmem("0000:00:04.0", MEMORY_ON, &["resource2"]);
        let memory = open(&Source::Pci(None), &sysfs.system()).unwrap();
        assert_eq!(memory.caching(), Caching::Uncached);

        sysfs.ivshmem("0000:00:04.0", MEMORY_ON, BOTH);
        let system = Fake {
            map_fails_for: Some(folder.join("resource2_wc")),
            ..sysfs.system()
        };
        let memory = open(&Source::Pci(None), &system).unwrap();
        assert_eq!(memory.caching(), Caching::Uncached);
    }

    #[test]
    fn the_lowest_address_is_found_and_a_given_one_obeyed() {
        let sysfs = Sysfs::new();
        let second = sysfs.ivshmem("0000:01:02.0", MEMORY_ON, BOTH);
        let first = sysfs.ivshmem("0000:00:10.0", MEMORY_ON, BOTH);
        let opened = |source| {
            let system = sysfs.system();
            open(&source, &system).unwrap();
            system.opened.take()
        };
        assert_eq!(opened(Source::Pci(None)), [first.join("resource2_wc")]);
        assert_eq!(opened(at("0000:01:02.0")), [second.join("resource2_wc")]);
    }

    #[test]
    fn a_device_that_does_not_decode_is_enabled_once() {
        let sysfs = Sysfs::new();
        let folder = sysfs.ivshmem("0000:00:04.0", MEMORY_OFF, BOTH);
        let system = sysfs.system();
        open(&Source::Pci(None), &system).unwrap();
        assert_eq!(fs::read_to_string(folder.join("enable")).unwrap(), "1");
        assert_eq!(system.enabled.get(), 1);
        // The kernel counts; a device that decodes already must not be counted twice.
        open(&Source::Pci(None), &system).unwrap();
        assert_eq!(system.enabled.get(), 1);
    }

    #[test]
    fn a_device_that_cannot_be_enabled_is_refused_before_it_is_mapped() {
        let sysfs = Sysfs::new();
        let folder = sysfs.ivshmem("0000:00:04.0", MEMORY_OFF, BOTH);
        let system = Fake {
            enable_works: false,
            ..sysfs.system()
        };
        let error = open(&Source::Pci(None), &system).unwrap_err();
        assert!(matches!(error, OpenError::NotDecoding { .. }), "{error}");
        assert!(
            error.to_string().contains("setpci -s 0000:00:04.0"),
            "{error}"
        );
        assert!(system.opened.borrow().is_empty());

        fs::remove_file(folder.join("enable")).unwrap();
        fs::create_dir(folder.join("enable")).unwrap();
        let error = open(&Source::Pci(None), &system).unwrap_err();
        assert!(matches!(error, OpenError::NotDecoding { .. }), "{error}");
    }

    #[test]
    fn a_machine_without_the_device_is_told_how_to_add_it() {
        let sysfs = Sysfs::new();
        let error = open(&Source::Pci(None), &sysfs.system()).unwrap_err();
        assert_eq!(error, OpenError::NoPciDevice);
        assert!(error.to_string().contains("-device ivshmem-plain"));
        let error = open(&Source::Pci(None), &Fake::default()).unwrap_err();
        assert_eq!(error, OpenError::NoPciDevice);
    }

    #[test]
    fn another_or_no_device_at_the_address_is_refused_by_what_it_is() {
        let sysfs = Sysfs::new();
        let error = open(&at("0000:00:01.0"), &sysfs.system()).unwrap_err();
        assert!(error.to_string().contains("is 8086:100e, not"), "{error}");
        let error = open(&at("0000:00:09.0"), &sysfs.system()).unwrap_err();
        assert!(error.to_string().contains("is absent, not"), "{error}");
    }

    #[test]
    fn a_device_without_memory_or_with_a_cut_configuration_is_refused() {
        let sysfs = Sysfs::new();
        let folder = sysfs.ivshmem("0000:00:04.0", MEMORY_ON, &["resource0"]);
        let error = open(&Source::Pci(None), &sysfs.system()).unwrap_err();
        assert!(matches!(error, OpenError::NoBar { .. }), "{error}");
        fs::write(folder.join("config"), [0xf4, 0x1a, 0x10]).unwrap();
        let error = open(&Source::Pci(None), &sysfs.system()).unwrap_err();
        assert!(matches!(error, OpenError::System { .. }), "{error}");
    }

    #[test]
    fn a_denied_device_names_the_udev_rule_and_does_not_fall_back() {
        let sysfs = Sysfs::new();
        let folder = sysfs.ivshmem("0000:00:04.0", MEMORY_ON, BOTH);
        for errno in [Errno::ACCESS, Errno::PERM] {
            let system = Fake {
                open: Some(errno),
                ..sysfs.system()
            };
            let error = open(&Source::Pci(None), &system).unwrap_err();
            assert!(
                error.to_string().contains("ATTR{device}==\"0x1110\""),
                "{error}"
            );
            assert_eq!(*system.opened.borrow(), [folder.join("resource2_wc")]);
        }
        // In lockdown mode the mapping is refused rather than the file.
        let system = Fake {
            map: Some(Errno::PERM),
            ..sysfs.system()
        };
        let error = open(&Source::Pci(None), &system).unwrap_err();
        assert!(error.to_string().contains("lockdown"), "{error}");
    }
}
