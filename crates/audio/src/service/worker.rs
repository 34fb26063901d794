//! The thread on which devices of one direction are opened, closed and told their volume: all of that may block.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use clock::Nanos;

use super::Mixer;
use super::model::Opened;
use crate::device::{
    Backend, CaptureDevice, CaptureRequest, DeviceError, DeviceEvent, DeviceTiming, Events,
    PlaybackDevice, PlaybackRequest,
};
use crate::{Format, Pull, Push};

/// Makes the sound servers that a worker tries; each worker has its own.
pub(super) type MakeBackend = Arc<dyn Fn() -> Box<dyn Backend> + Send + Sync>;

/// Where a worker reports.
pub(super) type Tell = Arc<dyn Fn(Report) + Send + Sync>;

/// How often an open device is asked for its latency.
const LATENCY_LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// One direction.
pub(super) trait Direction: Send + 'static {
    /// The thread's name.
    const THREAD: &'static str;
    /// What to open.
    type Request: Send;
    /// What the device's callback holds.
    type Side: Send;
    /// An open device.
    type Device;

    fn open(
        backend: &mut dyn Backend,
        request: &Self::Request,
        side: Self::Side,
        events: Events,
    ) -> Result<Self::Device, DeviceError>;

    fn describe(device: &Self::Device) -> Opened;

    fn format(request: &Self::Request) -> Format;

    fn set_volume(device: &mut Self::Device, levels: &[f32], is_muted: bool);

    fn latency(device: &Self::Device) -> Option<Nanos>;
}

/// From the guest.
pub(super) struct Outward;

impl Direction for Outward {
    const THREAD: &'static str = "audio-out";
    type Request = PlaybackRequest;
    type Side = Pull;
    type Device = Box<dyn PlaybackDevice>;

    fn open(
        backend: &mut dyn Backend,
        request: &PlaybackRequest,
        side: Pull,
        events: Events,
    ) -> Result<Self::Device, DeviceError> {
        backend.open_playback(request, side, events)
    }

    fn describe(device: &Self::Device) -> Opened {
        Opened {
            timing: device.timing(),
            description: device.description().into(),
            is_stand_in: device.is_stand_in(),
        }
    }

    fn format(request: &PlaybackRequest) -> Format {
        request.format
    }

    fn set_volume(device: &mut Self::Device, levels: &[f32], is_muted: bool) {
        device.set_volume(levels, is_muted);
    }

    fn latency(device: &Self::Device) -> Option<Nanos> {
        device.latency()
    }
}

/// To the guest.
pub(super) struct Inward;

impl Direction for Inward {
    const THREAD: &'static str = "audio-in";
    type Request = CaptureRequest;
    type Side = Push;
    type Device = Box<dyn CaptureDevice>;

    fn open(
        backend: &mut dyn Backend,
        request: &CaptureRequest,
        side: Push,
        events: Events,
    ) -> Result<Self::Device, DeviceError> {
        backend.open_capture(request, side, events)
    }

    fn describe(device: &Self::Device) -> Opened {
        Opened {
            timing: DeviceTiming {
                max_period_frames: 0,
            },
            description: device.description().into(),
            is_stand_in: device.is_stand_in(),
        }
    }

    fn format(request: &CaptureRequest) -> Format {
        request.format
    }

    fn set_volume(device: &mut Self::Device, levels: &[f32], is_muted: bool) {
        device.set_volume(levels, is_muted);
    }

    fn latency(_: &Self::Device) -> Option<Nanos> {
        None
    }
}

/// What a worker says: of which device, and what.
pub(super) enum Report {
    /// It was opened, or could not be.
    Opened(u64, Result<Opened, String>),
    /// It is of no use any more.
    Lost(u64, String),
}

/// The state that is wanted. Each change replaces what it was, so nothing piles up behind a server that blocks.
struct Wish<D: Direction> {
    /// The device that is to be open.
    number: Option<u64>,
    /// What to open it with, until that is taken.
    order: Option<(D::Request, D::Side)>,
    volume: Option<Mixer>,
    latency: Option<Nanos>,
    is_over: bool,
    has_ended: bool,
}

struct Desk<D: Direction> {
    wish: Mutex<Wish<D>>,
    bell: Condvar,
}

impl<D: Direction> Desk<D> {
    fn wish(&self) -> MutexGuard<'_, Wish<D>> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker; its thread starts with the first device.
pub(super) struct Worker<D: Direction> {
    desk: Arc<Desk<D>>,
    /// Until the thread has started.
    begin: Option<(MakeBackend, Tell)>,
}

impl<D: Direction> Worker<D> {
    pub(super) fn new(make: MakeBackend, report: Tell) -> Self {
        let wish = Wish {
            number: None,
            order: None,
            volume: None,
            latency: None,
            is_over: false,
            has_ended: true,
        };
        let desk = Desk {
            wish: Mutex::new(wish),
            bell: Condvar::new(),
        };
        Self {
            desk: Arc::new(desk),
            begin: Some((make, report)),
        }
    }

    /// Opens a device, in place of another if there is one; the answer is reported.
    ///
    /// # Errors
    /// If there is no thread to do it.
    pub(super) fn open(
        &mut self,
        number: u64,
        request: D::Request,
        side: D::Side,
    ) -> std::io::Result<()> {
        let mut wish = self.desk.wish();
        wish.number = Some(number);
        wish.order = Some((request, side));
        drop(wish);
        self.desk.bell.notify_all();
        if let Some((make, report)) = self.begin.take() {
            self.desk.wish().has_ended = false;
            let desk = Arc::clone(&self.desk);
            let again = (Arc::clone(&make), Arc::clone(&report));
            let started = std::thread::Builder::new()
                .name(D::THREAD.to_owned())
                .spawn(move || run(&desk, &make, &report));
            if let Err(error) = started {
                self.desk.wish().has_ended = true;
                self.begin = Some(again);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Closes that device, or gives up opening it.
    pub(super) fn close(&self, number: u64) {
        let mut wish = self.desk.wish();
        if wish.number == Some(number) {
            wish.number = None;
            wish.order = None;
            drop(wish);
            self.desk.bell.notify_all();
        }
    }

    /// Sets the volume of the device that is open.
    pub(super) fn set_volume(&self, volume: Mixer) {
        self.desk.wish().volume = Some(volume);
        self.desk.bell.notify_all();
    }

    /// What the open device said of its latency.
    pub(super) fn latency(&self) -> Option<Nanos> {
        self.desk.wish().latency
    }

    /// Asks the thread to close its device and to end.
    pub(super) fn stop(&self) {
        let mut wish = self.desk.wish();
        wish.is_over = true;
        wish.number = None;
        wish.order = None;
        drop(wish);
        self.desk.bell.notify_all();
    }

    /// Waits for its end, and leaves it alone after `limit`.
    pub(super) fn wait(&self, limit: Nanos) {
        let wish = self.desk.wish();
        let bell = &self.desk.bell;
        let ended = bell.wait_timeout_while(wish, limit.to_duration(), |wish| !wish.has_ended);
        let (wish, _) = ended.unwrap_or_else(PoisonError::into_inner);
        if !wish.has_ended {
            tracing::warn!(
                "the sound server does not let go ({}); it is left alone",
                D::THREAD
            );
        }
    }
}

/// What is to be done next.
enum Next<D: Direction> {
    Open(u64, D::Request, D::Side),
    Close,
    Volume(Mixer),
    Look,
    End,
}

fn next<D: Direction>(desk: &Desk<D>, open: Option<u64>) -> Next<D> {
    let mut wish = desk.wish();
    loop {
        if open.is_some() && wish.number != open {
            // Also before another is opened in its place.
            return Next::Close;
        }
        if wish.is_over {
            return Next::End;
        }
        if let (Some(number), Some((request, side))) = (wish.number, wish.order.take()) {
            return Next::Open(number, request, side);
        }
        if open.is_some() {
            if let Some(volume) = wish.volume.take() {
                return Next::Volume(volume);
            }
            let woken = desk.bell.wait_timeout(wish, LATENCY_LOOK);
            let (guard, result) = woken.unwrap_or_else(PoisonError::into_inner);
            wish = guard;
            if result.timed_out() {
                return Next::Look;
            }
        } else {
            wish = desk.bell.wait(wish).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Says that the thread has ended, even if a library panicked in it.
struct Ended<'a, D: Direction>(&'a Desk<D>);

impl<D: Direction> Drop for Ended<'_, D> {
    fn drop(&mut self) {
        self.0.wish().has_ended = true;
        self.0.bell.notify_all();
    }
}

fn run<D: Direction>(desk: &Desk<D>, make: &MakeBackend, report: &Tell) {
    let _ended = Ended(desk);
    let mut backend = make();
    let mut device: Option<(u64, D::Device, Format)> = None;
    loop {
        match next(desk, device.as_ref().map(|(number, ..)| *number)) {
            Next::Open(number, request, side) => {
                let tell = Arc::clone(report);
                let events: Events = Arc::new(move |event| match event {
                    DeviceEvent::Lost(why) => tell(Report::Lost(number, why)),
                    DeviceEvent::Moved => tracing::info!("sound: the server moved the stream"),
                });
                let format = D::format(&request);
                let result = D::open(backend.as_mut(), &request, side, events);
                let said = match result {
                    Ok(opened) => {
                        let said = D::describe(&opened);
                        device = Some((number, opened, format));
                        Ok(said)
                    }
                    Err(error) => Err(error.to_string()),
                };
                report(Report::Opened(number, said));
            }
            Next::Close => {
                device = None;
                desk.wish().latency = None;
            }
            Next::Volume(mixer) => {
                if let Some((_, device, format)) = &mut device {
                    let (amplitudes, channels) = mixer.amplitudes(format.channels());
                    let levels = amplitudes.get(..channels).unwrap_or(&amplitudes);
                    D::set_volume(device, levels, mixer.is_muted());
                }
            }
            Next::Look => {
                let latency = device
                    .as_ref()
                    .and_then(|(_, device, _)| D::latency(device));
                desk.wish().latency = latency;
            }
            Next::End => return,
        }
    }
}
