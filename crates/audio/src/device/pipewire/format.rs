//! A stream's shape in PipeWire's terms.

use pipewire::spa::param::audio::{AudioFormat, AudioInfoRaw};
use pipewire::spa::pod::serialize::PodSerializer;
use pipewire::spa::pod::{Object, Value};
use pipewire::spa::sys;

use crate::Format;

const MONO: [u32; 1] = [sys::SPA_AUDIO_CHANNEL_MONO];
/// Left and right first, then as in the channel orders of ALSA and WAV for so many channels.
const POSITIONS: [u32; 8] = [
    sys::SPA_AUDIO_CHANNEL_FL,
    sys::SPA_AUDIO_CHANNEL_FR,
    sys::SPA_AUDIO_CHANNEL_FC,
    sys::SPA_AUDIO_CHANNEL_LFE,
    sys::SPA_AUDIO_CHANNEL_RL,
    sys::SPA_AUDIO_CHANNEL_RR,
    sys::SPA_AUDIO_CHANNEL_SL,
    sys::SPA_AUDIO_CHANNEL_SR,
];
const QUAD: [u32; 4] = [
    sys::SPA_AUDIO_CHANNEL_FL,
    sys::SPA_AUDIO_CHANNEL_FR,
    sys::SPA_AUDIO_CHANNEL_RL,
    sys::SPA_AUDIO_CHANNEL_RR,
];

/// Where the speakers of so many channels are.
fn positions(channels: usize) -> &'static [u32] {
    match channels {
        1 => &MONO,
        4 => &QUAD,
        _ => POSITIONS.get(..channels).unwrap_or(&POSITIONS),
    }
}

/// The format's object (`SPA_PARAM_EnumFormat`), as the bytes that the library takes: interleaved floats.
pub(super) fn offer(format: Format) -> Option<Vec<u8>> {
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32LE);
    info.set_rate(format.rate_hz());
    let places = positions(format.channels());
    info.set_channels(u32::try_from(places.len()).ok()?);
    let mut position = info.position();
    position
        .iter_mut()
        .zip(places)
        .for_each(|(to, from)| *to = *from);
    info.set_position(position);
    let object = Value::Object(Object {
        type_: sys::SPA_TYPE_OBJECT_Format,
        id: sys::SPA_PARAM_EnumFormat,
        properties: info.into(),
    });
    let (bytes, _) = PodSerializer::serialize(std::io::Cursor::new(Vec::new()), &object).ok()?;
    Some(bytes.into_inner())
}
