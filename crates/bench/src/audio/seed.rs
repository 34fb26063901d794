//! The seed's algorithm in the same world.

use audio::Format;
use audio::reference::{Reference as Seed, ReferenceState};
use clock::Nanos;

use super::player::{Beliefs, Breaks, Placed, Player, Reference, Served};
use super::world::device::Request;
use super::world::source::Packet;

/// [`audio::reference`], as a player.
#[derive(Debug)]
pub struct SeedPlayer {
    seed: Seed,
    rate_hz: f64,
    breaks: Breaks,
}

impl SeedPlayer {
    /// Makes a stopped stream.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            seed: Seed::new(format),
            rate_hz: f64::from(format.rate_hz()),
            breaks: Breaks::default(),
        }
    }
}

impl Player for SeedPlayer {
    fn started(&mut self, _: Nanos) {
        self.seed.started();
    }

    fn stopped(&mut self, _: Nanos) {
        self.seed.stopped();
    }

    fn packet(&mut self, packet: &Packet, now: Nanos) -> Placed {
        let Some(placed) = self.seed.packet(now, packet.frames) else {
            return Placed {
                content: None,
                ratio: 1.0,
            };
        };
        let shift = placed.shift_frames;
        self.breaks.begins_anew |= shift != 0;
        self.breaks.lost_frames += placed.lost_frames + shift.min(0).unsigned_abs();
        self.breaks.silent_frames += shift.max(0).unsigned_abs();
        Placed {
            content: Some(placed.position),
            ratio: placed.ratio,
        }
    }

    fn wants_device(&self) -> bool {
        matches!(
            self.seed.state(),
            ReferenceState::Run | ReferenceState::Drain
        )
    }

    fn opened(&mut self, _: Nanos, _: u32) {}

    fn closed(&mut self, _: Nanos) {}

    fn request(&mut self, request: &Request) -> Served {
        let pulled = self.seed.pull(request.at, request.frames);
        let is_running = self.seed.state() == ReferenceState::Run;
        Served {
            // Its device never goes back behind its beginning in these worlds.
            position: u64::try_from(pulled.position).unwrap_or(0),
            missing: if is_running { pulled.missing } else { 0 },
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        None
    }

    fn wake(&mut self, _: Nanos) {}

    fn target_s(&self) -> f64 {
        self.seed.target_frames() as f64 / self.rate_hz
    }

    fn beliefs(&self) -> Beliefs {
        Beliefs::default()
    }

    fn reference(&self) -> Reference {
        Reference::Mean
    }

    fn take_breaks(&mut self) -> Breaks {
        std::mem::take(&mut self.breaks)
    }
}
