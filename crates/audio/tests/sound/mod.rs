//! A signal in which each frame carries its number, so that whatever is lost, repeated or changed on its way shows.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use audio::device::{
    Backend, CaptureRequest, DeviceError, DeviceEvent, Events, PlaybackDevice, PlaybackRequest,
};
use audio::{Feed, Format, Phase, Tick};
use testkit::sound_server::Recording;

/// For what a server does by itself.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Frames on end that have to come without a fault: half a second at 48 kHz. On a machine that runs more programs than it has
/// processors a server misses a cycle now and then.
const UNBROKEN: usize = 24_000;

/// Numbers that a sample holds exactly, and stays below full scale.
const NUMBERS: f32 = (1 << 20) as f32;

pub(crate) fn format(channels: u32, rate_hz: u32) -> Format {
    Format::new(channels, rate_hz).expect("a format that can be played")
}

/// The sample of a frame: each channel has the number in another scale. Never 0.
pub(crate) fn sample(frame: usize, channel: usize) -> f32 {
    let number = (frame + 1) as f32 / NUMBERS;
    if channel == 0 { number } else { -number / 2.0 }
}

/// The number of the frame that has these two samples; `None` for silence, also of one channel alone: a server links them
/// one after the other.
///
/// # Panics
/// If it is neither.
pub(crate) fn number(left: f32, right: f32) -> Option<usize> {
    if left == 0.0 || right == 0.0 {
        return None;
    }
    let frame = (left * NUMBERS) as usize;
    assert!(frame > 0, "{left} {right} is not one of our frames");
    assert_eq!(left, sample(frame - 1, 0), "{left} is not exact");
    assert_eq!(right, sample(frame - 1, 1), "{right} is not exact");
    Some(frame - 1)
}

/// The numbers of the frames in a recording from its first to its last sound, silence among them as `None`.
pub(crate) fn numbers(samples: &[f32]) -> Vec<Option<usize>> {
    let (frames, _) = samples.as_chunks::<2>();
    let mut numbers: Vec<_> = frames.iter().map(|[l, r]| number(*l, *r)).collect();
    let first = numbers.iter().position(Option::is_some);
    let last = numbers.iter().rposition(Option::is_some);
    numbers.truncate(last.map_or(0, |last| last + 1));
    numbers.drain(..first.unwrap_or(0));
    numbers
}

/// The most frames on end of which each was heard once and in order.
///
/// # Panics
/// If a frame is heard again later: what is late on a busy machine is missing, never repeated.
pub(crate) fn longest_run(numbers: &[Option<usize>]) -> usize {
    let mut last = None;
    let (mut run, mut longest) = (0, 0);
    for number in numbers {
        match (last, *number) {
            (_, None) => run = 0,
            (Some(last), Some(number)) if number == last + 1 => run += 1,
            (last, Some(number)) => {
                assert!(last < Some(number), "{number} is heard after {last:?}");
                run = 1;
            }
        }
        last = number.or(last);
        longest = longest.max(run);
    }
    longest
}

/// Waits until the recording has half a second of frames on end, without a fault.
pub(crate) fn assert_heard(recording: &Recording) {
    let mut longest = 0;
    testkit::wait_until(LIMIT, || {
        std::thread::sleep(Duration::from_millis(50));
        longest = longest_run(&numbers(&recording.samples()));
        longest >= UNBROKEN
    });
    assert!(
        longest >= UNBROKEN,
        "at most {longest} frames on end are heard"
    );
}

pub(crate) fn events() -> (Events, Receiver<DeviceEvent>) {
    let (sender, receiver) = channel();
    let sender = std::sync::Mutex::new(sender);
    let events = Arc::new(move |event| {
        let _ = sender.lock().expect("no panic elsewhere").send(event);
    });
    (events, receiver)
}

pub(crate) fn request(format: Format, period_frames: u32) -> PlaybackRequest {
    PlaybackRequest {
        format,
        period_frames,
        target: None,
        stream_name: "test tone".to_owned(),
    }
}

pub(crate) fn capture_request(format: Format, period_frames: u32) -> CaptureRequest {
    CaptureRequest {
        format,
        period_frames,
        target: None,
        stream_name: "test recording".to_owned(),
    }
}

/// A device that plays the numbered frames.
pub(crate) struct Playing {
    pub(crate) device: Box<dyn PlaybackDevice>,
    pub(crate) feed: Feed,
    pub(crate) events: Receiver<DeviceEvent>,
}

impl Playing {
    /// Opens a device with 20 s of frames to play, which it begins at once.
    pub(crate) fn open(
        backend: &mut dyn Backend,
        request: &PlaybackRequest,
    ) -> Result<Self, DeviceError> {
        let format = request.format;
        let frames = 20 * usize::try_from(format.rate_hz()).expect("a small number");
        let (mut feed, pull) = audio::stream(format, frames);
        let numbered: Vec<f32> = (0..frames)
            .flat_map(|frame| (0..format.channels()).map(move |channel| sample(frame, channel)))
            .collect();
        assert_eq!(feed.writer.write(&numbered), frames);
        feed.set_phase(Phase::Run);
        let (events, received) = events();
        let device = backend.open_playback(request, pull, events)?;
        Ok(Self {
            device,
            feed,
            events: received,
        })
    }

    /// Waits for so many further requests and returns them all.
    pub(crate) fn ticks(&mut self, count: usize) -> Vec<Tick> {
        let mut ticks = Vec::new();
        while self.feed.next_tick().is_some() {}
        let has_come = testkit::wait_until(LIMIT, || {
            ticks.extend(std::iter::from_fn(|| self.feed.next_tick()));
            ticks.len() >= count
        });
        assert!(has_come, "only {} requests within {LIMIT:?}", ticks.len());
        ticks
    }

    /// Frames of a request and of the time between two, as most of `ticks` have it, the time at the rate of `format`.
    pub(crate) fn usual(ticks: &[Tick], format: Format) -> (u32, f64) {
        let mut frames: Vec<u32> = ticks.iter().map(|tick| tick.frames).collect();
        frames.sort_unstable();
        let step = |pair: &[Tick]| format.frames((pair[1].at - pair[0].at).as_secs_f64());
        let mut steps: Vec<f64> = ticks.windows(2).map(step).collect();
        steps.sort_unstable_by(f64::total_cmp);
        (frames[frames.len() / 2], steps[steps.len() / 2])
    }
}

/// Waits until the recording has `frames` more than now, and returns all of it.
pub(crate) fn record_more(recording: &Recording, frames: usize) -> Vec<f32> {
    let is_there = recording.wait_for_more(frames, LIMIT);
    assert!(is_there, "nothing is recorded: {}", recording.output());
    recording.samples()
}
