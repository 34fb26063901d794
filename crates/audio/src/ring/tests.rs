use proptest::prelude::*;

use super::*;

fn mono(capacity: usize) -> (Writer, Reader) {
    ring(Format::new(1, 48_000).expect("a usual format"), capacity)
}

fn read(reader: &mut Reader, frames: usize) -> Vec<f32> {
    // Anything that is left in place would be seen.
    let mut out = vec![-1.0; frames];
    assert_eq!(reader.read(&mut out).frames, frames);
    out
}

/// timing.md 11, first vector: a reader that starved loses what comes late and keeps its place.
#[test]
fn late_frames_are_dropped_and_the_latency_stays() {
    let (mut writer, mut reader) = mono(8);
    assert_eq!(writer.write(&[1.0, 2.0, 3.0]), 3);
    assert_eq!(read(&mut reader, 5), [1.0, 2.0, 3.0, 0.0, 0.0]);
    assert_eq!(writer.read_position() - writer.position(), 2);
    assert_eq!(writer.write(&[10.0, 11.0, 12.0, 13.0]), 4);
    assert_eq!(reader.available(), 2);
    assert_eq!(read(&mut reader, 2), [12.0, 13.0]);
}

/// timing.md 11, second vector, as T3 wants it: what does not fit is refused, and nothing is heard twice.
#[test]
fn what_does_not_fit_is_refused_and_nothing_is_replayed() {
    let (mut writer, mut reader) = mono(4);
    assert_eq!(writer.write(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 4);
    assert_eq!(writer.free(), 0);
    assert_eq!(read(&mut reader, 4), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(read(&mut reader, 2), [0.0, 0.0]);
    assert_eq!(writer.free(), 6);
}

#[test]
fn a_jump_is_silence_that_counts_as_written() {
    let (mut writer, mut reader) = mono(8);
    writer.write(&[1.0; 8]);
    reader.pass(8);
    writer.write(&[2.0]);
    assert_eq!(writer.jump(12), 12);
    writer.write(&[3.0]);
    let mut out = [-1.0; 6];
    let got = reader.read(&mut out);
    assert_eq!(out, [2.0, 0.0, 0.0, 0.0, 3.0, 0.0]);
    assert_eq!(got.silent, 1);
}

#[test]
fn a_jump_is_bounded_by_what_the_ring_holds_and_never_goes_back() {
    let (mut writer, mut reader) = mono(8);
    writer.write(&[1.0; 4]);
    assert_eq!(writer.jump(2), 4);
    assert_eq!(writer.jump(u64::MAX), 8);
    reader.pass(100);
    assert_eq!(writer.jump(50), 50);
    assert_eq!(writer.jump(u64::MAX), 108);
    assert_eq!(reader.available(), 8);
}

#[test]
fn a_skip_is_made_at_the_next_request_and_not_past_what_is_written() {
    let (mut writer, mut reader) = mono(8);
    writer.write(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(writer.skip_reader(3), 3);
    assert_eq!(writer.skip_reader(2), 3);
    assert_eq!(
        (writer.read_position(), writer.next_read_position()),
        (0, 3)
    );
    assert_eq!(writer.free(), 2, "what is to be skipped may be being read");
    let mut out = [-1.0; 2];
    let got = reader.read(&mut out);
    assert_eq!((out, got.skipped, got.silent), ([4.0, 5.0], 3, 0));
    assert_eq!(reader.position(), 5);
    assert_eq!(writer.skip_reader(u64::MAX), 6);
    assert_eq!(reader.read(&mut out).skipped, 1);
}

#[test]
fn a_part_of_a_frame_is_neither_written_nor_left_in_the_output() {
    let stereo = Format::new(2, 48_000).expect("a usual format");
    let (mut writer, mut reader) = ring(stereo, 3);
    assert_eq!(writer.capacity(), 4);
    assert_eq!(writer.write(&[1.0, 2.0, 3.0]), 1);
    let mut out = [-1.0; 5];
    let got = reader.read(&mut out);
    assert_eq!(
        (out, got.frames, got.silent),
        ([1.0, 2.0, 0.0, 0.0, 0.0], 2, 1)
    );
}

/// Positions beyond 32 bits, where the seed's index jumped (T2).
#[test]
fn positions_go_on_beyond_32_bits() {
    let (mut writer, mut reader) = mono(8);
    // On the way to u32::MAX, in steps that a reader may make.
    while reader.position() < u64::from(u32::MAX) - 4 {
        let left = u64::from(u32::MAX) - 4 - reader.position();
        reader.pass(usize::try_from(left).expect("64 bits").min(1 << 30));
    }
    writer.jump(reader.position());
    for value in 0..16 {
        writer.write(&[value as f32]);
        assert_eq!(read(&mut reader, 1), [value as f32]);
    }
    assert!(reader.position() > u64::from(u32::MAX));
}

/// The ring as its documentation tells it, over a map from position to frame.
#[derive(Default)]
struct Model {
    frames: std::collections::BTreeMap<u64, f32>,
    written: u64,
    read: u64,
    skip: u64,
}

impl Model {
    fn write(&mut self, samples: &[f32], capacity: u64) -> usize {
        let mut taken = 0;
        for &sample in samples {
            if self.written >= self.read + capacity {
                break;
            }
            self.frames.insert(self.written, sample);
            self.written += 1;
            taken += 1;
        }
        taken
    }

    fn read(&mut self, frames: usize) -> (Vec<f32>, Read) {
        let skipped = self.skip.saturating_sub(self.read);
        self.read += skipped;
        let all: Vec<Option<f32>> = (self.read..)
            .take(frames)
            .map(|at| (at < self.written).then(|| self.frames.get(&at).copied().unwrap_or(0.0)))
            .collect();
        let silent = all.iter().filter(|frame| frame.is_none()).count();
        self.read += frames as u64;
        let read = Read {
            frames,
            silent,
            skipped,
        };
        (
            all.into_iter().map(Option::unwrap_or_default).collect(),
            read,
        )
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Write(usize),
    Read(usize),
    Pass(usize),
    /// From W.
    Jump(i64),
    /// From R.
    Skip(i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..12usize).prop_map(Op::Write),
        (0..12usize).prop_map(Op::Read),
        (0..4usize).prop_map(Op::Pass),
        (-4..24i64).prop_map(Op::Jump),
        (-4..24i64).prop_map(Op::Skip),
    ]
}

proptest! {
    #[test]
    fn any_sequence_of_operations_does_what_the_plain_model_does(
        capacity in 1..9usize,
        ops in proptest::collection::vec(op(), 1..200),
    ) {
        let (mut writer, mut reader) = mono(capacity);
        let capacity = writer.capacity() as u64;
        let mut model = Model::default();
        let mut next = 1.0;
        for op in ops {
            match op {
                Op::Write(frames) => {
                    let samples: Vec<f32> = (0..frames).map(|index| next + index as f32).collect();
                    next += frames as f32;
                    prop_assert_eq!(writer.write(&samples), model.write(&samples, capacity));
                }
                Op::Read(frames) => {
                    let mut out = vec![-1.0; frames];
                    let got = reader.read(&mut out);
                    prop_assert_eq!((out, got), model.read(frames));
                }
                Op::Pass(frames) => prop_assert_eq!(reader.pass(frames), model.read(frames).1),
                Op::Jump(by) => {
                    let to = writer.position().saturating_add_signed(by);
                    let bound = to.min(model.read + capacity);
                    model.written = model.written.max(bound);
                    prop_assert_eq!(writer.jump(to), model.written);
                }
                Op::Skip(by) => {
                    let to = writer.read_position().saturating_add_signed(by);
                    model.skip = model.skip.max(to.min(model.written));
                    writer.skip_reader(to);
                }
            }
            prop_assert_eq!(writer.position(), model.written);
            prop_assert_eq!(writer.read_position(), model.read);
            prop_assert_eq!(reader.position(), model.read);
            let end = model.read + capacity;
            prop_assert_eq!(writer.free() as u64, end.saturating_sub(model.written));
        }
    }
}
