//! Holds the pointer's commands back while the guest's pointer is being put in its place.
//!
//! What the user does in that time was meant for the place under the local pointer: a click must not go where the
//! guest's pointer was before. Keys wait only behind such a click, so that Ctrl and click stay together.

use clock::Nanos;
use picture::GuestPoint;
use spice::Command;

use super::Action;

/// How long the host may take to put the pointer in its place; the relay gives up a little earlier, and says so.
const PATIENCE: Nanos = Nanos::from_millis(300);
/// Commands that may wait; with more, the wait is over.
const MOST: usize = 64;

/// The pointer is on its way.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// Where it was sent.
    target: GuestPoint,
    until: Nanos,
}

/// The way to the SPICE session.
#[derive(Debug)]
pub(super) struct Outbox {
    wait: Option<Wait>,
    queue: Vec<Command>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            wait: None,
            queue: Vec::with_capacity(MOST),
        }
    }

    /// Starts to hold back what the pointer does.
    pub(super) fn wait_for(&mut self, target: GuestPoint, now: Nanos) {
        self.wait = Some(Wait {
            target,
            until: now + PATIENCE,
        });
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.wait.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.wait.map(|wait| wait.until)
    }

    /// Gives what the host was asked for, if it still matters. There is one question at a time.
    pub(super) fn target(&self) -> Option<GuestPoint> {
        self.wait.map(|wait| wait.target)
    }

    /// Gives what the host was asked for if it has taken too long.
    pub(super) fn late(&self, now: Nanos) -> Option<GuestPoint> {
        let wait = self.wait?;
        (now >= wait.until).then_some(wait.target)
    }

    /// Lets go what waits.
    pub(super) fn open(&mut self, actions: &mut Vec<Action>) {
        self.wait = None;
        actions.extend(self.queue.drain(..).map(Action::Spice));
    }

    /// Forgets what waits, and tells whether there was something to be missed.
    pub(super) fn clear(&mut self) -> bool {
        self.wait = None;
        let is_missed = self.has_click();
        self.queue.clear();
        is_missed
    }

    pub(super) fn key(&mut self, command: Command, actions: &mut Vec<Action>) {
        match self.has_click() {
            true => self.push(command, actions),
            false => actions.push(Action::Spice(command)),
        }
    }

    pub(super) fn pointer(&mut self, command: Command, actions: &mut Vec<Action>) {
        if self.wait.is_none() {
            actions.push(Action::Spice(command));
            return;
        }
        match (self.queue.last_mut(), command) {
            (Some(Command::Motion { dx, dy }), Command::Motion { dx: x, dy: y }) => {
                *dx = dx.saturating_add(x);
                *dy = dy.saturating_add(y);
            }
            (_, command) => self.push(command, actions),
        }
    }

    fn has_click(&self) -> bool {
        let is_motion = |command: &Command| matches!(command, Command::Motion { .. });
        !self.queue.iter().all(is_motion)
    }

    fn push(&mut self, command: Command, actions: &mut Vec<Action>) {
        self.queue.push(command);
        if self.queue.len() >= MOST {
            self.open(actions);
        }
    }
}
