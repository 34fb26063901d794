//! The shipped state machine and controller, as the client drives them.

use audio::playback::{DeviceTiming, Order, Packet as Piece, Playback, PlaybackSettings};
use audio::{Format, Input, Lane};
use clock::Nanos;

use super::lane::{PositionDevice, PositionLane, lane};
use super::player::{Beliefs, Breaks, Placed, Player, Reference, Served};
use super::probe::{Log, Probed};
use super::world::device::Request;
use super::world::source::Packet;

/// The least seconds of sound that the ring holds.
const RING_S: f64 = 1.0;

/// What is behind the state machine: bare numbers or real sound.
pub trait Plant {
    /// The lane to a device.
    type Lane: Lane;
    /// Makes the lane to a device that is opened.
    fn open(&mut self, format: Format, capacity: u64) -> Self::Lane;
    /// The device asks, for frames from `position` on.
    fn request(&mut self, request: &Request, position: u64);
    /// A packet's first frame was placed at `content`.
    fn placed(&mut self, packet: &Packet, content: f64);
    /// The samples of a packet, if there are any.
    fn samples(&mut self, packet: &Packet) -> Option<&[u8]>;
}

/// Only positions.
#[derive(Debug, Default)]
pub struct Positions(Option<PositionDevice>);

impl Plant for Positions {
    type Lane = PositionLane;

    fn open(&mut self, _: Format, capacity: u64) -> PositionLane {
        let (lane, device) = lane(capacity.next_power_of_two());
        self.0 = Some(device);
        lane
    }

    fn request(&mut self, request: &Request, _: u64) {
        if let Some(device) = &self.0 {
            device.request(request);
        }
    }

    fn placed(&mut self, _: &Packet, _: f64) {}

    fn samples(&mut self, _: &Packet) -> Option<&[u8]> {
        None
    }
}

/// [`Playback`] over a plant.
#[derive(Debug)]
pub struct Ours<P: Plant> {
    playback: Playback<Probed<P::Lane>>,
    plant: P,
    log: Option<Log>,
    order: Order,
    next: Option<Nanos>,
}

impl<P: Plant> Ours<P> {
    /// Makes a stopped stream.
    #[must_use]
    pub fn new(format: Format, settings: PlaybackSettings, plant: P) -> Self {
        Self {
            playback: Playback::new(format, settings),
            plant,
            log: None,
            order: Order::Keep,
            next: None,
        }
    }

    /// The stream itself.
    #[must_use]
    pub const fn playback(&self) -> &Playback<Probed<P::Lane>> {
        &self.playback
    }

    /// What is behind it.
    #[must_use]
    pub const fn plant(&self) -> &P {
        &self.plant
    }

    fn step(&mut self, now: Nanos) {
        let step = self.playback.tick(now);
        self.order = step.order;
        self.next = step.next;
    }
}

impl<P: Plant> Player for Ours<P> {
    fn started(&mut self, now: Nanos) {
        self.playback.started(now);
        self.step(now);
    }

    fn stopped(&mut self, now: Nanos) {
        self.playback.stopped(now);
        self.step(now);
    }

    fn packet(&mut self, packet: &Packet, now: Nanos) -> Placed {
        let samples = self.plant.samples(packet);
        self.playback.packet(Piece {
            arrived: now,
            time_ms: packet.time_ms,
            input: Input {
                frames: packet.frames,
                samples,
            },
        });
        self.step(now);
        let written = self.log.as_ref().map(Log::take_written);
        let written = written.filter(|w| w.frames > 0);
        let content = written.map(|w| w.end - f64::from(packet.frames) * w.ratio);
        if let Some(content) = content {
            self.plant.placed(packet, content);
        }
        Placed {
            content,
            ratio: written.map_or(1.0, |w| w.ratio),
        }
    }

    fn wants_device(&self) -> bool {
        match self.order {
            Order::Open => true,
            Order::Close => false,
            Order::Keep => self.log.is_some(),
        }
    }

    fn opened(&mut self, now: Nanos, max_period_frames: u32) {
        let format = self.playback.format();
        // At most 384 000.
        let capacity = format.frames(RING_S) as u64;
        let (lane, log) = Probed::new(self.plant.open(format, capacity));
        self.log = Some(log);
        let timing = DeviceTiming { max_period_frames };
        self.playback.attach(lane, timing, now);
        self.step(now);
    }

    fn closed(&mut self, now: Nanos) {
        self.playback.detach();
        self.log = None;
        self.step(now);
    }

    fn request(&mut self, request: &Request) -> Served {
        let silent = |lane: &Probed<P::Lane>| lane.counters().silent_frames;
        let lane = self.playback.lane();
        let (position, before) = lane.map_or((0, 0), |l| (l.read_position(), silent(l)));
        self.plant.request(request, position);
        let after = self.playback.lane().map_or(0, silent);
        Served {
            position,
            // No more than the request asks for.
            missing: (after - before) as u32,
        }
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

    fn beliefs(&self) -> Beliefs {
        let status = self.playback.status();
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        Beliefs {
            error_ms: known(status.latency_ms) - status.target_ms,
            source_ppm: known(status.source_ppm),
            device_ppm: known(status.device_ppm),
        }
    }

    fn reference(&self) -> Reference {
        Reference::Earliest
    }

    fn take_breaks(&mut self) -> Breaks {
        let log = self.log.as_ref();
        log.map_or(Breaks::default(), Log::take_breaks)
    }
}
