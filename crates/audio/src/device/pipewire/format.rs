//! A stream's shape in PipeWire's terms.

use pipewire::spa::param::audio::{AudioFormat, AudioInfoRaw};
use pipewire::spa::pod::serialize::PodSerializer;
use pipewire::spa::pod::{Object, Value};
use pipewire::spa::sys;

use crate::Format;
use crate::device::places::{Place, places};

/// The loudspeaker in PipeWire's terms.
const fn channel(place: Place) -> u32 {
    match place {
        Place::Mono => sys::SPA_AUDIO_CHANNEL_MONO,
        Place::FrontLeft => sys::SPA_AUDIO_CHANNEL_FL,
        Place::FrontRight => sys::SPA_AUDIO_CHANNEL_FR,
        Place::FrontCenter => sys::SPA_AUDIO_CHANNEL_FC,
        Place::Lfe => sys::SPA_AUDIO_CHANNEL_LFE,
        Place::RearLeft => sys::SPA_AUDIO_CHANNEL_RL,
        Place::RearRight => sys::SPA_AUDIO_CHANNEL_RR,
        Place::RearCenter => sys::SPA_AUDIO_CHANNEL_RC,
        Place::SideLeft => sys::SPA_AUDIO_CHANNEL_SL,
        Place::SideRight => sys::SPA_AUDIO_CHANNEL_SR,
    }
}

/// The format's object (`SPA_PARAM_EnumFormat`), as the bytes that the library takes: interleaved floats.
pub(super) fn offer(format: Format) -> Option<Vec<u8>> {
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32LE);
    info.set_rate(format.rate_hz());
    let places = places(format.channels());
    info.set_channels(u32::try_from(places.len()).ok()?);
    let mut position = info.position();
    position
        .iter_mut()
        .zip(places)
        .for_each(|(to, place)| *to = channel(*place));
    info.set_position(position);
    let object = Value::Object(Object {
        type_: sys::SPA_TYPE_OBJECT_Format,
        id: sys::SPA_PARAM_EnumFormat,
        properties: info.into(),
    });
    let (bytes, _) = PodSerializer::serialize(std::io::Cursor::new(Vec::new()), &object).ok()?;
    Some(bytes.into_inner())
}
