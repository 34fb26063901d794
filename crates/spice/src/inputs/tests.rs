use super::*;
use crate::wire::hex;

fn key(code: u8, is_extended: bool) -> Scancode {
    Scancode::new(code, is_extended).unwrap()
}

fn sent(act: impl FnOnce(&mut Inputs, Instant, &mut Output)) -> Vec<u8> {
    let mut out = Output::default();
    act(&mut Inputs::default(), Instant::now(), &mut out);
    out.pending().to_vec()
}

/// Takes the motions out of the queue: dx, dy, buttons.
fn motions(out: &mut Output) -> Vec<(i32, i32, u16)> {
    let mut reader = Reader::new(out.pending());
    let mut found = Vec::new();
    while !reader.rest().is_empty() {
        let kind = reader.u16().unwrap();
        let size = reader.length().unwrap();
        let mut payload = Reader::new(reader.take(size).unwrap());
        if kind == MOUSE_MOTION {
            found.push((
                payload.i32().unwrap(),
                payload.i32().unwrap(),
                payload.u16().unwrap(),
            ));
        }
    }
    out.advance(usize::MAX);
    found
}

fn sum(motions: &[(i32, i32, u16)]) -> (i32, i32) {
    motions
        .iter()
        .fold((0, 0), |sum, m| (sum.0 + m.0, sum.1 + m.1))
}

#[test]
fn captured_keys_are_written() {
    let a = sent(|inputs, now, out| {
        inputs.key(key(0x1e, false), true, now, out);
        inputs.key(key(0x1e, false), false, now, out);
    });
    assert_eq!(a, hex("6500 04000000 1e000000 6600 04000000 9e000000"));
    let right_ctrl = sent(|inputs, now, out| {
        inputs.key(key(0x1d, true), true, now, out);
        inputs.key(key(0x1d, true), false, now, out);
    });
    assert_eq!(
        right_ctrl,
        hex("6500 04000000 e01d0000 6600 04000000 e09d0000")
    );
    assert_eq!(Scancode::new(0, false), None);
    assert_eq!(Scancode::new(0x80, true), None);
}

#[test]
fn captured_pointer_messages_are_written() {
    let held = sent(|inputs, now, out| {
        inputs.button(MouseButton::Left, true, now, out);
        inputs.motion(5, -3, now, out);
        inputs.button(MouseButton::Left, false, now, out);
    });
    assert_eq!(
        held,
        hex("7100 03000000 01 0100  6f00 0a000000 05000000 fdffffff 0100  7200 03000000 01 0000")
    );
    let wheel = sent(|inputs, now, out| inputs.wheel(Wheel::Down, now, out));
    assert_eq!(wheel, hex("7100 03000000 05 0000 7200 03000000 05 0000"));
    let side = sent(|inputs, now, out| {
        inputs.button(MouseButton::Side, true, now, out);
        inputs.button(MouseButton::Side, false, now, out);
    });
    assert_eq!(side, hex("7100 03000000 06 2000 7200 03000000 06 0000"));
    let position = sent(|inputs, now, out| inputs.position(640, 400, 0, now, out));
    assert_eq!(position, hex("7000 0b000000 80020000 90010000 0000 00"));
}

#[test]
fn auto_repeat_and_strange_releases_send_nothing() {
    let bytes = sent(|inputs, now, out| {
        inputs.key(key(0x1e, false), false, now, out);
        inputs.key(key(0x1e, false), true, now, out);
        inputs.key(key(0x1e, false), true, now, out);
        inputs.button(MouseButton::Extra, false, now, out);
    });
    assert_eq!(bytes.len(), 10);
}

#[test]
fn release_all_releases_what_is_down_and_only_that() {
    let now = Instant::now();
    let mut inputs = Inputs::default();
    let mut out = Output::default();
    inputs.key(key(0x1d, false), true, now, &mut out);
    inputs.key(key(0x1d, true), true, now, &mut out);
    inputs.key(key(0x1e, false), true, now, &mut out);
    inputs.key(key(0x1e, false), false, now, &mut out);
    inputs.button(MouseButton::Right, true, now, &mut out);
    out.advance(usize::MAX);
    inputs.release_all(now, &mut out);
    let expected = "6600 04000000 9d000000 6600 04000000 e09d0000 7200 03000000 03 0000";
    assert_eq!(out.pending(), hex(expected));
    out.advance(usize::MAX);
    inputs.release_all(now, &mut out);
    assert!(out.pending().is_empty());
}

#[test]
fn buttons_lost_with_the_channel_are_released_when_it_is_back() {
    let now = Instant::now();
    let mut inputs = Inputs::default();
    let mut out = Output::default();
    inputs.key(key(0x1e, false), true, now, &mut out);
    inputs.button(MouseButton::Left, true, now, &mut out);
    inputs.lost();
    out.advance(usize::MAX);
    inputs.opened(&mut out);
    assert_eq!(out.pending(), hex("7200 03000000 01 0000"));
    out.advance(usize::MAX);
    // Lost before that was written: once more.
    inputs.lost();
    inputs.opened(&mut out);
    assert_eq!(out.pending(), hex("7200 03000000 01 0000"));
    out.advance(usize::MAX);
    inputs.drained();
    inputs.lost();
    inputs.opened(&mut out);
    inputs.release_all(now, &mut out);
    assert!(out.pending().is_empty());
}

#[test]
fn an_8_khz_mouse_sends_one_message_a_millisecond_and_nothing_is_lost() {
    let start = Instant::now();
    let mut inputs = Inputs::default();
    let mut out = Output::default();
    let mut all = Vec::new();
    for event in 0..8000_u32 {
        let now = start + Duration::from_micros(125) * event;
        inputs.motion(1, -1, now, &mut out);
        let new = motions(&mut out);
        all.extend_from_slice(&new);
        // The server acknowledges by fours.
        if !new.is_empty() && all.len().is_multiple_of(4) {
            inputs.acknowledged(now, &mut out);
            all.extend(motions(&mut out));
        }
    }
    inputs.tick(start + Duration::from_secs(2), &mut out);
    all.extend(motions(&mut out));
    assert_eq!(sum(&all), (8000, -8000));
    assert!(all.len() <= 1001, "{} messages", all.len());
}

#[test]
fn motion_stops_at_32_outstanding_and_goes_on_after_an_acknowledgement() {
    let start = Instant::now();
    let mut inputs = Inputs::default();
    let mut out = Output::default();
    for event in 0..100 {
        inputs.motion(1, 0, start + Duration::from_millis(2) * event, &mut out);
    }
    assert_eq!(motions(&mut out).len(), 32);
    let now = start + Duration::from_millis(300);
    inputs.acknowledged(now, &mut out);
    assert_eq!(motions(&mut out), [(68, 0, 0)]);
    assert_eq!(inputs.deadline(&out), None);
}

#[test]
fn two_seconds_without_acknowledgement_open_the_window_again() {
    let start = Instant::now();
    let mut inputs = Inputs::default();
    let mut out = Output::default();
    for event in 0..33 {
        inputs.motion(1, 0, start + Duration::from_millis(2) * event, &mut out);
    }
    assert_eq!(motions(&mut out).len(), 32);
    let deadline = inputs.deadline(&out).unwrap();
    assert_eq!(deadline, start + ACK_TIMEOUT);
    inputs.tick(deadline - Duration::from_millis(1), &mut out);
    assert!(motions(&mut out).is_empty());
    inputs.tick(deadline, &mut out);
    assert_eq!(motions(&mut out), [(1, 0, 0)]);
}

#[test]
fn large_motion_is_cut_into_steps_that_devices_can_report() {
    let now = Instant::now();
    for (dx, dy) in [(1000, -300), (128, 0), (-127, 127), (0, -1), (4064, 4064)] {
        let mut inputs = Inputs::default();
        let mut out = Output::default();
        inputs.motion(dx, dy, now, &mut out);
        let sent = motions(&mut out);
        assert!(sent.iter().all(|m| m.0.abs() <= 127 && m.1.abs() <= 127));
        assert!(sent.iter().all(|m| (m.0, m.1) != (0, 0)));
        assert_eq!(sum(&sent), (dx, dy));
    }
    let bytes = sent(|inputs, now, out| inputs.motion(0, 0, now, out));
    assert!(bytes.is_empty());
}

#[test]
fn motion_that_waits_goes_before_a_button() {
    let now = Instant::now();
    let mut inputs = Inputs::default();
    let mut out = Output::default();
    inputs.motion(1, 1, now, &mut out);
    inputs.motion(2, 2, now, &mut out);
    assert_eq!(motions(&mut out), [(1, 1, 0)]);
    inputs.button(MouseButton::Left, true, now, &mut out);
    let expected = "6f00 0a000000 02000000 02000000 0000 7100 03000000 01 0100";
    assert_eq!(out.pending(), hex(expected));
}

#[test]
fn motion_is_held_back_while_the_server_does_not_read() {
    let start = Instant::now();
    let mut inputs = Inputs::default();
    let mut out = Output::default();
    out.raw().resize(MOTION_QUEUE_BYTES, 0);
    inputs.motion(3, 4, start, &mut out);
    inputs.key(key(0x1e, false), true, start, &mut out);
    assert_eq!(out.pending().len(), MOTION_QUEUE_BYTES + 10);
    assert_eq!(inputs.deadline(&out), None);
    out.advance(usize::MAX);
    inputs.tick(start, &mut out);
    assert_eq!(motions(&mut out), [(3, 4, 0)]);
}

#[test]
fn the_guests_locks_are_read() {
    let locks = |bits: &str| InputsMessage::parse(102, &hex(bits));
    let caps = Locks {
        caps: true,
        ..Locks::default()
    };
    assert_eq!(locks("0400"), Ok(InputsMessage::Locks(caps)));
    assert!(locks("04").is_err());
    assert_eq!(Locks::from_wire(0xffff).to_wire(), 7);
    let mut out = Output::default();
    Inputs::set_locks(caps, &mut out);
    assert_eq!(out.pending(), hex("6700 02000000 0400"));
}
