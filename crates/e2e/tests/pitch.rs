//! A tone from a machine with a clock of its own, through the real client, to real sound servers.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use e2e::sound::{Ears, LIMIT, Scene, judge};
use testkit::sound_server::{PipeWire, PulseAudio, Recording, SINK};

/// Frames a second of all that is recorded here.
const RATE: usize = 48_000;
/// A clock that is fast by 1.7 cents: more than the pitch may be wrong by.
const SKEW_PPM: f64 = 1_000.0;
/// Of which the sink's own clock may be off by some: it is the sink's frames that are recorded.
const IN_TUNE_CENTS: f64 = 1.0;
/// Noise of 16 bits at half of full scale is 92 dB below it; a ratio that moves within a tenth of a second adds to it.
const CLEAN_DB: f64 = -60.0;
/// So often is listened for a clean stretch.
const STRETCHES: usize = 6;

/// Listens to further `seconds` and returns what the client played.
fn hear(recording: &Recording, seconds: usize) -> anyhow::Result<Vec<f32>> {
    let from = recording.frames();
    let limit = LIMIT + Duration::from_secs(seconds as u64);
    let is_there = recording.wait_for_more(seconds * RATE, limit);
    ensure!(is_there, "the sink stands still:\n{}", recording.output());
    Ok(recording.samples().split_off(from * 2))
}

/// Listens until `seconds` on end are the tone at its pitch, with no gap and no click. A busy machine may make the sound
/// server itself miss a cycle, so a few stretches may be broken.
fn hear_clean(
    recording: &Recording,
    seconds: usize,
    skew_ppm: f64,
    scene: &Scene,
) -> anyhow::Result<()> {
    for stretch in 1..=STRETCHES {
        let heard = judge(&hear(recording, seconds)?, skew_ppm)?;
        println!("stretch {stretch}: {heard:?}");
        let is_whole = heard.breaks.is_empty() && heard.noise_db < CLEAN_DB;
        let is_in_tune =
            heard.cents.abs() < IN_TUNE_CENTS && heard.worst_cents.abs() < IN_TUNE_CENTS;
        if is_whole && is_in_tune && (heard.gain - 1.0).abs() < 0.01 {
            return Ok(());
        }
    }
    bail!("no clean stretch; {}", scene.figures()?);
}

/// The whole way of a tone, from its first packet to its last.
fn a_tone_is_heard(ears: &dyn Ears, skew_ppm: f64, options: &[&str]) -> anyhow::Result<()> {
    let recording = ears.listen()?;
    let mut scene = Scene::start(ears, options)?;
    let playing = scene.play(skew_ppm)?;
    scene.converge()?;
    hear_clean(&recording, 5, skew_ppm, &scene)?;
    let figures = scene.figures()?;
    let latency = figures["latency_ms"].as_f64().context("no latency")?;
    let target = figures["target_ms"].as_f64().context("no target")?;
    println!("figures: {figures}");
    assert!(
        (latency - target).abs() < 5.0 && target < 150.0,
        "{figures}"
    );
    let ratio_ppm = figures["ratio_ppm"].as_f64().context("no ratio")?;
    assert!((ratio_ppm + skew_ppm).abs() < 500.0, "{figures}");
    playing.stop();
    Ok(())
}

#[test]
fn a_fast_machine_is_heard_at_its_pitch_on_pipewire() -> anyhow::Result<()> {
    let Some(server) = PipeWire::start()? else {
        return Ok(());
    };
    a_tone_is_heard(&server, SKEW_PPM, &[])
}

#[test]
fn a_slow_machine_is_heard_at_its_pitch_on_pulseaudio() -> anyhow::Result<()> {
    let Some(server) = PulseAudio::start()? else {
        return Ok(());
    };
    a_tone_is_heard(&server, -SKEW_PPM, &[])
}

#[test]
fn sound_goes_on_when_the_server_is_started_anew() -> anyhow::Result<()> {
    let Some(mut server) = PipeWire::start()? else {
        return Ok(());
    };
    let scene = Scene::start(&server, &[])?;
    let _playing = scene.play(0.0)?;
    let recording = server.listen()?;
    hear(&recording, 3)?;
    drop(recording);
    server.restart()?;
    let recording = server.listen()?;
    hear_clean(&recording, 3, 0.0, &scene)
}

#[test]
fn sound_goes_on_at_another_sink_when_its_own_is_removed() -> anyhow::Result<()> {
    let Some(server) = PipeWire::start()? else {
        return Ok(());
    };
    let scene = Scene::start(&server, &[])?;
    let _playing = scene.play(0.0)?;
    let recording = server.listen()?;
    hear(&recording, 3)?;
    drop(recording);
    server.add_sink("other-sink")?;
    server.remove(SINK)?;
    let recording = server.record("other-sink", 48_000, 2)?;
    hear_clean(&recording, 3, 0.0, &scene)
}

#[test]
fn another_client_plays_what_the_dead_one_did() -> anyhow::Result<()> {
    let Some(server) = PipeWire::start()? else {
        return Ok(());
    };
    let recording = server.listen()?;
    let mut scene = Scene::start(&server, &[])?;
    let playing = scene.play(0.0)?;
    hear(&recording, 3)?;
    scene.restart_client(&server, &[])?;
    // A server begins the stream anew for each client.
    drop(playing);
    let _playing = scene.play(0.0)?;
    hear_clean(&recording, 3, 0.0, &scene)
}

#[test]
fn sound_is_whole_again_at_once_after_a_stall() -> anyhow::Result<()> {
    let Some(server) = PipeWire::start()? else {
        return Ok(());
    };
    let recording = server.listen()?;
    let scene = Scene::start(&server, &[])?;
    let playing = scene.play(0.0)?;
    hear(&recording, 6)?;
    // The server itself may miss a cycle on a busy machine; three stalls in a row it does not spoil.
    for _ in 0..3 {
        playing.stall(1_000);
        // A second of stall, half a second to recover, and the time from a packet to its place in the recording.
        hear(&recording, 2)?;
        let heard = judge(&hear(&recording, 2)?, 0.0)?;
        println!("{heard:?}");
        if heard.breaks.is_empty() && heard.worst_cents.abs() < IN_TUNE_CENTS {
            return Ok(());
        }
    }
    bail!(
        "not whole two seconds after a stall began; {}",
        scene.figures()?
    );
}
