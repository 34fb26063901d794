//! The thread of one stream: answers the server, and tells its owner what happens.
//!
//! The thread waits for the server and for its owner, and for nothing else. What the owner wants is in atomics, so the
//! thread never waits for a lock; once the stream runs, no request needs memory.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::thread::JoinHandle;

use clock::{Clock as _, MonotonicClock, Nanos};
use pulseaudio::protocol::{ChannelVolume, Command, Volume};
use rustix::event::{EventfdFlags, PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::layout;
use super::link::{Event, Incoming, Link, LinkError, timespec};
use crate::device::{DeviceEvent, Events, STOLEN};
use crate::urgency::hurry;

/// How often the server is asked for its latency.
const LATENCY_INTERVAL: Nanos = Nanos::from_millis(250);

/// How long the server may leave that question open before it is taken for dead: as long as no sound at all could be made
/// of anything that it still does.
const ANSWER_LIMIT: Nanos = Nanos::from_millis(3000);

/// What a stream does with what the server sends.
pub(super) trait Work: Send + 'static {
    /// Its number on the connection.
    fn channel(&self) -> u32;
    /// It is lost if the server moves it to another device.
    fn is_pinned(&self) -> bool {
        false
    }
    /// Something happened to it, other than that it was ended.
    fn event(&mut self, event: Event);
    /// Samples have come for it.
    fn samples(&mut self, bytes: &[u8]);
    /// Gives the server what it has asked for.
    fn serve(&mut self, link: &mut Link, shared: &Shared) -> Result<(), LinkError>;
    /// The question for the latency.
    fn latency_question(&self) -> Command;
    /// The answer to it.
    fn latency_answer(&mut self, body: &[u8], version: u16);
    /// Sets volume and mute.
    fn volume(&self, volume: ChannelVolume, mute: bool) -> [Command; 2];
    /// Ends the stream.
    fn end(&self) -> Command;
}

/// What the messages mean to the stream's owner.
enum Outcome {
    /// Nothing.
    GoesOn,
    /// The server has moved it to other hardware.
    Moved,
    /// The server has moved it to other hardware, which is not to be recorded.
    Stolen,
    /// The server has ended it.
    Killed,
}

/// What the owner and the thread tell each other.
pub(super) struct Shared {
    /// The owner sets it, once; the thread ends. Acquire in the thread pairs with the owner's release.
    closing: AtomicBool,
    /// Raw volume of each channel. The owner writes, then counts [`Self::volume_set`] up (release, acquire in the thread):
    /// half of one setting and half of the next is heard only until the thread sees the count.
    volumes: [AtomicU32; 8],
    is_mute: AtomicBool,
    volume_set: AtomicU32,
    /// Frames of the longest request. The thread writes. Relaxed: nothing else goes with it.
    pub(super) max_period_frames: AtomicU32,
    /// Nanoseconds from a request to its first frame being heard; negative if not known. The thread writes. Relaxed:
    /// nothing else goes with it.
    pub(super) latency_ns: AtomicI64,
}

impl Shared {
    pub(super) fn new(max_period_frames: u32) -> Self {
        Self {
            closing: AtomicBool::new(false),
            volumes: [const { AtomicU32::new(0) }; 8],
            is_mute: AtomicBool::new(false),
            volume_set: AtomicU32::new(0),
            max_period_frames: AtomicU32::new(max_period_frames),
            latency_ns: AtomicI64::new(-1),
        }
    }

    fn volume(&self, channels: usize) -> (ChannelVolume, bool) {
        let mut volume = ChannelVolume::empty();
        for raw in self.volumes.iter().take(channels) {
            // Relaxed: ordered by `volume_set`.
            volume.push(Volume::from_u32_clamped(raw.load(Ordering::Relaxed)));
        }
        (volume, self.is_mute.load(Ordering::Relaxed))
    }
}

/// The owner's end. Dropping it ends the stream; its thread does nothing more when `drop` returns.
pub(super) struct Handle {
    shared: Arc<Shared>,
    wake: Arc<OwnedFd>,
    channels: usize,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn set_volume(&self, levels: &[f32], mute: bool) {
        let volume = layout::channel_volume(self.channels, levels);
        for (cell, level) in self.shared.volumes.iter().zip(volume.channels()) {
            cell.store(level.as_u32(), Ordering::Relaxed);
        }
        self.shared.is_mute.store(mute, Ordering::Relaxed);
        self.shared.volume_set.fetch_add(1, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // Fails only if the count is full: then the thread wakes anyway.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take()
            // Dropped by what an event runs: the thread itself cannot wait for its end, and it asks for nothing more.
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// Starts the thread of a stream.
pub(super) fn start<W: Work>(
    link: Link,
    work: W,
    channels: usize,
    shared: Shared,
    events: Events,
) -> std::io::Result<Handle> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    let wake = Arc::new(rustix::event::eventfd(0, flags)?);
    let shared = Arc::new(shared);
    let mut worker = Worker {
        link,
        work,
        channels,
        shared: Arc::clone(&shared),
        wake: Arc::clone(&wake),
        events: Lifeline(Some(events)),
        volume_sent: 0,
        latency: Latency::Due(Nanos::ZERO),
    };
    let thread = std::thread::Builder::new()
        .name("pulseaudio".to_owned())
        .spawn(move || {
            hurry();
            match worker.run() {
                Ok(()) => worker.events.let_go(),
                Err(why) => worker.events.lose(&why),
            }
        })?;
    Ok(Handle {
        shared,
        wake,
        channels,
        thread: Some(thread),
    })
}

/// Says that the stream is lost when its thread ends without having said so.
struct Lifeline(Option<Events>);

impl Lifeline {
    fn lose(&mut self, why: &str) {
        if let Some(events) = self.0.take() {
            events(DeviceEvent::Lost(why.to_owned()));
        }
    }

    fn let_go(&mut self) {
        self.0 = None;
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.lose("its thread broke down");
    }
}

/// Where the question for the latency is.
enum Latency {
    /// To be asked at that time.
    Due(Nanos),
    /// Asked with that number, at that time.
    Asked(u32, Nanos),
}

impl Latency {
    fn is_answered_by(&self, seq: u32) -> bool {
        matches!(self, Self::Asked(asked, _) if *asked == seq)
    }
}

struct Worker<W> {
    link: Link,
    work: W,
    channels: usize,
    shared: Arc<Shared>,
    wake: Arc<OwnedFd>,
    events: Lifeline,
    volume_sent: u32,
    latency: Latency,
}

impl<W: Work> Worker<W> {
    /// Works until its owner does not want it any more (`Ok`) or the stream is lost.
    fn run(&mut self) -> Result<(), String> {
        loop {
            // Acquire: pairs with the owner's release.
            if self.shared.closing.load(Ordering::Acquire) {
                // What the server makes of it is of no interest; the connection ends with it.
                let _ = self.link.send(&self.work.end()).map(|_| self.link.flush());
                return Ok(());
            }
            let step = self.step().map_err(|error| error.to_string())?;
            match step {
                Outcome::GoesOn => {}
                Outcome::Moved => {
                    if let Some(events) = &self.events.0 {
                        events(DeviceEvent::Moved);
                    }
                }
                Outcome::Stolen => return Err(STOLEN.to_owned()),
                Outcome::Killed => {
                    return Err("the server ended the stream, as when its device is removed".into());
                }
            }
        }
    }

    /// Sends what is to be sent, waits, and looks at what has come.
    fn step(&mut self) -> Result<Outcome, LinkError> {
        self.work.serve(&mut self.link, &self.shared)?;
        self.send_volume()?;
        let until = self.ask_for_latency()?;
        let is_flushed = self.link.flush()?;
        self.wait(is_flushed, until)?;
        self.link.receive()?;
        self.look()
    }

    /// Looks at all messages that are whole.
    fn look(&mut self) -> Result<Outcome, LinkError> {
        let version = self.link.version();
        let mut outcome = Outcome::GoesOn;
        while let Some(message) = self.link.next()? {
            match message {
                Incoming::Samples { channel, bytes } if channel == self.work.channel() => {
                    self.work.samples(bytes);
                }
                Incoming::Event { channel, event } if channel == self.work.channel() => {
                    match event {
                        Event::Killed => return Ok(Outcome::Killed),
                        Event::Moved(_) if self.work.is_pinned() => return Ok(Outcome::Stolen),
                        Event::Moved(_) => outcome = Outcome::Moved,
                        Event::Requested(_) | Event::Buffer(_) => {}
                    }
                    self.work.event(event);
                }
                Incoming::Reply { seq, body } if self.latency.is_answered_by(seq) => {
                    self.latency = Latency::Due(MonotonicClock.now() + LATENCY_INTERVAL);
                    self.work.latency_answer(body, version);
                }
                Incoming::Refusal { seq, why } => {
                    // A device that is being removed has no latency for a moment.
                    if self.latency.is_answered_by(seq) {
                        self.latency = Latency::Due(MonotonicClock.now() + LATENCY_INTERVAL);
                    }
                    tracing::debug!("PulseAudio refused a command: {why}");
                }
                _ => {}
            }
        }
        Ok(outcome)
    }

    fn send_volume(&mut self) -> Result<(), LinkError> {
        // Acquire: pairs with the owner's release; what it stored before is seen.
        let set = self.shared.volume_set.load(Ordering::Acquire);
        if set != self.volume_sent {
            self.volume_sent = set;
            let (volume, mute) = self.shared.volume(self.channels);
            for command in self.work.volume(volume, mute) {
                self.link.send(&command)?;
            }
        }
        Ok(())
    }

    /// Asks for the latency if it is time to, and tells until when there is nothing to do.
    fn ask_for_latency(&mut self) -> Result<Nanos, LinkError> {
        let now = MonotonicClock.now();
        match self.latency {
            Latency::Due(at) if at <= now => {
                let seq = self.link.send(&self.work.latency_question())?;
                self.latency = Latency::Asked(seq, now);
                Ok(now + ANSWER_LIMIT)
            }
            Latency::Due(at) => Ok(at),
            Latency::Asked(_, at) if at + ANSWER_LIMIT <= now => Err(LinkError::Late),
            Latency::Asked(_, at) => Ok(at + ANSWER_LIMIT),
        }
    }

    /// Waits for the server or the owner.
    fn wait(&self, is_flushed: bool, until: Nanos) -> Result<(), LinkError> {
        let writing = if is_flushed {
            PollFlags::empty()
        } else {
            PollFlags::OUT
        };
        let mut fds = [
            PollFd::from_borrowed_fd(self.link.socket(), PollFlags::IN | writing),
            PollFd::new(&*self.wake, PollFlags::IN),
        ];
        let left = timespec(until - MonotonicClock.now());
        match poll(&mut fds, Some(&left)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[1].revents().contains(PollFlags::IN) {
            let mut count = [0; 8];
            // Only so that it does not wake again.
            let _ = rustix::io::read(&*self.wake, &mut count);
        }
        Ok(())
    }
}
