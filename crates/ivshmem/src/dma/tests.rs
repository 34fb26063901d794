use std::fs::File;
use std::sync::Mutex;

use proptest::prelude::*;
use rustix::fs::{MemfdFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::*;

/// Gives out empty memfds, and notes what for.
#[derive(Default)]
struct Fake {
    asked: Arc<Mutex<Vec<(u64, u64)>>>,
    answer: Option<Errno>,
}

impl Export for Fake {
    fn export(&self, offset: u64, len: u64) -> Result<OwnedFd, Errno> {
        self.asked.lock().unwrap().push((offset, len));
        match self.answer {
            Some(error) => Err(error),
            None => memfd_create("buffer", MemfdFlags::CLOEXEC),
        }
    }
}

fn page() -> usize {
    rustix::param::page_size()
}

fn memory(pages: usize) -> SharedMemory {
    SharedMemory::create("memory", pages * page()).unwrap()
}

fn memfd(flags: MemfdFlags, seals: SealFlags) -> SharedMemory {
    let fd = memfd_create("memory", MemfdFlags::CLOEXEC | flags).unwrap();
    ftruncate(&fd, page() as u64).unwrap();
    if !seals.is_empty() {
        fcntl_add_seals(&fd, seals).unwrap();
    }
    SharedMemory::map_fd(fd).unwrap()
}

mod ranges {
    use super::*;

    #[test]
    fn a_range_becomes_the_pages_it_lies_in() {
        let fake = Fake::default();
        let asked = Arc::clone(&fake.asked);
        let buffers = DmaBufs::with_export(&memory(8), Box::new(fake));
        let whole = buffers.create(page()..3 * page()).unwrap();
        assert_eq!((whole.offset(), whole.len()), (0, 2 * page()));
        let part = buffers.create(4 * page() + 64..5 * page() + 1).unwrap();
        assert_eq!((part.offset(), part.len()), (64, 2 * page()));
        let size = page() as u64;
        assert_eq!(
            *asked.lock().unwrap(),
            [(size, 2 * size), (4 * size, 2 * size)]
        );
    }

    #[test]
    fn a_range_that_leaves_the_memory_is_never_asked_for() {
        let fake = Fake::default();
        let asked = Arc::clone(&fake.asked);
        let buffers = DmaBufs::with_export(&memory(2), Box::new(fake));
        let end = 2 * page();
        #[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
        let bad = [
            0..0,
            end..end,
            1..0,
            0..end + 1,
            end..end + 1,
            0..usize::MAX,
            usize::MAX - 1..usize::MAX,
        ];
        for range in bad {
            let error = buffers.create(range.clone()).unwrap_err();
            assert!(
                matches!(error, DmaBufError::Range { .. }),
                "{range:?}: {error}"
            );
        }
        assert!(asked.lock().unwrap().is_empty());
        buffers.create(0..end).unwrap();
    }

    #[test]
    fn a_memory_that_ends_within_a_page_has_no_buffer_of_that_page() {
        let fd = memfd_create("odd", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&fd, 2 * page() as u64 + 8).unwrap();
        let odd = SharedMemory::map_fd(fd).unwrap();
        let buffers = DmaBufs::with_export(&odd, Box::new(Fake::default()));
        assert!(buffers.create(0..2 * page()).is_ok());
        assert!(buffers.create(0..2 * page() + 8).is_err());
    }

    #[test]
    fn the_kernels_refusal_is_told() {
        let answer = Some(Errno::NOMEM);
        let fake = Fake {
            answer,
            ..Fake::default()
        };
        let buffers = DmaBufs::with_export(&memory(1), Box::new(fake));
        let error = buffers.create(0..8).unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), Errno::NOMEM.to_string());
    }

    proptest! {
        #[test]
        fn pages_hold_the_range_and_stay_inside(
            start in prop_oneof![0..100_usize, 3900..4200_usize, any::<usize>()],
            len in prop_oneof![0..100_usize, 4000..9000_usize, any::<usize>()],
            memory in prop_oneof![1..20_usize, Just(usize::MAX / 4096)],
        ) {
            let memory = memory * 4096;
            let end = start.saturating_add(len);
            let first = start as u128 / 4096 * 4096;
            let last = (end as u128).div_ceil(4096) * 4096;
            let is_one = start < end && last <= memory as u128;
            match pages_of(&(start..end), memory, 4096) {
                Ok(pages) => {
                    prop_assert!(is_one);
                    prop_assert_eq!((pages.start as u128, pages.end as u128), (first, last));
                }
                Err(_) => prop_assert!(!is_one),
            }
        }
    }
}

mod windows {
    use super::*;

    #[test]
    fn a_window_is_found_in_its_memory_and_in_no_other() {
        let (here, there) = (memory(4), memory(4));
        let buffers = DmaBufs::with_export(&here, Box::new(Fake::default()));
        let window = here.as_slice().subslice(page() + 3, 100).unwrap();
        assert_eq!(buffers.range_of(window), Some(page() + 3..page() + 103));
        assert_eq!(buffers.range_of(here.as_slice()), Some(0..4 * page()));
        assert_eq!(buffers.range_of(there.as_slice()), None);
        let same = SharedMemory::map_fd(here.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(buffers.range_of(same.as_slice()), None, "another mapping");
    }

    #[test]
    fn no_other_memory_takes_the_addresses_while_there_are_buffers() {
        let old = memory(4);
        let buffers = DmaBufs::with_export(&old, Box::new(Fake::default()));
        let address = old.as_slice().as_ptr().addr();
        drop(old);
        let new: Vec<SharedMemory> = (0..16).map(|_| memory(4)).collect();
        for memory in &new {
            assert_ne!(memory.as_slice().as_ptr().addr(), address);
            assert_eq!(buffers.range_of(memory.as_slice()), None);
        }
    }
}

mod kinds {
    use super::*;

    fn error_of(memory: &SharedMemory, device: &Path) -> DmaBufError {
        memory.dma_bufs_by(device).unwrap_err()
    }

    #[test]
    fn plain_files_have_none() {
        let folder = tempfile::tempdir().unwrap();
        for folder in [folder.path(), Path::new("/dev/shm")] {
            let file = tempfile::tempfile_in(folder).unwrap();
            file.set_len(page() as u64).unwrap();
            let memory = SharedMemory::map_fd(file.into()).unwrap();
            let error = error_of(&memory, Path::new("/dev/null"));
            assert_eq!(error, DmaBufError::NoSource, "{folder:?}");
            assert!(error.to_string().contains("memory-backend-memfd"));
        }
        let never = memfd(MemfdFlags::empty(), SealFlags::empty());
        assert_eq!(
            error_of(&never, Path::new("/dev/null")),
            DmaBufError::NoSource
        );
    }

    #[test]
    fn a_memfd_has_to_be_sealed_against_shrinking() {
        for seals in [SealFlags::empty(), SealFlags::GROW] {
            let memory = memfd(MemfdFlags::ALLOW_SEALING, seals);
            let error = error_of(&memory, Path::new("/dev/null"));
            assert_eq!(error, DmaBufError::Unsealed);
        }
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        let memory = memfd(MemfdFlags::ALLOW_SEALING, seals);
        assert!(memory.dma_bufs_by(Path::new("/dev/null")).is_ok());
    }

    #[test]
    fn seals_against_writing_are_refused() {
        for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
            let seals = Ok(SealFlags::SHRINK | seal);
            assert_eq!(check_seals(seals), Err(DmaBufError::WriteSealed));
        }
    }

    #[test]
    fn a_missing_device_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = error_of(&memory(1), &folder.path().join("udmabuf"));
        assert_eq!(
            error,
            DmaBufError::NoUdmabuf {
                source: Errno::NOENT
            }
        );
        assert!(error.to_string().contains("CONFIG_UDMABUF"), "{error}");
        let denied = DmaBufError::NoUdmabuf {
            source: Errno::ACCESS,
        };
        assert!(denied.to_string().contains("group kvm"), "{denied}");
    }

    #[test]
    fn a_device_of_another_kind_makes_none() {
        let buffers = memory(1).dma_bufs_by(Path::new("/dev/null")).unwrap();
        assert_eq!(buffers.source(), DmaBufSource::Udmabuf);
        let error = buffers.create(0..1).unwrap_err();
        let source = Errno::NOTTY;
        let doing = "making a DMA-BUF by /dev/udmabuf";
        assert_eq!(error, DmaBufError::System { doing, source });
        let null = File::open("/dev/null").unwrap();
        assert!(!kernel::is_kvmfr(null.as_fd()));
        assert_eq!(
            kernel::Kvmfr(null.into()).export(0, 4096).unwrap_err(),
            Errno::NOTTY
        );
    }
}

#[test]
fn what_is_no_buffer_cannot_be_prepared_for_the_cpu() {
    let buffers = DmaBufs::with_export(&memory(1), Box::new(Fake::default()));
    let buffer = buffers.create(0..1).unwrap();
    let error = buffer.access_by_cpu(CpuAccess::ReadWrite).unwrap_err();
    assert_eq!(error, Errno::NOTTY);
}

#[test]
fn the_kernels_limit_for_udmabuf_is_named_where_it_may_be_the_cause() {
    let is_named = |len, error| doing(DmaBufSource::Udmabuf, len, error).contains("size_limit_mb");
    assert!(is_named((64 << 20) + 4096, Errno::INVAL));
    assert!(!is_named(64 << 20, Errno::INVAL));
    assert!(!is_named(65 << 20, Errno::NOMEM));
}
