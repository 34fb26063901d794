//! The source: packets of a virtual machine as they come out of the socket.

use std::collections::VecDeque;

use clock::Nanos;

use super::{Crystal, Happening, Schedule, ns, shown};
use crate::random::Random;

/// How a source sends.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its clock.
    pub crystal: Crystal,
    /// Frames in a packet.
    pub packet_frames: u32,
    /// A packet is late by anything from nothing to this.
    pub jitter: Nanos,
    /// Packets that are always sent together.
    pub burst: u32,
    /// Sound that has gathered before the start and comes with it.
    pub backlog: Nanos,
    /// The time stamp at true time 0; stamps wrap.
    pub first_stamp_ms: u32,
    /// How wrong the clock of the stamps is (a server on another machine).
    pub stamp_ppm: f64,
}

impl SourcePlan {
    /// True nanoseconds that a packet lasts.
    #[must_use]
    pub fn packet_ns(&self) -> f64 {
        self.crystal.nanos(f64::from(self.packet_frames.max(1)))
    }
}

/// A packet of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packet {
    /// Frames in it.
    pub frames: u32,
    /// Frames that the source sent before it, ever.
    pub first: u64,
    /// When it would have come without any lateness: the source's true clock.
    pub line_ns: f64,
    /// Its time stamp.
    pub time_ms: u32,
}

/// What comes out of the socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Message {
    /// A stream begins.
    Started,
    /// Sound.
    Packet(Packet),
    /// The stream ends.
    Stopped,
}

/// The source, as an endless sequence of messages in the order of their arrival.
#[derive(Clone, Debug)]
pub struct Source {
    plan: SourcePlan,
    schedule: VecDeque<(Nanos, Happening)>,
    random: Random,
    queue: VecDeque<(Nanos, Message)>,
    /// When the next packet is complete.
    line_ns: f64,
    first: u64,
    arrived: Nanos,
    held_until: Nanos,
}

impl Source {
    /// Makes a source that begins at `start`.
    #[must_use]
    pub fn new(plan: SourcePlan, start: Nanos, schedule: &Schedule, seed: u64) -> Self {
        let mut source = Self {
            line_ns: ns(start),
            plan,
            schedule: schedule.iter().copied().collect(),
            random: Random::new(seed),
            queue: VecDeque::new(),
            first: 0,
            arrived: start,
            held_until: start,
        };
        source.queue.push_back((start, Message::Started));
        let backlog = ns(source.plan.backlog) / source.plan.packet_ns();
        if backlog >= 1.0 {
            let packets = backlog.round() as u32;
            source.line_ns -= f64::from(packets - 1) * source.plan.packet_ns();
            source.send(packets);
        }
        source
    }

    /// When the next message comes.
    pub fn next_at(&mut self) -> Nanos {
        while self.queue.is_empty() {
            self.advance();
        }
        self.queue.front().map_or(self.arrived, |(at, _)| *at)
    }

    /// Takes the next message.
    pub fn take(&mut self) -> (Nanos, Message) {
        loop {
            if let Some(next) = self.queue.pop_front() {
                return next;
            }
            self.advance();
        }
    }

    /// Goes on to the next group of packets, and through all that happens before it.
    fn advance(&mut self) {
        let mut group = self.plan.burst.max(1);
        while let Some(&(at, happening)) = self.schedule.front() {
            if ns(at) > self.line_ns {
                break;
            }
            self.schedule.pop_front();
            match happening {
                Happening::Stall(length) => self.line_ns += ns(length),
                Happening::Hold(length) => self.held_until = at + length,
                Happening::Hiccup(packets) => group = packets.max(1),
                Happening::Extra(frames) => self.send_extra(frames),
                Happening::Suspend(length) => self.line_ns += ns(length),
                Happening::Rest(length) => self.rest(length),
                Happening::Pause(_) | Happening::Period(_) => {}
            }
        }
        self.send(group);
    }

    /// Sends a group at the time of its last packet.
    fn send(&mut self, packets: u32) {
        let sent_ns = self.line_ns + f64::from(packets - 1) * self.plan.packet_ns();
        for _ in 0..packets {
            self.push(self.line_ns, sent_ns, self.plan.packet_frames);
            self.line_ns += self.plan.packet_ns();
        }
    }

    fn send_extra(&mut self, frames: u32) {
        let mut rest = frames;
        while rest > 0 {
            let now = rest.min(self.plan.packet_frames.max(1));
            self.push(self.line_ns, self.line_ns, now);
            rest -= now;
        }
    }

    fn push(&mut self, line_ns: f64, sent_ns: f64, frames: u32) {
        let late = self.random.below(self.plan.jitter.0.max(0).unsigned_abs());
        let at = shown(sent_ns + late as f64);
        // One connection keeps the order.
        self.arrived = self.asleep(at).max(self.arrived).max(self.held_until);
        let stamp = (sent_ns * (1.0 + self.plan.stamp_ppm * 1e-6) / 1e6).floor() as i64;
        // Stamps have 32 bits and wrap.
        let time_ms = self.plan.first_stamp_ms.wrapping_add(stamp as u32);
        let packet = Packet {
            frames,
            first: self.first,
            line_ns,
            time_ms,
        };
        self.first += u64::from(frames);
        self.queue
            .push_back((self.arrived, Message::Packet(packet)));
    }

    /// What is on its way when the host goes to sleep arrives after it.
    fn asleep(&self, arrives: Nanos) -> Nanos {
        let before = self.schedule.iter().take_while(|(at, _)| *at < arrives);
        before.fold(arrives, |arrives, (_, happening)| match happening {
            Happening::Suspend(length) => arrives + *length,
            _ => arrives,
        })
    }

    fn rest(&mut self, length: Nanos) {
        self.arrived = self.arrived.max(shown(self.line_ns));
        self.queue.push_back((self.arrived, Message::Stopped));
        self.line_ns += ns(length);
        self.arrived = self.arrived.max(shown(self.line_ns));
        self.queue.push_back((self.arrived, Message::Started));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> SourcePlan {
        SourcePlan {
            crystal: Crystal::new(48_000, 0.0),
            packet_frames: 480,
            jitter: Nanos::ZERO,
            burst: 1,
            backlog: Nanos::ZERO,
            first_stamp_ms: 0,
            stamp_ppm: 0.0,
        }
    }

    /// The packets of the first `count` messages, with their arrival in ms.
    fn packets(plan: SourcePlan, schedule: &Schedule, count: usize) -> Vec<(f64, Packet)> {
        let start = Nanos::from_millis(1_000);
        let mut source = Source::new(plan, start, schedule, 1);
        let mut taken = Vec::new();
        for _ in 0..count {
            let at = source.next_at();
            let (same, message) = source.take();
            assert_eq!(at, same);
            if let Message::Packet(packet) = message {
                taken.push((ns(at) / 1e6, packet));
            }
        }
        taken
    }

    #[test]
    fn a_fast_crystal_sends_sooner() {
        let crystal = Crystal::new(48_000, 500.0);
        let sent = packets(SourcePlan { crystal, ..plan() }, &Vec::new(), 100_002);
        let seconds = (sent[100_000].0 - sent[0].0) / 1e3;
        assert!((seconds - 1_000.0 / 1.000_5).abs() < 1e-6, "{seconds}");
        assert_eq!(sent[100_000].1.first, 48_000_000);
    }

    #[test]
    fn jitter_fills_its_range_and_keeps_the_order() {
        let jitter = Nanos::from_millis(40);
        let sent = packets(SourcePlan { jitter, ..plan() }, &Vec::new(), 20_000);
        let late = |(at, p): &(f64, Packet)| at - p.line_ns / 1e6;
        let worst = sent.iter().map(late).fold(0.0, f64::max);
        let least = sent.iter().map(late).fold(f64::MAX, f64::min);
        assert!((39.5..=40.0).contains(&worst) && (-0.001..1.0).contains(&least));
        assert!(sent.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        // The stamp is that of sending, in whole milliseconds.
        let off = |(_, p): &(f64, Packet)| p.line_ns / 1e6 - f64::from(p.time_ms);
        assert!(sent.iter().map(off).all(|ms| (0.0..1.0).contains(&ms)));
    }

    #[test]
    fn a_hiccup_sends_eight_packets_with_one_stamp_and_keeps_the_line() {
        let schedule = vec![(Nanos::from_millis(1_495), Happening::Hiccup(8))];
        let sent = packets(plan(), &schedule, 200);
        let same: Vec<_> = sent.iter().filter(|(_, p)| p.time_ms == 1_570).collect();
        assert_eq!(same.len(), 8);
        assert!(same.iter().all(|(at, _)| (*at - 1_570.0).abs() < 1e-6));
        let steady = |pair: &[(f64, Packet)]| pair[1].1.line_ns - pair[0].1.line_ns;
        assert!(sent.windows(2).all(|p| (steady(p) - 1e7).abs() < 1.0));
    }

    #[test]
    fn a_stall_moves_the_line_and_a_hold_does_not() {
        for (happening, line) in [
            (Happening::Stall(Nanos::from_millis(1_000)), 3_000.0),
            (Happening::Hold(Nanos::from_millis(1_000)), 2_000.0),
        ] {
            let sent = packets(plan(), &vec![(Nanos::from_millis(1_501), happening)], 202);
            assert!((sent[100].1.line_ns / 1e6 - line).abs() < 1e-6);
            let longest = sent.windows(2).map(|p| p[1].0 - p[0].0).fold(0.0, f64::max);
            assert!((990.0..=1_010.0).contains(&longest), "{longest}");
        }
    }

    #[test]
    fn a_backlog_comes_at_once_and_an_extra_is_no_later_than_its_line() {
        let backlog = Nanos::from_millis(300);
        let sent = packets(SourcePlan { backlog, ..plan() }, &Vec::new(), 40);
        let at_once = sent.iter().filter(|(at, _)| *at == 1_000.0).count();
        assert_eq!(at_once, 30);
        let schedule = vec![(Nanos::from_millis(1_100), Happening::Extra(4_800))];
        let sent = packets(plan(), &schedule, 40);
        let at_once = sent
            .iter()
            .filter(|(at, p)| *at == 1_100.0 && p.line_ns == 1.1e9);
        assert_eq!(at_once.count(), 11);
    }

    #[test]
    fn stamps_wrap_and_a_rest_is_announced() {
        let first_stamp_ms = u32::MAX - 1_500;
        let rest = Happening::Rest(Nanos::from_millis(5_000));
        let schedule = vec![(Nanos::from_millis(1_200), rest)];
        let plan = SourcePlan {
            first_stamp_ms,
            ..plan()
        };
        let mut source = Source::new(plan, Nanos::from_millis(1_000), &schedule, 1);
        let taken: Vec<_> = (0..200).map(|_| source.take()).collect();
        let at = |wanted: Message| {
            let found = taken.iter().rev().find(|(_, m)| *m == wanted);
            found.unwrap().0.as_millis()
        };
        assert_eq!((at(Message::Stopped), at(Message::Started)), (1_200, 6_200));
        let last = taken.last().unwrap().1;
        assert!(matches!(last, Message::Packet(p) if p.time_ms < 10_000));
    }

    #[test]
    fn nothing_comes_while_the_host_sleeps() {
        let jitter = Nanos::from_millis(40);
        let asleep = Happening::Suspend(Nanos::from_millis(60_000));
        let schedule = vec![(Nanos::from_millis(1_500), asleep)];
        let sent = packets(SourcePlan { jitter, ..plan() }, &schedule, 300);
        assert!(sent.iter().all(|(at, _)| *at <= 1_500.0 || *at >= 61_500.0));
    }
}
