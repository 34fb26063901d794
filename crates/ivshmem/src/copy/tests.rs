use proptest::prelude::*;

use super::*;
use crate::{SharedMemory, SharedSlice};

/// Memory whose every byte tells its place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 + 1).collect()
}

/// What a copy of rows has to give, byte by byte.
fn naive(from: &[u8], into: &mut [u8], rows: &Rows) {
    for row in 0..rows.rows {
        for at in 0..rows.row_bytes {
            into[row * rows.dst_pitch + at] = from[row * rows.src_pitch + at];
        }
    }
}

/// All of a window, byte by byte.
fn bytes(window: SharedSlice<'_>) -> Vec<u8> {
    (0..window.len())
        .map(|at| window.read::<u8>(at).unwrap())
        .collect()
}

fn shapes() -> impl Strategy<Value = (Rows, usize, usize)> {
    let row_bytes = prop_oneof![0..40_usize, 40..600_usize, 1000..1400_usize];
    (
        0..7_usize,
        row_bytes,
        0..130_usize,
        0..130_usize,
        0..70_usize,
        0..70_usize,
    )
        .prop_map(
            |(rows, row_bytes, src_gap, dst_gap, src_offset, dst_offset)| {
                let rows = Rows {
                    rows,
                    row_bytes,
                    // Every third shape is one run, which takes the fast path.
                    src_pitch: row_bytes + if src_gap % 3 == 0 { 0 } else { src_gap },
                    dst_pitch: row_bytes + if src_gap % 3 == 0 { 0 } else { dst_gap },
                };
                (rows, src_offset, dst_offset)
            },
        )
}

fn stores() -> impl Strategy<Value = Stores> {
    prop_oneof![
        Just(Stores::Auto),
        Just(Stores::Cached),
        Just(Stores::Streaming)
    ]
}

fn caching() -> impl Strategy<Value = Caching> {
    prop_oneof![
        Just(Caching::WriteBack),
        Just(Caching::WriteCombined),
        Just(Caching::Uncached)
    ]
}

proptest! {
    #[test]
    fn copies_in_all_directions_equal_the_naive_ones(
        (rows, src_offset, dst_offset) in shapes(),
        stores in stores(),
        caching in caching(),
    ) {
        let (src_len, dst_len) = (rows.src_len().unwrap(), rows.dst_len().unwrap());
        let source = pattern(src_offset + src_len + 70);
        let first = SharedMemory::create("copy-from", 65536).unwrap();
        let second = SharedMemory::create("copy-into", 65536).unwrap();
        let from = first.as_slice().subslice(0, source.len()).unwrap().with_caching(caching);
        let into = second.as_slice().subslice(0, dst_offset + dst_len + 70).unwrap().with_caching(caching);
        from.copy_from(0, &source).unwrap();
        prop_assert_eq!(bytes(from), source.as_slice());

        let mut wanted = vec![0; into.len()];
        naive(&source[src_offset..], &mut wanted[dst_offset..], &rows);

        let mut read = vec![0; into.len()];
        from.read_rows_with(src_offset, &rows, &mut read[dst_offset..], stores).unwrap();
        prop_assert_eq!(&read, &wanted);

        into.write_rows(dst_offset, &rows, &source[src_offset..], stores).unwrap();
        prop_assert_eq!(bytes(into), wanted.as_slice());

        into.zero(0, into.len()).unwrap();
        prop_assert_eq!(bytes(into), vec![0; into.len()]);

        from.copy_rows_to(src_offset, &rows, into, dst_offset, stores).unwrap();
        prop_assert_eq!(bytes(into), wanted);
    }
}

#[test]
fn every_length_and_alignment_around_the_kernels_limits_copies_exactly() {
    let memory = SharedMemory::create("lengths", 16384).unwrap();
    let source = pattern(4096);
    let shared = memory.as_slice();
    let lengths = (0..34)
        .chain(496..530)
        .chain(1020..1030)
        .chain([2048, 4000]);
    for len in lengths {
        for at in [0, 1, 7, 16, 33, 63, 64] {
            for stores in [Stores::Cached, Stores::Streaming] {
                shared.zero(0, 8192).unwrap();
                let rows = Rows::single(len);
                shared
                    .write_rows(at, &rows, &source[..len], stores)
                    .unwrap();
                let mut back = vec![0; at + len + 64];
                shared.copy_to(0, &mut back).unwrap();
                assert!(back[..at].iter().all(|&byte| byte == 0), "{len} at {at}");
                assert_eq!(back[at..at + len], source[..len], "{len} at {at}");
                assert!(
                    back[at + len..].iter().all(|&byte| byte == 0),
                    "{len} at {at}"
                );
            }
        }
    }
}

#[test]
fn a_large_automatic_copy_streams_and_arrives_whole() {
    let len = STREAM_WRITES_FROM + 4096 + 13;
    let memory = SharedMemory::create("large", len).unwrap();
    let source = pattern(len);
    memory.as_slice().copy_from(0, &source).unwrap();
    let mut back = vec![0; len];
    memory.as_slice().copy_to(0, &mut back).unwrap();
    assert!(back == source);
}

#[test]
fn stores_are_chosen_by_direction_and_total() {
    let at = |stores, total| Plan::reading(&Rows::single(total), stores, Caching::WriteBack);
    assert!(!at(Stores::Auto, STREAM_READS_FROM - 1).stream_stores);
    assert!(at(Stores::Auto, STREAM_READS_FROM).stream_stores);
    assert!(!at(Stores::Cached, STREAM_READS_FROM).stream_stores);
    assert!(at(Stores::Streaming, STREAM_ROW).stream_stores);
    let at = |total| {
        let rows = Rows::single(total);
        Plan::writing(&rows, Stores::Auto, Caching::WriteBack, Caching::WriteBack)
    };
    assert!(!at(STREAM_READS_FROM).stream_stores);
    assert!(at(STREAM_WRITES_FROM).stream_stores);
    assert_eq!(Stores::for_writing(STREAM_READS_FROM), Stores::Cached);
    assert_eq!(Stores::for_reading(STREAM_READS_FROM), Stores::Streaming);
}

#[test]
fn short_rows_are_never_streamed_but_one_run_of_them_is() {
    let mut rows = Rows {
        rows: 100,
        row_bytes: 64,
        src_pitch: 64,
        dst_pitch: 64,
    };
    assert!(Plan::reading(&rows, Stores::Streaming, Caching::WriteBack).stream_stores);
    rows.dst_pitch = 128;
    assert!(!Plan::reading(&rows, Stores::Streaming, Caching::WriteBack).stream_stores);
}

#[test]
fn streamed_copies_and_copies_into_write_combined_memory_end_with_a_fence() {
    let rows = Rows::single(4096);
    let (cached, combined) = (Caching::WriteBack, Caching::WriteCombined);
    assert!(Plan::writing(&rows, Stores::Streaming, cached, cached).fence);
    assert!(Plan::writing(&rows, Stores::Cached, cached, combined).fence);
    assert!(!Plan::writing(&rows, Stores::Cached, cached, cached).fence);
    assert!(Plan::reading(&rows, Stores::Cached, combined).stream_loads);
    assert!(!Plan::reading(&rows, Stores::Cached, cached).stream_loads);
}
