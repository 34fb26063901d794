use super::*;
use crate::{Counters, Phase, Tick};

const MS: fn(i64) -> Nanos = Nanos::from_millis;

fn stereo() -> Format {
    Format::new(2, 48_000).unwrap()
}

/// A lane that leads nowhere.
#[derive(Debug, Default)]
struct NoLane {
    written: u64,
}

impl Lane for NoLane {
    fn write(&mut self, input: Input<'_>, _: f64) -> u64 {
        self.written += u64::from(input.frames);
        input.frames.into()
    }
    fn position(&self) -> u64 {
        self.written
    }
    fn read_position(&self) -> u64 {
        0
    }
    fn jump(&mut self, to: u64) {
        self.written = self.written.max(to);
    }
    fn skip_reader(&mut self, _: u64) {}
    fn capacity(&self) -> u64 {
        131_072
    }
    fn delay_frames(&self) -> f64 {
        0.0
    }
    fn reset(&mut self) {}
    fn next_tick(&mut self) -> Option<Tick> {
        None
    }
    fn set_phase(&mut self, _: Phase) {}
    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// The model with a hand on each letter; lanes are attached as the thread does it.
struct Bench {
    model: Core<NoLane>,
    now: Nanos,
}

impl Bench {
    fn new() -> Self {
        Self::with(SoundSettings::default())
    }

    fn with(settings: SoundSettings) -> Self {
        Self {
            model: Core::new(settings),
            now: MS(0),
        }
    }

    fn tell(&mut self, letter: Letter<News>) -> Vec<Action> {
        let mut done = vec![];
        self.model.take(letter, self.now, &mut done);
        self.settle(done)
    }

    fn wait(&mut self, ms: i64) -> Vec<Action> {
        self.now = self.now + MS(ms);
        self.settle(vec![])
    }

    fn settle(&mut self, mut done: Vec<Action>) -> Vec<Action> {
        loop {
            let before = done.len();
            self.model.tick(self.now, &mut done);
            if done.len() == before {
                return done;
            }
            for action in &done[before..] {
                if let Action::OpenPlayback(..) = action {
                    self.model.attach(NoLane::default(), self.now);
                }
            }
        }
    }

    fn start(&mut self, format: Format) -> Vec<Action> {
        let mut done = self.tell(Letter::Started(format));
        let packet = Letter::Packet {
            arrived: self.now,
            time_ms: 0,
            samples: vec![0; 1920],
        };
        done.extend(self.tell(packet));
        done
    }

    fn open(&mut self, number: u64) -> Vec<Action> {
        self.tell(News::Playback(number, Ok(opened(false))).into())
    }
}

impl From<News> for Letter<News> {
    fn from(news: News) -> Self {
        Self::News(news)
    }
}

fn opened(is_stand_in: bool) -> Opened {
    Opened {
        timing: DeviceTiming {
            max_period_frames: 512,
        },
        description: "a device".into(),
        is_stand_in,
    }
}

#[test]
fn a_device_is_opened_for_the_first_sound_and_told_the_volume() {
    let mut bench = Bench::new();
    let mut mixer = Mixer::default();
    mixer.set_muted(true);
    assert_eq!(bench.tell(Letter::Mixers(Some(mixer), None)), []);
    assert_eq!(bench.start(stereo()), [Action::OpenPlayback(1, stereo())]);
    assert_eq!(bench.wait(50), []);
    assert_eq!(bench.open(1), [Action::PlaybackVolume(mixer)]);
    assert!(bench.model.device().is_some());
}

#[test]
fn the_volume_outlives_streams_and_devices() {
    let mut bench = Bench::new();
    bench.start(stereo());
    bench.open(1);
    let mut mixer = Mixer::default();
    mixer.set_levels(&[1000, 2000]);
    let told = bench.tell(Letter::Mixers(Some(mixer), None));
    assert_eq!(told, [Action::PlaybackVolume(mixer)]);
    bench.tell(News::PlaybackLost(1, "unplugged".into()).into());
    bench.wait(100);
    assert_eq!(bench.open(2), [Action::PlaybackVolume(mixer)]);
}

#[test]
fn the_volume_is_left_alone_if_the_user_wants_so() {
    let mut bench = Bench::with(SoundSettings {
        follows_volume: false,
        ..SoundSettings::default()
    });
    bench.start(stereo());
    let mut mixer = Mixer::default();
    mixer.set_muted(true);
    assert_eq!(bench.tell(Letter::Mixers(Some(mixer), Some(mixer))), []);
    assert_eq!(bench.open(1), []);
    assert_eq!(bench.tell(Letter::Mixers(Some(mixer), Some(mixer))), []);
    bench.tell(recording(2));
    bench.tell(Letter::Consent(Some(2)));
    let told = bench.tell(News::Capture(1, Ok(opened(false))).into());
    let open = Microphone::Open { recording: 2 };
    assert_eq!(told, [Action::Tell(open)]);
}

#[test]
fn a_direction_whose_volume_the_guest_never_told_keeps_what_the_server_remembers() {
    let mut bench = Bench::new();
    bench.start(stereo());
    assert_eq!(bench.open(1), []);
    let mut mixer = Mixer::default();
    mixer.set_levels(&[1000]);
    assert_eq!(bench.tell(Letter::Mixers(None, Some(mixer))), []);
    bench.tell(recording(2));
    bench.tell(Letter::Consent(Some(2)));
    let told = bench.tell(News::Capture(1, Ok(opened(false))).into());
    assert_eq!(told.first(), Some(&Action::CaptureVolume(mixer)));
}

#[test]
fn a_lost_device_is_replaced_after_a_wait_and_what_it_says_later_does_not_matter() {
    let mut bench = Bench::new();
    bench.start(stereo());
    bench.open(1);
    let lost = bench.tell(News::PlaybackLost(1, "unplugged".into()).into());
    assert_eq!(lost, [Action::ClosePlayback(1)]);
    assert_eq!(bench.wait(99), []);
    assert_eq!(bench.wait(1), [Action::OpenPlayback(2, stereo())]);
    assert_eq!(
        bench.tell(News::PlaybackLost(1, "unplugged".into()).into()),
        []
    );
    let failed = bench.tell(News::Playback(2, Err("no server".into())).into());
    assert_eq!(failed, [Action::ClosePlayback(2)]);
    assert_eq!(bench.wait(199), []);
    assert_eq!(bench.wait(1), [Action::OpenPlayback(3, stereo())]);
}

#[test]
fn another_format_has_another_device_and_the_same_keeps_its() {
    let mut bench = Bench::new();
    bench.start(stereo());
    bench.open(1);
    bench.tell(Letter::Stopped);
    bench.wait(1);
    assert_eq!(bench.start(stereo()), []);
    let mono = Format::new(1, 44_100).unwrap();
    let changed = bench.start(mono);
    assert_eq!(
        changed,
        [Action::ClosePlayback(1), Action::OpenPlayback(2, mono)]
    );
}

#[test]
fn a_stand_in_is_given_up_when_it_is_time_to_look_for_a_server() {
    let mut bench = Bench::new();
    bench.start(stereo());
    bench.tell(News::Playback(1, Ok(opened(true))).into());
    assert_eq!(bench.wait(2999), []);
    let looked = bench.wait(1);
    assert_eq!(
        looked,
        [Action::ClosePlayback(1), Action::OpenPlayback(2, stereo())]
    );
    bench.open(2);
    assert_eq!(bench.wait(60_000), [], "a server is kept");
}

#[test]
fn a_stand_in_that_is_given_up_after_the_stream_has_ended_is_not_opened_again() {
    let mut bench = Bench::new();
    bench.start(stereo());
    bench.tell(News::Playback(1, Ok(opened(true))).into());
    bench.wait(2500);
    bench.tell(Letter::Stopped);
    assert_eq!(bench.wait(500), [Action::ClosePlayback(1)]);
    assert!(bench.model.device().is_none());
    assert_eq!(bench.wait(60_000), []);
}

#[test]
fn the_buffer_of_a_packet_comes_back() {
    let mut bench = Bench::new();
    let packet = Letter::Packet {
        arrived: MS(0),
        time_ms: 0,
        samples: vec![1, 2, 3],
    };
    let buffer = bench.model.take(packet, MS(0), &mut vec![]);
    assert_eq!(buffer, Some(vec![1, 2, 3]));
}

fn capture_of(number: u64, recording: u32) -> Action {
    Action::OpenCapture {
        number,
        recording,
        format: stereo(),
    }
}

fn recording(number: u32) -> Letter<News> {
    Letter::Recording(Some((number, stereo())))
}

#[test]
fn the_microphone_needs_the_guests_wish_and_the_users_consent_to_the_same_recording() {
    let mut bench = Bench::new();
    assert_eq!(bench.tell(Letter::Consent(Some(1))), []);
    assert_eq!(bench.tell(recording(2)), [], "consent to another one");
    assert_eq!(bench.tell(Letter::Consent(None)), []);
    assert_eq!(bench.tell(Letter::Consent(Some(2))), [capture_of(1, 2)]);
    assert!(!bench.model.may_send(1), "not open yet");
    let told = bench.tell(News::Capture(1, Ok(opened(false))).into());
    let open = Microphone::Open { recording: 2 };
    assert_eq!(told, [Action::Tell(open)]);
    assert!(bench.model.may_send(1));
}

#[test]
fn the_microphone_is_closed_at_once_with_the_recording_or_the_consent() {
    for end in [
        Letter::Recording(None),
        recording(3),
        Letter::Consent(None),
        Letter::Consent(Some(3)),
    ] {
        let mut bench = Bench::new();
        bench.tell(recording(2));
        bench.tell(Letter::Consent(Some(2)));
        bench.tell(News::Capture(1, Ok(opened(false))).into());
        let told = bench.tell(end);
        let expected = [Action::CloseCapture(1), Action::Tell(Microphone::Closed)];
        assert_eq!(told, expected);
        assert!(!bench.model.may_send(1));
    }
}

#[test]
fn a_microphone_that_opens_too_late_is_not_told_of() {
    let mut bench = Bench::new();
    bench.tell(recording(2));
    bench.tell(Letter::Consent(Some(2)));
    assert_eq!(
        bench.tell(Letter::Recording(None)),
        [Action::CloseCapture(1)]
    );
    assert_eq!(bench.tell(News::Capture(1, Ok(opened(false))).into()), []);
    assert!(!bench.model.may_send(1));
}

#[test]
fn a_recording_that_follows_at_once_gets_a_device_of_its_own() {
    let mut bench = Bench::new();
    bench.tell(recording(2));
    bench.tell(Letter::Consent(Some(2)));
    bench.tell(News::Capture(1, Ok(opened(false))).into());
    bench.tell(recording(3));
    assert_eq!(bench.tell(Letter::Consent(Some(3))), [capture_of(2, 3)]);
}

#[test]
fn a_microphone_that_cannot_be_opened_is_told_and_tried_again() {
    let mut bench = Bench::new();
    bench.tell(recording(2));
    bench.tell(Letter::Consent(Some(2)));
    let failed = bench.tell(News::Capture(1, Err("no server".into())).into());
    let microphone = Microphone::Failed {
        recording: 2,
        why: "no server".into(),
    };
    assert_eq!(failed, [Action::CloseCapture(1), Action::Tell(microphone)]);
    assert_eq!(bench.wait(100), [capture_of(2, 2)]);
    bench.tell(News::Capture(2, Ok(opened(false))).into());
    let lost = bench.tell(News::CaptureLost(2, "unplugged".into()).into());
    assert_eq!(lost.len(), 2);
    assert_eq!(bench.wait(199), []);
    assert_eq!(bench.wait(1), [capture_of(3, 2)]);
}

#[test]
fn a_stand_in_for_the_microphone_is_no_open_microphone_and_is_given_up_for_a_server() {
    let mut bench = Bench::new();
    bench.tell(recording(2));
    bench.tell(Letter::Consent(Some(2)));
    let told = bench.tell(News::Capture(1, Ok(opened(true))).into());
    assert!(
        matches!(
            &told[..],
            [Action::Tell(Microphone::Failed { recording: 2, .. })]
        ),
        "{told:?}"
    );
    assert_eq!(bench.wait(2999), []);
    assert_eq!(bench.wait(1), [Action::CloseCapture(1), capture_of(2, 2)]);
    let told = bench.tell(News::Capture(2, Ok(opened(false))).into());
    assert_eq!(
        told.last(),
        Some(&Action::Tell(Microphone::Open { recording: 2 }))
    );
    assert_eq!(bench.wait(60_000), []);
}
