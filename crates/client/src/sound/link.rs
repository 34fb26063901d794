//! Between the SPICE thread and the thread `audio`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audio::{Format, SoundEvent, SoundHandle};
use spice::Command;
use spice::audio::{AudioFormat, PlaybackEvent, RecordEvent};
use spice::transport::Handle;

use super::Device;

/// The guest records, with the number of the recording; or no longer.
pub type RecordNews = Option<u32>;

/// The SPICE thread's end of the sound. Clones are the same.
#[derive(Clone)]
pub struct SoundLink {
    handle: SoundHandle,
    shared: Arc<Shared>,
    records: bool,
}

/// What the thread `audio` reaches.
#[derive(Default)]
struct Shared {
    /// Where the microphone's sound goes.
    session: Mutex<Session<Handle>>,
    /// What became of the consent, and to which recording; for the main thread.
    device: Mutex<Option<(Option<u32>, Device)>>,
}

/// The session, and what it may hear.
struct Session<H> {
    handle: Option<H>,
    /// The recording of the guest that runs.
    recording: Option<u32>,
}

impl<H> Default for Session<H> {
    fn default() -> Self {
        Self {
            handle: None,
            recording: None,
        }
    }
}

impl<H> Session<H> {
    /// Who hears a piece of that recording: nobody, if it is not the one that runs.
    fn hearer(&self, recording: u32) -> Option<&H> {
        let is_current = self.recording == Some(recording);
        self.handle.as_ref().filter(|_| is_current)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SoundLink {
    /// Starts the thread by `start`. `wake` makes the main thread look.
    pub(super) fn start(
        records: bool,
        wake: Arc<dyn Fn() + Send + Sync>,
        start: impl FnOnce(audio::Outlet) -> std::io::Result<audio::Sound>,
    ) -> std::io::Result<(audio::Sound, Self)> {
        let shared = Arc::new(Shared::default());
        let outlet = Arc::clone(&shared);
        let sound = start(Box::new(move |event| {
            if outlet.take(event) {
                wake();
            }
        }))?;
        let handle = sound.handle().clone();
        let link = Self {
            handle,
            shared,
            records,
        };
        Ok((sound, link))
    }

    /// The guest's microphone is worth a channel.
    #[must_use]
    pub const fn records(&self) -> bool {
        self.records
    }

    /// There is a session. To be told before its first event.
    pub fn connected(&self, session: Handle) {
        *lock(&self.shared.session) = Session {
            handle: Some(session),
            recording: None,
        };
    }

    /// There is no session any more: what is buffered is played to its end, and nobody records.
    pub fn disconnected(&self) {
        *lock(&self.shared.session) = Session::default();
        self.handle.stopped();
        self.handle.record_stopped();
        self.handle.allow_microphone(None);
    }

    /// Takes what the guest plays.
    pub fn playback(&self, event: PlaybackEvent<'_>) {
        match event {
            PlaybackEvent::Started(format) => match to_format(format) {
                Some(format) => self.handle.started(format),
                None => self.handle.stopped(),
            },
            PlaybackEvent::Samples { time_ms, samples } => self.handle.packet(time_ms, samples),
            PlaybackEvent::Stopped => self.handle.stopped(),
            PlaybackEvent::Volume(volume) => self.handle.set_volume(volume.levels()),
            PlaybackEvent::Mute(is_muted) => self.handle.set_muted(is_muted),
            // Not asked for, so there is nothing that could play it; the main thread tells.
            _ => {}
        }
    }

    /// Takes what the guest records; returns what concerns the user.
    pub fn record(&self, event: RecordEvent) -> Option<RecordNews> {
        match event {
            RecordEvent::Started(format) => {
                // What was recorded before this is not for the guest any more, even if it comes a moment later.
                self.set_recording(None);
                let number = to_format(format).map(|format| self.handle.record_started(format));
                self.set_recording(number);
                if number.is_none() {
                    self.handle.record_stopped();
                }
                return Some(number);
            }
            RecordEvent::Stopped => {
                self.set_recording(None);
                self.handle.record_stopped();
                return Some(None);
            }
            RecordEvent::Volume(volume) => self.handle.set_record_volume(volume.levels()),
            RecordEvent::Mute(is_muted) => self.handle.set_record_muted(is_muted),
            _ => {}
        }
        None
    }

    fn set_recording(&self, recording: Option<u32>) {
        lock(&self.shared.session).recording = recording;
    }

    /// What became of the consent since the last call, and to which recording.
    pub(super) fn take_device(&self) -> Option<(Option<u32>, Device)> {
        lock(&self.shared.device).take()
    }
}

impl Shared {
    /// Takes what comes from the thread `audio`; tells whether the main thread has to look.
    fn take(&self, event: SoundEvent<'_>) -> bool {
        match event {
            SoundEvent::Recorded {
                recording,
                time_ms,
                samples,
            } => {
                // The lock is held while it is sent, so that nothing of a recording follows its end.
                if let Some(handle) = lock(&self.session).hearer(recording) {
                    let samples = samples.to_vec();
                    let command = Command::Record { time_ms, samples };
                    if handle.send(command).is_err() {
                        tracing::debug!("the virtual machine does not keep up with the microphone");
                    }
                }
                false
            }
            SoundEvent::Microphone(microphone) => {
                let device = match microphone {
                    audio::Microphone::Closed => (None, Device::Closed),
                    audio::Microphone::Open { recording } => (Some(recording), Device::Open),
                    audio::Microphone::Failed { recording, why } => {
                        (Some(recording), Device::Failed(why))
                    }
                };
                *lock(&self.device) = Some(device);
                true
            }
            _ => false,
        }
    }
}

/// SPICE and the thread bound channels and rate alike.
fn to_format(format: AudioFormat) -> Option<Format> {
    Format::new(format.channels.into(), format.rate_hz)
        .inspect_err(|error| tracing::warn!("sound: {error}"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_recording_that_runs_is_heard() {
        let mut session = Session {
            handle: Some("the guest"),
            recording: Some(2),
        };
        assert_eq!(session.hearer(2), Some(&"the guest"));
        assert_eq!(session.hearer(1), None, "a piece of the one before");
        session.recording = None;
        assert_eq!(session.hearer(2), None, "a piece after the end");
    }
}
