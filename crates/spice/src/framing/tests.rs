use super::*;
use crate::wire::hex;

/// Runs `input` through in pieces of `step` bytes.
fn run(input: &[u8], step: usize) -> (Vec<(u16, Vec<u8>)>, Vec<u8>) {
    let mut framing = Framing::new(1000);
    let mut out = Output::default();
    let mut messages = Vec::new();
    for mut piece in input.chunks(step) {
        while let Some((kind, payload)) = framing.next(&mut piece, &mut out).unwrap() {
            let payload = payload.to_vec();
            if kind < FIRST_CHANNEL_TYPE
                && let Common::Window(window) = common(kind, &payload, &mut out).unwrap()
            {
                framing.set_window(window);
            }
            messages.push((kind, payload));
        }
        assert!(piece.is_empty());
    }
    (messages, out.pending().to_vec())
}

fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Output::default();
    out.message(kind, |p| p.put(payload));
    out.pending().to_vec()
}

#[test]
fn messages_come_out_whole_however_they_are_cut() {
    let input = [
        message(101, b"abc"),
        message(102, b""),
        message(103, &[7; 900]),
    ]
    .concat();
    let expected = vec![(101, b"abc".to_vec()), (102, vec![]), (103, vec![7; 900])];
    for step in [1, 2, 5, 6, 7, 100, 1000] {
        assert_eq!(run(&input, step).0, expected, "step {step}");
    }
}

#[test]
fn a_message_beyond_the_limit_is_refused_at_its_header() {
    let mut framing = Framing::new(1000);
    let mut input = &hex("6500 e9030000")[..];
    let result = framing.next(&mut input, &mut Output::default());
    let error = ChannelError::TooLarge {
        kind: 101,
        size: 1001,
        limit: 1000,
    };
    assert_eq!(result, Err(error));
}

#[test]
fn an_announced_size_is_not_allocated_before_it_comes() {
    let mut framing = Framing::new(256 << 20);
    let mut input = &hex("6500 00000010 00")[..];
    let result = framing.next(&mut input, &mut Output::default());
    assert_eq!(result, Ok(None));
    assert!(framing.payload.capacity() <= GROW_BYTES);
}

#[test]
fn every_20th_message_is_acknowledged_once() {
    // SET_ACK as captured: generation 1, window 20.
    let mut input = message(3, &hex("01000000 14000000"));
    for _ in 0..59 {
        input.extend(message(101, b"x"));
    }
    let mut expected = message(1, &hex("01000000"));
    expected.extend(message(2, b""));
    expected.extend(message(2, b""));
    assert_eq!(run(&input, 3).1, expected);
    input.extend(message(101, b"x"));
    expected.extend(message(2, b""));
    assert_eq!(run(&input, 3).1, expected);
}

#[test]
fn a_new_window_starts_counting_afresh_and_zero_means_none() {
    let mut input = message(3, &hex("01000000 03000000"));
    input.extend([message(101, b""), message(101, b"")].concat());
    input.extend(message(3, &hex("02000000 03000000")));
    input.extend([message(101, b""), message(101, b"")].concat());
    input.extend(message(3, &hex("03000000 00000000")));
    for _ in 0..10 {
        input.extend(message(101, b""));
    }
    let expected = [
        message(1, &hex("01000000")),
        message(1, &hex("02000000")),
        message(1, &hex("03000000")),
    ];
    assert_eq!(run(&input, 100).1, expected.concat());
}

#[test]
fn the_ack_goes_out_when_the_header_has_been_read() {
    let mut framing = Framing::new(1000);
    framing.set_window(1);
    let mut out = Output::default();
    let mut input = &hex("6500 04000000 00")[..];
    assert_eq!(framing.next(&mut input, &mut out), Ok(None));
    assert_eq!(out.pending(), message(2, b""));
}

#[test]
fn a_pong_carries_id_and_time_but_no_filler() {
    let mut ping = hex("01000000 1122334455667788");
    let expected = message(3, &ping);
    ping.extend([0; 500]);
    assert_eq!(run(&message(4, &ping), 7).1, expected);
}

#[test]
fn the_captured_notify_is_read() {
    let payload = hex("e197de81f5000000 01000000 02000000 00000000 1c000000
         6b6579626f617264206368616e6e656c20697320696e736563757265 00");
    let expected = Common::Notify {
        severity: 1,
        text: "keyboard channel is insecure".into(),
    };
    let mut out = Output::default();
    assert_eq!(common(7, &payload, &mut out), Ok(expected.clone()));
    // Tolerant of the missing NUL.
    assert_eq!(
        common(7, &payload[..payload.len() - 1], &mut out),
        Ok(expected)
    );
    assert!(common(7, &payload[..20], &mut out).is_err());
}

#[test]
fn migration_and_disconnecting_end_the_channel() {
    let mut out = Output::default();
    assert_eq!(common(1, &[], &mut out), Err(ChannelError::Migrating));
    let payload = hex("0000000000000000 03000000");
    assert_eq!(
        common(6, &payload, &mut out),
        Err(ChannelError::Disconnecting(3))
    );
    assert_eq!(common(99, &[1, 2], &mut out), Ok(Common::Done));
}

#[test]
fn output_keeps_order_and_place_across_partial_writes() {
    let mut out = Output::default();
    let mut expected = Vec::new();
    let mut written = Vec::new();
    for round in 0..2000_u16 {
        out.message(round, |p| p.put(&[round as u8; 100]));
        expected.extend(message(round, &[round as u8; 100]));
        let now = out.pending().len().min(97);
        written.extend_from_slice(&out.pending()[..now]);
        out.advance(now);
    }
    written.extend_from_slice(out.pending());
    assert_eq!(written, expected);
}
