//! The PipeWire device on a real server: what is played is what comes out, whatever happens to the server.
#![cfg(feature = "pipewire")]

mod sound;

use std::time::{Duration, Instant};

use audio::device::pipewire::PipeWire;
use audio::device::{Backend as _, DeviceError, DeviceEvent};
use sound::{
    LIMIT, Playing, assert_heard, capture_request, events, format, numbers, record_more, request,
};
use testkit::sound_server::{self, SINK, SOURCE, Tone};

/// A server and the backend that connects to it; `None` has been said loudly.
fn start() -> Option<(sound_server::PipeWire, PipeWire)> {
    let server = sound_server::PipeWire::start().expect("a server")?;
    let backend = PipeWire::at(server.socket());
    Some((server, backend))
}

#[test]
fn each_frame_comes_out_exactly_once_in_the_period_asked_for() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    for period in [256, 2048] {
        let recording = server.record(SINK, 48_000, 2).expect("a recording");
        let mut playing =
            Playing::open(&mut backend, &request(format(2, 48_000), period)).expect("a device");
        // The graph settles on the period first.
        playing.ticks(10);
        let (frames, step) = Playing::usual(&playing.ticks(40), format(2, 48_000));
        assert_eq!(frames, period);
        assert!((step - f64::from(period)).abs() < 1.0, "{step} frames");
        assert_eq!(playing.device.timing().max_period_frames, period);
        assert!(playing.device.latency().is_some());
        assert_heard(&recording);
        assert_eq!(numbers(&recording.samples()).first(), Some(&Some(0)));
    }
}

#[test]
fn a_quantum_that_changes_is_followed_without_a_break() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    let recording = server.record(SINK, 48_000, 2).expect("a recording");
    let mut playing =
        Playing::open(&mut backend, &request(format(2, 48_000), 512)).expect("a device");
    for quantum in [1024, 128, 2048, 256] {
        server.force_quantum(quantum).expect("a quantum");
        let is_followed = testkit::wait_until(LIMIT, || {
            let ticks = playing.ticks(1);
            ticks.iter().all(|tick| tick.frames == quantum)
        });
        assert!(is_followed, "{quantum} is not asked for");
        playing.ticks(20);
    }
    assert_eq!(playing.device.timing().max_period_frames, 2048);
    assert_eq!(playing.feed.counters().underruns, 0);
    // A monitor is read one cycle later, and then only for as long as that one is: something is lost on the way to the recorder
    // when the quantum shrinks, but what comes is right.
    assert_heard(&recording);
}

#[test]
fn a_rate_that_the_server_does_not_have_is_asked_for_in_its_own_frames() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    let recording = server.record(SINK, 48_000, 2).expect("a recording");
    let request = request(format(1, 44_100), 441);
    let mut playing = Playing::open(&mut backend, &request).expect("a device");
    playing.ticks(20);
    let ticks = playing.ticks(200);
    let (_, step) = Playing::usual(&ticks, request.format);
    let frames: f64 = ticks.iter().map(|tick| f64::from(tick.frames)).sum();
    let mean = frames / ticks.len() as f64;
    assert!((mean / step - 1.0).abs() < 0.002, "{mean} frames in {step}");
    let samples = record_more(&recording, 24_000);
    let (frames, _) = samples.as_chunks::<2>();
    assert!(frames.iter().any(|[left, _]| *left > 0.01));
    // One channel is heard on both sides.
    assert!(frames.iter().all(|[left, right]| left == right));
}

#[test]
fn a_sink_that_goes_hands_the_stream_to_another_and_playing_goes_on() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    server.add_sink("second").expect("a second sink");
    let mut request = request(format(2, 48_000), 256);
    request.target = Some("second".to_owned());
    let recording = server.record(SINK, 48_000, 2).expect("a recording");
    let second = server.record("second", 48_000, 2).expect("a recording");
    let mut playing = Playing::open(&mut backend, &request).expect("a device");
    playing.ticks(40);
    assert_heard(&second);
    assert!(numbers(&recording.samples()).is_empty());

    server.remove("second").expect("its end");
    assert_heard(&recording);
    let happened: Vec<_> = playing.events.try_iter().collect();
    assert_eq!(happened, [DeviceEvent::Moved]);
}

#[test]
fn a_new_default_takes_the_stream_along() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    server.add_sink("second").expect("a second sink");
    let recording = server.record("second", 48_000, 2).expect("a recording");
    let mut playing =
        Playing::open(&mut backend, &request(format(2, 48_000), 256)).expect("a device");
    playing.ticks(20);
    server.set_default_sink("second").expect("a new default");
    assert_heard(&recording);
}

#[test]
fn a_device_that_is_not_there_is_replaced_by_the_default() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    let recording = server.record(SINK, 48_000, 2).expect("a recording");
    let mut request = request(format(2, 48_000), 256);
    request.target = Some("no such sink".to_owned());
    let mut playing = Playing::open(&mut backend, &request).expect("a device");
    playing.ticks(20);
    assert_heard(&recording);
}

#[test]
fn a_killed_server_is_told_at_once_and_used_again_when_it_is_back() {
    let Some((mut server, mut backend)) = start() else {
        return;
    };
    let request = request(format(2, 48_000), 256);
    let mut playing = Playing::open(&mut backend, &request).expect("a device");
    playing.ticks(20);
    server.kill();
    let killed = Instant::now();
    let event = playing.events.recv_timeout(LIMIT).expect("an event");
    assert!(matches!(event, DeviceEvent::Lost(_)), "{event:?}");
    let told = killed.elapsed();
    drop(playing);
    println!("told after {told:?}, closed after {:?}", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(1), "after {told:?}");

    let error = Playing::open(&mut backend, &request).err();
    assert!(
        matches!(error, Some(DeviceError::NoServer { .. })),
        "{error:?}"
    );
    server.restart().expect("the server again");
    let recording = server.record(SINK, 48_000, 2).expect("a recording");
    let mut playing = Playing::open(&mut backend, &request).expect("a device");
    playing.ticks(20);
    assert_heard(&recording);
}

#[test]
fn no_server_is_an_error_at_once() {
    let folder = tempfile_free_path();
    let start = Instant::now();
    let error = Playing::open(&mut PipeWire::at(folder), &request(format(2, 48_000), 256)).err();
    println!("{error:?} after {:?}", start.elapsed());
    assert!(
        matches!(error, Some(DeviceError::NoServer { .. })),
        "{error:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(1));
}

fn tempfile_free_path() -> std::path::PathBuf {
    std::env::temp_dir().join("no-such-folder/pipewire-0")
}

#[test]
fn a_server_that_hangs_is_an_error_in_two_seconds() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    server.freeze();
    let start = Instant::now();
    let error = Playing::open(&mut backend, &request(format(2, 48_000), 256)).err();
    assert!(matches!(error, Some(DeviceError::Late { .. })), "{error:?}");
    let took = start.elapsed();
    assert!(took < Duration::from_millis(2500), "{took:?}");
}

#[test]
fn closing_at_a_server_that_hangs_is_quick() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    let mut playing =
        Playing::open(&mut backend, &request(format(2, 48_000), 256)).expect("a device");
    playing.ticks(3);
    server.freeze();
    playing.device.set_volume(&[0.5, 0.5], false);
    let start = Instant::now();
    drop(playing);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_server_without_any_sink_refuses() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    server.remove(SINK).expect("its end");
    let error = Playing::open(&mut backend, &request(format(2, 48_000), 256)).err();
    println!("{error:?}");
    assert!(
        matches!(
            error,
            Some(DeviceError::Refused { .. } | DeviceError::Late { .. })
        ),
        "{error:?}"
    );
}

#[test]
fn names_with_a_zero_byte_are_refused() {
    let mut request = request(format(2, 48_000), 256);
    request.target = Some("a\0b".to_owned());
    let error = Playing::open(&mut PipeWire::new(), &request).err();
    assert!(
        matches!(error, Some(DeviceError::Request { .. })),
        "{error:?}"
    );
}

#[test]
fn volume_and_mute_are_heard() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    let recording = server.record(SINK, 48_000, 2).expect("a recording");
    let mut playing =
        Playing::open(&mut backend, &request(format(2, 48_000), 256)).expect("a device");
    let peak_is = |wanted: &dyn Fn(f32, f32) -> bool| {
        testkit::wait_until(LIMIT, || {
            let samples = record_more(&recording, 480);
            let (frames, _) = samples.as_chunks::<2>();
            frames
                .last()
                .is_some_and(|[left, right]| wanted(*left, *right))
        })
    };
    // As it is: the right channel has half of the left one.
    assert!(peak_is(&|left, right| left > 0.0 && right == left / -2.0));
    playing.device.set_volume(&[0.25, 1.0], false);
    assert!(peak_is(
        &|left, right| left > 0.0 && (right / left + 2.0).abs() < 0.001
    ));
    playing.device.set_volume(&[0.25, 1.0], true);
    assert!(peak_is(&|left, right| left == 0.0 && right == 0.0));
    playing.device.set_volume(&[1.0, 1.0], false);
    assert!(peak_is(&|left, right| left > 0.0 && right == left / -2.0));
}

#[test]
fn closing_while_it_plays_is_quick_and_stops_the_callback() {
    let Some((_server, mut backend)) = start() else {
        return;
    };
    for _ in 0..10 {
        let mut playing =
            Playing::open(&mut backend, &request(format(2, 48_000), 128)).expect("a device");
        playing.ticks(3);
        let start = Instant::now();
        drop(playing.device);
        let took = start.elapsed();
        let pulls = playing.feed.counters().pulls;
        assert!(took < Duration::from_millis(500), "{took:?}");
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(playing.feed.counters().pulls, pulls);
    }
}

#[test]
fn what_is_said_into_the_microphone_is_recorded_exactly() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    let tone = Tone {
        hz: 480.0,
        amplitude: 0.5,
        seconds: 10.0,
        rate_hz: 48_000,
        channels: 2,
    };
    let (push, mut capture) = audio::capture(format(2, 48_000), 96_000);
    let (events, received) = events();
    let mut request = capture_request(format(2, 48_000), 480);
    request.target = Some(SOURCE.to_owned());
    let _device = backend
        .open_capture(&request, push, events)
        .expect("a device");
    let _player = server.play_into_source(tone).expect("a player");
    let mut heard: Vec<f32> = Vec::new();
    let mut piece = vec![0.0; 9_600];
    let is_heard = testkit::wait_until(LIMIT, || {
        let frames = capture.take(&mut piece);
        heard.extend(&piece[..frames * 2]);
        heard.len() > 96_000 * 2
    });
    assert!(is_heard, "only {} samples", heard.len());
    assert_eq!(capture.dropped(), 0);
    assert_eq!(received.try_iter().next(), None);
    // A whole number of periods is 100 frames; the last second is compared with the second before.
    let (frames, _) = heard.as_chunks::<2>();
    let late = &frames[frames.len() - 24_000..];
    let peak = late.iter().map(|[left, _]| *left).fold(0.0, f32::max);
    assert!((peak - 0.5).abs() < 1e-4, "peak {peak}");
    for (now, next) in late.iter().zip(&late[100..]) {
        assert!((now[0] - next[0]).abs() < 1e-5, "{now:?} {next:?}");
        assert_eq!(now[0], now[1]);
    }
}

#[test]
fn a_named_microphone_is_not_replaced_by_another() {
    let Some((server, mut backend)) = start() else {
        return;
    };
    let other = "{ factory.name=support.null-audio-sink node.name=second media.class=Audio/Source/Virtual \
                 audio.position=[FL FR] object.linger=true }";
    let made = server
        .command("pw-cli")
        .args(["create-node", "adapter", other])
        .status();
    assert!(made.expect("pw-cli").success());
    // The default, which is used if nothing is named, and would be in place of what is missing.
    let open = |backend: &mut PipeWire, target: Option<&str>| {
        let (push, capture) = audio::capture(format(2, 48_000), 48_000);
        let (events, received) = events();
        let mut request = capture_request(format(2, 48_000), 480);
        request.target = target.map(str::to_owned);
        let device = backend.open_capture(&request, push, events);
        device.map(|device| (device, capture, received))
    };
    drop(open(&mut backend, None).expect("the default"));
    let error = open(&mut backend, Some("no such source")).err();
    assert!(
        matches!(error, Some(DeviceError::Refused { .. })),
        "{error:?}"
    );
    let (_device, mut capture, received) = open(&mut backend, Some(SOURCE)).expect("a device");
    server.remove(SOURCE).expect("its end");
    let event = received.recv_timeout(LIMIT).expect("an event");
    assert!(matches!(event, DeviceEvent::Lost(_)), "{event:?}");
    // What came before; afterwards nothing of the other one.
    capture.discard(0);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(capture.available(), 0);
}
