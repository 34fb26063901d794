//! The PLAYBACK and RECORD channels: sound in both directions (spice.md section 7).

use crate::{
    framing::Output,
    wire::{Malformed, Put, Reader},
};

/// Raw samples.
const MODE_RAW: u16 = 1;
/// 16-bit signed.
const FORMAT_S16: u16 = 1;
const RECORD_DATA: u16 = 101;
const RECORD_MODE: u16 = 102;
const RECORD_START_MARK: u16 = 103;
/// With this much unsent, recorded sound is dropped: 340 ms of stereo at 48 kHz.
const RECORD_QUEUE_BYTES: usize = 64 << 10;

/// The shape of a sound stream; samples are 16-bit signed little-endian, interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// Channels, 1 to 8.
    pub channels: u8,
    /// Frames per second, 8 000 to 384 000.
    pub rate_hz: u32,
}

impl AudioFormat {
    /// The size of one sample for each channel.
    pub fn frame_bytes(self) -> usize {
        usize::from(self.channels) * 2
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let channels = reader.u32()?;
        let format = reader.u16()?;
        let rate_hz = reader.u32()?;
        if format != FORMAT_S16 {
            return Err(Malformed::OutOfRange("sample format"));
        }
        if !(8_000..=384_000).contains(&rate_hz) {
            return Err(Malformed::OutOfRange("sample rate"));
        }
        match u8::try_from(channels) {
            Ok(channels @ 1..=8) => Ok(Self { channels, rate_hz }),
            _ => Err(Malformed::OutOfRange("channel count")),
        }
    }
}

/// The volume of up to 8 channels, 0 to 65 535 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    levels: [u16; 8],
    channels: u8,
}

impl Volume {
    /// The levels, one for each channel.
    pub fn levels(&self) -> &[u16] {
        self.levels
            .get(..self.channels.into())
            .unwrap_or(&self.levels)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut volume = Self::default();
        for index in 0..reader.u8()? {
            let level = reader.u16()?;
            // Channels beyond the eighth are never played.
            if let Some(slot) = volume.levels.get_mut(usize::from(index)) {
                *slot = level;
                volume.channels = index + 1;
            }
        }
        Ok(volume)
    }
}

/// What happens to the sound that the guest plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaybackEvent<'a> {
    /// The guest opened its device.
    Started(AudioFormat),
    /// Sound. Only between Started and Stopped.
    Samples {
        /// The server's multimedia clock in milliseconds; it wraps, and is not exact to the sample.
        time_ms: u32,
        /// Whole frames of the started format.
        samples: &'a [u8],
    },
    /// The guest closed its device.
    Stopped,
    /// The guest's mixer; the samples do not have it applied. Stays in force across streams.
    Volume(Volume),
    /// The guest's mixer is muted or not; the samples do not have it applied.
    Mute(bool),
    /// The server sends sound in a compressed form that was not asked for: it is dropped.
    Compressed,
}

/// What happens to the sound that the guest records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordEvent {
    /// The guest opened its device and wants samples of this shape, in real time, if the user allows it.
    Started(AudioFormat),
    /// The guest closed its device: close the microphone.
    Stopped,
    /// The guest's mixer.
    Volume(Volume),
    /// The guest's mixer is muted or not.
    Mute(bool),
}

/// The state of PLAYBACK.
#[derive(Debug, Default)]
pub(crate) struct Playback {
    format: Option<AudioFormat>,
    is_compressed: bool,
}

impl Playback {
    pub(crate) fn receive(
        &mut self,
        kind: u16,
        payload: &[u8],
        sink: &mut dyn FnMut(PlaybackEvent<'_>),
    ) -> Result<(), Malformed> {
        let mut reader = Reader::new(payload);
        match kind {
            101 => {
                let time_ms = reader.u32()?;
                let samples = reader.rest();
                let Some(format) = self.format.filter(|_| !self.is_compressed) else {
                    return Ok(());
                };
                let whole = samples.len() - samples.len() % format.frame_bytes();
                let samples = samples.get(..whole).unwrap_or_default();
                if !samples.is_empty() {
                    sink(PlaybackEvent::Samples { time_ms, samples });
                }
            }
            102 => {
                let _time = reader.u32()?;
                let is_compressed = reader.u16()? != MODE_RAW;
                if is_compressed && !self.is_compressed {
                    sink(PlaybackEvent::Compressed);
                }
                self.is_compressed = is_compressed;
            }
            103 => {
                self.stop(sink);
                let format = AudioFormat::read(&mut reader)?;
                self.format = Some(format);
                sink(PlaybackEvent::Started(format));
            }
            104 => self.stop(sink),
            105 => sink(PlaybackEvent::Volume(Volume::read(&mut reader)?)),
            106 => sink(PlaybackEvent::Mute(reader.u8()? != 0)),
            // LATENCY, which was not announced.
            107 => {}
            _ => tracing::debug!(kind, "unknown message on PLAYBACK"),
        }
        Ok(())
    }

    /// Ends the stream, if there is one: also when the channel is lost.
    pub(crate) fn stop(&mut self, sink: &mut dyn FnMut(PlaybackEvent<'_>)) {
        if self.format.take().is_some() {
            sink(PlaybackEvent::Stopped);
        }
    }
}

/// The state of RECORD.
#[derive(Debug, Default)]
pub(crate) struct Record {
    format: Option<AudioFormat>,
    is_marked: bool,
}

impl Record {
    pub(crate) fn receive(
        &mut self,
        kind: u16,
        payload: &[u8],
        sink: &mut dyn FnMut(RecordEvent),
    ) -> Result<(), Malformed> {
        let mut reader = Reader::new(payload);
        match kind {
            101 => {
                self.stop(sink);
                let format = AudioFormat::read(&mut reader)?;
                self.format = Some(format);
                sink(RecordEvent::Started(format));
            }
            102 => self.stop(sink),
            103 => sink(RecordEvent::Volume(Volume::read(&mut reader)?)),
            104 => sink(RecordEvent::Mute(reader.u8()? != 0)),
            _ => tracing::debug!(kind, "unknown message on RECORD"),
        }
        Ok(())
    }

    /// Ends the stream, if there is one: also when the channel is lost.
    pub(crate) fn stop(&mut self, sink: &mut dyn FnMut(RecordEvent)) {
        self.is_marked = false;
        if self.format.take().is_some() {
            sink(RecordEvent::Stopped);
        }
    }

    /// Sends samples, if the guest listens. What the server does not take in time is dropped.
    pub(crate) fn send(&mut self, time_ms: u32, samples: &[u8], out: &mut Output) {
        let Some(format) = self.format else {
            return;
        };
        if out.pending().len() > RECORD_QUEUE_BYTES {
            tracing::debug!("recorded sound is dropped: the server does not read");
            return;
        }
        if !self.is_marked {
            self.is_marked = true;
            out.message(RECORD_MODE, |p| {
                p.put_u32(0);
                p.put_u16(MODE_RAW);
            });
            out.message(RECORD_START_MARK, |p| p.put_u32(0));
        }
        // 64 KiB a message: whole frames of 2 to 16 bytes.
        let piece = RECORD_QUEUE_BYTES - RECORD_QUEUE_BYTES % format.frame_bytes();
        let whole = samples.len().min(piece) / format.frame_bytes() * format.frame_bytes();
        out.message(RECORD_DATA, |p| {
            p.put_u32(time_ms);
            p.put(samples.get(..whole).unwrap_or_default());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex;

    fn play(messages: &[(u16, &str)]) -> Vec<String> {
        let mut events = Vec::new();
        let mut playback = Playback::default();
        for (kind, payload) in messages {
            let _ = playback.receive(*kind, &hex(payload), &mut |e| events.push(format!("{e:?}")));
        }
        events
    }

    const START: (u16, &str) = (103, "02000000 0100 80bb0000 877b1900");

    #[test]
    fn the_captured_start_is_followed_by_whole_frames() {
        let events = play(&[
            (102, "9a721900 0100"),
            (101, "00000000 11111111"),
            START,
            (101, "05000000 11112222 33"),
            (101, "06000000 33"),
            (104, ""),
            (104, ""),
            (101, "07000000 11112222"),
        ]);
        assert_eq!(
            events,
            [
                "Started(AudioFormat { channels: 2, rate_hz: 48000 })",
                "Samples { time_ms: 5, samples: [17, 17, 34, 34] }",
                "Stopped"
            ]
        );
    }

    #[test]
    fn a_second_start_stops_the_first() {
        let events = play(&[START, START]);
        assert_eq!(events.len(), 3);
        assert_eq!(events[1], "Stopped");
    }

    #[test]
    fn the_captured_volume_is_read_and_its_count_is_checked() {
        let mut volume = None;
        let mut playback = Playback::default();
        let payload = hex("02 bebe bebe");
        playback
            .receive(105, &payload, &mut |event| match event {
                PlaybackEvent::Volume(new) => volume = Some(new),
                other => panic!("{other:?}"),
            })
            .unwrap();
        assert_eq!(volume.unwrap().levels(), [0xbebe, 0xbebe]);
        assert!(playback.receive(105, &payload[..4], &mut |_| ()).is_err());
        let many = [&[255][..], &[1; 510]].concat();
        playback
            .receive(105, &many, &mut |event| match event {
                PlaybackEvent::Volume(new) => assert_eq!(new.levels(), [0x0101; 8]),
                other => panic!("{other:?}"),
            })
            .unwrap();
    }

    #[test]
    fn compressed_sound_is_dropped_and_said_once() {
        let events = play(&[
            (102, "00000000 0300"),
            (102, "00000000 0300"),
            START,
            (101, "00000000 11112222"),
        ]);
        assert_eq!(events[0], "Compressed");
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn impossible_formats_are_refused_and_nothing_plays() {
        for start in [
            "00000000 0100 80bb0000 00000000",
            "09000000 0100 80bb0000 00000000",
            "02000000 0200 80bb0000 00000000",
            "02000000 0100 00000000 00000000",
            "02000000 0100 ffffffff 00000000",
            "02000000 0100",
        ] {
            assert!(play(&[(103, start), (101, "00000000 11112222")]).is_empty());
        }
    }

    #[test]
    fn samples_are_sent_only_between_start_and_stop() {
        let mut record = Record::default();
        let mut out = Output::default();
        record.send(0, &[1, 2, 3, 4], &mut out);
        assert!(out.pending().is_empty());
        let start = hex("02000000 0100 80bb0000");
        record.receive(101, &start, &mut |_| ()).unwrap();
        record.send(7, &[1, 2, 3, 4, 5], &mut out);
        record.send(8, &[1, 2, 3, 4], &mut out);
        let expected = hex("6600 06000000 00000000 0100  6700 04000000 00000000
             6500 08000000 07000000 01020304  6500 08000000 08000000 01020304");
        assert_eq!(out.pending(), expected);
        record.receive(102, &[], &mut |_| ()).unwrap();
        record.send(9, &[1, 2, 3, 4], &mut out);
        assert_eq!(out.pending(), expected);
    }

    #[test]
    fn recorded_sound_is_dropped_when_the_server_does_not_read() {
        let mut record = Record::default();
        let mut out = Output::default();
        let start = hex("02000000 0100 80bb0000");
        record.receive(101, &start, &mut |_| ()).unwrap();
        for _ in 0..1000 {
            record.send(0, &[0; 1920], &mut out);
        }
        assert!(out.pending().len() < RECORD_QUEUE_BYTES + 4000);
    }
}
