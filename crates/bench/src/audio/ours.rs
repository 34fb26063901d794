//! The shipped state machine and controller, over positions only.

use audio::playback::{DeviceTiming, Order, Packet as Piece, Playback, PlaybackSettings};
use audio::{Format, Input};
use clock::Nanos;

use super::lane::{PositionDevice, PositionLane, lane};
use super::player::{Breaks, Placed, Player, Reference, Served};
use super::world::device::Request;
use super::world::source::Packet;

/// Frames of delay of the simulated resampler; the real one says its own.
const RESAMPLER_DELAY: f64 = 64.0;
/// Seconds of sound in the simulated ring.
const RING_S: u64 = 1;

/// [`Playback`] as the client drives it.
#[derive(Debug)]
pub struct Ours {
    playback: Playback<PositionLane>,
    device: Option<PositionDevice>,
    order: Order,
    next: Option<Nanos>,
}

impl Ours {
    /// Makes a stopped stream.
    #[must_use]
    pub const fn new(format: Format, settings: PlaybackSettings) -> Self {
        Self {
            playback: Playback::new(format, settings),
            device: None,
            order: Order::Keep,
            next: None,
        }
    }

    /// The stream itself.
    #[must_use]
    pub const fn playback(&self) -> &Playback<PositionLane> {
        &self.playback
    }

    fn step(&mut self, now: Nanos) {
        let step = self.playback.tick(now);
        self.order = step.order;
        self.next = step.next;
    }
}

impl Player for Ours {
    fn started(&mut self, now: Nanos) {
        self.playback.started(now);
        self.step(now);
    }

    fn stopped(&mut self, now: Nanos) {
        self.playback.stopped(now);
        self.step(now);
    }

    fn packet(&mut self, packet: &Packet, now: Nanos) -> Placed {
        self.playback.packet(Piece {
            arrived: now,
            time_ms: packet.time_ms,
            input: Input::counted(packet.frames),
        });
        self.step(now);
        let written = self.device.as_ref().map(PositionDevice::take_written);
        let written = written.filter(|w| w.frames > 0);
        Placed {
            content: written.map(|w| w.end - f64::from(packet.frames) * w.ratio),
            ratio: written.map_or(1.0, |w| w.ratio),
        }
    }

    fn wants_device(&self) -> bool {
        match self.order {
            Order::Open => true,
            Order::Close => false,
            Order::Keep => self.device.is_some(),
        }
    }

    fn opened(&mut self, now: Nanos, max_period_frames: u32) {
        let capacity = u64::from(self.playback.format().rate_hz()) * RING_S;
        let (lane, device) = lane(capacity.next_power_of_two(), RESAMPLER_DELAY);
        self.device = Some(device);
        let timing = DeviceTiming { max_period_frames };
        self.playback.attach(lane, timing, now);
        self.step(now);
    }

    fn closed(&mut self, now: Nanos) {
        self.playback.detach();
        self.device = None;
        self.step(now);
    }

    fn request(&mut self, request: &Request) -> Served {
        let device = self.device.as_ref();
        device.map_or(Served::default(), |device| device.request(request))
    }

    fn deadline(&self) -> Option<Nanos> {
        self.next
    }

    fn wake(&mut self, now: Nanos) {
        self.step(now);
    }

    fn target_s(&self) -> f64 {
        self.playback.status().target_ms / 1e3
    }

    fn reference(&self) -> Reference {
        Reference::Earliest
    }

    fn take_breaks(&mut self) -> Breaks {
        let device = self.device.as_ref();
        device.map_or(Breaks::default(), PositionDevice::take_breaks)
    }
}
