//! Sound, as the client keeps it: what SPICE says goes to the thread `audio`, what the microphone gives goes to the guest,
//! and the user decides who hears it.
//!
//! [`SoundLink`] is the SPICE thread's end, [`Sound`] the main thread's. A recording has a number; the consent names it,
//! so that what was said of one never opens the microphone for another.

pub mod figures;
mod link;
mod microphone;

use std::sync::Arc;

use anyhow::Context as _;
use audio::SoundSettings;
use clock::Nanos;

use crate::config::{Settings, SoundOptions};
use crate::input::scancode;

pub use link::{RecordNews, SoundLink};
pub use microphone::{Device, Microphone, Policy};

/// Who can be asked about the microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The user sits before the window.
    User,
    /// Nobody: there is no window, so that only `audio:micDefault=allow` opens it.
    Nobody,
}

/// The main thread's end of the sound.
pub struct Sound {
    /// Ends before the link goes.
    audio: audio::Sound,
    link: SoundLink,
    microphone: Microphone,
    /// What was told last.
    consent: Option<u32>,
    notice: Option<String>,
}

impl Sound {
    /// Starts the thread. `wake` makes the main thread look. `None` if there is to be no sound.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(
        settings: &Settings,
        listener: Listener,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> anyhow::Result<Option<Self>> {
        if !settings.sound.enable {
            return Ok(None);
        }
        let start = |outlet| audio::Sound::start(audio_settings(&settings.sound), outlet);
        Self::start_with(settings, listener, wake, start).map(Some)
    }

    fn start_with(
        settings: &Settings,
        listener: Listener,
        wake: Arc<dyn Fn() + Send + Sync>,
        start: impl FnOnce(audio::Outlet) -> std::io::Result<audio::Sound>,
    ) -> anyhow::Result<Self> {
        let options = &settings.sound;
        let policy = match (listener, options.microphone) {
            (Listener::Nobody, Policy::Prompt) => Policy::Deny,
            (_, policy) => policy,
        };
        let records = listener == Listener::User || policy == Policy::Allow;
        let (audio, link) = SoundLink::start(records, wake, start)
            .context("starting the thread of the sound (spice:audio=no goes without)")?;
        let escape = scancode::label(settings.input.model.escape_key);
        Ok(Self {
            audio,
            link,
            microphone: Microphone::new(policy, options.shows_microphone, escape),
            consent: None,
            notice: None,
        })
    }

    /// The SPICE thread's end.
    #[must_use]
    pub const fn link(&self) -> &SoundLink {
        &self.link
    }

    /// Where the numbers are.
    #[must_use]
    pub const fn handle(&self) -> &audio::SoundHandle {
        self.audio.handle()
    }

    /// The guest records, or no longer.
    pub fn recording(&mut self, news: RecordNews, now: Nanos) {
        match news {
            Some(number) => self.microphone.started(number, now),
            None => self.microphone.stopped(now),
        }
    }

    /// There is no session any more.
    pub fn session_ended(&mut self, now: Nanos) {
        self.microphone.session_ended(now);
    }

    /// Key E. Returns what the user is told.
    pub fn toggle_microphone(&mut self, now: Nanos) -> String {
        self.microphone.toggle(now)
    }

    /// Key C. Returns what the user is told.
    pub fn cycle_policy(&mut self, now: Nanos) -> String {
        self.microphone.cycle(now)
    }

    /// Does what follows from all that; returns when it is to be called again.
    pub fn tick(&mut self, now: Nanos) -> Option<Nanos> {
        if let Some((recording, device)) = self.link.take_device() {
            self.microphone.device(recording, device);
        }
        let deadline = self.microphone.tick(now);
        let consent = self.microphone.consent();
        if consent != self.consent {
            self.consent = consent;
            self.handle().allow_microphone(consent);
        }
        deadline
    }

    /// What is to be on the screen, if that has changed.
    pub fn take_notice(&mut self) -> Option<Option<String>> {
        let notice = self.microphone.notice();
        if notice == self.notice {
            return None;
        }
        self.notice.clone_from(&notice);
        Some(notice)
    }
}

fn audio_settings(options: &SoundOptions) -> SoundSettings {
    SoundSettings {
        period_frames: options.period_frames,
        buffer_latency: options.buffer_latency,
        latency_offset: options.latency_offset,
        follows_volume: options.follows_volume,
        playback_device: options.playback_device.clone(),
        record_device: options.record_device.clone(),
        debug: options.debug,
        ..SoundSettings::default()
    }
}

#[cfg(test)]
mod tests;
