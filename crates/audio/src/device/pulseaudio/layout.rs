//! What a stream looks like to the server: samples, loudspeakers, buffer.

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, ChannelPosition, ChannelVolume, SampleFormat, SampleSpec, Volume,
};

use crate::Format;
use crate::device::places::{Place, places};

/// Bytes of the longest piece that a stream which records may come in.
pub(super) const MAX_FRAGMENT_BYTES: u32 = 64 * 1024;

/// Frames of the longest period that is asked for.
const MAX_PERIOD_FRAMES: u32 = 65_536;

/// Bytes of a frame: a 32-bit float for each channel.
pub(super) fn frame_bytes(format: Format) -> u32 {
    // At most 8 channels.
    format.channels() as u32 * 4
}

pub(super) fn sample_spec(format: Format) -> SampleSpec {
    SampleSpec {
        format: SampleFormat::Float32Le,
        // At most 8.
        channels: format.channels() as u8,
        sample_rate: format.rate_hz(),
    }
}

/// The loudspeakers of a stream.
pub(super) fn channel_map(format: Format) -> ChannelMap {
    let position = |place: &Place| match place {
        Place::Mono => ChannelPosition::Mono,
        Place::FrontLeft => ChannelPosition::FrontLeft,
        Place::FrontRight => ChannelPosition::FrontRight,
        Place::FrontCenter => ChannelPosition::FrontCenter,
        Place::Lfe => ChannelPosition::Lfe,
        Place::RearLeft => ChannelPosition::RearLeft,
        Place::RearRight => ChannelPosition::RearRight,
        Place::RearCenter => ChannelPosition::RearCenter,
        Place::SideLeft => ChannelPosition::SideLeft,
        Place::SideRight => ChannelPosition::SideRight,
    };
    ChannelMap::new(places(format.channels()).iter().map(position))
}

/// How a stream is made: the server fits its device's buffer to the stream's.
pub(super) fn flags() -> StreamFlags {
    StreamFlags {
        adjust_latency: true,
        ..StreamFlags::default()
    }
}

/// The buffer to ask for so that the server asks for `period_frames` at a time and holds no more than it must.
///
/// With the flag `adjust_latency` the server gives its device (`target_length` - 2 * `minimum_request_length`) / 2 and the
/// stream's own buffer the rest. A small smallest request therefore leaves a period for the device and, while that plays,
/// the next one waiting here. Measured with 512 frames at 48 kHz (10.7 ms): 13.3 ms from a request to its being heard on
/// PulseAudio 16's null sink, 14.3 ms on PipeWire 0.3.65's.
pub(super) fn playback_buffer(format: Format, period_frames: u32) -> BufferAttr {
    let period = period_frames.clamp(1, MAX_PERIOD_FRAMES);
    let smallest = (period / 8).max(1);
    let frame = frame_bytes(format);
    BufferAttr {
        target_length: (2 * period + 2 * smallest) * frame,
        minimum_request_length: smallest * frame,
        // Plays from the first moment on, silence if there is nothing: the device's time never stands still.
        pre_buffering: 0,
        ..BufferAttr::default()
    }
}

/// The buffer to ask for so that the server sends `period_frames` at a time.
pub(super) fn capture_buffer(format: Format, period_frames: u32) -> BufferAttr {
    let frame = frame_bytes(format);
    let most = MAX_FRAGMENT_BYTES / frame;
    BufferAttr {
        fragment_size: period_frames.clamp(1, most) * frame,
        ..BufferAttr::default()
    }
}

/// The server's volume for a linear factor: the factor is the third power of the volume.
pub(super) fn volume(level: f32) -> Volume {
    let level = if level.is_finite() { level } else { 0.0 };
    let raw = level.clamp(0.0, 1.0).cbrt() * Volume::NORM.as_u32() as f32;
    // At most 65536.
    Volume::from_u32_clamped(raw.round() as u32)
}

/// The volume of all channels; a channel that has no level of its own gets the last one's.
pub(super) fn channel_volume(channels: usize, levels: &[f32]) -> ChannelVolume {
    let mut all = ChannelVolume::empty();
    let last = levels.last().copied().unwrap_or(1.0);
    for channel in 0..channels {
        all.push(volume(levels.get(channel).copied().unwrap_or(last)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_as_many_loudspeakers_as_channels() {
        for channels in 1..=8 {
            let format = Format::new(channels, 48_000).unwrap();
            let map = channel_map(format);
            assert_eq!(u32::from(map.num_channels()), channels);
            let positions: Vec<_> = map.into_iter().map(|place| place as u8).collect();
            let mut distinct = positions.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), positions.len(), "{positions:?}");
        }
    }

    #[test]
    fn volume_is_the_cubic_root_of_the_factor() {
        assert_eq!(volume(1.0), Volume::NORM);
        assert_eq!(volume(0.125).as_u32(), 0x8000);
        for nothing in [0.0, -1.0, f32::NAN, f32::NEG_INFINITY] {
            assert_eq!(volume(nothing), Volume::MUTED, "{nothing}");
        }
        assert_eq!(volume(7.0), Volume::NORM);
    }

    #[test]
    fn channels_without_a_level_take_the_last_one() {
        let two = channel_volume(2, &[0.125]);
        assert_eq!(two.channels(), [volume(0.125), volume(0.125)]);
        let two = channel_volume(2, &[0.125, 1.0, 0.5]);
        assert_eq!(two.channels(), [volume(0.125), Volume::NORM]);
        assert_eq!(channel_volume(1, &[]).channels(), [Volume::NORM]);
    }

    #[test]
    fn buffers_are_whole_frames_of_any_size() {
        for channels in [1, 2, 3, 8] {
            for period in [0, 1, 64, 1023, 65_536, u32::MAX] {
                let format = Format::new(channels, 48_000).unwrap();
                let capture = capture_buffer(format, period).fragment_size;
                assert!(capture > 0 && capture <= MAX_FRAGMENT_BYTES);
                assert_eq!(capture % (channels * 4), 0);
                let playback = playback_buffer(format, period);
                assert!(playback.target_length > playback.minimum_request_length);
            }
        }
    }
}
