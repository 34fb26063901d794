use clock::Percentiles;

use super::*;

/// A small generator with a fixed seed, so that every run is the same.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// What a simulated run cost and achieved.
struct Run {
    delays: Percentiles,
    looks: u64,
    seconds: f64,
}

impl Run {
    /// Asserts that so many percent of the delays are within so many microseconds, and how many looks a second it cost.
    #[track_caller]
    fn assert_within(&self, limits_us: &[(f64, f64)], most_looks: f64) {
        for &(percent, limit) in limits_us {
            let delay = self.delays.percentile(percent).unwrap().0 as f64 / 1e3;
            assert!(delay <= limit, "{percent} %: {delay} µs");
        }
        let looks = self.looks as f64 / self.seconds;
        assert!(looks < most_looks, "{looks} looks a second");
    }
}

/// Looks at the given posts (in order) as the plan says, each wake-up late by 5 to 30 µs; frames take `work` to handle.
fn simulate(plan: &mut WaitPlan, posts: &[Nanos], until: Nanos, work: Nanos) -> Run {
    let mut random = Lcg(99);
    let mut now = Nanos::ZERO;
    let mut queued = posts.iter().copied().peekable();
    let (mut delays, mut looks) = (Percentiles::new(), 0);
    plan.start(now);
    while now < until {
        looks += 1;
        let mut newest = None;
        while let Some(post) = queued.next_if(|post| *post <= now) {
            newest = Some(post);
        }
        if let Some(post) = newest {
            plan.found_frame(now);
            delays.add(now - post);
            now = now + work;
        } else {
            plan.found_nothing(now);
        }
        now = plan.next_look(now) + Nanos::from_micros(5 + random.below(25));
    }
    let seconds = until.as_secs_f64();
    Run {
        delays,
        looks,
        seconds,
    }
}

fn rhythm(hz: i64, seconds: i64, jitter: i64, seed: u64) -> Vec<Nanos> {
    let mut random = Lcg(seed);
    (1..hz * seconds)
        .map(|i| Nanos(i * 1_000_000_000 / hz + random.below(jitter + 1)))
        .collect()
}

fn default_plan() -> WaitPlan {
    WaitPlan::new(None, Duration::from_millis(1))
}

#[test]
fn jittering_posts_are_found_within_the_promised_delays() {
    for (hz, most_looks) in [(60, 1_500.0), (144, 3_500.0), (240, 5_500.0)] {
        let posts = rhythm(hz, 60, 1_000_000, 1);
        let run = simulate(
            &mut default_plan(),
            &posts,
            Nanos::from_millis(60_000),
            Nanos::ZERO,
        );
        run.assert_within(&[(50.0, 50.0), (99.0, 300.0)], most_looks);
    }
}

#[test]
fn steady_posts_cost_few_looks() {
    let posts = rhythm(60, 20, 0, 1);
    let run = simulate(
        &mut default_plan(),
        &posts,
        Nanos::from_millis(20_000),
        Nanos::ZERO,
    );
    run.assert_within(&[(50.0, 60.0)], 800.0);
}

#[test]
fn time_spent_on_a_frame_does_not_spoil_the_prediction() {
    let posts = rhythm(60, 30, 1_000_000, 2);
    let work = Nanos::from_millis(9);
    let run = simulate(
        &mut default_plan(),
        &posts,
        Nanos::from_millis(30_000),
        work,
    );
    run.assert_within(&[(50.0, 50.0), (99.0, 400.0)], f64::INFINITY);
}

#[test]
fn posts_left_out_are_found_as_fast() {
    let mut posts = rhythm(60, 60, 1_000_000, 3);
    let mut index = 0;
    posts.retain(|_| {
        index += 1;
        index % 5 != 0 && index % 7 != 0
    });
    let run = simulate(
        &mut default_plan(),
        &posts,
        Nanos::from_millis(60_000),
        Nanos::ZERO,
    );
    run.assert_within(&[(50.0, 60.0), (99.0, 500.0)], 1_800.0);
}

#[test]
fn silence_costs_next_to_nothing_and_ends_within_ten_milliseconds() {
    let mut plan = default_plan();
    let posts = rhythm(60, 2, 1_000_000, 4);
    simulate(&mut plan, &posts, Nanos::from_millis(2_000), Nanos::ZERO);
    let quiet = Nanos::from_millis(3_100);
    let (mut now, mut looks) = (quiet, 0);
    while now < quiet + Nanos::from_millis(10_000) {
        let next = plan.next_look(now);
        assert!(next - now < Nanos::from_millis(10));
        plan.found_nothing(next);
        looks += 1;
        now = next;
    }
    assert!(looks <= 1_300, "{looks} looks in ten seconds");
}

#[test]
fn posts_without_a_rhythm_are_still_found_soon() {
    let mut random = Lcg(6);
    let mut at = 0;
    let posts: Vec<_> = (0..1_000)
        .map(|_| {
            at += 5_000_000 + random.below(60_000_000);
            Nanos(at)
        })
        .collect();
    let run = simulate(&mut default_plan(), &posts, Nanos(at), Nanos::ZERO);
    run.assert_within(&[(99.0, 4_100.0)], 3_000.0);
}

#[test]
fn a_step_set_by_the_user_is_used_everywhere() {
    let mut plan = WaitPlan::new(Some(Duration::from_micros(700)), Duration::from_millis(1));
    plan.start(Nanos::ZERO);
    for now in [0, 5_000_000, 10_000_000_000].map(Nanos) {
        assert_eq!(plan.next_look(now), now + Nanos::from_micros(700));
    }
}

#[test]
fn a_moving_pointer_is_looked_at_each_millisecond() {
    let mut plan = default_plan();
    plan.start(Nanos::ZERO);
    let moved = Nanos::from_millis(5_000);
    plan.found_pointer(moved);
    let soon = moved + Nanos::from_millis(99);
    assert_eq!(plan.next_look(soon), soon + Nanos::from_millis(1));
    let later = moved + Nanos::from_millis(101);
    assert_eq!(plan.next_look(later), later + IDLE);
}

#[test]
fn a_step_of_zero_does_not_become_a_spin() {
    let mut plan = WaitPlan::new(Some(Duration::ZERO), Duration::ZERO);
    plan.start(Nanos::ZERO);
    plan.found_pointer(Nanos::ZERO);
    assert!(plan.next_look(Nanos::ZERO) > Nanos::ZERO);
}
