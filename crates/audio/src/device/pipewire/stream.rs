//! The thread of one device: opens its stream, serves it, takes it down.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Error as OsError;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, atomic};
use std::thread::JoinHandle;

use pipewire::channel::{Receiver, Sender, channel};
use pipewire::context::ContextBox;
use pipewire::core::Core;
use pipewire::keys;
use pipewire::loop_::Timeout;
use pipewire::main_loop::MainLoopBox;
use pipewire::properties::PropertiesBox;
use pipewire::spa;
use pipewire::stream::{Stream, StreamBox, StreamFlags, StreamState};

use super::worker::{Figures, Worker};
use super::{SERVER, ffi, format};
use crate::device::{DeviceError, DeviceEvent, Events, OPEN_LIMIT, PINNED, STOLEN};

/// Which way the sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Playback,
    Capture,
}

/// What is to be opened.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) direction: Direction,
    pub(super) remote: Option<PathBuf>,
    pub(super) period_frames: u32,
    pub(super) target: Option<String>,
    pub(super) name: String,
}

impl Order {
    /// No other device is to take the place of the one that is named: a microphone is chosen, or it is the user's privacy
    /// that is lost.
    fn is_pinned(&self) -> bool {
        let is_named = self.target.as_ref().is_some_and(|name| !name.is_empty());
        is_named && self.direction == Direction::Capture
    }
}

/// What the thread is told.
enum Command {
    Volume { levels: Vec<f32>, mute: bool },
    Close,
}

/// What the library's callbacks on the main thread have seen, for the loop to look at.
#[derive(Debug)]
enum Happening {
    State(StreamState),
    /// The stream follows another clock than before.
    Clock,
}

/// Things that the loop collects in callbacks and handles between them.
type Queue<T> = Rc<RefCell<VecDeque<T>>>;

/// An open stream, as seen from outside.
pub(super) struct Handle {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
    figures: Arc<Figures>,
}

impl Handle {
    /// Starts the thread and waits until the stream runs, for [`OPEN_LIMIT`] at most.
    pub(super) fn open(
        order: Order,
        worker: impl Worker,
        events: Events,
    ) -> Result<Self, DeviceError> {
        check(&order)?;
        let figures = worker.figures();
        let (commands, inbox) = channel();
        let (outcome, opened) = mpsc::sync_channel(1);
        let is_abandoned = Arc::new(atomic::AtomicBool::new(false));
        let events = silenced(events, Arc::clone(&is_abandoned));
        let thread = std::thread::Builder::new()
            .name("pipewire".to_owned())
            .spawn(move || run(order, worker, inbox, outcome, events))
            .map_err(DeviceError::Thread)?;
        let handle = Self {
            commands,
            thread: Some(thread),
            figures,
        };
        match opened.recv_timeout(OPEN_LIMIT.to_duration()) {
            Ok(Ok(())) => Ok(handle),
            // Dropping the handle waits for the thread, which is at its end.
            Ok(Err(error)) => Err(error),
            Err(RecvTimeoutError::Disconnected) => Err(refused("its thread ended".to_owned())),
            Err(RecvTimeoutError::Timeout) => {
                // A server that hangs may hang the thread as well, so nobody waits for its end. What it owns is its own.
                is_abandoned.store(true, atomic::Ordering::Relaxed);
                handle.abandon();
                Err(DeviceError::Late {
                    server: SERVER,
                    what: "give a running stream",
                    limit_ms: OPEN_LIMIT.as_millis().unsigned_abs(),
                })
            }
        }
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(super) fn set_volume(&self, levels: &[f32], mute: bool) {
        let levels = levels.to_vec();
        let _ = self.commands.send(Command::Volume { levels, mute });
    }

    fn abandon(mut self) {
        self.thread = None;
        let _ = self.commands.send(Command::Close);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = self.commands.send(Command::Close);
            if thread.join().is_err() {
                tracing::error!("the thread of a PipeWire stream has panicked");
            }
        }
    }
}

/// Nothing is reported of a stream that nobody has.
fn silenced(events: Events, is_abandoned: Arc<atomic::AtomicBool>) -> Events {
    Arc::new(move |event| {
        // Relaxed: a late event is harmless, it is about a device that the service does not know.
        if !is_abandoned.load(atomic::Ordering::Relaxed) {
            events(event);
        }
    })
}

/// The library ends the program when a text has a zero byte in it.
fn check(order: &Order) -> Result<(), DeviceError> {
    let bad = |what, text: &str| DeviceError::Request {
        what,
        reason: format!("{text:?} has a zero byte in it"),
    };
    if order.name.contains('\0') {
        return Err(bad("the stream's name", &order.name));
    }
    if let Some(target) = order.target.as_ref().filter(|target| target.contains('\0')) {
        return Err(bad("the device's name", target));
    }
    let remote = order.remote.as_ref().map(|remote| remote.to_string_lossy());
    match remote.filter(|remote| remote.contains('\0')) {
        Some(remote) => Err(bad("the server's socket", &remote)),
        None => Ok(()),
    }
}

fn refused(reason: String) -> DeviceError {
    DeviceError::Refused {
        server: SERVER,
        reason,
    }
}

/// An error of a library that says little, with what the system's error number says.
fn with_os(what: &str) -> String {
    format!("{what}: {}", OsError::last_os_error())
}

/// The thread: `outcome` gets one answer when the stream runs or does not.
fn run(
    order: Order,
    worker: impl Worker,
    inbox: Receiver<Command>,
    outcome: SyncSender<Result<(), DeviceError>>,
    events: Events,
) {
    pipewire::init();
    // One of the two tells how it went; the channel has room for it.
    if let Err(error) = connect(&order, worker, inbox, &outcome, &events) {
        let _ = outcome.send(Err(error));
    }
}

/// Connects and serves the stream until it is closed or lost.
fn connect(
    order: &Order,
    worker: impl Worker,
    inbox: Receiver<Command>,
    outcome: &SyncSender<Result<(), DeviceError>>,
    events: &Events,
) -> Result<(), DeviceError> {
    let main_loop = MainLoopBox::new(None).map_err(|_| refused(with_os("no loop")))?;
    let context = context(&main_loop)?;
    let mut properties = PropertiesBox::new();
    if let Some(remote) = &order.remote {
        properties.insert(*keys::REMOTE_NAME, remote.to_string_lossy().as_bytes());
    }
    let core = context
        .connect(Some(properties))
        .map_err(|_| DeviceError::NoServer {
            server: SERVER,
            reason: with_os("connecting"),
        })?;
    let commands: Queue<Command> = Rc::default();
    let incoming = Rc::clone(&commands);
    let _inbox = inbox.attach(main_loop.loop_(), move |command| {
        incoming.borrow_mut().push_back(command);
    });
    let serving = Serving {
        main_loop: &main_loop,
        is_pinned: order.is_pinned(),
        commands,
        outcome,
        events,
    };
    play(order, &core, worker, &serving)
}

/// The library's settings for real-time clients, which give the callback's thread its priority; newer servers have that in the
/// ordinary ones, and need not have this file.
fn context(main_loop: &MainLoopBox) -> Result<ContextBox<'_>, DeviceError> {
    let mut properties = PropertiesBox::new();
    properties.insert(*keys::CONFIG_NAME, "client-rt.conf");
    ContextBox::new(main_loop.loop_(), Some(properties))
        .or_else(|_| ContextBox::new(main_loop.loop_(), None))
        .map_err(|_| refused(with_os("no context")))
}

/// What the loop needs besides the stream.
struct Serving<'a> {
    main_loop: &'a MainLoopBox,
    /// The stream is lost if the server moves it to another device.
    is_pinned: bool,
    commands: Queue<Command>,
    outcome: &'a SyncSender<Result<(), DeviceError>>,
    events: &'a Events,
}

/// Makes the stream and serves it.
fn play(
    order: &Order,
    core: &Core,
    worker: impl Worker,
    serving: &Serving<'_>,
) -> Result<(), DeviceError> {
    let shape = worker.format();
    let offer = format::offer(shape).ok_or_else(|| refused("no format".to_owned()))?;
    let offer = spa::pod::Pod::from_bytes(&offer).ok_or_else(|| refused("no format".to_owned()))?;
    let properties = properties(order, shape.rate_hz());
    let stream =
        StreamBox::new(core, &order.name, properties).map_err(|_| refused(with_os("no stream")))?;
    let failed = |error: pipewire::Error| refused(error.to_string());
    // Two listeners with data of their own: the real-time thread calls the first that has this callback, and nothing else;
    // all other callbacks come on this thread.
    let callback = stream
        .add_local_listener_with_user_data(worker)
        .process(|stream, worker| worker.process(stream))
        .register()
        .map_err(failed)?;
    let happenings: Queue<Happening> = Rc::default();
    let watch = watch(&stream, &happenings).map_err(failed)?;
    let direction = match order.direction {
        Direction::Playback => spa::utils::Direction::Output,
        Direction::Capture => spa::utils::Direction::Input,
    };
    let flags = StreamFlags::AUTOCONNECT | StreamFlags::MAP_BUFFERS | StreamFlags::RT_PROCESS;
    let result = stream
        .connect(direction, None, flags, &mut [offer])
        .map_err(failed)
        .and_then(|()| serving.serve(&stream, &happenings));
    // The order matters: disconnecting takes the stream out of the graph and waits for the real-time thread to have seen
    // that. Only then is the callback's data freed (timing.md T4).
    if let Err(error) = stream.disconnect() {
        tracing::debug!("disconnecting a PipeWire stream: {error}");
    }
    drop(watch);
    drop(callback);
    drop(stream);
    result
}

/// Collects what happens to a stream.
fn watch(
    stream: &Stream,
    happenings: &Queue<Happening>,
) -> Result<pipewire::stream::StreamListener<()>, pipewire::Error> {
    let states = Rc::clone(happenings);
    let clocks = Rc::clone(happenings);
    stream
        .add_local_listener::<()>()
        .state_changed(move |_, (), _, state| {
            states.borrow_mut().push_back(Happening::State(state));
        })
        .io_changed(move |_, (), kind, area, _| {
            if kind == spa::sys::SPA_IO_Position && !area.is_null() {
                clocks.borrow_mut().push_back(Happening::Clock);
            }
        })
        .register()
}

fn properties(order: &Order, rate_hz: u32) -> PropertiesBox {
    let category = match order.direction {
        Direction::Playback => "Playback",
        Direction::Capture => "Capture",
    };
    let mut properties = PropertiesBox::new();
    properties.insert(*keys::MEDIA_TYPE, "Audio");
    properties.insert(*keys::MEDIA_CATEGORY, category);
    properties.insert(*keys::MEDIA_NAME, order.name.as_str());
    properties.insert(*keys::APP_NAME, "Looking Glass");
    properties.insert(*keys::NODE_NAME, "looking-glass");
    properties.insert(*keys::NODE_DESCRIPTION, order.name.as_str());
    let latency = format!("{}/{rate_hz}", order.period_frames.max(1));
    properties.insert(*keys::NODE_LATENCY, latency);
    // Followed only by servers that may change their rate, and then nothing has to be converted.
    properties.insert(*keys::NODE_RATE, format!("1/{rate_hz}"));
    if let Some(target) = &order.target {
        properties.insert(*keys::TARGET_OBJECT, target.as_str());
    }
    if order.is_pinned() {
        for key in PINNED {
            properties.insert(key.to_bytes(), "true");
        }
    }
    properties
}

/// What comes of something that happened.
enum Next {
    Wait,
    Moved,
    Close,
}

impl Serving<'_> {
    /// Runs the loop until the stream is closed or lost; an error is one of opening.
    fn serve(&self, stream: &Stream, happenings: &Queue<Happening>) -> Result<(), DeviceError> {
        let mut is_open = false;
        let mut has_moved = false;
        let mut volume: Option<(Vec<f32>, bool)> = None;
        loop {
            self.main_loop.loop_().iterate(Timeout::Infinite);
            // One at a time: handling one may make the library call back and add another.
            while let Some(command) = take(&self.commands) {
                match command {
                    Command::Close => return Ok(()),
                    Command::Volume { levels, mute } => {
                        volume = Some((levels, mute));
                        self.apply(stream, &mut volume, is_open);
                    }
                }
            }
            while let Some(happening) = take(happenings) {
                match self.handle(happening, &mut is_open)? {
                    Next::Wait => self.apply(stream, &mut volume, is_open),
                    Next::Moved => has_moved = true,
                    Next::Close => return Ok(()),
                }
            }
            // A connection that ends has a change of clocks before its end.
            if has_moved && self.is_pinned {
                // It may be no more than another clock for the same device; then it is opened anew a moment later.
                (self.events)(DeviceEvent::Lost(STOLEN.to_owned()));
                return Ok(());
            }
            if has_moved && stream.state() == StreamState::Streaming {
                (self.events)(DeviceEvent::Moved);
                has_moved = false;
            }
        }
    }

    fn handle(&self, happening: Happening, is_open: &mut bool) -> Result<Next, DeviceError> {
        match happening {
            Happening::State(StreamState::Streaming) if !*is_open => {
                *is_open = true;
                let _ = self.outcome.send(Ok(()));
            }
            Happening::State(StreamState::Error(reason)) if *is_open => {
                (self.events)(DeviceEvent::Lost(reason));
                return Ok(Next::Close);
            }
            Happening::State(StreamState::Error(reason)) => return Err(refused(reason)),
            Happening::State(StreamState::Unconnected) if *is_open => {
                (self.events)(DeviceEvent::Lost("the connection has ended".to_owned()));
                return Ok(Next::Close);
            }
            Happening::State(StreamState::Unconnected) => {
                return Err(refused("the connection has ended".to_owned()));
            }
            Happening::Clock if *is_open => return Ok(Next::Moved),
            Happening::State(_) | Happening::Clock => {}
        }
        Ok(Next::Wait)
    }

    /// Sets the volume that is waiting, once the stream can take it: before it runs it has no volume to set.
    fn apply(&self, stream: &Stream, volume: &mut Option<(Vec<f32>, bool)>, is_open: bool) {
        if !is_open {
            return;
        }
        if let Some((mut levels, mute)) = volume.take()
            && let Err(code) = ffi::set_volume(stream, &mut levels, mute)
        {
            let error = OsError::from_raw_os_error(code.wrapping_neg());
            tracing::warn!("PipeWire does not set the volume: {error}");
        }
    }
}

fn take<T>(queue: &Queue<T>) -> Option<T> {
    queue.borrow_mut().pop_front()
}
