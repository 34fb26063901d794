//! The numbers of the sound, for `--stats` and for the screen (key D).

use audio::playback::State;
use audio::{Microphone, SoundStatus};
use serde_json::{Value, json};

/// What `--stats` has of it; `null` before the guest first played or recorded.
#[must_use]
pub fn json(status: &SoundStatus) -> Value {
    let microphone = match &status.microphone {
        Microphone::Closed => "closed",
        Microphone::Open { .. } => "open",
        Microphone::Failed { .. } => "failed",
    };
    let Some(playback) = &status.playback else {
        if status.recorded_pieces == 0 && status.microphone == Microphone::Closed {
            return Value::Null;
        }
        return json!({
            "microphone": microphone,
            "recorded_pieces": status.recorded_pieces,
        });
    };
    json!({
        "state": word(playback.state),
        "device": status.device.as_deref(),
        "rate_hz": status.format.map(audio::Format::rate_hz),
        "channels": status.format.map(audio::Format::channels),
        "period_frames": playback.period_frames,
        "latency_ms": playback.latency_ms,
        "target_ms": playback.target_ms,
        "device_latency_ms": status.device_latency.map(|latency| latency.as_secs_f64() * 1e3),
        "ratio_ppm": playback.ratio_ppm,
        "source_ppm": playback.source_ppm,
        "device_ppm": playback.device_ppm,
        "jitter_ms": playback.jitter_ms,
        "is_converged": playback.is_converged,
        "underruns": playback.underruns,
        "overruns": playback.overruns,
        "resyncs": playback.resyncs,
        "dropped_frames": playback.dropped_frames,
        "dropped_packets": status.dropped_packets,
        "packets": playback.packets,
        "microphone": microphone,
        "recorded_pieces": status.recorded_pieces,
    })
}

/// The line on the screen; `None` before the guest first played.
#[must_use]
pub fn line(status: &SoundStatus) -> Option<String> {
    let playback = status.playback.as_ref()?;
    let latency = playback.latency_ms;
    let device = status.device.as_deref().unwrap_or("no device");
    let state = match playback.state {
        State::Running => "",
        state => word(state),
    };
    let space = if state.is_empty() { "" } else { " " };
    Some(format!(
        "sound{space}{state}: {} ms (target {:.1}), {:+.0} ppm, jitter {:.1} ms, {} underruns, {device}",
        latency.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}")),
        playback.target_ms,
        playback.ratio_ppm,
        playback.jitter_ms,
        playback.underruns,
    ))
}

const fn word(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Opening => "opening",
        State::Running => "running",
        State::Draining => "draining",
        State::KeepAlive => "idle",
    }
}

#[cfg(test)]
mod tests {
    use audio::playback::Status;

    use super::*;

    fn playing() -> SoundStatus {
        SoundStatus {
            playback: Some(Status {
                state: State::Running,
                latency_ms: Some(31.24),
                target_ms: 30.5,
                ratio_ppm: -12.4,
                jitter_ms: 1.25,
                underruns: 2,
                ..Status::default()
            }),
            device: Some("PipeWire: speakers".into()),
            ..SoundStatus::default()
        }
    }

    #[test]
    fn nothing_is_shown_before_anything_played() {
        assert_eq!(line(&SoundStatus::default()), None);
        assert_eq!(json(&SoundStatus::default()), Value::Null);
    }

    #[test]
    fn the_line_has_what_a_user_asks_for() {
        let want =
            "sound: 31.2 ms (target 30.5), -12 ppm, jitter 1.2 ms, 2 underruns, PipeWire: speakers";
        assert_eq!(line(&playing()).as_deref(), Some(want));
    }

    #[test]
    fn the_object_has_every_figure() {
        let json = json(&playing());
        assert_eq!(json["state"], "running");
        assert_eq!(json["latency_ms"], 31.24);
        assert_eq!(json["underruns"], 2);
        assert_eq!(json["device"], "PipeWire: speakers");
        assert_eq!(json["source_ppm"], Value::Null);
        assert_eq!(json["microphone"], "closed");
    }

    #[test]
    fn a_guest_that_only_records_has_figures_too() {
        let status = SoundStatus {
            microphone: Microphone::Open { recording: 3 },
            recorded_pieces: 100,
            ..SoundStatus::default()
        };
        assert_eq!(json(&status)["microphone"], "open");
        assert_eq!(json(&status)["recorded_pieces"], 100);
    }
}
