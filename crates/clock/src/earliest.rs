//! The line of earliest events: a clock out of time stamps that can be late but never early.
//!
//! A packet cannot arrive before it was made, and a callback cannot run before its interrupt: what is added to the
//! true times is one-sided. A [`Dll`](crate::Dll) averages over that lateness, and its answer carries what is left of
//! it: with 0 to 40 ms of lateness a loop of 0.05 Hz is off by 117 ppm rms (timing.md 10). The *edge* of the lateness
//! is sharp however wide the lateness is. With events (x, y), where x is the time by the sender's own count and y how much
//! later than that it is here, the line
//!
//! ```text
//! y = offset + slope · x      under all events, as close under them as can be
//! ```
//!
//! is the sender's clock: −slope is by how much it is fast. Among all lines under the points, the one with the least
//! mean distance is the edge of the points' lower convex hull that passes under their mean x (Moon, Skelly and Towsley,
//! *Estimation and removal of clock skew from network delay measurements*, 1999).
//!
//! Memory is fixed: only the earliest event of each span of time can matter, so 64 of them are kept. The spans are
//! short at first and double whenever all are used, so the line is there at once and becomes better for minutes.
//!
//! Few or ragged events say little about the slope. It is therefore weighed against what was expected beforehand, and
//! against what it was before the line stepped, each by the inverse square of its uncertainty, as in a Kalman filter.

/// Events that are kept.
const SPANS: usize = 64;
/// Points that a slope is made of, at least.
const FIT_POINTS: usize = 6;
/// A change is a step, and not news about the edge, from so many late events on.
const STEP_EVENTS: u32 = 4;
/// Events further apart than this are not one run: nothing was seen between them.
const RUN_GAP_S: f64 = 1.0;
/// With fewer points than this the edge is not known, and an early event is news about it. Unless it is this much
/// earlier than the first one: then what came before was a backlog, and is forgotten.
const STEP_POINTS: usize = 16;
/// See [`STEP_POINTS`].
const BACKLOG_S: f64 = 50e-3;
/// Standard deviation of an edge's slope, for a raggedness and an extent of 1 and one point.
const EDGE_SIGMA: f64 = 3.0;
/// A slope from before a step is at least so uncertain after it.
const MEMORY_SIGMA: f64 = 1e-6;

/// What is known about a line beforehand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineSettings {
    /// Seconds of the first spans.
    pub first_span_s: f64,
    /// Seconds of the longest spans; the line remembers 64 of them.
    pub last_span_s: f64,
    /// Events that are earlier than the line by more than this many seconds, and by more than twice the raggedness of its
    /// edge, are a step.
    pub early_step_s: f64,
    /// Seconds for which all events must be late before the line follows as a whole.
    pub late_step_after_s: f64,
    /// Standard deviation of the slope before anything was seen.
    pub slope_sigma: f64,
    /// Seconds that the times themselves are exact to.
    pub resolution_s: f64,
}

/// What an event did to the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moved {
    /// Nothing: it was on the line or above.
    No,
    /// It was under the line, which therefore sank by so many seconds: the edge is known better now.
    Sank(f64),
    /// The clock itself has stepped by so many seconds, later if positive; the slope is kept.
    Stepped(f64),
}

/// The line under a sequence of events, in fixed memory.
#[derive(Clone, Debug)]
pub struct EarliestLine {
    settings: LineSettings,
    span_s: f64,
    points: [(f64, f64); SPANS],
    len: usize,
    /// When the newest span began.
    began: f64,
    expected: (f64, f64),
    /// The slope as it was before the last step.
    memory: Option<(f64, f64)>,
    slope: f64,
    sigma: f64,
    /// The line's value at x = 0.
    offset: f64,
    /// Mean distance of the points from the line.
    ragged: f64,
    late: LateRun,
}

/// Events in a row that were all late.
#[derive(Clone, Copy, Debug)]
struct LateRun {
    since: f64,
    latest: f64,
    least: f64,
    events: u32,
}

impl LateRun {
    const NONE: Self = Self {
        since: 0.0,
        latest: 0.0,
        least: f64::INFINITY,
        events: 0,
    };
}

impl EarliestLine {
    /// Makes one that has seen nothing.
    #[must_use]
    pub const fn new(settings: LineSettings) -> Self {
        Self {
            span_s: settings.first_span_s,
            points: [(0.0, 0.0); SPANS],
            len: 0,
            began: 0.0,
            expected: (0.0, settings.slope_sigma),
            memory: None,
            slope: 0.0,
            sigma: settings.slope_sigma,
            offset: 0.0,
            ragged: 0.0,
            late: LateRun::NONE,
            settings,
        }
    }

    /// Whether nothing was seen yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The line's value at `x`, in seconds.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        self.offset + self.slope * x
    }

    /// Seconds that the line rises in a second: how much slow the sender's clock is.
    #[must_use]
    pub const fn slope(&self) -> f64 {
        self.slope
    }

    /// Standard deviation of [`Self::slope`].
    #[must_use]
    pub const fn slope_sigma(&self) -> f64 {
        self.sigma
    }

    /// Says what slope is to be expected, and how surely.
    pub fn expect(&mut self, slope: f64, sigma: f64) {
        if slope.is_finite() && sigma > 0.0 {
            self.expected = (slope, sigma);
        }
    }

    /// Learns from an event at `x` that is `y` seconds later than its sender's count says.
    ///
    /// The line follows as a whole when all events are later than `late_step_s` for a while. `x` must not decrease;
    /// what is not finite is ignored.
    pub fn observe(&mut self, x: f64, y: f64, late_step_s: f64) -> Moved {
        if !x.is_finite() || !y.is_finite() {
            return Moved::No;
        }
        if self.is_empty() {
            self.begin(x, y);
            return Moved::No;
        }
        let late = y - self.at(x);
        let is_step = late < -self.early_step(x, y) || self.is_late_step(x + y, late, late_step_s);
        if is_step {
            // Of a run of late events the earliest counts; the present one need not be it.
            let by = if late < 0.0 { late } else { self.late.least };
            self.begin(x, self.at(x) + by);
            return Moved::Stepped(by);
        }
        self.add(x, y);
        let under = self.at(x) - y;
        if under > 0.0 {
            self.offset -= under;
            return Moved::Sank(under);
        }
        Moved::No
    }

    /// How early an event must be to say that the line is elsewhere, and not just what its edge is.
    fn early_step(&self, x: f64, y: f64) -> f64 {
        if self.len < STEP_POINTS {
            let is_backlog = self
                .points
                .first()
                .is_some_and(|first| first.1 - y - self.slope * (first.0 - x) > BACKLOG_S);
            if is_backlog { 0.0 } else { f64::INFINITY }
        } else {
            self.settings.early_step_s.max(2.0 * self.ragged)
        }
    }

    /// Puts the line through an event at once; returns by how much it moved. The slope stays as it is known.
    pub fn restart(&mut self, x: f64, y: f64) -> f64 {
        if !x.is_finite() || !y.is_finite() {
            return 0.0;
        }
        let by = if self.is_empty() { 0.0 } else { y - self.at(x) };
        self.begin(x, y);
        by
    }

    /// Begins a new line at an event, with the slope that the old one had.
    fn begin(&mut self, x: f64, y: f64) {
        if !self.is_empty() {
            self.memory = Some((self.slope, self.sigma.hypot(MEMORY_SIGMA)));
        }
        self.len = 0;
        self.span_s = self.settings.first_span_s;
        self.ragged = 0.0;
        self.late = LateRun::NONE;
        self.offset = y - self.slope * x;
        self.add(x, y);
    }

    /// Whether all events have been late for long enough. The time is that of the events, not of their sender: what was
    /// held back and comes all at once has been late for no time at all.
    fn is_late_step(&mut self, now: f64, late: f64, limit: f64) -> bool {
        if late <= limit {
            self.late = LateRun::NONE;
            return false;
        }
        if now - self.late.latest > RUN_GAP_S {
            self.late = LateRun::NONE;
        }
        let run = &mut self.late;
        if run.events == 0 {
            run.since = now;
        }
        run.latest = now;
        run.least = run.least.min(late);
        run.events += 1;
        let is_long = now - run.since >= self.settings.late_step_after_s;
        is_long && run.events >= STEP_EVENTS
    }

    /// Puts an event into its span; a new span means a new fit.
    fn add(&mut self, x: f64, y: f64) {
        if self.len > 0 && x < self.began + self.span_s {
            if let Some(newest) = self.points.get_mut(self.len - 1)
                && y - newest.1 < self.slope * (x - newest.0)
            {
                *newest = (x, y);
            }
            return;
        }
        // The newest span is complete now: a fit without the event that opens the next one.
        self.fit();
        if self.len == SPANS {
            self.make_room();
        }
        if let Some(slot) = self.points.get_mut(self.len) {
            *slot = (x, y);
            self.len += 1;
            self.began = x;
        }
    }

    /// Makes room: pairs of spans become one while they may grow, then the oldest goes.
    fn make_room(&mut self) {
        if self.span_s * 2.0 > self.settings.last_span_s {
            self.points.rotate_left(1);
            self.len -= 1;
            return;
        }
        self.span_s *= 2.0;
        for pair in 0..SPANS / 2 {
            let (a, b) = (self.points[2 * pair], self.points[2 * pair + 1]);
            let is_first = a.1 - b.1 < self.slope * (a.0 - b.0);
            self.points[pair] = if is_first { a } else { b };
        }
        self.len = SPANS / 2;
    }

    /// Finds the line under the points.
    fn fit(&mut self) {
        let Some(points) = self
            .points
            .get(..self.len)
            .filter(|p| p.len() >= FIT_POINTS)
        else {
            return;
        };
        let n = points.len() as f64;
        let mean_x = points.iter().map(|p| p.0).sum::<f64>() / n;
        let Some(Edge {
            slope,
            offset,
            extent,
        }) = lower_edge(points, mean_x)
        else {
            return;
        };
        let above = points.iter().map(|p| p.1 - offset - slope * p.0);
        // Two of the points are on the line by its making.
        let ragged = above.sum::<f64>() / (n - 2.0) + self.settings.resolution_s;
        // The edge rests on two points, each the better the more there are to choose from.
        let sigma = EDGE_SIGMA * ragged / (n.sqrt() * extent);
        let known = [Some((slope, sigma)), Some(self.expected), self.memory];
        let (mut sum, mut weight) = (0.0, 0.0);
        for (slope, sigma) in known.into_iter().flatten() {
            sum += slope / (sigma * sigma);
            weight += 1.0 / (sigma * sigma);
        }
        self.slope = sum / weight;
        self.sigma = weight.sqrt().recip();
        let least = points.iter().map(|p| p.1 - self.slope * p.0);
        self.offset = least.fold(f64::INFINITY, f64::min);
        self.ragged = ragged;
    }
}

/// An edge of a hull.
struct Edge {
    slope: f64,
    offset: f64,
    /// From one of its corners to the other.
    extent: f64,
}

/// The edge of the lower convex hull under `mean_x`. The points are in the order of x.
fn lower_edge(points: &[(f64, f64)], mean_x: f64) -> Option<Edge> {
    let mut hull = [(0.0, 0.0); SPANS];
    let mut len = 0;
    for &p in points {
        // A corner that turns clockwise is not on the lower hull.
        while len >= 2 && cross(hull[len - 2], hull[len - 1], p) <= 0.0 {
            len -= 1;
        }
        hull[len] = p;
        len += 1;
    }
    let edge = hull[..len].windows(2).find(|edge| edge[1].0 >= mean_x)?;
    let (a, b) = (edge[0], edge[1]);
    let extent = b.0 - a.0;
    let slope = (b.1 - a.1) / extent;
    let offset = a.1 - slope * a.0;
    (slope.is_finite() && offset.is_finite()).then_some(Edge {
        slope,
        offset,
        extent,
    })
}

fn cross(o: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0)
}

#[cfg(test)]
mod tests;
