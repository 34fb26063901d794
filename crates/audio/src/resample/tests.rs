use proptest::prelude::*;
use testkit::tone::{Fit, Oscillator, channel, fit, fit_phases};

use super::*;

const RATE: f64 = 48_000.0;
const RATIOS: [f64; 6] = [0.995, 0.999_91, 1.0, 1.000_02, 1.000_7, 1.005];

fn resampler(channels: u32) -> Resampler {
    let format = Format::new(channels, 48_000).expect("a usual format");
    Resampler::new(format, 4_800).expect("a resampler")
}

/// One channel of a tone through packets of the given sizes and ratios, with the frames that each made.
fn play(frequency: f64, packets: impl Iterator<Item = (usize, f64)>) -> (Vec<f32>, Vec<usize>) {
    let mut resampler = resampler(1);
    let mut tone = Oscillator::new(frequency, 0.9);
    let mut heard = Vec::new();
    let mut counts = Vec::new();
    for (frames, ratio) in packets {
        let input: Vec<f32> = tone.by_ref().take(frames).map(|x| x as f32).collect();
        let made = resampler.process(&input, ratio, &mut |piece| heard.extend_from_slice(piece));
        counts.push(made);
    }
    (heard, counts)
}

fn at_fixed_ratio(hz: f64, ratio: f64) -> Fit {
    let frequency = hz / RATE;
    let (heard, _) = play(frequency, std::iter::repeat_n((480, ratio), 50));
    // The first frames are the filter filling up.
    fit(&heard[200..], frequency / ratio)
}

#[test]
fn a_tone_stays_100_db_clean_at_every_fixed_ratio() {
    for ratio in RATIOS {
        let found = at_fixed_ratio(1_000.0, ratio);
        assert!(
            found.noise_db() < -130.0,
            "{ratio}: {} dB",
            found.noise_db()
        );
        assert!((found.amplitude / 0.9 - 1.0).abs() < 1e-5, "{found:?}");
    }
}

#[test]
fn the_whole_audible_band_passes_unchanged() {
    for hz in [20.0, 6_007.0, 12_011.0, 18_013.0, 20_011.0] {
        for ratio in RATIOS {
            let found = at_fixed_ratio(hz, ratio);
            let noise = found.noise_db();
            assert!(noise < -100.0, "{hz} Hz, {ratio}: {noise} dB");
            // 0.01 dB.
            assert!(
                (found.amplitude / 0.9 - 1.0).abs() < 1.2e-3,
                "{hz} Hz: {found:?}"
            );
        }
    }
}

/// Input time of each output frame, by what [`Resampler::process`] promises: the step goes from that of the last ratio
/// to that of this one evenly over the frames that the packet makes.
fn times(ratios: &[f64], counts: &[usize]) -> Vec<f64> {
    let mut step = 1.0 / ratios[0];
    let mut time = 0.0;
    let mut times = Vec::new();
    for (ratio, &count) in ratios.iter().zip(counts) {
        let slope = (1.0 / ratio - step) / count as f64;
        for _ in 0..count {
            step += slope;
            time += step;
            times.push(time);
        }
        step = 1.0 / ratio;
    }
    times
}

#[test]
fn a_tone_stays_90_db_clean_while_the_ratio_moves() {
    let frequency = 1_000.0 / RATE;
    // Up and down between the limits at the fastest slew, 0.5 % a second; and a jump from one limit to the other.
    let slewed: Vec<f64> = (0..600)
        .map(|packet| 1.0 + 0.005 * (1.0 - (f64::from(packet) / 100.0 % 4.0 - 2.0).abs()))
        .collect();
    let jumps: Vec<f64> = (0..200)
        .map(|packet| if packet / 50 % 2 == 0 { 0.995 } else { 1.005 })
        .collect();
    for ratios in [slewed, jumps] {
        let (heard, counts) = play(frequency, ratios.iter().map(|&ratio| (480, ratio)));
        let times = times(&ratios, &counts);
        let found = fit_phases(&heard[200..], |index| frequency * times[200 + index]);
        assert!(found.noise_db() < -120.0, "{} dB", found.noise_db());
    }
}

#[test]
fn what_comes_out_is_as_late_as_is_told() {
    // A period longer than any delay in question.
    let frequency = 100.0 / RATE;
    for (size, ratio) in [
        (480, 1.0),
        (480, 0.995),
        (480, 1.005),
        (128, 1.0003),
        (37, 0.9997),
    ] {
        let packets = 48_000 / size;
        let (heard, _) = play(frequency, std::iter::repeat_n((size, ratio), packets));
        let cut = heard.len() % 100 + 200;
        let found = fit(&heard[cut..], frequency / ratio);
        // Input time of the frame that would come next, within a period.
        let next = found.phase / frequency + (heard.len() - cut) as f64 / ratio;
        let delay = (packets * size) as f64 - next;
        let period = 1.0 / frequency;
        let delay = delay - period * (delay / period).floor();
        let told = resampler(1).delay_frames();
        assert!((delay - told).abs() <= 0.6, "{delay} frames, {told} told");
    }
}

#[test]
fn channels_do_not_hear_each_other() {
    let frequencies = [440.0, 997.0, 5_003.0].map(|hz| hz / RATE);
    let mut tones = frequencies.map(|frequency| Oscillator::new(frequency, 0.5));
    let mut resampler = resampler(3);
    let mut heard = Vec::new();
    for _ in 0..50 {
        let input: Vec<f32> = (0..480 * 3)
            .filter_map(|index| tones[index % 3].next())
            .map(|value| value as f32)
            .collect();
        resampler.process(&input, 1.001, &mut |piece| heard.extend_from_slice(piece));
    }
    for (index, frequency) in frequencies.into_iter().enumerate() {
        let one = channel(&heard, 3, index);
        let noise = fit(&one[200..], frequency / 1.001).noise_db();
        assert!(noise < -120.0, "channel {index}: {noise} dB");
    }
}

#[test]
fn after_a_reset_nothing_of_before_is_heard() {
    let mut resampler = resampler(2);
    resampler.process(&[1.0; 960], 1.005, &mut |_| {});
    resampler.reset();
    let mut heard = Vec::new();
    resampler.process(&[0.0; 960], 1.0, &mut |piece| {
        heard.extend_from_slice(piece);
    });
    assert!(heard.len() > 900 && heard.iter().all(|&sample| sample == 0.0));
}

#[test]
fn ratios_that_are_none_are_brought_into_the_limits() {
    for (ratio, taken) in [
        (f64::NAN, 1.0),
        (f64::INFINITY, 1.005),
        (f64::NEG_INFINITY, 0.995),
        (0.0, 0.995),
        (2.0, 1.005),
    ] {
        let mut resampler = resampler(1);
        let made: usize = (0..100)
            .map(|_| resampler.process(&[0.5; 480], ratio, &mut |_| {}))
            .sum();
        let expected = 48_000.0 * taken;
        assert!((made as f64 - expected).abs() < 3.0, "{ratio}: {made}");
        assert!((resampler.ratio() - taken).abs() < 1e-12);
    }
}

#[test]
fn samples_that_are_no_numbers_pass_and_are_gone_after_the_filter() {
    let mut resampler = resampler(1);
    resampler.process(&[f32::NAN; 480], 1.0, &mut |_| {});
    let mut heard = Vec::new();
    resampler.process(&[0.25; 480], 1.0, &mut |piece| {
        heard.extend_from_slice(piece);
    });
    assert!(
        heard[2 * TAPS..]
            .iter()
            .all(|sample| (sample - 0.25).abs() < 1e-5)
    );
}

#[test]
fn no_frame_at_once_is_refused() {
    let format = Format::new(1, 48_000).expect("a usual format");
    assert!(Resampler::new(format, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn packets_of_any_size_make_the_same_sound(
        sizes in proptest::collection::vec(0..6_000usize, 1..30),
        ratio in 0.995..1.005,
    ) {
        let frequency = 997.0 / RATE;
        let total: usize = sizes.iter().sum();
        let (heard, _) = play(frequency, sizes.iter().map(|&size| (size, ratio)));
        let missing = total as f64 * ratio - heard.len() as f64;
        prop_assert!((-0.1..3.1).contains(&missing), "{} frames", missing);
        if heard.len() > 1_000 {
            let noise = fit(&heard[200..], frequency / ratio).noise_db();
            prop_assert!(noise < -120.0, "{} dB", noise);
        }
    }
}
