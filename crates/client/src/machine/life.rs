//! When to connect, when to wait, when to give up: the rules of the SPICE connection, without any I/O (spice.md section 10).

use clock::Nanos;
use spice::transport::{Backoff, Outcome, Retry};

use crate::config::OnVmExit;

/// How long the host application must have been silent before the end of the virtual machine ends the client.
const QUIET: Nanos = Nanos::from_millis(2000);

/// What the user chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// At start, keep trying until there is a server.
    pub wait_for_server: bool,
    /// What to do when the machine has ended.
    pub on_vm_exit: OnVmExit,
}

/// How a session ended, as far as the rules care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// We closed it.
    Closed,
    /// Nobody answered.
    Unreachable(String),
    /// The virtual machine ended.
    MachineEnded,
    /// Another client took over.
    TakenOver,
    /// There is a new server at the same place.
    ServerRestarted,
    /// It broke, or was refused for a reason that may pass.
    Broken(String),
    /// It was refused for good.
    Refused(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::MachineEnded => "the virtual machine ended",
            Self::TakenOver => "another client took over",
            Self::ServerRestarted => "the virtual machine was started anew",
            Self::Unreachable(why) | Self::Broken(why) | Self::Refused(why) => why,
        })
    }
}

impl From<&Outcome> for End {
    fn from(outcome: &Outcome) -> Self {
        let text = outcome.to_string();
        match (outcome, outcome.retry()) {
            (Outcome::MachineEnded, _) => Self::MachineEnded,
            (Outcome::Unreachable(error), _) => Self::Unreachable(format!("{text}: {error}")),
            (_, Retry::AtOnce) => Self::ServerRestarted,
            (_, Retry::OnRequest) => Self::TakenOver,
            (_, Retry::Later) => Self::Broken(text),
            (Outcome::Closed, Retry::Never) => Self::Closed,
            (_, Retry::Never) => Self::Refused(text),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Connect now.
    Connect,
    /// Close the session; it belongs to another machine.
    Close,
    /// The machine has ended: end the program in peace.
    Quit,
    /// The program cannot go on.
    Fail(String),
    /// Tell the user, once.
    Tell(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next try is due then.
    Waiting(Nanos),
    Connecting,
    Connected,
    /// Another client has the machine: only the user starts the next try.
    TakenOver,
    /// There is no sense in trying again.
    GivenUp,
    /// The server belongs to another machine than the host application.
    Foreign,
}

/// The life of the connection to one virtual machine.
#[derive(Debug)]
pub struct Life {
    rules: Rules,
    state: State,
    backoff: Backoff,
    /// There was a good start.
    was_ready: bool,
    /// The machine has ended, and with it the program if nothing speaks against it.
    has_ended: bool,
    /// Since when no host application is alive; `None` while one is.
    host_silent_since: Option<Nanos>,
    host_uuid: Option<[u8; 16]>,
    server_uuid: Option<[u8; 16]>,
    /// A session is being made, stands, or is yet to end.
    has_session: bool,
    /// A new session is wanted once the foreign one has ended.
    is_wanted_again: bool,
    told: Option<String>,
    pending: Vec<Step>,
}

impl Life {
    /// The first try is due at once.
    #[must_use]
    pub fn new(rules: Rules, now: Nanos) -> Self {
        Self {
            rules,
            state: State::Waiting(now),
            backoff: Backoff::default(),
            was_ready: false,
            has_ended: false,
            host_silent_since: Some(now),
            host_uuid: None,
            server_uuid: None,
            has_session: false,
            is_wanted_again: false,
            told: None,
            pending: Vec::new(),
        }
    }

    /// The next thing to do, if anything is due.
    pub fn step(&mut self, now: Nanos) -> Option<Step> {
        if !self.pending.is_empty() {
            return Some(self.pending.remove(0));
        }
        if self.has_ended && self.quit_at().is_some_and(|at| at <= now) {
            self.has_ended = false;
            self.state = State::GivenUp;
            return Some(Step::Quit);
        }
        match self.state {
            State::Waiting(at) if at <= now => {
                self.state = State::Connecting;
                self.has_session = true;
                self.server_uuid = None;
                Some(Step::Connect)
            }
            _ => None,
        }
    }

    /// When [`Self::step`] has something to do by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let quit = self.has_ended.then(|| self.quit_at()).flatten();
        let retry = match self.state {
            State::Waiting(at) => Some(at),
            _ => None,
        };
        quit.into_iter().chain(retry).min()
    }

    /// The session stands.
    pub fn ready(&mut self) {
        if self.state == State::Foreign {
            return;
        }
        self.state = State::Connected;
        self.was_ready = true;
        self.has_ended = false;
        self.told = None;
        self.backoff.reset();
    }

    /// The session is over. `random` is any number, for the waiting time.
    pub fn ended(&mut self, end: End, random: u32, now: Nanos) {
        self.has_session = false;
        if self.state == State::Foreign {
            if std::mem::take(&mut self.is_wanted_again) {
                self.state = State::Waiting(now);
            }
            return;
        }
        let wait = Nanos::from(self.backoff.next_wait(random));
        let is_first = !self.was_ready;
        self.state = match end {
            End::Closed => State::GivenUp,
            End::TakenOver => State::TakenOver,
            End::ServerRestarted => {
                self.backoff.reset();
                State::Waiting(now)
            }
            End::Unreachable(why) | End::Broken(why) if is_first && !self.rules.wait_for_server => {
                let hint = "start the virtual machine first, or turn SPICE off (spice:enable=no)";
                self.pending
                    .push(Step::Fail(format!("SPICE: {why}; {hint}")));
                State::GivenUp
            }
            End::Refused(why) if is_first && !self.rules.wait_for_server => {
                self.pending.push(Step::Fail(format!("SPICE: {why}")));
                State::GivenUp
            }
            End::Refused(why) => {
                self.tell(format!("SPICE: {why}"));
                State::GivenUp
            }
            // Who was there once and is not reachable now has ended.
            End::MachineEnded | End::Unreachable(_) if !is_first => {
                if self.rules.on_vm_exit == OnVmExit::Quit {
                    self.has_ended = true;
                }
                State::Waiting(now + wait)
            }
            End::Broken(why) => {
                self.tell(format!("SPICE: {why}"));
                State::Waiting(now + wait)
            }
            End::MachineEnded | End::Unreachable(_) => State::Waiting(now + wait),
        };
    }

    /// The user pressed a key or clicked: take the machine back, or try again now.
    pub fn wanted(&mut self, now: Nanos) {
        if let State::TakenOver | State::Waiting(_) = self.state {
            self.state = State::Waiting(now);
        }
    }

    /// Whether a host application is alive in the guest, and the UUID of its machine if it tells.
    pub fn host(&mut self, is_alive: bool, uuid: Option<[u8; 16]>, now: Nanos) {
        if is_alive {
            self.host_silent_since = None;
        } else if self.host_silent_since.is_none() {
            self.host_silent_since = Some(now);
        }
        // A host that is gone says nothing of whose machine runs now.
        let uuid = uuid.filter(|_| is_alive);
        if uuid != self.host_uuid {
            self.host_uuid = uuid;
            if self.state == State::Foreign {
                self.is_wanted_again = self.has_session;
                if !self.has_session {
                    self.state = State::Waiting(now);
                }
            }
            self.compare();
        }
    }

    /// The server says which machine it belongs to.
    pub fn server_uuid(&mut self, uuid: [u8; 16]) {
        self.server_uuid = Some(uuid).filter(|uuid| *uuid != [0; 16]);
        self.compare();
    }

    fn compare(&mut self) {
        let (Some(host), Some(server)) = (self.host_uuid, self.server_uuid) else {
            return;
        };
        let is_open = matches!(self.state, State::Connected | State::Connecting);
        if is_open && host != [0; 16] && host != server {
            self.state = State::Foreign;
            self.is_wanted_again = false;
            self.pending.push(Step::Close);
            self.tell(
                "The SPICE server belongs to another virtual machine: input and clipboard are off."
                    .into(),
            );
        }
    }

    /// A part of the session cannot be had; the rest goes on.
    pub fn lacks(&mut self, what: &str) {
        self.tell(format!("SPICE: the server gives no {what}."));
    }

    /// A sentence that stays on the screen for as long as it is true.
    #[must_use]
    pub fn notice(&self) -> Option<&'static str> {
        match self.state {
            State::TakenOver => Some(
                "Another client has taken this virtual machine over. Press a key or click to take it back.",
            ),
            _ => None,
        }
    }

    /// What is wrong, in a sentence for the user, until there is a good session again.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.told.as_deref()
    }

    /// Whether there will be no session any more.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.state == State::GivenUp
    }

    /// Whether a session stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    fn quit_at(&self) -> Option<Nanos> {
        self.host_silent_since.map(|since| since + QUIET)
    }

    /// The same sentence is told once, until there was a good session again.
    fn tell(&mut self, text: String) {
        if self.told.as_ref() != Some(&text) {
            self.told = Some(text.clone());
            self.pending.push(Step::Tell(text));
        }
    }
}

#[cfg(test)]
mod tests;
