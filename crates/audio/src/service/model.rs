//! What the thread `audio` decides: letters and times in, actions out. Opens nothing and waits for nothing.

use std::sync::Arc;

use clock::Nanos;

use super::inbox::Letter;
use super::life::{Deed, Life};
use super::{Microphone, Mixer, SoundSettings};
use crate::device::DeviceTiming;
use crate::playback::{Order, Packet, Playback, Status};
use crate::{Format, Input, Lane};

/// A device that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// What it promises; of a device that records nothing is asked.
    pub timing: DeviceTiming,
    /// What it is, for the user.
    pub description: Arc<str>,
    /// It stands in for a server that is not there.
    pub is_stand_in: bool,
}

/// What happened to a device. Each has the number with which its opening was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The device that plays was opened, or could not be.
    Playback(u64, Result<Opened, String>),
    /// The device that plays is of no use any more.
    PlaybackLost(u64, String),
    /// The device that records was opened, or could not be.
    Capture(u64, Result<Opened, String>),
    /// The device that records is of no use any more.
    CaptureLost(u64, String),
}

/// What the thread has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make a lane, give it to [`Core::attach`], and open a device for its other end.
    OpenPlayback(u64, Format),
    /// Close that device, or give up opening it.
    ClosePlayback(u64),
    /// Set the volume of the device that plays.
    PlaybackVolume(Mixer),
    /// Open a device that records, for that recording.
    OpenCapture {
        /// The device.
        number: u64,
        /// The recording that it is for.
        recording: u32,
        /// Its shape.
        format: Format,
    },
    /// Close that device, or give up opening it; what it recorded and was not sent goes with it.
    CloseCapture(u64),
    /// Set the volume of the device that records.
    CaptureVolume(Mixer),
    /// Tell what became of the microphone.
    Tell(Microphone),
}

/// How often a server is looked for while a stand-in plays.
const LOOK_FOR_SERVER: Nanos = Nanos::from_millis(3000);

/// The thread's state.
#[derive(Debug)]
pub(super) struct Core<L: Lane> {
    settings: SoundSettings,
    playback: Option<Playback<L>>,
    outward: Life,
    out_device: Option<Opened>,
    /// When a stand-in is given up for another try.
    next_look: Option<Nanos>,
    inward: Life,
    /// When a stand-in for the microphone is given up for another try.
    next_capture_look: Option<Nanos>,
    /// What the guest records.
    recording: Option<(u32, Format)>,
    /// The recording that may hear the microphone.
    consent: Option<u32>,
    /// The recording that the device which is opened or open is for.
    capturing: Option<(u64, u32)>,
    microphone: Microphone,
    /// The guest's volume, if it is followed and the guest has told one.
    mixers: (Option<Mixer>, Option<Mixer>),
}

impl<L: Lane> Core<L> {
    pub(super) fn new(settings: SoundSettings) -> Self {
        Self {
            settings,
            playback: None,
            outward: Life::default(),
            out_device: None,
            next_look: None,
            inward: Life::default(),
            next_capture_look: None,
            recording: None,
            consent: None,
            capturing: None,
            microphone: Microphone::Closed,
            mixers: Default::default(),
        }
    }

    /// Takes a letter. The buffer of a packet comes back.
    pub(super) fn take(
        &mut self,
        letter: Letter<News>,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) -> Option<Vec<u8>> {
        match letter {
            Letter::News(news) => self.news(news, now, actions),
            Letter::Mixers(playback, record) => {
                if self.settings.follows_volume {
                    let before = std::mem::replace(&mut self.mixers, (playback, record));
                    self.set_volumes(before, actions);
                }
            }
            Letter::Recording(recording) => self.recording = recording,
            Letter::Consent(consent) => self.consent = consent,
            Letter::Started(format) => self.started(format, now, actions),
            Letter::Stopped => {
                if let Some(playback) = &mut self.playback {
                    playback.stopped(now);
                }
            }
            Letter::Packet {
                arrived,
                time_ms,
                samples,
            } => {
                if let Some(playback) = &mut self.playback {
                    let channels = playback.format().channels();
                    let input = Input::sampled(&samples, channels);
                    playback.packet(Packet {
                        arrived,
                        time_ms,
                        input,
                    });
                }
                return Some(samples);
            }
        }
        None
    }

    fn started(&mut self, format: Format, now: Nanos, actions: &mut Vec<Action>) {
        let is_same = |playback: &Playback<L>| playback.format() == format;
        if !self.playback.as_ref().is_some_and(is_same) {
            // The ring and the device have another shape.
            self.close_playback(now, actions);
            let settings = self.settings.playback(format);
            self.playback = Some(Playback::new(format, settings));
        }
        if let Some(playback) = &mut self.playback {
            playback.started(now);
        }
    }

    fn close_playback(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        if let Some(Deed::Close(number)) = self.outward.step(false, now) {
            actions.push(Action::ClosePlayback(number));
        }
        self.forget_device();
    }

    /// The device has gone, or goes.
    fn forget_device(&mut self) {
        if let Some(playback) = &mut self.playback {
            playback.detach();
        }
        self.out_device = None;
        self.next_look = None;
    }

    /// Gives the stream the lane for the device whose opening was asked for.
    pub(super) fn attach(&mut self, lane: L, now: Nanos) {
        if let Some(playback) = &mut self.playback {
            let max_period_frames = self.settings.period(playback.format());
            playback.attach(lane, DeviceTiming { max_period_frames }, now);
        }
    }

    fn news(&mut self, news: News, now: Nanos, actions: &mut Vec<Action>) {
        match news {
            News::Playback(number, Ok(opened)) => {
                if self.outward.opened(number, now) {
                    if let Some(playback) = &mut self.playback {
                        playback.set_timing(opened.timing);
                    }
                    self.next_look = opened.is_stand_in.then(|| now + LOOK_FOR_SERVER);
                    if self.out_device.as_ref() != Some(&opened) {
                        tracing::info!("sound: playing on {}", opened.description);
                    }
                    self.out_device = Some(opened);
                    actions.extend(self.mixers.0.map(Action::PlaybackVolume));
                }
            }
            News::Playback(number, Err(why)) | News::PlaybackLost(number, why) => {
                if self.outward.lost(number, now) {
                    tracing::warn!("sound: {why}; it is tried again");
                    actions.push(Action::ClosePlayback(number));
                    self.forget_device();
                }
            }
            News::Capture(number, Ok(opened)) => {
                if self.inward.opened(number, now)
                    && let Some((_, recording)) = self.capturing
                {
                    actions.extend(self.mixers.1.map(Action::CaptureVolume));
                    self.next_capture_look = opened.is_stand_in.then(|| now + LOOK_FOR_SERVER);
                    let microphone = if opened.is_stand_in {
                        let why = "no sound server gives one; the guest hears silence".to_owned();
                        Microphone::Failed { recording, why }
                    } else {
                        tracing::info!("sound: the microphone is open: {}", opened.description);
                        Microphone::Open { recording }
                    };
                    self.tell(microphone, actions);
                }
            }
            News::Capture(number, Err(why)) | News::CaptureLost(number, why) => {
                if self.inward.lost(number, now)
                    && let Some((_, recording)) = self.capturing.take()
                {
                    self.next_capture_look = None;
                    tracing::warn!("sound: the microphone: {why}; it is tried again");
                    actions.push(Action::CloseCapture(number));
                    self.tell(Microphone::Failed { recording, why }, actions);
                }
            }
        }
    }

    /// Sets the volumes that have changed of the devices that are open; one that opens is told then.
    fn set_volumes(&self, before: (Option<Mixer>, Option<Mixer>), actions: &mut Vec<Action>) {
        if self.out_device.is_some() && before.0 != self.mixers.0 {
            actions.extend(self.mixers.0.map(Action::PlaybackVolume));
        }
        let is_open = |(number, _)| self.inward.is_open(number);
        if self.capturing.is_some_and(is_open) && before.1 != self.mixers.1 {
            actions.extend(self.mixers.1.map(Action::CaptureVolume));
        }
    }

    fn tell(&mut self, microphone: Microphone, actions: &mut Vec<Action>) {
        if self.microphone != microphone {
            self.microphone = microphone.clone();
            actions.push(Action::Tell(microphone));
        }
    }

    /// Does what follows from the time and from what was taken; returns when to ask again. After
    /// [`Action::OpenPlayback`] it is asked again at once, with the lane attached.
    pub(super) fn tick(&mut self, now: Nanos, actions: &mut Vec<Action>) -> Option<Nanos> {
        let playback = self.tick_playback(now, actions);
        self.tick_capture(now, actions);
        let deadlines = [
            playback,
            self.outward.deadline(),
            self.next_look,
            self.inward.deadline(),
            self.next_capture_look,
        ];
        deadlines.into_iter().flatten().min()
    }

    fn tick_playback(&mut self, now: Nanos, actions: &mut Vec<Action>) -> Option<Nanos> {
        if self.next_look.is_some_and(|at| now >= at) {
            // What nobody hears is not missed. The worker finds the server, or the same stand-in again. The stream is asked
            // after this whether it wants a device: one that only kept the stand-in does not.
            let description = self.out_device.take();
            self.close_playback(now, actions);
            self.out_device = description;
        }
        let playback = self.playback.as_mut()?;
        let step = playback.tick(now);
        let is_wanted = match step.order {
            Order::Open => true,
            Order::Close => false,
            Order::Keep => playback.lane().is_some(),
        };
        let format = playback.format();
        match self.outward.step(is_wanted, now) {
            Some(Deed::Open(number)) => actions.push(Action::OpenPlayback(number, format)),
            Some(Deed::Close(number)) => {
                actions.push(Action::ClosePlayback(number));
                self.forget_device();
            }
            None if !is_wanted => self.forget_device(),
            None => {}
        }
        step.next
    }

    fn tick_capture(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        let allowed = self
            .recording
            .filter(|(number, _)| self.consent == Some(*number));
        let is_look_due = self.next_capture_look.is_some_and(|at| now >= at);
        if let Some((_, recording)) = self.capturing
            && (is_look_due || allowed.map(|(number, _)| number) != Some(recording))
        {
            // At once, and before anything is opened for another recording.
            self.next_capture_look = None;
            if let Some(Deed::Close(number)) = self.inward.step(false, now) {
                actions.push(Action::CloseCapture(number));
            }
            self.capturing = None;
        }
        if allowed.is_none() {
            self.tell(Microphone::Closed, actions);
        }
        if let Some(Deed::Open(number)) = self.inward.step(allowed.is_some(), now)
            && let Some((recording, format)) = allowed
        {
            self.capturing = Some((number, recording));
            actions.push(Action::OpenCapture {
                number,
                recording,
                format,
            });
        }
    }

    /// Whether the recorded sound of that device may be sent.
    pub(super) fn may_send(&self, number: u64) -> bool {
        self.inward.is_open(number)
            && self.capturing.is_some_and(|(present, recording)| {
                present == number && self.consent == Some(recording)
            })
    }

    /// The stream's numbers and shape.
    pub(super) fn status(&self) -> Option<(Status, Format)> {
        let playback = self.playback.as_ref()?;
        Some((playback.status(), playback.format()))
    }

    /// What the device that plays is.
    pub(super) fn device(&self) -> Option<&Arc<str>> {
        self.out_device.as_ref().map(|device| &device.description)
    }

    /// What became of the microphone.
    pub(super) const fn microphone(&self) -> &Microphone {
        &self.microphone
    }
}

#[cfg(test)]
mod tests;
