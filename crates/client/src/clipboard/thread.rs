//! The thread that runs the bridge.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use clock::{Clock as _, MonotonicClock, Nanos};
use spice::agent::AgentEvent;
use spice::transport::Handle;
use window::clipboard::{Clipboard, ClipboardEvent, ClipboardLimits, ClipboardSink, give_way};
use window::{Window, WindowError};

use super::{Action, Bridge, ClipboardPolicy};

/// Events of the agent that may wait. An agent that sends more is taken for gone until it announces itself anew.
const MAX_AGENT_EVENTS: usize = 1024;

/// Something for the thread.
enum Letter {
    Local(ClipboardEvent),
    Agent(AgentEvent),
    /// Events of the agent were dropped.
    AgentOverrun,
    Focused,
    Connected(Handle),
    Disconnected,
}

#[derive(Default)]
struct Mailbox {
    letters: Mutex<Letters>,
    bell: Condvar,
}

#[derive(Default)]
struct Letters {
    queue: VecDeque<Letter>,
    /// How many of them are the agent's.
    agents: usize,
    is_closed: bool,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, letter: Letter) {
        let mut letters = self.lock();
        if letters.is_closed {
            return;
        }
        if matches!(letter, Letter::Agent(_)) {
            letters.agents += 1;
        }
        letters.queue.push_back(letter);
        if letters.agents > MAX_AGENT_EVENTS {
            let queue = &mut letters.queue;
            queue.retain(|letter| !matches!(letter, Letter::Agent(_)));
            queue.push_back(Letter::AgentOverrun);
            letters.agents = 0;
        }
        drop(letters);
        self.bell.notify_one();
    }

    /// Waits for a letter until a deadline: `Some(None)` if none came, `None` if none will come any more.
    fn pop(&self, deadline: Option<Nanos>) -> Option<Option<Letter>> {
        let mut letters = self.lock();
        loop {
            if letters.is_closed {
                return None;
            }
            if let Some(letter) = letters.queue.pop_front() {
                if matches!(letter, Letter::Agent(_)) {
                    letters.agents = letters.agents.saturating_sub(1);
                }
                return Some(Some(letter));
            }
            letters = match deadline {
                None => {
                    let woken = self.bell.wait(letters);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(deadline) => {
                    let left = deadline - MonotonicClock.now();
                    if left <= Nanos::ZERO {
                        return Some(None);
                    }
                    let woken = self.bell.wait_timeout(letters, left.to_duration());
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn close(&self) {
        let mut letters = self.lock();
        letters.is_closed = true;
        letters.queue.clear();
        drop(letters);
        self.bell.notify_one();
    }
}

/// Tells the thread what happens, from any thread. Never waits.
#[derive(Clone)]
pub struct ClipboardHandle(Arc<Mailbox>);

impl ClipboardHandle {
    /// Something happened at the agent.
    pub fn spice(&self, event: AgentEvent) {
        let matters = matches!(
            event,
            AgentEvent::Connected
                | AgentEvent::Disconnected
                | AgentEvent::Capabilities(_)
                | AgentEvent::Clipboard(_)
        );
        if matters {
            self.0.push(Letter::Agent(event));
        }
    }

    /// The window has the focus.
    pub fn focused(&self) {
        self.0.push(Letter::Focused);
    }

    /// There is a new SPICE session; commands go there from now on. To be told before its first event.
    pub fn connected(&self, session: Handle) {
        self.0.push(Letter::Connected(session));
    }

    /// The SPICE session is over.
    pub fn disconnected(&self) {
        self.0.push(Letter::Disconnected);
    }
}

/// The clipboard of host and guest, on a thread of its own (`clipboard-vm`). Dropping it ends the thread and gives up
/// what was offered to local programs.
pub struct ClipboardThread {
    handle: ClipboardHandle,
    thread: Option<JoinHandle<()>>,
}

impl ClipboardThread {
    /// Starts it with a window's clipboard. `messages` is called on the new thread with what the user should know.
    ///
    /// # Errors
    /// If the window's display server has no clipboard, or no thread can be started.
    pub fn start(
        window: &mut Window,
        policy: ClipboardPolicy,
        messages: impl FnMut(String) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let limits = ClipboardLimits::new(policy.max_bytes);
        Self::start_with(|sink| window.clipboard(limits, sink), policy, messages)
    }

    /// Starts it with the clipboard that `open` returns, which reports to the sink that `open` is given.
    ///
    /// # Errors
    /// As `open`, or if no thread can be started.
    pub fn start_with(
        open: impl FnOnce(ClipboardSink) -> Result<Box<dyn Clipboard>, WindowError>,
        policy: ClipboardPolicy,
        messages: impl FnMut(String) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let sink = Arc::clone(&mailbox);
        let clipboard = open(Box::new(move |event| sink.push(Letter::Local(event))))?;
        let handle = ClipboardHandle(Arc::clone(&mailbox));
        let mut runner = Runner {
            bridge: Bridge::new(policy),
            clipboard,
            session: None,
            has_warned: false,
            messages,
        };
        let thread = std::thread::Builder::new()
            .name("clipboard-vm".to_owned())
            .spawn(move || runner.run(&mailbox))?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }

    /// What tells it of events.
    #[must_use]
    pub fn handle(&self) -> &ClipboardHandle {
        &self.handle
    }
}

impl Drop for ClipboardThread {
    fn drop(&mut self) {
        self.handle.0.close();
        if let Some(thread) = self.thread.take() {
            // A panic was printed by its thread.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Runner<M> {
    bridge: Bridge,
    clipboard: Box<dyn Clipboard>,
    session: Option<Handle>,
    has_warned: bool,
    messages: M,
}

impl<M: FnMut(String)> Runner<M> {
    fn run(&mut self, mailbox: &Mailbox) {
        give_way();
        let mut actions = Vec::new();
        while let Some(letter) = mailbox.pop(self.bridge.deadline()) {
            let now = MonotonicClock.now();
            self.bridge.tick(now, &mut actions);
            if let Some(letter) = letter {
                self.take(letter, now, &mut actions);
            }
            for action in actions.drain(..) {
                self.act(action);
            }
        }
    }

    fn take(&mut self, letter: Letter, now: Nanos, actions: &mut Vec<Action>) {
        let bridge = &mut self.bridge;
        match letter {
            Letter::Local(event) => bridge.local(event, now, actions),
            Letter::Agent(event) => bridge.agent(event, now, actions),
            Letter::AgentOverrun => {
                // Once: a guest must not be able to fill our log.
                if !std::mem::replace(&mut self.has_warned, true) {
                    tracing::warn!("the guest agent sends more than can be handled; it is ignored");
                }
                bridge.agent_lost(actions);
            }
            Letter::Focused => bridge.focused(now, actions),
            Letter::Connected(session) => {
                bridge.agent_lost(actions);
                self.session = Some(session);
            }
            Letter::Disconnected => {
                bridge.agent_lost(actions);
                self.session = None;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Offer(formats) => self.clipboard.offer(&formats),
            Action::Withdraw => self.clipboard.withdraw(),
            Action::Request { id, format } => self.clipboard.request(id, format),
            Action::Cancel(id) => self.clipboard.cancel(id),
            Action::Supply { id, data } => self.clipboard.supply(id, data),
            Action::Spice(command) => {
                if let Some(Err(error)) = self.session.as_ref().map(|s| s.send(command)) {
                    tracing::debug!(%error, "the clipboard");
                }
            }
            Action::Message(text) => (self.messages)(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use spice::agent::AgentCapabilities;
    use spice::agent::clipboard::{ClipboardEvent as GuestEvent, ClipboardKind, Selection};
    use window::clipboard::ClipboardFormat;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A clipboard that writes down what it is told.
    struct Noted(Sender<String>);

    impl Clipboard for Noted {
        fn offer(&self, formats: &[ClipboardFormat]) {
            self.0.send(format!("offer {formats:?}")).unwrap();
        }
        fn withdraw(&self) {
            self.0.send("withdraw".to_owned()).unwrap();
        }
        fn request(&self, id: u64, format: ClipboardFormat) {
            self.0.send(format!("request {id} {format:?}")).unwrap();
        }
        fn cancel(&self, id: u64) {
            self.0.send(format!("cancel {id}")).unwrap();
        }
        fn supply(&self, id: u64, data: Option<Arc<[u8]>>) {
            self.0.send(format!("supply {id} {data:?}")).unwrap();
        }
    }

    fn start() -> (ClipboardThread, ClipboardSink, Receiver<String>) {
        let (notes, noted) = channel();
        let (sinks, sink) = channel();
        let open = |sink| {
            sinks.send(sink).unwrap();
            Ok(Box::new(Noted(notes)) as Box<dyn Clipboard>)
        };
        let policy = ClipboardPolicy {
            to_vm: true,
            to_local: true,
            max_bytes: 1000,
        };
        let thread = ClipboardThread::start_with(open, policy, drop).unwrap();
        (thread, sink.recv().unwrap(), noted)
    }

    fn capabilities() -> AgentEvent {
        AgentEvent::Capabilities(AgentCapabilities::from_word(0x60))
    }

    fn grabbed() -> AgentEvent {
        AgentEvent::Clipboard(GuestEvent::Grabbed {
            selection: Selection::Clipboard,
            kinds: vec![ClipboardKind::Png],
        })
    }

    #[test]
    fn events_of_both_sides_reach_the_bridge_and_its_actions_the_clipboard() {
        let (thread, mut sink, noted) = start();
        let handle = thread.handle();
        handle.spice(capabilities());
        handle.spice(grabbed());
        handle.focused();
        assert_eq!(noted.recv_timeout(LIMIT).unwrap(), "offer [Png]");
        sink(ClipboardEvent::Wanted {
            id: 4,
            format: ClipboardFormat::Text,
        });
        assert_eq!(noted.recv_timeout(LIMIT).unwrap(), "supply 4 None");
        handle.disconnected();
        assert_eq!(noted.recv_timeout(LIMIT).unwrap(), "withdraw");
        drop(thread);
        // The thread has ended and the clipboard with it; nothing is in anybody's way.
        assert!(noted.recv_timeout(LIMIT).is_err());
        sink(ClipboardEvent::Cleared);
    }

    #[test]
    fn the_thread_gives_way_to_others() {
        let nice = || {
            let thread = Some(rustix::thread::gettid());
            rustix::process::getpriority_process(thread).unwrap()
        };
        let (notes, noted) = channel();
        let open = |_| Ok(Box::new(Noted(channel().0)) as Box<dyn Clipboard>);
        let message = move |_| notes.send(nice()).unwrap();
        let policy = ClipboardPolicy {
            to_vm: true,
            to_local: true,
            max_bytes: 1000,
        };
        let thread = ClipboardThread::start_with(open, policy, message).unwrap();
        let too_large = GuestEvent::TooLarge {
            size: 2000,
            limit: 1000,
            is_from_guest: true,
        };
        thread.handle().spice(AgentEvent::Clipboard(too_large));
        let lowered = (nice() + 10).min(19);
        assert_eq!(noted.recv_timeout(LIMIT).unwrap(), lowered);
    }

    #[test]
    fn news_that_come_too_fast_are_passed_on_a_moment_later() {
        let (thread, _sink, noted) = start();
        let handle = thread.handle();
        handle.spice(capabilities());
        handle.focused();
        handle.spice(grabbed());
        handle.spice(grabbed());
        for _ in 0..2 {
            assert_eq!(noted.recv_timeout(LIMIT).unwrap(), "offer [Png]");
        }
    }

    #[test]
    fn an_agent_that_overruns_the_mailbox_is_taken_for_gone() {
        let mailbox = Mailbox::default();
        mailbox.push(Letter::Focused);
        for _ in 0..=MAX_AGENT_EVENTS {
            mailbox.push(Letter::Agent(grabbed()));
        }
        mailbox.push(Letter::Agent(capabilities()));
        let mut left = Vec::new();
        while let Some(Some(letter)) = mailbox.pop(Some(Nanos::ZERO)) {
            left.push(letter);
        }
        assert!(matches!(
            *left,
            [
                Letter::Focused,
                Letter::AgentOverrun,
                Letter::Agent(AgentEvent::Capabilities(_))
            ]
        ));
    }
}
