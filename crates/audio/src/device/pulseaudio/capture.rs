//! A stream that records.

use pulseaudio::protocol::stream::StreamFlags;
use pulseaudio::protocol::{
    ChannelVolume, Command, CreateRecordStreamReply, Props, RecordStreamParams,
    SetStreamMuteParams, SetStreamVolumeParams,
};

use super::layout;
use super::link::{Event, Link, LinkError};
use super::stream::{Handle, Shared, Work};
use super::timing;
use crate::Push;
use crate::device::{CaptureDevice, CaptureRequest};

/// Samples that are handed over at once, at most: room for a frame of each number of channels.
const PIECE_SAMPLES: usize = 840 * 4;

/// What is to be sent to the server for a stream.
pub(super) fn create(request: &CaptureRequest, target: Option<std::ffi::CString>) -> Command {
    let format = request.format;
    let is_pinned = target.is_some();
    Command::CreateRecordStream(RecordStreamParams {
        sample_spec: layout::sample_spec(format),
        channel_map: layout::channel_map(format),
        source_index: None,
        source_name: target,
        buffer_attr: layout::capture_buffer(format, request.period_frames),
        props: props(request, is_pinned),
        flags: StreamFlags {
            // With its device the stream ends: no other microphone takes the place of the one that was named.
            no_move: is_pinned,
            ..layout::flags()
        },
        ..RecordStreamParams::default()
    })
}

/// What the server is told about the stream. PipeWire's server passes it on to the session manager, to which alone it
/// matters that the stream is not to be moved.
fn props(request: &CaptureRequest, is_pinned: bool) -> Props {
    let mut props = super::stream_props(&request.stream_name);
    if is_pinned {
        for key in crate::device::PINNED {
            props.set_bytes(key, c"true".to_bytes_with_nul());
        }
    }
    props
}

/// The thread's side.
pub(super) struct Recorder {
    push: Push,
    channel: u32,
    index: u32,
    /// Another device than the one that was named is not to be recorded.
    is_pinned: bool,
    piece: Box<[f32]>,
}

impl Recorder {
    pub(super) fn new(reply: &CreateRecordStreamReply, push: Push, is_pinned: bool) -> Self {
        // Whole frames of each number of channels from 1 to 8.
        const { assert!(PIECE_SAMPLES.is_multiple_of(840)) };
        Self {
            push,
            channel: reply.channel,
            index: reply.stream_index,
            is_pinned,
            piece: vec![0.0; PIECE_SAMPLES].into_boxed_slice(),
        }
    }
}

impl Work for Recorder {
    fn channel(&self) -> u32 {
        self.channel
    }

    fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    fn event(&mut self, _event: Event) {}

    fn samples(&mut self, bytes: &[u8]) {
        let (samples, _) = bytes.as_chunks::<4>();
        for samples in samples.chunks(PIECE_SAMPLES) {
            let piece = self.piece.get_mut(..samples.len()).unwrap_or_default();
            for (to, from) in piece.iter_mut().zip(samples) {
                *to = f32::from_le_bytes(*from);
            }
            self.push.push(piece);
        }
    }

    fn serve(&mut self, _link: &mut Link, _shared: &Shared) -> Result<(), LinkError> {
        Ok(())
    }

    fn latency_question(&self) -> Command {
        Command::GetRecordLatency(timing::question(self.channel))
    }

    /// Asked only to see that the server is alive.
    fn latency_answer(&mut self, _body: &[u8], _version: u16) {}

    fn volume(&self, volume: ChannelVolume, mute: bool) -> [Command; 2] {
        let index = self.index;
        [
            Command::SetSourceOutputVolume(SetStreamVolumeParams { index, volume }),
            Command::SetSourceOutputMute(SetStreamMuteParams { index, mute }),
        ]
    }

    fn end(&self) -> Command {
        Command::DeleteRecordStream(self.channel)
    }
}

/// The owner's side.
pub(super) struct Device {
    pub(super) handle: Handle,
    /// What it was when it was opened.
    pub(super) name: String,
}

impl CaptureDevice for Device {
    fn set_volume(&mut self, levels: &[f32], mute: bool) {
        self.handle.set_volume(levels, mute);
    }

    fn description(&self) -> String {
        self.name.clone()
    }
}
