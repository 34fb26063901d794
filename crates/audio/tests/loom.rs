//! Ring and hand-overs under loom: every interleaving with at most three preemptions (two for the ticks), of the memory orders that they name.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p audio --test loom --release`
//!
//! loom remembers one last access per word, so a thread that loads a word and then stores it hides the loads of others
//! before that. Therefore the side that mostly loads is the spawned one here, as in lgmp's models. Nor does a load ever
//! see a later store: that the reader's position is published after its cells were loaded is beyond these models. Every
//! other order of ring and ticks was weakened once and found.
#![cfg(loom)]

use audio::{Counters, Format, Phase, Tick, capture, ring, stream, ticks};
use clock::Nanos;

fn model(work: impl Fn() + Sync + Send + 'static) {
    model_with(3, work);
}

fn model_with(preemptions: usize, work: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(work);
}

fn mono() -> Format {
    Format::new(1, 48_000).expect("a usual format")
}

/// What lies at a position, if anything does.
fn sample(position: u64) -> f32 {
    position as f32 + 1.0
}

#[test]
fn each_frame_is_heard_at_its_own_position_or_not_at_all() {
    model(|| {
        let (mut writer, mut reader) = ring(mono(), 2);
        let heard = loom::thread::spawn(move || {
            for _ in 0..3 {
                let mut out = [-1.0; 2];
                let start = reader.position();
                let got = reader.read(&mut out);
                for (index, &heard) in out.iter().enumerate() {
                    let expected = match index < 2 - got.silent {
                        true => sample(start + index as u64),
                        false => 0.0,
                    };
                    assert_eq!(heard, expected, "position {start} + {index}");
                }
            }
        });
        for _ in 0..3 {
            let position = writer.position();
            writer.write(&[sample(position), sample(position + 1)]);
        }
        heard.join().expect("a thread");
    });
}

#[test]
fn jumps_and_skips_leave_silence_and_no_stale_frame() {
    model(|| {
        let (mut writer, mut reader) = ring(mono(), 2);
        let heard = loom::thread::spawn(move || {
            for _ in 0..3 {
                let mut out = [-1.0; 1];
                let got = reader.read(&mut out);
                let position = reader.position() - 1;
                // The jump below is over position 1, wherever the reader is.
                let is_heard = got.silent == 0 && position != 1;
                let expected = if is_heard { sample(position) } else { 0.0 };
                assert_eq!(out, [expected], "position {position}");
                if got.skipped > 0 {
                    assert_eq!(got.silent, 0, "a skip starves nobody");
                }
            }
        });
        writer.write(&[sample(0)]);
        writer.jump(2);
        if writer.position() == 2 {
            writer.write(&[sample(2)]);
        }
        // The last frame written stays to be heard.
        writer.skip_reader(writer.position() - 1);
        heard.join().expect("a thread");
    });
}

#[test]
fn ticks_arrive_whole_in_order_or_are_counted_as_missed() {
    /// One more than the slots of a model.
    const SENT: u64 = 3;
    fn tick(number: u64) -> Tick {
        Tick {
            at: Nanos(number.cast_signed()),
            frames: u32::try_from(number).expect("few"),
            consumed: number,
            position: number,
        }
    }
    // Seven words for each tick: a third preemption takes minutes.
    model_with(2, || {
        let (mut sender, mut receiver) = ticks();
        let received = loom::thread::spawn(move || {
            let mut count = 0;
            for _ in 0..2 {
                if let Some(got) = receiver.receive() {
                    assert_eq!(got, tick(count + receiver.missed()));
                    count += 1;
                }
            }
            (receiver, count)
        });
        for number in 0..SENT {
            sender.send(tick(number));
        }
        let (mut receiver, mut count) = received.join().expect("a thread");
        while let Some(got) = receiver.receive() {
            assert_eq!(got, tick(count + receiver.missed()));
            count += 1;
        }
        assert_eq!(count + receiver.missed(), SENT);
    });
}

#[test]
fn what_was_written_before_a_phase_is_there_in_it() {
    model(|| {
        let (mut feed, mut pull) = stream(mono(), 4);
        let device = loom::thread::spawn(move || {
            let mut out = [-1.0; 1];
            pull.pull(&mut out, Nanos(0));
            out
        });
        feed.writer.write(&[sample(0)]);
        feed.set_phase(Phase::Run);
        let out = device.join().expect("a thread");
        match feed.counters().phase {
            Phase::Run => assert_eq!(out, [sample(0)]),
            _ => assert_eq!(out, [0.0]),
        }
    });
}

#[test]
fn who_sees_a_drain_sees_where_it_ended() {
    model(|| {
        let (mut feed, mut pull) = stream(mono(), 2);
        feed.writer.write(&[sample(0), sample(1)]);
        feed.set_phase(Phase::Drain);
        let watcher = loom::thread::spawn(move || {
            let Counters { is_drained, .. } = feed.counters();
            let ticks = std::iter::from_fn(|| feed.next_tick()).count();
            if is_drained {
                assert!(feed.writer.read_position() >= 2);
                assert!(ticks >= 1, "the ticks of the drain are there too");
            }
        });
        for _ in 0..2 {
            let mut out = [-1.0; 1];
            pull.pull(&mut out, Nanos(0));
            assert_ne!(out, [0.0]);
        }
        watcher.join().expect("a thread");
    });
}

#[test]
fn a_recording_arrives_in_order_without_silence_in_it() {
    model(|| {
        let (mut push, mut capture) = capture(mono(), 2);
        let taken = loom::thread::spawn(move || {
            let mut all = Vec::new();
            for _ in 0..2 {
                let mut out = [-1.0; 2];
                let frames = capture.take(&mut out);
                all.extend_from_slice(&out[..frames]);
            }
            (capture, all)
        });
        for number in 0..3 {
            push.push(&[sample(number)]);
        }
        let (mut capture, mut all) = taken.join().expect("a thread");
        let mut out = [-1.0; 2];
        let frames = capture.take(&mut out);
        all.extend_from_slice(&out[..frames]);
        assert_eq!(all.len() as u64 + capture.dropped(), 3);
        assert!(all.iter().is_sorted() && !all.contains(&0.0), "{all:?}");
        assert_eq!(all[..2], [sample(0), sample(1)]);
    });
}
