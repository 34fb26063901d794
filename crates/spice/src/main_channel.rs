//! The MAIN channel's messages (spice.md section 3).

use crate::{
    ChannelId, ChannelKind,
    framing::Output,
    wire::{Malformed, Put, Reader, foreign_text},
};

/// More channels than this in one list are ignored; a machine has about ten.
const MAX_CHANNELS: usize = 256;
/// The machine's name is cut here.
const MAX_NAME_BYTES: usize = 1024;

const ATTACH_CHANNELS: u16 = 104;
const MOUSE_MODE_REQUEST: u16 = 105;
const AGENT_START: u16 = 106;
const AGENT_DATA: u16 = 107;
const AGENT_TOKEN: u16 = 108;

/// Where pointer events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MouseMode {
    /// Relative motion ("server" mode).
    Relative,
    /// Absolute positions ("client" mode).
    Absolute,
}

impl MouseMode {
    fn bit(self) -> u16 {
        match self {
            Self::Relative => 1,
            Self::Absolute => 2,
        }
    }
}

/// The mouse modes that a machine supports, and the one it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MouseModes {
    supported: u32,
    current: u32,
}

impl MouseModes {
    /// The modes of a machine that is in `current`, for tests of what listens to [`crate::Event::Mouse`].
    pub fn new(supported: &[MouseMode], current: MouseMode) -> Self {
        let bits = supported.iter().map(|mode| u32::from(mode.bit()));
        Self {
            supported: bits.fold(0, |all, bit| all | bit),
            current: current.bit().into(),
        }
    }

    /// Tells whether the machine can be asked for `mode`.
    pub fn supports(self, mode: MouseMode) -> bool {
        self.supported & u32::from(mode.bit()) != 0
    }

    /// The mode in force; `None` for one that the protocol does not name.
    pub fn current(self) -> Option<MouseMode> {
        match self.current {
            1 => Some(MouseMode::Relative),
            2 => Some(MouseMode::Absolute),
            _ => None,
        }
    }
}

/// The session's first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Init {
    pub(crate) session: u32,
    pub(crate) mouse: MouseModes,
    pub(crate) has_agent: bool,
    pub(crate) agent_tokens: u32,
}

/// A message of the MAIN channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MainMessage<'a> {
    Init(Init),
    Channels(Vec<ChannelId>),
    Mouse(MouseModes),
    Name(String),
    Uuid([u8; 16]),
    /// An agent appeared; the number of pieces we may send, if the server says it.
    AgentConnected(Option<u32>),
    AgentDisconnected,
    AgentData(&'a [u8]),
    AgentTokens(u32),
    /// The session moves to another host.
    SwitchHost,
    /// Known and of no interest.
    Ignored,
    /// Of a type that the specification does not have.
    Unknown,
}

impl<'a> MainMessage<'a> {
    pub(crate) fn parse(kind: u16, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        Ok(match kind {
            103 => Self::Init(init(&mut reader)?),
            104 => Self::Channels(channels(&mut reader)?),
            105 => Self::Mouse(MouseModes {
                supported: reader.u16()?.into(),
                current: reader.u16()?.into(),
            }),
            107 => Self::AgentConnected(None),
            108 => Self::AgentDisconnected,
            109 => Self::AgentData(payload),
            110 => Self::AgentTokens(reader.u32()?),
            111 => Self::SwitchHost,
            113 => {
                let length = reader.length()?;
                Self::Name(foreign_text(reader.take(length)?, MAX_NAME_BYTES))
            }
            114 => Self::Uuid(reader.bytes16()?),
            115 => Self::AgentConnected(Some(reader.u32()?)),
            // Migration, and the multimedia clock, which the audio channels carry themselves.
            101 | 102 | 106 | 112 | 116..=118 => Self::Ignored,
            _ => Self::Unknown,
        })
    }
}

fn init(reader: &mut Reader<'_>) -> Result<Init, Malformed> {
    let session = reader.u32()?;
    let _display_channels_hint = reader.u32()?;
    let mouse = MouseModes {
        supported: reader.u32()?,
        current: reader.u32()?,
    };
    let has_agent = reader.u32()? != 0;
    let agent_tokens = reader.u32()?;
    let _multimedia_time = reader.u32()?;
    let _ram_hint = reader.u32()?;
    Ok(Init {
        session,
        mouse,
        has_agent,
        agent_tokens,
    })
}

fn channels(reader: &mut Reader<'_>) -> Result<Vec<ChannelId>, Malformed> {
    let count = reader.length()?;
    let size = count
        .checked_mul(2)
        .ok_or(Malformed::OutOfRange("channel count"))?;
    let list = reader.take(size)?.chunks_exact(2).take(MAX_CHANNELS);
    Ok(list
        .filter_map(|entry| match entry {
            &[kind, id] => Some(ChannelId {
                kind: ChannelKind::from_wire(kind),
                id,
            }),
            _ => None,
        })
        .collect())
}

/// Asks for the list of channels.
pub(crate) fn attach_channels(out: &mut Output) {
    out.message(ATTACH_CHANNELS, |_| {});
}

/// Asks for a mouse mode.
pub(crate) fn request_mouse_mode(out: &mut Output, mode: MouseMode) {
    out.message(MOUSE_MODE_REQUEST, |p| p.put_u16(mode.bit()));
}

/// Lets the server send the first pieces of agent data.
pub(crate) fn agent_start(out: &mut Output, tokens: u32) {
    out.message(AGENT_START, |p| p.put_u32(tokens));
}

/// Lets the server send more pieces of agent data.
pub(crate) fn agent_tokens(out: &mut Output, tokens: u32) {
    out.message(AGENT_TOKEN, |p| p.put_u32(tokens));
}

/// Sends one piece of agent data.
pub(crate) fn agent_data(out: &mut Output, payload: impl FnOnce(&mut Vec<u8>)) {
    out.message(AGENT_DATA, payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex;

    #[test]
    fn captured_init_messages_are_read() {
        let plain = hex("bad11b1f 01000000 01000000 01000000 00000000 0a000000 c6850f00 00000001");
        let Ok(MainMessage::Init(init)) = MainMessage::parse(103, &plain) else {
            panic!("no INIT");
        };
        assert_eq!(init.session, 0x1f1b_d1ba);
        assert_eq!((init.has_agent, init.agent_tokens), (false, 10));
        assert!(!init.mouse.supports(MouseMode::Absolute));
        assert_eq!(init.mouse.current(), Some(MouseMode::Relative));

        let agent = hex("6219103a 01000000 03000000 01000000 01000000 0a000000 3a0c1700 00000001");
        let Ok(MainMessage::Init(init)) = MainMessage::parse(103, &agent) else {
            panic!("no INIT");
        };
        assert!(init.has_agent && init.mouse.supports(MouseMode::Absolute));
        assert!(MainMessage::parse(103, &agent[..31]).is_err());
    }

    #[test]
    fn captured_name_uuid_and_mouse_mode_are_read() {
        let name = hex("0a000000 70726f62652d73746400");
        assert_eq!(
            MainMessage::parse(113, &name),
            Ok(MainMessage::Name("probe-std".into()))
        );
        let uuid = hex("12345678123456789abcdef012345678");
        assert!(matches!(
            MainMessage::parse(114, &uuid),
            Ok(MainMessage::Uuid(id)) if id == uuid[..]
        ));
        let Ok(MainMessage::Mouse(modes)) = MainMessage::parse(105, &hex("0300 0200")) else {
            panic!("no mouse mode");
        };
        assert_eq!(modes.current(), Some(MouseMode::Absolute));
    }

    #[test]
    fn the_captured_channel_list_is_read_and_its_count_is_checked() {
        let list = hex("05000000 0200 0400 0600 0500 0300");
        let kinds = [
            ChannelKind::Display,
            ChannelKind::Cursor,
            ChannelKind::Record,
            ChannelKind::Playback,
            ChannelKind::Inputs,
        ];
        let expected = kinds.map(|kind| ChannelId { kind, id: 0 }).to_vec();
        assert_eq!(
            MainMessage::parse(104, &list),
            Ok(MainMessage::Channels(expected))
        );
        for count in ["06000000", "ffffffff", "00000080"] {
            let mut bad = hex(count);
            bad.extend_from_slice(&list[4..]);
            assert!(MainMessage::parse(104, &bad).is_err(), "{count}");
        }
    }

    #[test]
    fn the_captured_request_for_relative_mode_is_written() {
        let mut out = Output::default();
        request_mouse_mode(&mut out, MouseMode::Relative);
        assert_eq!(out.pending(), hex("6900 02000000 0100"));
    }
}
