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
    /// The session that the microphone's sound goes to.
    session: Mutex<Option<Handle>>,
    /// What became of the consent, and to which recording; for the main thread.
    device: Mutex<Option<(Option<u32>, Device)>>,
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
        *lock(&self.shared.session) = Some(session);
    }

    /// There is no session any more: what is buffered is played to its end, and nobody records.
    pub fn disconnected(&self) {
        *lock(&self.shared.session) = None;
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
                return to_format(format).map(|format| Some(self.handle.record_started(format)));
            }
            RecordEvent::Stopped => {
                self.handle.record_stopped();
                return Some(None);
            }
            RecordEvent::Volume(volume) => self.handle.set_record_volume(volume.levels()),
            RecordEvent::Mute(is_muted) => self.handle.set_record_muted(is_muted),
            _ => {}
        }
        None
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
                time_ms, samples, ..
            } => {
                let command = Command::Record {
                    time_ms,
                    samples: samples.to_vec(),
                };
                if let Some(session) = lock(&self.session).as_ref()
                    && session.send(command).is_err()
                {
                    tracing::debug!("the virtual machine does not keep up with the microphone");
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
