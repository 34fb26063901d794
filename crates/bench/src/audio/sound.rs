//! Real sound in the simulation: a tone through the real resampler, ring and callback, judged sample by sample.

use std::collections::VecDeque;

use audio::{Format, Pull, SampleLane};
use clock::Nanos;
use testkit::tone::{self, BreakKind, Oscillator};

use super::ours::Plant;
use super::world::device::Request;
use super::world::source::Packet;
use crate::machine::thread_cpu;

/// Hertz of the tone; not whole cycles in any packet, so that no packet is missed unseen.
const TONE_HZ: f64 = 997.0;
const AMPLITUDE: f64 = 0.5;
/// Seconds that are judged at once.
const PIECE_S: f64 = 1.0;
/// Frames before a piece that it is looked at with.
const OVERLAP: usize = 64;
/// Frames of a place at which the phase is compared with what was sent.
const PLACE: usize = 480;

/// Something that is heard and was not sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// When the device asked for it.
    pub at: Nanos,
    /// Gap or click.
    pub kind: BreakKind,
}

/// A tone, and the device that it comes out of.
#[derive(Debug)]
pub struct Sound {
    format: Format,
    tone: Oscillator,
    bytes: Vec<u8>,
    pull: Option<Pull>,
    out: Vec<f32>,
    /// The first channel of what was heard and not judged yet, with the frames at which requests begin and their times.
    piece: Vec<f32>,
    requests: VecDeque<(usize, Nanos)>,
    /// Frame of the piece from which on positions go on without a skip, and its position.
    steady: (usize, u64),
    /// Where packets went: position and source frame of each one's first frame.
    places: VecDeque<(f64, f64)>,
    faults: Vec<Fault>,
    phase_error: f64,
    phase_error_at: Nanos,
    compared: u64,
    is_judged: bool,
    making: Nanos,
}

impl Sound {
    /// Makes a tone of that format whose making is timed and which nobody judges.
    #[must_use]
    pub fn unjudged(format: Format) -> Self {
        Self {
            is_judged: false,
            ..Self::new(format)
        }
    }

    /// Makes a tone of that format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            tone: Oscillator::new(TONE_HZ / f64::from(format.rate_hz()), AMPLITUDE),
            bytes: Vec::new(),
            pull: None,
            out: Vec::new(),
            piece: Vec::new(),
            requests: VecDeque::new(),
            steady: (0, 0),
            places: VecDeque::new(),
            faults: Vec::new(),
            phase_error: 0.0,
            phase_error_at: Nanos::ZERO,
            compared: 0,
            is_judged: true,
            making: Nanos::ZERO,
        }
    }

    /// Processor time that making an unjudged tone took.
    #[must_use]
    pub const fn making(&self) -> Nanos {
        self.making
    }

    /// Everything that was heard and not sent.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The largest distance, in source frames, of what was heard from what was to be heard there; and when that was.
    #[must_use]
    pub const fn phase_error(&self) -> (f64, Nanos) {
        (self.phase_error, self.phase_error_at)
    }

    /// How often that was looked at.
    #[must_use]
    pub const fn compared(&self) -> u64 {
        self.compared
    }

    fn frequency(&self) -> f64 {
        TONE_HZ / f64::from(self.format.rate_hz())
    }

    /// Judges the piece, and keeps its end for the next one.
    fn judge(&mut self) {
        let breaks = tone::breaks(&self.piece, self.frequency(), AMPLITUDE);
        if breaks.is_empty() {
            self.compare();
        }
        for found in breaks {
            self.faults.push(Fault {
                at: self.asked(found.at),
                kind: found.kind,
            });
        }
        let kept = self.piece.len().saturating_sub(OVERLAP);
        self.piece.drain(..kept);
        let first = self.asked(kept);
        self.requests.retain(|(from, _)| *from > kept);
        for (from, _) in &mut self.requests {
            *from -= kept;
        }
        self.requests.push_front((0, first));
        let (from, position) = self.steady;
        let passed = kept.saturating_sub(from) as u64;
        self.steady = (from.saturating_sub(kept), position + passed);
    }

    /// When the device asked for a frame of the piece.
    fn asked(&self, frame: usize) -> Nanos {
        let before = self.requests.iter().take_while(|(from, _)| *from <= frame);
        before.last().map_or(Nanos::ZERO, |(_, at)| *at)
    }

    /// Compares the phase in the middle of the piece with what was written there.
    fn compare(&mut self) {
        let start = self.piece.len() / 2;
        let (from, position) = self.steady;
        let Some(ahead) = start.checked_sub(from) else {
            return;
        };
        let Some(place) = self.piece.get(start..start + PLACE) else {
            return;
        };
        let fit = tone::fit(place, self.frequency());
        let middle = PLACE as f64 / 2.0;
        let heard = fit.phase + self.frequency() * middle;
        let Some(source) = self.source_frame(position as f64 + ahead as f64 + middle) else {
            return;
        };
        let cycles = heard - self.frequency() * source;
        let frames = (cycles - cycles.round()) / self.frequency();
        if frames.abs() > self.phase_error {
            self.phase_error = frames.abs();
            self.phase_error_at = self.asked(start);
        }
        self.compared += 1;
    }

    /// The source's frame that lies at a position, if the sound around it was written in one go.
    fn source_frame(&mut self, position: f64) -> Option<f64> {
        while self.places.get(1).is_some_and(|next| next.0 <= position) {
            self.places.pop_front();
        }
        let (&(from, first), &(to, last)) = (self.places.front()?, self.places.get(1)?);
        let slope = (last - first) / (to - from);
        let is_whole = from <= position && (slope - 1.0).abs() < 0.006;
        is_whole.then_some(first + (position - from) * slope)
    }
}

impl Plant for Sound {
    type Lane = SampleLane;

    #[expect(
        clippy::expect_used,
        reason = "a benchmark without a resampler has nothing to measure"
    )]
    fn open(&mut self, format: Format, capacity: u64) -> SampleLane {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        let (lane, pull) = SampleLane::new(format, capacity).expect("a resampler");
        self.pull = Some(pull);
        self.piece.clear();
        self.requests.clear();
        self.steady = (0, 0);
        self.places.clear();
        lane
    }

    fn request(&mut self, request: &Request, position: u64) {
        let Some(pull) = &mut self.pull else { return };
        let channels = self.format.channels();
        self.out.resize(request.frames as usize * channels, 0.0);
        pull.pull(&mut self.out, request.at);
        if !self.is_judged {
            return;
        }
        self.requests.push_back((self.piece.len(), request.at));
        let (from, steady) = self.steady;
        if steady + (self.piece.len() - from) as u64 != position {
            self.steady = (self.piece.len(), position);
        }
        self.piece.extend(self.out.iter().step_by(channels));
        if self.piece.len() as f64 > self.format.frames(PIECE_S) {
            self.judge();
        }
    }

    fn placed(&mut self, packet: &Packet, content: f64) {
        if !self.is_judged {
            return;
        }
        self.places.push_back((content, packet.first as f64));
    }

    fn samples(&mut self, packet: &Packet) -> Option<&[u8]> {
        let begun = if self.is_judged {
            Nanos::ZERO
        } else {
            thread_cpu()
        };
        self.bytes.clear();
        let frames = packet.frames as usize;
        self.tone
            .write_s16le(frames, self.format.channels(), &mut self.bytes);
        if !self.is_judged {
            self.making = self.making + (thread_cpu() - begun);
        }
        Some(&self.bytes)
    }
}
