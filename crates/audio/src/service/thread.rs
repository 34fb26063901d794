//! The thread `audio` itself: waits for letters and times, and does what [`Core`] decides.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use clock::{Clock as _, MonotonicClock, Nanos};

use super::inbox::{Inbox, Letter, Waited};
use super::model::{Action, Core, News};
use super::pieces::Pieces;
use super::publish::{Publishing, Seen};
use super::trace::Trace;
use super::worker::{Inward, MakeBackend, Outward, Report, Worker};
use super::{Mixer, Outlet, SoundEvent, SoundSettings, SoundStatus, publish};
use crate::device::choice::Choice;
use crate::device::{Backend, CaptureRequest, PlaybackRequest};
use crate::playback::State;
use crate::urgency::hurry;
use crate::{Format, SampleLane, capture};

/// What recording devices give is looked at this often: half a piece.
const CAPTURE_LOOK: Nanos = Nanos::from_millis(5);
/// What the ring of a stream holds, in seconds: the longest target and the largest period, and twice that.
const RING_SECONDS: f64 = 3.0;
/// What the ring of a recording holds, in seconds.
const CAPTURE_SECONDS: f64 = 1.0;
/// The longest wait for a device at the end: as long as one may take to open, and a moment.
const END_LIMIT: Nanos = Nanos::from_millis(2500);
/// The core asks for at most a few things at a time; this only keeps a mistake from becoming an endless loop.
const MOST_ROUNDS: u32 = 8;

/// Sound in both directions, on threads of its own. Dropping it ends the streams at once.
pub struct Sound {
    handle: SoundHandle,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Sound {
    /// Starts the thread `audio`, with the sound servers that the environment names. No server is asked for
    /// anything before there is sound. `outlet` is called on the thread.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(settings: SoundSettings, outlet: Outlet) -> std::io::Result<Self> {
        let choose = || Box::new(Choice::from_environment()) as Box<dyn Backend>;
        Self::start_with(settings, Arc::new(choose), outlet)
    }

    /// As [`Self::start`], with the servers that `make` gives; it is called once for each direction.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start_with(
        settings: SoundSettings,
        make: Arc<dyn Fn() -> Box<dyn Backend> + Send + Sync>,
        outlet: Outlet,
    ) -> std::io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let status = Arc::new(Mutex::new(SoundStatus::default()));
        let handle = SoundHandle {
            inbox: Arc::clone(&inbox),
            status: Arc::clone(&status),
        };
        let (alive, ended) = channel();
        let thread = std::thread::Builder::new()
            .name("audio".to_owned())
            .spawn(move || Runner::new(settings, &make, outlet, inbox, status, alive).run())?;
        Ok(Self {
            handle,
            thread: Some(thread),
            ended,
        })
    }

    /// What tells it of events.
    #[must_use]
    pub const fn handle(&self) -> &SoundHandle {
        &self.handle
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.handle.inbox.close();
        // Both directions may have to be waited for.
        let limit = (END_LIMIT + END_LIMIT + END_LIMIT).to_duration();
        match self.ended.recv_timeout(limit) {
            Err(RecvTimeoutError::Disconnected) | Ok(()) => {
                // A panic was printed by its thread.
                let _ = self.thread.take().map(JoinHandle::join);
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("the thread of the sound does not end; it is left alone");
            }
        }
    }
}

/// Tells the thread what happens, from any thread. Never waits for it, and takes no memory for a packet once it runs.
#[derive(Clone, Debug)]
pub struct SoundHandle {
    inbox: Arc<Inbox<News>>,
    status: Arc<Mutex<SoundStatus>>,
}

impl SoundHandle {
    /// The guest plays from now on.
    pub fn started(&self, format: Format) {
        self.inbox.started(format);
    }

    /// A packet came just now: 16-bit little-endian, interleaved, of the started format. `time_ms` is its own time
    /// stamp. When too many wait, the oldest are dropped.
    pub fn packet(&self, time_ms: u32, samples: &[u8]) {
        self.inbox.packet(MonotonicClock.now(), time_ms, samples);
    }

    /// The guest plays no longer, or the session is over: what is buffered is played to its end.
    pub fn stopped(&self) {
        self.inbox.stopped();
    }

    /// The guest's mixer for what it plays: 0 to 65 535 for each channel.
    pub fn set_volume(&self, levels: &[u16]) {
        self.inbox
            .set_playback_mixer(|mixer| mixer.set_levels(levels));
    }

    /// The guest mutes what it plays, or no longer.
    pub fn set_muted(&self, is_muted: bool) {
        self.inbox
            .set_playback_mixer(|mixer| mixer.set_muted(is_muted));
    }

    /// The guest records from now on. Returns the number of this recording, which [`Self::allow_microphone`] takes.
    pub fn record_started(&self, format: Format) -> u32 {
        self.inbox.record_started(format)
    }

    /// The guest records no longer: the microphone is closed at once.
    pub fn record_stopped(&self) {
        self.inbox.record_stopped();
    }

    /// The guest's mixer for what it records: 0 to 65 535 for each channel.
    pub fn set_record_volume(&self, levels: &[u16]) {
        self.inbox
            .set_record_mixer(|mixer| mixer.set_levels(levels));
    }

    /// The guest mutes what it records, or no longer.
    pub fn set_record_muted(&self, is_muted: bool) {
        self.inbox
            .set_record_mixer(|mixer| mixer.set_muted(is_muted));
    }

    /// The user lets that recording, and no other, hear the microphone; none by `None`, and none from the start.
    pub fn allow_microphone(&self, recording: Option<u32>) {
        self.inbox.allow(recording);
    }

    /// How things are.
    #[must_use]
    pub fn status(&self) -> SoundStatus {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone()
    }
}

/// What the thread has.
struct Runner {
    settings: SoundSettings,
    core: Core<SampleLane>,
    inbox: Arc<Inbox<News>>,
    outward: Worker<Outward>,
    inward: Worker<Inward>,
    /// The volume of the device that plays, if it was told.
    volume: Option<Mixer>,
    recording: Option<Recording>,
    outlet: Outlet,
    status: Arc<Mutex<SoundStatus>>,
    publishing: Publishing,
    recorded_pieces: u64,
    trace: Option<Trace>,
    /// Dropped at the end.
    _alive: Sender<()>,
}

/// A microphone that is opened or open.
struct Recording {
    /// The device.
    number: u64,
    recording: u32,
    pieces: Pieces,
}

impl Runner {
    fn new(
        settings: SoundSettings,
        make: &MakeBackend,
        outlet: Outlet,
        inbox: Arc<Inbox<News>>,
        status: Arc<Mutex<SoundStatus>>,
        alive: Sender<()>,
    ) -> Self {
        let news = Arc::clone(&inbox);
        let of_playback = Arc::new(move |report| {
            news.news(match report {
                Report::Opened(number, result) => News::Playback(number, result),
                Report::Lost(number, why) => News::PlaybackLost(number, why),
            });
        });
        let news = Arc::clone(&inbox);
        let of_capture = Arc::new(move |report| {
            news.news(match report {
                Report::Opened(number, result) => News::Capture(number, result),
                Report::Lost(number, why) => News::CaptureLost(number, why),
            });
        });
        Self {
            core: Core::new(settings.clone()),
            inbox,
            outward: Worker::new(Arc::clone(make), of_playback),
            inward: Worker::new(Arc::clone(make), of_capture),
            volume: None,
            recording: None,
            outlet,
            status,
            publishing: Publishing::default(),
            recorded_pieces: 0,
            trace: settings.debug.then(Trace::default),
            settings,
            _alive: alive,
        }
    }

    fn run(&mut self) {
        hurry();
        let mut actions = Vec::with_capacity(16);
        let mut deadline = None;
        loop {
            match self.inbox.wait(deadline) {
                Waited::Closed => break,
                Waited::Deadline => {}
                Waited::Letter(letter) => self.take(letter, &mut actions),
            }
            let now = MonotonicClock.now();
            let asked = self.decide(now, &mut actions);
            let recorded = self.send_recorded(now);
            let published = self.publish(now);
            deadline = [asked, recorded, published].into_iter().flatten().min();
        }
        self.recording = None;
        self.outward.stop();
        self.inward.stop();
        self.outward.wait(END_LIMIT);
        self.inward.wait(END_LIMIT);
    }

    fn take(&mut self, letter: Letter<News>, actions: &mut Vec<Action>) {
        let buffer = self.core.take(letter, MonotonicClock.now(), actions);
        if let Some(buffer) = buffer {
            self.inbox.recycle(buffer);
        }
    }

    /// Does what the core wants, until it wants nothing more at this time.
    fn decide(&mut self, now: Nanos, actions: &mut Vec<Action>) -> Option<Nanos> {
        for _ in 0..MOST_ROUNDS {
            let next = self.core.tick(now, actions);
            if actions.is_empty() {
                return next;
            }
            for action in actions.drain(..) {
                self.act(action, now);
            }
        }
        Some(now + publish::INTERVAL)
    }

    fn act(&mut self, action: Action, now: Nanos) {
        match action {
            Action::OpenPlayback(number, format) => self.open_playback(number, format, now),
            Action::ClosePlayback(number) => self.outward.close(number),
            Action::PlaybackVolume(mixer) => {
                self.volume = Some(mixer);
                self.outward.set_volume(mixer);
            }
            Action::OpenCapture {
                number,
                recording,
                format,
            } => self.open_capture(number, recording, format),
            Action::CloseCapture(number) => {
                self.recording.take_if(|open| open.number == number);
                self.inward.close(number);
            }
            Action::CaptureVolume(mixer) => self.inward.set_volume(mixer),
            Action::Tell(microphone) => (self.outlet)(SoundEvent::Microphone(microphone)),
        }
    }

    fn open_playback(&mut self, number: u64, format: Format, now: Nanos) {
        // At most 1 152 000.
        let capacity = format.frames(RING_SECONDS) as usize;
        let lane = SampleLane::new(format, capacity).map_err(|error| error.to_string());
        let opened = lane.and_then(|(lane, pull)| {
            self.core.attach(lane, now);
            let request = PlaybackRequest {
                format,
                period_frames: self.settings.period(format),
                target: self.settings.playback_device.clone(),
                stream_name: self.settings.stream_name.clone(),
            };
            let opened = self.outward.open(number, request, pull);
            // Nothing is louder than it should be until the answer comes.
            if let Some(volume) = self.volume {
                self.outward.set_volume(volume);
            }
            opened.map_err(|error| format!("no thread for the sound: {error}"))
        });
        if let Err(why) = opened {
            self.inbox.news(News::Playback(number, Err(why)));
        }
    }

    fn open_capture(&mut self, number: u64, recording: u32, format: Format) {
        // At most 384 000.
        let capacity = format.frames(CAPTURE_SECONDS) as usize;
        let (push, capture) = capture(format, capacity);
        self.recording = Some(Recording {
            number,
            recording,
            pieces: Pieces::new(capture),
        });
        let request = CaptureRequest {
            format,
            period_frames: format.rate_hz() / 100,
            target: self.settings.record_device.clone(),
            stream_name: self.settings.stream_name.clone(),
        };
        if let Err(error) = self.inward.open(number, request, push) {
            let why = format!("no thread for the microphone: {error}");
            self.inbox.news(News::Capture(number, Err(why)));
        }
    }

    /// Sends what was recorded, if it may be; returns when to look again.
    fn send_recorded(&mut self, now: Nanos) -> Option<Nanos> {
        let open = self.recording.as_mut()?;
        while let Some((time_ms, samples)) = open.pieces.next() {
            if self.core.may_send(open.number) {
                self.recorded_pieces += 1;
                let recording = open.recording;
                (self.outlet)(SoundEvent::Recorded {
                    recording,
                    time_ms,
                    samples,
                });
            }
        }
        Some(now + CAPTURE_LOOK)
    }

    /// Lets others see the numbers if it is time; returns when to do so again.
    fn publish(&mut self, now: Nanos) -> Option<Nanos> {
        let playback = self.core.status();
        let state = playback.map(|(status, _)| status.state);
        if let (Some(trace), Some((status, _))) = (&mut self.trace, &playback)
            && let Some(line) = trace.look(status, now)
        {
            tracing::info!("{line}");
        }
        let is_active =
            state.is_some_and(|state| state != State::Stopped) || self.recording.is_some();
        let seen = Seen {
            state,
            is_active,
            device: self.core.device(),
            microphone: self.core.microphone(),
        };
        if self.publishing.is_due(&seen, now) {
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            if status.device.as_ref() != self.core.device() {
                status.device = self.core.device().cloned();
            }
            if status.microphone != *self.core.microphone() {
                status.microphone = self.core.microphone().clone();
            }
            status.playback = playback.map(|(status, _)| status);
            status.format = playback.map(|(_, format)| format);
            status.device_latency = self.outward.latency();
            status.dropped_packets = self.inbox.dropped();
            status.recorded_pieces = self.recorded_pieces;
        }
        self.publishing.next()
    }
}
