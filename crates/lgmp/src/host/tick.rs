//! The periodic work on one queue.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Corrupted;
use super::queue::Shared;
use crate::slots::{Slots, Word};
use crate::words::QueueWords;

/// How long the tick waits for a lock that was free at the last tick; one try if it was not (H4).
pub(crate) const TICK_PATIENCE: Duration = Duration::from_millis(2);

/// Whom a tick evicted and whose bits it freed, to be logged when the lock is free again.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    evicted: u32,
    reaped: u32,
    is_forced: bool,
}

impl<M: Slots> Shared<M> {
    pub(crate) fn tick(&self, now_ms: u64, gap_ms: u64) -> Result<(), Corrupted> {
        self.verify_geometry()?;
        let words = self.words();
        let is_gap = gap_ms > u64::from(words.max_time);
        let patience = if self.ring.stuck.is_stuck() {
            Duration::ZERO
        } else {
            TICK_PATIENCE
        };
        let outcome = match self.take_ring(&words, patience)? {
            Some(guard) => {
                let outcome = self.tick_locked(&words, now_ms, is_gap);
                self.release_ring(guard);
                outcome?
            }
            None => self.tick_stuck(&words, now_ms, is_gap)?,
        };
        self.log(outcome);
        self.tick_mailbox(&words, now_ms, is_gap)
    }

    fn tick_locked(
        &self,
        words: &QueueWords<'_, M>,
        now_ms: u64,
        is_gap: bool,
    ) -> Result<Outcome, Corrupted> {
        let mut observed = self.observe(words)?;
        let evicted = self.expire(words, &mut observed, now_ms, is_gap)?;
        let reaped = self.reap(words, &mut observed, now_ms)?;
        Ok(Outcome {
            evicted,
            reaped,
            is_forced: false,
        })
    }

    fn tick_stuck(
        &self,
        words: &QueueWords<'_, M>,
        now_ms: u64,
        is_gap: bool,
    ) -> Result<Outcome, Corrupted> {
        if !self.ring.stuck.note(now_ms, is_gap) {
            return Ok(Outcome::default());
        }
        // The holder is dead: the lock is ours from here on, and it stays taken while the ring is rebuilt.
        let guard = words.lock().seize();
        let evicted = self.rebuild(words, now_ms);
        self.release_ring(guard);
        self.ring.stuck.clear();
        Ok(Outcome {
            evicted: evicted?,
            reaped: 0,
            is_forced: true,
        })
    }

    /// Compares the words that only this host writes with what it wrote.
    fn verify_geometry(&self) -> Result<(), Corrupted> {
        let identity = &self.identity;
        let fields = &self.geometry.queue;
        let base = self.geometry.queue_base(identity.index);
        for (field, expected) in [
            (fields.queue_id, identity.spec.id),
            (fields.slots, identity.ring.slots),
            (fields.max_time, identity.spec.max_time_ms),
            (fields.ring_offset, identity.ring.offset),
        ] {
            // Relaxed: compared with what this host wrote itself.
            if self.memory.u32(base + field)?.load(Ordering::Relaxed) != expected {
                return Err(Corrupted);
            }
        }
        Ok(())
    }

    fn log(&self, outcome: Outcome) {
        let queue = self.identity.spec.id;
        if outcome.is_forced {
            tracing::warn!(queue, "a client died with the lock of the queue; forced it");
        }
        if outcome.evicted != 0 {
            let subscribers = outcome.evicted.count_ones();
            tracing::info!(
                queue,
                subscribers,
                "evicted subscribers that stopped reading"
            );
        }
        if outcome.reaped != 0 {
            tracing::debug!(queue, subscribers = outcome.reaped.count_ones(), "freed");
        }
    }
}
