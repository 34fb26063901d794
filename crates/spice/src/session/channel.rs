//! One connection of a session: how far it is, what waits to be written, how often it failed.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    framing::{Framing, Output},
    link::{ChannelId, Handshake},
};

/// The most that a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most that a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that takes nothing for this long is gone.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A lost channel is opened again after these times, then never.
const REOPEN_AFTER: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
];
/// Losses longer ago than this are forgotten.
const FAILURE_MEMORY: Duration = Duration::from_secs(60);
/// More than this unsent is a server that does not read; a stalled one is noticed long before by its time.
pub(super) const MAX_OUTPUT_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) enum Stage {
    /// Not wanted now.
    Idle,
    /// The transport was asked for a connection.
    Opening {
        deadline: Instant,
    },
    Linking {
        handshake: Handshake,
        deadline: Instant,
    },
    Open,
    /// Lost, to be opened again.
    Waiting {
        until: Instant,
    },
    /// Given up.
    Unavailable,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) stage: Stage,
    pub(super) framing: Framing,
    pub(super) out: Output,
    /// Since when the server has taken nothing of what waits.
    unsent_since: Option<Instant>,
    failures: VecDeque<Instant>,
}

impl Channel {
    pub(super) fn new(id: ChannelId) -> Self {
        Self {
            id,
            stage: Stage::Idle,
            framing: Framing::new(id.kind.message_limit()),
            out: Output::default(),
            unsent_since: None,
            failures: VecDeque::new(),
        }
    }

    /// Forgets the old connection and waits for a new one.
    pub(super) fn open(&mut self, now: Instant) {
        self.reset(Stage::Opening {
            deadline: now + CONNECT_TIMEOUT,
        });
    }

    pub(super) fn reset(&mut self, stage: Stage) {
        self.stage = stage;
        self.framing = Framing::new(self.id.kind.message_limit());
        self.out = Output::default();
        self.unsent_since = None;
    }

    /// The connection stands: start the handshake.
    pub(super) fn link(&mut self, session: u32, now: Instant) {
        if matches!(self.stage, Stage::Opening { .. }) {
            self.stage = Stage::Linking {
                handshake: Handshake::new(session, self.id, self.out.raw()),
                deadline: now + HANDSHAKE_TIMEOUT,
            };
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// There is a connection, or one is being made.
    pub(super) fn is_active(&self) -> bool {
        matches!(
            self.stage,
            Stage::Opening { .. } | Stage::Linking { .. } | Stage::Open
        )
    }

    /// Notes a loss; the channel waits or is given up.
    pub(super) fn fail(&mut self, now: Instant) {
        self.failures
            .retain(|at| now.saturating_duration_since(*at) < FAILURE_MEMORY);
        let stage = match REOPEN_AFTER.get(self.failures.len()) {
            Some(delay) => Stage::Waiting {
                until: now + *delay,
            },
            None => Stage::Unavailable,
        };
        self.failures.push_back(now);
        self.reset(stage);
    }

    /// Waits a moment, so that the server sees the old connection's end, and opens again; this is no loss.
    pub(super) fn reopen(&mut self, now: Instant) {
        let [moment, ..] = REOPEN_AFTER;
        self.reset(Stage::Waiting {
            until: now + moment,
        });
    }

    /// Looks whether something new waits to be written.
    pub(super) fn note_output(&mut self, now: Instant) {
        if self.out.pending().is_empty() {
            self.unsent_since = None;
        } else {
            self.unsent_since.get_or_insert(now);
        }
    }

    pub(super) fn written(&mut self, count: usize, now: Instant) {
        self.out.advance(count);
        if count > 0 {
            self.unsent_since = None;
        }
        self.note_output(now);
    }

    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.stall_deadline().is_some_and(|at| at <= now)
            || self.out.pending().len() > MAX_OUTPUT_BYTES
    }

    fn stall_deadline(&self) -> Option<Instant> {
        self.unsent_since.map(|at| at + STALL_TIMEOUT)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Opening { deadline } | Stage::Linking { deadline, .. } => Some(*deadline),
            Stage::Waiting { until } => Some(*until),
            Stage::Idle | Stage::Open | Stage::Unavailable => None,
        };
        [stage, self.stall_deadline()].into_iter().flatten().min()
    }
}
