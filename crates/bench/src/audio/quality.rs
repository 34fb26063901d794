//! The resampler alone: distortion and noise at fixed and moving ratios, and what everything costs.

use audio::playback::PlaybackSettings;
use audio::{Format, FormatError, MAX_DEVIATION, Resampler};
use clock::Nanos;
use testkit::tone::{self, Oscillator};

use super::ours::Ours;
use super::run::run;
use super::scenario::Scenario;
use super::sound::Sound;
use crate::machine::thread_cpu;

const RATE_HZ: u32 = 48_000;
const TONE_HZ: f64 = 1_000.0;
const PACKET: usize = 480;
/// Packets of a measurement.
const PACKETS: usize = 800;
/// Output frames in which the filter fills up.
const FILLING: usize = 200;
/// Virtual seconds over which the cost is measured.
const COST_S: i64 = 60;

/// What the resampler adds to a 1 kHz sine, in dB against it; float in and out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// At the worst of the fixed ratios.
    pub fixed_db: f64,
    /// While the ratio goes back and forth over its whole range.
    pub moving_db: f64,
}

/// Measures the resampler.
///
/// # Errors
/// If there is none.
pub fn measure() -> anyhow::Result<Quality> {
    let mut fixed_db = f64::NEG_INFINITY;
    for step in -4..=4 {
        let ratio = 1.0 + MAX_DEVIATION * f64::from(step) / 4.0;
        let (heard, _) = play(|_| ratio)?;
        let frequency = TONE_HZ / f64::from(RATE_HZ) / ratio;
        fixed_db = f64::max(fixed_db, tone::fit(&heard[FILLING..], frequency).noise_db());
    }
    // As fast as the controller may, 0.5 % a second: from one end to the other in two seconds.
    let swing = |packet: usize| {
        let phase = packet as f64 / 400.0;
        1.0 + MAX_DEVIATION * (1.0 - 4.0 * (phase.fract() - 0.5).abs())
    };
    let (heard, times) = play(swing)?;
    let phase = |index: usize| TONE_HZ / f64::from(RATE_HZ) * times[FILLING + index];
    let moving_db = tone::fit_phases(&heard[FILLING..], phase).noise_db();
    Ok(Quality {
        fixed_db,
        moving_db,
    })
}

/// Passes packets of a sine through; gives what came out, and the input time of each frame but for a constant.
///
/// The time is what the resampler promises: its step goes evenly from that of the last ratio to that of this one.
fn play(ratio: impl Fn(usize) -> f64) -> anyhow::Result<(Vec<f32>, Vec<f64>)> {
    let mut resampler = Resampler::new(Format::new(1, RATE_HZ)?, PACKET)?;
    let mut sine = Oscillator::new(TONE_HZ / f64::from(RATE_HZ), 0.9);
    let (mut heard, mut times) = (Vec::new(), Vec::new());
    let (mut step, mut time) = (1.0 / ratio(0), 0.0);
    for packet in 0..PACKETS {
        let input: Vec<f32> = sine.by_ref().take(PACKET).map(|x| x as f32).collect();
        let ratio = ratio(packet);
        let made = resampler.process(&input, ratio, &mut |piece| heard.extend_from_slice(piece));
        let slope = (1.0 / ratio - step) / made.max(1) as f64;
        for _ in 0..made {
            step += slope;
            time += step;
            times.push(time);
        }
        step = 1.0 / ratio;
    }
    Ok((heard, times))
}

/// The share of a core that playing 48 kHz stereo takes: state machine, controller, resampler, ring and callback, with
/// the simulation around them; the tone's making and judging is measured alone and taken off.
///
/// # Errors
/// If there is no such format.
pub fn cost() -> Result<f64, FormatError> {
    let scenario = Scenario::quiet("cost", RATE_HZ, 100.0, 5);
    let format = Format::new(2, RATE_HZ)?;
    let length = Nanos::from_millis(COST_S * 1_000);
    let begun = thread_cpu();
    let sound = Sound::unjudged(format);
    let outcome = run(
        &scenario,
        Ours::new(format, PlaybackSettings::default(), sound),
        length,
        false,
    );
    let taken = thread_cpu() - begun;
    let making = outcome.player.plant().making();
    Ok((taken - making).as_secs_f64() / COST_S as f64)
}
