//! What the device's callback tells of its clock: the latest requests, handed over without a lock.
//!
//! A queue that is full either hides the newest tick, as the seed's did, or has to take back the oldest (timing.md T7).
//! Here each slot is half of a sequence lock: the callback overwrites the oldest tick without asking, and the audio
//! thread, when it finds that it was overtaken, counts what it missed and goes on with the oldest that is left.

use clock::Nanos;

use crate::primitive::{Arc, AtomicU64, Ordering};

/// One request of the device, as its callback saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// When the device asked, on the clock of [`clock::MonotonicClock`].
    pub at: Nanos,
    /// Frames that this request is for.
    pub frames: u32,
    /// Frames the device has taken before this request, ever. Grows at the pace of the device's crystal only.
    pub consumed: u64,
    /// Ring position of this request's first frame. Differs from `consumed` by what was skipped.
    pub position: u64,
}

/// Ticks kept: 16 as in the seed, 85 ms of the shortest usual period.
#[cfg(not(loom))]
const SLOTS: usize = 16;
/// Few enough for a model to go around them.
#[cfg(loom)]
const SLOTS: usize = 2;

const WORDS: usize = 4;

/// One tick and the number of the store that left it there.
#[derive(Debug)]
struct Slot {
    /// n + 1 from the moment that tick n begins to be stored; 0 before the first.
    claim: AtomicU64,
    /// The tick. Each word is stored with Release and loaded with Acquire: a reader that gets a word of tick n also sees
    /// at least n + 1 when it looks at the claim afterwards, and so knows that it was overtaken.
    words: [AtomicU64; WORDS],
}

#[derive(Debug)]
struct Shared {
    /// Ticks sent ever. Stored by the sender only, with Release after the slot; the receiver's Acquire pairs with that.
    sent: AtomicU64,
    slots: [Slot; SLOTS],
}

impl Shared {
    fn slot(&self, number: u64) -> &Slot {
        // A remainder below a usize.
        &self.slots[(number % SLOTS as u64) as usize]
    }
}

/// Makes a hand-over for the latest ticks.
#[must_use]
pub fn ticks() -> (TickSender, TickReceiver) {
    let shared = Arc::new(Shared {
        sent: AtomicU64::new(0),
        slots: std::array::from_fn(|_| Slot {
            claim: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        }),
    });
    let sender = TickSender {
        sent: 0,
        shared: Arc::clone(&shared),
    };
    let receiver = TickReceiver {
        next: 0,
        missed: 0,
        shared,
    };
    (sender, receiver)
}

/// The callback's side: allocation-free, wait-free, without system calls.
#[derive(Debug)]
pub struct TickSender {
    sent: u64,
    shared: Arc<Shared>,
}

impl TickSender {
    /// Hands a tick over, in place of the oldest.
    pub fn send(&mut self, tick: Tick) {
        let slot = self.shared.slot(self.sent);
        // Relaxed: the Release of each word below carries it.
        slot.claim.store(self.sent + 1, Ordering::Relaxed);
        for (place, word) in slot.words.iter().zip(to_words(tick)) {
            place.store(word, Ordering::Release);
        }
        self.sent += 1;
        self.shared.sent.store(self.sent, Ordering::Release);
    }
}

/// The audio thread's side.
#[derive(Debug)]
pub struct TickReceiver {
    next: u64,
    missed: u64,
    shared: Arc<Shared>,
}

impl TickReceiver {
    /// The next tick in order, if there is one; those that were overwritten are missed.
    pub fn receive(&mut self) -> Option<Tick> {
        // Each failure means that the sender went around; a callback that outruns this thread so often is not a device.
        for _ in 0..SLOTS {
            let sent = self.shared.sent.load(Ordering::Acquire);
            let oldest = sent.saturating_sub(SLOTS as u64);
            if self.next < oldest {
                self.missed += oldest - self.next;
                self.next = oldest;
            }
            if self.next == sent {
                return None;
            }
            if let Some(tick) = self.load(self.next) {
                self.next += 1;
                return Some(tick);
            }
            // It is being overwritten.
            self.next += 1;
            self.missed += 1;
        }
        None
    }

    /// Ticks that were overwritten before this side came to them, ever.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Tick `number`, which was sent, unless the sender has begun to overwrite it.
    fn load(&self, number: u64) -> Option<Tick> {
        let slot = self.shared.slot(number);
        let mut words = [0; WORDS];
        for (word, place) in words.iter_mut().zip(&slot.words) {
            *word = place.load(Ordering::Acquire);
        }
        // Relaxed: the Acquire of each word orders it after them.
        (slot.claim.load(Ordering::Relaxed) == number + 1).then(|| to_tick(words))
    }
}

fn to_words(tick: Tick) -> [u64; WORDS] {
    [
        tick.at.0.cast_unsigned(),
        tick.frames.into(),
        tick.consumed,
        tick.position,
    ]
}

fn to_tick([at, frames, consumed, position]: [u64; WORDS]) -> Tick {
    Tick {
        at: Nanos(at.cast_signed()),
        // As it was stored.
        frames: frames as u32,
        consumed,
        position,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn tick(number: u64) -> Tick {
        Tick {
            at: Nanos(-5 + number.cast_signed()),
            frames: u32::MAX - 7,
            consumed: number,
            position: u64::MAX - number,
        }
    }

    #[test]
    fn ticks_arrive_unchanged_and_in_order() {
        let (mut sender, mut receiver) = ticks();
        assert_eq!(receiver.receive(), None);
        for number in 0..100 {
            sender.send(tick(number));
            sender.send(tick(number + 1));
            assert_eq!(receiver.receive(), Some(tick(number)));
            assert_eq!(receiver.receive(), Some(tick(number + 1)));
            assert_eq!(receiver.receive(), None);
        }
        assert_eq!(receiver.missed(), 0);
    }

    #[test]
    fn the_oldest_are_overwritten_and_counted() {
        let (mut sender, mut receiver) = ticks();
        for number in 0..40 {
            sender.send(tick(number));
        }
        assert_eq!(receiver.receive(), Some(tick(24)));
        assert_eq!(receiver.missed(), 24);
        assert_eq!(std::iter::from_fn(|| receiver.receive()).count(), 15);
        assert_eq!(receiver.missed(), 24);
    }
}
