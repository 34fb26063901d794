use std::sync::atomic::Ordering;

use super::*;
use crate::SharedMemory;

fn memory() -> SharedMemory {
    SharedMemory::create("slice", 8192).unwrap()
}

#[test]
fn a_range_that_leaves_the_window_is_refused_with_its_numbers() {
    let memory = memory();
    let window = memory.as_slice().subslice(4096, 100).unwrap();
    let refused = |offset, len| AccessError::OutOfBounds {
        offset,
        len,
        window: 100,
    };
    assert_eq!(window.copy_to(90, &mut [0; 11]), Err(refused(90, 11)));
    assert_eq!(window.copy_from(101, &[]), Err(refused(101, 0)));
    assert_eq!(window.zero(usize::MAX, 2), Err(refused(usize::MAX, 2)));
    assert_eq!(window.read::<u64>(93), Err(refused(93, 8)));
    assert_eq!(window.write(97, &0_u32), Err(refused(97, 4)));
    assert_eq!(window.subslice(1, 100).err(), Some(refused(1, 100)));
    assert_eq!(window.atomic_u8(100).err(), Some(refused(100, 1)));
    assert_eq!(window.atomic_u32(97).err(), Some(refused(97, 4)));
    assert_eq!(
        window.atomic_u64(usize::MAX - 3).err(),
        Some(refused(usize::MAX - 3, 8))
    );
    assert_eq!(window.copy_to(100, &mut []), Ok(()));
}

#[test]
fn a_misaligned_atomic_is_refused() {
    let memory = memory();
    // Alignment counts by address, not by offset into the window.
    let window = memory.as_slice().subslice(2, 100).unwrap();
    let misaligned = |offset, size| Some(AccessError::Misaligned { offset, size });
    assert_eq!(window.atomic_u32(0).err(), misaligned(0, 4));
    assert!(window.atomic_u32(2).is_ok());
    assert_eq!(window.atomic_u64(2).err(), misaligned(2, 8));
    assert!(window.atomic_u64(6).is_ok());
    assert!(window.atomic_u8(3).is_ok());
}

#[test]
fn values_and_atomics_see_the_same_bytes() {
    let memory = memory();
    let window = memory.as_slice();
    window.write(8, &0x1122_3344_u32).unwrap();
    let word = window.atomic_u32(8).unwrap();
    assert_eq!(word.load(Ordering::Relaxed), 0x1122_3344);
    word.store(7, Ordering::Relaxed);
    assert_eq!(window.read::<u32>(8), Ok(7));
    assert_eq!(window.read::<[u8; 3]>(7), Ok([0, 7, 0]));
}

#[test]
fn rows_that_leave_either_side_or_overlap_are_refused() {
    let memory = memory();
    let window = memory.as_slice().subslice(0, 1000).unwrap();
    let rows = Rows {
        rows: 10,
        row_bytes: 10,
        src_pitch: 110,
        dst_pitch: 20,
    };
    // The last row needs its own bytes only, not a whole pitch.
    assert_eq!(window.read_rows(0, &rows, &mut [0; 190]), Ok(()));
    let refused = |offset, len, window| {
        Err(AccessError::OutOfBounds {
            offset,
            len,
            window,
        })
    };
    assert_eq!(
        window.read_rows(1, &rows, &mut [0; 190]),
        refused(1, 1000, 1000)
    );
    assert_eq!(
        window.read_rows(0, &rows, &mut [0; 189]),
        refused(0, 190, 189)
    );
    assert_eq!(
        window.write_rows(0, &rows, &[0; 999], Stores::Auto),
        refused(0, 1000, 999)
    );
    assert_eq!(
        window.write_rows(811, &rows, &[0; 1000], Stores::Auto),
        refused(811, 190, 1000)
    );
    assert_eq!(
        window.copy_rows_to(0, &rows, window, 811, Stores::Auto),
        refused(811, 190, 1000)
    );
    let overlapping = Rows {
        dst_pitch: 9,
        ..rows
    };
    assert_eq!(
        window.read_rows(0, &overlapping, &mut [0; 1000]),
        Err(AccessError::Overlapping {
            row_bytes: 10,
            pitch: 9
        })
    );
}

#[test]
fn an_extent_that_overflows_is_refused() {
    let memory = memory();
    let rows = Rows {
        rows: usize::MAX,
        row_bytes: 2,
        src_pitch: usize::MAX,
        dst_pitch: 2,
    };
    assert_eq!(rows.src_len(), None);
    assert!(memory.as_slice().read_rows(0, &rows, &mut [0; 8]).is_err());
    assert!(
        memory
            .as_slice()
            .write_rows(0, &rows, &[0; 8], Stores::Auto)
            .is_err()
    );
}

#[test]
fn no_rows_copy_nothing_anywhere_inside() {
    let memory = memory();
    let rows = Rows {
        rows: 0,
        row_bytes: 5,
        src_pitch: 5,
        dst_pitch: 5,
    };
    assert_eq!(memory.as_slice().read_rows(8192, &rows, &mut []), Ok(()));
    assert!(memory.as_slice().read_rows(8193, &rows, &mut []).is_err());
}

#[test]
fn caching_follows_into_subslices() {
    let memory = memory();
    let combined = memory.as_slice().with_caching(Caching::WriteCombined);
    assert_eq!(memory.as_slice().caching(), Caching::WriteBack);
    assert_eq!(
        combined.subslice(8, 8).unwrap().caching(),
        Caching::WriteCombined
    );
}
