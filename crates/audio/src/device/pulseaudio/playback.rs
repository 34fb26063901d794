//! A stream that plays.

use std::sync::atomic::Ordering;

use clock::{Clock as _, MonotonicClock, Nanos};
use pulseaudio::protocol::stream::BufferAttr;
use pulseaudio::protocol::{
    ChannelVolume, Command, CreatePlaybackStreamReply, PlaybackStreamParams, SetStreamMuteParams,
    SetStreamVolumeParams,
};

use super::layout;
use super::link::{Event, Link, LinkError};
use super::stream::{Handle, Shared, Work};
use super::timing::{self, Heard};
use crate::device::{DeviceTiming, PlaybackDevice, PlaybackRequest};
use crate::{Format, Pull};

/// Seconds that the server may ask for beyond its own buffer before the stream is given up: so much is asked for at once
/// only after a sleep, and what it was meant for is long past.
const MAX_BACKLOG_S: u32 = 2;

/// Frames of the longest piece that is taken at once, whatever buffer the server says it has.
const MAX_PIECE_FRAMES: u32 = 65_536;

/// What is to be sent to the server for a stream.
pub(super) fn create(request: &PlaybackRequest, target: Option<std::ffi::CString>) -> Command {
    let format = request.format;
    Command::CreatePlaybackStream(PlaybackStreamParams {
        sample_spec: layout::sample_spec(format),
        channel_map: layout::channel_map(format),
        sink_index: None,
        sink_name: target,
        buffer_attr: layout::playback_buffer(format, request.period_frames),
        props: super::stream_props(&request.stream_name),
        flags: layout::flags(),
        ..PlaybackStreamParams::default()
    })
}

/// The thread's side.
pub(super) struct Player {
    pull: Pull,
    format: Format,
    channel: u32,
    index: u32,
    /// Bytes that the server has asked for and not got.
    requested_bytes: u64,
    /// Frames written since the stream began.
    written: u64,
    /// Room for the longest request.
    piece: Vec<f32>,
    /// Frames of the longest request to expect, to be published.
    max_period: u32,
    heard: Option<Heard>,
}

impl Player {
    pub(super) fn new(
        reply: &CreatePlaybackStreamReply,
        request: &PlaybackRequest,
        pull: Pull,
    ) -> Self {
        let mut player = Self {
            pull,
            format: request.format,
            channel: reply.channel,
            index: reply.stream_index,
            requested_bytes: u64::from(reply.requested_bytes),
            written: 0,
            piece: Vec::new(),
            max_period: 0,
            heard: None,
        };
        player.buffer_is(&reply.buffer_attr);
        player
    }

    /// Takes note of the buffer that the server has given the stream.
    fn buffer_is(&mut self, buffer: &BufferAttr) {
        let frame = layout::frame_bytes(self.format);
        let target = (buffer.target_length / frame).clamp(1, MAX_PIECE_FRAMES);
        let smallest = buffer.minimum_request_length / frame;
        // A device takes its period, and what was less than the smallest request before comes on top of it.
        self.max_period = target.saturating_sub(smallest).max(1);
        self.piece
            .resize(target as usize * self.format.channels(), 0.0);
    }

    /// Frames of the longest request to expect.
    pub(super) const fn max_period(&self) -> u32 {
        self.max_period
    }

    fn publish(&self, shared: &Shared) {
        shared
            .max_period_frames
            .store(self.max_period, Ordering::Relaxed);
    }
}

impl Work for Player {
    fn channel(&self) -> u32 {
        self.channel
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Requested(bytes) => {
                self.requested_bytes = self.requested_bytes.saturating_add(u64::from(bytes));
            }
            Event::Buffer(buffer) => self.buffer_is(&buffer),
            Event::Moved(buffer) => {
                self.buffer_is(&buffer);
                // The other device has another latency.
                self.heard = None;
            }
            Event::Killed => {}
        }
    }

    fn samples(&mut self, _bytes: &[u8]) {}

    fn serve(&mut self, link: &mut Link, shared: &Shared) -> Result<(), LinkError> {
        self.publish(shared);
        let frame = u64::from(layout::frame_bytes(self.format));
        let mut frames = self.requested_bytes / frame;
        let channels = self.format.channels();
        let room = (self.piece.len() / channels) as u64;
        if frames > room + u64::from(MAX_BACKLOG_S * self.format.rate_hz()) {
            return Err(LinkError::Overslept);
        }
        while frames > 0 {
            let now = MonotonicClock.now();
            let rate = self.format.rate_hz();
            let delay = self
                .heard
                .map(|heard| heard.delay_frames(self.written, now, rate));
            let count = frames.min(room);
            let Some(piece) = self.piece.get_mut(..count as usize * channels) else {
                break;
            };
            self.pull.pull(piece, now);
            link.send_samples(self.channel, piece);
            // What the socket takes at once need not be kept.
            link.flush()?;
            self.written += count;
            self.requested_bytes -= count * frame;
            frames -= count;
            if let Some(delay) = delay {
                let latency = Nanos::from_secs_f64(self.format.seconds(f64::from(delay)));
                shared.latency_ns.store(latency.0, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn latency_question(&self) -> Command {
        Command::GetPlaybackLatency(timing::question(self.channel))
    }

    fn latency_answer(&mut self, body: &[u8], version: u16) {
        if let Ok(answer) = timing::playback_latency(body, version) {
            let frame = layout::frame_bytes(self.format);
            let now = MonotonicClock.now();
            self.heard = Some(Heard::new(&answer, now, frame, self.format.rate_hz()));
        }
    }

    fn volume(&self, volume: ChannelVolume, mute: bool) -> [Command; 2] {
        let index = self.index;
        [
            Command::SetSinkInputVolume(SetStreamVolumeParams { index, volume }),
            Command::SetSinkInputMute(SetStreamMuteParams { index, mute }),
        ]
    }

    fn end(&self) -> Command {
        Command::DeletePlaybackStream(self.channel)
    }
}

/// The owner's side.
pub(super) struct Device {
    pub(super) handle: Handle,
    /// What it was when it was opened.
    pub(super) name: String,
}

impl PlaybackDevice for Device {
    fn timing(&self) -> DeviceTiming {
        DeviceTiming {
            max_period_frames: self
                .handle
                .shared()
                .max_period_frames
                .load(Ordering::Relaxed),
        }
    }

    fn set_volume(&mut self, levels: &[f32], mute: bool) {
        self.handle.set_volume(levels, mute);
    }

    fn latency(&self) -> Option<Nanos> {
        let latency = Nanos(self.handle.shared().latency_ns.load(Ordering::Relaxed));
        (latency >= Nanos::ZERO).then_some(latency)
    }

    fn description(&self) -> String {
        self.name.clone()
    }
}
