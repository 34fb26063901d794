//! What the device's real-time callback holds, and what the audio thread holds of it.
//!
//! [`stream`] makes both for one opened device; they are never exchanged while a callback may run (timing.md T11). The
//! callback reads, writes silence and sets flags: it takes no memory, no lock, makes no system call and writes no log
//! (T4). The device is closed, and the pull freed, by another thread when the callback has quiesced.

use clock::Nanos;

use crate::Format;
use crate::primitive::{Arc, AtomicU64, Ordering};
use crate::ring::{Read, Reader, Writer, ring};
use crate::ticks::{Tick, TickReceiver, TickSender, ticks};

/// What the callback does with the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Silence, whatever the ring holds; positions advance and the device's clock is told.
    #[default]
    Idle,
    /// Plays; starving is an underrun.
    Run,
    /// Plays what is there and then says so; starving is the end.
    Drain,
}

impl Phase {
    const fn to_bits(self) -> u64 {
        match self {
            Self::Idle => 0,
            Self::Run => 1,
            Self::Drain => 2,
        }
    }

    const fn from_bits(bits: u64) -> Self {
        match bits & PHASE_BITS {
            1 => Self::Run,
            2 => Self::Drain,
            _ => Self::Idle,
        }
    }
}

/// The part of a phase word that names the phase; the rest counts how often it was set.
const PHASE_BITS: u64 = 3;
/// Added for each time that the phase is set, so that an acknowledgement of an earlier drain is not taken for this one's.
const PHASE_STEP: u64 = 4;

/// What the callback has counted, and how far it has followed the phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests ever.
    pub pulls: u64,
    /// Episodes of starvation in [`Phase::Run`]: each begins with a request that got less than it asked for after sound
    /// had been played, and ends with one that got everything.
    pub underruns: u64,
    /// Frames of silence in those episodes.
    pub silent_frames: u64,
    /// The phase that the latest request was served in.
    pub phase: Phase,
    /// That phase is the one last set. If not, no request has come since.
    pub is_acknowledged: bool,
    /// The last one set is [`Phase::Drain`], and the ring has run empty in it.
    pub is_drained: bool,
}

/// The words beside ring and ticks. Those that count are Relaxed: nothing else depends on them.
#[derive(Debug, Default)]
struct Shared {
    /// The phase. Stored by the audio thread only. Release, paired with the callback's Acquire: what was written into
    /// the ring before the phase was set is there when the callback plays in it.
    phase: AtomicU64,
    /// The phase word that the latest request was served in, twice, plus one when it has drained. Stored by the callback only,
    /// with Release; paired with the audio thread's Acquire: the positions seen afterwards are at least that new.
    served: AtomicU64,
    /// Stored by the callback only.
    pulls: AtomicU64,
    /// Stored by the callback only.
    underruns: AtomicU64,
    /// Stored by the callback only.
    silent_frames: AtomicU64,
}

/// Makes both sides of a stream to one device, with a ring for at least `capacity_frames`.
#[must_use]
pub fn stream(format: Format, capacity_frames: usize) -> (Feed, Pull) {
    let (writer, reader) = ring(format, capacity_frames);
    let (sender, receiver) = ticks();
    let shared = Arc::new(Shared::default());
    let feed = Feed {
        format,
        writer,
        ticks: receiver,
        phase: 0,
        shared: Arc::clone(&shared),
    };
    let pull = Pull {
        format,
        reader,
        ticks: sender,
        consumed: 0,
        phase: 0,
        is_drained: false,
        has_played: false,
        is_starving: false,
        counts: Counts::default(),
        shared,
    };
    (feed, pull)
}

/// The audio thread's side of a stream.
#[derive(Debug)]
pub struct Feed {
    format: Format,
    /// The ring.
    pub writer: Writer,
    ticks: TickReceiver,
    /// The phase word as published.
    phase: u64,
    shared: Arc<Shared>,
}

impl Feed {
    /// The shape of the stream.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The next tick in order, if there is one.
    pub fn next_tick(&mut self) -> Option<Tick> {
        self.ticks.receive()
    }

    /// Ticks that were overwritten before [`Self::next_tick`] came to them, ever.
    #[must_use]
    pub const fn missed_ticks(&self) -> u64 {
        self.ticks.missed()
    }

    /// Sets what the callback does from its next request on. To set the same again changes nothing.
    pub fn set_phase(&mut self, phase: Phase) {
        if phase == Phase::from_bits(self.phase) {
            return;
        }
        let count = (self.phase & !PHASE_BITS) + PHASE_STEP;
        self.phase = count | phase.to_bits();
        self.shared.phase.store(self.phase, Ordering::Release);
    }

    /// The phase last set.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        Phase::from_bits(self.phase)
    }

    /// What the callback has counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let served = self.shared.served.load(Ordering::Acquire);
        let pulls = self.shared.pulls.load(Ordering::Relaxed);
        let is_acknowledged = pulls > 0 && served >> 1 == self.phase;
        Counters {
            pulls,
            underruns: self.shared.underruns.load(Ordering::Relaxed),
            silent_frames: self.shared.silent_frames.load(Ordering::Relaxed),
            phase: Phase::from_bits(served >> 1),
            is_acknowledged,
            is_drained: is_acknowledged && served & 1 == 1,
        }
    }
}

/// The callback's own counts, as published.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    pulls: u64,
    underruns: u64,
    silent_frames: u64,
}

/// The callback's side of a stream.
#[derive(Debug)]
pub struct Pull {
    format: Format,
    reader: Reader,
    ticks: TickSender,
    /// Frames that the device took ever.
    consumed: u64,
    /// The phase word last seen.
    phase: u64,
    is_drained: bool,
    /// Sound was played in this phase.
    has_played: bool,
    is_starving: bool,
    counts: Counts,
    shared: Arc<Shared>,
}

impl Pull {
    /// The shape of what [`Self::pull`] gives.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Fills one request of the device, made at `now`, with interleaved frames.
    ///
    /// A trailing part of a frame is silence; a request for nothing leaves no trace.
    pub fn pull(&mut self, out: &mut [f32], now: Nanos) {
        let frames = out.len() / self.format.channels();
        if frames == 0 {
            out.fill(0.0);
            return;
        }
        let phase = self.begin();
        let read = self.reader.read(out);
        if phase == Phase::Idle {
            out.fill(0.0);
        }
        self.finish(phase, read, now);
    }

    /// Does all that [`Self::pull`] does for a request of `frames`, but gives no samples: for simulations of days.
    pub fn pass(&mut self, frames: usize, now: Nanos) {
        if frames > 0 {
            let phase = self.begin();
            let read = self.reader.pass(frames);
            self.finish(phase, read, now);
        }
    }

    /// Follows the phase.
    fn begin(&mut self) -> Phase {
        let phase = self.shared.phase.load(Ordering::Acquire);
        if phase != self.phase {
            self.phase = phase;
            self.is_drained = false;
            self.has_played = false;
            self.is_starving = false;
        }
        Phase::from_bits(phase)
    }

    /// Counts and tells what was read.
    fn finish(&mut self, phase: Phase, read: Read, now: Nanos) {
        let is_starved = read.silent > 0;
        match phase {
            Phase::Idle => {}
            Phase::Run => {
                self.has_played |= read.silent < read.frames;
                if is_starved && self.has_played {
                    self.counts.underruns += u64::from(!self.is_starving);
                    self.counts.silent_frames += read.silent as u64;
                    self.is_starving = true;
                } else {
                    self.is_starving = false;
                }
            }
            Phase::Drain => self.is_drained |= is_starved || self.reader.available() == 0,
        }
        self.counts.pulls += 1;
        self.ticks.send(Tick {
            at: now,
            frames: u32::try_from(read.frames).unwrap_or(u32::MAX),
            consumed: self.consumed,
            position: self.reader.position() - read.frames as u64,
        });
        self.consumed += read.frames as u64;
        let shared = &*self.shared;
        shared.pulls.store(self.counts.pulls, Ordering::Relaxed);
        shared
            .underruns
            .store(self.counts.underruns, Ordering::Relaxed);
        shared
            .silent_frames
            .store(self.counts.silent_frames, Ordering::Relaxed);
        let served = self.phase << 1 | u64::from(self.is_drained);
        shared.served.store(served, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
