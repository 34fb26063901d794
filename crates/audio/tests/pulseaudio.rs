//! Playing and recording over the PulseAudio protocol, with a real PulseAudio and with PipeWire's server.
//!
//! Each test has servers of its own. A machine under load lets the server run dry now and then, so the tests that look for
//! gaps ask for long periods.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that does not come up ends the test"
)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audio::device::choice::Choice;
use audio::device::pulseaudio::PulseAudio;
use audio::device::{
    Backend, CaptureRequest, DeviceError, DeviceEvent, Events, PlaybackDevice, PlaybackRequest,
};
use audio::{Capture, Counters, Feed, Format, Phase, Tick};
use testkit::allocations::{self, Counting};
use testkit::sound_server::{self, Recording, SINK, Tone};
use testkit::tone::{self, Break, Oscillator};
use testkit::wait_until;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const RATE: u32 = 48_000;
/// Not whole cycles in any period, so that a lost one is seen.
const TONE_HZ: f64 = 997.0;
const AMPLITUDE: f64 = 0.25;
const FREQUENCY: f64 = TONE_HZ / RATE as f64;
const LONG_PERIOD: u32 = 2048;
/// How long a server may take for anything.
const LIMIT: Duration = Duration::from_secs(10);

/// What both servers can.
trait Server {
    fn socket(&self) -> PathBuf;
    fn record(&self, sink: &str) -> Recording;
    fn add_sink(&self, name: &str);
    fn remove(&self, name: &str);
    fn set_default_sink(&self, name: &str);
    fn play_into_source(&self, tone: Tone) -> sound_server::Player;
    fn kill(&mut self);
    fn restart(&mut self);
    /// Makes it work in long steps, which it can keep up on a machine under load.
    fn slow_down(&self) {}
}

macro_rules! server {
    ($type:ty, $($more:item)*) => {
        impl Server for $type {
            fn socket(&self) -> PathBuf {
                self.pulse_socket()
            }
            fn record(&self, sink: &str) -> Recording {
                self.record(sink, RATE, 2).unwrap()
            }
            fn add_sink(&self, name: &str) {
                self.add_sink(name).unwrap();
            }
            fn remove(&self, name: &str) {
                self.remove(name).unwrap();
            }
            fn set_default_sink(&self, name: &str) {
                self.set_default_sink(name).unwrap();
            }
            fn play_into_source(&self, tone: Tone) -> sound_server::Player {
                self.play_into_source(tone).unwrap()
            }
            fn kill(&mut self) {
                self.kill();
            }
            fn restart(&mut self) {
                self.restart().unwrap();
            }
            $($more)*
        }
    };
}
server!(sound_server::PulseAudio,);
server!(
    sound_server::PipeWire,
    fn slow_down(&self) {
        self.force_quantum(LONG_PERIOD).unwrap();
    }
);

fn pulseaudio() -> Option<Box<dyn Server>> {
    Some(Box::new(sound_server::PulseAudio::start().unwrap()?))
}

fn pipewire_pulse() -> Option<Box<dyn Server>> {
    Some(Box::new(
        sound_server::PipeWire::start_with_pulse().unwrap()?,
    ))
}

/// What happened to a device.
#[derive(Clone, Default)]
struct Happened(Arc<Mutex<Vec<DeviceEvent>>>);

impl Happened {
    fn events(&self) -> Events {
        let list = Arc::clone(&self.0);
        Arc::new(move |event| list.lock().unwrap().push(event))
    }

    fn has(&self, wanted: impl Fn(&DeviceEvent) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(wanted)
    }

    fn is_lost(&self) -> bool {
        self.has(|event| matches!(event, DeviceEvent::Lost(_)))
    }
}

fn format() -> Format {
    Format::new(2, RATE).unwrap()
}

fn request(period_frames: u32, target: Option<&str>) -> PlaybackRequest {
    PlaybackRequest {
        format: format(),
        period_frames,
        target: target.map(str::to_owned),
        stream_name: "test".to_owned(),
    }
}

fn capture_request() -> CaptureRequest {
    CaptureRequest {
        format: format(),
        period_frames: 480,
        target: None,
        stream_name: "test".to_owned(),
    }
}

/// A tone that plays to a server until it is dropped.
struct Playing {
    device: Option<Box<dyn PlaybackDevice>>,
    happened: Happened,
    ticks: Arc<Mutex<Vec<Tick>>>,
    counters: Arc<Mutex<Counters>>,
    stop: Arc<AtomicBool>,
    feeder: Option<JoinHandle<()>>,
}

impl Playing {
    fn start(socket: &Path, request: &PlaybackRequest) -> Self {
        Self::try_start(socket, request).unwrap()
    }

    fn try_start(socket: &Path, request: &PlaybackRequest) -> Result<Self, DeviceError> {
        let (feed, pull) = audio::stream(request.format, RATE as usize);
        let happened = Happened::default();
        let mut server = PulseAudio::at(socket.to_owned());
        let device = server.open_playback(request, pull, happened.events())?;
        let ticks = Arc::default();
        let counters = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let feeder = {
            let (ticks, counters, stop) =
                (Arc::clone(&ticks), Arc::clone(&counters), Arc::clone(&stop));
            std::thread::spawn(move || feed_tone(feed, &ticks, &counters, &stop))
        };
        Ok(Self {
            device: Some(device),
            happened,
            ticks,
            counters,
            stop,
            feeder: Some(feeder),
        })
    }

    fn device(&mut self) -> &mut dyn PlaybackDevice {
        self.device.as_deref_mut().unwrap()
    }

    fn pulls(&self) -> u64 {
        self.counters.lock().unwrap().pulls
    }

    /// Waits until the device has asked for so many times more.
    fn goes_on(&self, times: u64) -> bool {
        let before = self.pulls();
        wait_until(LIMIT, || self.pulls() >= before + times)
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(feeder) = self.feeder.take() {
            feeder.join().unwrap();
        }
    }
}

/// Keeps a quarter of a second of the tone before the device.
fn feed_tone(
    mut feed: Feed,
    ticks: &Mutex<Vec<Tick>>,
    counters: &Mutex<Counters>,
    stop: &AtomicBool,
) {
    let mut tone = Oscillator::new(FREQUENCY, AMPLITUDE);
    let ahead = u64::from(RATE / 4);
    let from = feed.writer.read_position();
    feed.writer.jump(from + ahead / 2);
    feed.set_phase(Phase::Run);
    let mut piece = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let missing = (feed.writer.read_position() + ahead).saturating_sub(feed.writer.position());
        piece.clear();
        for sample in (&mut tone).take(missing as usize) {
            piece.extend([sample as f32; 2]);
        }
        assert_eq!(feed.writer.write(&piece) as u64, missing);
        ticks
            .lock()
            .unwrap()
            .extend(std::iter::from_fn(|| feed.next_tick()));
        *counters.lock().unwrap() = feed.counters();
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a recording holds of the tone in its first channel, without the beginning and the end.
fn heard(recording: &Recording) -> Vec<f32> {
    let samples = tone::channel(&recording.samples(), 2, 0);
    let sounding = tone::sounding(&samples, AMPLITUDE);
    samples[sounding].to_vec()
}

/// Waits until a recording holds a second of the tone.
fn hears_a_second(recording: &Recording) -> bool {
    wait_until(LIMIT, || heard(recording).len() > RATE as usize)
}

/// Tries up to three times: on a machine under load a server runs dry without a fault of ours.
fn is_unbroken_once(try_it: impl Fn() -> Vec<Break>) {
    let mut tries = Vec::new();
    for _ in 0..3 {
        tries.push(try_it());
        if tries.iter().any(Vec::is_empty) {
            return;
        }
    }
    panic!("{tries:?}");
}

fn tone_comes_back_unbroken(server: Option<Box<dyn Server>>) {
    let Some(server) = server else { return };
    server.slow_down();
    is_unbroken_once(|| breaks_of_a_tone(server.as_ref()));
}

fn breaks_of_a_tone(server: &dyn Server) -> Vec<Break> {
    let recording = server.record(SINK);
    let mut playing = Playing::start(&server.socket(), &request(LONG_PERIOD, None));
    assert!(recording.wait_for_more(3 * RATE as usize, LIMIT));
    let promised = playing.device().timing().max_period_frames;
    let latency = playing.device().latency().unwrap();
    let ticks = playing.ticks.lock().unwrap().clone();
    drop(playing);
    let heard = heard(&recording);
    assert!(heard.len() > 2 * RATE as usize, "{} frames", heard.len());
    // Ends are faded or cut by some servers; between them is nothing but the tone.
    let inner = &heard[2400..heard.len() - 4800];
    let breaks = tone::breaks(inner, FREQUENCY, AMPLITUDE);
    if !breaks.is_empty() {
        return breaks;
    }
    let (frequency, fit) = tone::fit_frequency(inner, FREQUENCY);
    assert!(tone::cents(frequency, FREQUENCY).abs() < 0.1);
    assert!((fit.amplitude - AMPLITUDE).abs() < 0.001, "{fit:?}");
    // The first request fills the server's buffer.
    let longest = ticks.iter().skip(1).map(|tick| tick.frames).max().unwrap();
    eprintln!(
        "period {LONG_PERIOD}: promised {promised}, longest request {longest}, latency {:.1} ms, noise {:.0} dB",
        latency.as_secs_f64() * 1e3,
        fit.noise_db()
    );
    let frames: u64 = ticks.iter().map(|tick| u64::from(tick.frames)).sum();
    let over = ticks.iter().skip(1).filter(|tick| tick.frames > promised);
    assert!(
        over.count() * 20 <= ticks.len(),
        "longest {longest} of {promised}"
    );
    assert!(frames > u64::from(2 * RATE));
    let period = f64::from(LONG_PERIOD) / f64::from(RATE);
    assert!((0.2 * period..3.0 * period).contains(&latency.as_secs_f64()));
    breaks
}

#[test]
fn a_tone_comes_back_unbroken_from_pulseaudio() {
    tone_comes_back_unbroken(pulseaudio());
}

#[test]
fn a_tone_comes_back_unbroken_from_pipewires_pulse_server() {
    tone_comes_back_unbroken(pipewire_pulse());
}

fn volume_is_heard(server: Option<Box<dyn Server>>) {
    let Some(server) = server else { return };
    let recording = server.record(SINK);
    let mut playing = Playing::start(&server.socket(), &request(LONG_PERIOD, Some(SINK)));
    let level = |from_end: usize| {
        let samples = tone::channel(&recording.samples(), 2, 1);
        let last = samples.len().saturating_sub(from_end);
        tone::fit(&samples[last..], FREQUENCY).amplitude
    };
    let becomes = |wanted: f64| {
        wait_until(LIMIT, || {
            recording.frames() > 9600 && (level(4800) - wanted).abs() < 0.01 * AMPLITUDE
        })
    };
    assert!(becomes(AMPLITUDE), "{}", level(4800));
    playing.device().set_volume(&[1.0, 0.125], false);
    assert!(becomes(AMPLITUDE / 8.0), "{}", level(4800));
    playing.device().set_volume(&[1.0, 1.0], true);
    assert!(becomes(0.0), "{}", level(4800));
    playing.device().set_volume(&[0.5], false);
    assert!(becomes(AMPLITUDE / 2.0), "{}", level(4800));
}

#[test]
fn volume_is_a_linear_factor_with_pulseaudio() {
    volume_is_heard(pulseaudio());
}

#[test]
fn volume_is_a_linear_factor_with_pipewires_pulse_server() {
    volume_is_heard(pipewire_pulse());
}

fn sink_removed_while_playing(server: Option<Box<dyn Server>>) {
    let Some(server) = server else { return };
    server.add_sink("other");
    let recording = server.record("other");
    let playing = Playing::start(&server.socket(), &request(LONG_PERIOD, None));
    assert!(playing.goes_on(10));
    server.remove(SINK);
    // Either the server moves the stream, or it says that it is gone: then a new one goes to what is left.
    let moved = || playing.happened.has(|event| *event == DeviceEvent::Moved);
    assert!(wait_until(LIMIT, || moved() || playing.happened.is_lost()));
    let second = playing
        .happened
        .is_lost()
        .then(|| Playing::start(&server.socket(), &request(LONG_PERIOD, None)));
    assert!(second.as_ref().unwrap_or(&playing).goes_on(10));
    // Which of the others it goes to is the server's choice, unless it is told.
    server.set_default_sink("other");
    assert!(hears_a_second(&recording));
    eprintln!(
        "sink removed: moved {}, lost {}",
        moved(),
        playing.happened.is_lost()
    );
}

#[test]
fn sound_goes_on_when_pulseaudio_loses_its_sink() {
    sink_removed_while_playing(pulseaudio());
}

#[test]
fn sound_goes_on_when_pipewires_pulse_server_loses_its_sink() {
    sink_removed_while_playing(pipewire_pulse());
}

fn default_changed_while_playing(server: Option<Box<dyn Server>>) {
    let Some(server) = server else { return };
    server.add_sink("other");
    let recording = server.record("other");
    let playing = Playing::start(&server.socket(), &request(LONG_PERIOD, None));
    assert!(playing.goes_on(10));
    server.set_default_sink("other");
    assert!(hears_a_second(&recording), "{:?}", playing.happened.0);
    assert!(playing.goes_on(10));
    assert!(!playing.happened.is_lost());
}

#[test]
fn sound_follows_the_default_sink_of_pulseaudio() {
    default_changed_while_playing(pulseaudio());
}

#[test]
fn sound_follows_the_default_sink_of_pipewires_pulse_server() {
    default_changed_while_playing(pipewire_pulse());
}

fn server_killed_and_restarted(server: Option<Box<dyn Server>>) {
    let Some(mut server) = server else { return };
    let playing = Playing::start(&server.socket(), &request(LONG_PERIOD, None));
    assert!(playing.goes_on(10));
    let (_, pull) = audio::stream(format(), RATE as usize);
    let mut choice = Choice::of(vec![(
        Box::new(PulseAudio::at(server.socket())),
        vec![server.socket()],
    )]);
    server.kill();
    assert!(wait_until(Duration::from_secs(1), || playing
        .happened
        .is_lost()));
    let begin = Instant::now();
    let again = Playing::try_start(&server.socket(), &request(LONG_PERIOD, None));
    assert!(matches!(again, Err(DeviceError::NoServer { .. })));
    assert!(begin.elapsed() < Duration::from_millis(500));
    // Nobody there: the stand-in. It comes back: the real one.
    let happened = Happened::default();
    let device = choice.open_playback(&request(480, None), pull, happened.events());
    assert!(device.unwrap().is_stand_in());
    server.restart();
    assert!(Playing::start(&server.socket(), &request(LONG_PERIOD, None)).goes_on(10));
    let (_feed, pull) = audio::stream(format(), RATE as usize);
    let device = choice.open_playback(&request(480, None), pull, happened.events());
    let device = device.unwrap();
    assert!(!device.is_stand_in());
    assert!(
        device.description().contains(SINK),
        "{}",
        device.description()
    );
}

#[test]
fn a_killed_pulseaudio_is_told_at_once_and_used_again_when_it_is_back() {
    server_killed_and_restarted(pulseaudio());
}

#[test]
fn a_killed_pipewire_is_told_at_once_and_used_again_when_it_is_back() {
    server_killed_and_restarted(pipewire_pulse());
}

/// Takes what is recorded, of the first channel, for `seconds`.
fn take(capture: &mut Capture, seconds: f64) -> Vec<f32> {
    let frames = (seconds * f64::from(RATE)) as usize;
    let mut piece = vec![0.0; 2 * RATE as usize];
    let mut all = Vec::new();
    wait_until(LIMIT, || {
        let taken = capture.take(&mut piece);
        all.extend(tone::channel(&piece[..2 * taken], 2, 0));
        all.len() >= frames
    });
    all
}

fn source_is_recorded(server: Option<Box<dyn Server>>) {
    let Some(server) = server else { return };
    server.slow_down();
    let tone = Tone {
        hz: TONE_HZ,
        amplitude: AMPLITUDE as f32,
        seconds: 20.0,
        rate_hz: RATE,
        channels: 2,
    };
    let _player = server.play_into_source(tone);
    let (push, mut capture) = audio::capture(format(), RATE as usize);
    let happened = Happened::default();
    let mut backend = PulseAudio::at(server.socket());
    let request = capture_request();
    let device = backend.open_capture(&request, push, happened.events());
    let mut device = device.unwrap();
    // Until the player has begun.
    assert!(wait_until(LIMIT, || {
        let samples = take(&mut capture, 0.1);
        (tone::fit(&samples, FREQUENCY).amplitude - AMPLITUDE).abs() < 0.01
    }));
    let capture = RefCell::new(capture);
    is_unbroken_once(|| {
        let samples = take(&mut capture.borrow_mut(), 1.0);
        tone::breaks(&samples, FREQUENCY, AMPLITUDE)
    });
    let mut capture = capture.into_inner();
    device.set_volume(&[0.125], false);
    assert!(wait_until(LIMIT, || {
        let samples = take(&mut capture, 0.1);
        (tone::fit(&samples, FREQUENCY).amplitude - AMPLITUDE / 8.0).abs() < 0.01 * AMPLITUDE
    }));
    drop(device);
    capture.discard(0);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(capture.available(), 0, "recorded after its end");
    assert!(!happened.is_lost());
}

#[test]
fn a_source_of_pulseaudio_is_recorded() {
    source_is_recorded(pulseaudio());
}

#[test]
fn a_source_of_pipewires_pulse_server_is_recorded() {
    source_is_recorded(pipewire_pulse());
}

/// A recording of a named device never becomes one of another.
fn named_source_goes(server: Option<Box<dyn Server>>) {
    let Some(server) = server else { return };
    server.add_sink("second");
    let mut backend = PulseAudio::at(server.socket());
    let happened = Happened::default();
    let mut request = capture_request();
    request.target = Some("second.monitor".to_owned());
    let (push, mut capture) = audio::capture(format(), RATE as usize);
    let device = backend.open_capture(&request, push, happened.events());
    let _device = device.unwrap();
    assert!(take(&mut capture, 0.1).len() >= 4_800);
    server.remove("second");
    assert!(wait_until(LIMIT, || happened.is_lost()));
    let (push, _capture) = audio::capture(format(), RATE as usize);
    let again = backend.open_capture(&request, push, happened.events());
    let why = again.err().expect("it is not there").to_string();
    eprintln!("a named source that is not there: {why}");
}

#[test]
fn a_named_source_of_pulseaudio_is_not_replaced() {
    named_source_goes(pulseaudio());
}

#[test]
fn a_named_source_of_pipewires_pulse_server_is_not_replaced() {
    named_source_goes(pipewire_pulse());
}

#[test]
fn a_dropped_device_asks_for_nothing_more_and_says_nothing() {
    let Some(server) = pulseaudio() else { return };
    let _recording = server.record(SINK);
    for _ in 0..5 {
        let mut playing = Playing::start(&server.socket(), &request(128, None));
        assert!(playing.goes_on(20));
        playing.device = None;
        // The feeder looks every few milliseconds.
        std::thread::sleep(Duration::from_millis(10));
        let pulls = playing.pulls();
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(playing.pulls(), pulls);
        assert!(playing.happened.0.lock().unwrap().is_empty());
    }
}

#[test]
fn a_server_that_hangs_is_given_up_and_does_not_hold_up_closing() {
    let Some(server) = sound_server::PulseAudio::start().unwrap() else {
        return;
    };
    let kept = Playing::start(&server.socket(), &request(LONG_PERIOD, None));
    let mut closed = Playing::start(&server.socket(), &request(LONG_PERIOD, None));
    assert!(kept.goes_on(10) && closed.goes_on(10));
    server.freeze();
    let begin = Instant::now();
    closed.device = None;
    assert!(begin.elapsed() < Duration::from_millis(500));
    // A question that is due in a quarter of a second has three for its answer.
    assert!(wait_until(Duration::from_secs(5), || kept
        .happened
        .is_lost()));
    assert!(!closed.happened.is_lost());
    let seconds = seconds_to_fail(&server.socket());
    assert!((1.9..3.0).contains(&seconds), "{seconds} s");
}

#[test]
fn an_unknown_sink_is_replaced_by_the_default() {
    let Some(server) = pulseaudio() else { return };
    let recording = server.record(SINK);
    let request_of = |name| request(LONG_PERIOD, Some(name));
    let mut playing = Playing::start(&server.socket(), &request_of("no such sink"));
    assert!(hears_a_second(&recording));
    assert!(playing.device().description().contains(SINK));
    drop(playing);
    let result = Playing::try_start(&server.socket(), &request(480, Some("zero\0byte")));
    assert!(matches!(result, Err(DeviceError::Request { .. })));
}

#[test]
fn requests_need_no_memory_once_the_stream_runs() {
    let Some(server) = pulseaudio() else { return };
    let (mut feed, pull) = audio::stream(format(), RATE as usize);
    let mut backend = PulseAudio::at(server.socket());
    let request = request(256, None);
    let device = backend.open_playback(&request, pull, Happened::default().events());
    let device = device.unwrap();
    feed.set_phase(Phase::Run);
    // This thread sleeps and the test's other threads belong to other tests, which `--test-threads` may let run: so
    // a quiet stretch is looked for, not demanded of the first one.
    let quiet = wait_until(LIMIT, || {
        let (before, pulls) = (allocations::total(), feed.counters().pulls);
        std::thread::sleep(Duration::from_millis(600));
        let pulls = feed.counters().pulls - pulls;
        allocations::total() == before && pulls > 50
    });
    assert!(quiet);
    drop(device);
}

/// Something that listens but is no sound server.
fn impostor(act: impl Fn(std::os::unix::net::UnixStream) + Send + 'static) -> (PathBuf, Folder) {
    let folder = Folder::new();
    let socket = folder.0.join("native");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            act(stream);
        }
    });
    (socket, folder)
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lg-pulse-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How long it takes to see that there is no server, which it must.
fn seconds_to_fail(socket: &Path) -> f64 {
    let begin = Instant::now();
    let result = Playing::try_start(socket, &request(480, None));
    assert!(matches!(result, Err(DeviceError::NoServer { .. })));
    begin.elapsed().as_secs_f64()
}

#[test]
fn without_a_server_opening_fails_at_once() {
    let folder = Folder::new();
    assert!(seconds_to_fail(&folder.0.join("native")) < 0.5);
    let socket = folder.0.join("dead");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(seconds_to_fail(&socket) < 0.5);
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_two_seconds() {
    let streams = Mutex::new(Vec::new());
    let (socket, _folder) = impostor(move |stream| streams.lock().unwrap().push(stream));
    let seconds = seconds_to_fail(&socket);
    assert!((1.9..3.0).contains(&seconds), "{seconds} s");
}

#[test]
fn a_server_that_lets_nobody_in_is_given_up_after_two_seconds() {
    let folder = Folder::new();
    let socket = folder.0.join("native");
    let listener = socket2_listener(&socket);
    let mut guests = Vec::new();
    // Until its queue is full; the kernel rounds its length up.
    while let Ok(guest) = connect_now(&socket) {
        guests.push(guest);
    }
    let seconds = seconds_to_fail(&socket);
    assert!((1.9..3.0).contains(&seconds), "{seconds} s");
    drop(listener);
}

fn socket2_listener(socket: &Path) -> std::os::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
    let fd = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&fd, &SocketAddrUnix::new(socket).unwrap()).unwrap();
    rustix::net::listen(&fd, 0).unwrap();
    fd
}

fn connect_now(socket: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let flags = SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&fd, &SocketAddrUnix::new(socket)?)?;
    Ok(fd)
}

#[test]
fn rubbish_is_not_taken_for_a_server() {
    use std::io::Write as _;
    let rubbish: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        &[0xff; 4096],
        // A message of nothing on the channel of commands.
        &[
            0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        b"",
    ];
    for bytes in rubbish {
        let (socket, _folder) = impostor(move |mut stream| {
            let _ = stream.write_all(bytes);
        });
        let seconds = seconds_to_fail(&socket);
        assert!(seconds < 3.0, "{seconds} s for {bytes:?}");
    }
}
