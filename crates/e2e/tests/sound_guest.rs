//! Sound of a real guest with an Intel HDA card: what it plays comes by SPICE, what is sent by SPICE it records.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use e2e::Viewer;
use e2e::sound_guest::{AMPLITUDE, CHANNELS, FREQUENCY, RATE, SoundGuest, SpiceSound};
use spice::audio::AudioFormat;
use testkit::programs::{self, SharedFile};
use testkit::sound_server::{PipeWire, PulseAudio, Recording, SINK};
use testkit::tone;

/// A guest without KVM on a busy machine takes its time for everything.
const LIMIT: Duration = Duration::from_secs(60);

const FORMAT: AudioFormat = AudioFormat {
    channels: 2,
    rate_hz: RATE,
};

/// One guest for all: it takes longest to boot.
#[test]
fn a_guest_plays_and_records_by_spice() -> anyhow::Result<()> {
    let Some(mut guest) = SoundGuest::boot()? else {
        return Ok(());
    };
    let sound = SpiceSound::connect(&guest.machine)?;
    plays(&mut guest, &sound).context("what the guest plays")?;
    records(&mut guest, &sound).context("what the guest records")?;
    // A machine has one at a time.
    drop(sound);
    if let Some(server) = PipeWire::start_with_pulse()? {
        let recording = server.record(SINK, RATE, CHANNELS)?;
        plays_by_client(&mut guest, &recording, |command| server.use_for(command))
            .context("by the client on PipeWire")?;
    }
    if let Some(server) = PulseAudio::start()? {
        let recording = server.record(SINK, RATE, CHANNELS)?;
        plays_by_client(&mut guest, &recording, |command| server.use_for(command))
            .context("by the client on PulseAudio")?;
    }
    Ok(())
}

/// The guest's tone through the real client to a real sound server.
fn plays_by_client(
    guest: &mut SoundGuest,
    recording: &Recording,
    use_server: impl FnOnce(&mut Command),
) -> anyhow::Result<()> {
    let shm = SharedFile::create(1)?;
    let mut command = programs::client(&shm)?;
    use_server(&mut command);
    command
        .args(["--headless", "app:transport=spice", "audio:debug=yes"])
        .args(guest.machine.spice_options());
    let mut viewer = Viewer::start(command)?;
    guest.play()?;
    viewer.wait_for("sound", LIMIT, |figures| {
        figures["sound"]["state"] == "running"
    })?;
    // Time for the ratio to settle, and a stretch to judge.
    ensure!(recording.wait_for_more(12 * RATE as usize, LIMIT));
    viewer.wait_for("figures", LIMIT, |figures| {
        eprintln!("{}", figures["sound"]);
        true
    })?;
    let samples = tone::channel(&recording.samples(), CHANNELS, 0);
    let sounding = &samples[tone::sounding(&samples, AMPLITUDE)];
    let from = sounding.len().saturating_sub(6 * RATE as usize);
    let breaks = tone::breaks(&sounding[from..], FREQUENCY, AMPLITUDE);
    eprintln!("{} frames heard, breaks {breaks:?}", sounding.len());
    // The ratio goes on moving, by at most 0.5 % (8.7 cents), as long as the machine gives neither of us even time.
    let stretch = longest_unbroken(&sounding[from..]);
    let track = tone::track(stretch, FREQUENCY, 960, 240);
    let pitch = track.frequency(0.0, stretch.len() as f64);
    let cents = tone::cents(pitch.context("too short to judge")?, FREQUENCY);
    eprintln!("{} frames unbroken, {cents:.3} cents off", stretch.len());
    let is_good = stretch.len() > RATE as usize / 4 && cents.abs() < 9.0;
    ensure!(is_good, "{}", viewer.process.output());
    guest.stop()
}

/// Looks for an unbroken stretch of so many seconds in a tone; a guest that gets no time for a while leaves gaps in what it
/// sends, which are not ours.
fn longest_unbroken(samples: &[f32]) -> &[f32] {
    let breaks = tone::breaks(samples, FREQUENCY, AMPLITUDE);
    let mut from = 0;
    let mut best = 0..0;
    let edges = breaks.iter().map(|b| (b.at, b.at + b.length));
    for (at, next) in edges.chain([(samples.len(), samples.len())]) {
        if at.saturating_sub(from) > best.len() {
            best = from..at;
        }
        from = next;
    }
    &samples[best]
}

/// Judges a stretch, which is to have at least so many frames.
fn is_our_tone(samples: &[f32], least: usize) -> anyhow::Result<()> {
    ensure!(
        samples.len() > least,
        "only {} frames unbroken",
        samples.len()
    );
    // Beyond the neighbourhood of a break.
    let inner = &samples[64..samples.len() - 64];
    let (frequency, fit) = tone::fit_frequency(inner, FREQUENCY);
    let cents = tone::cents(frequency, FREQUENCY);
    eprintln!(
        "{} frames unbroken, {cents:.4} cents off, amplitude {:.4}, noise {:.1} dB",
        samples.len(),
        fit.amplitude,
        fit.noise_db()
    );
    ensure!(cents.abs() < 0.1, "{cents} cents");
    ensure!((fit.amplitude - AMPLITUDE).abs() < 0.005, "{fit:?}");
    ensure!(fit.noise_db() < -60.0, "{} dB", fit.noise_db());
    Ok(())
}

fn plays(guest: &mut SoundGuest, sound: &SpiceSound) -> anyhow::Result<()> {
    guest.play()?;
    let frames = 4 * RATE as usize;
    let has_come = sound.hears(LIMIT, |heard| heard.samples().len() >= frames);
    ensure!(
        has_come,
        "{:?}\n{}",
        sound.look(|heard| heard.end.clone()),
        guest.log()
    );
    ensure!(sound.look(|heard| heard.playing) == Some(FORMAT));
    let (samples, packets) = sound.look(|heard| (heard.samples(), heard.packets.clone()));
    let sounding = &samples[tone::sounding(&samples, AMPLITUDE)];
    let breaks = tone::breaks(sounding, FREQUENCY, AMPLITUDE);
    let stamps: Vec<_> = packets
        .windows(2)
        .map(|w| w[1].time_ms - w[0].time_ms)
        .collect();
    eprintln!(
        "{} packets of {} bytes first, stamps apart {:?}, breaks {breaks:?}",
        packets.len(),
        packets[0].samples.len(),
        &stamps[..stamps.len().min(40)]
    );
    is_our_tone(longest_unbroken(sounding), RATE as usize / 2)?;
    guest.stop()?;
    ensure!(
        sound.hears(LIMIT, |heard| heard.playing.is_none()),
        "it does not stop"
    );
    Ok(())
}

fn records(guest: &mut SoundGuest, sound: &SpiceSound) -> anyhow::Result<()> {
    let is_over = AtomicBool::new(false);
    let heard = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let _ = sound.hears(LIMIT, |heard| heard.recording.is_some());
            let format = sound.look(|heard| heard.recording);
            sound.send_tone(|| !is_over.load(Ordering::Relaxed))?;
            anyhow::Ok(format)
        });
        let heard = guest.record(4);
        is_over.store(true, Ordering::Relaxed);
        let format = sender.join().expect("the sender ends")?;
        ensure!(format == Some(FORMAT), "{format:?}");
        heard
    })?;
    let breaks = tone::breaks(&heard, FREQUENCY, AMPLITUDE);
    eprintln!("recorded {} frames, breaks {breaks:?}", heard.len());
    is_our_tone(longest_unbroken(&heard), RATE as usize / 2)?;
    ensure!(
        sound.hears(LIMIT, |heard| heard.recording.is_none()),
        "it does not stop"
    );
    Ok(())
}
