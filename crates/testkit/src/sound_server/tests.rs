use std::time::{Duration, Instant};

use super::*;

/// What is recorded of a source that such a tone is played into.
const TONE: Tone = Tone {
    hz: 1000.0,
    amplitude: 0.5,
    seconds: 3.0,
    rate_hz: 48_000,
    channels: 2,
};

fn assert_is_tone(samples: &[f32]) {
    let first = samples.iter().step_by(2).position(|sample| *sample != 0.0);
    // The tone's first sample is 0.
    let first = first.expect("some sound") - 1;
    let heard: Vec<f32> = samples.iter().step_by(2).skip(first).copied().collect();
    assert!(heard.len() > 24_000, "only {} frames of it", heard.len());
    for (frame, sample) in heard.iter().enumerate().take(24_000) {
        let wanted = TONE.at(frame as f64);
        assert!(
            (sample - wanted).abs() < 1e-6,
            "{sample}, not {wanted}, at {frame}"
        );
    }
}

#[test]
fn pipewire_is_up_at_once_and_records_what_is_played_into_its_source() {
    let start = Instant::now();
    let Some(server) = PipeWire::start().expect("a server") else {
        return;
    };
    let up = start.elapsed();
    let recording = server.record(SOURCE, 48_000, 2).expect("a recording");
    let _player = server.play_into_source(TONE).expect("a player");
    assert!(
        recording.wait_for_more(48_000, LIMIT),
        "{}",
        recording.output()
    );
    let heard = recording.samples();
    assert!(
        heard.iter().any(|sample| *sample > 0.49),
        "nothing was heard"
    );
    println!("up in {up:?}");
    assert!(up < Duration::from_secs(5), "up only after {up:?}");
}

#[test]
fn pulseaudio_is_up_at_once_and_records_what_is_played_into_its_source() {
    let start = Instant::now();
    let Some(server) = PulseAudio::start().expect("a server") else {
        return;
    };
    let up = start.elapsed();
    let recording = server.record(SOURCE, 48_000, 2).expect("a recording");
    let _player = server.play_into_source(TONE).expect("a player");
    assert!(
        recording.wait_for_more(72_000, LIMIT),
        "{}",
        recording.output()
    );
    assert_is_tone(&recording.samples());
    println!("up in {up:?}");
    assert!(up < Duration::from_secs(5), "up only after {up:?}");
}

#[test]
fn pipewire_comes_back_and_its_sinks_come_and_go() {
    let Some(mut server) = PipeWire::start_with_pulse().expect("a server") else {
        return;
    };
    server.add_sink("second").expect("a second sink");
    server.set_default_sink("second").expect("a new default");
    server.remove("second").expect("its end");
    server.force_quantum(256).expect("a quantum");
    server.kill();
    assert!(!server.socket().exists());
    server.restart().expect("the server again");
    server.record(SINK, 48_000, 2).expect("a recording");
}

#[test]
fn pulseaudio_comes_back_and_its_sinks_come_and_go() {
    let Some(mut server) = PulseAudio::start().expect("a server") else {
        return;
    };
    server.add_sink("second").expect("a second sink");
    server.set_default_sink("second").expect("a new default");
    server.remove("second").expect("its end");
    server.kill();
    server.restart().expect("the server again");
    server.record(SINK, 48_000, 2).expect("a recording");
}
