//! The thread that runs a session over sockets.

use std::{
    collections::VecDeque,
    io,
    net::ToSocketAddrs as _,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    Overloaded,
    address::{Address, Place, Target},
    commands::Commands,
    connect::{self, Attempt},
    probe::Probe,
};
use crate::{
    Action, ChannelId, Command, Ended, Event, LinkError, Session, SessionOptions,
    link::ChannelKind, session::Broken,
};

/// Read at once.
const READ_BYTES: usize = 256 << 10;
/// Reads from one socket before the others get their turn.
const READS_IN_A_ROW: usize = 8;
/// MAIN and the five others, and the bell.
const MAX_POLLED: usize = 8;
/// Without anything to do, the thread looks round after this time all the same.
const IDLE: Duration = Duration::from_secs(60);

/// What a [`Client`] tells its owner.
#[derive(Debug)]
pub enum Report<'a> {
    /// Something happened in the session.
    Event(Event<'a>),
    /// The session is over, and this is why. The last report.
    Finished(&'a Outcome),
}

/// How a session ended, as far as can be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Outcome {
    /// As was asked for.
    #[error("closed")]
    Closed,
    /// No connection could be made.
    #[error("the SPICE server cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The server does not want us, or we do not want it.
    #[error("{0}")]
    Refused(LinkError),
    /// The virtual machine ended.
    #[error("the virtual machine ended")]
    MachineEnded,
    /// Another client uses the machine now: do not fight back.
    #[error("another client took over")]
    TakenOver,
    /// There is a new server at the same place.
    #[error("the virtual machine was started anew")]
    ServerRestarted,
    /// Something broke that a new session may mend.
    #[error("the connection broke: {0}")]
    Broken(Broken),
}

/// What is best done after an [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: it would end in the same way.
    Never,
    /// Connect again when the user wants it, and not before.
    OnRequest,
    /// Connect again at once.
    AtOnce,
    /// Connect again after a [`super::Backoff`].
    Later,
}

impl Outcome {
    /// What is best done now.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Closed => Retry::Never,
            Self::TakenOver => Retry::OnRequest,
            Self::ServerRestarted => Retry::AtOnce,
            Self::Unreachable(_) | Self::MachineEnded | Self::Broken(_) => Retry::Later,
            Self::Refused(error) if error.is_transient() => Retry::Later,
            Self::Refused(_) => Retry::Never,
        }
    }
}

/// A session that runs on a thread of its own.
///
/// Dropping it closes the session in order, which takes half a second at the most, and waits for the thread; give
/// [`Command::Close`] earlier to have that behind you by then. A connection that is still being made is given up at once.
#[derive(Debug)]
pub struct Client {
    handle: Handle,
    thread: Option<JoinHandle<Outcome>>,
}

/// Gives commands to a [`Client`]'s session, from any thread. Never waits.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: Arc<Commands>,
    /// Set by whoever wants the end, read by the thread between two steps; nothing else depends on it.
    is_cancelled: Arc<AtomicBool>,
}

impl Handle {
    /// Gives a command.
    ///
    /// # Errors
    ///
    /// [`Overloaded`] when 4096 commands wait already. Motion is dropped first, releases last.
    pub fn send(&self, command: Command) -> Result<(), Overloaded> {
        self.commands.push(command)
    }

    /// Ends the session in order, and gives up connecting or finding out why it ended.
    pub fn close(&self) {
        // Relaxed: only the flag itself is read, and the bell orders it.
        self.is_cancelled.store(true, Ordering::Relaxed);
        let _ = self.commands.push(Command::Close);
        self.commands.ring();
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

impl Client {
    /// Starts to connect, on a new thread which calls `report` with all that happens.
    ///
    /// While `report` runs, nothing is read and no PING is answered: it should store, and leave.
    ///
    /// # Errors
    ///
    /// When the operating system has no thread or no event descriptor left.
    pub fn connect(
        address: Address,
        options: SessionOptions,
        mut report: impl FnMut(Report<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let handle = Handle {
            commands: Arc::new(Commands::new()?),
            is_cancelled: Arc::new(AtomicBool::new(false)),
        };
        let ours = handle.clone();
        let thread = std::thread::Builder::new()
            .name("spice".into())
            .spawn(move || {
                let outcome = run(&address, options, &ours, &mut report);
                report(Report::Finished(&outcome));
                outcome
            })?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }

    /// What gives commands.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for the end of the session.
    pub fn join(mut self) -> Outcome {
        let outcome = self.thread.take().map(JoinHandle::join);
        match outcome {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Outcome::Closed,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.handle.close();
            // A panic of `report` was printed by its thread.
            let _ = thread.join();
        }
    }
}

type ReportFn<'r> = dyn FnMut(Report<'_>) + 'r;

fn run(
    address: &Address,
    options: SessionOptions,
    handle: &Handle,
    report: &mut ReportFn<'_>,
) -> Outcome {
    let targets = match resolve(address, handle) {
        Ok(Some(targets)) => targets,
        Ok(None) => return Outcome::Closed,
        Err(error) => return Outcome::Unreachable(error),
    };
    let mut driver = Driver {
        session: Session::new(options, Instant::now()),
        links: Vec::with_capacity(MAX_POLLED),
        targets: targets.into(),
        error: None,
        server_process: None,
        handle,
        buffer: vec![0; READ_BYTES],
    };
    let ended = driver.run(report);
    driver.outcome(ended)
}

/// Asks the name server, on a thread of its own as that cannot be interrupted. `None` when no longer wanted.
fn resolve(address: &Address, handle: &Handle) -> io::Result<Option<Vec<Target>>> {
    if let Some(targets) = address.targets() {
        return Ok(Some(targets));
    }
    let Place::Tcp { host, port } = address.0.clone() else {
        return Ok(Some(Vec::new()));
    };
    let (sender, receiver) = mpsc::channel();
    let bell = handle.clone();
    std::thread::Builder::new()
        .name("spice-resolve".into())
        .spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            // Nobody listens any more: the client was closed.
            let _ = sender.send(found.map(|all| all.map(Target::Tcp).collect()));
            bell.commands.ring();
        })?;
    loop {
        match receiver.try_recv() {
            Ok(found) => return found.map(Some),
            Err(mpsc::TryRecvError::Disconnected) => {
                return Err(io::Error::other("the name could not be looked up"));
            }
            Err(mpsc::TryRecvError::Empty) => {}
        }
        if handle.is_cancelled() {
            return Ok(None);
        }
        let mut bell = [PollFd::new(handle.commands.bell(), PollFlags::IN)];
        wait(&mut bell, IDLE)?;
        handle.commands.silence();
    }
}

/// Waits; an interrupted wait is over.
fn wait(sockets: &mut [PollFd<'_>], limit: Duration) -> io::Result<()> {
    let limit = Timespec::try_from(limit).unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    });
    match poll(sockets, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A channel's connection.
struct Link {
    id: ChannelId,
    attempt: Attempt,
    /// The last write took not all.
    is_blocked: bool,
}

struct Driver<'h> {
    session: Session,
    links: Vec<Link>,
    /// What can be connected to. The first is the one in use, once MAIN is connected.
    targets: VecDeque<Target>,
    /// Why connecting failed.
    error: Option<io::Error>,
    server_process: Option<i32>,
    handle: &'h Handle,
    buffer: Vec<u8>,
}

impl Driver<'_> {
    fn run(&mut self, report: &mut ReportFn<'_>) -> Ended {
        let sink = &mut |event: Event<'_>| report(Report::Event(event));
        loop {
            while let Some(command) = self.handle.commands.pop() {
                self.session.command(command, Instant::now(), sink);
            }
            self.session.tick(Instant::now(), sink);
            self.write_all(sink);
            while let Some(action) = self.session.next_action() {
                match action {
                    Action::Open(id) => self.open(id, sink),
                    Action::ShutDown(id) => self.shut_down(id),
                    Action::Close(id) => self.links.retain(|link| link.id != id),
                }
                self.write_all(sink);
            }
            if let Some(ended) = self.session.ended() {
                return ended;
            }
            if let Err(error) = self.wait(sink) {
                self.error = Some(error);
                return Ended::Unreachable;
            }
        }
    }

    fn shut_down(&self, id: ChannelId) {
        let link = self.links.iter().find(|link| link.id == id);
        if let Some(socket) = link.and_then(|link| link.attempt.socket()) {
            // If the connection is gone, reading will tell.
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
        }
    }

    fn open(&mut self, id: ChannelId, sink: &mut dyn FnMut(Event<'_>)) {
        while let Some(target) = self.targets.front() {
            match connect::start(target, Instant::now()) {
                Ok(attempt) => {
                    let is_connected = matches!(attempt, Attempt::Connected(_));
                    self.links.push(Link {
                        id,
                        attempt,
                        is_blocked: false,
                    });
                    if is_connected {
                        self.connected(id);
                    }
                    return;
                }
                Err(error) => {
                    if !self.try_next_target(id, error) {
                        break;
                    }
                }
            }
        }
        self.session.closed(id, Instant::now(), sink);
    }

    /// A target of MAIN failed: true if there is another one.
    fn try_next_target(&mut self, id: ChannelId, error: io::Error) -> bool {
        tracing::debug!(channel = %id, %error, "connecting failed");
        self.error = Some(error);
        if id.kind != ChannelKind::Main || self.targets.len() < 2 {
            return false;
        }
        self.targets.pop_front();
        true
    }

    fn connected(&mut self, id: ChannelId) {
        if id.kind == ChannelKind::Main
            && let Some(link) = self.links.iter().find(|link| link.id == id)
            && let (Some(socket), Some(target)) = (link.attempt.socket(), self.targets.front())
        {
            self.server_process = connect::server_process(socket, target);
        }
        self.session.connected(id, Instant::now());
    }

    /// Writes what can be written. What the kernel does not take waits in the session.
    fn write_all(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let mut index = 0;
        while let Some(link) = self.links.get_mut(index) {
            let id = link.id;
            if let Attempt::Connected(socket) = &link.attempt
                && !link.is_blocked
                && !self.session.output(id).is_empty()
            {
                match write(socket, self.session.output(id)) {
                    // The session may have more to say at once.
                    Ok(Some(count)) => {
                        self.session.written(id, count, Instant::now(), sink);
                        continue;
                    }
                    Ok(None) => link.is_blocked = true,
                    Err(_) => {
                        self.lose(id, sink);
                        continue;
                    }
                }
            }
            index += 1;
        }
    }

    fn lose(&mut self, id: ChannelId, sink: &mut dyn FnMut(Event<'_>)) {
        self.links.retain(|link| link.id != id);
        self.session.closed(id, Instant::now(), sink);
    }

    /// Waits for the next thing, and handles what came.
    fn wait(&mut self, sink: &mut dyn FnMut(Event<'_>)) -> io::Result<()> {
        let now = Instant::now();
        let again = self.links.iter().filter_map(|link| match link.attempt {
            Attempt::Again(at) => Some(at),
            _ => None,
        });
        let until = again.chain(self.session.deadline()).min();
        let limit = until.map_or(IDLE, |at| at.saturating_duration_since(now));
        let bell = self.handle.commands.bell();
        // The bell fills the places of what cannot be waited for.
        let mut sockets: [PollFd<'_>; MAX_POLLED] = std::array::from_fn(|index| {
            let link = index.checked_sub(1).and_then(|index| self.links.get(index));
            link.and_then(Link::polled)
                .unwrap_or(PollFd::new(bell, PollFlags::IN))
        });
        wait(&mut sockets, limit)?;
        let ready = sockets.map(|socket| !socket.revents().is_empty());
        self.handle.commands.silence();
        // From the last to the first, so that one that goes away moves none that is yet to come.
        for index in (0..MAX_POLLED - 1).rev() {
            if ready.get(index + 1).copied().unwrap_or(false) {
                self.handle_ready(index, sink);
            }
        }
        self.try_again(sink);
        Ok(())
    }

    fn handle_ready(&mut self, index: usize, sink: &mut dyn FnMut(Event<'_>)) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        let id = link.id;
        link.is_blocked = false;
        match std::mem::replace(&mut link.attempt, Attempt::Again(Instant::now())) {
            Attempt::Connected(socket) => {
                let is_alive = self.read(id, &socket, sink);
                match self.links.iter_mut().find(|link| link.id == id) {
                    Some(link) if is_alive => link.attempt = Attempt::Connected(socket),
                    _ => self.lose(id, sink),
                }
            }
            Attempt::UnderWay(socket) => match connect::finish(socket) {
                Ok(socket) => {
                    link.attempt = Attempt::Connected(socket);
                    self.connected(id);
                }
                Err(error) => {
                    let is_left = self.try_next_target(id, error);
                    self.links.retain(|link| link.id != id);
                    match is_left {
                        true => self.open(id, sink),
                        false => self.session.closed(id, Instant::now(), sink),
                    }
                }
            },
            // The bell rang in its place.
            again @ Attempt::Again(_) => link.attempt = again,
        }
    }

    /// Reads what is there; false when the connection is gone.
    fn read(&mut self, id: ChannelId, socket: &OwnedFd, sink: &mut dyn FnMut(Event<'_>)) -> bool {
        for _ in 0..READS_IN_A_ROW {
            match rustix::io::read(socket, &mut self.buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    let input = self.buffer.get(..count).unwrap_or_default();
                    self.session.receive(id, input, Instant::now(), sink);
                    if count < READ_BYTES {
                        return true;
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::debug!(channel = %id, %error, "reading failed");
                    return false;
                }
            }
        }
        true
    }

    /// Connects again where the server's queue was full.
    fn try_again(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let now = Instant::now();
        let due = |link: &Link| matches!(link.attempt, Attempt::Again(at) if at <= now);
        while let Some(index) = self.links.iter().position(due) {
            let id = self.links.remove(index).id;
            self.open(id, sink);
        }
    }

    /// Finds out what the session cannot know.
    fn outcome(&mut self, ended: Ended) -> Outcome {
        self.links.clear();
        let target = match ended {
            Ended::Closed => return Outcome::Closed,
            Ended::Refused(error) => return Outcome::Refused(error),
            Ended::Broken(broken) => return Outcome::Broken(broken),
            Ended::Unreachable => {
                let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
                return Outcome::Unreachable(self.error.take().unwrap_or_else(timed_out));
            }
            Ended::AllChannelsLost => self.targets.front(),
        };
        let Some(target) = target else {
            return Outcome::MachineEnded;
        };
        let probe = Probe::new(self.server_process, Instant::now());
        let outcome = probe.run(target, |attempt, limit| {
            let bell = self.handle.commands.bell();
            let socket = attempt.and_then(Attempt::socket);
            let mut sockets = [
                PollFd::new(bell, PollFlags::IN),
                PollFd::from_borrowed_fd(socket.unwrap_or(bell.as_fd()), PollFlags::OUT),
            ];
            // An event descriptor can always be written to: without a socket only the bell is waited for.
            let count = 1 + usize::from(socket.is_some());
            let mut is_waiting = !self.handle.is_cancelled()
                && wait(sockets.get_mut(..count).unwrap_or_default(), limit).is_ok();
            self.handle.commands.silence();
            while let Some(command) = self.handle.commands.pop() {
                is_waiting &= command != Command::Close;
            }
            is_waiting && !self.handle.is_cancelled()
        });
        outcome.unwrap_or(Outcome::Closed)
    }
}

impl Link {
    fn polled(&self) -> Option<PollFd<'_>> {
        let flags = match &self.attempt {
            Attempt::UnderWay(_) => PollFlags::OUT,
            Attempt::Connected(_) if self.is_blocked => PollFlags::IN | PollFlags::OUT,
            Attempt::Connected(_) => PollFlags::IN,
            Attempt::Again(_) => return None,
        };
        let socket: BorrowedFd<'_> = self.attempt.socket()?;
        Some(PollFd::from_borrowed_fd(socket, flags))
    }
}

/// `None` when the kernel takes nothing now.
fn write(socket: &OwnedFd, bytes: &[u8]) -> io::Result<Option<usize>> {
    loop {
        // MSG_NOSIGNAL: a library must not rely on the program's ignoring SIGPIPE.
        let sent = rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL);
        match sent {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Ok(count) => return Ok(Some(count)),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
