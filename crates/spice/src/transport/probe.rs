//! After all channels closed at once: did the machine end, or did another client take over?

use std::time::{Duration, Instant};

use super::{
    address::Target,
    client::Outcome,
    connect::{self, Attempt},
};

/// A server that still accepts after this time lives.
const PROBE_TIME: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);

/// What one try to connect showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Refused, or no such socket.
    Gone,
    /// Someone accepts; on a unix socket the process is known.
    Accepted(Option<i32>),
    /// Neither yet.
    Nothing,
}

/// The rule of spice.md section 10. No link message is ever sent, so that no session is disturbed.
#[derive(Debug)]
pub(super) struct Probe {
    old_process: Option<i32>,
    until: Instant,
    has_accepted: bool,
}

impl Probe {
    pub(super) fn new(old_process: Option<i32>, now: Instant) -> Self {
        Self {
            old_process,
            until: now + PROBE_TIME,
            has_accepted: false,
        }
    }

    /// Takes what was seen; returns the outcome once it is certain.
    pub(super) fn see(&mut self, seen: Seen, now: Instant) -> Option<Outcome> {
        match seen {
            Seen::Gone => return Some(Outcome::MachineEnded),
            Seen::Accepted(process) => {
                if process.is_some() && process != self.old_process {
                    return Some(Outcome::ServerRestarted);
                }
                // A process that ends closes its sockets one after the other, so this is not certain yet.
                self.has_accepted = true;
            }
            Seen::Nothing => {}
        }
        if now < self.until {
            return None;
        }
        Some(match self.has_accepted {
            true => Outcome::TakenOver,
            false => Outcome::MachineEnded,
        })
    }

    /// Probes until the outcome is certain. `pause` waits, and returns false when the caller wants no answer any more.
    pub(super) fn run(
        mut self,
        target: &Target,
        mut pause: impl FnMut(Option<&Attempt>, Duration) -> bool,
    ) -> Option<Outcome> {
        loop {
            let seen = match connect::start(target, Instant::now()) {
                Err(_) => Seen::Gone,
                Ok(attempt) => {
                    if !matches!(attempt, Attempt::Connected(_)) && !pause(Some(&attempt), PAUSE) {
                        return None;
                    }
                    look(attempt, target)
                }
            };
            if let Some(outcome) = self.see(seen, Instant::now()) {
                return Some(outcome);
            }
            if !pause(None, PAUSE) {
                return None;
            }
        }
    }
}

fn look(attempt: Attempt, target: &Target) -> Seen {
    use std::os::fd::AsFd;
    let socket = match attempt {
        Attempt::Connected(socket) => socket,
        Attempt::Again(_) => return Seen::Nothing,
        Attempt::UnderWay(socket) => match connect::finish(socket) {
            // No peer: it is still under way, as a stopped machine's TCP port may be.
            Ok(socket) if rustix::net::getpeername(&socket).is_err() => return Seen::Nothing,
            Ok(socket) => socket,
            Err(_) => return Seen::Gone,
        },
    };
    Seen::Accepted(connect::server_process(socket.as_fd(), target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_told_apart() {
        let start = Instant::now();
        let end = start + PROBE_TIME;
        let see = |seen: &[(Seen, Instant)]| {
            let mut probe = Probe::new(Some(10), start);
            seen.iter().find_map(|(seen, at)| probe.see(*seen, *at))
        };
        let same = Seen::Accepted(Some(10));
        assert!(matches!(
            see(&[(Seen::Gone, start)]),
            Some(Outcome::MachineEnded)
        ));
        // A process that is about to end still accepted once.
        let dying = [(same, start), (Seen::Gone, start + PAUSE)];
        assert!(matches!(see(&dying), Some(Outcome::MachineEnded)));
        assert!(see(&[(same, start), (same, start + PAUSE)]).is_none());
        assert!(matches!(
            see(&[(same, start), (same, end)]),
            Some(Outcome::TakenOver)
        ));
        let new = [(Seen::Accepted(Some(11)), start)];
        assert!(matches!(see(&new), Some(Outcome::ServerRestarted)));
        let tcp = [(Seen::Accepted(None), end)];
        assert!(matches!(see(&tcp), Some(Outcome::TakenOver)));
        let silent = [(Seen::Nothing, end)];
        assert!(matches!(see(&silent), Some(Outcome::MachineEnded)));
    }
}
