//! The client's end of the sound, with the real thread and devices that only write down what they are told.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use audio::device::{
    Backend, CaptureDevice, CaptureRequest, DeviceError, DeviceTiming, Events, PlaybackDevice,
    PlaybackRequest,
};
use audio::{Pull, Push};
use clock::{Clock as _, MonotonicClock};
use spice::audio::{AudioFormat, PlaybackEvent, RecordEvent};

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const STEREO: AudioFormat = AudioFormat {
    channels: 2,
    rate_hz: 48_000,
};

/// A server that writes down what it is told.
struct Noted(Sender<String>);

/// Its devices; the callbacks never run.
struct Device {
    notes: Sender<String>,
    name: &'static str,
}

impl Device {
    fn open(notes: &Sender<String>, name: &'static str) -> Box<Self> {
        let _ = notes.send(format!("{name} opened"));
        Box::new(Self {
            notes: notes.clone(),
            name,
        })
    }

    fn note_volume(&self, levels: &[f32], mute: bool) {
        let (name, mute) = (self.name, if mute { ", muted" } else { "" });
        let _ = self.notes.send(format!("{name} {levels:?}{mute}"));
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.notes.send(format!("{} closed", self.name));
    }
}

impl Backend for Noted {
    fn name(&self) -> &'static str {
        "noted"
    }

    fn open_playback(
        &mut self,
        _: &PlaybackRequest,
        _: Pull,
        _: Events,
    ) -> Result<Box<dyn PlaybackDevice>, DeviceError> {
        Ok(Device::open(&self.0, "speaker"))
    }

    fn open_capture(
        &mut self,
        _: &CaptureRequest,
        _: Push,
        _: Events,
    ) -> Result<Box<dyn CaptureDevice>, DeviceError> {
        Ok(Device::open(&self.0, "microphone"))
    }
}

impl PlaybackDevice for Device {
    fn timing(&self) -> DeviceTiming {
        DeviceTiming {
            max_period_frames: 512,
        }
    }

    fn set_volume(&mut self, levels: &[f32], mute: bool) {
        self.note_volume(levels, mute);
    }

    fn latency(&self) -> Option<Nanos> {
        None
    }
}

impl CaptureDevice for Device {
    fn set_volume(&mut self, levels: &[f32], mute: bool) {
        self.note_volume(levels, mute);
    }
}

/// The sound with those devices.
struct Desk {
    sound: Sound,
    notes: Receiver<String>,
    woken: Receiver<()>,
}

fn settings(arguments: &[&str]) -> Settings {
    let arguments = [&["app:shmFile=/dev/null"], arguments].concat();
    let environment = crate::config::Environment {
        system_root: "/nonexistent".into(),
        uid: 1000,
        effective_uid: 1000,
        home_variable: None,
        config_home: None,
        data_home: None,
    };
    let arguments = arguments.iter().map(std::ffi::OsString::from);
    crate::config::load(arguments, &environment)
        .unwrap()
        .settings
}

fn desk(arguments: &[&str], listener: Listener) -> Desk {
    let (noting, notes) = channel();
    let (ring, woken) = channel();
    let make = Arc::new(move || Box::new(Noted(noting.clone())) as Box<dyn Backend>);
    let start = |outlet| audio::Sound::start_with(SoundSettings::default(), make, outlet);
    let wake = Arc::new(move || {
        let _ = ring.send(());
    });
    let sound = Sound::start_with(&settings(arguments), listener, wake, start).unwrap();
    Desk {
        sound,
        notes,
        woken,
    }
}

impl Desk {
    fn tick(&mut self) {
        self.sound.tick(MonotonicClock.now());
    }

    fn guest_records(&mut self) {
        let news = self.sound.link().record(RecordEvent::Started(STEREO));
        self.sound.recording(news.unwrap(), MonotonicClock.now());
        self.tick();
    }

    /// What the devices were told next.
    fn noted(&self) -> String {
        self.notes.recv_timeout(LIMIT).unwrap()
    }

    /// Ticks whenever the thread wakes us, until the notice is that.
    fn expect_notice(&mut self, part: &str) {
        let start = Instant::now();
        let mut notice = None;
        while start.elapsed() < LIMIT {
            self.tick();
            if let Some(new) = self.sound.take_notice() {
                notice = new;
            }
            if notice.as_ref().is_some_and(|text| text.contains(part)) {
                return;
            }
            let _ = self.woken.recv_timeout(Duration::from_millis(100));
        }
        panic!("{notice:?}");
    }
}

#[test]
fn the_microphone_opens_by_the_key_and_closes_with_the_recording() {
    let mut desk = desk(&[], Listener::User);
    assert!(desk.sound.link().records());
    desk.guest_records();
    desk.expect_notice("Scroll Lock + E allows it");
    desk.sound.toggle_microphone(MonotonicClock.now());
    desk.tick();
    assert_eq!(desk.noted(), "microphone opened");
    desk.expect_notice("The guest hears the microphone");
    let news = desk.sound.link().record(RecordEvent::Stopped);
    assert_eq!(desk.noted(), "microphone closed", "without the main thread");
    desk.sound.recording(news.unwrap(), MonotonicClock.now());
    desk.tick();
    assert_eq!(desk.sound.take_notice(), Some(None));
}

#[test]
fn the_end_of_the_session_closes_the_microphone_and_takes_the_consent() {
    let mut desk = desk(&["audio:micDefault=allow"], Listener::User);
    desk.guest_records();
    assert_eq!(desk.noted(), "microphone opened");
    desk.sound.link().disconnected();
    assert_eq!(desk.noted(), "microphone closed");
    desk.sound.session_ended(MonotonicClock.now());
    desk.tick();
    desk.guest_records();
    assert_eq!(desk.noted(), "microphone opened", "the policy still holds");
}

#[test]
fn the_guests_mixers_reach_the_devices() {
    let mut desk = desk(&["audio:micDefault=allow"], Listener::User);
    desk.sound.link().record(RecordEvent::Mute(true));
    desk.guest_records();
    assert_eq!(desk.noted(), "microphone opened");
    assert_eq!(desk.noted(), "microphone [1.0, 1.0], muted");
    desk.sound.link().playback(PlaybackEvent::Mute(true));
    desk.sound.link().record(RecordEvent::Mute(false));
    assert_eq!(desk.noted(), "microphone [1.0, 1.0]");
}

#[test]
fn what_the_guest_plays_opens_a_device_and_has_numbers() {
    let desk = desk(&[], Listener::User);
    let link = desk.sound.link();
    link.playback(PlaybackEvent::Mute(true));
    link.playback(PlaybackEvent::Started(STEREO));
    let samples = &[0; 1920];
    link.playback(PlaybackEvent::Samples {
        time_ms: 1,
        samples,
    });
    assert_eq!(desk.noted(), "speaker opened");
    assert_eq!(desk.noted(), "speaker [1.0, 1.0], muted");
    let has_numbers = || {
        let status = desk.sound.handle().status();
        status.playback.is_some_and(|status| status.packets == 1) && status.device.is_some()
    };
    assert!(testkit::wait_until(LIMIT, has_numbers));
    assert!(figures::line(&desk.sound.handle().status()).is_some());
    drop(desk.sound);
    assert_eq!(desk.notes.iter().last().unwrap(), "speaker closed");
}

#[test]
fn with_nobody_to_ask_only_a_policy_that_allows_opens_the_microphone() {
    let mut asking = desk(&[], Listener::Nobody);
    assert!(!asking.sound.link().records(), "no channel at all");
    asking.guest_records();
    assert_eq!(asking.sound.take_notice(), None);
    let mut allowing = desk(&["audio:micDefault=allow"], Listener::Nobody);
    assert!(allowing.sound.link().records());
    allowing.guest_records();
    assert_eq!(allowing.noted(), "microphone opened");
}

#[test]
fn without_sound_there_is_no_thread() {
    let wake = Arc::new(|| ());
    let settings = settings(&["spice:audio=no"]);
    let sound = Sound::start(&settings, Listener::User, wake).unwrap();
    assert!(sound.is_none());
}
