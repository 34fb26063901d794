use super::*;

const FREQUENCY: f64 = 997.0 / 48_000.0;

fn sine(frames: usize) -> Vec<f32> {
    let oscillator = Oscillator::new(FREQUENCY, 0.5);
    oscillator.take(frames).map(|value| value as f32).collect()
}

#[test]
fn a_fit_finds_amplitude_phase_and_offset() {
    let mut oscillator = Oscillator::new(FREQUENCY, 0.25);
    oscillator.phase = 0.3;
    let samples: Vec<f32> = oscillator.take(5_000).map(|x| (x + 0.1) as f32).collect();
    let found = fit(&samples, FREQUENCY);
    assert!((found.amplitude - 0.25).abs() < 1e-7, "{found:?}");
    assert!((found.phase - 0.3).abs() < 1e-7, "{found:?}");
    assert!((found.offset - 0.1).abs() < 1e-7, "{found:?}");
    assert!(found.noise_db() < -130.0, "{}", found.noise_db());
}

#[test]
fn what_is_not_the_tone_is_measured_against_it() {
    // A third harmonic 100 dB below.
    let harmonic = Oscillator::new(3.0 * FREQUENCY, 0.5e-5);
    let samples: Vec<f32> = sine(48_000)
        .iter()
        .zip(harmonic)
        .map(|(&sample, more)| (f64::from(sample) + more) as f32)
        .collect();
    let noise = fit(&samples, FREQUENCY).noise_db();
    assert!((noise + 100.0).abs() < 0.1, "{noise} dB");
}

#[test]
fn sixteen_bits_leave_their_own_noise_and_no_more() {
    let mut bytes = Vec::new();
    Oscillator::new(FREQUENCY, 1.0 - 1.0 / 32_768.0).write_s16le(48_000, 2, &mut bytes);
    let samples = channel(&from_s16le(&bytes), 2, 1);
    assert_eq!(samples.len(), 48_000);
    let noise = fit(&samples, FREQUENCY).noise_db();
    assert!((noise + 98.1).abs() < 0.5, "{noise} dB");
}

#[test]
fn a_known_moving_phase_leaves_no_residual() {
    let phase = |index: usize| {
        let t = index as f64;
        FREQUENCY * t + 0.25 * FREQUENCY * 0.005 / 48_000.0 * t * t
    };
    let samples: Vec<f32> = (0..48_000)
        .map(|index| (0.5 * (TAU * (phase(index) + 0.2)).sin()) as f32)
        .collect();
    let found = fit_phases(&samples, phase);
    assert!((found.phase - 0.2).abs() < 1e-6 && found.noise_db() < -130.0);
    assert!(fit(&samples, FREQUENCY).noise_db() > -30.0);
}

#[test]
fn the_frequency_is_found_to_a_thousandth_of_a_cent() {
    for wrong in [-1.5e-5, 0.0, 1e-5] {
        let (frequency, found) = fit_frequency(&sine(48_000), FREQUENCY + wrong);
        assert!(cents(frequency, FREQUENCY).abs() < 1e-3, "{frequency}");
        assert!(found.noise_db() < -130.0);
    }
    assert!((cents(1.001, 1.0) - 1.730).abs() < 0.001);
}

#[test]
fn a_track_follows_a_wrong_pitch_and_tells_it() {
    // 100 ppm high.
    let played: Vec<f32> = Oscillator::new(FREQUENCY * 1.0001, 0.5)
        .take(96_000)
        .map(|value| value as f32)
        .collect();
    let found = track(&played, FREQUENCY, 480, 480);
    assert_eq!(found.points.len(), 200);
    let last = found.points.last().expect("points");
    let expected = (last.at - found.points[0].at) * FREQUENCY * 1e-4;
    assert!((last.cycles - expected).abs() < 1e-4, "{last:?}");
    let frequency = found.frequency(0.0, 96_000.0).expect("points");
    let wrong = cents(frequency, FREQUENCY * 1.0001);
    assert!(wrong.abs() < 1e-3, "{wrong} cents");
    assert_eq!(found.frequency(0.0, 300.0), None);
}

#[test]
fn a_lost_packet_is_a_step_of_the_phase() {
    let mut samples = sine(48_000);
    samples.drain(20_000..20_480);
    let (at, step) = track(&samples, FREQUENCY, 480, 240)
        .largest_step()
        .expect("points");
    assert!((at - 20_000.0).abs() <= 480.0, "at {at}");
    // 480 frames are 9.97 cycles; the piece with the jump in it goes half of the way.
    assert!(step < 0.0 && step > -0.03, "{step}");
}

#[test]
fn a_whole_tone_has_no_breaks_at_any_pitch_within_one_percent() {
    for ratio in [0.99, 1.0, 1.01] {
        let samples: Vec<f32> = Oscillator::new(FREQUENCY * ratio, 0.5)
            .take(48_000)
            .map(|value| ((value * 32_768.0).round() / 32_768.0) as f32)
            .collect();
        assert_eq!(breaks(&samples, FREQUENCY, 0.5), []);
    }
}

#[test]
fn gaps_clicks_and_lost_frames_are_found_where_they_are() {
    let mut samples = sine(48_000);
    samples[10_000..10_100].fill(0.0);
    samples[20_000] += 0.02;
    samples.drain(30_000..30_100);
    let found = breaks(&samples, FREQUENCY, 0.5);
    let [gap, click, lost] = found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(gap.kind, BreakKind::Gap);
    assert!(gap.at.abs_diff(10_000) <= 1 && gap.length.abs_diff(100) <= 2);
    assert!(matches!(click.kind, BreakKind::Click(size) if (0.03..0.2).contains(&size)));
    assert!(click.at == 20_000 && click.length == 3, "{click:?}");
    assert!(lost.at.abs_diff(30_000) <= 1, "{lost:?}");
}

#[test]
fn not_a_number_is_a_break() {
    let mut samples = sine(1_000);
    samples[500] = f32::NAN;
    assert!(!breaks(&samples, FREQUENCY, 0.5).is_empty());
}

#[test]
fn the_sounding_part_is_what_is_left_of_the_silence_around() {
    let mut samples = vec![0.0; 100];
    samples.extend(&sine(1_000)[1..]);
    samples.extend([0.0; 50]);
    let range = sounding(&samples, 0.5);
    assert_eq!(range.start, 100);
    assert!(range.end.abs_diff(1_099) <= 1, "{range:?}");
}
